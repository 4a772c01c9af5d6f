//! Programs, kernels, loops and bodies.
//!
//! Everything here has exact semantics down to the bit, so that the loop interpreter and every
//! code generator agree:
//!
//! * Statements run in order; a [`Stmt::For`] counts up. `Parallel` says that iterations are independent, `Unroll`
//!   that code should be copied; neither changes a result.
//! * [`Stmt::Lanes`] is a region in which every value has 8 lanes in lockstep; the lane number is a variable. Loops
//!   inside have the same bounds for all lanes. [`Expr::JoinLanes`] combines the lanes in the fixed tree of
//!   [`crate::scalar::join_lanes`]; its result is the same in every lane. Outside a region values are single scalars.
//!   Regions do not nest.
//! * Floating-point operations are IEEE single precision, rounded once; `fma` is fused. Subnormal numbers count as
//!   zero in arithmetic, comparisons, maxima and minima ([`crate::scalar::flushed`]); loads, stores, selections,
//!   signs and bits keep them.
//! * The bits of a NaN are not defined: what is one is one on every engine.
//! * A store inside a region whose index does not depend on the lane stores a uniform value once.

use super::layout::Layout;
use crate::graph::NodeId;
use crate::index::{Affine, Var};
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::types::DType;
use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A buffer of a program. Prints as `b3`.
    BufId, "b"
);
id!(
    /// An immutable scalar value, unique in its kernel. Prints as `v3`.
    ValueId, "v"
);
id!(
    /// A mutable scalar, unique in its kernel. Prints as `a3`.
    AccId, "a"
);

/// A whole step: buffers in one arena, and kernels to run in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Name of the network.
    pub name: String,
    /// Samples per step.
    pub batch: usize,
    /// All buffers; `BufId` indexes them.
    pub buffers: Vec<Buffer>,
    /// Run in order.
    pub kernels: Vec<Kernel>,
    /// Length of the arena in words.
    pub arena_words: usize,
    /// Words that every member of a team has for itself, in which buffers of the kind [`BufferKind::Member`] stand.
    pub member_words: usize,
}

impl Program {
    /// The kernels of the prologue, with which a program begins.
    pub fn prologue(&self) -> &[Kernel] {
        &self.kernels[..self.kernels.iter().take_while(|kernel| kernel.role == KernelRole::Prologue).count()]
    }

    /// The kernels behind the prologue, which every step runs.
    pub fn each_step(&self) -> &[Kernel] {
        &self.kernels[self.prologue().len()..]
    }

    /// Words of the arena, or of a member's memory: whatever the buffer stands in.
    pub fn words_around(&self, buffer: &Buffer) -> usize {
        if buffer.is_of_member() { self.member_words } else { self.arena_words }
    }

    /// The buffer.
    pub fn buffer(&self, id: BufId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }

    /// Writes the constants into an arena: once, before anything runs in it.
    pub fn write_constants(&self, arena: &mut [u32]) {
        for buffer in &self.buffers {
            let (Some(words), Some(place)) = (&buffer.words, arena.get_mut(buffer.offset..)) else { continue };
            place.iter_mut().zip(words.iter()).for_each(|(place, &word)| *place = word);
        }
    }

    /// The buffer of that kind and name, for binding tensors.
    pub fn find(&self, kind: BufferKind, name: &str) -> Option<BufId> {
        let position = self.buffers.iter().position(|buffer| buffer.kind == kind && buffer.name == name)?;
        Some(BufId(position as u32))
    }
}

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BufferKind {
    /// Written by the caller before a step.
    Input,
    /// Kept between steps; set by the caller at first.
    State,
    /// Read by the caller after a step.
    Output,
    /// Lives within a step; may share words with others.
    Temp,
    /// Has the words that the program says ([`Buffer::words`]), and is never written to.
    Constant,
    /// Lives within one iteration of the one top-level `Parallel` loop that touches it, a *task*, which writes every
    /// word before it reads it. It stands in the memory of the team's member that runs the task, and not in the
    /// arena; may share words with others there. What it holds when a task begins is not defined.
    Member,
}

impl BufferKind {
    /// All kinds.
    pub const ALL: [BufferKind; 6] = [
        BufferKind::Input,
        BufferKind::State,
        BufferKind::Output,
        BufferKind::Temp,
        BufferKind::Constant,
        BufferKind::Member,
    ];

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            BufferKind::Input => "input",
            BufferKind::State => "state",
            BufferKind::Output => "output",
            BufferKind::Temp => "temp",
            BufferKind::Constant => "constant",
            BufferKind::Member => "member",
        }
    }
}

/// A stretch of the arena, or of a member's memory, that holds one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Input, parameter or output name; for temporaries the node it holds.
    pub name: String,
    /// What it is for.
    pub kind: BufferKind,
    /// Element type.
    pub dtype: DType,
    /// Where the tensor's elements stand.
    pub layout: Layout,
    /// Words allocated: at least `layout.len()`, rounded up so that whole vectors can be read.
    pub len: usize,
    /// First word in the arena or in a member's memory, a multiple of 16.
    pub offset: usize,
    /// All `len` words of a constant, in the order in which they stand; nothing else has some.
    pub words: Option<Arc<[u32]>>,
}

