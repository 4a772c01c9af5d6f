//! Dense host tensors in row-major order: what the graph interpreter and the tests compute on.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::fmt::Debug;

/// A floating-point type the graph interpreter can run in: `f64` (the meaning) or `f32`.
pub trait Real: num_traits::Float + Debug + Send + Sync + 'static {
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens (exact).
    fn widen(self) -> f64;
    /// A function that is known for `f64`, of slopes of at most `steepest` in magnitude.
    fn map_f64(self, f: impl Fn(f64) -> f64, steepest: f64) -> Self;

    /// A function of steps at integers and halfway between them.
    fn steps(self, f: impl Fn(f64) -> f64) -> Self;

    /// The error function.
    fn erf(self) -> Self {
        self.map_f64(libm::erf, FRAC_2_SQRT_PI)
    }
    /// The share of a standard normal distribution below the number.
    fn ndtr(self) -> Self {
        self.map_f64(|x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2), 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2)
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> f64 {
        value
    }
    fn widen(self) -> f64 {
        self
    }
    fn map_f64(self, f: impl Fn(f64) -> f64, _: f64) -> f64 {
        f(self)
    }
    fn steps(self, f: impl Fn(f64) -> f64) -> f64 {
        f(self)
    }
}

impl Real for f32 {
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn map_f64(self, f: impl Fn(f64) -> f64, _: f64) -> f32 {
        f(f64::from(self)) as f32
    }
    fn steps(self, f: impl Fn(f64) -> f64) -> f32 {
        f(f64::from(self)) as f32
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

    /// The row along the last dimension at an index of all others.
    #[inline(always)]
    pub fn row(&self, index: &[usize]) -> &[R] {
        let len = self.shape[self.shape.len() - 1];
        &self.data[linear_index(&self.shape[..index.len()], index) * len..][..len]
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn row_mut(&mut self, index: &[usize]) -> &mut [R] {
        let len = self.shape[self.shape.len() - 1];
        &mut self.data[linear_index(&self.shape[..index.len()], index) * len..][..len]
    }

    /// The last two dimensions exchanged.
    ///
    /// # Panics
    /// If there are not two.
    pub fn transposed(&self) -> Tensor<R> {
        let (lead, matrix) = self.shape.split_at(self.shape.len() - 2);
        let shape = [lead, &[matrix[1], matrix[0]]].concat();
        let of_matrices = self.data.chunks(matrix.iter().product::<usize>().max(1)).flat_map(|elements| {
            (0..matrix[1]).flat_map(|column| elements[column..].iter().step_by(matrix[1]).copied())
        });
        Tensor::new(shape, of_matrices.collect())
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
#[inline(always)]
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

/// Calls `f` with where each row of `shape` starts in operands of these strides, in row-major order. A row is what the
/// indices of the last dimension reach; without dimensions it is the only element.
pub(crate) fn for_each_row<const N: usize>(shape: &[usize], strides: [&[usize]; N], mut f: impl FnMut([usize; N])) {
    if shape.contains(&0) {
        return;
    }
    for_each_index(&shape[..shape.len().saturating_sub(1)], |index| {
        let mut starts = [0; N];
        for (start, strides) in starts.iter_mut().zip(strides) {
            *start = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
        }
        f(starts);
    });
}

/// `sums[i] = scale * row[i] + sums[i]`, rounded once.
#[inline(always)]
pub(crate) fn add_scaled<R: Real>(sums: &mut [R], scale: R, row: &[R]) {
    for (sum, &element) in sums.iter_mut().zip(row) {
        *sum = scale.mul_add(element, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_matrices() {
        let tensor = Tensor::from_fn(&[2, 3, 4], |i| (100 * i[0] + 10 * i[1] + i[2]) as f64);
        assert_eq!(tensor.row(&[1, 2]), [120.0, 121.0, 122.0, 123.0]);
        assert_eq!(tensor.transposed(), Tensor::from_fn(&[2, 4, 3], |i| (100 * i[0] + 10 * i[2] + i[1]) as f64));
        assert_eq!(Tensor::<f64>::full(&[0, 2], 0.0).transposed().shape, [2, 0]);
        let mut starts = Vec::new();
        for_each_row(&[2, 3, 4], [&tensor.strides(), &[0, 5, 0]], |start| starts.push(start));
        assert_eq!(starts, [[0, 0], [4, 5], [8, 10], [12, 0], [16, 5], [20, 10]]);
        for (shape, n_rows) in [(&[][..], 1), (&[3], 1), (&[0], 0), (&[3, 0], 0), (&[0, 3], 0)] {
            let mut n = 0;
            for_each_row(shape, [&row_major_strides(shape)], |_| n += 1);
            assert_eq!(n, n_rows, "{shape:?}");
        }
    }
}
