//! What every op must tell.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, Elementwise, LossUsage, Usage};
use crate::attrs::OpAttrs;
use crate::compute::Compute;
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// How an op becomes loops.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Lowering {
    /// Its value is given: an input, a parameter.
    Leaf,
    /// Index notation.
    Compute(Compute),
    /// Population variance over axes; the schedule sums squared deviations per batch chunk and
    /// joins chunks by Chan's formula, which index notation does not express.
    Variance {
        /// Reduced axes of the operand, ascending.
        axes: Vec<usize>,
    },
    /// Expanded into other ops before the schedule sees it.
    Composite(Expand),
}

/// When a composite is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expand {
    /// Before autodiff, because the expansion depends on the mode, or because its parts' gradient
    /// rules are the right ones.
    BeforeAutodiff,
    /// After autodiff and the algebraic rules, because the composite's own gradient is better.
    AfterAutodiff,
}

/// Of operands that may follow.
pub const ANY_NUMBER: usize = usize::MAX;

/// The rules of one op. An op with several results is a node for each of them: the same operands and attributes, but
/// for one called `result`, the number of the result that the node is. Gradients of the results add up, so that each
/// has a rule of its own; what they have in common is found when equal nodes become one, and is fused.
pub trait OpRules: OpAttrs {
    /// The mnemonic in text form and JSON.
    const NAME: &'static str;

    /// Number of operands.
    const ARITY: usize;

    /// How many operands may follow those, [`ANY_NUMBER`] if there is no limit.
    const N_OPTIONAL: usize = 0;

    /// What it computes: one line of Markdown for the table of ops and, with a capital letter, for the guide.
    const SUMMARY: &'static str;

    /// How a network uses it; none if it comes from layers, gradient rules and passes alone.
    const USAGE: Option<Usage> = None;

    /// How a network uses it as its loss; none if it does not.
    const LOSS: Option<LossUsage> = None;

    /// Whether a layer takes it for its `activation`: an op with one operand, whose attributes all have defaults.
    const IS_ACTIVATION: bool = false;

    /// Its nature, if it is an elementwise op.
    const ELEMENTWISE: Option<Elementwise> = None;

    /// Whether it only moves, chooses, compares or counts: its results are not rounded.
    const IS_EXACT: bool = false;

    /// Whether a composite computes something else in training than in inference: there is nothing to evaluate.
    const DEPENDS_ON_MODE: bool = false;

    /// Why tests do not draw it, though it is no elementwise op and has no [`OpRules::draw`].
    const NOT_DRAWN: Option<&'static str> = None;

    /// Type of the result. `operands` has [`OpRules::ARITY`] entries, and up to
    /// [`OpRules::N_OPTIONAL`] more.
    ///
    /// # Errors
    /// If the op does not accept them; the message gives the shapes.
    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError>;

    /// The meaning: plain loops, slow and obvious. `out` gives the sizes of the result. For a leaf
    /// or a composite that is never evaluated (because the interpreter binds or expands it) this
    /// may panic.
    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R>;

    /// Vector-Jacobian product: for each operand the gradient of the loss, given `dy`, that of the
    /// result; `None` where it is zero or undefined (labels). Write the formula as a comment. Composites that are
    /// expanded before autodiff need none.
    ///
    /// # Panics
    /// If there is none.
    fn vjp(&self, _cx: &mut OpCx<'_>, _dy: NodeId) -> Vec<Option<NodeId>> {
        panic!("{} is expanded before autodiff", Self::NAME)
    }

    /// How many results the op has, of which this is one.
    fn n_results(&self) -> usize {
        1
    }

    /// When the op on such operands is expanded, if it is a composite.
    fn composite(&self, _operands: &[&TensorType]) -> Option<Expand> {
        None
    }

    /// The loop form of what is no composite.
    fn lower(&self, _operands: &[&TensorType], _out: &TensorType) -> Lowering {
        unreachable!("{} is a composite", Self::NAME)
    }

    /// A composite's value in terms of other ops.
    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        panic!("{} ({}) is not a composite", Self::NAME, cx.node)
    }

    /// What numbers an operand of these may hold.
    fn domain(&self, operand: usize, _operands: &[&TensorType]) -> Domain {
        Self::ELEMENTWISE.map_or(Domain::Any, |nature| nature.domains[operand])
    }

    /// The op made up, with operands: for tests and random graphs, which draw elementwise ops by their domains. `None`
    /// if there is nothing to make it of.
    fn draw(_draw: &mut dyn Draw) -> Option<Drawn<Self>>
    where
        Self: Sized,
    {
        None
    }
}
