//! What bytes become.

use std::ops::Range;

/// What a byte becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conversion<'a> {
    /// An `f32`: times the first number, plus the second, each rounded. An offset of -0 changes nothing, not even the
    /// sign of a zero.
    Alike([f32; 2]),
    /// The same with a pair for every element of a sample.
    Each(&'a [[f32; 2]]),
    /// An `i32`.
    Integer,
}

/// What turns the bytes of samples into `f32`.
#[derive(Clone, Debug)]
pub(crate) enum Pairs {
    /// [`Conversion::Alike`], which takes half the time of the other.
    Alike([f32; 2]),
    /// [`Conversion::Each`].
    Each(Vec<[f32; 2]>),
}

impl Pairs {
    pub(crate) fn conversion(&self) -> Conversion<'_> {
        match self {
            Pairs::Alike(pair) => Conversion::Alike(*pair),
            Pairs::Each(pairs) => Conversion::Each(pairs),
        }
    }

    /// Calls `f` with what the elements of a sample become.
    pub(crate) fn apply(&self, values: impl Iterator<Item = f32>, mut f: impl FnMut(f32)) {
        match self {
            Pairs::Alike([factor, offset]) => values.for_each(|value| f(value * factor + offset)),
            Pairs::Each(pairs) => values.zip(pairs).for_each(|(value, [factor, offset])| f(value * factor + offset)),
        }
    }
}

/// Times the first number, plus the second, each rounded.
pub(super) fn affine(value: u8, [factor, offset]: [f32; 2]) -> u32 {
    (f32::from(value) * factor + offset).to_bits()
}

impl<'a> Conversion<'a> {
    pub(crate) fn word(self, byte: u8, element: usize) -> u32 {
        match self {
            Conversion::Alike(pair) => affine(byte, pair),
            Conversion::Each(pairs) => affine(byte, pairs[element]),
            Conversion::Integer => byte.into(),
        }
    }

    /// Of those elements.
    pub(super) fn part(self, elements: Range<usize>) -> Conversion<'a> {
        match self {
            Conversion::Each(pairs) => Conversion::Each(&pairs[elements]),
            Conversion::Alike(_) | Conversion::Integer => self,
        }
    }
}
