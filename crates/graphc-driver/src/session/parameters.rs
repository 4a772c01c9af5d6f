//! Initial values of parameters.

use super::orthogonal::orthogonal;
use graphc_ir::graph::Graph;
use graphc_ir::initializers::{Law, REMAINING};
use graphc_ir::ops::{Op, Parameter};
use graphc_ir::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// First values of all parameters. Each parameter draws from a stream of its own, so that adding a
/// layer leaves the others as they were; one whose initializer has a seed draws from the first stream of that.
pub fn initial_state(graph: &Graph, seed: u64) -> BTreeMap<String, Tensor<f32>> {
    let mut state = BTreeMap::new();
    for id in graph.ids() {
        let Op::Parameter(Parameter { shape, initializer, .. }) = graph.op(id) else { continue };
        let name = graph.node(id).name.clone();
        let sizes = shape.sizes(None);
        let (seed, stream) = match initializer.seed() {
            Some(own) => (own.cast_unsigned(), 0),
            None => (seed, stream_of(&name)),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        state.insert(name, drawn(initializer.law(&sizes), &sizes, &mut rng));
    }
    state
}

fn drawn(law: Law, sizes: &[usize], rng: &mut ChaCha8Rng) -> Tensor<f32> {
    // A mean of 0 is not added, since that would make 0 of a -0.
    let around = |mean: f64, value: f64| if mean == 0.0 { value } else { mean + value };
    match law {
        Law::Constant(value) => Tensor::full(sizes, value),
        Law::Uniform { limit } => Tensor::from_fn(sizes, |_| (2.0 * rng.random::<f32>() - 1.0) * limit as f32),
        Law::Between { min, max } => Tensor::from_fn(sizes, |_| (min + (max - min) * rng.random::<f64>()) as f32),
        Law::Normal { mean, stddev } => Tensor::from_fn(sizes, |_| around(mean, normal(rng) * stddev) as f32),
        Law::TruncatedNormal { mean, stddev } => {
            Tensor::from_fn(sizes, |_| around(mean, truncated(rng) * stddev) as f32)
        }
        Law::Orthogonal { gain } => orthogonal(sizes, gain, || normal(rng)),
        Law::UnitForget => {
            let quarter = sizes[0] / 4;
            Tensor::from_fn(sizes, |index| if index[0] / quarter == 1 { 1.0 } else { 0.0 })
        }
        Law::Identity { gain } => Tensor::from_fn(sizes, |index| if index[0] == index[1] { gain as f32 } else { 0.0 }),
    }
}

/// Standard normal (Box and Muller 1958), in functions that are the same on every machine.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}

/// Normal, cut off at two standard deviations; those of what remains are then 1.
fn truncated(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let value = normal(rng);
        if value.abs() <= 2.0 {
            return value / REMAINING;
        }
    }
}

