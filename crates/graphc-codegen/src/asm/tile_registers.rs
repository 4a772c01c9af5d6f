//! Which register holds what in one step of a tile's reduction.
//!
//! Accumulators stay in registers throughout. Of the two factors, the one with fewer distinct
//! operands is *resident*: loaded at the start of a step and kept. The operands of the other one
//! are *streamed*: loaded, used up and forgotten one by one. A streamed vector that is used once
//! is read by the multiply-add itself.

use super::straight_line_registers::StraightLinePlan;
use super::tile::{CELL_BYTES, End, TileShape, n_levels};
use super::tile_sums::{Lanes, Sums};
use super::unit::{Misfit, VectorUnit};

/// Most bytes on the stack for sums of runs that wait for others: less than a page, so that no guard page is passed
/// over.
const MOST_WAITING_BYTES: usize = 4000;

/// The registers of a tile.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TilePlan {
    /// What the first registers hold.
    pub(crate) sums: Vec<Sums>,
    /// The instructions of one step of the innermost reduction.
    pub(crate) step: Vec<Action>,
    /// Those of the epilogue, if the tile has one.
    pub(crate) epilogue: Option<StraightLinePlan>,
}

impl TilePlan {
    /// The plan for a unit.
    pub(crate) fn of(shape: &TileShape, unit: &VectorUnit) -> Result<TilePlan, Misfit> {
        let sums = Sums::of(shape, unit);
        let step = step(shape, &sums, unit).ok_or(Misfit::Registers)?;
        if shape.n_counts() > unit.n_counts || shape.loops.len() > unit.n_reductions {
            return Err(Misfit::Reductions);
        }
        if n_levels(shape.n_runs()) * shape.out.len() * CELL_BYTES as usize > MOST_WAITING_BYTES {
            return Err(Misfit::Runs);
        }
        let cells: Vec<[usize; 2]> = sums.iter().map(|sums| [sums.cell, sums.upper.unwrap_or(sums.cell)]).collect();
        let epilogue = match shape.end {
            End::Epilogue => Some(StraightLinePlan::once(&shape.epilogue, unit, &cells).ok_or(Misfit::Registers)?),
            End::Vector | End::Sum => None,
        };
        Ok(TilePlan { sums, step, epilogue })
    }
}

/// An operand that fills a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// Which factor: 0 is `a`.
    pub(crate) factor: usize,
    pub(crate) lanes: Lanes,
}

impl Operand {
    /// Whether it is another word in the upper half.
    pub(crate) fn has_two_words(self) -> bool {
        matches!(self.lanes, Lanes::Splats(..))
    }
}

/// An instruction of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// `register = operand`
    Load(usize, Operand),
    /// `acc = fma(first, second, acc)`
    Fma(usize, usize, usize),
    /// `acc = fma(first, operand in memory, acc)`
    FmaMemory(usize, usize, Operand),
}

