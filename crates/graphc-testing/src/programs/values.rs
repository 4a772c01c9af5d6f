//! Operations on values.

use super::body::Body;
use super::index::Lane;
use super::scope::{Float, LARGEST, Plain};
use graphc_ir::DType;
use graphc_ir::loops::{Access, Expr, Join, Stmt, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};

/// Largest magnitude that is stored.
const STORED: f32 = 1e6;
/// Constants of arithmetic.
const CONSTANTS: [f32; 9] = [0.5, 1.0, -0.0, 0.0, 0.1, -3.7, 1e-40, 123_456.79, f32::MIN_POSITIVE];
/// Constants that give products, sums and quotients near the smallest normal number.
const SMALL: [f32; 9] = [
    1.0 - f32::EPSILON / 2.0,
    1.0 + f32::EPSILON,
    -1.0 + f32::EPSILON,
    f32::MIN_POSITIVE * 1.5,
    -f32::MIN_POSITIVE,
    f32::from_bits(0x807f_ffff),
    // 2^-63, 2^-100.
    f32::from_bits(0x2000_0000),
    f32::from_bits(0x0d80_0000),
    f32::from_bits(1),
];
/// Constants of wild programs.
const WILD: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e38, 1e30];

impl Body<'_, '_> {
    fn emit(&mut self, expr: Expr) -> ValueId {
        let value = self.fresh_value();
        self.block.push(Stmt::Let { value, expr });
        value
    }

    /// A new value of any kind.
    pub(super) fn any_value(&mut self) {
        match self.choices.pick(8) {
            0..=4 => drop(self.new_float()),
            5 | 6 => drop(self.new_int()),
            _ => drop(self.new_condition()),
        }
    }

    /// A value to be stored: of small magnitude, and on request the same in every lane.
    pub(super) fn stored_value(&mut self, dtype: DType, uniform: bool) -> ValueId {
        match dtype {
            DType::F32 => {
                let mut float = self.float();
                if uniform && !float.uniform {
                    float = self.join(float);
                }
                self.clamp(float).id
            }
            DType::I32 => {
                let int = self.int();
                if !uniform || int.uniform {
                    return int.id;
                }
                let constant = self.int_constant();
                self.emit(Expr::I32(constant))
            }
        }
    }

    fn push_float(&mut self, expr: Expr, bound: f64, uniform: bool) -> Float {
        let float = Float { id: self.emit(expr), bound, uniform };
        let float = if bound > LARGEST { self.clamp(float) } else { float };
        self.values.floats.push(float);
        float
    }

    fn push_int(&mut self, expr: Expr, uniform: bool) -> Plain {
        let int = Plain { id: self.emit(expr), uniform };
        self.values.ints.push(int);
        int
    }

    /// The value itself if it is small or the program is wild, else limited to what is stored.
    fn clamp(&mut self, float: Float) -> Float {
        if self.wild || float.bound <= f64::from(STORED) {
            return float;
        }
        let high = self.emit(Expr::F32(STORED));
        let below = self.emit(Expr::Binary(BinaryOp::Min, float.id, high));
        let low = self.emit(Expr::F32(-STORED));
        let id = self.emit(Expr::Binary(BinaryOp::Max, below, low));
        Float { id, bound: STORED.into(), ..float }
    }

    /// What stands there and another number, added and limited to what is stored.
    pub(super) fn grown(&mut self, at: Access) -> ValueId {
        let (uniform, other) = (self.is_uniform(&at.index), self.float());
        let old = self.push_float(Expr::Load(at), STORED.into(), uniform);
        let sum = Expr::Binary(BinaryOp::Add, old.id, other.id);
        let sum = self.push_float(sum, old.bound + other.bound, uniform && other.uniform);
        self.clamp(sum).id
    }

    fn join(&mut self, float: Float) -> Float {
        let join = self.choices.one_of(&[Join::Add, Join::Max]);
        self.push_float(Expr::JoinLanes(join, float.id), 8.0 * float.bound, true)
    }

    /// A real value in scope or a new one.
    fn float(&mut self) -> Float {
        let n = self.values.floats.len();
        if n == 0 || self.choices.rarely(6) {
            return self.leaf();
        }
        // Recent values are the interesting ones.
        let back = self.choices.pick(n).min(self.choices.pick(n));
        self.values.floats[n - 1 - back]
    }

