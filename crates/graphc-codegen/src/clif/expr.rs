//! Scalar operations, on one lane or on two vectors of four.

use super::function::{Constant, Emit, FunctionEmitter, Held, Operand};
use super::memory::Place;
use crate::select::values::Scalar;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, I32X4};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use graphc_ir::index::Affine;
use graphc_ir::loops::{Expr, Join, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};

impl FunctionEmitter<'_, '_> {
    /// `value = expr`.
    pub(super) fn let_value(&mut self, id: ValueId, expr: &Expr) -> Emit {
        let mut operand = self.expr(expr)?;
        if let (Held::Uniform(value), None) = (operand.held, operand.constant)
            && self.uniformity.needs_splat(id)
        {
            operand.splat = Some(self.splat(operand.scalar, value));
        }
        self.values.insert(id, operand);
        Ok(())
    }

    fn expr(&mut self, expr: &Expr) -> Emit<Operand> {
        match expr {
            Expr::Load(access) => self.load(access),
            Expr::F32(value) => Ok(self.constant_operand(Scalar::F32, Constant::F32(value.to_bits()))),
            Expr::I32(value) => Ok(self.constant_operand(Scalar::I32, Constant::I32(*value))),
            Expr::Index(index) => self.index(index),
            Expr::Acc(acc) => self.read_acc(*acc),
            Expr::Unary(op, a) => self.unary(*op, *a),
            Expr::Binary(op, a, b) => self.binary(*op, *a, *b),
            Expr::Fma(a, b, c) => {
                let operands =
                    [self.typed(*a, Scalar::F32)?, self.typed(*b, Scalar::F32)?, self.typed(*c, Scalar::F32)?];
                Ok(self.map(Scalar::F32, operands, |this, [a, b, c]| this.builder.ins().fma(a, b, c)))
            }
            Expr::Cmp(op, a, b) => self.compare(*op, *a, *b),
            Expr::Select(condition, a, b) => self.select(*condition, *a, *b),
            Expr::JoinLanes(join, a) => self.join(*join, *a),
        }
    }

    pub(super) fn constant_operand(&mut self, scalar: Scalar, constant: Constant) -> Operand {
        let value = self.constant(constant, false);
        Operand { constant: Some(constant), ..Operand::uniform(scalar, value) }
    }

    /// Applies an operation to the scalars, or to both halves if an operand has lanes.
    fn map<const N: usize>(
        &mut self,
        result: Scalar,
        operands: [Operand; N],
        mut build: impl FnMut(&mut Self, [Value; N]) -> Value,
    ) -> Operand {
        let scalars = operands.map(|operand| match operand.held {
            Held::Uniform(value) => Some(value),
            Held::Lanes(_) => None,
        });
        if scalars.iter().all(Option::is_some) {
            let value = build(self, scalars.map(|value| value.expect("just tested")));
            return Operand::uniform(result, value);
        }
        let lanes = operands.map(|operand| self.lanes(&operand));
        let low = build(self, lanes.map(|[low, _]| low));
        let high = build(self, lanes.map(|[_, high]| high));
        Operand::new(result, Held::Lanes([low, high]))
    }

    /// An index as `i32`.
    pub(super) fn index(&mut self, index: &Affine) -> Emit<Operand> {
        let held = match self.place(index)? {
            Place::Word(word) => {
                let value = self.indices.value(&mut self.builder, &word);
                Held::Uniform(self.narrow(value))
            }
            Place::Vector(word) => {
                let value = self.indices.value(&mut self.builder, &word);
                let value = self.narrow(value);
                let base = self.splat(Scalar::I32, value);
                let steps = [self.iota([0, 1, 2, 3]), self.iota([4, 5, 6, 7])];
                Held::Lanes(steps.map(|step| self.builder.ins().iadd(base, step)))
            }
            Place::Scattered(words) => {
                let mut vectors = [self.arena; 2];
                for (vector, half) in vectors.iter_mut().zip([&words[..4], &words[4..]]) {
                    let mut elements = Vec::with_capacity(half.len());
                    for word in half {
                        let value = self.indices.value(&mut self.builder, word);
                        elements.push(self.narrow(value));
                    }
                    *vector = self.builder.ins().scalar_to_vector(I32X4, elements[0]);
                    for (number, &element) in elements.iter().enumerate().skip(1) {
                        *vector = self.builder.ins().insertlane(*vector, element, number as u8);
                    }
                }
                Held::Lanes(vectors)
            }
        };
        Ok(Operand::new(Scalar::I32, held))
    }

    fn iota(&mut self, lanes: [i32; 4]) -> Value {
        let bytes: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let constant = self.builder.func.dfg.constants.insert(bytes.into());
        self.builder.ins().vconst(I32X4, constant)
    }

