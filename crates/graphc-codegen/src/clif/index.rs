//! Index arithmetic, hoisted to where it does not change.
//!
//! An affine index is resolved to integer values that are known at run time (loop variables,
//! quotients) and their coefficients, sorted by the loop in which the value appears. Sums are
//! formed in that order, each partial sum at the head of the loop of its last term and once for
//! all accesses that share it; constants become immediate offsets of loads and stores.
//!
//! Integer variables that do not exist at run time (unrolled loops, grid cells) are constants
//! here, so copies of a body differ in immediate offsets only.

use crate::hash::QuickMap;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::Bound;
use graphc_ir::types::WORD_BYTES;

/// `constant + sum(coefficient * value)`, innermost values last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linear {
    terms: Vec<(Value, i64)>,
    constant: i64,
}

impl Linear {
    pub(super) fn constant(constant: i64) -> Linear {
        Linear { terms: Vec::new(), constant }
    }

    pub(super) fn value(value: Value) -> Linear {
        Linear { terms: vec![(value, 1)], constant: 0 }
    }

    pub(super) fn plus_constant(&self, constant: i64) -> Linear {
        Linear { terms: self.terms.clone(), constant: self.constant + constant }
    }

    pub(super) fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    pub(super) fn times(&self, factor: i64) -> Linear {
        let terms = self.terms.iter().map(|&(value, coefficient)| (value, coefficient * factor)).collect();
        Linear { terms, constant: self.constant * factor }
    }
}

/// Where hoisted instructions go: the head of a loop body or of the function, or behind an index that is loaded.
#[derive(Debug)]
struct Scope {
    block: Block,
    last: Option<Inst>,
}

/// Smallest or largest of several bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extreme {
    Smallest,
    Largest,
}

/// Index variables in force, open loops, and every partial sum formed so far.
///
/// Partial sums need not be forgotten when a loop ends: their keys contain the loop's variable,
/// which nothing outside the loop can name.
#[derive(Debug, Default)]
pub(super) struct Indices {
    vars: QuickMap<Var, Linear>,
    scopes: Vec<Scope>,
    depths: QuickMap<Value, usize>,
    products: QuickMap<(Value, i64), Value>,
    sums: QuickMap<(Option<Value>, Value, i64), Value>,
    constants: QuickMap<i64, Value>,
    quotients: QuickMap<(Linear, i64, bool), Value>,
}

impl std::hash::Hash for Linear {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.terms.hash(state);
        self.constant.hash(state);
    }
}

