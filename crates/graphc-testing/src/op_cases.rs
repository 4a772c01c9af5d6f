//! Cases of single ops, drawn by what the ops say of themselves ([`OpInfo::draw`]): attributes, types of operands of
//! every rank, with a batch first, elsewhere or nowhere, and numbers that the op takes.

use graphc_ir::ops::OpInfo;
use graphc_ir::ops::draw::{Draw, Operand};
use graphc_ir::ops::facts::Domain;
use graphc_ir::types::{DType, Dim, Shape, TensorType};
use graphc_ir::{Op, Tensor};
use std::fmt;

/// An op with types of operands that it accepts.
#[derive(Clone, Debug)]
pub struct OpCase {
    /// The op.
    pub op: Op,
    /// Types of its operands.
    pub operands: Vec<TensorType>,
}

/// What numbers a case is run on: of the op's domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// No two are the same.
    Smooth,
    /// Multiples of 1/8 where that is possible.
    Ties,
    /// The same, with labels and positions on either side of what there is.
    Outside,
}

/// Cases of one op, different ones: `n`, or fewer if so many are not found.
pub fn op_cases(info: &OpInfo, n: usize) -> Vec<OpCase> {
    let mut draw = MadeUp { random: Random::new(info.name.bytes().map(u64::from).sum()), n_given: 0 };
    let mut cases: Vec<OpCase> = Vec::new();
    for _ in 0..20 * n {
        let Some(drawn) = info.draw(&mut draw) else { continue };
        let case = OpCase { op: drawn.op, operands: drawn.operands.into_iter().map(|operand| operand.ty).collect() };
        let is_new = || !cases.iter().any(|other| other.op == case.op && other.operands == case.operands);
        if case.op.infer(&case.operand_types()).is_ok_and(|ty| len(&ty.shape) <= MOST_ELEMENTS) && is_new() {
            cases.push(case);
        }
        if cases.len() == n {
            break;
        }
    }
    cases
}

/// Cases of every op that is drawn.
pub fn all_op_cases(n: usize) -> Vec<OpCase> {
    Op::ALL.iter().flat_map(|info| op_cases(info, n)).collect()
}

impl OpCase {
    /// Types of the operands, as [`Op::infer`] takes them.
    pub fn operand_types(&self) -> Vec<&TensorType> {
        self.operands.iter().collect()
    }

    /// Type of the result.
    ///
    /// # Panics
    /// If the op does not accept the operands.
    pub fn result(&self) -> TensorType {
        self.op.infer(&self.operand_types()).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// Numbers for the operands.
    pub fn numbers(&self, batch: usize, seed: u64, kind: Numbers) -> Vec<Tensor<f64>> {
        let mut random = Random::new(seed);
        let types = self.operand_types();
        let tensor = |(i, ty): (usize, &&TensorType)| {
            let domain = self.op.domain(i, &types);
            Tensor::from_fn(&ty.shape.sizes(Some(batch)), |_| number(&mut random, ty.dtype, domain, kind))
        };
        types.iter().enumerate().map(tensor).collect()
    }
}

fn number(random: &mut Random, dtype: DType, domain: Domain, kind: Numbers) -> f64 {
    let share = match kind {
        Numbers::Smooth => random.fraction(),
        Numbers::Ties | Numbers::Outside => (1 + random.below(39)) as f64 / 40.0,
    };
    match (dtype, domain) {
        (DType::I32, Domain::Below(end)) if kind == Numbers::Outside => (share * (end + 2) as f64).floor() - 1.0,
        (DType::I32, Domain::Below(end)) => (share * end as f64).floor(),
        // A case all of whose labels are the other has no mean.
        (DType::I32, Domain::BelowOr { other, .. }) if kind == Numbers::Outside && share < 0.25 => f64::from(other),
        (DType::I32, Domain::BelowOr { end, .. }) => number(random, dtype, Domain::Below(end), kind),
        (DType::I32, _) => (share * 11.0).floor() - 1.0,
        (_, Domain::Any) => 5.0 * share - 2.5,
        (_, Domain::AtLeast(least)) => least + 2.5 * share,
        (_, Domain::Within(most)) => most * (2.0 * share - 1.0),
        (_, Domain::Share) => share,
        (_, Domain::Below(end) | Domain::BelowOr { end, .. }) => (share * end as f64).floor(),
    }
}

impl fmt::Display for OpCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of", self.op)?;
        self.operands.iter().try_for_each(|ty| write!(f, " {ty}"))
    }
}

