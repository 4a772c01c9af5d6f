//! Tiles.
//!
//! An assembled tile gets three pointers: both factors at the first iteration of every reduction, and where results
//! go. A tile that does nothing but store its accumulators, or the sums of their lanes, stores them itself. An
//! epilogue that is straight-line code is done on the accumulators in their registers, if these suffice; any other
//! one is Cranelift's, on accumulators in memory.

use super::context::{Context, Site, State};
use super::reason::Reason;
use super::selection::{Operands, Pointer, TileCall, TileOut};
use super::straight_line::epilogue;
use crate::asm::straight_line::StraightLine;
use crate::asm::tile::{self, CELL_BYTES, Count, End, Reduction, Start, TileShape};
use crate::asm::unit::{ShapeKind, VectorUnit};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Expr, Join, Range, Runs, Stmt, Tile, TileInit};
use graphc_ir::types::WORD_BYTES;

/// Largest distance in bytes from a pointer that a tile may reach by an immediate offset.
const MAX_REACH: i64 = 1 << 30;

/// One of the two factors, grid variables split off.
pub(crate) struct Factor<'t> {
    pub(crate) access: &'t Access,
    /// Index at grid cell 0.
    pub(crate) origin: Access,
    /// What each cell adds.
    pub(crate) cells: Vec<i64>,
    pub(crate) movement: Movement,
}

/// How a factor moves along the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    /// One word for all lanes.
    Uniform,
    /// Neighbouring words.
    Vector,
    /// Anything else.
    Scattered,
}

