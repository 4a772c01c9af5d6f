//! [`Padding`]: what is added around an image, and [`Padding1d`], around a sequence.

use super::context::LayerCx;
use crate::attrs::{AttrField, AttrKind, AttrValue};
use crate::choice;
use crate::graph::builder::BuildError;
use crate::types::TypeError;

/// Zeros (or, for pooling, nothing) around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// As much as makes the result `ceil(size / stride)` large; an odd one goes to the bottom and
    /// right, as in Keras.
    Same,
    /// Top, bottom, left, right.
    Explicit([usize; 4]),
}

impl Padding {
    /// Top, bottom, left and right for an image of `size` and a window.
    pub fn resolve(self, size: [usize; 2], window: [usize; 2], strides: [usize; 2]) -> [usize; 4] {
        match self {
            Padding::Valid => [0; 4],
            Padding::Explicit(padding) => padding,
            Padding::Same => {
                let total = |i: usize| {
                    let stride = strides[i].max(1);
                    let covered = size[i].div_ceil(stride).saturating_sub(1).saturating_mul(stride);
                    covered.saturating_add(window[i]).saturating_sub(size[i])
                };
                let [h, w] = [total(0), total(1)];
                [h / 2, h - h / 2, w / 2, w - w / 2]
            }
        }
    }
}

choice! {
    /// Zeros (or, for pooling, nothing) around a sequence.
    pub enum Padding1d {
        /// None.
        Valid = "valid",
        /// As much as makes the result `ceil(size / stride)` long; an odd one goes to the end.
        Same = "same",
        /// All at the beginning, so that no result depends on later steps; as long as the sequence at a stride of 1.
        Causal = "causal",
    }
}

impl Padding1d {
    /// Top, bottom, left and right of an image one row high that is a sequence of `size` steps.
    pub(super) fn resolve(self, size: usize, window: usize, stride: usize) -> [usize; 4] {
        match self {
            Padding1d::Valid => [0; 4],
            Padding1d::Same => Padding::Same.resolve([1, size], [1, window], [1, stride]),
            Padding1d::Causal => [0, 0, window.saturating_sub(1), 0],
        }
    }
}

/// Top, bottom, left and right of two numbers, height and width, or of these four; `field` of `layer` has them.
pub(super) fn sides(cx: &LayerCx<'_>, layer: &str, field: &str, given: &[usize]) -> Result<[usize; 4], BuildError> {
    match *given {
        [h, w] => Ok([h, h, w, w]),
        [top, bottom, left, right] => Ok([top, bottom, left, right]),
        _ => {
            let expected = "two numbers, height and width, or four, top, bottom, left and right";
            cx.fail(TypeError::new(format!("{layer} expects a `{field}` of {expected}, got {given:?}")))
        }
    }
}

impl AttrField for Padding {
    const EXPECTED: &'static str = "\"valid\", \"same\" or a list of 4 integers of at least 0";
    const KIND: AttrKind = AttrKind::Padding;

    fn to_attr(&self) -> AttrValue {
        match self {
            Padding::Valid => AttrValue::Str("valid".to_string()),
            Padding::Same => AttrValue::Str("same".to_string()),
            Padding::Explicit(sizes) => sizes.to_attr(),
        }
    }

    fn from_attr(value: &AttrValue) -> Option<Padding> {
        match value {
            AttrValue::Str(name) if name == "valid" => Some(Padding::Valid),
            AttrValue::Str(name) if name == "same" => Some(Padding::Same),
            sizes => AttrField::from_attr(sizes).map(Padding::Explicit),
        }
    }
}
