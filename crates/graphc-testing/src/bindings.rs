//! Deterministic random inputs and parameters for any graph.

use graphc_ir::graph::Graph;
use graphc_ir::tensor::Tensor;
use graphc_ir::types::DType;
use graphc_ir::{Op, compute};
use std::collections::BTreeMap;

/// Tensors for every input and parameter of a specialised graph; the same seed gives the same.
///
/// Inputs lie in `[-2, 2)` and trainable parameters in `[-1, 1)`. Other parameters, which may be variances or
/// optimizer state, lie in `[0.25, 0.95)`. Integers are labels of the ops that read them, else below 10.
/// A scalar input called `learning_rate` is 0.01.
///
/// # Panics
/// If the graph has a batch dimension and no batch size.
pub fn bindings(graph: &Graph, seed: u64) -> BTreeMap<String, Tensor<f32>> {
    let mut bindings = BTreeMap::new();
    for id in graph.ids() {
        let name = graph.node(id).name.clone();
        let (low, high) = match graph.op(id) {
            Op::Input(_) if name == "learning_rate" => (0.01, 0.01),
            Op::Input(input) if input.dtype == DType::I32 => (0.0, graph.usual_integers_below(id).unwrap_or(10) as f32),
            Op::Input(_) => (-2.0, 2.0),
            Op::Parameter(parameter) if parameter.trainable => (-1.0, 1.0),
            Op::Parameter(_) => (0.25, 0.95),
            _ => continue,
        };
        let is_integer = graph.ty(id).dtype == DType::I32;
        let key = name.bytes().fold(seed as i32 ^ (seed >> 32) as i32, |key, byte| {
            key.wrapping_mul(0x0100_0193).wrapping_add(i32::from(byte))
        });
        let mut counter = 0;
        let tensor = Tensor::from_fn(&graph.sizes(id), |_| {
            counter += 1;
            let value = low + (high - low) * compute::uniform(counter, key);
            if is_integer { value.floor() } else { value }
        });
        bindings.insert(name, tensor);
    }
    bindings
}

/// What a test of special values puts among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// NaN, infinities, zeros of both signs: every engine must make the same of them.
    Certain,
    /// These, subnormal numbers, the ends of the range, and where `exp` begins and ends.
    All,
}

impl Specials {
    fn values(self) -> &'static [f32] {
        const VALUES: &[f32] = &[
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
            // From here on what graph interpreters may see otherwise.
            1e-40,
            -1e-40,
            f32::from_bits(1),
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            f32::MAX,
            -3e38,
            1e20,
            -1e-20,
            -87.33,
            88.72,
        ];
        match self {
            Specials::Certain => &VALUES[..5],
            Specials::All => VALUES,
        }
    }
}

/// [`bindings`], of whose `f32` tensors one in two has special values among its elements: one in eight of them, but at
/// least one. Integers stay as they are.
///
/// # Panics
/// As [`bindings`].
pub fn special_bindings(graph: &Graph, seed: u64, specials: Specials) -> BTreeMap<String, Tensor<f32>> {
    let integers: Vec<&str> = graph
        .ids()
        .into_iter()
        .filter(|&id| graph.ty(id).dtype == DType::I32)
        .map(|id| graph.node(id).name.as_str())
        .collect();
    let mut bindings = bindings(graph, seed);
    let mut counter = 0;
    let mut below = |n: usize| {
        counter += 1;
        (compute::uniform(counter, (seed ^ (seed >> 32) ^ 0x5bec) as i32) * n as f32) as usize
    };
    for (name, tensor) in &mut bindings {
        if integers.contains(&name.as_str()) || below(2) == 0 {
            continue;
        }
        let len = tensor.data.len();
        for _ in 0..len.div_ceil(8) {
            let value = specials.values()[below(specials.values().len())];
            if let Some(slot) = tensor.data.get_mut(below(len.max(1))) {
                *slot = value;
            }
        }
    }
    bindings
}
