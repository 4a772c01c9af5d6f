//! The functions that are to be assembled, each shape once.

use super::reason::Reason;
use crate::asm::straight_line::{StraightLine, Table};
use crate::asm::straight_line_registers::StraightLinePlan;
use crate::asm::tile::TileShape;
use crate::asm::tile_registers::TilePlan;
use crate::asm::transpose::TransposeShape;
use crate::asm::unit::{ShapeKind, VectorUnit};
use crate::hash::QuickMap;
use std::fmt;
use std::hash::Hash;

/// A function to assemble. Prints as its name: `tile0`, `loop3`, `transpose1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShapeId {
    pub(crate) kind: ShapeKind,
    pub(crate) number: usize,
}

impl fmt::Display for ShapeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ShapeKind::Tile => "tile",
            ShapeKind::StraightLine => "loop",
            ShapeKind::Transpose => "transpose",
        };
        write!(f, "{kind}{}", self.number)
    }
}

/// Shapes with their registers, in the order in which they were first asked for.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    pub(crate) tiles: Vec<(TileShape, TilePlan)>,
    pub(crate) straight_lines: Vec<(StraightLine, StraightLinePlan)>,
    pub(crate) transposes: Vec<TransposeShape>,
    known_tiles: QuickMap<TileShape, Result<usize, Reason>>,
    known_straight_lines: QuickMap<StraightLine, Result<usize, Reason>>,
}

impl Shapes {
    /// The function of a tile, unless the unit has none.
    pub(super) fn tile(&mut self, shape: &TileShape, unit: &VectorUnit) -> Result<ShapeId, Reason> {
        let plan = || TilePlan::of(shape, unit).map_err(Reason::from);
        let number = number_of(&mut self.tiles, &mut self.known_tiles, shape, plan);
        number.map(|number| ShapeId { kind: ShapeKind::Tile, number })
    }

    /// The function of a straight-line loop, unless the unit has none.
    pub(super) fn straight_line(&mut self, shape: &StraightLine, unit: &VectorUnit) -> Result<ShapeId, Reason> {
        let plan = || StraightLinePlan::of(shape, unit).ok_or(Reason::TooFewRegisters);
        let number = number_of(&mut self.straight_lines, &mut self.known_straight_lines, shape, plan);
        number.map(|number| ShapeId { kind: ShapeKind::StraightLine, number })
    }

    /// The table of straight-line code, or of a tile's epilogue.
    pub(super) fn table(&self, function: ShapeId) -> Table {
        match function.kind {
            ShapeKind::StraightLine => self.straight_lines[function.number].1.table,
            ShapeKind::Tile => {
                self.tiles[function.number].1.epilogue.as_ref().map_or_else(Table::default, |plan| plan.table)
            }
            ShapeKind::Transpose => Table::default(),
        }
    }

    /// The function of a transposed copy.
    pub(super) fn transpose(&mut self, shape: TransposeShape) -> ShapeId {
        let known = self.transposes.iter().position(|&known| known == shape);
        let number = known.unwrap_or_else(|| {
            self.transposes.push(shape);
            self.transposes.len() - 1
        });
        ShapeId { kind: ShapeKind::Transpose, number }
    }

    /// What the function of that name does, if it is one of these.
    pub(crate) fn describe(&self, name: &str) -> Option<String> {
        let tiles = self.tiles.iter().map(|(shape, _)| shape as &dyn fmt::Display);
        let lines = self.straight_lines.iter().map(|(shape, _)| shape as &dyn fmt::Display);
        let transposes = self.transposes.iter().map(|shape| shape as &dyn fmt::Display);
        let of_kind = |kind| move |(number, shape)| (ShapeId { kind, number }, shape);
        let all = tiles.enumerate().map(of_kind(ShapeKind::Tile));
        let all = all.chain(lines.enumerate().map(of_kind(ShapeKind::StraightLine)));
        let mut all = all.chain(transposes.enumerate().map(of_kind(ShapeKind::Transpose)));
        all.find(|(id, _)| id.to_string() == name).map(|(_, shape)| shape.to_string())
    }
}

/// Number of a shape in the list of those that have a function. `plan` is what is assembled, and is asked for once.
fn number_of<S: Clone + Eq + Hash, P>(
    list: &mut Vec<(S, P)>,
    known: &mut QuickMap<S, Result<usize, Reason>>,
    shape: &S,
    plan: impl FnOnce() -> Result<P, Reason>,
) -> Result<usize, Reason> {
    if let Some(&known) = known.get(shape) {
        return known;
    }
    let number = plan().map(|plan| {
        list.push((shape.clone(), plan));
        list.len() - 1
    });
    known.insert(shape.clone(), number);
    number
}
