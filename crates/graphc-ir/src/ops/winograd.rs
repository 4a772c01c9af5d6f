//! Winograd's minimal filtering: convolutions with a 3x3 kernel by tiles of `m` x `m` results.
//!
//! A tile of one row, `y[k] = sum over r of d[k + r] * w[r]` with `m` results, is a product of polynomials, which their
//! values at `m + 1` points and their last coefficients decide (Toom and Cook; Winograd 1980; Lavin and Gray 2015):
//!
//! ```text
//! y = A^T ((G w) * (B^T d))                  m + 2 multiplications, where the sums themselves have 3 m
//! Y = A^T ((G w G^T) * (B^T d B)) A          in both directions: (m + 2)^2 where there are 9 m^2
//! ```
//!
//! With channels, the product is one sum over them at each of the `(m + 2)^2` *positions*: a convolution with a 1x1
//! kernel in as many groups, whose register tiles are those of any contraction. All that is new are the linear maps
//! around it, which are ops of their own: `winograd_input` (`B^T d B`), `winograd_kernel` (`G w G^T`),
//! `winograd_output` (`A^T m A`), and the transposes of the last two, for the gradient by the kernel,
//! `G^T ((B^T d B) * (A dy A^T)) G`. The gradient by the images is a convolution of `dy` with the kernel turned round.
//!
//! Points are 0, 1 and -1 for `m = 2`, and 0, 3/4, -3/4, 3/2 and -3/2 for `m = 4`. `A` and `B` have no rounded numbers
//! by that, and the error is half of that with the usual points 0, ±1 and ±2.
//!
//! A map is applied to columns, then to rows; terms in order. Points come in pairs `p` and `-p`, so that every second
//! row of a map differs from the one before in signs alone: `even + odd` and `even - odd`. Where a map goes from
//! points, columns come in pairs.

use super::convolution::output_size;
use super::{Algorithm, OpRules, Windows};
use crate::compute::{ScalarExpr, build};
use crate::index::Affine;
use crate::scalar::{BinaryOp, CmpOp};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// Channels and filters from which on transforming takes less than what it saves.
const FEWEST_CHANNELS: usize = 16;

/// Rows and columns of a kernel.
pub(super) const TAPS: usize = 3;

/// A linear map of one direction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map(Vec<Vec<f64>>);

/// The maps of tiles of one size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Maps {
    /// `B^T`: from a window of the image to positions.
    pub(super) input: Map,
    /// `G`: from a kernel to positions.
    pub(super) kernel: Map,
    /// `A^T`: from positions to results.
    pub(super) output: Map,
}

impl Maps {
    /// Those for tiles of `tile` results.
    pub(super) fn of(tile: usize) -> Maps {
        let points: &[f64] = if tile == 2 { &[0.0, 1.0, -1.0] } else { &[0.0, 0.75, -0.75, 1.5, -1.5] };
        let n = points.len();
        let without = |skipped: usize| (0..n).filter(move |&i| i != skipped).map(|i| points[i]);
        let powers = |point: f64, n: usize| (0..n).map(move |power| point.powi(power as i32));
        // Powers of the greatest points are kept small; a power of two changes no bit of a mantissa.
        let size = |point: f64| if point.abs() > 1.0 { 0.25 } else { 1.0 };
        // The polynomial that is zero at all other points, and its value at this one, divided out of the kernel.
        let input = (0..=n).map(|i| padded(polynomial(without(i)), n + 1)).collect();
        let scale = |i: usize| size(points[i]) * without(i).map(|other| points[i] - other).product::<f64>();
        let of_kernel = |i: usize| powers(points[i], TAPS).map(|power| power / scale(i)).collect();
        let last = |n: usize| padded(vec![1.0], n).into_iter().rev().collect();
        let kernel = (0..n).map(of_kernel).chain([last(TAPS)]).collect();
        let of_output = |&point: &f64| powers(point, tile).map(|power| power * size(point)).collect();
        let output = Map(points.iter().map(of_output).chain([last(tile)]).collect()).transposed();
        Maps { input: Map(input), kernel: Map(kernel), output }
    }
}