/// The instructions of one step; none if there are not enough registers.
fn step(shape: &TileShape, sums: &[Sums], unit: &VectorUnit) -> Option<Vec<Action>> {
    let factors = [&shape.a, &shape.b];
    let operands = |factor: usize| -> Vec<Operand> {
        sums.iter().map(|sums| Operand { factor, lanes: sums.operand(factors[factor]) }).collect()
    };
    let of_sums = [operands(0), operands(1)];
    let distinct = |factor: usize| {
        let mut operands: Vec<Operand> = Vec::new();
        for &operand in &of_sums[factor] {
            if !operands.contains(&operand) {
                operands.push(operand);
            }
        }
        operands
    };
    let operands = [distinct(0), distinct(1)];
    let resident = usize::from(operands[1].len() < operands[0].len());
    let streamed = 1 - resident;
    let first_free = sums.len();
    let temps = first_free + operands[resident].len()..unit.n_registers;
    if temps.is_empty() {
        return None;
    }
    let register_of = |acc: usize| {
        let operand = of_sums[resident][acc];
        first_free + operands[resident].iter().position(|&known| known == operand).expect("collected above")
    };
    let loaded = operands[resident].iter().enumerate();
    let mut actions: Vec<Action> = loaded.map(|(i, &operand)| Action::Load(first_free + i, operand)).collect();
    for (number, &stream) in operands[streamed].iter().enumerate() {
        let users: Vec<usize> = (0..sums.len()).filter(|&acc| of_sums[streamed][acc] == stream).collect();
        if let [acc] = users.as_slice()
            && stream.lanes.is_read_by(unit)
        {
            actions.push(Action::FmaMemory(*acc, register_of(*acc), stream));
            continue;
        }
        let temp = temps.start + number % temps.len();
        actions.push(Action::Load(temp, stream));
        actions.extend(users.into_iter().map(|acc| Action::Fma(acc, register_of(acc), temp)));
    }
    Some(actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::straight_line::StraightLine;
    use crate::asm::tile::{Count, Factor, Reduction, Start};
    use crate::asm::unit::ShapeKind;

    fn unit(lanes: usize) -> VectorUnit {
        let assembles = &[ShapeKind::Tile];
        VectorUnit {
            name: "v",
            lanes,
            n_registers: 16,
            n_line_registers: 16,
            n_masks: 0,
            splats_memory: false,
            assembles,
            n_pointers: 7,
            n_inner_loops: 2,
            n_reductions: 2,
            n_counts: 1,
        }
    }

    /// `rows` splats by `columns` vectors.
    fn grid(rows: i32, columns: i32) -> TileShape {
        let cells: Vec<(i32, i32)> = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect();
        TileShape {
            a: Factor { is_vector: true, cells: cells.iter().map(|(_, column)| 32 * column).collect() },
            b: Factor { is_vector: false, cells: cells.iter().map(|(row, _)| 4 * row).collect() },
            ahead: [0, 0],
            loops: vec![Reduction { count: Count::Constant(5), strides: [64, 4] }],
            runs: None,
            start: Start::Zero,
            end: End::Vector,
            out: (0..rows * columns).map(|cell| 32 * cell).collect(),
            epilogue: StraightLine::default(),
        }
    }

    /// The operands of every accumulator, as the step's instructions read them.
    fn products(step: &[Action]) -> Vec<(usize, [Operand; 2])> {
        let mut held: [Option<Operand>; 16] = [None; 16];
        let mut products = Vec::new();
        for &action in step {
            match action {
                Action::Load(register, operand) => held[register] = Some(operand),
                Action::Fma(acc, first, second) => {
                    products.push((acc, [first, second].map(|register| held[register].expect("it is loaded"))));
                }
                Action::FmaMemory(acc, first, operand) => {
                    products.push((acc, [held[first].expect("it is loaded"), operand]));
                }
            }
        }
        products.sort_by_key(|(acc, _)| *acc);
        products
    }

    #[test]
    fn every_accumulator_gets_its_product_once() {
        for (rows, columns, lanes) in
            [(6, 2, 8), (3, 4, 8), (1, 1, 8), (12, 1, 8), (3, 2, 4), (1, 6, 4), (7, 2, 16), (3, 3, 16)]
        {
            let (shape, unit) = (grid(rows, columns), unit(lanes));
            let plan = TilePlan::of(&shape, &unit).expect("it fits");
            let products = products(&plan.step);
            assert_eq!(products.len(), plan.sums.len());
            for (number, (acc, factors)) in products.into_iter().enumerate() {
                assert_eq!(acc, number);
                let operand = |factor: usize| {
                    let lanes = plan.sums[acc].operand([&shape.a, &shape.b][factor]);
                    Operand { factor, lanes }
                };
                let expected = [operand(0), operand(1)];
                assert!(expected.iter().all(|operand| factors.contains(operand)), "{rows}x{columns}: {factors:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        assert_eq!(TilePlan::of(&grid(16, 1), &unit(8)), Err(Misfit::Registers));
        assert_eq!(TilePlan::of(&grid(6, 2), &unit(4)), Err(Misfit::Registers));
        let mut deep = grid(2, 2);
        deep.loops = vec![deep.loops[0]; 3];
        assert_eq!(TilePlan::of(&deep, &unit(8)), Err(Misfit::Reductions));
    }
}
