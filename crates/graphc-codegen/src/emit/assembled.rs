//! Tiles as calls of assembled functions.
//!
//! The call gets three pointers: both factors at the first iteration of every reduction, and
//! where results go. A tile that does nothing but store its accumulators, or the sums of their
//! lanes, stores them itself; any other epilogue reads them from the stack.

use super::function::{Emit, FunctionEmitter, Functions, Held, Operand, Scalar};
use super::index::Linear;
use super::memory::{HALF_BYTES, Place};
use super::tile::{Factor, Shape};
use super::vector_loop::Epilogue;
use crate::tile::{self, CELL_BYTES, Count, End, Reduction, Start, TileShape};
use crate::vector_loop::LoopShape;
use cranelift_codegen::ir::types::{F32X4, I64};
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Expr, Join, Range, Stmt, Tile, TileInit};

/// Largest distance in bytes from a pointer that a tile may reach by an immediate offset.
const MAX_REACH: i64 = 1 << 30;

/// A call to make.
struct Call<'t> {
    shape: TileShape,
    /// Values of the counts that are parameters.
    counts: Vec<Linear>,
    /// Where results go if the tile stores them itself.
    direct: Option<&'t Access>,
}

impl<'p> FunctionEmitter<'p, '_> {
    /// Emits a tile as a call. False if there is no assembler or the tile is not one for it:
    /// bounds checks, no lanes, scattered factors, too many registers.
    pub(super) fn assembled_tile(
        &mut self,
        tile: &'p Tile,
        cells: &[Vec<i64>],
        factors: [&Factor<'_>; 2],
        functions: &mut dyn Functions<'p>,
    ) -> Emit<bool> {
        if self.lane.is_none() || self.checks.is_some() || !functions.assembles_tiles() {
            return Ok(false);
        }
        let Some(mut call) = self.call_of(tile, cells, factors)? else { return Ok(false) };
        let epilogue = self.epilogue(tile, cells, &mut call, functions)?;
        let Some(callee) = functions.tile(&call.shape)? else { return Ok(false) };
        let callee = self.import(callee);
        let mut args = Vec::with_capacity(3 + call.counts.len());
        for factor in factors {
            args.push(self.pointer(&factor.origin)?);
        }
        let out = match (&epilogue, call.direct) {
            (Some(epilogue), _) => self.epilogue_table(epilogue)?,
            (None, Some(to)) => self.pointer(&at_first_cell(tile, to))?,
            (None, None) => {
                let bytes = cells.len() as u32 * CELL_BYTES as u32;
                let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 5);
                let slot = self.builder.create_sized_stack_slot(slot);
                self.builder.ins().stack_addr(I64, slot, 0)
            }
        };
        args.push(out);
        for count in &call.counts {
            args.push(self.indices.value(&mut self.builder, count));
        }
        if call.shape.start == Start::Out && call.direct.is_none() {
            self.store_start(tile, cells, out)?;
        }
        self.builder.ins().call(callee, &args);
        if call.direct.is_some() || epilogue.is_some() {
            return Ok(true);
        }
        for (cell, offset) in cells.iter().zip((0..).step_by(CELL_BYTES as usize)) {
            self.bind_cell(tile, cell);
            let halves = [0, HALF_BYTES].map(|half| self.load_at(F32X4, out, offset + half));
            self.values.insert(tile.acc, Operand::new(Scalar::F32, Held::Lanes(halves)));
            self.block(&tile.epilogue, functions)?;
        }
        Ok(true)
    }

    /// The epilogue, if the function can do it itself; then the shape of the call has it.
    fn epilogue(
        &mut self,
        tile: &'p Tile,
        cells: &[Vec<i64>],
        call: &mut Call<'_>,
        functions: &mut dyn Functions<'p>,
    ) -> Emit<Option<Epilogue>> {
        if call.direct.is_some() || call.shape.start != Start::Zero || !functions.assembles_loops() {
            return Ok(None);
        }
        let Some(epilogue) = self.epilogue_of(tile, cells) else { return Ok(None) };
        let shape = TileShape { end: End::Epilogue, epilogue: epilogue.shape.clone(), ..call.shape.clone() };
        let has_function = functions.tile(&shape)?.is_some();
        if has_function {
            call.shape = shape;
        }
        Ok(has_function.then_some(epilogue))
    }

    /// What to call; binds the reductions' variables to their lower bounds.
    fn call_of<'t>(&mut self, tile: &'t Tile, cells: &[Vec<i64>], factors: [&Factor<'_>; 2]) -> Emit<Option<Call<'t>>> {
        let [a, b] = factors;
        if factors.iter().any(|factor| factor.shape == Shape::Scattered) {
            return Ok(None);
        }
        let mut counts = Vec::new();
        let mut loops = Vec::with_capacity(tile.reds.len());
        let mut reach = 0;
        for range in &tile.reds {
            let (low, high) = self.range(range)?;
            let strides = factors.map(|factor| factor.access.index.coefficient(range.var) * 4);
            let count = match constant_extent(range) {
                Some(extent) => Count::Constant(extent),
                None => {
                    let [low, high] = [&low, &high].map(|bound| self.indices.value(&mut self.builder, bound));
                    counts.push(Linear::value(self.indices.difference(&mut self.builder, high, low)));
                    Count::Parameter(counts.len() - 1)
                }
            };
            self.indices.bind(range.var, low);
            let most = if let Count::Constant(count) = count { i64::from(count) } else { 1 };
            reach += strides.iter().map(|stride| stride.abs().saturating_mul(most)).max().unwrap_or(0);
            if reach > MAX_REACH {
                return Ok(None);
            }
            loops.push(Reduction { count, strides: strides.map(|stride| stride as i32) });
        }
        let direct = self.direct_store(tile);
        let out = match direct {
            Some((to, _)) => offsets(cells.iter().map(|cell| distance(tile, to, cell))),
            None => offsets((0..cells.len() as i64).map(|cell| cell * i64::from(CELL_BYTES) / 4)),
        };
        let factor = |factor: &Factor<'_>| {
            let cells = offsets(factor.cells.iter().copied())?;
            Some(tile::Factor { is_vector: factor.shape == Shape::Vector, cells })
        };
        let (Some(a), Some(b), Some(out)) = (factor(a), factor(b), out) else { return Ok(None) };
        let start = if tile.init == TileInit::Zero { Start::Zero } else { Start::Out };
        let end = direct.map_or(End::Vector, |(_, end)| end);
        let ahead = tile.ahead.map(|words| i32::try_from(words.saturating_mul(4)).unwrap_or(0));
        let shape = TileShape { a, b, ahead, loops, start, end, out, epilogue: LoopShape::default() };
        Ok(Some(Call { shape, counts, direct: direct.map(|(to, _)| to) }))
    }

    /// The only thing that the epilogue does, if it stores the accumulators or their sums.
    fn direct_store<'t>(&self, tile: &'t Tile) -> Option<(&'t Access, End)> {
        let lane = self.lane?;
        let (to, end) = match tile.epilogue.as_slice() {
            [Stmt::Store { to, value }] if *value == tile.acc => (to, End::Vector),
            [Stmt::Let { value: sum, expr: Expr::JoinLanes(Join::Add, of) }, Stmt::Store { to, value }]
                if *of == tile.acc && value == sum =>
            {
                (to, End::Sum)
            }
            _ => return None,
        };
        let coefficient = i64::from(end == End::Vector);
        let fits = to.index.is_affine() && to.index.coefficient(lane) == coefficient;
        let starts = match &tile.init {
            TileInit::Zero => true,
            // A tile that goes on where it stopped finds its accumulators where it leaves them.
            TileInit::Load(from) => end == End::Vector && from == to,
        };
        (fits && starts && self.scalar_of(to) == Ok(Scalar::F32)).then_some((to, end))
    }

    /// The address of an access in lane 0.
    pub(super) fn pointer(&mut self, access: &Access) -> Emit<Value> {
        let (Place::Word(word) | Place::Vector(word)) = self.place(&access.index)? else {
            return Err(format!("the index {} of a tile is scattered", access.index));
        };
        let (base, offset) = self.address(access.buffer, &word);
        Ok(if offset == 0 { base } else { self.builder.ins().iadd_imm_s(base, i64::from(offset)) })
    }

    /// Stores the accumulators' first values for the tile to read.
    fn store_start(&mut self, tile: &Tile, cells: &[Vec<i64>], out: Value) -> Emit {
        let TileInit::Load(access) = &tile.init else { return Ok(()) };
        for (cell, offset) in cells.iter().zip((0..).step_by(CELL_BYTES as usize)) {
            self.bind_cell(tile, cell);
            let start = self.load(access)?;
            for (half, offset) in self.lanes(&start).into_iter().zip([offset, offset + HALF_BYTES]) {
                self.store_at(half, out, offset);
            }
        }
        Ok(())
    }
}

/// Words from the first cell to another.
fn distance(tile: &Tile, access: &Access, cell: &[i64]) -> i64 {
    tile.grid.iter().zip(cell).map(|(&(var, _), i)| access.index.coefficient(var) * i).sum()
}

/// Words to bytes, if they can be reached.
fn offsets(words: impl Iterator<Item = i64>) -> Option<Vec<i32>> {
    let bytes = |word: i64| i32::try_from(word.checked_mul(4)?).ok().filter(|byte| i64::from(byte.abs()) < MAX_REACH);
    words.map(bytes).collect()
}

fn at_first_cell(tile: &Tile, access: &Access) -> Access {
    let in_grid = |var: Var| tile.grid.iter().any(|&(grid, _)| grid == var);
    let at_zero = |var| if in_grid(var) { Affine::constant(0) } else { Affine::var(var) };
    Access { buffer: access.buffer, index: access.index.substitute(&at_zero) }
}

/// Iterations if they do not depend on anything, though the bounds may.
fn constant_extent(range: &Range) -> Option<u32> {
    let ([low], [high]) = (range.low.0.as_slice(), range.high.0.as_slice()) else { return None };
    let extent = high.add_scaled(low, -1).as_constant()?;
    u32::try_from(extent.max(0)).ok()
}
