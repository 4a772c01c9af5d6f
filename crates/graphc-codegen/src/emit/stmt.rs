//! Statements other than tiles, and loops.

use super::function::{Acc, AccVars, Emit, FunctionEmitter, Functions, Held, Operand};
use super::index::{Extreme, Linear};
use super::mentions::Mentions;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use graphc_ir::loops::{AccId, LoopKind, Range, Stmt, ValueId};

/// Loops of at most this many iterations and statements in all are copied.
const MAX_COPIES: i64 = 8;
const MAX_COPIED_STMTS: usize = 32;

impl<'p> FunctionEmitter<'p, '_> {
    pub(super) fn block(&mut self, stmts: &'p [Stmt], functions: &mut dyn Functions<'p>) -> Emit {
        // Hints that follow one another are one call.
        let are_hints = |a: &Stmt, b: &Stmt| matches!((a, b), (Stmt::Fetch { .. }, Stmt::Fetch { .. }));
        stmts.chunk_by(are_hints).try_for_each(|run| match run {
            [Stmt::Fetch { .. }, ..] => self.fetch(run, functions),
            [stmt] => self.stmt(stmt, functions),
            _ => unreachable!("only hints are taken together"),
        })
    }

    fn stmt(&mut self, stmt: &'p Stmt, functions: &mut dyn Functions<'p>) -> Emit {
        match stmt {
            Stmt::Nest { name, body, .. } => self.nest(name, body, functions),
            Stmt::For { range, kind, body } => self.for_loop(range, *kind, body, functions),
            Stmt::Lanes { var, body } => {
                if self.lane.replace(*var).is_some() {
                    return Err("a lanes region inside another".to_owned());
                }
                self.block(body, functions)?;
                self.lane = None;
                Ok(())
            }
            Stmt::LetIndex { var, value } => {
                if self.lane.is_some_and(|lane| value.uses(lane)) {
                    return Err(format!("{var} depends on the lane"));
                }
                let value = self.indices.resolve(&mut self.builder, value)?;
                self.indices.bind(*var, value);
                Ok(())
            }
            Stmt::Let { value, expr } => self.let_value(*value, expr),
            Stmt::Set { acc, value } => self.set_acc(*acc, *value),
            Stmt::Store { to, value } => {
                let value = self.operand(*value)?;
                self.store(to, &value)
            }
            Stmt::Fetch { .. } => self.fetch(std::slice::from_ref(stmt), functions),
            Stmt::Tile(tile) => self.tile(tile, functions),
        }
    }

    /// Calls the nest's function; a nest that needs more than loop variables is emitted in place.
    fn nest(&mut self, name: &'p str, body: &'p [Stmt], functions: &mut dyn Functions<'p>) -> Emit {
        let mentions = Mentions::of(body);
        if self.lane.is_some() || !mentions.are_all_of(self.mentions) {
            return self.block(body, functions);
        }
        let params = mentions.free_vars();
        let mut args = vec![self.arena];
        for &var in &params {
            let value = self.indices.resolve(&mut self.builder, &graphc_ir::index::Affine::var(var))?;
            args.push(self.indices.value(&mut self.builder, &value));
        }
        let callee = functions.nest(name, body, &params)?;
        let callee = self.import(callee);
        let call = self.builder.ins().call(callee, &args);
        if let Some(checks) = &self.checks {
            let (code, fail) = (self.builder.inst_results(call)[0], checks.fail);
            let next = self.builder.create_block();
            self.builder.ins().brif(code, fail, &[code.into()], next, &[]);
            self.builder.seal_block(next);
            self.builder.switch_to_block(next);
        }
        Ok(())
    }

    fn for_loop(&mut self, range: &Range, kind: LoopKind, body: &'p [Stmt], functions: &mut dyn Functions<'p>) -> Emit {
        let (low, high) = self.range(range)?;
        if let (Some(low), Some(high)) = (low.as_constant(), high.as_constant()) {
            let copies = high.saturating_sub(low).max(0);
            let small = copies <= MAX_COPIES && n_stmts(body).is_some_and(|n| n * copies as usize <= MAX_COPIED_STMTS);
            if kind == LoopKind::Unroll || copies <= 1 || small {
                return (low..high).try_for_each(|value| {
                    self.indices.bind(range.var, Linear::constant(value));
                    self.block(body, functions)
                });
            }
        }
        if self.vector_loop(range, (&low, &high), body, functions)?
            || self.transposed_copy(range, (&low, &high), body, functions)?
        {
            return Ok(());
        }
        let guard = low.as_constant().is_none() || high.as_constant().is_none();
        let low = self.indices.value(&mut self.builder, &low);
        let high = self.indices.value(&mut self.builder, &high);
        self.counted_loop(low, high, 1, guard, &mut |this, value| {
            this.indices.bind(range.var, value);
            this.block(body, functions)
        })
    }

    /// Both bounds of a range.
    pub(super) fn range(&mut self, range: &Range) -> Emit<(Linear, Linear)> {
        let low = self.indices.bound(&mut self.builder, &range.low, Extreme::Largest)?;
        let high = self.indices.bound(&mut self.builder, &range.high, Extreme::Smallest)?;
        Ok((low, high))
    }

    /// `for value in (low..high).step_by(step)`; without a guard the range must not be empty.
    pub(super) fn counted_loop(
        &mut self,
        low: Value,
        high: Value,
        step: i64,
        guard: bool,
        body: &mut dyn FnMut(&mut Self, Linear) -> Emit,
    ) -> Emit {
        let (header, exit) = (self.builder.create_block(), self.builder.create_block());
        let value = self.builder.append_block_param(header, types::I64);
        if guard {
            let runs = self.builder.ins().icmp(IntCC::SignedLessThan, low, high);
            self.builder.ins().brif(runs, header, &[low.into()], exit, &[]);
        } else {
            self.builder.ins().jump(header, &[low.into()]);
        }
        self.builder.switch_to_block(header);
        self.indices.enter(&mut self.builder);
        let variable = self.indices.define(value);
        let emitted = body(self, variable);
        self.indices.leave();
        let next = self.builder.ins().iadd_imm_s(value, step);
        let again = self.builder.ins().icmp(IntCC::SignedLessThan, next, high);
        self.builder.ins().brif(again, header, &[next.into()], exit, &[]);
        self.builder.seal_block(header);
        self.builder.seal_block(exit);
        self.builder.switch_to_block(exit);
        emitted
    }

    fn set_acc(&mut self, acc: AccId, value: ValueId) -> Emit {
        let operand = self.operand(value)?;
        let declared = match self.accs.get(&acc) {
            Some(&declared) => declared,
            None => self.declare_acc(acc, &operand),
        };
        if declared.scalar != operand.scalar {
            return Err(format!("{acc} holds {:?} and is set to {:?}", declared.scalar, operand.scalar));
        }
        match (declared.vars, operand.held) {
            (AccVars::Lanes(vars), _) => {
                let lanes = self.lanes(&operand);
                vars.into_iter().zip(lanes).for_each(|(var, lane)| self.builder.def_var(var, lane));
            }
            (AccVars::Uniform(var), Held::Uniform(value)) => self.builder.def_var(var, value),
            (AccVars::Uniform(_), Held::Lanes(_)) => return Err(format!("{acc} is uniform and set to lanes")),
        }
        Ok(())
    }

    fn declare_acc(&mut self, acc: AccId, operand: &Operand) -> Acc {
        let lanes = self.uniformity.acc_has_lanes(acc);
        let ty = Self::register_type(operand.scalar, lanes);
        let mut declare = || self.builder.declare_var(ty);
        let vars = if lanes { AccVars::Lanes([declare(), declare()]) } else { AccVars::Uniform(declare()) };
        let declared = Acc { scalar: operand.scalar, vars };
        self.accs.insert(acc, declared);
        declared
    }

    pub(super) fn read_acc(&mut self, acc: AccId) -> Emit<Operand> {
        let declared = *self.accs.get(&acc).ok_or_else(|| format!("{acc} is read before it is set"))?;
        let held = match declared.vars {
            AccVars::Uniform(var) => Held::Uniform(self.builder.use_var(var)),
            AccVars::Lanes(_) if self.lane.is_none() => {
                return Err(format!("{acc} holds lanes and is read outside a region"));
            }
            AccVars::Lanes(vars) => Held::Lanes(vars.map(|var| self.builder.use_var(var))),
        };
        Ok(Operand::new(declared.scalar, held))
    }
}

/// Number of statements, if there is neither a loop nor a tile nor a call among them.
fn n_stmts(body: &[Stmt]) -> Option<usize> {
    body.iter().try_fold(0, |sum, stmt| match stmt {
        Stmt::Lanes { body, .. } => Some(sum + 2 * n_stmts(body)?),
        Stmt::For { .. } | Stmt::Nest { .. } | Stmt::Tile(_) => None,
        _ => Some(sum + 1),
    })
}
