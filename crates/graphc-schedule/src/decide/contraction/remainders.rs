//! Input gradients of convolutions with strides: pixels by their remainders.
//!
//! `dx[h] = sum_r w[r] dy[(h + top - r) / 2]` has taps of its own at every second row, so that its pixels cannot be
//! blocked, and its weights depend on the pixel, so that there is no copy of them by taps. With `h = 2*h1 + h0` the
//! taps are those of `h0` ([`digits::split_remainders`]): the remainders of rows and columns are walked outside of
//! the pixels, and for each of them the pixels in blocks, borders apart, as those of any convolution. Which
//! terms a sum has, and their order, stay as they are.
//!
//! Pixels by their remainders stand apart in memory; the axes are split only where the cost model finds a grid that
//! is cheaper by that.

use super::{Contraction, ContractionPlan, Planner};
use crate::decide::choices::{Choices, Chooser};
use crate::decide::copies::Copies;
use crate::decide::loops::Loop;
use crate::decide::problem::Problem;
use graphc_ir::digits;
use graphc_ir::graph::plan::Group;

/// Part of the cost that must be saved: the model knows nothing of what a tile costs that has few terms, or of memory.
/// Depthwise gradients took longer where it promised a sixth.
const LEAST_GAIN: f64 = 0.25;

impl<'a> Contraction<'a> {
    /// The contraction of a group with its axes split as `planner` makes the cheaper plan of it.
    pub(crate) fn cheaper(
        problem: &'a Problem<'a>,
        group: &'a Group,
        copies: &Copies,
        planner: &Planner<'_>,
    ) -> Contraction<'a> {
        let whole = Contraction::of(problem, group);
        let Some(split) = digits::split_remainders(problem.contraction(whole.node)) else { return whole };
        // What is chosen otherwise than by cost is an option of what is cheaper, and says nothing here.
        let choices = Choices::default();
        let chooser = Chooser::new(problem.graph, &choices);
        let neutral = Problem { chooser: &chooser, ..*problem };
        let cost = |contraction: Contraction<'_>| planner(contraction, &mut copies.clone()).kilocycles;
        let of_whole = cost(Contraction::of(&neutral, group));
        let of_split = cost(Contraction::of_split(&neutral, group, split.clone()));
        if of_split < (1.0 - LEAST_GAIN) * of_whole { Contraction::of_split(problem, group, split) } else { whole }
    }

    /// Lets remainders be walked outside of pixels and samples: each has taps of its own, and weights, and as many
    /// pixels as there are turns.
    pub(super) fn remainders_first(&self, plan: &mut ContractionPlan) {
        let (turns, remainders) = self.turns_and_remainders();
        let axis = |walk: &Loop| walk.axis().map(|axis| axis.0 as usize);
        let is_of = |walk: &Loop, axes: &[usize]| axis(walk).is_some_and(|axis| axes.contains(&axis));
        let is_inside =
            |walk: &Loop| is_of(walk, &turns) || axis(walk) == self.form().batch_axis && axis(walk).is_some();
        let Some(first) = plan.loops.iter().position(is_inside).filter(|_| !remainders.is_empty()) else { return };
        plan.loops[first..].sort_by_key(|walk| !is_of(walk, &remainders));
    }

    /// Of every axis that bounds depend on and that has digits, the first one, and the others.
    fn turns_and_remainders(&self) -> (Vec<usize>, Vec<usize>) {
        let (mut turns, mut remainders) = (Vec::new(), Vec::new());
        for digits in (0..self.split.extents.len()).map(|axis| self.split.digits(axis)) {
            if digits.len() > 1 && digits.clone().any(|digit| self.axes.output(digit).bounds) {
                turns.push(digits.start);
                remainders.extend(digits.skip(1));
            }
        }
        (turns, remainders)
    }
}
