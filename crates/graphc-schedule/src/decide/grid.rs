//! Which output coordinates of a contraction are held in registers.
//!
//! A tile of `x` by `y` cells loads `x + y` factors for `x * y` multiply-adds, so larger tiles are better
//! until the accumulators no longer fit, and small ones are bound by the latency of a chain. The cost of a
//! step is the slowest of the machine's limits; the grid with the least cost over the whole index space wins.
//!
//! A coordinate that moves both factors, as a channel of a depthwise convolution does, has operands of its own: `x`
//! of them load `2 * x` factors for `x` multiply-adds. Where no coordinate moves one of the factors alone, two of
//! those that move the other one are blocked.
//!
//! A register of 16 lanes holds two cells that are neighbours along one of the blocked coordinates. Along one whose
//! vectors stand side by side in memory a pair of operands is a single load; along any other each half is loaded by
//! itself. So a coordinate of the first kind is blocked beside another one that moves the same factor.

use crate::machine::{CALL, FAR_WAITS, ISSUE, LATENCY, OVERHEAD, PASSING_WAITS, PORTS, VectorUnit, WAIT};
use std::fmt::Display;

/// Part of a grid's cycles that uneven shares of a coordinate cost: what reads the result can go on in tasks that have
/// even ones, which saves a phase.
const UNEVEN: f64 = 0.01;

/// The same if tasks can share nothing else: the largest share takes as much longer.
const UNEVEN_ALONE: f64 = 0.5;

/// How a factor is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    /// 8 lanes.
    Vector,
    /// 8 lanes from a core's own cache, which pass through the nearest one: no other tile finds them there.
    PassingVector,
    /// 8 lanes from beyond the nearest cache.
    FarVector,
    /// One word for all lanes.
    Splat,
    /// One word for a scalar.
    Word,
}

impl Width {
    /// Whether it has a word for every lane.
    pub(crate) fn is_vector(self) -> bool {
        matches!(self, Width::Vector | Width::PassingVector | Width::FarVector)
    }
}

/// A coordinate that may be blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Candidate<A> {
    pub(crate) axis: A,
    /// Coordinates that blocks are made of.
    pub(crate) extent: usize,
    /// Coordinates beside them, which are walked one by one.
    pub(crate) n_single: usize,
    /// Largest block.
    pub(crate) most: usize,
    /// Whether the vectors of a block stand side by side in memory.
    pub(crate) are_neighbours: bool,
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

/// Coordinates that may be blocked, by what they move.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sides<A> {
    /// One of the factors alone.
    pub(crate) alone: [Vec<Candidate<A>>; 2],
    /// Both factors: each coordinate has operands of its own.
    pub(crate) both: Vec<Candidate<A>>,
    pub(crate) shared: Option<Shared<A>>,
}

/// A coordinate that several tasks may have to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shared<A> {
    pub(crate) candidate: Candidate<A>,
    /// Tasks that share it at least.
    pub(crate) n_shares: usize,
    /// Whether there is no other that they could share.
    pub(crate) is_alone: bool,
}

impl<A: Copy + PartialEq> Sides<A> {
    /// What a grid costs because a task has more than an even share of the shared coordinate in blocks of it, as a part
    /// of its cycles.
    fn unevenness(&self, chosen: &[Block<A>]) -> f64 {
        let Some(Shared { candidate, n_shares, is_alone }) = self.shared else { return 0.0 };
        let size = chosen.iter().find(|block| block.candidate.axis == candidate.axis).map_or(1, |block| block.size);
        let most = (candidate.extent.div_ceil(size).div_ceil(n_shares) * size).min(candidate.extent);
        let weight = if is_alone { UNEVEN_ALONE } else { UNEVEN };
        weight * ((most * n_shares) as f64 / candidate.extent as f64 - 1.0)
    }
}

/// A coordinate with a block of it, and which factors it moves.
#[derive(Clone, Copy, Debug)]
struct Block<A> {
    candidate: Candidate<A>,
    size: usize,
    moves: [bool; 2],
}

