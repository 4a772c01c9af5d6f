//! Elements whose first index runs fastest, to samples one after the other.

use crate::data::values::{Encoding, Unfit, Values};

/// Puts elements in their places as they come, so that no second copy of them is needed.
pub(super) struct Scatter {
    shape: Vec<usize>,
    /// Elements from one index to the next, row-major.
    strides: Vec<usize>,
    /// Index of the next element, and its place, row-major.
    index: Vec<usize>,
    place: usize,
    /// Samples that are kept.
    n_samples: usize,
    values: Values,
}

impl Scatter {
    /// For an array of that shape, of which the first `n_samples` are kept, in values with room for them.
    pub(super) fn new(shape: &[usize], n_samples: usize, values: Values) -> Scatter {
        let mut strides = vec![1; shape.len()];
        for dim in (1..shape.len()).rev() {
            strides[dim - 1] = strides[dim] * shape[dim];
        }
        let values = zeroed(values, n_samples * strides[0]);
        Scatter { shape: shape.to_vec(), strides, index: vec![0; shape.len()], place: 0, n_samples, values }
    }

    /// Takes the next elements, as a file has them.
    pub(super) fn push(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<(), Unfit> {
        let mut next = empty_like(&self.values);
        next.push(encoding, bytes)?;
        let Scatter { shape, strides, index, place, n_samples, values } = self;
        let mut places = std::iter::from_fn(|| {
            let here = (index[0] < *n_samples).then_some(*place);
            advance(shape, strides, index, place);
            Some(here)
        });
        match (values, next) {
            (Values::U8(values), Values::U8(next)) => put(values, &next, &mut places),
            (Values::I32(values), Values::I32(next)) => put(values, &next, &mut places),
            (Values::I64(values), Values::I64(next)) => put(values, &next, &mut places),
            (Values::F32(values), Values::F32(next)) => put(values, &next, &mut places),
            (Values::F64(values), Values::F64(next)) => put(values, &next, &mut places),
            _ => unreachable!("both are of one type"),
        }
        Ok(())
    }

    /// The values, after all elements have been pushed.
    pub(super) fn finish(self) -> Values {
        self.values
    }
}

fn put<T: Copy>(values: &mut [T], next: &[T], places: &mut impl Iterator<Item = Option<usize>>) {
    for (&value, place) in next.iter().zip(places) {
        if let Some(place) = place {
            values[place] = value;
        }
    }
}

/// Goes to the next index, of which the first part runs fastest.
fn advance(shape: &[usize], strides: &[usize], index: &mut [usize], place: &mut usize) {
    for dim in 0..shape.len() {
        index[dim] += 1;
        *place += strides[dim];
        if index[dim] < shape[dim] {
            return;
        }
        *place -= strides[dim] * shape[dim];
        index[dim] = 0;
    }
}

fn empty_like(values: &Values) -> Values {
    match values {
        Values::U8(_) => Values::U8(Vec::new()),
        Values::I32(_) => Values::I32(Vec::new()),
        Values::I64(_) => Values::I64(Vec::new()),
        Values::F32(_) => Values::F32(Vec::new()),
        Values::F64(_) => Values::F64(Vec::new()),
    }
}

/// The values with as many zeros; they have room for them.
fn zeroed(mut values: Values, len: usize) -> Values {
    match &mut values {
        Values::U8(values) => values.resize(len, 0),
        Values::I32(values) => values.resize(len, 0),
        Values::I64(values) => values.resize(len, 0),
        Values::F32(values) => values.resize(len, 0.0),
        Values::F64(values) => values.resize(len, 0.0),
    }
    values
}
