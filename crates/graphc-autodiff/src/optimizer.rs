//! The update of every parameter by the graph's optimizer, whose rule stands in the optimizer's own file.

use crate::error::AutodiffError;
use crate::reverse::Gradient;
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::{Input, Op};
use graphc_ir::optimizers::{LEARNING_RATE, optimizer_origin};
use graphc_ir::types::{DType, Shape, TensorType};

/// Adds the next value of every parameter by the graph's optimizer, and its average if the graph has averages. The
/// gradients are first added up over several steps, then clipped, if the graph says so.
///
/// # Errors
/// If there is no optimizer, or `learning_rate` is something else than an `f32` scalar input.
pub fn update(graph: &mut Graph, gradients: &[Gradient]) -> Result<(), AutodiffError> {
    let optimizer = graph.optimizer.clone().ok_or(AutodiffError::NoOptimizer)?;
    let learning_rate = learning_rate_input(graph)?;
    let mut of_parameters: Vec<(NodeId, NodeId)> = gradients.iter().map(|g| (g.parameter, g.value)).collect();
    let mut accumulated = None;
    if let Some(accumulation) = graph.accumulation {
        (of_parameters, accumulated) = accumulation.begin(graph, &of_parameters);
    }
    if let Some(clipping) = graph.clipping {
        of_parameters = clipping.write(graph, &of_parameters);
    }
    optimizer.write(graph, learning_rate, &of_parameters);
    if let Some(averaging) = graph.averaging {
        let parameters: Vec<NodeId> = gradients.iter().map(|g| g.parameter).collect();
        averaging.write(graph, &parameters);
    }
    if let Some(accumulated) = accumulated {
        accumulated.finish(graph);
    }
    Ok(())
}

/// The input `learning_rate`, added if the graph has none.
fn learning_rate_input(graph: &mut Graph) -> Result<NodeId, AutodiffError> {
    let scalar = TensorType::f32(Shape::scalar());
    match graph.find(LEARNING_RATE) {
        Some(id) if matches!(graph.op(id), Op::Input(_)) && *graph.ty(id) == scalar => Ok(id),
        Some(id) => Err(AutodiffError::LearningRate(id)),
        None => {
            let input = Input { dtype: DType::F32, shape: Shape::scalar() };
            Ok(graph.add(input, &[], LEARNING_RATE, optimizer_origin()).expect("an input is well-typed"))
        }
    }
}