    fn unary(&mut self, op: UnaryOp, a: ValueId) -> Emit<Operand> {
        if op.is_function() {
            return Err(format!("{} is not part of the loop IR", op.name()));
        }
        let [from, to] = op.types().map(Scalar::of);
        let a = self.typed(a, from)?;
        Ok(self.map(to, [a], |this, [a]| {
            let ty = if this.builder.func.dfg.value_type(a).is_vector() { to.vector_type() } else { to.scalar_type() };
            match op {
                UnaryOp::Neg => this.builder.ins().fneg(a),
                UnaryOp::Abs => this.builder.ins().fabs(a),
                UnaryOp::Sqrt => this.builder.ins().sqrt(a),
                op if op.is_rounding() => this.rounded(op, a),
                UnaryOp::ToF32 => this.builder.ins().fcvt_from_sint(ty, a),
                _ => this.bits_as(ty, a),
            }
        }))
    }

    fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Emit<Operand> {
        let scalar = if op.is_integer() { Scalar::I32 } else { Scalar::F32 };
        let (a, b) = (self.typed(a, scalar)?, self.typed(b, scalar)?);
        if matches!(op, BinaryOp::IShl | BinaryOp::IShr) {
            return self.shift(op, a, b);
        }
        Ok(self.map(scalar, [a, b], |this, [a, b]| match op {
            BinaryOp::Add => this.builder.ins().fadd(a, b),
            BinaryOp::Sub => this.builder.ins().fsub(a, b),
            BinaryOp::Mul => this.builder.ins().fmul(a, b),
            BinaryOp::Div => this.builder.ins().fdiv(a, b),
            BinaryOp::Max => this.select_by(a, b, b, a),
            BinaryOp::Min => this.select_by(a, b, a, b),
            BinaryOp::IAdd => this.builder.ins().iadd(a, b),
            BinaryOp::ISub => this.builder.ins().isub(a, b),
            BinaryOp::IMul => this.builder.ins().imul(a, b),
            BinaryOp::IAnd => this.builder.ins().band(a, b),
            _ => this.builder.ins().bxor(a, b),
        }))
    }

    fn shift(&mut self, op: BinaryOp, a: Operand, distance: Operand) -> Emit<Operand> {
        let Some(Constant::I32(by @ 0..32)) = distance.constant else {
            return Err("the distance of a shift is not a constant below 32".to_owned());
        };
        let by = self.constant(Constant::I32(by), false);
        Ok(self.map(Scalar::I32, [a], |this, [a]| match op {
            BinaryOp::IShl => this.builder.ins().ishl(a, by),
            _ => this.builder.ins().ushr(a, by),
        }))
    }

    /// `x < y ? a : b` of the same two operands, as they are read. On x86-64 that is the form that becomes `minps` or
    /// `maxps`, which have just this meaning (CLIF's `fmin` and `fmax` do not); elsewhere it is a selection, which
    /// keeps subnormal numbers.
    fn select_by(&mut self, a: Value, b: Value, x: Value, y: Value) -> Value {
        let is_straight = x == a;
        debug_assert_eq!((x, y), if is_straight { (a, b) } else { (b, a) }, "a selection among what is compared");
        let [a, b] = [a, b].map(|value| self.apart(value));
        let [x, y] = if is_straight { [a, b] } else { [b, a] };
        let less = self.builder.ins().fcmp(FloatCC::LessThan, x, y);
        let chosen = self.chosen(less, a, b);
        if self.is_x64 { chosen } else { self.flushed(chosen) }
    }

    /// A zero of the same sign for a subnormal number, else the number: `x + -0` is `x`.
    fn flushed(&mut self, x: Value) -> Value {
        let is_vector = self.builder.func.dfg.value_type(x).is_vector();
        let zero = self.constant(Constant::F32(1 << 31), is_vector);
        self.builder.ins().fadd(x, zero)
    }

    pub(super) fn fcmp(&mut self, order: FloatCC, a: Value, b: Value) -> Value {
        let [a, b] = [a, b].map(|value| self.apart(value));
        self.builder.ins().fcmp(order, a, b)
    }

    /// The greater of both, NaN if either is: `maxps` alone gives `b` then.
    fn maximum(&mut self, a: Value, b: Value) -> Value {
        let greater = self.select_by(a, b, b, a);
        let is_nan = self.fcmp(FloatCC::NotEqual, a, a);
        self.chosen(is_nan, a, greater)
    }

    /// `condition ? a : b` of floating-point numbers.
    pub(super) fn chosen(&mut self, condition: Value, a: Value, b: Value) -> Value {
        if self.builder.func.dfg.value_type(a) == F32 {
            return self.builder.ins().select(condition, a, b);
        }
        let mask = self.bits_as(F32X4, condition);
        self.builder.ins().bitselect(mask, a, b)
    }