/// Grids of at most one coordinate of each kind (two of the same if nothing moves the other factor alone): the one
/// that costs least, then others in order of cost; `most_grids` of them at most, and at least one.
pub(crate) fn best_grids<A: Copy + PartialEq>(
    unit: VectorUnit,
    sides: &Sides<A>,
    widths: [Width; 2],
    most_grids: usize,
) -> Vec<Grid<A>> {
    let mut grids: Vec<Grid<A>> = Vec::new();
    let (mut best, mut least) = (0, f64::INFINITY);
    // Of two vectors that meet, the one that taps of a window move is better the same in both halves of a register.
    let enough = if unit.holds_two() && widths == [Width::Vector; 2] { 1.0005 } else { 0.999 };
    let [a, b] = [0, 1].map(|side| options(unit, sides, side));
    let both = blocks(unit, &sides.both, [true, true]);
    for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
        for both in &both {
            let n_cells: usize = [a.as_slice(), b, both].into_iter().flatten().map(|block| block.size).product();
            if n_cells > unit.most_cells() {
                continue;
            }
            let chosen: Vec<Block<A>> = [a.as_slice(), b, both].concat();
            if !fits(unit, &chosen, widths) {
                continue;
            }
            let blocks = chosen.iter().map(|block| (block.candidate.axis, block.size)).collect();
            let cycles = cycles_per_cell(unit, &chosen, widths);
            grids.push(Grid { blocks, cycles });
            let cost = cycles * (1.0 + sides.unevenness(&chosen));
            if cost < least * enough {
                (best, least) = (grids.len() - 1, cost);
            }
        }
    }
    let first = grids.remove(best);
    grids.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    [first].into_iter().chain(grids).take(most_grids).collect()
}

/// No block, or a block of one candidate.
fn blocks<A: Copy>(unit: VectorUnit, candidates: &[Candidate<A>], moves: [bool; 2]) -> Vec<Vec<Block<A>>> {
    let of = |&candidate: &Candidate<A>| {
        (2..=unit.most_cells().min(candidate.most)).map(move |size| vec![Block { candidate, size, moves }])
    };
    [Vec::new()].into_iter().chain(candidates.iter().flat_map(of)).collect()
}

/// What may be blocked of the coordinates that move one factor alone.
fn options<A: Copy>(unit: VectorUnit, sides: &Sides<A>, side: usize) -> Vec<Vec<Block<A>>> {
    let moves = [side == 0, side == 1];
    let mut options = blocks(unit, &sides.alone[side], moves);
    let singles = options.split_off(1);
    let all = &sides.alone[side];
    let nothing_moves_other = sides.alone[1 - side].is_empty();
    let may_pair = |&(i, j): &(usize, usize)| {
        nothing_moves_other || unit.holds_two() && all[i].are_neighbours != all[j].are_neighbours
    };
    let of = |candidate: &Candidate<A>| blocks(unit, std::slice::from_ref(candidate), moves).split_off(1);
    let pairs = (0..all.len()).flat_map(|i| (i + 1..all.len()).map(move |j| (i, j))).filter(may_pair);
    let pairs = pairs.flat_map(|(i, j)| {
        of(&all[i]).into_iter().flat_map(move |a| of(&all[j]).into_iter().map(move |b| [a.clone(), b].concat()))
    });
    let pairs: Vec<Vec<Block<A>>> = pairs.filter(|pair| n_moved(pair, side) <= unit.most_cells()).collect();
    options.extend(singles.into_iter().chain(pairs));
    options
}

/// Operands of a factor in a step of a tile of these blocks.
fn n_moved<A>(chosen: &[Block<A>], factor: usize) -> usize {
    chosen.iter().filter(|block| block.moves[factor]).map(|block| block.size).product()
}

/// Whether the accumulators leave registers for the factors.
fn fits<A>(unit: VectorUnit, chosen: &[Block<A>], widths: [Width; 2]) -> bool {
    let n_cells: usize = chosen.iter().map(|block| block.size).product();
    let is_shared = chosen.iter().any(|block| block.moves == [true, true]) || unit.holds_two();
    let ways = step_costs(unit, chosen, widths);
    // The operands of one factor stay in registers for a step; those of the other one pass through another.
    let fits = |way: &Step| !is_shared || way.n_accumulators + way.n_resident < unit.n_registers;
    n_cells <= unit.most_cells() && fits(&ways)
}

