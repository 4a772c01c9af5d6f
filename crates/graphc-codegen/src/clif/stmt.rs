//! Statements other than tiles, and loops.

use super::function::{Acc, AccVars, Emit, FunctionEmitter, Held, Operand, Steps};
use super::index::{Extreme, Linear};
use super::location::location;
use crate::select::selection::{Block, Choice, LoopChoice, TileChoice};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Range, Stmt, ValueId};

impl FunctionEmitter<'_, '_> {
    /// Emits statements as their block of the selection says.
    pub(super) fn block(&mut self, stmts: &[Stmt], block: &Block) -> Emit {
        // Hints that follow one another are one choice.
        let are_hints = |a: &Stmt, b: &Stmt| matches!((a, b), (Stmt::Fetch { .. }, Stmt::Fetch { .. }));
        let mut choices = block.0.iter();
        let n_scopes = self.indices.n_scopes();
        for run in stmts.chunk_by(are_hints) {
            match &run[0] {
                Stmt::LetIndex { var, value } => {
                    let value = self.uniform_index(*var, value)?;
                    self.indices.bind(*var, value);
                }
                Stmt::ClampIndex { var, value, extent } => self.clamp_index(*var, value, *extent)?,
                Stmt::LoadIndex { var, from, extent } => self.load_index(*var, from, *extent)?,
                Stmt::Let { value, expr } => self.let_value(*value, expr)?,
                Stmt::Set { acc, value } => self.set_acc(*acc, *value)?,
                Stmt::Store { to, value } => {
                    let value = self.operand(*value)?;
                    self.store(to, &value)?;
                }
                stmt => self.choice(stmt, choices.next().expect("every other statement has a choice"))?,
            }
        }
        self.indices.leave_to(n_scopes);
        for stmt in stmts {
            if let Stmt::LoadIndex { var, .. } = stmt {
                self.by_lane.remove(var);
            }
        }
        Ok(())
    }

    /// Emits a statement, or the run of hints that begins with it, as was chosen.
    fn choice(&mut self, stmt: &Stmt, choice: &Choice) -> Emit {
        match (stmt, choice) {
            (Stmt::Nest { .. }, Choice::Call(function)) => self.nest_call(*function),
            (Stmt::Nest { body, .. }, Choice::Inline(block)) => self.block(body, block),
            (Stmt::Lanes { var, body }, Choice::Inline(block)) => {
                if self.lane.replace(*var).is_some() {
                    return Err("a lanes region inside another".to_owned());
                }
                self.block(body, block)?;
                self.lane = None;
                Ok(())
            }
            (Stmt::For { range, body, .. }, Choice::Loop(choice)) => self.for_loop(range, body, choice),
            (Stmt::Tile(tile), Choice::Tile(TileChoice::Assembled(call))) => self.tile_call(tile, call),
            (Stmt::Tile(tile), Choice::Tile(TileChoice::Plain { epilogue, .. })) => self.tile(tile, epilogue),
            (Stmt::Fetch { .. }, Choice::Fetch(calls)) => self.fetch_calls(calls),
            _ => unreachable!("the selection is of another program"),
        }
    }

    /// Calls the function of a nest.
    fn nest_call(&mut self, function: usize) -> Emit {
        let (callee, params) = self.callees.nest(function);
        let mut args = vec![self.arena, self.member];
        for &var in params {
            let value = self.indices.resolve(&mut self.builder, &Affine::var(var))?;
            args.push(self.indices.value(&mut self.builder, &value));
        }
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

    fn for_loop(&mut self, range: &Range, body: &[Stmt], choice: &LoopChoice) -> Emit {
        match choice {
            LoopChoice::Copied { first, copies } => (*first..).zip(copies).try_for_each(|(value, block)| {
                self.indices.bind(range.var, Linear::constant(value));
                self.block(body, block)
            }),
            LoopChoice::StraightLine(call) => self.straight_line_call(range, call),
            LoopChoice::Transpose { function, calls } => self.transpose_calls(*function, calls),
            LoopChoice::Plain { body: block, .. } => self.plain_loop(range, body, block),
        }
    }

    fn plain_loop(&mut self, range: &Range, body: &[Stmt], block: &Block) -> Emit {
        let (low, high) = self.range(range)?;
        let may_be_empty = low.as_constant().is_none() || high.as_constant().is_none();
        let low = self.indices.value(&mut self.builder, &low);
        let high = self.indices.value(&mut self.builder, &high);
        let steps = Steps { low, high, step: 1, may_be_empty };
        let emit_body = &mut |this: &mut Self, value| {
            this.indices.bind(range.var, value);
            this.block(body, block)
        };
        self.located(range.var, |this| this.counted_loop(steps, emit_body))
    }

    /// Both bounds of a range.
    pub(super) fn range(&mut self, range: &Range) -> Emit<(Linear, Linear)> {
        let low = self.indices.bound(&mut self.builder, &range.low, Extreme::Largest)?;
        let high = self.indices.bound(&mut self.builder, &range.high, Extreme::Smallest)?;
        Ok((low, high))
    }

    /// Emits something whose instructions are told to be of the loop over that variable.
    pub(super) fn located<T>(&mut self, var: Var, emit: impl FnOnce(&mut Self) -> T) -> T {
        let around = self.builder.srcloc();
        self.builder.set_srcloc(location(var));
        let emitted = emit(self);
        self.builder.set_srcloc(around);
        emitted
    }

    /// Emits a loop; the body gets its value.
    pub(super) fn counted_loop(&mut self, steps: Steps, body: &mut dyn FnMut(&mut Self, Linear) -> Emit) -> Emit {
        let Steps { low, high, step, may_be_empty } = steps;
        let (header, exit) = (self.builder.create_block(), self.builder.create_block());
        let value = self.builder.append_block_param(header, types::I64);
        if may_be_empty {
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

    pub(super) fn set_acc(&mut self, acc: AccId, value: ValueId) -> Emit {
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
