//! Every op's gradient rule against central differences in `f64`.
//!
//! A case is one op on operands, drawn by what it says of itself: `loss = sum(op(x0, x1, ...) * weights)` with random
//! weights,
//! differentiated by a small reverse walk over the ops' own rules. Composites that need it are expanded first.

use graphc_interp::gradcheck::{GradcheckOptions, check_gradients};
use graphc_interp::graph::run;
use graphc_ir::Tensor;
use graphc_ir::graph::{Graph, Mode, NodeId, OpCx, Origin, Role};
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Shape, TensorType};
use graphc_testing::op_cases::Random;
use graphc_testing::{Numbers, OpCase, all_op_cases};
use std::collections::{BTreeMap, BTreeSet};

/// Cases of every op that has an `f32` operand and an `f32` result.
fn cases() -> Vec<OpCase> {
    let is_real = |ty: &TensorType| ty.dtype == DType::F32;
    let has_gradient = |case: &OpCase| is_real(&case.result()) && case.operands.iter().any(is_real);
    all_op_cases(24).into_iter().filter(has_gradient).collect()
}

#[test]
fn gradient_rules_agree_with_central_differences() {
    let check_modes = |case: &OpCase| {
        let modes: &[Mode] = if case.op.info().depends_on_mode { &[Mode::Train, Mode::Infer] } else { &[Mode::Train] };
        modes.iter().flat_map(|&mode| check(case, mode)).collect::<Vec<_>>()
    };
    let failures: Vec<String> = cases().iter().flat_map(check_modes).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A composite that has a value of its own keeps it when it is expanded.
#[test]
fn expansions_keep_the_value() {
    let mut expanded = BTreeSet::new();
    for drawn in cases() {
        let mut case = Case::new(&drawn);
        let is_composite = matches!(case.lowering(), Lowering::Composite(_));
        if !is_composite || drawn.op.info().depends_on_mode {
            continue;
        }
        let before = case.loss_value();
        case.expand(Mode::Train);
        let after = case.loss_value();
        assert!((before - after).abs() <= 1e-12 * before.abs().max(1.0), "{drawn}: {before} became {after}");
        expanded.insert(drawn.op.name());
    }
    assert!(expanded.len() >= 10, "only {expanded:?}");
}

/// `loss = sum(op(x0, x1, ...) * weights)` with values for all inputs.
struct Case {
    graph: Graph,
    bindings: BTreeMap<String, Tensor<f64>>,
    operands: Vec<NodeId>,
    y: NodeId,
    loss: NodeId,
}

impl Case {
    fn new(case: &OpCase) -> Case {
        let batch = 3;
        let mut graph = Graph::new(case.op.name());
        graph.batch = Some(batch);
        let mut bindings = BTreeMap::new();
        let mut input = |graph: &mut Graph, name: &str, ty: &TensorType, tensor: Tensor<f64>| {
            bindings.insert(name.to_string(), tensor);
            add(graph, Input { dtype: ty.dtype, shape: ty.shape.clone() }, &[], name)
        };
        let tensors = case.numbers(batch, 7, Numbers::Smooth).into_iter().zip(&case.operands).enumerate();
        let operands = tensors.map(|(i, (tensor, ty))| input(&mut graph, &format!("x{i}"), ty, tensor));
        let operands: Vec<NodeId> = operands.collect();
        let y = add(&mut graph, case.op.clone(), &operands, "y");
        let ty = graph.ty(y).clone();
        let mut random = Random::new(11);
        let weights = Tensor::from_fn(&ty.shape.sizes(Some(batch)), |_| 4.0 * random.fraction() - 2.0);
        let weights = input(&mut graph, "weights", &ty, weights);
        let terms = add(&mut graph, Mul {}, &[y, weights], "");
        let axes: Vec<usize> = (0..graph.ty(terms).rank()).collect();
        let loss = match axes.is_empty() {
            true => terms,
            false => add(&mut graph, ReduceSum { axes, keep_dims: false }, &[terms], ""),
        };
        Case { graph, bindings, operands, y, loss }
    }

    fn lowering(&self) -> Lowering {
        let types: Vec<&TensorType> = self.operands.iter().map(|&id| self.graph.ty(id)).collect();
        self.graph.op(self.y).lower(&types, self.graph.ty(self.y))
    }

    /// Replaces the op, a composite, by its parts, and those of them that are such composites by theirs.
    fn expand(&mut self, mode: Mode) {
        let composite = |graph: &Graph, id| graph.op(id).composite(&graph.operand_types(id));
        let kind = composite(&self.graph, self.y);
        while let Some(id) = self.graph.ids().into_iter().find(|&id| composite(&self.graph, id) == kind) {
            let op = self.graph.op(id).clone();
            let value = op.expand(&mut OpCx::new(&mut self.graph, id, mode, None));
            self.graph.replace_uses(id, value);
            self.graph.remove(id);
            if id == self.y {
                self.y = value;
            }
        }
    }

    fn loss_value(&self) -> f64 {
        run(&self.graph, &self.bindings).expect("the case evaluates").values[&self.loss].data[0]
    }
}

/// Gradients of one case that are wrong.
fn check(drawn: &OpCase, mode: Mode) -> Vec<String> {
    let mut case = Case::new(drawn);
    if case.lowering() == Lowering::Composite(Expand::BeforeAutodiff) {
        case.expand(mode);
    }
    let gradients = reverse(&mut case.graph, case.loss);
    let mut pairs = Vec::new();
    for &id in &case.operands {
        let ty = case.graph.ty(id).clone();
        if ty.dtype == DType::F32 {
            // No gradient says that it is zero.
            let zero = Constant { value: 0.0, shape: ty.shape };
            let gradient = gradients.get(&id).copied().unwrap_or_else(|| add(&mut case.graph, zero, &[], ""));
            pairs.push((case.graph.node(id).name.clone(), gradient));
        }
    }
    let rows = match check_gradients(&case.graph, &case.bindings, case.loss, &pairs, GradcheckOptions::default()) {
        Ok(rows) => rows,
        Err(error) => return vec![format!("{drawn}: {error}")],
    };
    let bad = rows.iter().filter(|row| !row.within(1e-7, 1e-8) || row.n_skipped * 4 > row.n_entries);
    bad.map(|row| format!("{drawn}: {row}")).collect()
}

fn add(graph: &mut Graph, op: impl Into<Op>, operands: &[NodeId], name: &str) -> NodeId {
    let op = op.into();
    let mnemonic = op.name();
    graph.add(op, operands, name, Origin::layer(name, 0)).unwrap_or_else(|error| panic!("{mnemonic}: {error}"))
}

/// Gradient of `loss` by every node it depends on.
fn reverse(graph: &mut Graph, loss: NodeId) -> BTreeMap<NodeId, NodeId> {
    let order = graph.topo_order();
    let one = add(graph, Constant { value: 1.0, shape: Shape::scalar() }, &[], "");
    let mut gradients = BTreeMap::from([(loss, one)]);
    for &node in order.iter().rev() {
        let Some(&dy) = gradients.get(&node) else { continue };
        let (op, operands) = (graph.op(node).clone(), graph.operands(node));
        let mut cx = OpCx::new(graph, node, Mode::Train, Some(Role::Gradient));
        let parts = op.vjp(&mut cx, dy);
        assert_eq!(parts.len(), operands.len(), "{} gives one gradient per operand", op.name());
        for (operand, part) in operands.into_iter().zip(parts) {
            let Some(part) = part else { continue };
            let sum = match gradients.get(&operand) {
                Some(&before) => add(graph, Add {}, &[before, part], ""),
                None => part,
            };
            gradients.insert(operand, sum);
        }
    }
    gradients
}
