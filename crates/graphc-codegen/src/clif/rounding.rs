//! Rounding to integers: an instruction, or arithmetic on processors that have none.

use super::function::{Constant, FunctionEmitter};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{I32, I32X4};
use cranelift_codegen::ir::{InstBuilder, Value};
use graphc_ir::scalar::UnaryOp;

/// From here on every number is an integer, and the numbers next to it are one apart.
const INTEGERS: f32 = 8_388_608.0;

impl FunctionEmitter<'_, '_> {
    /// The integer next to a number, or to each of four, by one of the operations that round.
    pub(super) fn rounded(&mut self, op: UnaryOp, x: Value) -> Value {
        match op {
            UnaryOp::Floor if self.has_rounding => self.builder.ins().floor(x),
            UnaryOp::Ceil if self.has_rounding => self.builder.ins().ceil(x),
            UnaryOp::Round if self.has_rounding => self.builder.ins().nearest(x),
            UnaryOp::Trunc if self.has_rounding => self.builder.ins().trunc(x),
            UnaryOp::Floor => self.floor(x),
            UnaryOp::Ceil => {
                let turned = self.builder.ins().fneg(x);
                let below = self.floor(turned);
                self.builder.ins().fneg(below)
            }
            UnaryOp::Round => self.nearest(x),
            UnaryOp::Trunc => {
                let size = self.builder.ins().fabs(x);
                let below = self.floor(size);
                self.with_sign(below, x)
            }
            op => unreachable!("{} does not round", op.name()),
        }
    }

    fn floor(&mut self, x: Value) -> Value {
        let nearest = self.nearest(x);
        let minus_one = self.number(-1.0, x);
        let before = self.builder.ins().fadd(nearest, minus_one);
        let is_above = self.fcmp(FloatCC::GreaterThan, nearest, x);
        self.chosen(is_above, before, nearest)
    }

    /// A number to which 2^23 is added is rounded as every sum is: to the nearest integer, the even one of two.
    fn nearest(&mut self, x: Value) -> Value {
        let (size, integers) = (self.builder.ins().fabs(x), self.number(INTEGERS, x));
        let sum = self.builder.ins().fadd(size, integers);
        let rounded = self.builder.ins().fsub(sum, integers);
        let has_fraction = self.fcmp(FloatCC::GreaterThan, integers, size);
        let nearest = self.chosen(has_fraction, rounded, size);
        self.with_sign(nearest, x)
    }

    /// A number that is not negative, with the sign of another one.
    fn with_sign(&mut self, size: Value, of: Value) -> Value {
        let ty = self.builder.func.dfg.value_type(of);
        let bits = if ty.is_vector() { I32X4 } else { I32 };
        let [size, of] = [size, of].map(|value| self.bits_as(bits, value));
        let sign = self.constant(Constant::I32(i32::MIN), ty.is_vector());
        let sign = self.builder.ins().band(of, sign);
        let signed = self.builder.ins().bor(size, sign);
        self.bits_as(ty, signed)
    }

    /// A constant for operations on `x`.
    fn number(&mut self, number: f32, x: Value) -> Value {
        let is_vector = self.builder.func.dfg.value_type(x).is_vector();
        self.constant(Constant::F32(number.to_bits()), is_vector)
    }
}
