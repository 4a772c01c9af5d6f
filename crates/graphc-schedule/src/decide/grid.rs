//! Which output coordinates of a contraction are held in registers.
//!
//! A tile of `x` by `y` cells loads `x + y` factors for `x * y` multiply-adds, so larger tiles are better
//! until the accumulators no longer fit, and small ones are bound by the latency of a chain. The cost of a
//! step is the slowest of the machine's limits; the grid with the least cost over the whole index space wins.

/// The vector registers that register tiles are cut for. Results do not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterFile {
    /// Number of vector registers.
    pub n_registers: usize,
    /// `f32` lanes of each.
    pub lanes: usize,
    /// Whether tiles are assembled: with multiply-adds that keep both factors and broadcasts
    /// from memory. Else every multiply-add copies a register and a splat is two instructions.
    pub assembled: bool,
}

/// How a factor is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 8 samples.
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
    pub(crate) extent: usize,
    /// Largest block.
    pub(crate) most: usize,
}

/// Cycles from one multiply-add of a chain to the next: 4 on Zen and Skylake, and what scheduling loses (measured:
/// tiles of 8 accumulators reach 93% of the peak).
const LATENCY: f64 = 4.4;
/// Cycles that a step loses whatever its size (measured: 10 accumulators reach 95% of the peak, 12 reach 99%).
const OVERHEAD: f64 = 0.25;
/// Multiply-adds and vector loads started per cycle.
const PORTS: f64 = 2.0;
/// Loads that 8 lanes from beyond the nearest cache take the place of, besides their own: 32 bytes a cycle at best.
const FAR_WAITS: usize = 2;
/// Instructions per cycle that the front end keeps up in practice.
const ISSUE: f64 = 5.0;

impl RegisterFile {
    /// Registers that one 8-lane value takes.
    fn per_value(self) -> usize {
        graphc_ir::scalar::LANES.div_ceil(self.lanes)
    }

    /// 8-lane accumulators that leave enough registers for the factors: 12 of 16 registers, or
    /// (measured) 10 if copies need some.
    fn most_cells(self) -> usize {
        let accumulators = if self.assembled { self.n_registers * 3 / 4 } else { self.n_registers * 5 / 8 };
        (accumulators / self.per_value()).max(1)
    }

    /// Blocks of at most one coordinate of each factor: those that cost least, then others in order of cost;
    /// `most_grids` of them at most, and at least one.
    pub(crate) fn best_grids<A: Copy>(
        self,
        sides: &[Vec<Candidate<A>>; 2],
        widths: [Width; 2],
        most_grids: usize,
    ) -> Vec<Vec<(A, usize)>> {
        let most = self.most_cells();
        let options = |side: &[Candidate<A>]| -> Vec<Option<(Candidate<A>, usize)>> {
            let blocked = side
                .iter()
                .flat_map(|&candidate| (2..=most.min(candidate.most)).map(move |block| Some((candidate, block))));
            [None].into_iter().chain(blocked).collect()
        };
        let mut grids: Vec<(f64, Vec<(A, usize)>)> = Vec::new();
        let mut best = 0;
        for a in options(&sides[0]) {
            for b in options(&sides[1]) {
                let blocks = [a, b].map(|side| side.map_or(1, |(_, block)| block));
                if blocks[0] * blocks[1] > most {
                    continue;
                }
                let extents = [a, b].map(|side| side.map_or(1, |(candidate, _)| candidate.extent));
                // Cost per cell, so that grids over different coordinates compare.
                let cost = self.cost(extents, blocks, widths) / (extents[0] * extents[1]) as f64;
                let blocks = [a, b].into_iter().flatten().map(|(candidate, block)| (candidate.axis, block));
                grids.push((cost, blocks.collect()));
                if cost < grids[best].0 * 0.999 {
                    best = grids.len() - 1;
                }
            }
        }
        let first = grids.remove(best).1;
        grids.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let others = grids.into_iter().map(|(_, grid)| grid);
        [first].into_iter().chain(others).take(most_grids).collect()
    }

