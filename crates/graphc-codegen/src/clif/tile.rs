//! Tiles: a grid of accumulators in registers over reduction loops.
//!
//! The portable form, in CLIF; `calls` has the other one.
//!
//! The grid is copied; the innermost reductions are copied too, up to [`MAX_COPIED_FMAS`]. A step
//! of the reduction loads each distinct operand once, just before its first use. On x86-64 `fma`
//! becomes `vfmadd213ps`, which overwrites its first factor; so that operand comes first whose
//! last use this is, and otherwise the register allocator adds a copy.
//!
//! A splat used more than once is a scalar load and a register broadcast, because Cranelift sinks
//! a load only into an instruction whose result is used once (and removes block parameters that
//! would hide the further uses). Loading the word once for each use is no better: two loads a
//! cycle are the limit.

use super::function::{Constant, Emit, FunctionEmitter, Held, Operand, Steps};
use super::index::Linear;
use super::memory::{HALF_BYTES, Place};
use crate::hash::QuickMap;
use crate::select::selection::Block;
use crate::select::tile::{Factor, Movement, grid_cells};
use crate::select::values::Scalar;
use cranelift_codegen::ir::types::{F32, F32X4};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::Variable;
use graphc_ir::loops::{Access, Range, Tile, TileInit};
use graphc_ir::scalar::LANES;

/// Multiply-adds of a loop body up to which reductions are copied.
const MAX_COPIED_FMAS: i64 = 208;

/// Registers that accumulators and operands may fill: two of x86-64's 16 are left for copies.
const MAX_LIVE: usize = 14;

/// A tile being emitted.
pub(super) struct Plan<'t> {
    pub(super) tile: &'t Tile,
    /// Grid coordinates of every cell.
    cells: Vec<Vec<i64>>,
    /// Accumulators of every cell: two halves in a region, else one scalar.
    pub(super) accs: Vec<Vec<Variable>>,
    a: Factor<'t>,
    b: Factor<'t>,
}

impl Plan<'_> {
    fn n_halves(&self) -> usize {
        self.accs[0].len()
    }

    /// Multiply-adds of one reduction step.
    fn step_fmas(&self) -> i64 {
        (self.cells.len() * self.n_halves()) as i64
    }
}

/// An operand of a step: its address, and whether it is a vector or a word to splat.
type Key = (Value, i32, bool);

/// One multiply-add of a step.
struct Fma {
    acc: Variable,
    factors: [Key; 2],
    half: usize,
}

impl FunctionEmitter<'_, '_> {
    /// Emits a tile with its epilogue in every cell.
    pub(super) fn tile(&mut self, tile: &Tile, epilogue: &[Block]) -> Emit {
        let cells = grid_cells(&tile.grid);
        if cells.is_empty() {
            return Ok(());
        }
        let (a, b) = (self.factor(tile, &tile.a, &cells)?, self.factor(tile, &tile.b, &cells)?);
        let init_lanes = match &tile.init {
            TileInit::Zero => false,
            TileInit::Load(access) => self.lane.is_some_and(|lane| access.index.uses(lane)),
        };
        let joins_lanes = tile.runs.is_some_and(|runs| runs.joins_lanes);
        let lanes = joins_lanes || init_lanes || a.movement != Movement::Uniform || b.movement != Movement::Uniform;
        let (ty, n_halves) = if lanes { (F32X4, 2) } else { (F32, 1) };
        let accs: Vec<Vec<Variable>> =
            cells.iter().map(|_| (0..n_halves).map(|_| self.builder.declare_var(ty)).collect()).collect();
        let plan = Plan { tile, cells, accs, a, b };
        let sums = match tile.runs {
            Some(runs) => self.runs(&plan, runs)?,
            None => {
                self.start(&plan)?;
                self.reduce(&plan, 0)?;
                plan.accs.clone()
            }
        };
        for ((cell, vars), block) in plan.cells.iter().zip(&sums).zip(epilogue) {
            self.bind_cell(tile, cell);
            let halves: Vec<Value> = vars.iter().map(|&var| self.builder.use_var(var)).collect();
            let held = match halves.as_slice() {
                &[low, high] => Held::Lanes([low, high]),
                halves => Held::Uniform(halves[0]),
            };
            let mut operand = Operand::new(Scalar::F32, held);
            if let (Held::Uniform(value), true) = (held, self.uniformity.needs_splat(tile.acc)) {
                operand.splat = Some(self.splat(Scalar::F32, value));
            }
            self.values.insert(tile.acc, operand);
            self.block(&tile.epilogue, block)?;
        }
        Ok(())
    }

    pub(super) fn bind_cell(&mut self, tile: &Tile, cell: &[i64]) {
        for (&(var, _), &coordinate) in tile.grid.iter().zip(cell) {
            self.indices.bind(var, Linear::constant(coordinate));
        }
    }

