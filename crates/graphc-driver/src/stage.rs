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
    /// Which code every loop and tile becomes.
    Select,
    /// Cranelift's IR.
    Clif,
    /// Machine code, disassembled.
    Asm,
}

impl Stage {
    /// Every stage, from source to machine code.
    pub const ALL: [Stage; 8] = [
        Stage::Graph,
        Stage::Backward,
        Stage::Fused,
        Stage::Plan,
        Stage::Loops,
        Stage::Select,
        Stage::Clif,
        Stage::Asm,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Graph => "graph",
            Stage::Backward => "backward",
            Stage::Fused => "fused",
            Stage::Plan => "plan",
            Stage::Loops => "loops",
            Stage::Select => "select",
            Stage::Clif => "clif",
            Stage::Asm => "asm",
        }
    }

    /// What its text shows, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Stage::Graph => "the network as the front end made it",
            Stage::Backward => "forward, loss, backward and update in one graph",
            Stage::Fused => "after the passes: what runs in which kernel, and why",
            Stage::Plan => "how kernels are scheduled, and what was refused",
            Stage::Loops => "kernels as loops over buffers",
            Stage::Select => "which code every loop and tile becomes",
            Stage::Clif => "what Cranelift is given, and the shapes that are assembled",
            Stage::Asm => "machine code",
        }
    }
}
