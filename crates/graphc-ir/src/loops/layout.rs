//! Where the elements of a tensor stand in its buffer.
//!
//! A tensor without a batch dimension is row-major. A tensor with one is *batch-blocked*: samples
//! go in chunks of [`CHUNK`], a chunk holds a plane of 16 samples for every
//! per-sample element, the 16 samples innermost: `[N/16][elements][16]`. The last chunk is padded;
//! padding lanes of stored tensors are zero.
//!
//! Where the lanes of a program are features ([`Layout::rows`]), the batch is a dimension like any other.

use crate::scalar::CHUNK;
use crate::tensor::for_each_index;

/// Strides of a multiple of this many words (2 KiB) lead to few of the sets of a cache. Such strides get one line of
/// padding, planes of images a row.
const ALIAS_WORDS: usize = 512;

/// Planes of so few words are not padded.
const SMALL_PLANE: usize = 2 * CHUNK;

/// Words of a channel's plane with its padding: an odd number of lines, so that one line of every channel, or of every
/// 64th, is not in one set of the nearest cache. Where planes would be a power of two apart, a row is left between
/// them: some rows of all channels, which a convolution goes through again and again, are spread over a core's own
/// cache by that. (Measured on a Xeon whose pages are large: a VGG of images of 32x32 takes a tenth less.)
fn padded_plane(n_words: usize, n_columns: usize) -> usize {
    match () {
        () if n_words.is_multiple_of(ALIAS_WORDS) => n_words + (n_columns | 1) * CHUNK,
        () if n_words.is_multiple_of(2 * CHUNK) && n_words > SMALL_PLANE => n_words + CHUNK,
        () => n_words,
    }
}

/// Affine map from a tensor's index to a word offset in its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Logical sizes.
    pub shape: Vec<usize>,
    /// Which dimension is the batch, if there is one and its samples go in chunks.
    pub batch_axis: Option<usize>,
    /// Words per step along each dimension; the batch dimension's entry is unused (0).
    pub strides: Vec<usize>,
    /// Words from one chunk of samples to the next; the buffer's length without a batch.
    pub chunk_stride: usize,
}

impl Layout {
    /// The layout of a tensor of `sizes`.
    pub fn new(sizes: &[usize], batch_axis: Option<usize>) -> Layout {
        let order = Layout::order(sizes.len(), batch_axis);
        let mut strides = vec![0; sizes.len()];
        let mut stride = if batch_axis.is_some() { CHUNK } else { 1 };
        for (position, &axis) in order.iter().enumerate().rev() {
            strides[axis] = stride;
            stride *= sizes[axis];
            let is_plane = batch_axis.is_some() && sizes.len() == 4 && position == 1;
            if is_plane {
                stride = padded_plane(stride, sizes[order[2]]);
            }
        }
        let chunk_stride =
            if batch_axis.is_some() && stride.is_multiple_of(ALIAS_WORDS) { stride + CHUNK } else { stride };
        Layout { shape: sizes.to_vec(), batch_axis, strides, chunk_stride }
    }

    /// Row-major without chunks, each row (the last dimension) padded to a multiple of `width` words, and what lies
    /// between two coordinates of the first dimension, so that they do not fall into the same cache sets.
    pub fn rows(sizes: &[usize], width: usize) -> Layout {
        let mut padded = sizes.to_vec();
        if let Some(last) = padded.last_mut() {
            *last = last.next_multiple_of(width);
        }
        let mut layout = Layout { shape: sizes.to_vec(), ..Layout::new(&padded, None) };
        if let [first, _, ..] = layout.strides.as_mut_slice()
            && first.is_multiple_of(ALIAS_WORDS)
        {
            *first += CHUNK;
            layout.chunk_stride = *first * sizes[0];
        }
        layout
    }

    /// Dimensions of a tensor in the order of its layout, outermost first, the batch left out:
    /// row-major, but channels before rows and columns in a batch of images.
    pub fn order(rank: usize, batch_axis: Option<usize>) -> Vec<usize> {
        match (rank, batch_axis) {
            (4, Some(0)) => vec![3, 1, 2],
            _ => (0..rank).filter(|&axis| Some(axis) != batch_axis).collect(),
        }
    }

    /// Words from one row to the next in a matrix that is walked down its columns: whole cache lines, at a
    /// distance that spreads the rows over the cache.
    pub fn row_stride(n_columns: usize) -> usize {
        let stride = n_columns.next_multiple_of(CHUNK);
        if stride.is_multiple_of(ALIAS_WORDS / 2) { stride + CHUNK } else { stride }
    }

    /// Words the buffer needs.
    pub fn len(&self) -> usize {
        self.chunk_stride * self.n_chunks()
    }

    /// Whether the buffer has no words.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of chunks of samples; 1 without a batch.
    pub fn n_chunks(&self) -> usize {
        self.batch_axis.map_or(1, |axis| self.shape[axis].div_ceil(CHUNK))
    }

    /// Word offset of the element at `index`.
    pub fn offset(&self, index: &[usize]) -> usize {
        let mut offset = 0;
        for (axis, (&i, &stride)) in index.iter().zip(&self.strides).enumerate() {
            offset +=
                if self.batch_axis == Some(axis) { i / CHUNK * self.chunk_stride + i % CHUNK } else { i * stride };
        }
        offset
    }

    /// Copies a row-major tensor into a buffer; padding is left as it is.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn pack<T: Copy>(&self, tensor: &[T], buffer: &mut [T]) {
        assert_eq!(tensor.len(), self.shape.iter().product::<usize>(), "elements of shape {:?}", self.shape);
        assert!(buffer.len() >= self.len(), "buffer of {} words for {}", buffer.len(), self.len());
        let mut elements = tensor.iter();
        for_each_index(&self.shape, |index| {
            buffer[self.offset(index)] = *elements.next().expect("as many as the shape has")
        });
    }

    /// Copies a buffer into a row-major tensor.
    ///
    /// # Panics
    /// If the buffer is too short.
    pub fn unpack<T: Copy>(&self, buffer: &[T]) -> Vec<T> {
        let mut tensor = Vec::with_capacity(self.shape.iter().product());
        match (self.shape.split_last(), self.strides.last()) {
            // Rows stand as they are, which is so for every parameter.
            (Some((&row, outer)), Some(1)) if self.batch_axis.is_none() => {
                for_each_index(outer, |index| tensor.extend_from_slice(&buffer[self.offset(index)..][..row]));
            }
            _ => for_each_index(&self.shape, |index| tensor.push(buffer[self.offset(index)])),
        }
        tensor
    }
}
