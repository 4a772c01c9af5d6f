//! Weight gradients: contractions over the batch.
//!
//! Samples are lanes that are joined, or lanes are neighbours along an axis of features, which a copy in rows has side
//! by side. Tasks share groups of chunks, or blocks of the result.

use super::{Batch, Contraction, ContractionPlan, Lanes, Read};
use crate::decide::choices::Aspect;
use crate::decide::copies::{Copies, CopyId};
use crate::decide::grid::Width;
use crate::decide::loops::{Coordinate, Loop, Panels, Tail};
use crate::decide::strips::Strips;
use crate::decide::summation::{Summation, SummedLanes, part_len};
use crate::machine::{MEMORY_LATENCY, PORTS, WORD_FROM_MEMORY};
use graphc_ir::index::Var;
use graphc_ir::scalar::{CHUNK, LANES};

/// Fewer groups of chunks than this leave threads without work: then blocks of the result are shared.
const FEWEST_GROUPS: usize = 4;

/// Most words of all partial results of one sum that tasks share by groups.
const MOST_PARTIAL_WORDS: usize = 1 << 18;

/// Words that a result takes to memory and back: its line is fetched to be overwritten, written, and read again.
const WORDS_OF_RESULT: f64 = 3.0;

/// Part of a sum's time from which on that is much. (Measured: with updates at once 64 terms take two thirds of the
/// time, 128 terms nine tenths, 256 terms longer.)
const LEAST_WAY: f64 = 0.2;

