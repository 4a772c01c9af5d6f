//! What the tests of engines share: a comparison with the graph interpreter's numbers.

use graphc_interp::graph::Evaluation;
use graphc_interp::loops::Memory;
use graphc_ir::Tensor;
use graphc_ir::loops::{BufferKind, Program};

/// Outputs and updated parameters in `memory` against their meaning; `tolerance` is that of an output or parameter,
/// relative to its largest element and to 1.
pub(crate) fn compare_with_meaning(
    program: &Program,
    memory: &Memory,
    meaning: &Evaluation<f64>,
    tolerance: impl Fn(&str) -> f64,
) -> Result<(), String> {
    let outputs = meaning.outputs.iter().map(|(name, tensor)| (BufferKind::Output, name, tensor));
    let updates = meaning.updates.iter().map(|(name, tensor)| (BufferKind::State, name, tensor));
    for (kind, name, expected) in outputs.chain(updates) {
        let found = memory.get(program, kind, name).map_err(|error| error.to_string())?;
        compare(name, &found, expected, tolerance(name))?;
    }
    Ok(())
}

/// `found` against `expected`. A tolerance of 0 wants the f32 nearest to every element.
pub(crate) fn compare(name: &str, found: &Tensor<f32>, expected: &Tensor<f64>, tolerance: f64) -> Result<(), String> {
    if found.shape != expected.shape {
        return Err(format!("{name}: shape {:?}, expected {:?}", found.shape, expected.shape));
    }
    let largest = expected.data.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    for (i, (&found, &expected)) in found.data.iter().zip(&expected.data).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let is_right = if tolerance == 0.0 { found == expected as f32 } else { error <= tolerance * largest };
        if !is_right {
            return Err(format!("{name}[{i}]: {found:e}, expected {expected:e} (largest {largest:e})"));
        }
    }
    Ok(())
}