/// Coefficients of the polynomial with these zeros, lowest first.
fn polynomial(zeros: impl Iterator<Item = f64>) -> Vec<f64> {
    zeros.fold(vec![1.0], |factor, zero| {
        let shifted = [&[0.0], factor.as_slice()].concat();
        shifted.iter().zip(padded(factor, shifted.len())).map(|(high, low)| high - zero * low).collect()
    })
}

fn padded(mut numbers: Vec<f64>, len: usize) -> Vec<f64> {
    numbers.resize(len, 0.0);
    numbers
}

impl Map {
    pub(super) fn n_rows(&self) -> usize {
        self.0.len()
    }

    pub(super) fn n_columns(&self) -> usize {
        self.0[0].len()
    }

    /// The number at a row and a column.
    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.0[row][column]
    }

    pub(super) fn transposed(&self) -> Map {
        Map((0..self.n_columns()).map(|column| self.0.iter().map(|row| row[column]).collect()).collect())
    }

    /// Rows and columns of a block mapped, element by element: `map block map^T`.
    pub(super) fn apply<R: Real>(&self, block: &[R]) -> Vec<R> {
        let n = self.n_columns();
        let of = |row: usize, x: &dyn Fn(usize) -> R| {
            // What is not taken may be infinite.
            let terms = self.terms(row).map(|column| R::from_f64(self.0[row][column]) * x(column));
            terms.fold(R::from_f64(0.0), |sum, term| sum + term)
        };
        let positions = (0..self.n_rows()).flat_map(|y| (0..self.n_rows()).map(move |x| [y, x]));
        positions.map(|[y, x]| of(x, &|j| of(y, &|i| block[i * n + j]))).collect()
    }

    /// The same as expressions, where `load` gives the elements of the block; row by row.
    pub(super) fn expressions(&self, load: &impl Fn(usize, usize) -> ScalarExpr) -> Vec<ScalarExpr> {
        let column = |y: usize, j: usize| build::rounded(self.row(y, &|i| load(i, j)));
        let positions = (0..self.n_rows()).flat_map(|y| (0..self.n_rows()).map(move |x| [y, x]));
        positions.map(|[y, x]| self.row(x, &|j| column(y, j))).collect()
    }

    /// One row of the map, applied to `x`.
    fn row(&self, row: usize, x: &dyn Fn(usize) -> ScalarExpr) -> ScalarExpr {
        let Some(first) = self.first_of_pair(row) else { return self.sum(row, x) };
        let is_odd = |column: &usize| self.0[first][*column] != self.0[first + 1][*column];
        let (odd, even): (Vec<usize>, Vec<usize>) = self.terms(first).partition(is_odd);
        let [even, odd] = [even, odd]
            .map(|columns| build::rounded(sum(columns.into_iter().map(|column| (self.0[first][column], x(column))))));
        build::binary(if row == first { BinaryOp::Add } else { BinaryOp::Sub }, even, odd)
    }

    /// A row as one sum. Neighbouring columns that differ in signs alone in every row are added, or subtracted, first.
    fn sum(&self, row: usize, x: &dyn Fn(usize) -> ScalarExpr) -> ScalarExpr {
        let is_pair = |column: usize| {
            column + 1 < self.n_columns()
                && self.0.iter().all(|row| row[column].abs() == row[column + 1].abs())
                && self.0.iter().any(|row| row[column] != row[column + 1])
        };
        let is_second = |column: usize| column > 0 && is_pair(column - 1);
        let term = |column: usize| {
            let number = self.0[row][column];
            if !is_pair(column) {
                return (number, x(column));
            }
            let op = if self.0[row][column + 1] == number { BinaryOp::Add } else { BinaryOp::Sub };
            (number, build::rounded(build::binary(op, x(column), x(column + 1))))
        };
        sum(self.terms(row).filter(|&column| !is_second(column)).map(term))
    }

    /// Columns of a row that are not zero.
    fn terms(&self, row: usize) -> impl Iterator<Item = usize> {
        (0..self.n_columns()).filter(move |&column| self.0[row][column] != 0.0)
    }

    /// The first of two neighbouring rows that differ in some signs alone, of which this is one.
    fn first_of_pair(&self, row: usize) -> Option<usize> {
        let is_first = |row: usize| {
            let Some((a, b)) = self.0.get(row).zip(self.0.get(row + 1)) else { return false };
            let is_nonzero = |(a, _): &(&f64, &f64)| **a != 0.0;
            let [mut even, mut odd] = [a, b].map(|_| a.iter().zip(b).filter(is_nonzero));
            a.iter().zip(b).all(|(a, b)| a.abs() == b.abs()) && even.any(|(a, b)| a == b) && odd.any(|(a, b)| a != b)
        };
        // Pairs stand at odd rows: the first point is 0.
        let first = if row.is_multiple_of(2) { row.checked_sub(1)? } else { row };
        is_first(first).then_some(first)
    }
}