    /// Cycles of one reduction step over all tiles of `extents`, remainders included.
    fn cost(self, extents: [usize; 2], blocks: [usize; 2], widths: [Width; 2]) -> f64 {
        let parts = |side: usize| {
            let (extent, block) = (extents[side], blocks[side]);
            [(extent / block, block), (usize::from(!extent.is_multiple_of(block)), extent % block)]
        };
        let mut cycles = 0.0;
        for (n_a, a) in parts(0) {
            for (n_b, b) in parts(1) {
                if n_a * n_b > 0 {
                    cycles += (n_a * n_b) as f64 * self.step([a, b], widths);
                }
            }
        }
        cycles
    }

    /// Cycles of one reduction step of one tile.
    fn step(self, cells: [usize; 2], widths: [Width; 2]) -> f64 {
        let per_value = |width: Width| if width == Width::Word { 1 } else { self.per_value() };
        let fmas = (cells[0] * cells[1] * per_value(widths[0]).max(per_value(widths[1]))) as f64;
        let (mut loads, mut others, mut waits) = (0, 0, 0);
        for (n, width) in cells.into_iter().zip(widths) {
            match width {
                Width::Vector => loads += n * self.per_value(),
                Width::FarVector => {
                    loads += n * self.per_value();
                    waits += n * FAR_WAITS;
                }
                Width::Splat => (loads, others) = (loads + n, others + n),
                Width::Word => loads += n,
            }
        }
        let issued = if self.assembled { fmas + loads as f64 } else { 2.0 * fmas + (loads + others) as f64 };
        OVERHEAD + LATENCY.max(fmas / PORTS).max((loads + waits) as f64 / PORTS).max(issued / ISSUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSE: RegisterFile = RegisterFile { n_registers: 16, lanes: 4, assembled: false };

    fn grid(extents: [usize; 2], widths: [Width; 2]) -> [usize; 2] {
        let sides = [0, 1].map(|side| vec![Candidate { axis: side, extent: extents[side], most: extents[side] }]);
        let mut blocks = [1, 1];
        for &(axis, block) in &SSE.best_grids(&sides, widths, 1)[0] {
            blocks[axis] = block;
        }
        blocks
    }

    #[test]
    fn alternatives_follow_in_order_of_cost() {
        let sides = [(0, 2), (1, 16)].map(|(axis, extent)| vec![Candidate { axis, extent, most: extent }]);
        let widths = [Width::Vector, Width::Splat];
        let grids = SSE.best_grids(&sides, widths, usize::MAX);
        assert_eq!(SSE.best_grids(&sides, widths, 3), grids[..3]);
        let block =
            |grid: &[(usize, usize)], axis| grid.iter().find(|(a, _)| *a == axis).map_or(1, |&(_, block)| block);
        let costs: Vec<f64> =
            grids.iter().map(|grid| SSE.cost([2, 16], [0, 1].map(|axis| block(grid, axis)), widths)).collect();
        assert!(costs[1..].iter().all(|&cost| cost >= costs[0] * 0.999));
        for (number, grid) in grids.iter().enumerate() {
            assert!(!grids[..number].contains(grid), "{grid:?} twice");
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
        let avx2 = RegisterFile { n_registers: 16, lanes: 8, assembled: true };
        let sides = [(0, 2), (1, 32)].map(|(axis, extent)| vec![Candidate { axis, extent, most: extent }]);
        let grid = &avx2.best_grids(&sides, [Width::Splat, Width::FarVector], 1)[0];
        assert!(grid.contains(&(0, 2)), "{grid:?}");
    }

    #[test]
    fn nothing_to_block() {
        let grids = SSE.best_grids::<usize>(&[Vec::new(), Vec::new()], [Width::Vector, Width::Splat], 8);
        assert_eq!(grids, [[]]);
    }
}
