//! Places in tensors.

/// `[3,0]`.
pub(crate) fn index_text(index: &[usize]) -> String {
    let parts: Vec<String> = index.iter().map(usize::to_string).collect();
    format!("[{}]", parts.join(","))
}

/// Index of the element that stands at `position` in row-major order.
pub(crate) fn index_of(shape: &[usize], position: usize) -> Vec<usize> {
    let mut rest = position;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let i = rest % size.max(1);
            rest /= size.max(1);
            i
        })
        .collect();
    index.reverse();
    index
}