/// FNV-1a of a name.
fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::graph::Origin;
    use graphc_ir::initializers::{
        Distribution, FanMode, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, Initializer, LecunNormal,
        LecunUniform, Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
    };
    use graphc_ir::ops::Parameter;
    use graphc_ir::types::Shape;

    /// Elements of a kernel [3, 4, 50, 100], of fans 600 and 1200.
    fn drawn(initializer: Initializer) -> Vec<f64> {
        let mut graph = Graph::new("drawn");
        let op = Parameter { shape: Shape::fixed(&[3, 4, 50, 100]), initializer, trainable: true };
        graph.add(op, &[], "kernel", Origin::layer("layer", 0)).unwrap();
        initial_state(&graph, 7)["kernel"].data.iter().map(|&value| f64::from(value)).collect()
    }

    #[test]
    fn numbers_follow_their_laws() {
        // Variance, and the largest magnitude there is.
        let uniform = |limit: f64| (limit * limit / 3.0, limit);
        let truncated = |variance: f64| (variance, 2.0 * (variance.sqrt() / 0.879_625));
        let of_fans = |mode, distribution| {
            VarianceScaling { scale: 2.0, mode, distribution, ..VarianceScaling::default() }.into()
        };
        let cases: [(Initializer, (f64, f64)); 12] = [
            (Initializer::KERNEL, uniform((6.0f64 / 1800.0).sqrt())),
            (HeUniform::default().into(), uniform((6.0f64 / 600.0).sqrt())),
            (RandomUniform { limit: 0.05, ..RandomUniform::default() }.into(), uniform(0.05)),
            (GlorotNormal::default().into(), truncated(2.0 / 1800.0)),
            (HeNormal::default().into(), truncated(2.0 / 600.0)),
            (RandomNormal { stddev: 0.05, ..RandomNormal::default() }.into(), (0.0025, f64::INFINITY)),
            (
                TruncatedNormal { stddev: 0.05, ..TruncatedNormal::default() }.into(),
                truncated(0.0025 * REMAINING.powi(2)),
            ),
            (LecunNormal::default().into(), truncated(1.0 / 600.0)),
            (LecunUniform::default().into(), uniform((3.0f64 / 600.0).sqrt())),
            (of_fans(FanMode::FanIn, Distribution::TruncatedNormal), truncated(2.0 / 600.0)),
            (of_fans(FanMode::FanOut, Distribution::UntruncatedNormal), (2.0 / 1200.0, f64::INFINITY)),
            (of_fans(FanMode::FanAvg, Distribution::Uniform), uniform((6.0f64 / 900.0).sqrt())),
        ];
        for (initializer, (variance, limit)) in cases {
            let values = drawn(initializer.clone());
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            // Five standard deviations of a mean, and of the variance of normal numbers.
            assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{initializer:?}: mean {mean}");
            let found = values.iter().map(|value| value * value).sum::<f64>() / n;
            assert!(
                (found / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                "{initializer:?}: {found}, not {variance}"
            );
            let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            assert!(largest <= limit * 1.000_001, "{initializer:?}: {largest}");
            // Beyond two deviations of normal numbers are 4.55%; of uniform ones there are none.
            let beyond = values.iter().filter(|value| value.abs() > 2.0 * variance.sqrt()).count() as f64 / n;
            let is_normal = limit.is_infinite();
            assert!(!is_normal || (beyond - 0.0455).abs() < 0.005, "{initializer:?}: {beyond}");
            assert!(
                largest > if is_normal { 3.5 * variance.sqrt() } else { 0.99 * limit },
                "{initializer:?}: {largest}"
            );
        }
        assert_eq!(drawn(Initializer::Constant(0.5)), vec![0.5; 60_000]);
        assert_eq!(drawn(Zeros {}.into()), vec![0.0; 60_000]);
        assert_eq!(drawn(Ones {}.into()), vec![1.0; 60_000]);
    }

    #[test]
    fn numbers_are_around_their_mean() {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let normal = drawn(RandomNormal { mean: 2.0, stddev: 0.5, seed: None }.into());
        assert!((mean(&normal) - 2.0).abs() < 0.02 && least(&normal) < 1.0 && greatest(&normal) > 3.0);
        let truncated = drawn(TruncatedNormal { mean: -1.0, stddev: 0.5, seed: None }.into());
        assert!((mean(&truncated) + 1.0).abs() < 0.02 && least(&truncated) >= -2.0 && greatest(&truncated) <= 0.0);
        let between = |minval, maxval| {
            let values = drawn(RandomUniform { minval, maxval, ..RandomUniform::default() }.into());
            [least(&values), greatest(&values)]
        };
        let close = |[min, max]: [f64; 2], to: [f64; 2]| {
            (min - to[0]).abs() < 1e-3 && (max - to[1]).abs() < 1e-3 && min >= to[0] && max <= to[1]
        };
        assert!(close(between(Some(1.0), Some(2.0)), [1.0, 2.0]));
        assert!(close(between(Some(-0.25), None), [-0.25, f64::from(0.05f32)]));
    }

    #[test]
    fn a_seed_of_its_own_leaves_the_others_out() {
        let numbers = |name: &str, seed: Option<i64>, of_all: u64| {
            let mut graph = Graph::new("drawn");
            let initializer = GlorotUniform { seed }.into();
            let op = Parameter { shape: Shape::fixed(&[4, 3]), initializer, trainable: true };
            graph.add(op, &[], name, Origin::layer("layer", 0)).unwrap();
            initial_state(&graph, of_all)[name].data.clone()
        };
        assert_eq!(numbers("a", Some(5), 1), numbers("b", Some(5), 2));
        assert_ne!(numbers("a", Some(5), 1), numbers("a", Some(6), 1));
        assert_ne!(numbers("a", None, 1), numbers("b", None, 1));
        assert_ne!(numbers("a", None, 1), numbers("a", None, 2));
    }

    fn matrix(initializer: Initializer, sizes: &[usize]) -> Tensor<f32> {
        let mut graph = Graph::new("drawn");
        let op = Parameter { shape: Shape::fixed(sizes), initializer, trainable: true };
        graph.add(op, &[], "kernel", Origin::layer("layer", 0)).unwrap();
        initial_state(&graph, 7).remove("kernel").unwrap()
    }

    #[test]
    fn the_fewer_of_rows_and_columns_are_orthogonal() {
        for (sizes, n_rows, n_columns) in
            [(&[40, 7][..], 40, 7), (&[7, 40], 7, 40), (&[9, 9], 9, 9), (&[3, 2, 5, 11], 30, 11), (&[1, 1], 1, 1)]
        {
            let q = matrix(Orthogonal { gain: 2.0, seed: None }.into(), sizes).data;
            let n = n_rows.min(n_columns);
            let element = |vector: usize, at: usize| {
                let (row, column) = if n_rows < n_columns { (vector, at) } else { (at, vector) };
                f64::from(q[row * n_columns + column])
            };
            for (a, b) in (0..n).flat_map(|a| (0..n).map(move |b| (a, b))) {
                let product: f64 = (0..n_rows.max(n_columns)).map(|at| element(a, at) * element(b, at)).sum();
                let expected = if a == b { 4.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-6, "{sizes:?}: {a}, {b}: {product}");
            }
        }
    }

    /// Recorded, so that another machine or another order of a sum is noticed.
    #[test]
    fn orthogonal_matrices_have_the_same_bits_everywhere() {
        let q = matrix(Orthogonal::default().into(), &[3, 2]).data;
        assert_eq!(q, [0.442_448_97, -0.775_525, 0.892_101, 0.329_312_83, -0.091_622_52, -0.538_622_4]);
    }

    #[test]
    fn identities_have_a_diagonal() {
        assert_eq!(matrix(Identity { gain: 0.5 }.into(), &[2, 3]).data, [0.5, 0.0, 0.0, 0.0, 0.5, 0.0]);
    }
}
