//! What a schedule of the learning rate is called and which numbers it has, and when a training ends early;
//! `graphc-train` computes the rates.

/// How the learning rate changes during a training.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RateSchedule {
    /// What the optimizer's rate is multiplied by.
    pub rule: RateRule,
    /// From a small rate to the rule's at first.
    pub warmup: Option<Warmup>,
}

/// How long a rate grows: after `n` steps it is `n + 1` parts of that many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    /// Training steps.
    Steps(usize),
    /// Passes over the training data.
    Epochs(usize),
}

/// A factor on the optimizer's rate. Formulas stand where they are computed, a file for each.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum RateRule {
    /// No change.
    #[default]
    Constant,
    /// Times `gamma` after every `step_size` epochs.
    Step {
        /// Epochs of one rate.
        step_size: usize,
        /// Factor.
        gamma: f64,
    },
    /// Times `gamma` every epoch.
    Exponential {
        /// Factor.
        gamma: f64,
        /// At the end of epochs; otherwise a little every step.
        staircase: bool,
    },
    /// Half a period of a cosine over the whole training.
    Cosine {
        /// Factor at the end.
        alpha: f64,
    },
    /// A power of what is left of the training; a line with the power 1.
    Polynomial {
        /// The exponent.
        power: f64,
        /// Factor at the end.
        alpha: f64,
    },
    /// Up and down once over the whole training.
    OneCycle {
        /// Share of the steps that it goes up.
        pct_start: f64,
        /// What the rate is divided by at the start.
        div_factor: f64,
        /// What the start's rate is divided by at the end.
        final_div_factor: f64,
    },
    /// A factor for every part of the training.
    Piecewise {
        /// Epochs after which the next factor holds, ascending.
        boundaries: Vec<usize>,
        /// One more than boundaries.
        factors: Vec<f64>,
    },
    /// Lower whenever a value of the history stops getting better.
    Plateau(Plateau),
}

/// See [`RateRule::Plateau`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    /// Column of the history.
    pub monitor: String,
    /// Factor.
    pub factor: f64,
    /// Epochs in a row without improvement.
    pub patience: usize,
    /// Improvements must be greater.
    pub min_delta: f64,
    /// Epochs after a change that are not counted.
    pub cooldown: usize,
    /// No lower rate than that.
    pub min_rate: f64,
}

/// When training ends before its last epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// Column of the history that is watched.
    pub monitor: String,
    /// Epochs in a row without improvement after which it ends.
    pub patience: usize,
    /// Improvements must be greater.
    pub min_delta: f64,
}

impl RateRule {
    /// Its name in graph files.
    pub fn name(&self) -> &'static str {
        match self {
            RateRule::Constant => "constant",
            RateRule::Step { .. } => "step",
            RateRule::Exponential { .. } => "exponential",
            RateRule::Cosine { .. } => "cosine",
            RateRule::Polynomial { .. } => "polynomial",
            RateRule::OneCycle { .. } => "one_cycle",
            RateRule::Piecewise { .. } => "piecewise",
            RateRule::Plateau(_) => "plateau",
        }
    }
}
