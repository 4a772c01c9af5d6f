//! Random matrices with orthogonal rows or columns, in sums and products of `f64` in a fixed order: the same bits on
//! every machine.
//!
//! The factor `Q` of `A = QR`, `A` of normal numbers and the diagonal of `R` positive, is drawn evenly from all such
//! matrices (Mezzadri 2007). Gram and Schmidt's process gives just that one; going over every column twice makes it as
//! orthogonal as rounding allows (Giraud and others 2005). It takes `4 n m^2` operations for `m` columns of `n`
//! numbers, seconds for 1000 by 1000.

use graphc_ir::tensor::Tensor;

/// Partial sums of a product: as many as vectors can add at once.
const SUMS: usize = 8;

/// A matrix of the last size by all others, times `gain`; `normal` draws numbers.
pub(super) fn orthogonal(sizes: &[usize], gain: f64, mut normal: impl FnMut() -> f64) -> Tensor<f32> {
    let n_columns = sizes.last().copied().unwrap_or(1);
    let n_rows = sizes.iter().product::<usize>() / n_columns.max(1);
    let (n, m) = (n_rows.max(n_columns), n_rows.min(n_columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(m);
    while basis.len() < m {
        let drawn = (0..n).map(|_| normal()).collect();
        // What is nothing but rounding errors of the others is drawn again.
        basis.extend(orthogonal_to(&basis, drawn));
    }
    let element = |row: usize, column: usize| if n_rows < n_columns { basis[row][column] } else { basis[column][row] };
    let elements = (0..n_rows * n_columns).map(|at| (gain * element(at / n_columns, at % n_columns)) as f32);
    Tensor::new(sizes.to_vec(), elements.collect())
}

/// A vector of length 1 in the direction that is left of `vector` without those of the basis.
fn orthogonal_to(basis: &[Vec<f64>], mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let before = product(&vector, &vector).sqrt();
    for _ in 0..2 {
        for direction in basis {
            let share = product(direction, &vector);
            vector.iter_mut().zip(direction).for_each(|(x, d)| *x -= share * d);
        }
    }
    let length = product(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    (length > 1e-10 * before).then_some(vector)
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; SUMS];
    let (a_blocks, b_blocks) = (a.chunks_exact(SUMS), b.chunks_exact(SUMS));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}
