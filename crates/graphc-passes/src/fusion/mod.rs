//! Decides what is fused: which values get a buffer, which are recomputed in their readers, and
//! which loop nests run in which kernel.
//!
//! Input: a specialised graph without composites, after the algebraic passes. Output: a
//! [`FusionPlan`]; the graph is not changed. What must hold: autodiff has run, so that no gradient
//! rule ever sees a fused group.
//!
//! One mechanism serves every case of training-mode fusion. An elementwise value is inlined into its
//! readers (`store`); a contraction takes the elementwise chain behind it as its epilogue (`epilogue`), and sweeps
//! over the same index space are merged (`group`); work between two reductions over the
//! batch shares one kernel, chunk of samples by chunk (`kernels`). For LeNet-5 this gives
//! convolution + bias + statistics, normalise + relu + pool + statistics, pool gradient + relu
//! gradient + the two batch-norm reductions, softmax + loss + gradient, weight gradient + Adam.
//!
//! Sweeps and epilogues have limits ([`FusionOptions`]): behind these a value that is stored anyway, or is stored for
//! that, begins another nest. So the code of a nest fits the nearest cache, and the time of a compilation follows the
//! number of operations.
//!
//! Reading order: `options`, `views`, `facts`, `cost`, `store`, `epilogue`, `kernels`, `reads`, `group`, `label`.

mod cost;
mod epilogue;
mod facts;
mod group;
mod kernels;
mod label;
mod options;
mod reads;
mod store;
mod views;

use facts::Facts;
use graphc_ir::form::Form;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::FusionPlan;
use views::Views;

pub use options::FusionOptions;

/// The fusion plan of a specialised, fully expanded graph.
///
/// # Panics
/// If a composite is left or the batch size is not set.
pub fn plan(graph: &Graph) -> FusionPlan {
    plan_with(graph, &FusionOptions::default())
}

/// The fusion plan of a graph with some things decided otherwise.
///
/// # Panics
/// As [`plan()`].
pub fn plan_with(graph: &Graph, options: &FusionOptions) -> FusionPlan {
    let mut forms = Form::all(graph);
    let views = Views::of(graph, &forms, options);
    let mut plan = FusionPlan { views: views.composed.keys().copied().collect(), ..FusionPlan::default() };
    forms.compose(graph, &plan.views);
    let facts = Facts::of(graph, &forms, options);
    let costs = store::decide(&facts, &views, &mut plan);
    let chains = match options.epilogues {
        true => epilogue::absorb(&facts, &costs, &mut plan),
        false => epilogue::Chains::new(),
    };
    let (kernels, cuts) = kernels::arrange(&facts, &chains, &plan);
    plan.kernels = kernels;
    plan.decisions.extend(cuts);
    label::name_groups(&facts, &chains, &mut plan);
    debug_assert!(!plan.stored.iter().any(|node| forms[node].is_summand()), "a summand has a buffer");
    plan
}
