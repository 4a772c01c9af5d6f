//! Which register holds what in one step of a tile's reduction.
//!
//! Accumulators stay in registers throughout. Of the two factors, the one with fewer distinct
//! operands is *resident*: loaded at the start of a step and kept. The operands of the other one
//! are *streamed*: loaded, used up and forgotten one by one. A streamed vector that is used once
//! is read by the multiply-add itself.

use super::straight_line_registers::StraightLinePlan;
use super::tile::{CELL_BYTES, End, TileShape, n_levels};
use super::unit::{Misfit, VectorUnit};

/// Most bytes on the stack for sums of runs that wait for others: less than a page, so that no guard page is passed
/// over.
const MOST_WAITING_BYTES: usize = 4000;

/// The registers of a tile.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TilePlan {
    /// The instructions of one step of the innermost reduction. Accumulator `cell * registers_per_cell + part` stands
    /// in the register of that number.
    pub(crate) step: Vec<Action>,
    /// Those of the epilogue, if the tile has one.
    pub(crate) epilogue: Option<StraightLinePlan>,
}

impl TilePlan {
    /// The plan for a unit.
    pub(crate) fn of(shape: &TileShape, unit: &VectorUnit) -> Result<TilePlan, Misfit> {
        let step = step(shape, unit).ok_or(Misfit::Registers)?;
        if shape.n_counts() > unit.n_counts || shape.loops.len() > unit.n_reductions {
            return Err(Misfit::Reductions);
        }
        if n_levels(shape.n_runs()) * shape.out.len() * CELL_BYTES as usize > MOST_WAITING_BYTES {
            return Err(Misfit::Runs);
        }
        let epilogue = match shape.end {
            End::Epilogue => Some(StraightLinePlan::once(&shape.epilogue, unit).ok_or(Misfit::Registers)?),
            End::Vector | End::Sum => None,
        };
        Ok(TilePlan { step, epilogue })
    }
}

/// Part of an operand that fills one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// Which factor: 0 is `a`.
    pub(crate) factor: usize,
    /// Bytes from the factor's pointer.
    pub(crate) offset: i32,
    pub(crate) is_vector: bool,
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
fn step(shape: &TileShape, unit: &VectorUnit) -> Option<Vec<Action>> {
    let n_parts = unit.registers_per_cell();
    let n_cells = shape.out.len();
    let first_free = n_cells * n_parts;
    let operand = |factor: usize, cell: usize, part: usize| {
        let side = [&shape.a, &shape.b][factor];
        let offset = side.cells[cell] + if side.is_vector { part as i32 * unit.bytes() } else { 0 };
        Operand { factor, offset, is_vector: side.is_vector }
    };
    let fmas: Vec<(usize, [Operand; 2])> = (0..n_cells)
        .flat_map(|cell| (0..n_parts).map(move |part| (cell, part)))
        .map(|(cell, part)| (cell * n_parts + part, [0, 1].map(|factor| operand(factor, cell, part))))
        .collect();
    let distinct = |factor: usize| {
        let mut operands: Vec<Operand> = Vec::new();
        for (_, factors) in &fmas {
            if !operands.contains(&factors[factor]) {
                operands.push(factors[factor]);
            }
        }
        operands
    };
    let operands = [distinct(0), distinct(1)];
    let resident = usize::from(operands[1].len() < operands[0].len());
    let streamed = 1 - resident;
    let n_resident = operands[resident].len();
    let temps = first_free + n_resident..unit.n_registers;
    if temps.is_empty() {
        return None;
    }
    let register_of = |operand: Operand| {
        first_free + operands[resident].iter().position(|&known| known == operand).expect("collected above")
    };
    let mut actions: Vec<Action> =
        operands[resident].iter().map(|&operand| Action::Load(register_of(operand), operand)).collect();
    for (number, &stream) in operands[streamed].iter().enumerate() {
        let users: Vec<_> = fmas.iter().filter(|(_, factors)| factors[streamed] == stream).collect();
        if let [(acc, factors)] = users.as_slice()
            && stream.is_vector
        {
            actions.push(Action::FmaMemory(*acc, register_of(factors[resident]), stream));
            continue;
        }
        let temp = temps.start + number % temps.len();
        actions.push(Action::Load(temp, stream));
        actions.extend(users.iter().map(|(acc, factors)| Action::Fma(*acc, register_of(factors[resident]), temp)));
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
        for (rows, columns, lanes) in [(6, 2, 8), (3, 4, 8), (1, 1, 8), (12, 1, 8), (3, 2, 4), (1, 6, 4)] {
            let (shape, unit) = (grid(rows, columns), unit(lanes));
            let plan = TilePlan::of(&shape, &unit).expect("it fits");
            let n_parts = unit.registers_per_cell();
            let products = products(&plan.step);
            assert_eq!(products.len(), shape.out.len() * n_parts);
            for (number, (acc, factors)) in products.into_iter().enumerate() {
                assert_eq!(acc, number);
                let (cell, part) = (acc / n_parts, acc % n_parts);
                let expected = [
                    Operand { factor: 0, offset: shape.a.cells[cell] + part as i32 * unit.bytes(), is_vector: true },
                    Operand { factor: 1, offset: shape.b.cells[cell], is_vector: false },
                ];
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
