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
            let pairings = axes(n_cells).into_iter().map(|axis| pairs(n_cells, axis));
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

/// Axes that a row-major grid of so many cells may have: how many cells apart coordinates are, and the extent. All even
/// extents make the same pairs, so there is one of them.
fn axes(n_cells: usize) -> Vec<(usize, usize)> {
    let divisors = |n: usize| (1..=n).filter(move |divisor| n.is_multiple_of(*divisor));
    let of = |distance: usize| {
        let n = n_cells / distance;
        let odd = divisors(n).filter(move |&extent| !extent.is_multiple_of(2) && (extent > 1 || n_cells == 1));
        odd.chain(n.is_multiple_of(2).then_some(n)).map(move |extent| (distance, extent))
    };
    divisors(n_cells).flat_map(of).collect()
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

    /// Whether a unit's multiply-add reads it from memory.
    pub(crate) fn is_read_by(self, unit: &VectorUnit) -> bool {
        matches!(self, Lanes::Vector(_)) || unit.splats_memory && matches!(self, Lanes::Splat(_))
    }

    /// Instructions that load it.
    fn cost(self) -> usize {
        match self {
            Lanes::Vector(_) | Lanes::Splat(_) | Lanes::Twice(_) => 1,
            Lanes::Apart(..) | Lanes::Splats(..) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::straight_line::StraightLine;
    use crate::asm::tile::{Count, End, Reduction, Start};
    use crate::asm::unit::ShapeKind;

    fn unit(lanes: usize, n_registers: usize) -> VectorUnit {
        VectorUnit {
            name: "v",
            lanes,
            n_registers,
            n_line_registers: 16,
            n_masks: 0,
            splats_memory: true,
            assembles: &[ShapeKind::Tile],
            n_pointers: 7,
            n_inner_loops: 2,
            n_reductions: 2,
            n_counts: 1,
        }
    }

    /// A grid; of each factor, whether it is vectors and its bytes from one row to the next and from one column to the
    /// next.
    fn grid((rows, columns): (i32, i32), a: (bool, [i32; 2]), b: (bool, [i32; 2])) -> TileShape {
        let cells: Vec<[i32; 2]> = (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column])).collect();
        let at = |step: [i32; 2]| cells.iter().map(|cell| cell[0] * step[0] + cell[1] * step[1]).collect();
        let factor = |(is_vector, step): (bool, [i32; 2])| Factor { is_vector, cells: at(step) };
        TileShape {
            a: factor(a),
            b: factor(b),
            ahead: [0, 0],
            loops: vec![Reduction { count: Count::Constant(5), strides: [64, 4] }],
            runs: None,
            start: Start::Zero,
            end: End::Vector,
            out: at([columns * CELL_BYTES, CELL_BYTES]),
            epilogue: StraightLine::default(),
        }
    }

    fn cells(sums: &[Sums]) -> Vec<(usize, Option<usize>)> {
        sums.iter().map(|sums| (sums.cell, sums.upper)).collect()
    }

    #[test]
    fn every_cell_stands_in_one_register() {
        for size in [(1, 1), (3, 2), (5, 3), (1, 7), (13, 4)] {
            for step in [[0, 32], [0, 640], [32, 0]] {
                let sums = Sums::of(&grid(size, (true, step), (false, [4, 0])), &unit(16, 32));
                let uppers = sums.iter().filter_map(|sums| sums.upper.filter(|&upper| upper != sums.cell));
                let mut held: Vec<usize> = sums.iter().map(|sums| sums.cell).chain(uppers).collect();
                held.sort_unstable();
                assert!(held.into_iter().eq(0..(size.0 * size.1) as usize), "{size:?} {step:?}");
            }
        }
    }

    /// The vectors of both halves of a chunk are one load, and what they meet is a splat for both.
    #[test]
    fn neighbours_share_a_register() {
        let shape = grid((3, 2), (true, [0, 32]), (false, [4, 0]));
        let sums = Sums::of(&shape, &unit(16, 32));
        assert_eq!(cells(&sums), [(0, Some(1)), (2, Some(3)), (4, Some(5))]);
        assert_eq!([sums[1].operand(&shape.a), sums[1].operand(&shape.b)], [Lanes::Vector(0), Lanes::Splat(4)]);
        assert_eq!(sums[1].place(&shape.out), Place::Whole(64));
    }

    /// Of two vectors one has to be put together from halves: that of which there are fewer.
    #[test]
    fn halves_that_lie_apart_are_loaded_one_by_one() {
        let shape = grid((2, 5), (true, [640, 0]), (true, [0, 640]));
        let sums = Sums::of(&shape, &unit(16, 32));
        assert_eq!(cells(&sums), [0, 1, 2, 3, 4].map(|cell| (cell, Some(cell + 5))));
        assert_eq!([sums[2].operand(&shape.a), sums[2].operand(&shape.b)], [Lanes::Apart(0, 640), Lanes::Twice(1280)]);
        assert_eq!(sums[2].place(&shape.out), Place::Halves(64, 224));
    }

    /// Four operands would leave no register for the others.
    #[test]
    fn operands_find_registers() {
        let shape = grid((4, 14), (true, [640, 0]), (true, [0, 640]));
        let sums = Sums::of(&shape, &unit(16, 32));
        assert_eq!(sums.len(), 28);
        assert!(sums.iter().all(|sums| sums.upper == Some(sums.cell + 14)), "{sums:?}");
    }

    #[test]
    fn a_cell_without_another_one_stays_within_its_bytes() {
        let shape = grid((1, 3), (true, [0, 32]), (false, [0, 0]));
        let sums = Sums::of(&shape, &unit(16, 32));
        assert_eq!(cells(&sums), [(0, Some(1)), (2, Some(2))]);
        assert_eq!(sums[1].operand(&shape.a), Lanes::Twice(64));
        assert_eq!(sums[1].place(&shape.out), Place::Lower(64));
    }
}
