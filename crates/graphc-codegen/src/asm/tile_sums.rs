//! Which register holds which sums of a tile.
//!
//! A cell has eight lanes. With shorter registers it takes several of them, each a part of its lanes; in a register of
//! sixteen lanes there are two cells. Which ones is free: their lanes never meet. Two whose operands are neighbours
//! in memory are loaded as one; so cells are paired along that axis of the grid that takes the fewest instructions.

use super::tile::{CELL_BYTES, Factor, TileShape};
use super::unit::VectorUnit;
use graphc_ir::scalar::LANES;

/// What a register of sums holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    /// The cell in its lowest lanes.
    pub(crate) cell: usize,
    /// Bytes from the cell's first lane to that of the register.
    pub(crate) part: i32,
    /// The cell in the upper half, if the register has halves: the same one where no other is left.
    pub(crate) upper: Option<usize>,
}

impl Sums {
    /// Of every register, from the first on.
    pub(crate) fn of(shape: &TileShape, unit: &VectorUnit) -> Vec<Sums> {
        let n_cells = shape.out.len();
        if unit.lanes > LANES {
            let divisors = |n: usize| (1..=n).filter(move |divisor| n.is_multiple_of(*divisor));
            let axes = divisors(n_cells)
                .flat_map(|distance| divisors(n_cells / distance).map(move |extent| (distance, extent)));
            let pairings = axes.map(|axis| pairs(n_cells, axis));
            return pairings.min_by_key(|sums| cost(shape, sums, unit)).unwrap_or_default();
        }
        let n_parts = unit.registers_per_cell();
        let parts =
            |cell: usize| (0..n_parts).map(move |part| Sums { cell, part: part as i32 * unit.bytes(), upper: None });
        (0..n_cells).flat_map(parts).collect()
    }

    /// What a factor's operand is, relative to the factor's pointer.
    pub(crate) fn operand(self, factor: &Factor) -> Lanes {
        let low = factor.cells[self.cell];
        let high = self.upper.map(|upper| factor.cells[upper]);
        match (factor.is_vector, high) {
            (false, Some(high)) if high != low => Lanes::Splats(low, high),
            (false, _) => Lanes::Splat(low),
            (true, Some(high)) if high == low => Lanes::Twice(low),
            (true, Some(high)) if high - low != CELL_BYTES => Lanes::Apart(low, high),
            (true, _) => Lanes::Vector(low + self.part),
        }
    }

    /// Where they stand, if cells stand at these places: bytes from a pointer, and the upper half's if it is another
    /// cell's and no neighbour.
    pub(crate) fn place(self, cells: &[i32]) -> Place {
        let low = cells[self.cell] + self.part;
        match self.upper {
            None => Place::Whole(low),
            Some(upper) if upper == self.cell => Place::Lower(low),
            Some(upper) if cells[upper] - low == CELL_BYTES => Place::Whole(low),
            Some(upper) => Place::Halves(low, cells[upper]),
        }
    }
}

/// Where a register's sums stand in memory: bytes from a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of its lanes.
    Whole(i32),
    /// Those of its lower half alone.
    Lower(i32),
    /// Those of both halves.
    Halves(i32, i32),
}

/// Along an axis of that extent, whose coordinates are so many cells apart: the first with the second, and so on.
fn pairs(n_cells: usize, (distance, extent): (usize, usize)) -> Vec<Sums> {
    let coordinate = |cell: usize| cell / distance % extent;
    let with_other = |cell: usize| {
        let is_last = coordinate(cell) + 1 == extent;
        Sums { cell, part: 0, upper: Some(if is_last { cell } else { cell + distance }) }
    };
    (0..n_cells).filter(|&cell| coordinate(cell).is_multiple_of(2)).map(with_other).collect()
}

/// Whether there are too few registers, what a step takes in instructions, and what it takes to store the sums.
fn cost(shape: &TileShape, sums: &[Sums], unit: &VectorUnit) -> (bool, usize, usize, usize) {
    let operands = [&shape.a, &shape.b].map(|factor| {
        let mut operands: Vec<Lanes> = sums.iter().map(|sums| sums.operand(factor)).collect();
        operands.sort_unstable();
        operands.dedup();
        operands
    });
    // One factor stays in registers.
    let n_resident = operands.iter().map(Vec::len).min().unwrap_or(0);
    let n_loads: usize = operands.iter().flatten().map(|lanes| lanes.cost()).sum();
    let n_stores = sums.iter().filter(|sums| matches!(sums.place(&shape.out), Place::Halves(..))).count();
    (sums.len() + n_resident >= unit.n_registers, sums.len() + n_loads, n_resident, n_stores)
}

/// Where the lanes of an operand that fills a register come from: bytes from a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lanes {
    /// Neighbouring words.
    Vector(i32),
    /// One word.
    Splat(i32),
    /// The same vector in both halves.
    Twice(i32),
    /// A vector in each half.
    Apart(i32, i32),
    /// A word in each half.
    Splats(i32, i32),
}

impl Lanes {
    /// The same from a pointer that is so many bytes ahead.
    pub(crate) fn moved(self, bytes: i32) -> Lanes {
        match self {
            Lanes::Vector(at) => Lanes::Vector(at + bytes),
            Lanes::Splat(at) => Lanes::Splat(at + bytes),
            Lanes::Twice(at) => Lanes::Twice(at + bytes),
            Lanes::Apart(low, high) => Lanes::Apart(low + bytes, high + bytes),
            Lanes::Splats(low, high) => Lanes::Splats(low + bytes, high + bytes),
        }
    }

    /// Instructions that load it.
    fn cost(self) -> usize {
        match self {
            Lanes::Vector(_) | Lanes::Splat(_) | Lanes::Twice(_) => 1,
            Lanes::Apart(..) | Lanes::Splats(..) => 2,
        }
    }
}
