//! Translates a kernel: variables, values and accumulators become slots, indices become coefficient lists.

use super::error::InterpError;
use graphc_ir::DType;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::{
    AccId, Access, Bound, Expr, Join, Kernel, LaneVars, LoopKind, Program, Range, Runs, Stmt, Tile, TileInit, ValueId,
};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};
use std::collections::HashMap;
use std::fmt::Display;

/// A translated kernel.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) name: String,
    /// Names of nests; the first is "outside nests".
    pub(super) nests: Vec<String>,
    pub(super) body: Vec<Op>,
    pub(super) n_vars: usize,
    pub(super) n_regs: usize,
}

/// `offset + sum(coefficient * vars[slot]) + sum(coefficient * quotient)`.
#[derive(Clone, Debug, Default)]
pub(super) struct Linear {
    pub(super) offset: i64,
    pub(super) terms: Vec<(usize, i64)>,
    quotients: Vec<(Quotient, i64)>,
}

#[derive(Clone, Debug)]
enum Quotient {
    Div(Linear, i64),
    Mod(Linear, i64),
}

impl Linear {
    /// The value. Wraps around, so that absurd coefficients give an index out of bounds and no panic.
    pub(super) fn eval(&self, vars: &[i64]) -> i64 {
        let mut sum = self.offset;
        for &(slot, coefficient) in &self.terms {
            sum = sum.wrapping_add(vars[slot].wrapping_mul(coefficient));
        }
        for (quotient, coefficient) in &self.quotients {
            let value = match quotient {
                Quotient::Div(inner, divisor) => inner.eval(vars).div_euclid(*divisor),
                Quotient::Mod(inner, divisor) => inner.eval(vars).rem_euclid(*divisor),
            };
            sum = sum.wrapping_add(value.wrapping_mul(*coefficient));
        }
        sum
    }

    /// Removes the term of a variable and gives its coefficient.
    fn take(&mut self, slot: usize) -> i64 {
        let Some(position) = self.terms.iter().position(|&(term, _)| term == slot) else { return 0 };
        self.terms.remove(position).1
    }
}

/// How an index changes from lane to lane.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LaneStep {
    /// By a constant; 0 outside regions.
    Stride(i64),
    /// The lane number stands in a division, or some of it is loaded for every lane by itself: the slots of what
    /// differs.
    General(Vec<usize>),
}

/// An index with its lane dependence split off.
#[derive(Clone, Debug)]
pub(super) struct LaneIndex {
    pub(super) first: Linear,
    pub(super) step: LaneStep,
}

/// An access to words `base..base + len` of the arena, or of a member's memory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) buffer: usize,
    pub(super) is_of_member: bool,
    pub(super) base: usize,
    pub(super) len: usize,
    pub(super) index: LaneIndex,
}

/// `max(low) <= vars[slot] < min(high)`.
#[derive(Debug)]
pub(super) struct Extent {
    pub(super) slot: usize,
    low: Vec<Linear>,
    high: Vec<Linear>,
}

impl Extent {
    /// Both bounds.
    pub(super) fn eval(&self, vars: &[i64]) -> (i64, i64) {
        let low = self.low.iter().map(|bound| bound.eval(vars)).max().expect("bounds are not empty");
        let high = self.high.iter().map(|bound| bound.eval(vars)).min().expect("bounds are not empty");
        (low, high)
    }
}

/// A translated statement. Values and accumulators are registers of 8 words; scalars are held 8 times.
#[derive(Debug)]
pub(super) enum Op {
    Nest(usize, Vec<Op>),
    For(Extent, Vec<Op>),
    /// A parallel loop.
    Tasks(Extent, Vec<Op>),
    /// The slot of the lane number, and the body.
    Lanes(usize, Vec<Op>),
    LetIndex(usize, Linear),
    /// The slot of the variable, its value, and the largest one.
    ClampIndex(usize, Linear, i64),
    /// The slot of the variable, where its value stands, and the largest one.
    LoadIndex(usize, Place, i64),
    Load(usize, Place),
    Constant(usize, u32),
    Index(usize, LaneIndex),
    Copy(usize, usize),
    Unary(usize, UnaryOp, usize),
    Binary(usize, BinaryOp, usize, usize),
    Fma(usize, usize, usize, usize),
    CmpF32(usize, CmpOp, usize, usize),
    CmpI32(usize, CmpOp, usize, usize),
    Select(usize, usize, usize, usize),
    Join(usize, Join, usize),
    Store(Place, usize),
    Tile(Box<TileCode>),
}

/// A translated tile.
#[derive(Debug)]
pub(super) struct TileCode {
    /// Slots and extents of the grid.
    pub(super) grid: Vec<(usize, i64)>,
    pub(super) reds: Vec<Extent>,
    pub(super) runs: Option<Runs>,
    pub(super) a: Factor,
    pub(super) b: Factor,
    pub(super) init: Option<Place>,
    /// Register of the finished accumulator.
    pub(super) acc: usize,
    pub(super) epilogue: Vec<Op>,
}

