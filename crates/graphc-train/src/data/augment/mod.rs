//! Samples that are changed at random on their way into batches of the training.
//!
//! ```text
//! what the source has ── placed (flip, zoom, rotate, shift, crop: one resampling) ── changed (contrast, brightness, noise,
//! erase) ── scale, offset, standardise ── mixed up with another sample ──▶ the row that is packed
//! ```
//!
//! Pictures are changed before `scale`, `offset` and `standardise`, since there 0 is black and a byte has a known range: what
//! `brightness` 0.2 or an erased pixel means does not depend on how the network wants its numbers. Elements that are no bytes
//! have been through these maps when a batch is packed; what is meant by black and by the range goes through the same maps
//! ([`Levels`]), so the result is the same but for rounding. Inputs that are no pictures may have noise only, in the unit that
//! the network sees.
//!
//! A row is a function of the seed, the epoch, the number of the sample, the input and the transform alone ([`draws`]): neither
//! of the batch that the sample is in, nor of threads, nor of what was drawn before. So epochs can be begun anywhere. Every
//! number is made by IEEE operations in a fixed order, and by functions of the crate `libm`.
//!
//! A transform is a file here with a [`Rule`], and a line in the list [`transforms!`], which is also the order in which they are
//! applied. Those that place pixels say where the picture goes ([`Placement`]); however many there are, pixels are resampled
//! once. The others change values in place.

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
mod shift;
#[cfg(test)]
mod tests;
mod zoom;

use draws::Draws;
use placement::Placement;
use row::Row;

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
pub use zoom::Zoom;

/// What happens at random to the samples that are trained on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// By the name of the input.
    pub inputs: Vec<(String, Augment)>,
    /// Whether samples are mixed with others, all their inputs alike.
    pub mixup: Option<Mixup>,
}

impl Augmentation {
    /// Whether nothing happens.
    pub fn is_empty(&self) -> bool {
        self.mixup.is_none() && self.inputs.iter().all(|(_, augment)| augment.transforms.is_empty())
    }
}

/// What happens to one input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augment {
    /// At most one of each kind; applied in the order of [`Transform`]'s variants, whatever theirs is.
    pub transforms: Vec<Transform>,
    /// What stands where a picture was moved away.
    pub fill: Fill,
    /// For [`Fill::Constant`] and erased places, as the source has values.
    pub fill_value: f64,
    /// Least and greatest value that the source of a picture has; 0 and 255 of bytes, otherwise 0 and 1 if it is not said. Shares
    /// are of their difference. Where it is known, of bytes or because it is said, changed values stay between the two.
    pub range: Option<[f64; 2]>,
}

/// The size of the pictures of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Picture {
    /// Of samples with those sizes: height and width, and perhaps channels.
    pub(crate) fn of_shape(sizes: &[usize]) -> Option<Picture> {
        match *sizes {
            [height, width] => Some(Picture { height, width, channels: 1 }),
            [height, width, channels] => Some(Picture { height, width, channels }),
            _ => None,
        }
    }

    /// Elements of a picture.
    fn len(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// What makes a transform.
trait Rule {
    /// As a graph file calls it.
    fn name(&self) -> &'static str;

    /// Whether it is of pictures only.
    fn is_of_pictures(&self) -> bool {
        true
    }

    /// What is wrong with its numbers, for pictures of that size if they are pictures: the end of a sentence that begins with
    /// its name.
    fn check(&self, picture: Option<Picture>) -> Result<(), String>;

    /// Says where the picture goes.
    fn place(&self, _draws: &mut Draws<'_>, _placement: &mut Placement) {}

    /// Changes values in place.
    fn change(&self, _draws: &mut Draws<'_>, _row: &mut Row<'_>) {}
}

/// The transforms, in the order in which they are applied.
macro_rules! transforms {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One change at random. Variants stand in the order in which they are applied.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Transform {
            $($(#[$doc])* $name($name),)*
        }

        impl Transform {
            fn rule(&self) -> &dyn Rule {
                match self {
                    $(Transform::$name(rule) => rule,)*
                }
            }

            /// Its place in the order.
            fn number(&self) -> usize {
                enum Order {
                    $($name,)*
                }
                match self {
                    $(Transform::$name(_) => Order::$name as usize,)*
                }
            }
        }

        $(impl From<$name> for Transform {
            fn from(transform: $name) -> Transform {
                Transform::$name(transform)
            }
        })*
    };
}

transforms! {
    /// Mirrors.
    Flip,
    /// Enlarges or makes smaller.
    Zoom,
    /// Turns about the centre.
    Rotate,
    /// Moves by whole pixels.
    Shift,
    /// Pads and cuts at a random place.
    Crop,
    /// Spreads values about their mean.
    Contrast,
    /// Makes all values greater or less.
    Brightness,
    /// Adds random numbers.
    Noise,
    /// Blanks a rectangle.
    Erase,
}

/// A share or an amount: finite, and from 0 to `most`.
fn check_amount(value: f64, most: f64) -> Result<(), String> {
    match (0.0..=most).contains(&value) {
        true => Ok(()),
        false if most.is_finite() => Err(format!("is {value}, expected a number from 0 to {most}")),
        false => Err(format!("is {value}, expected a number of at least 0")),
    }
}

/// A number of pixels by which a picture moves: some of it has to stay.
fn check_pixels(pixels: u32, picture: Option<Picture>) -> Result<(), String> {
    match picture {
        Some(Picture { height, width, .. }) if pixels as usize >= height.min(width) => {
            Err(format!("is {pixels} pixels, but pictures are {height}x{width}"))
        }
        _ => Ok(()),
    }
}
