//! What a compilation can be asked for.

use crate::memory::MemoryBudget;
use crate::tuning::Tuning;
use graphc_codegen::{CodegenError, Isa, Machine, Target};
use graphc_ir::graph::Mode;

pub use graphc_passes::PrintAfter;

/// Options of one compilation.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Training step or inference.
    pub mode: Mode,
    /// Samples per step, at least 1.
    pub batch: usize,
    /// Make the gradient of every trainable parameter an output `grad.<parameter>` (training only).
    pub gradients: bool,
    /// Add the optimizer's updates (training only).
    pub update: bool,
    /// Bounds-check every access.
    pub checked: bool,
    /// What the code is for. Only a step for the host can be run.
    pub machine: Machine,
    /// Which instructions of the host to use.
    pub isa: Isa,
    /// Threads that will run the step together, at least 1: what the schedule is made for. Results do not depend on it,
    /// and the step runs on any number of them.
    pub threads: usize,
    /// Verify after every pass; debug builds do so anyway.
    pub verify: bool,
    /// Keep the graph's text after passes.
    pub print_after: PrintAfter,
    /// Where choices of the schedule come from; results do not depend on it.
    pub tuning: Tuning,
    /// What a compiled step may need; what the machine has at that time unless given.
    pub memory: Option<MemoryBudget>,
}

impl CompileOptions {
    /// A training step.
    pub fn train(batch: usize) -> CompileOptions {
        CompileOptions {
            mode: Mode::Train,
            batch,
            gradients: false,
            update: true,
            checked: false,
            machine: Machine::default(),
            isa: Isa::default(),
            threads: 1,
            verify: false,
            print_after: PrintAfter::Nothing,
            tuning: Tuning::default(),
            memory: None,
        }
    }

    /// Inference.
    pub fn infer(batch: usize) -> CompileOptions {
        CompileOptions { mode: Mode::Infer, update: false, ..CompileOptions::train(batch) }
    }

    /// What the code is made for.
    ///
    /// # Errors
    /// If the machine is not supported or lacks the instructions asked for.
    pub fn target(&self) -> Result<Target, CodegenError> {
        match self.machine {
            Machine::Host => Target::host(self.isa),
            machine => Target::machine(machine),
        }
    }
}