impl Indices {
    /// Opens a scope at the start of the builder's current block.
    pub(super) fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        builder.ensure_inserted_block();
        let block = builder.current_block().expect("the builder stands in a block");
        self.scopes.push(Scope { block, last: None });
    }

    /// Closes the innermost scope.
    pub(super) fn leave(&mut self) {
        self.scopes.pop();
    }

    /// Opens a scope behind the instruction of a value, the last of the current block.
    pub(super) fn enter_behind(&mut self, builder: &FunctionBuilder<'_>, value: Value) {
        let block = builder.current_block().expect("the builder stands in a block");
        self.scopes.push(Scope { block, last: builder.func.dfg.value_def(value).inst() });
    }

    /// Number of open scopes.
    pub(super) fn n_scopes(&self) -> usize {
        self.scopes.len()
    }

    /// Closes all scopes but the first `n`.
    pub(super) fn leave_to(&mut self, n: usize) {
        self.scopes.truncate(n);
    }

    /// Names a value that is known from the head of the innermost scope on.
    pub(super) fn define(&mut self, value: Value) -> Linear {
        self.depths.insert(value, self.scopes.len() - 1);
        Linear::value(value)
    }

    pub(super) fn bind(&mut self, var: Var, value: Linear) {
        self.vars.insert(var, value);
    }

    /// The variable has no value any more.
    pub(super) fn unbind(&mut self, var: Var) {
        self.vars.remove(&var);
    }

    /// The value of an affine expression; every variable must be bound.
    pub(super) fn resolve(&mut self, builder: &mut FunctionBuilder<'_>, affine: &Affine) -> Result<Linear, String> {
        let mut constant = affine.offset;
        let mut terms: Vec<((usize, Value), i64)> = Vec::with_capacity(affine.terms.len());
        for (atom, coefficient) in &affine.terms {
            let value = match atom {
                Atom::Var(var) => self.vars.get(var).cloned().ok_or_else(|| format!("{var} is not defined"))?,
                Atom::Div(_, divisor) | Atom::Mod(_, divisor) if *divisor <= 0 => {
                    return Err(format!("division by {divisor}"));
                }
                Atom::Div(inner, divisor) => self.quotient(builder, inner, *divisor, false)?,
                Atom::Mod(inner, divisor) => self.quotient(builder, inner, *divisor, true)?,
            };
            constant = constant.wrapping_add(coefficient.wrapping_mul(value.constant));
            for (value, factor) in value.terms {
                let (key, term) = ((self.depths[&value], value), coefficient.wrapping_mul(factor));
                match terms.binary_search_by_key(&key, |&(known, _)| known) {
                    Ok(at) => terms[at].1 = terms[at].1.wrapping_add(term),
                    Err(at) => terms.insert(at, (key, term)),
                }
            }
        }
        let terms = terms.into_iter().filter(|&(_, c)| c != 0).map(|((_, value), c)| (value, c)).collect();
        Ok(Linear { terms, constant })
    }

    /// Quotient or remainder of a non-negative value.
    fn quotient(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        inner: &Affine,
        divisor: i64,
        remainder: bool,
    ) -> Result<Linear, String> {
        let inner = self.resolve(builder, inner)?;
        if let Some(constant) = inner.as_constant() {
            let value = if remainder { constant.rem_euclid(divisor) } else { constant.div_euclid(divisor) };
            return Ok(Linear::constant(value));
        }
        let key = (inner.clone(), divisor, remainder);
        if let Some(&known) = self.quotients.get(&key) {
            return Ok(Linear::value(known));
        }
        let dividend = self.value(builder, &inner);
        let power = divisor.count_ones() == 1;
        let value = self.hoist(builder, self.depths[&dividend], |cursor| match (remainder, power) {
            (true, true) => cursor.ins().band_imm_s(dividend, divisor - 1),
            (false, true) => cursor.ins().ushr_imm_s(dividend, i64::from(divisor.trailing_zeros())),
            (true, false) => cursor.ins().urem_imm_s(dividend, divisor),
            (false, false) => cursor.ins().udiv_imm_s(dividend, divisor),
        });
        self.quotients.insert(key, value);
        Ok(Linear::value(value))
    }

    /// The integer itself, as `i64`.
    pub(super) fn value(&mut self, builder: &mut FunctionBuilder<'_>, linear: &Linear) -> Value {
        match self.sum(builder, &linear.terms) {
            None => self.integer(builder, linear.constant),
            Some(sum) if linear.constant == 0 => sum,
            Some(sum) => {
                let constant = self.integer(builder, linear.constant);
                self.add_term(builder, Some(sum), constant, 1)
            }
        }
    }

    /// The sum of terms, if there are any.
    fn sum(&mut self, builder: &mut FunctionBuilder<'_>, terms: &[(Value, i64)]) -> Option<Value> {
        let add = |sum, &(value, coefficient): &(Value, i64)| Some(self.add_term(builder, sum, value, coefficient));
        terms.iter().fold(None, add)
    }

    /// Address of a word of the buffer that begins at `base`: a pointer and an immediate offset in bytes. Buffers
    /// share the distance, and an access adds it to their address.
    pub(super) fn address(&mut self, builder: &mut FunctionBuilder<'_>, base: Value, words: &Linear) -> (Value, i32) {
        let bytes = words.times(WORD_BYTES as i64);
        let mut pointer = base;
        let immediate = i32::try_from(bytes.constant).unwrap_or_else(|_| {
            let far = self.integer(builder, bytes.constant);
            pointer = self.add_term(builder, Some(pointer), far, 1);
            0
        });
        if let Some(distance) = self.sum(builder, &bytes.terms) {
            pointer = self.add_term(builder, Some(pointer), distance, 1);
        }
        (pointer, immediate)
    }

    /// The bound of a loop as one value.
    pub(super) fn bound(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        bound: &Bound,
        extreme: Extreme,
    ) -> Result<Linear, String> {
        let (first, rest) = bound.0.split_first().ok_or("a loop has no bound")?;
        let mut best = self.resolve(builder, first)?;
        for other in rest {
            let other = self.resolve(builder, other)?;
            best = self.extreme(builder, extreme, [&best, &other]);
        }
        Ok(best)
    }

    /// The smaller or larger of two values.
    pub(super) fn extreme(&mut self, builder: &mut FunctionBuilder<'_>, which: Extreme, of: [&Linear; 2]) -> Linear {
        match (of.map(Linear::as_constant), which) {
            ([Some(a), Some(b)], Extreme::Largest) => Linear::constant(a.max(b)),
            ([Some(a), Some(b)], Extreme::Smallest) => Linear::constant(a.min(b)),
            _ => {
                let [a, b] = of.map(|linear| self.value(builder, linear));
                let depth = self.depths[&a].max(self.depths[&b]);
                let order = match which {
                    Extreme::Largest => IntCC::SignedGreaterThan,
                    Extreme::Smallest => IntCC::SignedLessThan,
                };
                Linear::value(self.hoist(builder, depth, |cursor| {
                    let holds = cursor.ins().icmp(order, a, b);
                    cursor.ins().select(holds, a, b)
                }))
            }
        }
    }

    /// `high - low`, at the head of the scope where both are known.
    pub(super) fn difference(&mut self, builder: &mut FunctionBuilder<'_>, high: Value, low: Value) -> Value {
        self.add_term(builder, Some(high), low, -1)
    }

    /// `base + coefficient * value`, at the head of the scope where both are known.
    fn add_term(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        base: Option<Value>,
        value: Value,
        coefficient: i64,
    ) -> Value {
        if let Some(&known) = self.sums.get(&(base, value, coefficient)) {
            return known;
        }
        let product = self.product(builder, value, coefficient);
        let sum = match base {
            None => product,
            Some(base) => {
                let depth = self.depths[&base].max(self.depths[&product]);
                self.hoist(builder, depth, |cursor| cursor.ins().iadd(base, product))
            }
        };
        self.sums.insert((base, value, coefficient), sum);
        sum
    }

    fn product(&mut self, builder: &mut FunctionBuilder<'_>, value: Value, coefficient: i64) -> Value {
        if coefficient == 1 {
            return value;
        }
        if let Some(&known) = self.products.get(&(value, coefficient)) {
            return known;
        }
        let product = self.hoist(builder, self.depths[&value], |cursor| {
            if coefficient > 0 && coefficient.count_ones() == 1 {
                cursor.ins().ishl_imm_s(value, i64::from(coefficient.trailing_zeros()))
            } else {
                cursor.ins().imul_imm_s(value, coefficient)
            }
        });
        self.products.insert((value, coefficient), product);
        product
    }

    fn integer(&mut self, builder: &mut FunctionBuilder<'_>, constant: i64) -> Value {
        if let Some(&known) = self.constants.get(&constant) {
            return known;
        }
        let value = self.hoist(builder, 0, |cursor| cursor.ins().iconst(types::I64, constant));
        self.constants.insert(constant, value);
        value
    }

    /// Runs `build` at the head of a scope; its result is known throughout that scope.
    pub(super) fn hoist(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        depth: usize,
        build: impl FnOnce(&mut FuncCursor<'_>) -> Value,
    ) -> Value {
        let scope = &mut self.scopes[depth];
        let func: &mut Function = builder.func;
        let cursor = FuncCursor::new(func);
        let mut cursor = match scope.last {
            Some(last) => cursor.after_inst(last),
            None => cursor.at_first_insertion_point(scope.block),
        };
        let value = build(&mut cursor);
        scope.last = func.dfg.value_def(value).inst();
        self.depths.insert(value, depth);
        value
    }
}
