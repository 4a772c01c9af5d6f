//! Samples that are changed at random on their way into batches of the training.
//!
//! ```text
//! what the source has
//!   ── placed (flip, zoom, rotate, shift, crop; resampled once) ── changed (contrast, brightness, noise, erase)
//!   ── scale, offset, standardise ── mixed with another sample ──▶ the row that is packed
//! ```
//!
//! Pictures are changed before `scale`, `offset` and `standardise`, since there 0 is black and a byte has a known
//! range: what `brightness` 0.2 or an erased pixel means does not depend on how the network wants its numbers. Elements
//! that are no bytes have been through these maps when a batch is packed; what is meant by black and by the range goes
//! through the same maps (`Levels`), so the result is the same but for rounding. Inputs that are no pictures may have
//! noise only, in the unit that the network sees.
//!
//! A row is a function of the seed, the epoch, the number of the sample, the input and the transform alone ([`draws`]):
//! neither of the batch that the sample is in, nor of threads, nor of what was drawn before. So epochs can be begun
//! anywhere. Every number is made by IEEE operations in a fixed order, and by functions of the crate `libm`.
//!
//! A transform is a file here with a `Rule`, and a line in the list of `transform`, which is also the order in which
//! they are applied. Those that place pixels say where the picture goes (`Placement`); however many there are, pixels
//! are resampled once. The others change values in place.

mod brightness;
mod contrast;
mod crop;
mod draws;
mod erase;
mod flip;
mod mixup;
mod noise;
mod placement;
mod plan;
mod resample;
mod rotate;
mod row;
mod rule;
mod shift;
mod size;
#[cfg(test)]
mod tests;
mod transform;
mod zoom;

pub use brightness::Brightness;
pub use contrast::Contrast;
pub use crop::Crop;
pub(crate) use draws::EpochKey;
pub use erase::Erase;
pub use flip::Flip;
pub use mixup::Mixup;
pub use noise::Noise;
pub(crate) use plan::{Plan, Scratch, Source, mix};
pub use resample::Fill;
pub use rotate::Rotate;
pub use shift::Shift;
pub use transform::{Augment, Augmentation, Transform};
pub use zoom::Zoom;
