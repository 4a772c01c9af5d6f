//! Initial values of parameters.

use graphc_ir::graph::Graph;
use graphc_ir::ops::{Initializer, Op};
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
        let tensor = match parameter.initializer {
            Initializer::Constant(value) => Tensor::full(&sizes, value),
            Initializer::GlorotUniform => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(stream_of(&name));
                let limit = (6.0 / fans(&sizes)).sqrt() as f32;
                Tensor::from_fn(&sizes, |_| (2.0 * rng.random::<f32>() - 1.0) * limit)
            }
        };
        state.insert(name, tensor);
    }
    state
}

/// Sum of fan-in and fan-out (Keras): the last two sizes times the receptive field before them.
fn fans(sizes: &[usize]) -> f64 {
    match sizes {
        [] => 2.0,
        [size] => 2.0 * *size as f64,
        [field @ .., fan_in, fan_out] => (field.iter().product::<usize>() * (fan_in + fan_out)) as f64,
    }
}

/// FNV-1a of a name.
fn stream_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
