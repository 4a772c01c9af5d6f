//! Which output coordinates of a contraction are held in registers.
//!
//! A tile of `x` by `y` cells loads `x + y` factors for `x * y` multiply-adds, so larger tiles are better
//! until the accumulators no longer fit, and small ones are bound by the latency of a chain. The cost of a
//! step is the slowest of the machine's limits; the grid with the least cost over the whole index space wins.

use crate::machine::{CALL, FAR_WAITS, ISSUE, LATENCY, OVERHEAD, PORTS, VectorUnit, WAIT};
use std::fmt::Display;

/// How a factor is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 8 lanes.
    Vector,
    /// 8 lanes from beyond the nearest cache.
    FarVector,
    /// One word for all lanes.
    Splat,
    /// One word for a scalar.
    Word,
}

/// A coordinate that may be blocked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<A> {
    pub(crate) axis: A,
    /// Coordinates that blocks are made of.
    pub(crate) extent: usize,
    /// Coordinates beside them, which are walked one by one.
    pub(crate) n_single: usize,
    /// Largest block.
    pub(crate) most: usize,
    /// Steps after which the accumulators of its blocks go to memory and back; none if they stay to the end.
    pub(crate) chain: Option<usize>,
}

/// Coordinates that are held in registers at once, at most one of each factor, and what that costs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid<A> {
    pub(crate) blocks: Vec<(A, usize)>,
    /// Cycles of a reduction step for each output, remainders included.
    pub(crate) cycles: f64,
}

impl<A: Display> Grid<A> {
    /// What is held, in words: `6 of axis 3 x 2 vectors of samples`.
    pub(crate) fn words(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(|(axis, block)| format!("{block} {axis}")).collect();
        if blocks.is_empty() { "single outputs".to_string() } else { blocks.join(" x ") }
    }
}

/// Grids of at most one coordinate of each factor: the one that costs least, then others in order of cost;
/// `most_grids` of them at most, and at least one.
pub(crate) fn best_grids<A: Copy>(
    unit: VectorUnit,
    sides: &[Vec<Candidate<A>>; 2],
    widths: [Width; 2],
    most_grids: usize,
) -> Vec<Grid<A>> {
    let most = unit.most_cells();
    let options = |side: &[Candidate<A>]| -> Vec<Option<(Candidate<A>, usize)>> {
        let blocked = side
            .iter()
            .flat_map(|&candidate| (2..=most.min(candidate.most)).map(move |block| Some((candidate, block))));
        [None].into_iter().chain(blocked).collect()
    };
    let mut grids: Vec<Grid<A>> = Vec::new();
    let mut best = 0;
    for a in options(&sides[0]) {
        for b in options(&sides[1]) {
            let blocks = [a, b].map(|side| side.map_or(1, |(_, block)| block));
            if blocks[0] * blocks[1] > most {
                continue;
            }
            let parts = [a, b].map(|side| side.map_or_else(|| parts(1, 0, 1), |(c, n)| parts(c.extent, c.n_single, n)));
            let n_cells = parts.map(|parts| parts.iter().map(|(n, block)| n * block).sum::<usize>());
            // Cost per cell, so that grids over different coordinates compare.
            let chain = [a, b].into_iter().flatten().find_map(|(candidate, _)| candidate.chain);
            let cycles = cost(unit, &parts, widths, chain) / (n_cells[0] * n_cells[1]) as f64;
            let blocks = [a, b].into_iter().flatten().map(|(candidate, block)| (candidate.axis, block)).collect();
            grids.push(Grid { blocks, cycles });
            if cycles < grids[best].cycles * 0.999 {
                best = grids.len() - 1;
            }
        }
    }
    let first = grids.remove(best);
    grids.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    [first].into_iter().chain(grids).take(most_grids).collect()
}

/// Numbers of blocks and their sizes along one coordinate: full ones, the rest, and those of one coordinate.
type Parts = [(usize, usize); 3];

fn parts(extent: usize, n_single: usize, block: usize) -> Parts {
    [(extent / block, block), (usize::from(!extent.is_multiple_of(block)), extent % block), (n_single, 1)]
}

/// Cycles of one reduction step over all tiles, remainders included.
fn cost(unit: VectorUnit, parts: &[Parts; 2], widths: [Width; 2], chain: Option<usize>) -> f64 {
    let waits =
        |n_cells: usize| chain.map_or(0.0, |steps| (CALL + WAIT * (n_cells * unit.per_value()) as f64) / steps as f64);
    let mut cycles = 0.0;
    for (n_a, a) in parts[0] {
        for (n_b, b) in parts[1] {
            if n_a * n_b > 0 {
                cycles += (n_a * n_b) as f64 * (step(unit, [a, b], widths) + waits(a * b));
            }
        }
    }
    cycles
}

