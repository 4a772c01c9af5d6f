//! Every op's gradient rule against central differences in `f64`.
//!
//! A case is one op on operands of given types: `loss = sum(op(x0, x1, ...) * weights)` with random weights,
//! differentiated by a small reverse walk over the ops' own rules. Composites that need it are expanded first.

use graphc_interp::gradcheck::{GradcheckOptions, check_gradients};
use graphc_interp::graph::run;
use graphc_ir::graph::{Graph, Mode, NodeId, OpCx, Origin, Role};
use graphc_ir::ops::facts::Domain;
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape, TensorType};
use graphc_ir::{Tensor, compute};
use std::collections::{BTreeMap, BTreeSet};

/// Values of an operand.
#[derive(Clone, Copy, Debug)]
enum Values {
    /// `f32` in `[-2, 2)`.
    Any,
    /// `f32` in `[0.5, 2.5)`.
    Positive,
    /// `f32` rows that are positive and add up to 1.
    Rows,
    /// `f32` of that domain.
    Of(Domain),
    /// `i32` below a number.
    Below(usize),
}

struct Operand {
    shape: Shape,
    values: Values,
}

impl Operand {
    fn ty(&self) -> TensorType {
        let dtype = if matches!(self.values, Values::Below(_)) { DType::I32 } else { DType::F32 };
        TensorType { dtype, shape: self.shape.clone() }
    }

    fn tensor(&self, batch: usize, key: i32) -> Tensor<f64> {
        let sizes = self.shape.sizes(Some(batch));
        let mut counter = 0;
        let mut tensor = Tensor::from_fn(&sizes, |_| {
            counter += 1;
            let u = f64::from(compute::uniform(counter, key));
            match self.values {
                Values::Any | Values::Of(Domain::Any) => 4.0 * u - 2.0,
                Values::Positive | Values::Rows => 2.0 * u + 0.5,
                Values::Of(Domain::AtLeast(least)) => 2.0 * u + least,
                Values::Of(Domain::Within(most)) => (2.0 * u - 1.0) * most,
                Values::Below(n) => (u * n as f64).floor(),
            }
        });
        if matches!(self.values, Values::Rows) {
            for row in tensor.data.chunks_mut(*sizes.last().expect("rows have a last dimension")) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
        }
        tensor
    }
}

/// A shape; 0 stands for `N`.
fn any(sizes: &[usize]) -> Operand {
    let dims = sizes.iter().map(|&size| if size == 0 { Dim::Batch } else { Dim::Fixed(size) });
    Operand { shape: Shape(dims.collect()), values: Values::Any }
}

fn with(sizes: &[usize], values: Values) -> Operand {
    Operand { values, ..any(sizes) }
}

fn cases() -> Vec<(Op, Vec<Operand>)> {
    let mut cases: Vec<(Op, Vec<Operand>)> = Vec::new();
    let mut case = |op: Op, operands: Vec<Operand>| cases.push((op, operands));
    elementwise(&mut case);
    shapes(&mut case);
    reductions(&mut case);
    products(&mut case);
    pools(&mut case);
    composites(&mut case);
    cases
}

type AddCase<'a> = dyn FnMut(Op, Vec<Operand>) + 'a;

/// Every elementwise op with a few values of its attributes.
fn elementwise(case: &mut AddCase<'_>) {
    for info in Op::ALL {
        let Some(nature) = info.elementwise else { continue };
        let operand = |sizes: &[usize], slot: usize| with(sizes, Values::Of(nature.domains[slot]));
        for op in info.samples() {
            match info.arity {
                1 => [&[0, 3][..], &[]].iter().for_each(|sizes| case(op.clone(), vec![operand(sizes, 0)])),
                n => BROADCASTS.iter().for_each(|&(a, b)| {
                    case(op.clone(), (0..n).map(|slot| operand(if slot == 0 { a } else { b }, slot)).collect());
                }),
            }
        }
    }
}

/// Pairs of operand shapes, 0 for `N`.
const BROADCASTS: &[(&[usize], &[usize])] = &[
    (&[0, 3], &[0, 3]),
    (&[0, 3], &[3]),
    (&[3], &[0, 3]),
    (&[0, 1], &[1, 4]),
    (&[], &[0, 2]),
    (&[0, 2, 1, 3], &[2, 1]),
    (&[2, 1, 3], &[0, 1, 5, 1]),
    (&[1], &[1, 1]),
];

