//! [`Algorithm`]: how a convolution is computed.

use crate::attrs::{AttrField, AttrKind, AttrValue};

/// How a convolution and its gradients are computed. All come to the same up to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// As it is defined: a sum over taps and channels.
    Direct,
    /// Winograd's, by tiles of 2 by 2 results: 2.25 times fewer multiplications.
    Winograd2x2,
    /// Winograd's, by tiles of 4 by 4 results: 4 times fewer multiplications.
    Winograd4x4,
}

impl Algorithm {
    /// Names in graph files. `winograd` is short for the last one.
    pub const NAMES: &'static [&'static str] = &["direct", "winograd", "winograd-2x2", "winograd-4x4"];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::Winograd2x2 => "winograd-2x2",
            Algorithm::Winograd4x4 => "winograd-4x4",
        }
    }

    /// The algorithm of that name, one of [`Algorithm::NAMES`].
    pub fn from_name(name: &str) -> Option<Algorithm> {
        match name {
            "direct" => Some(Algorithm::Direct),
            "winograd-2x2" => Some(Algorithm::Winograd2x2),
            "winograd" | "winograd-4x4" => Some(Algorithm::Winograd4x4),
            _ => None,
        }
    }

    /// Rows and columns of results in a tile of Winograd's.
    pub fn tile(self) -> Option<usize> {
        match self {
            Algorithm::Direct => None,
            Algorithm::Winograd2x2 => Some(2),
            Algorithm::Winograd4x4 => Some(4),
        }
    }
}

impl AttrField for Algorithm {
    const EXPECTED: &'static str = "\"direct\", \"winograd\", \"winograd-2x2\" or \"winograd-4x4\"";
    const KIND: AttrKind = AttrKind::Choice(Algorithm::NAMES);

    fn to_attr(&self) -> AttrValue {
        AttrValue::Str(self.name().to_string())
    }

    fn from_attr(value: &AttrValue) -> Option<Algorithm> {
        match value {
            AttrValue::Str(name) => Algorithm::from_name(name),
            _ => None,
        }
    }

    fn write_words(&self, words: &mut crate::attrs::AttrWords) {
        words.extend([*self as u64]);
    }
}