    fn leaf(&mut self) -> Float {
        if self.choices.pick(3) == 2 {
            let value = match self.choices.pick(6) {
                0..=2 => self.choices.one_of(&CONSTANTS),
                5 if self.wild => self.choices.one_of(&WILD),
                _ => self.choices.one_of(&SMALL),
            };
            return self.push_float(Expr::F32(value), value.abs().into(), true);
        }
        let (expr, uniform) = self.read(DType::F32);
        self.push_float(expr, STORED.into(), uniform)
    }

    /// A load or the value of a mutable scalar, and whether it is the same in every lane.
    fn read(&mut self, dtype: DType) -> (Expr, bool) {
        let accs: Vec<_> = self.accs.iter().filter(|acc| acc.dtype == dtype).copied().collect();
        if !accs.is_empty() && self.choices.pick(2) == 1 {
            return (Expr::Acc(self.choices.one_of(&accs).id), self.lane.is_none());
        }
        let buffers: Vec<usize> = (0..self.dtypes.len()).filter(|&at| self.dtypes[at] == dtype).collect();
        let buffer = self.choices.one_of(&buffers);
        let lane = if self.choices.rarely(5) { Lane::Free } else { self.read_use() };
        let access = self.access(buffer, lane);
        let uniform = self.is_uniform(&access.index);
        (Expr::Load(access), uniform)
    }

    fn new_float(&mut self) -> Float {
        match self.choices.pick(12) {
            0 => self.leaf(),
            1..=4 => self.arithmetic(),
            5 => self.of_one(),
            6 => {
                let (a, b, c) = (self.float(), self.float(), self.float());
                let bound = a.bound * b.bound + c.bound;
                self.push_float(Expr::Fma(a.id, b.id, c.id), bound, a.uniform && b.uniform && c.uniform)
            }
            7 => {
                let (condition, a, b) = (self.condition(), self.float(), self.float());
                let uniform = condition.uniform && a.uniform && b.uniform;
                self.push_float(Expr::Select(condition.id, a.id, b.id), a.bound.max(b.bound), uniform)
            }
            8 => {
                let int = self.int();
                self.push_float(Expr::Unary(UnaryOp::ToF32, int.id), 2e10, int.uniform)
            }
            9 => {
                // The bits of a number from 0 to below 2, subnormal ones included; or any bits.
                let mask = if self.wild { -1 } else { 0x3fff_ffff };
                let (int, mask) = (self.int(), self.emit(Expr::I32(mask)));
                let bits = self.push_int(Expr::Binary(BinaryOp::IAnd, int.id, mask), int.uniform);
                self.push_float(Expr::Unary(UnaryOp::FromBits, bits.id), 2.0, int.uniform)
            }
            10 => self.limit(),
            _ if self.lane.is_some() => {
                let float = self.float();
                self.join(float)
            }
            _ => self.leaf(),
        }
    }

    fn arithmetic(&mut self) -> Float {
        let (a, mut b) = (self.float(), self.float());
        let op = self.choices.one_of(&[
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Max,
            BinaryOp::Min,
            BinaryOp::Div,
        ]);
        let bound = match op {
            BinaryOp::Mul => a.bound * b.bound,
            BinaryOp::Max | BinaryOp::Min => a.bound.max(b.bound),
            BinaryOp::Div if self.wild => a.bound,
            BinaryOp::Div => {
                let size = self.emit(Expr::Unary(UnaryOp::Abs, b.id));
                let half = self.emit(Expr::F32(0.5));
                b.id = self.emit(Expr::Binary(BinaryOp::Add, size, half));
                2.0 * a.bound
            }
            _ => a.bound + b.bound,
        };
        self.push_float(Expr::Binary(op, a.id, b.id), bound, a.uniform && b.uniform)
    }

    fn of_one(&mut self) -> Float {
        use UnaryOp::{Abs, Ceil, Floor, Neg, Round, Sqrt, Trunc};
        let float = self.float();
        let op = self.choices.one_of(&[Neg, Abs, Sqrt, Floor, Ceil, Round, Trunc]);
        if op.is_rounding() {
            // An integer is less than 1 away.
            return self.push_float(Expr::Unary(op, float.id), float.bound + 1.0, float.uniform);
        }
        if op != Sqrt || self.wild {
            return self.push_float(Expr::Unary(op, float.id), float.bound, float.uniform);
        }
        let size = self.emit(Expr::Unary(Abs, float.id));
        self.push_float(Expr::Unary(op, size), float.bound.max(1.0), float.uniform)
    }