fn shapes(case: &mut AddCase<'_>) {
    let shape = |sizes: &[usize]| any(sizes).shape;
    case(Reshape { shape: shape(&[0, 6]) }.into(), vec![any(&[0, 2, 3])]);
    case(Reshape { shape: shape(&[2, 1, 3]) }.into(), vec![any(&[6])]);
    for (from, to) in [(&[3][..], &[0, 3][..]), (&[0, 1], &[0, 4]), (&[2, 1], &[3, 2, 5]), (&[], &[0])] {
        case(Broadcast { shape: shape(to) }.into(), vec![any(from)]);
    }
    for perm in permutations(3) {
        case(Transpose { perm }.into(), vec![any(&[0, 2, 4])]);
    }
    for perm in permutations(4) {
        case(Transpose { perm }.into(), vec![any(&[2, 3, 1, 2])]);
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    let inserted = |perm: &Vec<usize>, at: usize| {
        let mut perm = perm.clone();
        perm.insert(at, n - 1);
        perm
    };
    shorter.iter().flat_map(|perm| (0..n).map(move |at| inserted(perm, at))).collect()
}

fn reductions(case: &mut AddCase<'_>) {
    for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2], vec![0, 1, 2]] {
        for keep_dims in [false, true] {
            let axes = axes.clone();
            case(ReduceSum { axes: axes.clone(), keep_dims }.into(), vec![any(&[0, 2, 3])]);
            case(ReduceMean { axes: axes.clone(), keep_dims }.into(), vec![any(&[0, 2, 3])]);
            case(ReduceMax { axes: axes.clone(), keep_dims }.into(), vec![any(&[0, 2, 3])]);
            case(ReduceVariance { axes, keep_dims }.into(), vec![any(&[0, 2, 3])]);
        }
    }
}

fn products(case: &mut AddCase<'_>) {
    for (transpose_a, transpose_b) in [(false, false), (false, true), (true, false), (true, true)] {
        let op = MatMul { transpose_a, transpose_b };
        let oriented = |rows, columns, transpose| if transpose { [columns, rows] } else { [rows, columns] };
        for (m, k, n) in [(0, 4, 5), (2, 0, 3), (4, 2, 0), (1, 3, 1)] {
            let [a, b] = [oriented(m, k, transpose_a), oriented(k, n, transpose_b)];
            case(op.clone().into(), vec![any(&a), any(&b)]);
        }
        let [a, b] = [oriented(2, 3, transpose_a), oriented(3, 4, transpose_b)];
        case(op.clone().into(), vec![any(&[0, a[0], a[1]]), any(&[0, b[0], b[1]])]);
        case(op.into(), vec![any(&[2, a[0], a[1]]), any(&[2, b[0], b[1]])]);
    }
    for (h, w, r, s, strides, padding) in [
        (5, 4, 3, 2, [1, 1], [0, 0, 0, 0]),
        (5, 6, 3, 3, [2, 1], [1, 1, 1, 1]),
        (7, 5, 2, 3, [3, 2], [0, 1, 2, 0]),
        (4, 4, 1, 1, [2, 3], [0, 0, 0, 0]),
        (3, 3, 3, 3, [1, 1], [2, 2, 2, 2]),
        (6, 5, 2, 2, [3, 3], [1, 0, 0, 2]),
    ] {
        let (images, kernel) = (any(&[0, h, w, 2]), any(&[r, s, 2, 3]));
        let windows = Windows::new(strides, padding);
        let conv = Conv2d::of(windows);
        let out = conv.infer(&[&images.ty(), &kernel.ty()]).expect("the case type-checks").shape;
        let dy = || Operand { shape: out.clone(), values: Values::Any };
        let input_grad = Conv2dInputGrad::of(windows, images.shape.clone());
        let kernel_grad = Conv2dKernelGrad::of(windows, kernel.shape.clone());
        case(input_grad.into(), vec![dy(), any(&[r, s, 2, 3])]);
        case(kernel_grad.into(), vec![any(&[0, h, w, 2]), dy()]);
        case(conv.into(), vec![images, kernel]);
    }
    for (strides, dilation, groups, kernel) in [
        ([1, 1], [1, 1], 4, [3, 2, 1, 4]),
        ([2, 1], [1, 2], 4, [2, 2, 1, 8]),
        ([1, 2], [2, 1], 2, [2, 3, 2, 6]),
        ([2, 3], [2, 2], 1, [3, 2, 4, 2]),
    ] {
        let windows = Windows { strides, padding: [1, 2, 0, 1], dilation, groups };
        let (images, weights) = (|| any(&[0, 6, 5, 4]), || any(&kernel));
        let conv = Conv2d::of(windows);
        let out = conv.infer(&[&images().ty(), &weights().ty()]).expect("the case type-checks").shape;
        let dy = || Operand { shape: out.clone(), values: Values::Any };
        case(Conv2dInputGrad::of(windows, images().shape).into(), vec![dy(), weights()]);
        case(Conv2dKernelGrad::of(windows, weights().shape).into(), vec![images(), dy()]);
        case(conv.into(), vec![images(), weights()]);
    }
    for (strides, output_padding, dilation) in [([1, 1], [0, 0], [1, 1]), ([2, 3], [1, 2], [2, 1])] {
        let op = Conv2dTranspose { strides, padding: [0, 1, 2, 0], output_padding, dilation };
        case(op.into(), vec![any(&[0, 3, 2, 2]), any(&[2, 3, 4, 2])]);
    }
}

