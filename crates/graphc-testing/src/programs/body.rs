//! Statements of a nest.

use super::choices::Choices;
use super::index::{self, Known, Lane, Window};
use super::scope::Values;
use graphc_ir::DType;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Buffer, LoopKind, Range, Runs, Stmt, Tile, TileInit, ValueId};

/// Iterations of a nest at most, roughly.
const MAX_TRIPS: i64 = 600;
/// Loops in each other at most.
const MAX_DEPTH: usize = 4;

/// A declared mutable scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acc {
    pub(super) id: AccId,
    pub(super) dtype: DType,
    in_region: bool,
}

/// Makes the statements of one kernel.
pub(super) struct Body<'b, 'c> {
    pub(super) choices: &'b mut Choices<'c>,
    pub(super) dtypes: Vec<DType>,
    pub(super) windows: Vec<Window>,
    /// Index expressions in scope without the lane.
    pub(super) known: Vec<Known>,
    /// Index variables in scope that differ from lane to lane, with the largest value, the lane's number excepted.
    loaded: Vec<(Var, i64)>,
    pub(super) values: Values,
    pub(super) accs: Vec<Acc>,
    pub(super) lane: Option<Var>,
    /// Whether numbers may be infinite or NaN.
    pub(super) wild: bool,
    /// Statements of the block being made.
    pub(super) block: Vec<Stmt>,
    n_vars: u32,
    n_values: u32,
    n_accs: u32,
    depth: usize,
    trips: i64,
}

impl<'b, 'c> Body<'b, 'c> {
    pub(super) fn new(choices: &'b mut Choices<'c>, buffers: &[Buffer]) -> Body<'b, 'c> {
        Body {
            choices,
            dtypes: buffers.iter().map(|buffer| buffer.dtype).collect(),
            windows: Vec::new(),
            known: Vec::new(),
            loaded: Vec::new(),
            values: Values::default(),
            accs: Vec::new(),
            lane: None,
            wild: false,
            block: Vec::new(),
            n_vars: 0,
            n_values: 0,
            n_accs: 0,
            depth: 0,
            trips: 1,
        }
    }

    pub(super) fn fresh_var(&mut self) -> Var {
        self.n_vars += 1;
        Var(self.n_vars - 1)
    }

    pub(super) fn fresh_value(&mut self) -> ValueId {
        self.n_values += 1;
        ValueId(self.n_values - 1)
    }

    /// The statements of a nest: it sees no values of other nests.
    pub(super) fn nest(&mut self) -> Vec<Stmt> {
        self.scoped(|body| {
            if body.choices.pick(4) == 0 {
                body.statements();
            }
            body.lanes();
            body.statements();
        })
    }

    /// A block with a scope of its own.
    fn scoped(&mut self, fill: impl FnOnce(&mut Self)) -> Vec<Stmt> {
        let outer = std::mem::take(&mut self.block);
        let (known, values, accs) = (self.known.len(), self.values.clone(), self.accs.len());
        let loaded = self.loaded.len();
        fill(self);
        self.loaded.truncate(loaded);
        self.known.truncate(known);
        self.values = values;
        self.accs.truncate(accs);
        std::mem::replace(&mut self.block, outer)
    }

    fn statements(&mut self) {
        for _ in 0..1 + self.choices.pick(7) {
            self.statement();
            if self.choices.ended() {
                break;
            }
        }
        self.store();
    }

    fn statement(&mut self) {
        match self.choices.pick(20) {
            0..=4 => self.any_value(),
            5 | 6 => self.store(),
            7 | 8 => self.declare(),
            9 | 10 => self.set(),
            11 if self.depth < MAX_DEPTH => self.count(),
            12 if self.depth < MAX_DEPTH => self.accumulate(),
            13 if self.lane.is_none() => self.lanes(),
            14 => self.let_index(),
            15 => self.fetch(),
            17 | 18 => self.load_index(),
            19 if self.depth < MAX_DEPTH => self.scatter(),
            _ => self.tile(),
        }
    }

    fn let_index(&mut self) {
        let var = self.fresh_var();
        let derived = index::derived(self.choices, &self.known);
        if self.choices.pick(3) == 0 {
            let extent = self.choices.one_of(&[4, 8, 64, 1, 13, 3]);
            self.known.push(Known::counted(var, 0, extent as i64 - 1));
            self.block.push(Stmt::ClampIndex { var, value: derived.affine.plus_constant(-2), extent });
            return;
        }
        self.known.push(Known::counted(var, derived.low, derived.high));
        self.block.push(Stmt::LetIndex { var, value: derived.affine });
    }