    /// Cranelift 0.135 makes a vector that is loaded just to be compared an operand of `cmpps` in memory, which must
    /// lie on a boundary of 16 bytes if the processor has no AVX. As another type's bits it is loaded by itself.
    fn apart(&mut self, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) != F32X4 {
            return value;
        }
        let bits = self.bits_as(I32X4, value);
        self.bits_as(F32X4, bits)
    }

    fn compare(&mut self, op: CmpOp, a: ValueId, b: ValueId) -> Emit<Operand> {
        let a = self.operand(a)?;
        let b = self.typed(b, a.scalar)?;
        self.compare_operands(op, [a, b])
    }

    /// A comparison of two operands of one type.
    pub(super) fn compare_operands(&mut self, op: CmpOp, [a, b]: [Operand; 2]) -> Emit<Operand> {
        match a.scalar {
            Scalar::F32 => {
                let order = match op {
                    CmpOp::Eq => FloatCC::Equal,
                    CmpOp::Ne => FloatCC::NotEqual,
                    // Not `LessThan`: Cranelift makes a minimum of a selection by that, and a selection keeps subnormal
                    // numbers.
                    CmpOp::Lt | CmpOp::Gt => FloatCC::GreaterThan,
                    CmpOp::Le => FloatCC::LessThanOrEqual,
                    CmpOp::Ge => FloatCC::GreaterThanOrEqual,
                };
                let [a, b] = if op == CmpOp::Lt { [b, a] } else { [a, b] };
                Ok(self.map(Scalar::Condition, [a, b], |this, [a, b]| this.fcmp(order, a, b)))
            }
            Scalar::I32 => {
                let order = match op {
                    CmpOp::Eq => IntCC::Equal,
                    CmpOp::Ne => IntCC::NotEqual,
                    CmpOp::Lt => IntCC::SignedLessThan,
                    CmpOp::Le => IntCC::SignedLessThanOrEqual,
                    CmpOp::Gt => IntCC::SignedGreaterThan,
                    CmpOp::Ge => IntCC::SignedGreaterThanOrEqual,
                };
                Ok(self.map(Scalar::Condition, [a, b], |this, [a, b]| this.builder.ins().icmp(order, a, b)))
            }
            Scalar::Condition => Err("conditions are compared".to_owned()),
        }
    }

    fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Emit<Operand> {
        let condition = self.typed(condition, Scalar::Condition)?;
        let a = self.operand(a)?;
        let b = self.typed(b, a.scalar)?;
        let scalar = a.scalar;
        if let Held::Uniform(condition) = condition.held {
            return Ok(self.map(scalar, [a, b], |this, [a, b]| this.builder.ins().select(condition, a, b)));
        }
        // `c ? x : 0` and `c ? 0 : x` are one `and` instead of a blend.
        if b.is_zero() || a.is_zero() {
            let keep_a = b.is_zero();
            let kept = if keep_a { a } else { b };
            return Ok(self.map(scalar, [condition, kept], |this, [mask, x]| {
                let ty = scalar.vector_type();
                let mask = this.bits_as(ty, mask);
                if keep_a { this.builder.ins().band(mask, x) } else { this.builder.ins().band_not(x, mask) }
            }));
        }
        Ok(self.map(scalar, [condition, a, b], |this, [mask, a, b]| {
            let (a, b) = (this.bits_as(I32X4, a), this.bits_as(I32X4, b));
            let chosen = this.builder.ins().bitselect(mask, a, b);
            this.bits_as(scalar.vector_type(), chosen)
        }))
    }

    /// All lanes combined in the tree of [`graphc_ir::scalar::join_lanes`].
    fn join(&mut self, join: Join, a: ValueId) -> Emit<Operand> {
        if self.lane.is_none() {
            return Err("lanes are joined outside a lanes region".to_owned());
        }
        let a = self.typed(a, Scalar::F32)?;
        let combine = |this: &mut Self, a: Value, b: Value| match join {
            Join::Add => this.builder.ins().fadd(a, b),
            Join::Max => this.maximum(a, b),
        };
        let joined = match a.held {
            Held::Uniform(value) => {
                let quarter = combine(self, value, value);
                let half = combine(self, quarter, quarter);
                combine(self, half, half)
            }
            Held::Lanes(halves) => self.joined(halves, &combine),
        };
        Ok(Operand::uniform(Scalar::F32, joined))
    }

    /// The sum of all lanes.
    pub(super) fn sum_of_lanes(&mut self, halves: [Value; 2]) -> Value {
        self.joined(halves, &|this, a, b| this.builder.ins().fadd(a, b))
    }

    fn joined(&mut self, [low, high]: [Value; 2], combine: &dyn Fn(&mut Self, Value, Value) -> Value) -> Value {
        let sums = combine(self, low, high);
        let t: [Value; 4] = std::array::from_fn(|lane| self.builder.ins().extractlane(sums, lane as u8));
        let u = [combine(self, t[0], t[2]), combine(self, t[1], t[3])];
        combine(self, u[0], u[1])
    }

    /// Type of one register of a value.
    pub(super) fn register_type(scalar: Scalar, lanes: bool) -> Type {
        if lanes { scalar.vector_type() } else { scalar.scalar_type() }
    }
}