fn pools(case: &mut AddCase<'_>) {
    for (h, w, pool, strides, padding) in [
        (4, 4, [2, 2], [2, 2], [0, 0, 0, 0]),
        (5, 5, [3, 2], [1, 1], [0, 0, 0, 0]),
        (5, 4, [3, 3], [2, 1], [1, 1, 1, 1]),
        (7, 6, [2, 3], [3, 2], [1, 0, 2, 1]),
        (6, 6, [2, 2], [3, 3], [0, 0, 0, 0]),
    ] {
        let images = || any(&[0, h, w, 2]);
        let average = AvgPool2d { pool, strides, padding };
        let out = average.infer(&[&images().ty()]).expect("the case type-checks").shape;
        let dy = || Operand { shape: out.clone(), values: Values::Any };
        // Every position below the window's size lies inside the image only without padding.
        let index = || Operand { shape: out.clone(), values: Values::Below(pool[0] * pool[1]) };
        case(average.into(), vec![images()]);
        case(AvgPool2dGrad { pool, strides, padding, shape: images().shape }.into(), vec![dy()]);
        case(MaxPool2d { pool, strides, padding }.into(), vec![images()]);
        if padding == [0; 4] {
            case(MaxPool2dGrad { pool, strides, padding, shape: images().shape }.into(), vec![index(), dy()]);
            case(MaxPool2dTake { pool, strides, padding }.into(), vec![index(), images()]);
        }
    }
}

fn composites(case: &mut AddCase<'_>) {
    for x in [&[0, 4][..], &[0, 3, 2, 4], &[2, 4], &[4]] {
        let [c, positive] = [|| any(&[4]), || with(&[4], Values::Positive)];
        case(Normalize { epsilon: 0.1 }.into(), vec![any(x), c(), positive(), c(), c()]);
        if x.len() > 1 {
            case(BatchNorm { momentum: 0.9, epsilon: 0.1 }.into(), vec![any(x), c(), c(), c(), positive()]);
        }
        case(Softmax {}.into(), vec![any(x)]);
        case(LogSoftmax {}.into(), vec![any(x)]);
    }
    for rate in [0.0, 0.4] {
        case(Dropout { rate, seed: 7 }.into(), vec![any(&[0, 3, 4]), with(&[], Values::Below(100))]);
    }
    for classes in [1, 4] {
        let labels = || with(&[0], Values::Below(classes));
        let rows = || with(&[0, classes], Values::Rows);
        case(CategoricalCrossentropy {}.into(), vec![rows(), labels()]);
        case(CategoricalCrossentropy {}.into(), vec![rows(), labels(), any(&[0])]);
        case(CategoricalCrossentropy {}.into(), vec![rows(), rows()]);
        case(CategoricalCrossentropy {}.into(), vec![rows(), any(&[0, classes]), any(&[0])]);
        case(SoftmaxCrossentropy {}.into(), vec![any(&[0, classes]), labels()]);
    }
    for (rows, labels) in [(&[0, 4][..], &[0][..]), (&[2, 3, 1], &[2, 3]), (&[5], &[])] {
        let depth = rows[rows.len() - 1];
        case(Pick {}.into(), vec![any(rows), with(labels, Values::Below(depth))]);
        case(PickGrad { depth }.into(), vec![with(labels, Values::Below(depth)), any(labels)]);
    }
    for shape in [&[0][..], &[0, 3, 2], &[2, 3]] {
        // Rows have what probabilities are: numbers between 0 and 1.
        let fractions = || with(&[shape, &[3]].concat(), Values::Rows);
        case(BinaryCrossentropy {}.into(), vec![fractions(), fractions()]);
        case(BinaryCrossentropy {}.into(), vec![fractions(), fractions(), any(&shape[..1])]);
        for loss in [MeanSquaredError {}.into(), MeanAbsoluteError {}.into(), Huber { delta: 0.7 }.into()] as [Op; 3] {
            case(loss.clone(), vec![any(shape), any(shape)]);
            case(loss, vec![any(shape), any(shape), any(&shape[..1])]);
        }
    }
}