impl Buffer {
    /// Whether every member of a team has one.
    pub fn is_of_member(&self) -> bool {
        self.kind == BufferKind::Member
    }

    /// Whether they have a word in common.
    pub fn shares_words(&self, other: &Buffer) -> bool {
        let end = |buffer: &Buffer| buffer.offset.saturating_add(buffer.len);
        self.is_of_member() == other.is_of_member() && self.offset < end(other) && other.offset < end(self)
    }
}

/// When a kernel runs, and what it leaves. Kernels of a program stand in the order of their roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KernelRole {
    /// It reads nothing but constants, state that no other kernel writes, and what the prologue wrote itself, which
    /// nothing else overwrites. What it leaves stays right until the state is set anew, so that later steps may leave
    /// it out.
    Prologue,
    /// It runs in every step.
    #[default]
    Step,
    /// It runs in every step, and writes nothing but state from what the step has computed.
    Update,
}

impl KernelRole {
    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            KernelRole::Prologue => "prologue",
            KernelRole::Step => "step",
            KernelRole::Update => "update",
        }
    }
}

/// A unit of scheduling: top-level statements run one after another, with a barrier between them;
/// top-level `Parallel` loops may be shared among threads.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Name, unique in the program.
    pub name: String,
    /// When it runs, and what it leaves.
    pub role: KernelRole,
    /// What the kernel computes: node names and roles, for dumps and profiles.
    pub sources: Vec<String>,
    /// The phases.
    pub body: Vec<Stmt>,
}

/// How a loop may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoopKind {
    /// In order.
    Serial,
    /// Iterations are independent.
    Parallel,
    /// In order, with copied code. Bounds are constants.
    Unroll,
}

/// A loop bound: the largest (lower bound) or smallest (upper bound) of some affine expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound(pub Vec<Affine>);

impl Bound {
    /// A constant bound.
    pub fn constant(value: usize) -> Bound {
        Bound(vec![Affine::constant(value as i64)])
    }

    /// The value if it is a single constant.
    pub fn as_constant(&self) -> Option<i64> {
        match self.0.as_slice() {
            [one] => one.as_constant(),
            _ => None,
        }
    }
}

/// The range of a loop or a reduction: `max(low) <= var < min(high)`; may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The loop variable.
    pub var: Var,
    /// Lower bound, included.
    pub low: Bound,
    /// Upper bound, excluded.
    pub high: Bound,
}

impl Range {
    /// `0 <= var < extent`.
    pub fn new(var: Var, extent: usize) -> Range {
        Range { var, low: Bound::constant(0), high: Bound::constant(extent) }
    }

    /// Number of iterations if the bounds are constants.
    pub fn extent(&self) -> Option<usize> {
        Some((self.high.as_constant()? - self.low.as_constant()?).max(0) as usize)
    }
}

