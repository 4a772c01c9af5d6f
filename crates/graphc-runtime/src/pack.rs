//! Row-major tensors to and from the layout of a buffer.

use graphc_ir::loops::Layout;
use graphc_ir::scalar::CHUNK;
use graphc_ir::tensor::for_each_index;

/// Copies a tensor into its buffer. Padding lanes of a ragged last chunk become zero.
pub(crate) fn pack(layout: &Layout, tensor: impl ExactSizeIterator<Item = u32> + Clone, buffer: &mut [u32]) {
    if layout.batch_axis.is_none() {
        return layout.pack(&tensor.collect::<Vec<u32>>(), buffer);
    }
    buffer.fill(0);
    if layout.batch_axis != Some(0) {
        return layout.pack(&tensor.collect::<Vec<u32>>(), buffer);
    }
    let offsets = sample_offsets(layout);
    let mut tensor = tensor;
    for sample in 0..layout.shape[0] {
        let start = sample / CHUNK * layout.chunk_stride + sample % CHUNK;
        for (offset, word) in offsets.iter().zip(tensor.by_ref()) {
            buffer[start + offset] = word;
        }
    }
}

/// Copies a buffer into a row-major tensor.
pub(crate) fn unpack(layout: &Layout, buffer: &[u32]) -> Vec<u32> {
    if layout.batch_axis != Some(0) {
        return layout.unpack(buffer);
    }
    let offsets = sample_offsets(layout);
    let mut tensor = Vec::with_capacity(layout.shape[0] * offsets.len());
    for sample in 0..layout.shape[0] {
        let start = sample / CHUNK * layout.chunk_stride + sample % CHUNK;
        tensor.extend(offsets.iter().map(|offset| buffer[start + offset]));
    }
    tensor
}

/// Offsets of the elements of one sample, in row-major order; the batch comes first.
fn sample_offsets(layout: &Layout) -> Vec<usize> {
    let (shape, strides) = (&layout.shape[1..], &layout.strides[1..]);
    let mut offsets = Vec::with_capacity(shape.iter().product());
    for_each_index(shape, |index| offsets.push(index.iter().zip(strides).map(|(i, stride)| i * stride).sum()));
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout's own slow copies are the meaning.
    #[test]
    fn fast_copies_equal_the_layout() {
        for n in [1, 15, 16, 17, 40] {
            // NHWC outside, channels outermost inside.
            let layout = Layout {
                shape: vec![n, 3, 2, 4],
                batch_axis: Some(0),
                strides: vec![0, 32, 16, 112],
                chunk_stride: 4 * 112,
            };
            let tensor: Vec<u32> = (1..=n as u32 * 24).collect();
            let mut expected = vec![0; layout.len()];
            layout.pack(&tensor, &mut expected);
            let mut found = vec![9; layout.len()];
            pack(&layout, tensor.iter().copied(), &mut found);
            assert_eq!(found, expected);
            assert_eq!(unpack(&layout, &found), tensor);
        }
    }

    #[test]
    fn batch_in_the_middle() {
        let layout = Layout { shape: vec![2, 5], batch_axis: Some(1), strides: vec![16, 0], chunk_stride: 32 };
        let tensor: Vec<u32> = (1..=10).collect();
        let mut buffer = vec![9; layout.len()];
        pack(&layout, tensor.iter().copied(), &mut buffer);
        assert_eq!(buffer[5..16], [0; 11]);
        assert_eq!(unpack(&layout, &buffer), tensor);
    }
}