/// Ops without a gradient rule to check, each with the reason.
const NOT_DIFFERENTIABLE: &[(&str, &str)] = &[
    ("input", "a leaf: it has no operands"),
    ("parameter", "a leaf: it has no operands"),
    ("constant", "a leaf: it has no operands"),
    ("batch_size", "a leaf: it has no operands"),
    ("argmax", "gives integers"),
    ("one_hot", "takes integers"),
    ("max_pool2d_index", "gives integers"),
    ("dropout_mask", "takes the step's number, an integer"),
];

#[test]
fn every_op_is_checked_or_has_a_reason() {
    let checked: BTreeSet<&str> = cases().iter().map(|(op, _)| op.name()).collect();
    let excused: BTreeSet<&str> = NOT_DIFFERENTIABLE.iter().map(|&(name, _)| name).collect();
    assert!(checked.is_disjoint(&excused), "checked after all: {:?}", checked.intersection(&excused));
    let all: BTreeSet<&str> = Op::ALL.iter().map(|op| op.name).collect();
    let listed: BTreeSet<&str> = checked.union(&excused).copied().collect();
    assert_eq!(listed, all);
}

#[test]
fn gradient_rules_agree_with_central_differences() {
    let check_modes = |(op, operands): &(Op, Vec<Operand>)| {
        let depends_on_mode = matches!(op, Op::BatchNorm(_) | Op::Dropout(_));
        let modes: &[Mode] = if depends_on_mode { &[Mode::Train, Mode::Infer] } else { &[Mode::Train] };
        modes.iter().flat_map(|&mode| check(op, operands, mode)).collect::<Vec<_>>()
    };
    let failures: Vec<String> = cases().iter().flat_map(check_modes).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// A composite that has a value of its own keeps it when it is expanded.
#[test]
fn expansions_keep_the_value() {
    let mut expanded = BTreeSet::new();
    for (op, operands) in cases() {
        let mut case = Case::new(&op, &operands);
        let is_composite = matches!(case.lowering(), Lowering::Composite(_));
        if !is_composite || matches!(op, Op::BatchNorm(_) | Op::Dropout(_)) {
            continue;
        }
        let before = case.loss_value();
        case.expand(Mode::Train);
        let after = case.loss_value();
        assert!((before - after).abs() <= 1e-12 * before.abs().max(1.0), "{op:?}: {before} became {after}");
        expanded.insert(op.name());
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
    fn new(op: &Op, operands: &[Operand]) -> Case {
        let batch = 3;
        let mut graph = Graph::new(op.name());
        graph.batch = Some(batch);
        let mut bindings = BTreeMap::new();
        let mut input = |graph: &mut Graph, name: &str, operand: &Operand| {
            let key = name.bytes().map(i32::from).sum::<i32>() * 7919;
            bindings.insert(name.to_string(), operand.tensor(batch, key));
            let ty = operand.ty();
            add(graph, Input { dtype: ty.dtype, shape: ty.shape }, &[], name)
        };
        let named = operands.iter().enumerate().map(|(i, operand)| (format!("x{i}"), operand));
        let operands: Vec<NodeId> = named.map(|(name, operand)| input(&mut graph, &name, operand)).collect();
        let y = add(&mut graph, op.clone(), &operands, "y");
        let weights = Operand { shape: graph.ty(y).shape.clone(), values: Values::Any };
        let weights = input(&mut graph, "weights", &weights);
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
fn check(op: &Op, operands: &[Operand], mode: Mode) -> Vec<String> {
    let mut case = Case::new(op, operands);
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
    assert!(!pairs.is_empty(), "{} has nothing to differentiate by", op.name());
    let rows = match check_gradients(&case.graph, &case.bindings, case.loss, &pairs, GradcheckOptions::default()) {
        Ok(rows) => rows,
        Err(error) => return vec![format!("{op:?}: {error}")],
    };
    let types: Vec<String> = operands.iter().map(|operand| operand.ty().to_string()).collect();
    let bad = rows.iter().filter(|row| !row.within(1e-7, 1e-8) || row.n_skipped * 4 > row.n_entries);
    bad.map(|row| format!("{op:?} of {}: {row}", types.join(", "))).collect()
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