/// A factor of a tile: grid and reduction variables are split off the index.
#[derive(Debug)]
pub(super) struct Factor {
    pub(super) place: Place,
    pub(super) stride: i64,
    /// What each grid cell adds, in row-major order.
    pub(super) cells: Vec<i64>,
    /// Words per step of each reduction.
    pub(super) reds: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    F32,
    I32,
    Condition,
}

impl From<DType> for Type {
    fn from(dtype: DType) -> Type {
        match dtype {
            DType::F32 => Type::F32,
            DType::I32 => Type::I32,
        }
    }
}

/// More grid cells than this are surely a mistake, and would be held in memory.
const MAX_CELLS: usize = 1 << 20;

struct Compiler<'a> {
    program: &'a Program,
    vars: HashMap<Var, usize>,
    values: HashMap<ValueId, (usize, Type)>,
    accs: HashMap<AccId, (usize, Type)>,
    n_regs: usize,
    lane: Option<(Var, usize)>,
    /// What differs from lane to lane.
    lane_vars: LaneVars,
    nests: Vec<String>,
}

pub(super) fn compile(program: &Program, kernel: &Kernel) -> Result<Code, InterpError> {
    let mut compiler = Compiler {
        program,
        vars: HashMap::new(),
        values: HashMap::new(),
        accs: HashMap::new(),
        n_regs: 0,
        lane: None,
        lane_vars: LaneVars::default(),
        nests: vec![String::new()],
    };
    let body = compiler
        .block(&kernel.body)
        .map_err(|message| InterpError::Invalid { kernel: kernel.name.clone(), message })?;
    let Compiler { nests, n_regs, vars, .. } = compiler;
    Ok(Code { name: kernel.name.clone(), nests, body, n_vars: vars.len(), n_regs })
}

type Compiled<T> = Result<T, String>;

