//! How the output coordinates of a contraction are walked.

use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::LANES;
use std::fmt::{self, Display, Formatter};

/// An output coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coordinate {
    /// An axis of the result.
    Axis(Var),
    /// Which chunk of a task.
    Chunk,
    /// Which 8 of the 16 samples of a chunk.
    Half,
    /// Which 8 neighbours along the axis whose coordinates are lanes.
    Vector,
}

/// The loops over one coordinate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) coordinate: Coordinate,
    /// Coordinates, a tail left out.
    pub(crate) extent: usize,
    /// The coordinate behind the last one, over the coordinates of other loops, if it depends on them; at least the
    /// last of the extent, which no block has.
    pub(crate) end: Option<Affine>,
    /// Coordinates held in registers at once; 1 for an ordinary loop.
    pub(crate) block: usize,
    /// The coordinates that blocks are made of, first and last, excluded; the others are walked one by one.
    pub(crate) inner: [usize; 2],
    /// One more vector for the elements at the end that fill none.
    pub(crate) tail: Option<Tail>,
    /// Whether the next block is worth asking for ahead of time.
    pub(crate) is_far: bool,
    /// Whether its full blocks are shared by nests that may run at the same time.
    pub(crate) is_shared: bool,
}

/// Panels: so many full blocks of one loop, for which all other loops are walked before the next panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panels {
    pub(crate) of: Coordinate,
    /// Blocks of every panel but the last.
    pub(crate) n_blocks: usize,
}

impl Panels {
    /// As many as needed, of equal size, if blocks of a loop are more than `most`.
    pub(crate) fn of(walk: &Loop, most: usize) -> Option<Panels> {
        let n_full = walk.n_full_blocks();
        let n_panels = n_full.div_ceil(most.max(1));
        (n_panels > 1).then(|| Panels { of: walk.coordinate, n_blocks: n_full.div_ceil(n_panels) })
    }
}

/// A vector at the end of an axis whose coordinates are lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// It ends with the last element, so that some elements are computed twice; it begins with this one.
    Overlaps(usize),
    /// It begins with this element, and has so many; words behind them stay as they are.
    Blends(usize, usize),
}

/// Some blocks of equal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First element.
    pub(crate) first: usize,
    /// The same in a copy of vectors, where a tail is a vector of its own.
    pub(crate) slot: usize,
    /// Number of blocks.
    pub(crate) n_blocks: usize,
    /// Coordinates of a block.
    pub(crate) block: usize,
    /// Blocks of the coordinate that come before.
    pub(crate) n_before: usize,
    /// Whether bounds of reductions that depend on the coordinate do not bind here.
    pub(crate) is_inner: bool,
    /// Lanes of which results are kept.
    pub(crate) n_kept: usize,
}

impl Coordinate {
    /// Elements, or samples, of one coordinate.
    pub(crate) fn unit(self) -> usize {
        match self {
            Coordinate::Axis(_) | Coordinate::Chunk => 1,
            Coordinate::Half | Coordinate::Vector => LANES,
        }
    }
}

impl Loop {
    /// A loop over single coordinates.
    pub(crate) fn new(coordinate: Coordinate, extent: usize) -> Loop {
        Loop {
            coordinate,
            extent,
            end: None,
            block: 1,
            inner: [0, extent],
            tail: None,
            is_far: false,
            is_shared: false,
        }
    }

    /// The axis of the result that it walks.
    pub(crate) fn axis(&self) -> Option<Var> {
        match self.coordinate {
            Coordinate::Axis(axis) => Some(axis),
            Coordinate::Chunk | Coordinate::Half | Coordinate::Vector => None,
        }
    }

    /// Full blocks, as far as they may be shared.
    pub(crate) fn n_full_blocks(&self) -> usize {
        (self.inner[1] - self.inner[0]) / self.block
    }

    /// All blocks, full ones or not, a tail left out.
    pub(crate) fn n_blocks(&self) -> usize {
        self.segments().iter().map(|segment| segment.n_blocks).sum::<usize>() - usize::from(self.tail.is_some())
    }

