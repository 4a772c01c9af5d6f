//! Runs of a tile's reduction, in CLIF.
//!
//! The sums of runs are joined by a balanced tree as soon as both of a pair are there, the way a binary counter
//! carries: level `l` holds the sum of `2^l` runs that waits for its neighbour, which is so exactly where bit `l` of
//! the number of finished runs is set. A run takes with it what waits on the levels of the ones that end that number,
//! and then waits itself; the last run takes what waits on any level.

use super::function::{Constant, Emit, FunctionEmitter, Steps};
use super::index::{Extreme, Linear};
use super::memory::HALF_BYTES;
use super::tile::Plan;
use crate::asm::tile::{CELL_BYTES, n_levels};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::F32;
use cranelift_codegen::ir::{Block, InstBuilder, Value};
use cranelift_frontend::Variable;
use graphc_ir::loops::{Range, Runs};

/// How the runs of a tile are told apart.
struct Counter {
    /// The run at hand.
    run: Value,
    /// Whether it is the last.
    is_last: Value,
    /// The waiting sums, `[levels][cells]`.
    levels: Value,
}

impl FunctionEmitter<'_, '_> {
    /// Emits the reductions of a tile run by run; the result is the accumulators of the joined sums.
    pub(super) fn runs(&mut self, plan: &Plan<'_>, runs: Runs) -> Emit<Vec<Vec<Variable>>> {
        let range = &plan.tile.reds[0];
        let low = range.low.as_constant().ok_or("runs of a loop without constant bounds")?;
        let n_runs = Range::extent(range).ok_or("runs of a loop without constant bounds")?.div_ceil(runs.length);
        let sums = match runs.joins_lanes {
            true => plan.accs.iter().map(|_| vec![self.builder.declare_var(F32)]).collect(),
            false => plan.accs.clone(),
        };
        for (cell, vars) in sums.iter().enumerate() {
            let zero = self.constant(Constant::F32(0), !runs.joins_lanes && plan.accs[cell].len() == 2);
            vars.iter().for_each(|&var| self.builder.def_var(var, zero));
        }
        let bytes = n_levels(n_runs) * plan.accs.len() * CELL_BYTES as usize;
        let levels = self.stack_slot(u32::try_from(bytes).map_err(|_| "too many runs")?);
        let steps =
            Steps { low: self.integer(0), high: self.integer(n_runs as i64), step: 1, may_be_empty: n_runs == 0 };
        self.counted_loop(steps, &mut |this, run| {
            let first = run.times(runs.length as i64).plus_constant(low);
            this.start(plan)?;
            this.run(plan, runs, first)?;
            if runs.joins_lanes {
                this.join_cells(plan, &sums);
            }
            let run = this.indices.value(&mut this.builder, &run);
            let is_last = this.is_equal(run, n_runs as i64 - 1);
            this.carry(&sums, &Counter { run, is_last, levels }, n_levels(n_runs));
            Ok(())
        })?;
        Ok(sums)
    }

    /// One run, which begins at iteration `first` of the outermost reduction.
    fn run(&mut self, plan: &Plan<'_>, runs: Runs, first: Linear) -> Emit {
        let range = &plan.tile.reds[0];
        let end = range.high.as_constant().ok_or("runs of a loop without constant bounds")?;
        let mut high = first.plus_constant(runs.length as i64);
        if !Range::extent(range).is_some_and(|extent| extent.is_multiple_of(runs.length)) {
            high = self.indices.extreme(&mut self.builder, Extreme::Smallest, [&high, &Linear::constant(end)]);
        }
        self.reduce_range(plan, 0, (first, high))
    }

    /// Sets every sum to the joined lanes of its cell.
    fn join_cells(&mut self, plan: &Plan<'_>, sums: &[Vec<Variable>]) {
        for (vars, sum) in plan.accs.iter().zip(sums) {
            let halves: Vec<Value> = vars.iter().map(|&var| self.builder.use_var(var)).collect();
            let joined = self.sum_of_lanes([halves[0], halves[1]]);
            self.builder.def_var(sum[0], joined);
        }
    }

    /// Joins the sums with those that wait for them, and lets them wait in turn unless the run is the last.
    fn carry(&mut self, sums: &[Vec<Variable>], counter: &Counter, n_levels: usize) {
        let end = self.builder.create_block();
        for level in 0..n_levels {
            let [join, alone, wait, next] = std::array::from_fn(|_| self.builder.create_block());
            let bit = self.builder.ins().band_imm_s(counter.run, 1 << level);
            self.builder.ins().brif(bit, join, &[], alone, &[]);
            self.begin(join);
            self.at_level(sums, level, &mut |this, var, offset| {
                let sum = this.builder.use_var(var);
                let ty = this.builder.func.dfg.value_type(sum);
                let before = this.load_at(ty, counter.levels, offset);
                let joined = this.builder.ins().fadd(before, sum);
                this.builder.def_var(var, joined);
            });
            self.builder.ins().jump(next, &[]);
            self.begin(alone);
            self.builder.ins().brif(counter.is_last, next, &[], wait, &[]);
            self.begin(wait);
            self.at_level(sums, level, &mut |this, var, offset| {
                let sum = this.builder.use_var(var);
                this.store_at(sum, counter.levels, offset);
            });
            self.builder.ins().jump(end, &[]);
            self.begin(next);
        }
        self.builder.ins().jump(end, &[]);
        self.begin(end);
    }

    /// Does something with every sum and its place on a level.
    fn at_level(&mut self, sums: &[Vec<Variable>], level: usize, f: &mut dyn FnMut(&mut Self, Variable, i32)) {
        for (cell, vars) in sums.iter().enumerate() {
            let place = (level * sums.len() + cell) as i32 * CELL_BYTES;
            vars.iter().zip([place, place + HALF_BYTES]).for_each(|(&var, offset)| f(self, var, offset));
        }
    }

    fn is_equal(&mut self, value: Value, constant: i64) -> Value {
        let constant = self.integer(constant);
        self.builder.ins().icmp(IntCC::Equal, value, constant)
    }

    /// Goes on in a block to which all jumps have been made.
    fn begin(&mut self, block: Block) {
        self.builder.seal_block(block);
        self.builder.switch_to_block(block);
    }
}
