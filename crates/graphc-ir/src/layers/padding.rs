//! [`Padding`]: what is added around an image.

use crate::attrs::{AttrField, AttrKind, AttrValue};

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
