//! Types and constants of a kernel's values.

use crate::hash::QuickMap;
use graphc_ir::DType;
use graphc_ir::loops::{AccId, Access, Expr, Kernel, Program, Stmt, ValueId};
use graphc_ir::scalar::BinaryOp;

/// Element type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    F32,
    I32,
    /// A truth value: `i8` as a scalar, all ones or zero as a lane.
    Condition,
}

impl Scalar {
    pub(crate) fn of(dtype: DType) -> Scalar {
        match dtype {
            DType::F32 => Scalar::F32,
            DType::I32 => Scalar::I32,
        }
    }
}

/// What is known of values before any code is made. In a program that breaks rules some are missing.
#[derive(Debug, Default)]
pub(crate) struct Values {
    types: QuickMap<ValueId, Scalar>,
    /// Bits of constant numbers.
    constants: QuickMap<ValueId, u32>,
    accs: QuickMap<AccId, Scalar>,
}

impl Values {
    pub(crate) fn of(program: &Program, kernel: &Kernel) -> Values {
        let mut values = Values::default();
        values.block(program, &kernel.body);
        values
    }

    /// Its type, if that is known.
    pub(crate) fn scalar(&self, id: ValueId) -> Option<Scalar> {
        self.types.get(&id).copied()
    }

    /// The bits of a constant number.
    pub(crate) fn constant(&self, id: ValueId) -> Option<u32> {
        self.constants.get(&id).copied()
    }

    /// Whether the mutable scalar is a floating-point number.
    pub(crate) fn acc_is_f32(&self, acc: AccId) -> bool {
        self.accs.get(&acc) == Some(&Scalar::F32)
    }

    fn block(&mut self, program: &Program, stmts: &[Stmt]) {
        for stmt in stmts {
            match stmt {
                Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => {
                    self.block(program, body)
                }
                Stmt::Let { value, expr } => {
                    let bits = match expr {
                        Expr::F32(number) => Some(number.to_bits()),
                        Expr::I32(number) => Some(number.cast_unsigned()),
                        _ => None,
                    };
                    if let Some(bits) = bits {
                        self.constants.insert(*value, bits);
                    }
                    if let Some(scalar) = self.type_of(program, expr) {
                        self.types.insert(*value, scalar);
                    }
                }
                Stmt::Set { acc, value } => {
                    if let Some(&scalar) = self.types.get(value) {
                        self.accs.entry(*acc).or_insert(scalar);
                    }
                }
                Stmt::Tile(tile) => {
                    self.types.insert(tile.acc, Scalar::F32);
                    self.block(program, &tile.epilogue);
                }
                Stmt::LetIndex { .. }
                | Stmt::ClampIndex { .. }
                | Stmt::LoadIndex { .. }
                | Stmt::Store { .. }
                | Stmt::Fetch { .. } => {}
            }
        }
    }

    fn type_of(&self, program: &Program, expr: &Expr) -> Option<Scalar> {
        Some(match expr {
            Expr::Load(access) => scalar_of(program, access)?,
            Expr::F32(_) | Expr::Fma(..) | Expr::JoinLanes(..) => Scalar::F32,
            Expr::I32(_) | Expr::Index(_) => Scalar::I32,
            Expr::Acc(acc) => *self.accs.get(acc)?,
            Expr::Unary(op, _) => Scalar::of(op.types()[1]),
            Expr::Binary(op, ..) => if_integer(*op),
            Expr::Cmp(..) => Scalar::Condition,
            Expr::Select(_, a, _) => *self.types.get(a)?,
        })
    }
}

/// The type of an access's words, if there is a buffer of that number.
pub(crate) fn scalar_of(program: &Program, access: &Access) -> Option<Scalar> {
    program.buffers.get(access.buffer.0 as usize).map(|buffer| Scalar::of(buffer.dtype))
}

fn if_integer(op: BinaryOp) -> Scalar {
    if op.is_integer() { Scalar::I32 } else { Scalar::F32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_from_operations() {
        let text = "program \"t\" (batch=1, arena=64) {
            buffer b0: i32 input \"x\" [64] strides=[1] chunk=64 len=64 @0
            kernel \"k\" { nest \"n\" {
              v0 = load b0[0] v1 = to_f32 v0 v2 = f32 1.5 v3 = cmp lt v1, v2 v4 = select v3, v1, v2
              a0 = v4 v5 = acc a0 v6 = bits_of v5 a1 = v6 v7 = acc a1 } } }";
        let program: Program = text.parse().expect("the program reads");
        let values = Values::of(&program, &program.kernels[0]);
        let numbers: Vec<u32> = (0..8).filter(|&id| values.scalar(ValueId(id)) == Some(Scalar::F32)).collect();
        assert_eq!(numbers, [1, 2, 4, 5]);
        assert_eq!((values.constant(ValueId(2)), values.constant(ValueId(4))), (Some(1.5_f32.to_bits()), None));
        assert!(values.acc_is_f32(AccId(0)) && !values.acc_is_f32(AccId(1)));
    }
}