impl Compiler<'_> {
    fn block(&mut self, stmts: &[Stmt]) -> Compiled<Vec<Op>> {
        let does_something = |stmt: &&Stmt| !matches!(stmt, Stmt::Fetch { .. });
        let outer = self.lane_vars.len();
        let ops = stmts.iter().filter(does_something).map(|stmt| self.stmt(stmt)).collect();
        self.lane_vars.truncate(outer);
        ops
    }

    fn stmt(&mut self, stmt: &Stmt) -> Compiled<Op> {
        Ok(match stmt {
            Stmt::Nest { name, body, .. } => {
                self.nests.push(name.clone());
                let number = self.nests.len() - 1;
                Op::Nest(number, self.block(body)?)
            }
            Stmt::For { range, kind, body } => {
                let extent = self.extent(range)?;
                let body = self.block(body)?;
                if *kind == LoopKind::Parallel { Op::Tasks(extent, body) } else { Op::For(extent, body) }
            }
            Stmt::Lanes { var, body } => {
                if self.lane.is_some() {
                    return Err("a lanes region inside another".to_owned());
                }
                let slot = self.define_var(*var);
                self.lane = Some((*var, slot));
                self.lane_vars.enter(*var);
                let body = self.block(body)?;
                self.lane_vars.truncate(0);
                self.lane = None;
                Op::Lanes(slot, body)
            }
            Stmt::LetIndex { var, value } => {
                let value = self.uniform_index(*var, value)?;
                Op::LetIndex(self.define_var(*var), value)
            }
            Stmt::ClampIndex { var, value, extent } => {
                let value = self.uniform_index(*var, value)?;
                Op::ClampIndex(self.define_var(*var), value, *extent as i64 - 1)
            }
            Stmt::LoadIndex { var, from, extent } => {
                let place = self.place(from)?;
                expect(Type::I32, self.program.buffers[place.buffer].dtype.into(), var)?;
                if *extent == 0 {
                    return Err(format!("{var} has no values"));
                }
                self.lane_vars.load(*var, from);
                Op::LoadIndex(self.define_var(*var), place, *extent as i64 - 1)
            }
            Stmt::Let { value, expr } => self.let_value(*value, expr)?,
            Stmt::Set { acc, value } => {
                let (from, ty) = self.value(*value)?;
                let next = self.n_regs;
                let (to, declared) = *self.accs.entry(*acc).or_insert((next, ty));
                self.n_regs = self.n_regs.max(to + 1);
                expect(declared, ty, *value)?;
                Op::Copy(to, from)
            }
            Stmt::Store { to, value } => {
                let (from, ty) = self.value(*value)?;
                let place = self.place(to)?;
                expect(self.program.buffers[place.buffer].dtype.into(), ty, *value)?;
                Op::Store(place, from)
            }
            Stmt::Fetch { .. } => unreachable!("hints are left out"),
            Stmt::Tile(tile) => Op::Tile(Box::new(self.tile(tile)?)),
        })
    }

    fn let_value(&mut self, value: ValueId, expr: &Expr) -> Compiled<Op> {
        let to = self.n_regs;
        let (op, ty) = match expr {
            Expr::Load(access) => {
                let place = self.place(access)?;
                let ty = self.program.buffers[place.buffer].dtype.into();
                (Op::Load(to, place), ty)
            }
            Expr::F32(constant) => (Op::Constant(to, constant.to_bits()), Type::F32),
            Expr::I32(constant) => (Op::Constant(to, constant.cast_unsigned()), Type::I32),
            Expr::Index(index) => (Op::Index(to, self.lane_index(index)?), Type::I32),
            Expr::Acc(acc) => {
                let (from, ty) = *self.accs.get(acc).ok_or_else(|| format!("{acc} is read before it is set"))?;
                (Op::Copy(to, from), ty)
            }
            Expr::Unary(op, a) => {
                if op.is_function() {
                    return Err(format!("{} is not part of the loop IR", op.name()));
                }
                let [operand, result] = op.types().map(Type::from);
                (Op::Unary(to, *op, self.typed(*a, operand)?), result)
            }
            Expr::Binary(op, a, b) => {
                let ty = if op.is_integer() { Type::I32 } else { Type::F32 };
                (Op::Binary(to, *op, self.typed(*a, ty)?, self.typed(*b, ty)?), ty)
            }
            Expr::Fma(a, b, c) => {
                let operand = |id| self.typed(id, Type::F32);
                (Op::Fma(to, operand(*a)?, operand(*b)?, operand(*c)?), Type::F32)
            }
            Expr::Cmp(op, a, b) => {
                let (a, ty) = self.value(*a)?;
                let b = self.typed(*b, ty)?;
                match ty {
                    Type::F32 => (Op::CmpF32(to, *op, a, b), Type::Condition),
                    Type::I32 => (Op::CmpI32(to, *op, a, b), Type::Condition),
                    Type::Condition => return Err("conditions are compared".to_owned()),
                }
            }
            Expr::Select(condition, a, b) => {
                let condition = self.typed(*condition, Type::Condition)?;
                let (a, ty) = self.value(*a)?;
                (Op::Select(to, condition, a, self.typed(*b, ty)?), ty)
            }
            Expr::JoinLanes(join, a) => {
                if self.lane.is_none() {
                    return Err("lanes are joined outside a lanes region".to_owned());
                }
                (Op::Join(to, *join, self.typed(*a, Type::F32)?), Type::F32)
            }
        };
        self.define_value(value, ty);
        Ok(op)
    }

    fn tile(&mut self, tile: &Tile) -> Compiled<TileCode> {
        let cells = tile.grid.iter().try_fold(1usize, |cells, &(_, extent)| cells.checked_mul(extent));
        if cells.is_none_or(|cells| cells > MAX_CELLS) {
            return Err(format!("a tile grid of more than {MAX_CELLS} cells"));
        }
        let reds = tile.reds.iter().map(|range| self.extent(range)).collect::<Compiled<Vec<_>>>()?;
        let grid: Vec<_> = tile.grid.iter().map(|&(var, extent)| (self.define_var(var), extent as i64)).collect();
        let a = self.factor(&tile.a, &grid, &reds)?;
        let b = self.factor(&tile.b, &grid, &reds)?;
        let init = match &tile.init {
            TileInit::Zero => None,
            TileInit::Load(access) => Some(self.f32_place(access)?),
        };
        let acc = self.define_value(tile.acc, Type::F32);
        let epilogue = self.block(&tile.epilogue)?;
        Ok(TileCode { grid, reds, runs: self.runs(tile)?, a, b, init, acc, epilogue })
    }

    fn runs(&self, tile: &Tile) -> Compiled<Option<Runs>> {
        let Some(runs) = tile.runs else { return Ok(None) };
        if runs.length == 0 || tile.reds.is_empty() || tile.init != TileInit::Zero {
            return Err("runs without iterations, a reduction, or a start at 0".to_owned());
        }
        if runs.joins_lanes && self.lane.is_none() {
            return Err("lanes of runs are joined outside a lanes region".to_owned());
        }
        Ok(Some(runs))
    }

    fn factor(&mut self, access: &Access, grid: &[(usize, i64)], reds: &[Extent]) -> Compiled<Factor> {
        let mut place = self.f32_place(access)?;
        let (true, &LaneStep::Stride(stride)) = (access.index.is_affine(), &place.index.step) else {
            return Err(format!("the index {} of a tile is not affine", access.index));
        };
        let index = &mut place.index.first;
        let mut cells = vec![0i64];
        for &(slot, extent) in grid {
            let coefficient = index.take(slot);
            let steps = move |cell: &i64| {
                let cell = *cell;
                (0..extent).map(move |i| cell.wrapping_add(i.wrapping_mul(coefficient)))
            };
            cells = cells.iter().flat_map(steps).collect();
        }
        let reds = reds.iter().map(|extent| index.take(extent.slot)).collect();
        Ok(Factor { place, stride, cells, reds })
    }

    fn f32_place(&self, access: &Access) -> Compiled<Place> {
        let place = self.place(access)?;
        match self.program.buffers[place.buffer].dtype {
            DType::F32 => Ok(place),
            DType::I32 => Err(format!("a tile reads {}, which holds integers", access.buffer)),
        }
    }

    fn place(&self, access: &Access) -> Compiled<Place> {
        let number = access.buffer.0 as usize;
        let buffer = self.program.buffers.get(number).ok_or_else(|| format!("there is no buffer {}", access.buffer))?;
        let index = self.lane_index(&access.index)?;
        let is_of_member = buffer.is_of_member();
        Ok(Place { buffer: number, is_of_member, base: buffer.offset, len: buffer.len, index })
    }

    /// The value of an index, which must be the same in all lanes.
    fn uniform_index(&self, var: Var, value: &Affine) -> Compiled<Linear> {
        let LaneIndex { first, step } = self.lane_index(value)?;
        match step {
            LaneStep::Stride(0) => Ok(first),
            _ => Err(format!("{var} depends on the lane")),
        }
    }

    fn lane_index(&self, index: &Affine) -> Compiled<LaneIndex> {
        let mut first = self.linear(index)?;
        let Some((var, slot)) = self.lane else { return Ok(LaneIndex { first, step: LaneStep::Stride(0) }) };
        let divided = index.terms.iter().any(|(atom, _)| match atom {
            Atom::Var(_) => false,
            Atom::Div(inner, _) | Atom::Mod(inner, _) => inner.uses(var),
        });
        let step = if divided || self.lane_vars.loaded_in(index).is_some() {
            let mut slots = Vec::new();
            index.for_each_var(&mut |var| {
                if self.lane_vars.are_in(&Affine::var(var)) {
                    slots.push(self.vars[&var]);
                }
            });
            LaneStep::General(slots)
        } else {
            LaneStep::Stride(first.take(slot))
        };
        Ok(LaneIndex { first, step })
    }

    fn linear(&self, affine: &Affine) -> Compiled<Linear> {
        let mut linear = Linear { offset: affine.offset, ..Linear::default() };
        for (atom, coefficient) in &affine.terms {
            let quotient = match atom {
                Atom::Var(var) => {
                    let slot = *self.vars.get(var).ok_or_else(|| format!("{var} is not defined"))?;
                    linear.terms.push((slot, *coefficient));
                    continue;
                }
                Atom::Div(_, divisor) | Atom::Mod(_, divisor) if *divisor <= 0 => {
                    return Err(format!("division by {divisor}"));
                }
                Atom::Div(inner, divisor) => Quotient::Div(self.linear(inner)?, *divisor),
                Atom::Mod(inner, divisor) => Quotient::Mod(self.linear(inner)?, *divisor),
            };
            linear.quotients.push((quotient, *coefficient));
        }
        Ok(linear)
    }

    fn extent(&mut self, range: &Range) -> Compiled<Extent> {
        let bound = |bound: &Bound| match bound.0.as_slice() {
            [] => Err(format!("{} has no bound", range.var)),
            bounds => bounds.iter().map(|bound| self.linear(bound)).collect::<Compiled<Vec<_>>>(),
        };
        let (low, high) = (bound(&range.low)?, bound(&range.high)?);
        Ok(Extent { slot: self.define_var(range.var), low, high })
    }

    fn define_var(&mut self, var: Var) -> usize {
        let next = self.vars.len();
        *self.vars.entry(var).or_insert(next)
    }

    fn define_value(&mut self, value: ValueId, ty: Type) -> usize {
        let reg = self.n_regs;
        self.n_regs += 1;
        self.values.insert(value, (reg, ty));
        reg
    }

    fn value(&self, id: ValueId) -> Compiled<(usize, Type)> {
        self.values.get(&id).copied().ok_or_else(|| format!("{id} is not defined"))
    }

    fn typed(&self, id: ValueId, ty: Type) -> Compiled<usize> {
        let (reg, found) = self.value(id)?;
        expect(ty, found, id)?;
        Ok(reg)
    }
}

fn expect(expected: Type, found: Type, id: impl Display) -> Compiled<()> {
    if expected == found { Ok(()) } else { Err(format!("{id} is {found:?}, expected {expected:?}")) }
}