    /// A maximum or minimum with an infinity or NaN that gives the other operand.
    fn limit(&mut self) -> Float {
        let float = self.float();
        let (op, limit) = self.choices.one_of(&[
            (BinaryOp::Min, f32::INFINITY),
            (BinaryOp::Max, f32::NEG_INFINITY),
            (BinaryOp::Max, f32::NAN),
            (BinaryOp::Min, f32::NAN),
        ]);
        let limit = self.emit(Expr::F32(limit));
        self.push_float(Expr::Binary(op, limit, float.id), float.bound, float.uniform)
    }

    /// The number, 0 for NaN, whose bits are not defined.
    fn defined(&mut self, id: ValueId) -> ValueId {
        let zero = self.emit(Expr::F32(0.0));
        let is_number = self.emit(Expr::Cmp(CmpOp::Eq, id, id));
        self.emit(Expr::Select(is_number, id, zero))
    }

    fn int(&mut self) -> Plain {
        let n = self.values.ints.len();
        if n == 0 || self.choices.rarely(5) {
            return self.new_int();
        }
        let back = self.choices.pick(n);
        self.values.ints[n - 1 - back]
    }

    fn int_constant(&mut self) -> i32 {
        self.choices.one_of(&[0, 1, -1, 7, i32::MIN, i32::MAX, 0x5bd1_e995, -1_640_531_527])
    }

    fn new_int(&mut self) -> Plain {
        if self.values.ints.is_empty() {
            return self.int_leaf();
        }
        match self.choices.pick(8) {
            0 | 1 => self.int_leaf(),
            2 => {
                let float = self.float();
                let id = if self.wild { self.defined(float.id) } else { float.id };
                self.push_int(Expr::Unary(UnaryOp::BitsOf, id), float.uniform)
            }
            3 => {
                let (condition, a, b) = (self.condition(), self.int(), self.int());
                let uniform = condition.uniform && a.uniform && b.uniform;
                self.push_int(Expr::Select(condition.id, a.id, b.id), uniform)
            }
            4 => {
                let (a, count) = (self.int(), self.choices.pick(32));
                let count = self.emit(Expr::I32(count as i32));
                let op = self.choices.one_of(&[BinaryOp::IShl, BinaryOp::IShr]);
                self.push_int(Expr::Binary(op, a.id, count), a.uniform)
            }
            _ => {
                use BinaryOp::{IAdd, IAnd, IMul, ISub, IXor};
                let (a, b) = (self.int(), self.int());
                let op = self.choices.one_of(&[IAdd, ISub, IMul, IAnd, IXor]);
                self.push_int(Expr::Binary(op, a.id, b.id), a.uniform && b.uniform)
            }
        }
    }

    fn int_leaf(&mut self) -> Plain {
        match self.choices.pick(4) {
            0 => {
                let constant = self.int_constant();
                self.push_int(Expr::I32(constant), true)
            }
            1 | 2 => {
                let lane = self.read_use();
                let access = self.access(0, lane);
                let uniform = self.is_uniform(&access.index);
                self.push_int(Expr::Index(access.index), uniform)
            }
            _ => {
                let (expr, uniform) = self.read(DType::I32);
                self.push_int(expr, uniform)
            }
        }
    }

    fn condition(&mut self) -> Plain {
        let n = self.values.conditions.len();
        if n == 0 || self.choices.rarely(3) {
            return self.new_condition();
        }
        let back = self.choices.pick(n);
        self.values.conditions[n - 1 - back]
    }

    fn new_condition(&mut self) -> Plain {
        let op = self.choices.one_of(&CmpOp::ALL);
        let (a, b) = match self.choices.pick(4) {
            0 | 1 => {
                let (a, b) = (self.float(), self.float());
                (Plain { id: a.id, uniform: a.uniform }, Plain { id: b.id, uniform: b.uniform })
            }
            2 => {
                let a = self.float();
                let limit = self.choices.one_of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
                let limit = self.emit(Expr::F32(limit));
                (Plain { id: a.id, uniform: a.uniform }, Plain { id: limit, uniform: true })
            }
            _ => (self.int(), self.int()),
        };
        let condition = Plain { id: self.emit(Expr::Cmp(op, a.id, b.id)), uniform: a.uniform && b.uniform };
        self.values.conditions.push(condition);
        condition
    }
}