    /// Whether there is anything beside its full blocks.
    pub(crate) fn has_rest(&self) -> bool {
        self.tail.is_some() || self.n_blocks() > self.n_full_blocks()
    }

    /// The blocks in the order in which they are walked: single coordinates before the inner ones, full blocks, what
    /// is left beside them, single coordinates behind, a tail.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let unit = self.coordinate.unit();
        let [first, end] = if self.block == 1 { [0, self.extent] } else { self.inner };
        let (n_full, left) = ((end - first) / self.block, (end - first) % self.block);
        let is_inner = self.block > 1;
        let parts = [
            (0, first, 1, false),
            (first, n_full, self.block, is_inner),
            (first + n_full * self.block, usize::from(left > 0), left, is_inner),
            (end, self.extent - end, 1, false),
        ];
        let mut segments = Vec::new();
        let mut n_before = 0;
        for (first, n_blocks, block, is_inner) in parts.into_iter().filter(|&(_, n_blocks, ..)| n_blocks > 0) {
            let slot = first * unit;
            segments.push(Segment { first: slot, slot, n_blocks, block, n_before, is_inner, n_kept: LANES });
            n_before += n_blocks;
        }
        let (first, n_kept) = match self.tail {
            None => return segments,
            Some(Tail::Overlaps(first)) => (first, LANES),
            Some(Tail::Blends(first, n_kept)) => (first, n_kept),
        };
        let slot = self.extent * unit;
        segments.push(Segment { first, slot, n_blocks: 1, block: 1, n_before: 0, is_inner: false, n_kept });
        segments
    }
}

impl Display for Coordinate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Coordinate::Axis(axis) => write!(f, "of axis {}", axis.0),
            Coordinate::Chunk => f.write_str("chunks"),
            Coordinate::Half => f.write_str("vectors of samples"),
            Coordinate::Vector => f.write_str("vectors of features"),
        }
    }
}

impl Display for Loop {
    /// `i3`, `half`, `i1/8`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.coordinate {
            Coordinate::Axis(axis) => write!(f, "{axis}"),
            Coordinate::Chunk => f.write_str("chunk"),
            Coordinate::Half => f.write_str("half"),
            Coordinate::Vector => f.write_str("vector"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(walk: &Loop) -> Vec<(usize, usize, usize)> {
        walk.segments().iter().map(|segment| (segment.first, segment.n_blocks, segment.block)).collect()
    }

    #[test]
    fn borders_are_walked_one_by_one() {
        let axis = Coordinate::Axis(Var(1));
        let walk = Loop { block: 4, inner: [1, 11], ..Loop::new(axis, 12) };
        assert_eq!(parts(&walk), [(0, 1, 1), (1, 2, 4), (9, 1, 2), (11, 1, 1)]);
        assert_eq!(walk.n_blocks(), 5);
        let inner: Vec<bool> = walk.segments().iter().map(|segment| segment.is_inner).collect();
        assert_eq!(inner, [false, true, true, false]);
        // Without blocks there is nothing to part.
        assert_eq!(parts(&Loop { block: 1, ..walk }), [(0, 12, 1)]);
    }

    #[test]
    fn the_last_vector_may_overlap() {
        let walk = Loop { block: 2, tail: Some(Tail::Overlaps(19)), ..Loop::new(Coordinate::Vector, 3) };
        assert_eq!(parts(&walk), [(0, 1, 2), (16, 1, 1), (19, 1, 1)]);
        assert_eq!(walk.n_blocks(), 2);
    }

    #[test]
    fn panels_are_of_equal_size() {
        let walk = Loop { block: 6, ..Loop::new(Coordinate::Axis(Var(1)), 100) };
        assert_eq!((walk.n_full_blocks(), walk.has_rest()), (16, true));
        let n_blocks = |most: usize| Panels::of(&walk, most).map(|panels| panels.n_blocks);
        // Three of 6, 6 and 4 blocks; all are few enough; a single block at least.
        assert_eq!([7, 16, 0].map(n_blocks), [Some(6), None, Some(1)]);
        assert!(!Loop { block: 5, ..walk }.has_rest());
    }
}