impl Contraction<'_> {
    /// Over the batch, in an order of summation.
    pub(crate) fn over_batch(self, summation: Summation, copies: &mut Copies) -> ContractionPlan {
        let Summation { lanes, groups } = summation;
        let batch = Batch::Summed(groups);
        let mut plan = match lanes {
            SummedLanes::Samples => self.over_samples(batch),
            SummedLanes::Features { axis, vectors, factor } => {
                let rows = copies.rows(self.problem, (vectors, self.node));
                self.over_rows(batch, axis, (factor, rows, copies))
            }
        };
        if !self.are_shared(summation, &plan, copies) {
            let is_shared = |walk: &&mut Loop| lanes == SummedLanes::Samples || walk.coordinate != Coordinate::Vector;
            plan.loops.iter_mut().find(is_shared).expect("a loop").is_shared = true;
        }
        if lanes == SummedLanes::Samples {
            let few_words = self.problem.machine.few_words();
            let n_words = part_len(self.problem, self.root) * LANES;
            plan.accumulators_wait = plan.shares_groups() && groups.chunks_per_group > 1 && n_words <= few_words;
            let strips = Strips::of(self.problem, self.node, self.form(), &plan.axes, &plan.loops);
            plan.strips = strips.map(Box::new);
            if let Some(strips) = &plan.strips {
                plan.loops.retain(|walk| walk.axis().is_none_or(|axis| !strips.shares(axis)));
            }
        }
        plan
    }

    /// Whether tasks share groups, rather than blocks of the result. Rows that are far are read group by group if the
    /// partial results are fewer words.
    fn are_shared(&self, Summation { lanes, groups }: Summation, plan: &ContractionPlan, copies: &Copies) -> bool {
        let n_words = groups.n_groups * part_len(self.problem, self.root);
        let most = match lanes {
            SummedLanes::Samples => MOST_PARTIAL_WORDS,
            SummedLanes::Features { .. } if plan.rows_are_far => {
                plan.copy().map_or(0, |(_, rows)| copies.get(rows).layout().len())
            }
            SummedLanes::Features { .. } => 0,
        };
        groups.n_groups >= FEWEST_GROUPS && n_words <= most
    }

    fn over_samples(&self, batch: Batch) -> ContractionPlan {
        let loops = (0..self.form().extents.len()).map(|axis| self.loop_of(axis)).collect();
        let mut plan = self.plan(Lanes::SummedSamples, batch, loops);
        self.choose_grid(&mut plan, [0, 1], self.widths());
        // All taps of a block of channels before the next block: its planes stay near. What moves both factors (groups
        // of channels, each with filters of its own) has nothing in common from one turn to the next.
        let is_apart = |walk: &Loop| {
            let moves = walk.axis().and_then(|axis| plan.axes.get(axis).moved());
            walk.block == 1 && moves == Some([true; 2])
        };
        let mut blocks_first = plan.loops.clone();
        blocks_first.sort_by_key(|walk| (!is_apart(walk), walk.block == 1));
        if blocks_first != plan.loops {
            if self.is_wanted(Aspect::Order, true, ["blocks outermost", "blocks where they lie"]) {
                plan.loops = blocks_first;
            }
        } else if self.swap_pays(&plan)
            && self.is_wanted(Aspect::Order, true, ["near factor innermost", "factors as they lie"])
        {
            plan.loops.reverse();
        }
        plan
    }

    /// Whether of two loops, each over one factor, the inner one should be the outer one: it walks all of its factor
    /// for every block of the other one, and does not find it in a core's own cache, as it would the other one's.
    fn swap_pays(&self, plan: &ContractionPlan) -> bool {
        let [outer, inner] = &plan.loops[..] else { return false };
        let near = self.problem.machine.near_words();
        let stays = |walk: &Loop| {
            let factor = (0..2).find(|&factor| self.belongs_to(walk, factor))?;
            Some(self.layout(factor).chunk_stride <= near)
        };
        [outer, inner].map(stays) == [Some(true), Some(false)]
    }

    fn over_rows(&self, batch: Batch, axis: Var, (factor, rows, copies): (usize, CopyId, &Copies)) -> ContractionPlan {
        let n_features = self.axes.get(axis).extent;
        let row = self.axes.outputs().find(|other| other.var != axis).expect("two axes");
        let tail = (!n_features.is_multiple_of(LANES)).then(|| Tail::Overlaps(n_features - LANES));
        let vectors = Loop { tail, ..Loop::new(Coordinate::Vector, n_features / LANES) };
        let loops = vec![vectors, Loop::new(Coordinate::Axis(row.var), row.extent)];
        let mut plan = self.plan(Lanes::Axis(axis), batch, loops);
        plan.reads[factor] = Read::Copy(rows);
        let mut widths = [Width::Splat; 2];
        widths[factor] = Width::Vector;
        self.choose_grid(&mut plan, [0, 1], widths);
        plan.rows_are_far = copies.get(rows).layout().len() > self.problem.machine.near_words();
        let are_far = part_len(self.problem, self.root) > self.problem.machine.far_words();
        if are_far {
            plan.results_ahead = self.blocks_ahead(&plan);
        }
        plan.waits_for_results = are_far && self.results_take_long();
        if !self.is_wanted(Aspect::Order, !plan.waits_for_results, ["features outermost", "rows outermost"]) {
            self.rows_outermost(&mut plan);
        }
        plan
    }

    /// Whether sums have so few terms that the way of a result to memory and back takes a good part of their time.
    fn results_take_long(&self) -> bool {
        let n_samples = (self.problem.n_chunks() * CHUNK) as f64;
        let way = WORDS_OF_RESULT * WORD_FROM_MEMORY;
        way >= LEAST_WAY * n_samples / (PORTS * LANES as f64)
    }

    /// Lets rows of the result be walked outermost, so that they stand side by side in memory, for as many features as
    /// stay near.
    fn rows_outermost(&self, plan: &mut ContractionPlan) {
        plan.loops.reverse();
        let [_, vectors] = &plan.loops[..] else { unreachable!("rows and features") };
        let n_samples = self.problem.n_chunks() * CHUNK;
        let most = self.problem.machine.near_words() / (n_samples * vectors.block * LANES);
        plan.panels = Panels::of(vectors, most);
        plan.rows_are_far = false;
    }

    /// Blocks that are computed while a line comes from memory.
    fn blocks_ahead(&self, plan: &ContractionPlan) -> i64 {
        let cells: usize = plan.loops.iter().map(|walk| walk.block).product();
        let n_terms: usize = self.axes.reductions().map(|axis| axis.extent).product();
        let n_fmas = cells as f64 * n_terms as f64 * self.problem.machine.vectors.registers_per_value();
        let cycles = n_fmas / PORTS;
        (MEMORY_LATENCY / cycles.max(1.0)).ceil() as i64
    }
}