/// A sum of numbers times values; what is taken once is no product.
fn sum(terms: impl Iterator<Item = (f64, ScalarExpr)>) -> ScalarExpr {
    let product = |(number, x): (f64, ScalarExpr)| match number {
        1.0 => x,
        number => build::binary(BinaryOp::Mul, ScalarExpr::Const(number), x),
    };
    let sum = terms.map(product).reduce(|sum, term| build::binary(BinaryOp::Add, sum, term));
    sum.expect("no row is zero")
}

/// The one of these values that `at`, from 0, says: halved again and again, so that it is not deep.
pub(super) fn choose(at: &Affine, values: &[ScalarExpr]) -> ScalarExpr {
    fn part(at: &Affine, first: usize, values: &[ScalarExpr]) -> ScalarExpr {
        if let [value] = values {
            return value.clone();
        }
        let middle = values.len() / 2;
        let [low, high] = [part(at, first, &values[..middle]), part(at, first + middle, &values[middle..])];
        let number = ScalarExpr::Int((first + middle) as i32);
        build::select(CmpOp::Lt, ScalarExpr::Index(at.clone()), number, low, high)
    }
    part(at, 0, values)
}

/// The value of an op.
pub(super) fn value<R: Real>(op: &impl OpRules, operands: &[&Tensor<R>]) -> Tensor<R> {
    let types: Vec<TensorType> = operands.iter().map(|x| TensorType::f32(Shape::fixed(&x.shape))).collect();
    let out = op.infer(&types.iter().collect::<Vec<_>>()).expect("it fits").shape.sizes(None);
    op.eval(operands, &out)
}

/// Images of which the first rows and columns are those of `out`.
pub(super) fn first<R: Real>(images: &Tensor<R>, out: &[usize]) -> Tensor<R> {
    Tensor::from_fn(out, |index| images.at(index))
}

/// Checks the size of tiles.
///
/// # Errors
/// If there are none of that size.
pub(super) fn check_tile(tile: usize) -> Result<(), TypeError> {
    match tile {
        2 | 4 => Ok(()),
        _ => Err(TypeError::new(format!("tiles have 2 or 4 rows and columns, got {tile}"))),
    }
}

/// Sizes `[h, w, c]` of images.
///
/// # Errors
/// If it is no batch of images, or one without elements.
pub(super) fn image_sizes(op: &str, x: &TensorType) -> Result<[usize; 3], TypeError> {
    match *x.shape.0.as_slice() {
        [_, Dim::Fixed(h), Dim::Fixed(w), Dim::Fixed(c)] if x.dtype == DType::F32 && h * w * c > 0 => Ok([h, w, c]),
        _ => Err(TypeError::operand(0, format!("{op} expects f32 images of shape [N,h,w,c], got {x}"))),
    }
}

/// Channels of each position, of `n` in all.
///
/// # Errors
/// If they are not dealt evenly.
pub(super) fn per_position(op: &str, n: usize, tile: usize) -> Result<usize, TypeError> {
    let n_positions = (tile + TAPS - 1).pow(2);
    if n > 0 && n.is_multiple_of(n_positions) {
        return Ok(n / n_positions);
    }
    Err(TypeError::operand(0, format!("{op} expects a multiple of {n_positions} channels, got {n}")))
}

impl Windows {
    /// That algorithm if it can compute the convolution with a kernel of these sizes, and is likely to be faster; else
    /// the direct one.
    pub fn suited(&self, algorithm: Algorithm, kernel: &[usize]) -> Algorithm {
        let is_suited = self.misfit(kernel).is_none() && kernel[2].min(kernel[3]) >= FEWEST_CHANNELS;
        if is_suited { algorithm } else { Algorithm::Direct }
    }