/// Numbers of blocks and their sizes along one coordinate: full ones, the rest, and those of one coordinate.
type Parts = [(usize, usize); 3];

fn parts<A>(candidate: &Candidate<A>, block: usize) -> Parts {
    let Candidate { extent, n_single, .. } = *candidate;
    [(extent / block, block), (usize::from(!extent.is_multiple_of(block)), extent % block), (n_single, 1)]
}

/// Cycles of one reduction step over all tiles, remainders included, for each output: so that grids over different
/// coordinates compare.
fn cycles_per_cell<A: Copy>(unit: VectorUnit, chosen: &[Block<A>], widths: [Width; 2]) -> f64 {
    // Tiles of equal size: how many, and their blocks.
    let mut tiles: Vec<(usize, Vec<Block<A>>)> = vec![(1, Vec::new())];
    for block in chosen {
        let with = |(n, blocks): (usize, Vec<Block<A>>)| {
            let parts = parts(&block.candidate, block.size).into_iter().filter(|&(n, _)| n > 0);
            parts.map(move |(n_parts, size)| (n * n_parts, [&blocks[..], &[Block { size, ..*block }]].concat()))
        };
        tiles = tiles.into_iter().flat_map(with).collect();
    }
    let cells = |blocks: &[Block<A>]| blocks.iter().map(|block| block.size).product::<usize>();
    let n_cells: usize = tiles.iter().map(|(n, blocks)| n * cells(blocks)).sum();
    let chain = chosen.iter().find_map(|block| block.candidate.chain);
    let of_tile = |(n, blocks): (usize, Vec<Block<A>>)| {
        let step = step_costs(unit, &blocks, widths);
        let waits = chain.map_or(0.0, |steps| (CALL + WAIT * step.n_accumulators as f64) / steps as f64);
        n as f64 * (step.cycles + waits)
    };
    tiles.into_iter().map(of_tile).sum::<f64>() / n_cells as f64
}

/// A reduction step of one tile.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    cycles: f64,
    /// Registers that hold sums.
    n_accumulators: usize,
    /// Registers of the factor that takes fewer.
    n_resident: usize,
}

/// The step of a tile of these blocks; where registers hold two cells, with the cells paired along the coordinate for
/// which that is cheapest.
fn step_costs<A>(unit: VectorUnit, blocks: &[Block<A>], widths: [Width; 2]) -> Step {
    if !unit.holds_two() {
        return step(unit, blocks, widths);
    }
    let along = (0..blocks.len()).filter(|&pairing| blocks[pairing].size > 1);
    let ways = along.map(|pairing| paired_step(blocks, widths, Some(pairing)));
    ways.chain([paired_step(blocks, widths, None)]).min_by(|a, b| a.cycles.total_cmp(&b.cycles)).unwrap_or_default()
}

/// A step where a register holds a cell or a part of one.
fn step<A>(unit: VectorUnit, blocks: &[Block<A>], widths: [Width; 2]) -> Step {
    let n_cells: usize = blocks.iter().map(|block| block.size).product();
    let per_value = |width: Width| if width == Width::Word { 1 } else { unit.per_value() };
    let n_fmas = (n_cells * per_value(widths[0]).max(per_value(widths[1]))) as f64;
    let (mut loads, mut others, mut waits, mut n_resident) = (0, 0, 0, usize::MAX);
    for (factor, width) in widths.into_iter().enumerate() {
        let n = n_moved(blocks, factor);
        let mut n_registers = n;
        match width {
            Width::Vector | Width::PassingVector | Width::FarVector => {
                n_registers = n * unit.per_value();
                loads += n_registers;
                waits += if width == Width::FarVector { n * FAR_WAITS } else { 0 };
            }
            Width::Splat => (loads, others) = (loads + n, others + n),
            Width::Word => loads += n,
        }
        n_resident = n_resident.min(n_registers);
    }
    let issued = if unit.assembled { n_fmas + loads as f64 } else { 2.0 * n_fmas + (loads + others) as f64 };
    let cycles = LATENCY.max(n_fmas / PORTS).max((loads + waits) as f64 / PORTS).max(issued / ISSUE);
    Step { cycles: OVERHEAD + cycles, n_accumulators: n_cells * unit.per_value(), n_resident }
}