/// Cycles of one reduction step of one tile.
fn step(unit: VectorUnit, cells: [usize; 2], widths: [Width; 2]) -> f64 {
    let per_value = |width: Width| if width == Width::Word { 1 } else { unit.per_value() };
    let fmas = (cells[0] * cells[1] * per_value(widths[0]).max(per_value(widths[1]))) as f64;
    let (mut loads, mut others, mut waits) = (0, 0, 0);
    for (n, width) in cells.into_iter().zip(widths) {
        match width {
            Width::Vector => loads += n * unit.per_value(),
            Width::FarVector => {
                loads += n * unit.per_value();
                waits += n * FAR_WAITS;
            }
            Width::Splat => (loads, others) = (loads + n, others + n),
            Width::Word => loads += n,
        }
    }
    let issued = if unit.assembled { fmas + loads as f64 } else { 2.0 * fmas + (loads + others) as f64 };
    OVERHEAD + LATENCY.max(fmas / PORTS).max((loads + waits) as f64 / PORTS).max(issued / ISSUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSE: VectorUnit = VectorUnit { n_registers: 16, lanes: 4, assembled: false };

    fn grid(extents: [usize; 2], widths: [Width; 2]) -> [usize; 2] {
        let sides = [0, 1].map(|side| {
            vec![Candidate { axis: side, extent: extents[side], n_single: 0, most: extents[side], chain: None }]
        });
        let mut blocks = [1, 1];
        for &(axis, block) in &best_grids(SSE, &sides, widths, 1)[0].blocks {
            blocks[axis] = block;
        }
        blocks
    }

    #[test]
    fn alternatives_follow_in_order_of_cost() {
        let sides = [(0, 2), (1, 16)]
            .map(|(axis, extent)| vec![Candidate { axis, extent, n_single: 0, most: extent, chain: None }]);
        let widths = [Width::Vector, Width::Splat];
        let grids = best_grids(SSE, &sides, widths, usize::MAX);
        assert_eq!(best_grids(SSE, &sides, widths, 3), grids[..3]);
        assert!(grids[1..].iter().all(|grid| grid.cycles >= grids[0].cycles * 0.999));
        assert!(grids[1..].is_sorted_by(|a, b| a.cycles <= b.cycles));
        for (number, grid) in grids.iter().enumerate() {
            assert!(grids[..number].iter().all(|other| other.blocks != grid.blocks), "{grid:?} twice");
        }
    }

    #[test]
    fn tiles_are_square_where_they_can_be() {
        assert_eq!(grid([2, 16], [Width::Vector, Width::Splat]), [2, 2]);
        assert_eq!(grid([6, 16], [Width::Vector, Width::Vector]), [2, 2]);
    }

    #[test]
    fn remainders_cost() {
        // 5 taps in twos leave a lonely chain per pair of channels; five at once do not.
        assert_eq!(grid([5, 6], [Width::Vector, Width::Vector]), [5, 1]);
    }

    /// Weights that do not stay near are used for all samples at once.
    #[test]
    fn far_vectors_are_shared() {
        let sides = [(0, 2), (1, 32)]
            .map(|(axis, extent)| vec![Candidate { axis, extent, n_single: 0, most: extent, chain: None }]);
        let grid = &best_grids(VectorUnit::AVX2, &sides, [Width::Splat, Width::FarVector], 1)[0];
        assert!(grid.blocks.contains(&(0, 2)), "{grid:?}");
    }

    /// Borders walked one by one cost more than accumulators that go to memory and back every 80 steps, those of every
    /// step cost more than borders.
    #[test]
    fn taps_against_borders() {
        let borders = Candidate { axis: 0, extent: 4, n_single: 8, most: 4, chain: None };
        let widths = [Width::Splat, Width::Vector];
        let best = |chain: usize| {
            let taps = Candidate { axis: 1, extent: 8, n_single: 0, most: 8, chain: Some(chain) };
            best_grids(VectorUnit::AVX2, &[vec![borders, taps], Vec::new()], widths, 1)[0].blocks.clone()
        };
        assert_eq!([best(80), best(1)], [vec![(1, 8)], vec![(0, 4)]]);
    }

    #[test]
    fn nothing_to_block() {
        let grids = best_grids::<usize>(SSE, &[Vec::new(), Vec::new()], [Width::Vector, Width::Splat], 8);
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].blocks, []);
    }
}