    /// An index that is loaded, the same in all lanes or another one in each.
    fn load_index(&mut self) {
        let buffers: Vec<usize> = (0..self.dtypes.len()).filter(|&at| self.dtypes[at] == DType::I32).collect();
        let buffer = self.choices.one_of(&buffers);
        let lane = if self.choices.pick(2) == 0 { Lane::Free } else { self.read_use() };
        let (var, from) = (self.fresh_var(), self.access(buffer, lane));
        let extent = self.choices.one_of(&[4, 8, 64, 1, 13, 100, 3]);
        let most = extent as i64 - 1;
        if self.is_uniform(&from.index) {
            self.known.push(Known::counted(var, 0, most));
        } else {
            self.loaded.push((var, most));
        }
        self.block.push(Stmt::LoadIndex { var, from, extent });
    }

    /// A loop in which words at loaded indices grow: where two iterations load the same index, the second must see what
    /// the first has left.
    fn scatter(&mut self) {
        let writable = |body: &Self, at: usize| body.windows[at].writable && body.dtypes[at] == DType::F32;
        let buffers: Vec<usize> = (0..self.windows.len()).filter(|&at| writable(self, at)).collect();
        if buffers.is_empty() {
            return self.load_index();
        }
        let buffer = self.choices.one_of(&buffers);
        let kind = self.choices.one_of(&[LoopKind::Serial, LoopKind::Serial, LoopKind::Unroll]);
        self.counted(kind, |body| {
            for _ in 0..1 + body.choices.pick(2) {
                body.load_index();
            }
            let mut at = body.access(buffer, body.lane.map_or(Lane::Free, Lane::Step));
            if let Some(lane) = body.lane
                && !at.index.uses(lane)
            {
                at.index = body.windows[buffer].start.plus(&Affine::var(lane));
            }
            let value = body.grown(at.clone());
            body.block.push(Stmt::Store { to: at, value });
        });
    }

    fn lanes(&mut self) {
        let var = self.fresh_var();
        self.lane = Some(var);
        let body = self.scoped(Body::statements);
        self.lane = None;
        self.block.push(Stmt::Lanes { var, body });
    }

    fn count(&mut self) {
        let kind = self.choices.one_of(&[LoopKind::Serial, LoopKind::Serial, LoopKind::Unroll]);
        self.counted(kind, Body::statements);
    }

    /// A sum or hash over a loop: what mutable scalars are for.
    fn accumulate(&mut self) {
        self.declare();
        self.counted(LoopKind::Serial, |body| {
            if body.choices.rarely(3) {
                body.fetch();
            }
            for _ in 0..1 + body.choices.pick(3) {
                body.any_value();
            }
            body.set();
        });
        self.store();
    }

    /// A hint, also for words outside the buffer.
    fn fetch(&mut self) {
        let buffer = self.choices.pick(self.windows.len());
        let mut from = self.access(buffer, Lane::Free);
        from.index = from.index.plus_constant(self.choices.one_of(&[0, 16, 5000, -100_000]));
        self.block.push(Stmt::Fetch { from, n_lines: 1 + self.choices.pick(3) });
    }

    fn counted(&mut self, kind: LoopKind, fill: impl FnOnce(&mut Self)) {
        let var = self.fresh_var();
        let (range, inside, trips) = index::range(self.choices, var, &self.known, kind == LoopKind::Unroll);
        if self.trips * trips > MAX_TRIPS {
            return;
        }
        self.trips *= trips;
        self.depth += 1;
        let body = self.scoped(|body| {
            body.known.extend(inside);
            fill(body);
        });
        self.depth -= 1;
        self.trips /= trips;
        self.block.push(Stmt::For { range, kind, body });
    }

    fn declare(&mut self) {
        let dtype = self.choices.one_of(&[DType::F32, DType::F32, DType::I32]);
        let value = self.stored_value(dtype, false);
        let id = AccId(self.n_accs);
        self.n_accs += 1;
        self.accs.push(Acc { id, dtype, in_region: self.lane.is_some() });
        self.block.push(Stmt::Set { acc: id, value });
    }

    /// Sets a mutable scalar of this region, or of no region.
    fn set(&mut self) {
        let in_region = self.lane.is_some();
        let accs: Vec<Acc> = self.accs.iter().filter(|acc| acc.in_region == in_region).copied().collect();
        if accs.is_empty() {
            return self.declare();
        }
        let acc = self.choices.one_of(&accs);
        let value = self.stored_value(acc.dtype, false);
        self.block.push(Stmt::Set { acc: acc.id, value });
    }