/// A step with cells paired along one of the coordinates, or each in a register of its own.
fn paired_step<A>(blocks: &[Block<A>], widths: [Width; 2], pairing: Option<usize>) -> Step {
    let n_pairs = |n: usize| pairing.map_or(n, |pairing| n / blocks[pairing].size * blocks[pairing].size.div_ceil(2));
    let n_accumulators = n_pairs(blocks.iter().map(|block| block.size).product());
    let (mut loads, mut inserted, mut waits, mut n_resident) = (0, 0, 0, usize::MAX);
    // Vectors that meet vectors pass through the nearest cache, rather than stay there as splats do.
    let wait_of = |width: Width| match width {
        Width::FarVector => FAR_WAITS,
        Width::PassingVector => PASSING_WAITS,
        Width::Vector if widths == [Width::Vector; 2] => PASSING_WAITS,
        _ => 0,
    };
    for (factor, width) in widths.into_iter().enumerate() {
        let n = n_moved(blocks, factor);
        let paired = pairing.map(|pairing| &blocks[pairing]).filter(|block| block.moves[factor]);
        let is_vector = width.is_vector();
        let n_registers = if paired.is_some() { n_pairs(n) } else { n };
        // Each half by itself, the upper one into the register of the lower.
        let is_apart = paired.is_some_and(|block| !(is_vector && block.candidate.are_neighbours));
        loads += if is_apart { 2 * n_registers } else { n_registers };
        inserted += if is_apart { n_registers } else { 0 };
        waits += n * wait_of(width);
        n_resident = n_resident.min(n_registers);
    }
    let arithmetic = (n_accumulators + inserted) as f64;
    let cycles = LATENCY.max(arithmetic / PORTS).max((loads + waits) as f64 / PORTS);
    let cycles = OVERHEAD + cycles.max((arithmetic + loads as f64) / ISSUE);
    Step { cycles, n_accumulators, n_resident }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSE: VectorUnit = VectorUnit { n_registers: 16, lanes: 4, assembled: false };

    fn candidate(axis: usize, extent: usize) -> Candidate<usize> {
        Candidate { axis, extent, n_single: 0, most: extent, are_neighbours: false, chain: None }
    }

    fn alone(alone: [Vec<Candidate<usize>>; 2]) -> Sides<usize> {
        Sides { alone, both: Vec::new(), shared: None }
    }

    fn grid(extents: [usize; 2], widths: [Width; 2]) -> [usize; 2] {
        let sides = alone([0, 1].map(|side| vec![candidate(side, extents[side])]));
        let mut blocks = [1, 1];
        for &(axis, block) in &best_grids(SSE, &sides, widths, 1)[0].blocks {
            blocks[axis] = block;
        }
        blocks
    }

    #[test]
    fn alternatives_follow_in_order_of_cost() {
        let sides = alone([(0, 2), (1, 16)].map(|(axis, extent)| vec![candidate(axis, extent)]));
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
        let sides = alone([(0, 2), (1, 32)].map(|(axis, extent)| vec![candidate(axis, extent)]));
        let grid = &best_grids(VectorUnit::AVX2, &sides, [Width::Splat, Width::FarVector], 1)[0];
        assert!(grid.blocks.contains(&(0, 2)), "{grid:?}");
    }

    /// Borders walked one by one cost more than accumulators that go to memory and back every 80 steps, those of
    /// every step cost more than borders.
    #[test]
    fn taps_against_borders() {
        let borders = Candidate { axis: 0, extent: 4, n_single: 8, most: 4, are_neighbours: false, chain: None };
        let widths = [Width::Splat, Width::Vector];
        let best = |chain: usize| {
            let taps =
                Candidate { axis: 1, extent: 8, n_single: 0, most: 8, are_neighbours: false, chain: Some(chain) };
            best_grids(VectorUnit::AVX2, &alone([vec![borders, taps], Vec::new()]), widths, 1)[0].blocks.clone()
        };
        assert_eq!([best(80), best(1)], [vec![(1, 8)], vec![(0, 4)]]);
    }

    #[test]
    fn nothing_to_block() {
        let grids = best_grids::<usize>(SSE, &alone([Vec::new(), Vec::new()]), [Width::Vector, Width::Splat], 8);
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].blocks, []);
    }

    /// A depthwise convolution: nothing moves the weights alone, so that two coordinates of the pixels are blocked.
    #[test]
    fn two_coordinates_of_one_factor_if_nothing_moves_the_other() {
        let sides =
            Sides { both: vec![candidate(2, 32)], ..alone([vec![candidate(0, 2), candidate(1, 30)], Vec::new()]) };
        let grid = &best_grids(VectorUnit::AVX2, &sides, [Width::Vector, Width::Splat], 1)[0];
        assert_eq!(grid.blocks, [(0, 2), (1, 6)]);
        // Its weight gradient: all taps at once, the gradient of a pixel once for all of them.
        let sides =
            Sides { both: vec![candidate(2, 32)], ..alone([vec![candidate(0, 3), candidate(1, 3)], Vec::new()]) };
        let grid = &best_grids(VectorUnit::AVX2, &sides, [Width::Vector; 2], 1)[0];
        assert_eq!(grid.blocks, [(0, 3), (1, 3)]);
    }

    /// With taps that differ in their pixels only channels are left: both factors of so many fit beside their sums.
    #[test]
    fn a_coordinate_that_moves_both_factors() {
        let sides = Sides { both: vec![candidate(0, 32)], ..alone([Vec::new(), Vec::new()]) };
        for (unit, block) in [(VectorUnit::AVX2, 4..=7), (SSE, 2..=3)] {
            let grid = &best_grids(unit, &sides, [Width::Vector; 2], 1)[0];
            assert!(matches!(grid.blocks[..], [(0, n)] if block.contains(&n)), "{grid:?}");
        }
    }

    /// Both halves of a chunk fill a register, and pixels are blocked beside them, so that there are chains enough.
    #[test]
    fn neighbours_are_blocked_beside_another_coordinate_where_registers_hold_two() {
        let half = Candidate { are_neighbours: true, ..candidate(0, 2) };
        let sides = alone([vec![half, candidate(1, 32)], vec![candidate(2, 6)]]);
        let best = |unit: VectorUnit| best_grids(unit, &sides, [Width::Vector, Width::Splat], 1)[0].blocks.clone();
        assert_eq!(best(VectorUnit::AVX2), [(0, 2), (2, 6)]);
        assert_eq!(best(VectorUnit::AVX512), [(0, 2), (1, 4), (2, 6)]);
    }

    /// Three of six channels cost as much as all six, and two tasks can share them.
    #[test]
    fn channels_that_tasks_share_are_blocked_evenly() {
        let half = Candidate { are_neighbours: true, ..candidate(0, 2) };
        let sides = alone([vec![half, candidate(1, 24)], vec![candidate(2, 6)]]);
        let by_two = Shared { candidate: candidate(2, 6), n_shares: 2, is_alone: false };
        let shared = Sides { shared: Some(by_two), ..sides.clone() };
        let channels = |sides: &Sides<usize>| {
            let grid = &best_grids(VectorUnit::AVX512, sides, [Width::Vector, Width::Splat], 1)[0];
            grid.blocks.iter().find(|(axis, _)| *axis == 2).map(|&(_, size)| size)
        };
        assert_eq!([&sides, &shared].map(channels), [Some(6), Some(3)]);
        // Units of a dense layer: 24 would be slightly better than 20, but 72 of 120 are a larger share than 60.
        let units = alone([vec![half], vec![candidate(2, 120)]]);
        let by_two = Shared { candidate: candidate(2, 120), n_shares: 2, is_alone: true };
        let shared = Sides { shared: Some(by_two), ..units.clone() };
        assert_eq!([&units, &shared].map(channels), [Some(24), Some(20)]);
    }

    /// Vectors that meet vectors pass through the nearest cache: a square of them takes in fewest.
    #[test]
    fn tiles_of_passing_vectors_are_square() {
        let sides = alone([(0, 64), (1, 64)].map(|(axis, extent)| vec![candidate(axis, extent)]));
        let grid = &best_grids(VectorUnit::AVX512, &sides, [Width::Vector; 2], 1)[0];
        let sizes: Vec<usize> = grid.blocks.iter().map(|&(_, size)| size).collect();
        assert!(sizes.iter().all(|size| (5..=9).contains(size)), "{grid:?}");
    }
}
