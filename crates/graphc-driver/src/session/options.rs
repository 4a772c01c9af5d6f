//! What a session is told, and what it tells of its compilations.

use crate::pipeline::StageTime;
#[cfg(doc)]
use crate::threads::default_threads;
use crate::tuning::Tuning;
use graphc_codegen::Isa;
use std::time::Duration;

/// Options of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// Decides the initial parameters.
    pub seed: u64,
    /// Bounds-check every access of the compiled code.
    pub checked: bool,
    /// Which instructions to use.
    pub isa: Isa,
    /// Make gradients outputs `grad.<parameter>` of training steps.
    pub gradients: bool,
    /// Leave parameters as they are in training steps (to look at losses and gradients only).
    pub frozen: bool,
    /// Threads that run a step together, the calling one included; 0, the default, is [`default_threads`]: one for
    /// each physical core. Where they take longer than the calling thread alone, for example because other
    /// processes want the cores, it steps alone. Results do not depend on it.
    pub threads: usize,
    /// Where choices of the schedules come from. Results do not depend on it.
    pub tuning: Tuning,
}

/// How long a compilation took.
#[derive(Clone, Debug)]
pub struct CompileTimes {
    /// All of it.
    pub total: Duration,
    /// Stage by stage.
    pub stages: Vec<StageTime>,
    /// What the code was made for, for example `x86-64 avx2 fma, 128-bit`.
    pub target: String,
    /// Whether [`SessionOptions::tuning`] had choices for it.
    pub is_tuned: bool,
}
