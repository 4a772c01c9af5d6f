//! Dense host tensors in row-major order: what the graph interpreter and the tests compute on.

use std::fmt::Debug;

/// A floating-point type the graph interpreter can run in: `f64` (the meaning) or `f32`.
pub trait Real: num_traits::Float + Debug + Send + Sync + 'static {
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens (exact).
    fn widen(self) -> f64;
}

impl Real for f64 {
    fn from_f64(value: f64) -> f64 {
        value
    }
    fn widen(self) -> f64 {
        self
    }
}

impl Real for f32 {
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
    fn widen(self) -> f64 {
        f64::from(self)
    }
}

/// A row-major tensor. Integers (labels, counters) are held as exact reals.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<R> {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// `shape.product()` elements.
    pub data: Vec<R>,
}

impl<R: Real> Tensor<R> {
    /// A tensor from its elements in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the product of `shape`.
    pub fn new(shape: Vec<usize>, data: Vec<R>) -> Tensor<R> {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} and {} elements", data.len());
        Tensor { shape, data }
    }

    /// Every element `value`.
    pub fn full(shape: &[usize], value: f64) -> Tensor<R> {
        Tensor { shape: shape.to_vec(), data: vec![R::from_f64(value); shape.iter().product()] }
    }

    /// A tensor without dimensions.
    pub fn scalar(value: f64) -> Tensor<R> {
        Tensor::full(&[], value)
    }

    /// Element `index -> f(index)`.
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> R) -> Tensor<R> {
        let mut data = Vec::with_capacity(shape.iter().product());
        for_each_index(shape, |index| data.push(f(index)));
        Tensor { shape: shape.to_vec(), data }
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        row_major_strides(&self.shape)
    }

    /// Element at `index`.
    pub fn at(&self, index: &[usize]) -> R {
        self.data[linear_index(&self.shape, index)]
    }

    /// Converts every element.
    pub fn cast<S: Real>(&self) -> Tensor<S> {
        Tensor { shape: self.shape.clone(), data: self.data.iter().map(|x| S::from_f64(x.widen())).collect() }
    }
}

/// Row-major strides of `shape` in elements.
pub fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// Row-major position of `index` in `shape`.
pub fn linear_index(shape: &[usize], index: &[usize]) -> usize {
    debug_assert_eq!(shape.len(), index.len());
    index.iter().zip(shape).fold(0, |sum, (&i, &size)| sum * size + i)
}

/// Calls `f` with every index of `shape` in row-major order.
pub fn for_each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    if shape.contains(&0) {
        return;
    }
    let mut index = vec![0; shape.len()];
    loop {
        f(&index);
        let Some(axis) = (0..shape.len()).rev().find(|&axis| index[axis] + 1 < shape[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}