/// A place in a buffer: word index within it. Indices are affine in the loop variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The buffer.
    pub buffer: BufId,
    /// Word index within the buffer.
    pub index: Affine,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// A part of a kernel with a name of its own; compiled as one function.
    Nest {
        /// What it computes, for readers.
        name: String,
        /// The graph nodes it computes, ascending: those of the fused group it is written for, of which there may be
        /// other nests. None if it copies what other nests have computed.
        nodes: Vec<NodeId>,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// A counted loop.
    For {
        /// Variable and bounds.
        range: Range,
        /// How it may be run.
        kind: LoopKind,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// A region of 8 lanes; `var` is the lane number, 0 to 7.
    Lanes {
        /// The lane number.
        var: Var,
        /// Its statements.
        body: Vec<Stmt>,
    },
    /// `var = value`, an integer that may contain division and remainder; within the rest of the
    /// enclosing block it is a loop variable like any other. Must not depend on the lane.
    LetIndex {
        /// The new variable.
        var: Var,
        /// Its value.
        value: Affine,
    },
    /// `var` is `value`, but at least 0 and below `extent`. It must not depend on the lane.
    ClampIndex {
        /// The new variable.
        var: Var,
        /// What it is the nearest possible number to.
        value: Affine,
        /// How many values it can have, at least 1.
        extent: usize,
    },
    /// `var` is the integer at `from`, but at least 0 and below `extent`: other numbers are moved to the nearest one.
    /// Within the rest of the enclosing block it is a loop variable like any other.
    ///
    /// In a region of lanes whose number `from` depends on, every lane loads a number of its own. Then `var` stands in
    /// indices of loads, of [`Expr::Index`] and of other such statements alone; a load by it is a gathered one.
    LoadIndex {
        /// The new variable.
        var: Var,
        /// Where its value stands.
        from: Access,
        /// How many values it can have, at least 1.
        extent: usize,
    },
    /// `value = expr`.
    Let {
        /// The new value.
        value: ValueId,
        /// What it is.
        expr: Expr,
    },
    /// `acc = value`; the first `Set` in program order declares it.
    Set {
        /// The mutable scalar.
        acc: AccId,
        /// Its new value.
        value: ValueId,
    },
    /// `buffer[index] = value`.
    Store {
        /// Where.
        to: Access,
        /// What.
        value: ValueId,
    },
    /// A hint without a result: lines from there on will be read soon. They may lie outside the buffer.
    Fetch {
        /// The first word; the same in all lanes.
        from: Access,
        /// How many lines of 64 bytes.
        n_lines: usize,
    },
    /// The innermost block of a contraction. Boxed: it is several times as large as any other statement.
    Tile(Box<Tile>),
}

impl Stmt {
    /// Calls `f` with every access to a buffer in the statement, and whether it is a store; hints are none.
    pub fn for_each_access(&self, f: &mut impl FnMut(&Access, bool)) {
        match self {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => {
                body.iter().for_each(|stmt| stmt.for_each_access(f));
            }
            Stmt::LoadIndex { from, .. } | Stmt::Let { expr: Expr::Load(from), .. } => f(from, false),
            Stmt::Store { to, .. } => f(to, true),
            Stmt::Tile(tile) => {
                f(&tile.a, false);
                f(&tile.b, false);
                if let TileInit::Load(from) = &tile.init {
                    f(from, false);
                }
                tile.epilogue.iter().for_each(|stmt| stmt.for_each_access(f));
            }
            Stmt::Let { .. }
            | Stmt::LetIndex { .. }
            | Stmt::ClampIndex { .. }
            | Stmt::Set { .. }
            | Stmt::Fetch { .. } => {}
        }
    }
}

/// A grid of accumulators over which a contraction's reduction runs; must stand in a lanes region
/// (8-lane accumulators) or outside (scalar accumulators).
///
/// ```text
/// for g in grid:   acc[g] = init
/// for k in reds:   for g in grid:   acc[g] = fma(a[..], b[..], acc[g])
/// for g in grid:   epilogue with `acc` bound to acc[g]
/// ```
///
/// Only the order of `reds` matters for the result: each accumulator is one chain in that order. With [`Runs`] the
/// outermost reduction is cut, each run is such a chain, and the sums of runs are joined by a balanced tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// Output coordinates held in registers, outermost first, with their extents.
    pub grid: Vec<(Var, usize)>,
    /// Reduction loops, outermost first. Bounds may depend on variables outside the tile.
    pub reds: Vec<Range>,
    /// How the outermost reduction is cut, if it is.
    pub runs: Option<Runs>,
    /// First factor: a vector if its index depends on the lane, else a splat.
    pub a: Access,
    /// Second factor.
    pub b: Access,
    /// How many words ahead of each factor's operands others will be read soon, 0 if that is not known: a hint to
    /// fetch them.
    pub ahead: [i64; 2],
    /// How accumulators start.
    pub init: TileInit,
    /// Name of the finished accumulator in the epilogue.
    pub acc: ValueId,
    /// Run for every grid cell.
    pub epilogue: Vec<Stmt>,
}

/// Runs of a tile's outermost reduction, whose bounds are constants: consecutive iterations of it, of which the last
/// run may have fewer. Each starts at 0. The sums of neighbouring runs are added in pairs, then those of the pairs,
/// until one is left; one without a neighbour waits for the next round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runs {
    /// Iterations of a run, at least 1.
    pub length: usize,
    /// Whether the lanes of a run's sum are added, as by [`Expr::JoinLanes`], before runs are.
    pub joins_lanes: bool,
}

/// How a tile's accumulators start.
#[derive(Clone, Debug, PartialEq)]
pub enum TileInit {
    /// At 0.
    Zero,
    /// At a stored value: a bias, or the partial sum of an earlier block.
    Load(Access),
}

/// How [`Expr::JoinLanes`] combines lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    /// `a + b`.
    Add,
    /// [`crate::scalar::maximum`].
    Max,
}

/// A scalar operation on values. Conditions (results of `Cmp`) are a type of their own.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// An element of a buffer, of the buffer's type.
    Load(Access),
    /// An `f32` constant.
    F32(f32),
    /// An `i32` constant.
    I32(i32),
    /// An index expression as `i32`; may depend on the lane.
    Index(Affine),
    /// Current value of a mutable scalar.
    Acc(AccId),
    /// One operand.
    Unary(UnaryOp, ValueId),
    /// Two operands.
    Binary(BinaryOp, ValueId, ValueId),
    /// `a * b + c`, rounded once.
    Fma(ValueId, ValueId, ValueId),
    /// A condition; both operands `f32` or both `i32`.
    Cmp(CmpOp, ValueId, ValueId),
    /// `condition ? a : b`.
    Select(ValueId, ValueId, ValueId),
    /// All 8 lanes combined; the same value in every lane.
    JoinLanes(Join, ValueId),
}
