//! The one ladder of stages: the command line, the tests and the docs use the same names.

/// A form of the program between source and machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// As the front end made it.
    Graph,
    /// Forward, loss, backward and update in one graph.
    Backward,
    /// After the algebraic passes, with the fusion plan.
    Fused,
    /// How it is scheduled: lanes, order, register grids, copies, with what was refused.
    Plan,
    /// Loop IR.
    Loops,
    /// Cranelift's IR.
    Clif,
    /// Machine code, disassembled.
    Asm,
}

impl Stage {
    /// Every stage, from source to machine code.
    pub const ALL: [Stage; 7] =
        [Stage::Graph, Stage::Backward, Stage::Fused, Stage::Plan, Stage::Loops, Stage::Clif, Stage::Asm];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Graph => "graph",
            Stage::Backward => "backward",
            Stage::Fused => "fused",
            Stage::Plan => "plan",
            Stage::Loops => "loops",
            Stage::Clif => "clif",
            Stage::Asm => "asm",
        }
    }
}
