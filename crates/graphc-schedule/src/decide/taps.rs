//! Taps: the borders of padded images in whole blocks.
//!
//! Beside a border a window has fewer taps, so a pixel there is a tile by itself: a single chain, bound by the
//! latency of its multiply-adds. An input gradient is nearly all border where the window is not small beside the
//! image: of the 12 rows of LeNet-5's second convolution four are inside. The other way round there is no border:
//! every tap of one reduction has an interval of pixels, `0 <= p + r - top < height`. So the taps are walked outside,
//! and within each its pixels in blocks, whose accumulators wait in memory until the next tap. Every accumulator
//! still sums its terms in the order of the reductions, so that results are the same to the bit.

use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;

/// Multiply-adds in a chain below which loading and storing the accumulators would cost more than it saves.
const FEWEST_STEPS: usize = 48;

/// Coordinates for each one of a border, beyond which borders are left single.
const MOST_INSIDE: usize = 4;

/// Taps that code is written for one by one.
const MOST_TAPS: usize = 16;

/// The taps of a reduction, each with the coordinates of an output axis that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    /// The output axis, and its extent.
    pub(crate) axis: Var,
    pub(crate) extent: usize,
    /// Coordinates held in registers at once.
    pub(crate) block: usize,
    /// Position of the reduction; those before it are walked outside of it.
    pub(crate) reduction: usize,
    /// For each tap.
    pub(crate) coordinates: Vec<Range<usize>>,
    /// Terms of a sum that one tap adds, at most.
    pub(crate) n_steps: usize,
}

impl Taps {
    /// Those of the one reduction whose bounds depend on `axis`, and on nothing else, if walking them pays: that
    /// takes `n_single` coordinates from borders that are walked one by one otherwise.
    pub(crate) fn of(form: &PointForm, axis: Var, n_single: usize) -> Option<Taps> {
        let bounds_of = |position: usize| form.reds[position].low.iter().chain(&form.reds[position].high);
        let mut bounded = (0..form.reds.len()).filter(|&position| bounds_of(position).any(|bound| bound.uses(axis)));
        let (reduction, None) = (bounded.next()?, bounded.next()) else { return None };
        let extent = form.extents[axis.0 as usize];
        let n_steps = form.reds[reduction + 1..].iter().map(|red| red.extent).product();
        let has_batch = form.reds.iter().any(|red| red.is_batch);
        // Small borders cost less than another order of the loops may.
        let pays = n_steps >= FEWEST_STEPS && n_single * MOST_INSIDE >= extent;
        if has_batch || form.reds[reduction].extent > MOST_TAPS || !pays {
            return None;
        }
        let coordinates: Option<Vec<_>> =
            (0..form.reds[reduction].extent).map(|tap| coordinates(form, axis, (reduction, tap))).collect();
        Some(Taps { axis, extent, block: 1, reduction, coordinates: coordinates?, n_steps })
    }

    /// The most coordinates that one tap has.
    pub(crate) fn most_coordinates(&self) -> usize {
        self.coordinates.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// The coordinates of `axis` that have a tap; none if that takes other axes too, or if they are no interval.
fn coordinates(form: &PointForm, axis: Var, (reduction, tap): (usize, usize)) -> Option<Range<usize>> {
    let red = &form.reds[reduction];
    let is_alone = |bound: &Affine| {
        let mut is_alone = true;
        bound.for_each_var(&mut |var| is_alone &= var == axis);
        is_alone
    };
    if !red.low.iter().chain(&red.high).all(is_alone) {
        return None;
    }
    let has = |&coordinate: &usize| {
        let value = |bound: &Affine| bound.eval(&|_| coordinate as i64);
        let tap = tap as i64;
        red.low.iter().all(|low| value(low) <= tap) && red.high.iter().all(|high| tap < value(high))
    };
    let all: Vec<usize> = (0..form.extents[axis.0 as usize]).filter(has).collect();
    let Some((&first, &last)) = all.first().zip(all.last()) else { return Some(0..0) };
    (last - first + 1 == all.len()).then_some(first..last + 1)
}

impl Display for Taps {
    /// `i4 apart: i1 in 0..8, 1..9, 2..10; accumulators wait for the next tap`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let intervals: Vec<String> = self.coordinates.iter().map(|of_tap| format!("{of_tap:?}")).collect();
        write!(f, "apart, {} in {}; accumulators wait for the next tap", self.axis, intervals.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::graph::Graph;

    /// The form of the last node of a graph of one op on `%0` and `%1`.
    fn form(types: [&str; 3], op: &str) -> PointForm {
        let [a, b, result] = types;
        let input = |id: usize, ty: &str| {
            format!("%{id}: f32{ty} = parameter() {{shape={ty}, initializer=0.0, trainable=true}} \"p{id}\"\n")
        };
        let (a, b) = (input(0, a), input(1, b));
        let text = format!("graph g(batch=1) {{\n{a}{b}%2: f32{result} = {op}\noutput y = %2\n}}");
        let graph: Graph = graphc_ir::graph::parse::parse_bytes(text.as_bytes()).unwrap();
        let last = *graph.ids().last().unwrap();
        graphc_ir::form::Form::of(&graph, last).as_point().unwrap().clone()
    }

    /// Rows of an input gradient without padding: tap `r` reaches rows `r..r + 8`.
    #[test]
    fn every_tap_of_an_input_gradient_has_as_many_rows() {
        let attributes = "{strides=[1,1], padding=[0,0,0,0], shape=[2,12,12,6]}";
        let form =
            form(["[2,8,8,16]", "[5,5,6,16]", "[2,12,12,6]"], &format!("conv2d_input_grad(%0, %1) {attributes}"));
        let taps = Taps::of(&form, Var(1), 8).unwrap();
        assert_eq!((taps.reduction, taps.n_steps, taps.most_coordinates()), (0, 80, 8));
        assert_eq!(taps.coordinates, [0..8, 1..9, 2..10, 3..11, 4..12]);
        // Columns: one tap of theirs is 16 terms, too few for a way to memory and back.
        assert_eq!(Taps::of(&form, Var(2), 8), None);
        assert_eq!(Taps::of(&form, Var(3), 8), None);
    }

    /// A padded convolution with a stride: taps of the borders have fewer pixels.
    #[test]
    fn taps_beside_a_border_have_fewer_pixels() {
        let conv = |padding: &str| format!("conv2d(%0, %1) {{strides=[2,1], padding={padding}}}");
        let form = form(["[2,9,9,64]", "[3,3,64,8]", "[2,5,9,8]"], &conv("[1,1,1,1]"));
        let [rows, columns] = [1, 2].map(|axis| Taps::of(&form, Var(axis), 3).unwrap());
        assert_eq!(rows.coordinates, [1..5, 0..5, 0..4]);
        assert_eq!(columns.coordinates, [1..9, 0..9, 0..8]);
        assert_eq!([rows.reduction, columns.reduction], [0, 1]);
        assert_eq!(Taps::of(&form, Var(1), 1), None);
    }
}
