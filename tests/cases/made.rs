//! The case of an op, made of what it says of itself.

use graphc_ir::graph::{Graph, NodeId, Origin};
use graphc_ir::ops::facts::{Domain, Jumps};
use graphc_ir::ops::{Add, Constant, Initializer, Input, Mul, OpInfo, Parameter, ReduceMean, Sigmoid, Tanh};
use graphc_ir::types::TensorType;
use graphc_ir::{DType, Dim, Op, Shape};
use graphc_testing::{OpCase, op_cases};

/// How many cases of an op a graph has.
const N_CASES: usize = 6;

/// Cases of the op, on inputs and on their products with parameters, which have gradients. Parameters are squared in
/// the loss, so that they have influence where the function is flat, too.
pub(crate) fn graph(info: &OpInfo) -> Option<Graph> {
    let cases = op_cases(info, N_CASES);
    let mut made = Made { graph: Graph::new(info.name), loss: None, n_leaves: 0 };
    made.graph.batch = Some(9);
    cases.iter().for_each(|case| made.add_case(case));
    made.graph.loss = made.loss;
    (!cases.is_empty()).then_some(made.graph)
}

struct Made {
    graph: Graph,
    loss: Option<NodeId>,
    n_leaves: usize,
}

impl Made {
    fn add_case(&mut self, case: &OpCase) {
        let inputs: Vec<NodeId> = case.operands.iter().map(|ty| self.input(ty)).collect();
        let of_inputs = self.apply(case, &inputs);
        self.output(of_inputs);
        let is_step = case.op.elementwise().is_some_and(|nature| nature.jumps == Jumps::InValue);
        let is_real = |ty: &TensorType| ty.dtype == DType::F32;
        if !is_real(self.graph.ty(of_inputs)) || !case.operands.iter().any(is_real) || is_step {
            return;
        }
        let products: Vec<NodeId> = inputs.iter().map(|&x| self.times_parameter(x)).collect();
        let of_products = self.apply(case, &products);
        self.output(of_products);
        self.add_to_loss(of_products);
    }

    fn add(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        self.graph.add(op, operands, "", Origin::layer("case", 0)).expect("the case type-checks")
    }

    fn leaf(&mut self, kind: &str, op: impl Into<Op>) -> NodeId {
        let id = self.add(op, &[]);
        self.n_leaves += 1;
        self.graph.node_mut(id).name = format!("{kind}{}", self.n_leaves);
        id
    }

    fn input(&mut self, ty: &TensorType) -> NodeId {
        self.leaf("x", Input { dtype: ty.dtype, shape: ty.shape.clone() })
    }

    /// Integers stay as they are.
    fn times_parameter(&mut self, x: NodeId) -> NodeId {
        let ty = self.graph.ty(x).clone();
        if ty.dtype != DType::F32 {
            return x;
        }
        let one_sample = ty.shape.0.into_iter().map(|dim| if dim == Dim::Batch { Dim::Fixed(1) } else { dim });
        let (shape, initializer) = (Shape(one_sample.collect()), Initializer::Constant(0.0));
        let parameter = self.leaf("p", Parameter { shape, initializer, trainable: true });
        self.add_to_loss(parameter);
        self.add(Mul {}, &[x, parameter])
    }

    /// The op on something of these that lies in its domains.
    fn apply(&mut self, case: &OpCase, tensors: &[NodeId]) -> NodeId {
        let types = case.operand_types();
        let confined = tensors.iter().enumerate().map(|(i, &x)| self.confined(x, case.op.domain(i, &types)));
        let operands: Vec<NodeId> = confined.collect();
        self.add(case.op.clone(), &operands)
    }

    fn constant(&mut self, value: f64) -> NodeId {
        self.add(Constant { value, shape: Shape::scalar() }, &[])
    }

    /// Something of `x` that lies in the domain.
    fn confined(&mut self, x: NodeId, domain: Domain) -> NodeId {
        match domain {
            Domain::Any | Domain::Below(_) | Domain::BelowOr { .. } => x,
            Domain::Share => self.add(Sigmoid {}, &[x]),
            Domain::AtLeast(least) => {
                let (square, least) = (self.add(Mul {}, &[x, x]), self.constant(least));
                self.add(Add {}, &[square, least])
            }
            Domain::Within(most) => {
                let (fraction, most) = (self.add(Tanh {}, &[x]), self.constant(most));
                self.add(Mul {}, &[fraction, most])
            }
        }
    }

    fn output(&mut self, y: NodeId) {
        let name = format!("y{}", self.graph.outputs.len());
        self.graph.add_output(&name, y);
    }

    /// The mean of the squares.
    fn add_to_loss(&mut self, y: NodeId) {
        let axes: Vec<usize> = (0..self.graph.ty(y).rank()).collect();
        let square = self.add(Mul {}, &[y, y]);
        let term = match axes.is_empty() {
            true => square,
            false => self.add(ReduceMean { axes, keep_dims: false }, &[square]),
        };
        let sum = self.loss.map_or(term, |sum| self.add(Add {}, &[sum, term]));
        self.loss = Some(sum);
    }
}