    pub(super) fn store(&mut self) {
        let writable: Vec<usize> = (0..self.windows.len()).filter(|&at| self.windows[at].writable).collect();
        let buffer = self.choices.one_of(&writable);
        // Where the index does not depend on the lane, neither may the value.
        let uniform = self.lane.is_some() && self.choices.rarely(4);
        let lane = if uniform { Lane::Free } else { self.lane_use() };
        let value = self.stored_value(self.dtypes[buffer], uniform);
        let mut to = self.access(buffer, lane);
        if let (Some(lane), false) = (self.lane, uniform)
            && !to.index.uses(lane)
        {
            // The window is too small for 8 lanes of the step that was chosen.
            to.index = self.windows[buffer].start.plus(&Affine::var(lane));
        }
        self.block.push(Stmt::Store { to, value });
    }

    /// An access inside the buffer's window.
    pub(super) fn access(&mut self, buffer: usize, lane: Lane) -> Access {
        index::access(self.choices, (buffer, &self.windows[buffer]), &self.known, lane)
    }

    /// How a new index depends on the lane.
    pub(super) fn lane_use(&mut self) -> Lane {
        match self.lane {
            None => Lane::Free,
            Some(lane) if self.choices.rarely(4) => Lane::Any(lane),
            Some(lane) => Lane::Step(lane),
        }
    }

    /// How the index of a load depends on the lane.
    pub(super) fn read_use(&mut self) -> Lane {
        match self.lane {
            Some(lane) if !self.loaded.is_empty() && self.choices.pick(2) == 0 => {
                let (var, most) = self.choices.one_of(&self.loaded);
                Lane::Loaded { lane, var, most }
            }
            _ => self.lane_use(),
        }
    }

    /// Whether an index is the same in every lane.
    pub(super) fn is_uniform(&self, index: &Affine) -> bool {
        let mut lane_vars = self.lane.into_iter().chain(self.loaded.iter().map(|&(var, _)| var));
        !lane_vars.any(|var| index.uses(var))
    }

    fn tile(&mut self) {
        let n_reds = self.choices.pick(4);
        let mut reds: Vec<Range> = Vec::new();
        let mut inside = Vec::new();
        let mut trips = self.trips;
        for _ in 0..n_reds {
            let var = self.fresh_var();
            let (range, known, n) = index::range(self.choices, var, &self.known, false);
            trips *= n;
            reds.push(range);
            inside.extend(known);
        }
        let mut grid = Vec::new();
        for _ in 0..self.choices.pick(3) {
            let extent = 1 + self.choices.pick(4);
            trips *= extent as i64;
            grid.push((self.fresh_var(), extent));
        }
        if trips > 4 * MAX_TRIPS {
            return;
        }
        let outer = self.known.clone();
        self.known.retain(|known| known.affine.is_affine());
        self.known.extend(grid.iter().map(|&(var, extent)| Known::counted(var, 0, extent as i64 - 1)));
        let init = if self.choices.pick(2) == 0 { TileInit::Zero } else { TileInit::Load(self.factor()) };
        let n_known = self.known.len();
        self.known.extend(inside.into_iter().filter(|known| known.affine.is_affine()));
        let (a, b) = (self.factor(), self.factor());
        self.known.truncate(n_known);
        let runs = self.runs(&reds, &init);
        let ahead = if self.choices.rarely(3) { [64, -1000] } else { [0, 0] };
        let acc = self.fresh_value();
        let epilogue = self.scoped(|body| {
            body.values.push_tile(acc, body.lane.is_none() || runs.is_some_and(|runs| runs.joins_lanes));
            if body.choices.rarely(4) {
                body.load_index();
            }
            for _ in 0..body.choices.pick(3) {
                body.any_value();
            }
            if body.choices.rarely(3) {
                body.set();
            }
            body.store();
        });
        self.known = outer;
        let tile = Tile { grid, reds, runs, a, b, ahead, init, acc, epilogue };
        self.block.push(Stmt::Tile(Box::new(tile)));
    }

    /// Runs of the outermost reduction, where a tile may have some.
    fn runs(&mut self, reds: &[Range], init: &TileInit) -> Option<Runs> {
        reds.first()?.extent()?;
        if *init != TileInit::Zero || self.choices.pick(2) == 0 {
            return None;
        }
        let length = 1 + self.choices.pick(4);
        Some(Runs { length, joins_lanes: self.lane.is_some() && self.choices.pick(2) == 0 })
    }

    /// An access of a tile: a splat or a vector.
    fn factor(&mut self) -> Access {
        let readable: Vec<usize> = (0..self.windows.len()).filter(|&at| self.dtypes[at] == DType::F32).collect();
        let buffer = self.choices.one_of(&readable);
        let lane = match self.lane {
            Some(lane) if self.choices.pick(2) == 0 => Lane::Step(lane),
            _ => Lane::Free,
        };
        self.access(buffer, lane)
    }
}