    fn factor<'t>(&self, tile: &Tile, access: &'t Access, cells: &[Vec<i64>]) -> Emit<Factor<'t>> {
        if self.scalar_of(access)? != Scalar::F32 {
            return Err(format!("a tile reads {}, which holds integers", access.buffer));
        }
        if !access.index.is_affine() {
            return Err(format!("the index {} of a tile is not affine", access.index));
        }
        Ok(Factor::of(tile, access, self.lane, cells))
    }

    /// Gives every accumulator its first value.
    pub(super) fn start(&mut self, plan: &Plan<'_>) -> Emit {
        let lanes = plan.n_halves() == 2;
        for (cell, vars) in plan.cells.iter().zip(&plan.accs) {
            let halves = match &plan.tile.init {
                TileInit::Zero => [self.constant(Constant::F32(0), lanes); 2],
                TileInit::Load(access) => {
                    self.bind_cell(plan.tile, cell);
                    let start = self.load(access)?;
                    match start.held {
                        Held::Uniform(value) if !lanes => [value; 2],
                        _ => self.lanes(&start),
                    }
                }
            };
            vars.iter().zip(halves).for_each(|(&var, half)| self.builder.def_var(var, half));
        }
        Ok(())
    }

    /// Emits the reduction loops from `level` on.
    fn reduce(&mut self, plan: &Plan<'_>, level: usize) -> Emit {
        let Some(range) = plan.tile.reds.get(level) else { return self.step(plan) };
        let bounds = self.range(range)?;
        self.reduce_range(plan, level, bounds)
    }

    /// Emits the reduction loops from `level` on, that one between the bounds.
    pub(super) fn reduce_range(&mut self, plan: &Plan<'_>, level: usize, (low, high): (Linear, Linear)) -> Emit {
        let range = &plan.tile.reds[level];
        let inner = copied_fmas(plan, level + 1);
        let mut bind = |this: &mut Self, value: Linear| {
            this.indices.bind(range.var, value);
            this.reduce(plan, level + 1)
        };
        if let (Some(low), Some(high)) = (low.as_constant(), high.as_constant()) {
            let extent = high.saturating_sub(low).max(0);
            let copies = inner.map_or(1, |inner| copies_of(extent, inner));
            if extent <= copies || extent <= 1 {
                return (low..high).try_for_each(|value| bind(self, Linear::constant(value)));
            }
            let (low_value, whole) = (self.integer(low), low + extent / copies * copies);
            let whole_value = self.integer(whole);
            let steps = Steps { low: low_value, high: whole_value, step: copies, may_be_empty: false };
            let body = &mut |this: &mut Self, value: Linear| {
                (0..copies).try_for_each(|copy| bind(this, value.plus_constant(copy)))
            };
            self.located(range.var, |this| this.counted_loop(steps, body))?;
            return (whole..high).try_for_each(|value| bind(self, Linear::constant(value)));
        }
        let low = self.indices.value(&mut self.builder, &low);
        let high = self.indices.value(&mut self.builder, &high);
        let steps = Steps { low, high, step: 1, may_be_empty: true };
        self.located(range.var, |this| this.counted_loop(steps, &mut bind))
    }

    pub(super) fn integer(&mut self, value: i64) -> Value {
        self.indices.value(&mut self.builder, &Linear::constant(value))
    }

    /// One reduction step of every cell.
    fn step(&mut self, plan: &Plan<'_>) -> Emit {
        if plan.n_halves() == 2 && [&plan.a, &plan.b].iter().any(|factor| factor.movement == Movement::Scattered) {
            return self.scattered_step(plan);
        }
        let fmas = self.step_order(plan)?;
        let mut uses: QuickMap<Key, usize> = QuickMap::default();
        fmas.iter().flat_map(|fma| fma.factors).for_each(|key| *uses.entry(key).or_insert(0) += 1);
        let mut loaded: QuickMap<Key, Value> = QuickMap::default();
        for fma in &fmas {
            let mut factors = [self.arena; 2];
            for (factor, &key) in factors.iter_mut().zip(&fma.factors) {
                *factor = match loaded.get(&key) {
                    Some(&value) => value,
                    None => self.load_key(plan, key),
                };
                loaded.insert(key, *factor);
                *uses.get_mut(&key).expect("counted above") -= 1;
            }
            let [first, second] = fma.factors;
            if uses[&first] > 0 && uses[&second] == 0 {
                factors.swap(0, 1);
            }
            let acc = self.builder.use_var(fma.acc);
            let sum = self.builder.ins().fma(factors[0], factors[1], acc);
            self.builder.def_var(fma.acc, sum);
        }
        Ok(())
    }

    /// The multiply-adds of a step. Pairs of vectors go half by half, so that only half of either
    /// is live; else both halves of a cell go together, so that its splat is. If the registers
    /// do not hold every operand, the factor with fewer distinct ones stays in them throughout
    /// the step; those of the other one are loaded, used up and forgotten one by one.
    fn step_order(&mut self, plan: &Plan<'_>) -> Emit<Vec<Fma>> {
        let keys = [self.keys(plan, &plan.a)?, self.keys(plan, &plan.b)?];
        let shapes = [plan.a.movement, plan.b.movement];
        let both_vectors = shapes == [Movement::Vector; 2];
        let mut fmas = Vec::with_capacity(plan.cells.len() * plan.n_halves());
        for (cell, vars) in plan.accs.iter().enumerate() {
            for (half, &acc) in vars.iter().enumerate() {
                let factors = std::array::from_fn(|factor| {
                    let (base, offset) = keys[factor][cell];
                    let vector = shapes[factor] == Movement::Vector;
                    (base, if vector { offset + half as i32 * HALF_BYTES } else { offset }, vector)
                });
                fmas.push(Fma { acc, factors, half });
            }
        }
        if both_vectors {
            fmas.sort_by_key(|fma| fma.half);
        }
        let mut ranks: [QuickMap<Key, usize>; 2] = Default::default();
        for (rank, fma) in fmas.iter().enumerate() {
            for (ranks, &key) in ranks.iter_mut().zip(&fma.factors) {
                ranks.entry(key).or_insert(rank);
            }
        }
        if fmas.len() + ranks[0].len() + ranks[1].len() <= MAX_LIVE {
            return Ok(fmas);
        }
        let streamed = usize::from(ranks[1].len() > ranks[0].len());
        fmas.sort_by_key(|fma| (both_vectors.then_some(fma.half), ranks[streamed][&fma.factors[streamed]]));
        Ok(fmas)
    }

    /// Address of a factor for every cell.
    fn keys(&mut self, _plan: &Plan<'_>, factor: &Factor<'_>) -> Emit<Vec<(Value, i32)>> {
        let width = if factor.movement == Movement::Vector { LANES } else { 1 };
        let (Place::Word(origin) | Place::Vector(origin)) = self.place(&factor.origin.index)? else {
            return Err(format!("the index {} of a tile is scattered", factor.access.index));
        };
        let mut keys = Vec::with_capacity(factor.cells.len());
        let mut checked: Vec<i64> = Vec::new();
        for &offset in &factor.cells {
            let word = origin.plus_constant(offset);
            if !checked.contains(&offset) {
                checked.push(offset);
                self.check(factor.access, &word, width)?;
            }
            keys.push(self.address(factor.access.buffer, &word));
        }
        Ok(keys)
    }

    /// Loads a vector, or splats (in a region) a word.
    fn load_key(&mut self, plan: &Plan<'_>, (base, offset, vector): Key) -> Value {
        if vector {
            return self.load_at(F32X4, base, offset);
        }
        let word = self.load_at(F32, base, offset);
        if plan.n_halves() == 1 { word } else { self.builder.ins().splat(F32X4, word) }
    }

    /// The general step: every cell loads its own operands.
    fn scattered_step(&mut self, plan: &Plan<'_>) -> Emit {
        for (cell, vars) in plan.cells.iter().zip(&plan.accs) {
            self.bind_cell(plan.tile, cell);
            let (a, b) = (self.load(plan.a.access)?, self.load(plan.b.access)?);
            let (a, b) = (self.lanes(&a), self.lanes(&b));
            for (half, &var) in vars.iter().enumerate() {
                let acc = self.builder.use_var(var);
                let sum = self.builder.ins().fma(a[half], b[half], acc);
                self.builder.def_var(var, sum);
            }
        }
        Ok(())
    }
}

/// Multiply-adds of the reductions from `level` on if all of them are copied.
fn copied_fmas(plan: &Plan<'_>, level: usize) -> Option<i64> {
    let Some(range) = plan.tile.reds.get(level) else { return Some(plan.step_fmas()) };
    let inner = copied_fmas(plan, level + 1)?;
    let extent = i64::try_from(Range::extent(range)?).ok()?;
    let all = extent.checked_mul(inner)?;
    (extent <= 1 || all <= MAX_COPIED_FMAS).then_some(all)
}

/// How many iterations of a loop to copy when one has `inner` multiply-adds: all of them, or the
/// largest number within the limit that divides the extent, or else just as many as fit.
fn copies_of(extent: i64, inner: i64) -> i64 {
    let most = (MAX_COPIED_FMAS / inner.max(1)).clamp(1, extent.max(1));
    let divisor = (1..=most).rev().find(|copies| extent % copies == 0).unwrap_or(1);
    if divisor * 2 >= most { divisor } else { most }
}
