//! The case of an elementwise op, made of what it says of itself.

use graphc_ir::graph::{Graph, NodeId, Origin};
use graphc_ir::ops::facts::{Domain, Jumps};
use graphc_ir::ops::{Add, Constant, Initializer, Input, Mul, OpInfo, Parameter, ReduceMean, Tanh};
use graphc_ir::{DType, Dim, Op, Shape};

/// Shapes of inputs and of the parameters they are multiplied with: two dimensions, a batch in the middle, a vector and
/// a rest, a scalar. 0 stands for the batch.
const SHAPES: [(&[usize], &[usize]); 4] = [(&[0, 3], &[3]), (&[2, 0, 9], &[2, 1, 9]), (&[17], &[17]), (&[], &[])];

/// Every sample of the op on every shape: on inputs, and on their products with parameters, which have gradients. The
/// parameters are added to the result, so that they have influence where the function is flat, too.
pub(crate) fn graph(info: &OpInfo) -> Option<Graph> {
    let nature = info.elementwise?;
    let mut case = Case { graph: Graph::new(info.name), loss: None, n_leaves: 0 };
    case.graph.batch = Some(9);
    for op in info.samples() {
        for (sizes, of_parameter) in SHAPES {
            let inputs: Vec<NodeId> = nature.domains.iter().map(|_| case.input(sizes)).collect();
            let parameters: Vec<NodeId> = nature.domains.iter().map(|_| case.parameter(of_parameter)).collect();
            let of_inputs = case.apply(&op, &inputs, nature.domains);
            let of_products = match nature.jumps {
                Jumps::InValue => of_inputs,
                _ => {
                    let products = inputs.iter().zip(&parameters).map(|(&x, &p)| case.add(Mul {}, &[x, p]));
                    let products: Vec<NodeId> = products.collect();
                    case.apply(&op, &products, nature.domains)
                }
            };
            case.output(of_inputs);
            case.output(of_products);
            let y = parameters.iter().fold(of_products, |sum, &p| case.add(Add {}, &[sum, p]));
            case.add_to_loss(y);
        }
    }
    case.graph.loss = case.loss;
    Some(case.graph)
}

struct Case {
    graph: Graph,
    loss: Option<NodeId>,
    n_leaves: usize,
}

impl Case {
    fn add(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        self.graph.add(op, operands, "", Origin::layer("case", 0)).expect("the case type-checks")
    }

    fn leaf(&mut self, kind: &str, op: impl FnOnce(Shape) -> Op, sizes: &[usize]) -> NodeId {
        let dims = sizes.iter().map(|&size| if size == 0 { Dim::Batch } else { Dim::Fixed(size) });
        let id = self.add(op(Shape(dims.collect())), &[]);
        self.n_leaves += 1;
        self.graph.node_mut(id).name = format!("{kind}{}", self.n_leaves);
        id
    }

    fn input(&mut self, sizes: &[usize]) -> NodeId {
        self.leaf("x", |shape| Input { dtype: DType::F32, shape }.into(), sizes)
    }

    fn parameter(&mut self, sizes: &[usize]) -> NodeId {
        let initializer = Initializer::Constant(0.0);
        self.leaf("p", |shape| Parameter { shape, initializer, trainable: true }.into(), sizes)
    }

    /// The op on something of these that lies in its domains.
    fn apply(&mut self, op: &Op, tensors: &[NodeId], domains: &[Domain]) -> NodeId {
        let operands = tensors.iter().zip(domains).map(|(&x, &domain)| self.confined(x, domain));
        let operands: Vec<NodeId> = operands.collect();
        self.add(op.clone(), &operands)
    }

    fn constant(&mut self, value: f64) -> NodeId {
        self.add(Constant { value, shape: Shape::scalar() }, &[])
    }

    /// Something of `x` that lies in the domain.
    fn confined(&mut self, x: NodeId, domain: Domain) -> NodeId {
        match domain {
            Domain::Any => x,
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
