//! Copies from vectors of samples to rows of features: eight vectors at a time, transposed in registers.

use graphc_ir::types::WORD_BYTES;
use std::fmt;

/// Vectors that are transposed together, and words of each.
pub(crate) const SIDE: usize = 8;

/// A function `fn(from: *const f32, to: *mut f32, count: i64)` in the System V convention: `count` squares of eight
/// vectors each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransposeShape {
    /// Bytes from one vector to the next.
    pub(crate) vector_stride: i32,
    /// Bytes from one row to the next.
    pub(crate) row_stride: i32,
}

impl TransposeShape {
    /// The shape of strides in words; none if a square reaches farther than an instruction can.
    pub(crate) fn of_words(vector_stride: i64, row_stride: i64) -> Option<TransposeShape> {
        let bytes = |words: i64| {
            let bytes = i32::try_from(words.checked_mul(WORD_BYTES as i64)?).ok()?;
            bytes.checked_mul(SIDE as i32).map(|_| bytes)
        };
        Some(TransposeShape { vector_stride: bytes(vector_stride)?, row_stride: bytes(row_stride)? })
    }
}

impl fmt::Display for TransposeShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "transpose vectors {} apart to rows {} apart", self.vector_stride, self.row_stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_reach_as_far_as_an_instruction_can() {
        let shape = TransposeShape::of_words(16, -100);
        assert_eq!(shape, Some(TransposeShape { vector_stride: 64, row_stride: -400 }));
        assert_eq!(
            TransposeShape::of_words(1 << 25, 8),
            Some(TransposeShape { vector_stride: 1 << 27, row_stride: 32 })
        );
        assert_eq!(TransposeShape::of_words(1 << 26, 8), None);
        assert_eq!(TransposeShape::of_words(8, i64::MAX), None);
    }
}