/// Most elements of a tensor, without the batch.
const MOST_ELEMENTS: usize = 200;

/// Sizes of dimensions, odd ones on purpose, a vector and one more.
const SIZES: [usize; 8] = [1, 2, 3, 4, 5, 7, 8, 9];

/// Makes up what is asked for.
struct MadeUp {
    random: Random,
    n_given: usize,
}

impl MadeUp {
    fn operand(&mut self, ty: TensorType) -> Operand {
        self.n_given += 1;
        Operand { ty, bound: 2.5, key: self.n_given }
    }

    fn shape(&mut self) -> Shape {
        let rank = self.pick(5);
        let mut dims: Vec<Dim> = (0..rank).map(|_| Dim::Fixed(SIZES[self.pick(SIZES.len())])).collect();
        match self.pick(3) {
            0 if rank > 0 => dims[0] = Dim::Batch,
            1 if rank > 0 => dims[self.random.below(rank as u64) as usize] = Dim::Batch,
            _ => {}
        }
        Shape(dims)
    }
}

impl Draw for MadeUp {
    fn pick(&mut self, n: usize) -> usize {
        self.random.below(n as u64) as usize
    }

    fn size(&mut self) -> usize {
        SIZES[self.pick(SIZES.len())]
    }

    fn tensor(&mut self, fits: &dyn Fn(&Shape) -> bool) -> Option<Operand> {
        let shape = (0..1000).map(|_| self.shape()).find(|shape| len(shape) <= MOST_ELEMENTS / 2 && fits(shape))?;
        Some(self.operand(TensorType::f32(shape)))
    }

    fn given(&mut self, ty: TensorType) -> Operand {
        self.operand(ty)
    }

    fn learned(&mut self, shape: Shape) -> Operand {
        self.operand(TensorType::f32(shape))
    }

    fn kept(&mut self, shape: Shape) -> Operand {
        self.operand(TensorType::f32(shape))
    }
}

fn len(shape: &Shape) -> usize {
    shape.fixed_len()
}

/// A linear congruential generator (Knuth, MMIX).
pub struct Random(u64);

impl Random {
    /// One that starts with a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A number between 0 and 1, neither included.
    pub fn fraction(&mut self) -> f64 {
        (self.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_op_is_drawn_or_says_why_not() {
        for info in Op::ALL {
            let cases = op_cases(info, 3);
            match info.not_drawn {
                Some(reason) => assert!(cases.is_empty() && !reason.is_empty(), "{} is drawn after all", info.name),
                None => assert!(!cases.is_empty(), "{} has no `draw`, and no reason in `NOT_DRAWN`", info.name),
            }
        }
    }

    #[test]
    fn operands_have_every_rank_and_batches_stand_everywhere() {
        let cases = op_cases(Op::named("reduce_sum").expect("an op"), 200);
        let kinds = cases.iter().map(|case| &case.operands[0].shape);
        let kinds: BTreeSet<_> = kinds.map(|shape| (shape.rank(), shape.batch_axis())).collect();
        let all = (1..=4).flat_map(|rank| (0..=rank).map(move |axis| (rank, (axis < rank).then_some(axis))));
        assert_eq!(kinds, all.collect());
    }

    #[test]
    fn numbers_are_of_the_domain() {
        for case in all_op_cases(2) {
            for kind in [Numbers::Smooth, Numbers::Ties] {
                for (i, tensor) in case.numbers(3, 7, kind).iter().enumerate() {
                    let domain = case.op.domain(i, &case.operand_types());
                    let [low, high] = match domain {
                        Domain::Share => [f64::MIN_POSITIVE, 1.0 - f64::EPSILON],
                        _ => domain.interval(10.0),
                    };
                    assert!(tensor.data.iter().all(|x| (low..=high).contains(x)), "{case}: {domain:?}, {tensor:?}");
                }
            }
        }
    }
}