impl<'t> Factor<'t> {
    /// A factor of a tile in a region of that lane variable, if there is one.
    pub(crate) fn of(tile: &Tile, access: &'t Access, lane: Option<Var>, cells: &[Vec<i64>]) -> Factor<'t> {
        let movement = match lane.map_or(0, |lane| access.index.coefficient(lane)) {
            0 => Movement::Uniform,
            1 => Movement::Vector,
            _ => Movement::Scattered,
        };
        let cells = cells.iter().map(|cell| distance(tile, access, cell)).collect();
        Factor { access, origin: at_first_cell(tile, access), cells, movement }
    }
}

/// Coordinates of all cells, row-major.
pub(crate) fn grid_cells(grid: &[(Var, usize)]) -> Vec<Vec<i64>> {
    let mut cells = vec![Vec::new()];
    for &(_, extent) in grid {
        let extend =
            |cell: Vec<i64>| (0..extent as i64).map(move |i| cell.iter().copied().chain([i]).collect::<Vec<i64>>());
        cells = cells.into_iter().flat_map(extend).collect();
    }
    cells
}

/// The call that a tile becomes, but for blocks of an epilogue that is Cranelift's; or why it becomes none.
pub(super) fn assembled(site: &mut Site<'_, '_>, tile: &Tile, cells: &[Vec<i64>]) -> Result<TileCall, Reason> {
    let (cx, state) = (site.cx, site.state);
    if cells.is_empty() {
        return Err(Reason::NoEffect);
    }
    let unit = cx.unit_for(ShapeKind::Tile, state)?.unit;
    let factors = [&tile.a, &tile.b].map(|access| Factor::of(tile, access, state.lane, cells));
    if !has_lanes(tile, &factors, state) {
        return Err(Reason::NoLanes);
    }
    let are_numbers = [&tile.a, &tile.b].into_iter().all(|access| cx.is_f32(access));
    let are_plain = [&tile.a, &tile.b].into_iter().all(|access| access.index.is_affine());
    match (are_numbers, are_plain && factors.iter().all(|factor| factor.movement != Movement::Scattered)) {
        (false, _) => return Err(Reason::Integers),
        (_, false) => return Err(Reason::Scattered),
        (true, true) => {}
    }
    let direct = direct_store(cx, state, tile);
    let mut shape = shape(tile, cells, &factors, direct)?;
    if tile.runs.is_some_and(|runs| runs.joins_lanes) && shape.end != End::Sum {
        return Err(Reason::JoinedLanes);
    }
    let out = match direct {
        Some((to, _)) => TileOut::Place(at_first_cell(tile, to)),
        None => match with_epilogue(site, tile, cells, &mut shape, unit) {
            Ok(table) => TileOut::Table(table),
            Err(reason) => TileOut::Accumulators { reason, epilogue: Vec::new() },
        },
    };
    let function = site.shapes.tile(&shape, unit)?;
    let counts = tile.reds.iter().enumerate().filter(|(_, range)| constant_extent(range).is_none());
    let counts = counts.map(|(number, _)| number).collect();
    Ok(TileCall { function, factors: factors.map(|factor| factor.origin), counts, out })
}

/// Whether accumulators have lanes.
fn has_lanes(tile: &Tile, factors: &[Factor<'_>; 2], state: &State) -> bool {
    let starts_with_lanes = match &tile.init {
        TileInit::Zero => false,
        TileInit::Load(access) => state.lane.is_some_and(|lane| access.index.uses(lane)),
    };
    starts_with_lanes || factors.iter().any(|factor| factor.movement != Movement::Uniform)
}

/// What the function is made of, if its epilogue is none of its business.
fn shape(
    tile: &Tile,
    cells: &[Vec<i64>],
    factors: &[Factor<'_>; 2],
    direct: Option<(&Access, End)>,
) -> Result<TileShape, Reason> {
    let mut loops: Vec<Reduction> = Vec::with_capacity(tile.reds.len());
    let mut n_counts = 0;
    let mut reach = 0;
    for range in &tile.reds {
        let strides =
            [&tile.a, &tile.b].map(|access| access.index.coefficient(range.var).saturating_mul(WORD_BYTES as i64));
        let (count, most) = match constant_extent(range) {
            Some(extent) => (Count::Constant(extent), i64::from(extent)),
            None => {
                n_counts += 1;
                (Count::Parameter(n_counts - 1), 1)
            }
        };
        let farthest = strides.iter().map(|stride| stride.saturating_abs().saturating_mul(most)).max().unwrap_or(0);
        reach = farthest.saturating_add(reach);
        if reach > MAX_REACH {
            return Err(Reason::TooFar);
        }
        loops.push(Reduction { count, strides: strides.map(|stride| stride as i32) });
    }
    let out = match direct {
        Some((to, _)) => offsets(cells.iter().map(|cell| distance(tile, to, cell)))?,
        None => offsets((0..cells.len() as i64).map(|cell| cell * i64::from(CELL_BYTES) / WORD_BYTES as i64))?,
    };
    let factor = |factor: &Factor<'_>| -> Result<tile::Factor, Reason> {
        let cells = offsets(factor.cells.iter().copied())?;
        Ok(tile::Factor { is_vector: factor.movement == Movement::Vector, cells })
    };
    let [a, b] = [factor(&factors[0])?, factor(&factors[1])?];
    let start = if tile.init == TileInit::Zero { Start::Zero } else { Start::Out };
    let end = direct.map_or(End::Vector, |(_, end)| end);
    let ahead = tile.ahead.map(|words| i32::try_from(words.saturating_mul(WORD_BYTES as i64)).unwrap_or(0));
    let is_cut = |runs: &Runs| Range::extent(&tile.reds[0]).is_some_and(|extent| extent > runs.length);
    let runs = tile.runs.filter(is_cut);
    Ok(TileShape { a, b, ahead, loops, runs, start, end, out, epilogue: StraightLine::default() })
}

/// Gives the function the tile's epilogue to do, if it can do it; the result is what it needs for that.
fn with_epilogue(
    site: &mut Site<'_, '_>,
    tile: &Tile,
    cells: &[Vec<i64>],
    shape: &mut TileShape,
    unit: &VectorUnit,
) -> Result<Operands, Reason> {
    let (epilogue, mut operands) = epilogue(site.cx, site.state, tile, cells)?;
    let mut whole = TileShape { end: End::Epilogue, epilogue, ..shape.clone() };
    if let TileInit::Load(from) = &tile.init {
        let is_vector = site.state.lane.is_some_and(|lane| from.index.coefficient(lane) == 1);
        if !(is_vector && from.index.is_affine() && site.cx.is_f32(from)) {
            return Err(Reason::Start);
        }
        whole.start = Start::Table(operands.pointers.len());
        whole.out = offsets(cells.iter().map(|cell| distance(tile, from, cell)))?;
        whole.epilogue.strides.push(0);
        operands.pointers.push(Pointer::To(at_first_cell(tile, from)));
    }
    operands.table = site.shapes.tile(&whole, unit).map(|function| site.shapes.table(function))?;
    *shape = whole;
    Ok(operands)
}

/// The only thing that the epilogue does, if it stores the accumulators or their sums.
fn direct_store<'t>(cx: &Context<'_>, state: &State, tile: &'t Tile) -> Option<(&'t Access, End)> {
    let lane = state.lane?;
    let joins_lanes = tile.runs.is_some_and(|runs| runs.joins_lanes);
    let (to, end) = match tile.epilogue.as_slice() {
        [Stmt::Store { to, value }] if *value == tile.acc && joins_lanes => (to, End::Sum),
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
    (fits && starts && cx.is_f32(to)).then_some((to, end))
}

/// Words from the first cell to another.
fn distance(tile: &Tile, access: &Access, cell: &[i64]) -> i64 {
    tile.grid.iter().zip(cell).map(|(&(var, _), i)| access.index.coefficient(var) * i).sum()
}

/// Words to bytes, if they can be reached.
fn offsets(words: impl Iterator<Item = i64>) -> Result<Vec<i32>, Reason> {
    let bytes = |word: i64| {
        let byte = word.checked_mul(WORD_BYTES as i64).and_then(|byte| i32::try_from(byte).ok());
        byte.filter(|byte| i64::from(byte.abs()) < MAX_REACH).ok_or(Reason::TooFar)
    };
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
