//! What a compilation can be asked for.

use crate::memory::MemoryBudget;
use crate::tuning::Tuning;
use graphc_codegen::Isa;
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
    /// Which instructions to use.
    pub isa: Isa,
    /// Verify after every pass; debug builds do so anyway.
    pub verify: bool,
    /// Keep the graph's text after passes.
    pub print_after: PrintAfter,
    /// Keep CLIF and assembly of every function.
    pub keep_text: bool,
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
            isa: Isa::default(),
            verify: false,
            print_after: PrintAfter::Nothing,
            keep_text: false,
            tuning: Tuning::default(),
            memory: None,
        }
    }

    /// Inference.
    pub fn infer(batch: usize) -> CompileOptions {
        CompileOptions { mode: Mode::Infer, update: false, ..CompileOptions::train(batch) }
    }
}
