//! What [`Session::fit`](crate::Session::fit) tells of, step by step and epoch by epoch.

use graphc_train::EpochRecord;

/// Whether training goes on. A callback that gives nothing lets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    #[default]
    Continue,
    /// It stops before the next step; if there are checkpoints, one is written from which it can go on.
    Stop,
}

impl From<()> for Flow {
    fn from((): ()) -> Flow {
        Flow::Continue
    }
}

/// A step that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepEvent {
    /// From 1.
    pub epoch: usize,
    /// From 1, within the epoch.
    pub step: usize,
    /// Steps of an epoch.
    pub n_steps: usize,
    /// Mean loss of the step's samples, before it changed the weights.
    pub loss: f64,
    /// Learning rate of the step; 0 if the network has none.
    pub learning_rate: f32,
    /// Mean loss of the epoch so far.
    pub mean_loss: f64,
    /// Share of the epoch's samples so far that were predicted right, if the network measures it.
    pub accuracy: Option<f64>,
    /// Seconds since the epoch began.
    pub seconds: f64,
}

/// Is told what happens in a training, and may stop it. `()` hears nothing; [`on_step`] and [`on_epoch`] make one of a
/// closure, and a pair of callbacks is one, too.
///
/// ```
/// use graphc::prelude::*;
///
/// /// Stops after some steps.
/// struct Budget(usize);
///
/// impl Callbacks for Budget {
///     fn on_step(&mut self, _: &StepEvent) -> Flow {
///         self.0 -= 1;
///         if self.0 == 0 { Flow::Stop } else { Flow::Continue }
///     }
/// }
/// ```
pub trait Callbacks {
    /// A step was made.
    fn on_step(&mut self, _step: &StepEvent) -> Flow {
        Flow::Continue
    }

    /// An epoch is done, and its validation. It may be the best so far, if that is looked at.
    fn on_epoch(&mut self, _epoch: &EpochRecord, _is_best: bool) -> Flow {
        Flow::Continue
    }
}

impl Callbacks for () {}

impl<C: Callbacks + ?Sized> Callbacks for &mut C {
    fn on_step(&mut self, step: &StepEvent) -> Flow {
        (**self).on_step(step)
    }

    fn on_epoch(&mut self, epoch: &EpochRecord, is_best: bool) -> Flow {
        (**self).on_epoch(epoch, is_best)
    }
}

/// Both are told; either may stop.
impl<A: Callbacks, B: Callbacks> Callbacks for (A, B) {
    fn on_step(&mut self, step: &StepEvent) -> Flow {
        either(self.0.on_step(step), self.1.on_step(step))
    }

    fn on_epoch(&mut self, epoch: &EpochRecord, is_best: bool) -> Flow {
        either(self.0.on_epoch(epoch, is_best), self.1.on_epoch(epoch, is_best))
    }
}

fn either(a: Flow, b: Flow) -> Flow {
    if a == Flow::Stop { a } else { b }
}

/// Calls a closure after every step.
pub fn on_step<F: FnMut(&StepEvent) -> R, R: Into<Flow>>(step: F) -> impl Callbacks {
    OnStep(step)
}

/// Calls a closure after every epoch.
///
/// ```
/// use graphc::prelude::*;
///
/// let _quiet = on_epoch(|epoch| println!("epoch {}: {:.4}", epoch.epoch, epoch.loss));
/// let _until = on_epoch(|epoch| if epoch.loss < 0.1 { Flow::Stop } else { Flow::Continue });
/// ```
pub fn on_epoch<F: FnMut(&EpochRecord) -> R, R: Into<Flow>>(epoch: F) -> impl Callbacks {
    OnEpoch(epoch)
}

struct OnStep<F>(F);

impl<F: FnMut(&StepEvent) -> R, R: Into<Flow>> Callbacks for OnStep<F> {
    fn on_step(&mut self, step: &StepEvent) -> Flow {
        (self.0)(step).into()
    }
}

struct OnEpoch<F>(F);

impl<F: FnMut(&EpochRecord) -> R, R: Into<Flow>> Callbacks for OnEpoch<F> {
    fn on_epoch(&mut self, epoch: &EpochRecord, _: bool) -> Flow {
        (self.0)(epoch).into()
    }
}
