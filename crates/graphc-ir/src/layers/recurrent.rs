//! What recurrent layers share: a sequence, its weights, and steps that are written out one after another.
//!
//! A step is ordinary nodes, and a layer of `T` steps has them `T` times: gradients through time are those of any
//! graph. What does not depend on the state, the products of all inputs with the kernel, is one product in front of
//! the steps.

use super::context::LayerCx;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult};
use crate::ops::{Add, Initializer, MatMul, Op, Reshape, Slice, Split, Stack};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// What is said of the layer.
pub(super) struct Recurrent<'a> {
    /// Its name in graph files.
    pub(super) layer: &'static str,
    pub(super) units: usize,
    /// Vectors of `units` numbers that a step computes of inputs and state.
    pub(super) n_gates: usize,
    pub(super) kernel: &'a Initializer,
    pub(super) recurrent: &'a Initializer,
    pub(super) return_sequences: bool,
    pub(super) go_backwards: bool,
}

/// What goes from one step to the next.
#[derive(Clone, Copy)]
pub(super) struct State {
    /// The output, `[N,units]`.
    pub(super) hidden: NodeId,
    /// What else there is.
    pub(super) cell: Option<NodeId>,
}

/// The end of a step.
pub(super) struct Next {
    /// The op that computes the output.
    pub(super) op: Op,
    /// What it reads.
    pub(super) operands: Vec<NodeId>,
    pub(super) cell: Option<NodeId>,
}

/// One step.
pub(super) struct Step {
    number: usize,
    /// Kernel of the state, `[units,n_gates * units]`.
    pub(super) kernel: NodeId,
    /// Products of its inputs with the kernel, `[N,n_gates * units]`.
    pub(super) projected: NodeId,
    /// None before the first step: it is 0.
    pub(super) state: Option<State>,
}

impl Step {
    /// A node of this step.
    pub(super) fn add(&self, cx: &mut LayerCx<'_>, part: &str, op: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        cx.part(&format!("step{}.{part}", self.number), op, operands)
    }

    /// The parts of so many units of a vector, which has no batch if it is a bias.
    pub(super) fn gates<const N: usize>(
        &self,
        cx: &mut LayerCx<'_>,
        part: &str,
        of: NodeId,
    ) -> Result<[NodeId; N], BuildError> {
        let ty = cx.ty(of);
        let axis = ty.rank() - 1;
        let size = cx.fixed_dim(&ty, axis, "the gates")? / N;
        let mut gates = [of; N];
        for (result, gate) in gates.iter_mut().enumerate() {
            *gate = self.add(cx, &format!("{part}{result}"), Split { axis, sizes: vec![size; N], result }, &[of])?;
        }
        Ok(gates)
    }

    /// The product of the output of the step before with a kernel.
    pub(super) fn product(&self, cx: &mut LayerCx<'_>, part: &str, hidden: NodeId, kernel: NodeId) -> BuildResult {
        self.add(cx, part, MatMul { transpose_a: false, transpose_b: false }, &[hidden, kernel])
    }
}

/// Adds a bias to the products of all inputs, if there is one.
pub(super) fn biased(cx: &mut LayerCx<'_>, projected: NodeId, bias: Option<NodeId>) -> BuildResult {
    match bias {
        Some(bias) => cx.part("bias_add", Add {}, &[projected, bias]),
        None => Ok(projected),
    }
}

impl Recurrent<'_> {
    /// The kernels of inputs and state, and the products of all inputs with theirs, `[N,T,n_gates * units]`.
    ///
    /// # Errors
    /// If the layer does not read a sequence.
    pub(super) fn project(&self, cx: &mut LayerCx<'_>) -> Result<[NodeId; 2], BuildError> {
        let (x, n_outputs) = (cx.inputs[0], self.n_gates * self.units);
        let ty = cx.ty(x);
        let features = match ty.shape.0.as_slice() {
            &[Dim::Batch, Dim::Fixed(_), Dim::Fixed(features)] if ty.dtype == DType::F32 => features,
            _ => return self.refuse(cx, &ty),
        };
        let kernel = cx.weight("kernel", &[features, n_outputs], self.kernel.clone())?;
        let recurrent = cx.weight("recurrent_kernel", &[self.units, n_outputs], self.recurrent.clone())?;
        let linear = MatMul { transpose_a: false, transpose_b: false };
        Ok([cx.part("projected", linear, &[x, kernel])?, recurrent])
    }

    fn refuse<T>(&self, cx: &LayerCx<'_>, ty: &TensorType) -> Result<T, BuildError> {
        let message = format!("{} expects f32 sequences of shape [N,T,features], got {ty}", self.layer);
        cx.fail(TypeError::operand(0, message))
    }

    /// All steps, and the result: the output of the last one, `[N,units]`, or those of all, `[N,T,units]`.
    pub(super) fn unroll(
        &self,
        cx: &mut LayerCx<'_>,
        [projected, kernel]: [NodeId; 2],
        step: impl Fn(&mut LayerCx<'_>, &Step) -> Result<Next, BuildError>,
    ) -> BuildResult {
        let ty = cx.ty(projected);
        let (n_steps, n_outputs) = (cx.fixed_dim(&ty, 1, "the number of steps")?, self.n_gates * self.units);
        let mut outputs = Vec::new();
        let mut state = None;
        for number in 0..n_steps {
            let start = if self.go_backwards { n_steps - 1 - number } else { number };
            let slice = Slice::part(1, start, start + 1);
            let slice = cx.part(&format!("step{number}.inputs"), slice, &[projected])?;
            let shape = Shape::batched(&[n_outputs]);
            let projected = cx.part(&format!("step{number}.projected"), Reshape { shape }, &[slice])?;
            let this = Step { number, kernel, projected, state };
            let Next { op, operands, cell } = step(cx, &this)?;
            if number + 1 == n_steps && !self.return_sequences {
                return cx.add(op, &operands);
            }
            let hidden = this.add(cx, "output", op, &operands)?;
            outputs.push(hidden);
            state = Some(State { hidden, cell });
        }
        cx.add(Stack { axis: 1 }, &outputs)
    }
}
