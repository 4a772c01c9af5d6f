//! The transforms, and what happens to an input.

use super::brightness::Brightness;
use super::contrast::Contrast;
use super::crop::Crop;
use super::erase::Erase;
use super::flip::Flip;
use super::mixup::Mixup;
use super::noise::Noise;
use super::resample::Fill;
use super::rotate::Rotate;
use super::rule::Rule;
use super::shift::Shift;
use super::zoom::Zoom;

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
    /// Least and greatest value that the source of a picture has; 0 and 255 of bytes, otherwise 0 and 1 if it is not
    /// said. Shares are of their difference. Where it is known, of bytes or because it is said, changed values stay
    /// between the two.
    pub range: Option<[f64; 2]>,
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
            pub(super) fn rule(&self) -> &dyn Rule {
                match self {
                    $(Transform::$name(rule) => rule,)*
                }
            }

            /// Its place in the order.
            pub(super) fn number(&self) -> usize {
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
