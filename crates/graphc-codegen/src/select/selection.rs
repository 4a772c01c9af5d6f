//! What every statement of a program becomes: functions, and in them a tree of choices beside the tree of statements.

use super::reason::Reason;
use super::shapes::{ShapeId, Shapes};
use super::uniform::Uniformity;
use crate::asm::straight_line::Table;
use crate::target::Target;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{AccId, Access, Kernel, Program, Stmt, ValueId};
use graphc_ir::scalar::CmpOp;
use std::ops::Range;

/// A program for a machine, with what is to become of its statements.
#[derive(Debug)]
pub struct Selection<'p> {
    pub(crate) program: &'p Program,
    pub(crate) target: &'p Target,
    /// Whether accesses are checked.
    pub(crate) checked: bool,
    pub(crate) kernels: Vec<SelectedKernel<'p>>,
    pub(crate) shapes: Shapes,
}

/// A kernel as functions.
#[derive(Debug)]
pub(crate) struct SelectedKernel<'p> {
    pub(crate) kernel: &'p Kernel,
    pub(crate) uniformity: Uniformity,
    /// The phases, in the order in which they run, then the nests that are called.
    pub(crate) functions: Vec<SelectedFunction<'p>>,
}

/// A function of the machine code.
#[derive(Debug)]
pub(crate) struct SelectedFunction<'p> {
    /// For example `k3.phase0` or `k3.nest1.conv1`.
    pub(crate) name: String,
    /// The nest it is the code of, if it is one.
    pub(crate) nest: &'p str,
    pub(crate) role: FunctionRole,
    /// Index variables that it is called with.
    pub(crate) params: Vec<Var>,
    pub(crate) body: &'p [Stmt],
    pub(crate) block: Block,
}

/// What a function is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FunctionRole {
    /// Called by whoever runs a step, with a share of its loop if it has one.
    Phase(Option<SharedLoop>),
    /// Called by phases and nests.
    Nest,
}

/// The loop of a phase that is shared among threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedLoop {
    pub(crate) var: Var,
    /// All of its iterations.
    pub(crate) range: Range<i64>,
}

/// The choices of a block of statements, in order. Statements that leave no choice (values, stores, index variables)
/// have none, and neighbouring hints have one together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block(pub(crate) Vec<Choice>);

/// What a statement, or a run of hints, becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// A nest: a call of the kernel's function of that number.
    Call(usize),
    /// A nest or region of lanes: its statements in place.
    Inline(Block),
    /// A loop.
    Loop(LoopChoice),
    /// A tile.
    Tile(TileChoice),
    /// Hints: calls of functions that do nothing else, or nothing at all.
    Fetch(Vec<FetchCall>),
}

/// What a loop becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LoopChoice {
    /// Its body once for every iteration, of which `first` is the first.
    Copied { first: i64, copies: Vec<Block> },
    /// A call of an assembled loop.
    StraightLine(StraightLineCall),
    /// Calls of an assembled copy.
    Transpose { function: ShapeId, calls: Vec<TransposeCall> },
    /// A loop of Cranelift's.
    Plain { reason: Reason, body: Block },
}

/// What a tile becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TileChoice {
    /// A call of an assembled tile.
    Assembled(Box<TileCall>),
    /// Code of Cranelift's, with the epilogue once for every cell.
    Plain { reason: Reason, epilogue: Vec<Block> },
}

/// A call of a straight-line loop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StraightLineCall {
    pub(crate) function: ShapeId,
    pub(crate) operands: Operands,
    /// Mutable scalars that go through the table.
    pub(crate) accs: Vec<AccId>,
}

/// What straight-line code finds in its table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Operands {
    pub(crate) pointers: Vec<Pointer>,
    /// Vectors that do not change.
    pub(crate) fixed: Vec<Fixed>,
    /// What stands where.
    pub(crate) table: Table,
}

/// What stands in the place of a pointer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pointer {
    /// The address of a place at the first iteration, in lane 0.
    To(Access),
    /// An integer, as it is at the first iteration.
    Integer(Affine),
    /// Nothing: the code computes it itself.
    Computed,
}

/// A constant vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// A value from outside the code.
    Outer(ValueId),
    /// A word by its bits.
    Bits(u32),
    /// An index in every lane, as integers.
    Index(Affine),
    /// All bits where the comparison of two others holds.
    Compare { op: CmpOp, are_integers: bool, a: Box<Fixed>, b: Box<Fixed> },
}

/// One of the calls that copy a loop's squares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TransposeCall {
    pub(crate) from: Access,
    pub(crate) to: Access,
    /// How many squares.
    pub(crate) count: i64,
}

/// A call of a tile.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TileCall {
    pub(crate) function: ShapeId,
    /// Both factors at the first cell.
    pub(crate) factors: [Access; 2],
    /// Reductions whose extent is known at run time only: they are passed, in this order.
    pub(crate) counts: Vec<usize>,
    pub(crate) out: TileOut,
}

/// What the third pointer of a tile points to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TileOut {
    /// Where results go, at the first cell.
    Place(Access),
    /// The table of an epilogue that the tile does itself.
    Table(Operands),
    /// Accumulators in memory, on which Cranelift's code does the epilogue, cell by cell.
    Accumulators { reason: Reason, epilogue: Vec<Block> },
}

/// A call of a function of hints.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FetchCall {
    pub(crate) function: ShapeId,
    pub(crate) from: Vec<Access>,
}

impl Block {
    /// Whether some of it is a loop or tile at run time, or a call of what has some.
    pub(crate) fn has_loops(&self) -> bool {
        self.0.iter().any(|choice| match choice {
            Choice::Call(_) | Choice::Tile(_) => true,
            Choice::Loop(LoopChoice::Copied { copies, .. }) => copies.iter().any(Block::has_loops),
            Choice::Loop(_) => true,
            Choice::Inline(block) => block.has_loops(),
            Choice::Fetch(_) => false,
        })
    }
}
