//! How elements become words.

use graphc_ir::scalar::CHUNK;

/// Sixteen elements of each sample of a chunk, some times.
pub(super) type Blocks<'a, T> = [&'a [[T; CHUNK]]; CHUNK];

/// How elements of a type become words.
pub(crate) trait Convert<T> {
    /// The word of an element of that number in its sample.
    fn word(&self, value: T, element: usize) -> u32;

    /// Writes the planes of some elements of a chunk's samples, from the element `first` on, and asks for those of the
    /// `next` chunk.
    fn write(&self, rows: Blocks<'_, T>, next: [&[T]; CHUNK], planes: &[usize], first: usize, chunk: &mut [u32]);
}
