//! Initial values of parameters.

use graphc_ir::graph::Graph;
use graphc_ir::initializers::Law;
use graphc_ir::ops::Op;
use graphc_ir::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// First values of all parameters. Each parameter draws from a stream of its own, so that adding a
/// layer leaves the others as they were.
pub fn initial_state(graph: &Graph, seed: u64) -> BTreeMap<String, Tensor<f32>> {
    let mut state = BTreeMap::new();
    for id in graph.ids() {
        let Op::Parameter(parameter) = graph.op(id) else { continue };
        let name = graph.node(id).name.clone();
        let sizes = parameter.shape.sizes(None);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream_of(&name));
        let tensor = match parameter.initializer.law(&sizes) {
            Law::Constant(value) => Tensor::full(&sizes, value),
            Law::Uniform { limit } => Tensor::from_fn(&sizes, |_| (2.0 * rng.random::<f32>() - 1.0) * limit as f32),
            Law::Normal { stddev } => Tensor::from_fn(&sizes, |_| (normal(&mut rng) * stddev) as f32),
            Law::TruncatedNormal { stddev } => Tensor::from_fn(&sizes, |_| (truncated(&mut rng) * stddev) as f32),
        };
        state.insert(name, tensor);
    }
    state
}

/// Standard normal (Box and Muller 1958), in functions that are the same on every machine.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>())
}

/// Normal, cut off at two standard deviations; those of what remains are then 1.
fn truncated(rng: &mut ChaCha8Rng) -> f64 {
    /// Standard deviation of a standard normal number that is at most 2 in magnitude.
    const REMAINING: f64 = 0.879_625_661_034_239_8;
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
    use graphc_ir::initializers::{GlorotNormal, HeNormal, HeUniform, Initializer, RandomNormal, RandomUniform};
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
        let cases: [(Initializer, (f64, f64)); 6] = [
            (Initializer::KERNEL, uniform((6.0f64 / 1800.0).sqrt())),
            (HeUniform {}.into(), uniform((6.0f64 / 600.0).sqrt())),
            (RandomUniform { limit: 0.05 }.into(), uniform(0.05)),
            (GlorotNormal {}.into(), truncated(2.0 / 1800.0)),
            (HeNormal {}.into(), truncated(2.0 / 600.0)),
            (RandomNormal { stddev: 0.05 }.into(), (0.0025, f64::INFINITY)),
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
    }
}