    /// Why Winograd's algorithm cannot compute the convolution with that kernel, if it cannot.
    pub(super) fn misfit(&self, kernel: &[usize]) -> Option<String> {
        let Windows { strides, padding, dilation, groups, .. } = self;
        let found = match () {
            () if kernel[..2] != [TAPS, TAPS] => format!("the kernel is {}x{}", kernel[0], kernel[1]),
            () if *strides != [1, 1] => format!("strides are {strides:?}"),
            () if *dilation != [1, 1] => format!("the dilation is {dilation:?}"),
            () if *groups != 1 => format!("there are {groups} groups"),
            () if padding.iter().any(|&pixels| pixels >= TAPS) => format!("the padding is {padding:?}"),
            () if kernel.contains(&0) => "the kernel is empty".to_string(),
            () => return None,
        };
        Some(format!(
            "Winograd's algorithm is for 3x3 kernels, strides of 1, and at most 2 pixels of padding, without dilation \
             and groups; here {found}"
        ))
    }

    /// Those of the product at each position of a tile.
    pub(super) fn of_positions(tile: usize) -> Windows {
        Windows { groups: (tile + TAPS - 1).pow(2), ..Windows::new([1, 1], [0; 4]) }
    }

    /// The windows of the convolution of `dy` that gives the gradient by the images.
    pub(super) fn of_input_grad(&self) -> Windows {
        Windows { padding: self.padding.map(|pixels| TAPS - 1 - pixels), ..*self }
    }

    /// Rows and columns of the convolved images.
    pub(super) fn output_sizes(&self, [h, w]: [usize; 2]) -> Option<[usize; 2]> {
        let [top, bottom, left, right] = self.padding;
        Some([output_size(h, TAPS, 1, top + bottom)?, output_size(w, TAPS, 1, left + right)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maps compute a convolution of one direction, and with that of both.
    #[test]
    fn maps_filter() {
        for tile in [2, 4] {
            let Maps { input, kernel, output } = Maps::of(tile);
            let n = tile + TAPS - 1;
            assert_eq!([input.n_rows(), input.n_columns(), kernel.n_rows(), output.n_columns()], [n; 4]);
            for k in 0..tile {
                for (i, r) in (0..n).flat_map(|i| (0..TAPS).map(move |r| (i, r))) {
                    let product = |p: usize| output.at(k, p) * kernel.at(p, r) * input.at(p, i);
                    let sum: f64 = (0..n).map(product).sum();
                    let expected = if i == k + r { 1.0 } else { 0.0 };
                    assert!((sum - expected).abs() < 1e-12, "tile {tile}: y[{k}] takes {sum} of d[{i}] * w[{r}]");
                }
            }
        }
    }

    /// The numbers that images and results are multiplied with are exact in `f32`.
    #[test]
    fn maps_are_not_rounded() {
        for maps in [2, 4].map(Maps::of) {
            for number in [maps.input, maps.output].iter().flat_map(|map| map.0.iter().flatten().copied()) {
                assert_eq!(f64::from(number as f32), number);
            }
        }
    }

    /// Pairs of rows, and of columns, are found: no number of a map is used more often than need be.
    #[test]
    fn pairs_share_sums() {
        let maps = Maps::of(4);
        let firsts = |map: &Map| (0..map.n_rows()).map(|row| map.first_of_pair(row)).collect::<Vec<_>>();
        let of_points = [None, Some(1), Some(1), Some(3), Some(3), None];
        assert_eq!(firsts(&maps.input), of_points);
        assert_eq!(firsts(&maps.kernel), of_points);
        assert_eq!(firsts(&maps.output.transposed()), of_points);
        assert_eq!(firsts(&maps.output), [None; 4]);
        let x = |column: usize| build::load(column, Vec::new());
        let n_loads = |map: &Map, row: usize| {
            let mut loaded = Vec::new();
            map.row(row, &x).for_each_load(&mut |operand| loaded.push(operand));
            loaded
        };
        assert_eq!(n_loads(&maps.output, 1), [1, 2, 3, 4]);
        assert_eq!(n_loads(&maps.input, 2), [2, 4, 1, 3]);
    }
}
