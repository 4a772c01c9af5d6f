//! Ops with operand types, odd sizes on purpose, and numbers to run them on.

use graphc_ir::ops::facts::Domain;
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape, TensorType};
use graphc_ir::{Op, Tensor};
use std::slice::from_ref;

/// An op with operands that it accepts.
pub(crate) struct Case {
    pub(crate) op: Op,
    pub(crate) operands: Vec<TensorType>,
}

impl Case {
    /// Type of the result.
    pub(crate) fn result(&self) -> TensorType {
        let operands: Vec<&TensorType> = self.operands.iter().collect();
        self.op.infer(&operands).unwrap_or_else(|error| panic!("{self}: {error}"))
    }

    /// Numbers for the operands: multiples of 1/8, so that there are ties, of the op's domain; labels from -1 to 7, or
    /// of the classes there are where others mean nothing.
    pub(crate) fn inputs(&self, batch: usize, seed: u64) -> Vec<Tensor<f64>> {
        let mut random = Random(seed);
        let domain = |i: usize| match (self.op.elementwise(), &self.op) {
            (Some(nature), _) => nature.domains[i],
            (_, Op::Normalize(_)) if i == 2 => Domain::AtLeast(0.125),
            (_, Op::CategoricalCrossentropy(_)) if i == 0 => Domain::AtLeast(0.125),
            _ => Domain::Any,
        };
        let is_fraction = |i| i == 0 && matches!(self.op, Op::BinaryCrossentropy(_));
        let n_classes = match &self.op {
            Op::PickGrad(pick) => Some(pick.depth),
            Op::Pick(_) | Op::CategoricalCrossentropy(_) | Op::SoftmaxCrossentropy(_) => {
                self.operands[0].shape.sizes(Some(batch)).last().copied()
            }
            _ => None,
        };
        let fill = |(i, ty): (usize, &TensorType)| {
            Tensor::from_fn(&ty.shape.sizes(Some(batch)), |_| match ty.dtype {
                DType::I32 if n_classes.is_some() => random.below(n_classes.unwrap_or(1) as u64) as f64,
                DType::I32 => random.below(9) as f64 - 1.0,
                DType::F32 if is_fraction(i) => (1 + random.below(7)) as f64 / 8.0,
                DType::F32 => match domain(i) {
                    Domain::Any => random.below(41) as f64 / 8.0 - 2.5,
                    Domain::AtLeast(least) => least + random.below(24) as f64 / 8.0,
                    Domain::Within(most) => most * (random.below(41) as f64 / 20.0 - 1.0),
                },
            })
        };
        self.operands.iter().enumerate().map(fill).collect()
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of", self.op)?;
        self.operands.iter().try_for_each(|ty| write!(f, " {ty}"))
    }
}

/// A linear congruential generator (Knuth, MMIX).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// `[N,3,4]` is `b(&[3, 4])`.
pub(crate) fn b(sizes: &[usize]) -> TensorType {
    TensorType::f32(Shape::batched(sizes))
}

/// `[3,4]` is `f(&[3, 4])`.
pub(crate) fn f(sizes: &[usize]) -> TensorType {
    TensorType::f32(Shape::fixed(sizes))
}

/// `[3,N]`, `[3,N,4]`: the batch at `axis`.
pub(crate) fn batch_at(axis: usize, sizes: &[usize]) -> TensorType {
    let mut shape = Shape::fixed(sizes);
    shape.0.insert(axis, Dim::Batch);
    TensorType::f32(shape)
}

/// The same type with integers.
pub(crate) fn i(ty: TensorType) -> TensorType {
    TensorType::i32(ty.shape)
}

fn case(op: impl Into<Op>, operands: &[TensorType]) -> Case {
    Case { op: op.into(), operands: operands.to_vec() }
}

/// Every op but leaves and the ops that are expanded before anything evaluates them.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = elementwise();
    cases.extend(reductions());
    cases.extend(movement());
    cases.extend(matmuls());
    cases.extend(convolutions());
    cases.extend(pools());
    cases.extend(composites());
    cases
}

/// Every elementwise op with a few values of its attributes, and what they leave out.
fn elementwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for info in Op::ALL.iter().filter(|info| info.elementwise.is_some()) {
        let samples = info.samples();
        assert!(!samples.is_empty(), "{} has attributes that cannot be made up", info.name);
        for (op, operands) in samples.iter().flat_map(|op| broadcasts(info.arity).into_iter().map(move |o| (op, o))) {
            cases.push(case(op.clone(), &operands));
        }
    }
    cases.push(case(Equal {}, &[i(b(&[])), i(b(&[]))]));
    cases.push(case(Constant { value: 0.3, shape: Shape::batched(&[2]) }, &[]));
    cases.push(case(DropoutMask { rate: 0.4, seed: -7 << 33, shape: Shape::batched(&[3, 5]) }, &[i(f(&[]))]));
    cases.push(case(DropoutMask { rate: 0.0, seed: 1, shape: Shape::fixed(&[7]) }, &[i(f(&[]))]));
    cases
}

/// Types of so many operands that broadcast.
fn broadcasts(arity: usize) -> Vec<Vec<TensorType>> {
    match arity {
        1 => vec![vec![b(&[3])], vec![f(&[])], vec![batch_at(1, &[2, 5])]],
        _ => {
            let pairs = [[b(&[3]), b(&[3])], [b(&[2, 1]), f(&[5])], [f(&[]), b(&[4])], [f(&[3, 1]), batch_at(1, &[3])]];
            pairs.map(|pair| (0..arity).map(|operand| pair[operand % 2].clone()).collect()).into()
        }
    }
}

fn reductions() -> Vec<Case> {
    let mut cases = Vec::new();
    let shapes: [(TensorType, &[usize]); 6] = [
        (b(&[3, 2]), &[0]),
        (b(&[3, 2]), &[0, 1]),
        (b(&[3, 2]), &[1, 2]),
        (b(&[3, 2]), &[0, 1, 2]),
        (batch_at(1, &[3, 4]), &[2]),
        (f(&[5]), &[0]),
    ];
    for (x, axes) in shapes {
        for keep_dims in [false, true] {
            let (x, axes) = ([x.clone()], axes.to_vec());
            cases.push(case(ReduceSum { axes: axes.clone(), keep_dims }, &x));
            cases.push(case(ReduceMean { axes: axes.clone(), keep_dims }, &x));
            cases.push(case(ReduceMax { axes: axes.clone(), keep_dims }, &x));
            cases.push(case(ReduceVariance { axes, keep_dims }, &x));
        }
    }
    cases.extend([case(Argmax { axis: 1 }, &[b(&[6])]), case(Argmax { axis: 0 }, &[f(&[4, 3])])]);
    cases.push(case(Argmax { axis: 1 }, &[b(&[5, 2])]));
    for (rows, labels) in [(b(&[5]), b(&[])), (f(&[2, 3, 1]), f(&[2, 3]))] {
        let Some(&Dim::Fixed(depth)) = rows.shape.0.last() else { unreachable!("written above") };
        cases.push(case(Pick {}, &[rows, i(labels.clone())]));
        cases.push(case(PickGrad { depth }, &[i(labels.clone()), labels]));
    }
    cases.extend([case(OneHot { depth: 5 }, &[i(b(&[]))]), case(OneHot { depth: 1 }, &[i(f(&[2, 3]))])]);
    cases
}

fn movement() -> Vec<Case> {
    vec![
        case(Reshape { shape: Shape::batched(&[4, 3]) }, &[b(&[2, 3, 2])]),
        case(Reshape { shape: Shape::fixed(&[5, 2, 1]) }, &[f(&[2, 5])]),
        case(Reshape { shape: batch_at(2, &[1, 2, 6, 1]).shape }, &[batch_at(1, &[2, 2, 3])]),
        case(Reshape { shape: Shape::batched(&[]) }, &[b(&[1, 1])]),
        case(Transpose { perm: vec![2, 0, 1] }, &[b(&[3, 2])]),
        case(Transpose { perm: vec![1, 0] }, &[f(&[4, 3])]),
        case(Broadcast { shape: Shape::batched(&[2, 3]) }, &[f(&[2, 1])]),
        case(Broadcast { shape: Shape::batched(&[2]) }, &[b(&[1])]),
    ]
}

fn matmuls() -> Vec<Case> {
    let mut cases = Vec::new();
    let dim = |size: usize| if size == 0 { Dim::Batch } else { Dim::Fixed(size) };
    // Sizes m, k, n and a leading dimension, 0 being N.
    let sizes: [(Option<usize>, [usize; 3]); 6] = [
        (None, [2, 3, 4]),
        (None, [0, 3, 2]),
        (None, [3, 0, 2]),
        (None, [1, 4, 0]),
        (Some(2), [3, 1, 5]),
        (Some(0), [2, 3, 4]),
    ];
    for (lead, [m, k, n]) in sizes {
        for (transpose_a, transpose_b) in [(false, false), (false, true), (true, false), (true, true)] {
            let matrix = |rows, columns, transpose| {
                let mut dims: Vec<Dim> = lead.map(dim).into_iter().collect();
                dims.extend(if transpose { [dim(columns), dim(rows)] } else { [dim(rows), dim(columns)] });
                TensorType::f32(Shape(dims))
            };
            let operands = [matrix(m, k, transpose_a), matrix(k, n, transpose_b)];
            cases.push(case(MatMul { transpose_a, transpose_b }, &operands));
        }
    }
    let heads = MatMul { transpose_a: false, transpose_b: true };
    cases.push(case(heads, &[b(&[2, 3, 4]), b(&[2, 5, 4])]));
    cases
}

fn convolutions() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |windows: Windows, image: [usize; 3], kernel: [usize; 4]| {
        let (x, w) = (b(&image), f(&kernel));
        let forward = Conv2d::of(windows);
        let dy = forward.infer(&[&x, &w]).unwrap();
        cases.push(case(forward, &[x.clone(), w.clone()]));
        cases.push(case(Conv2dInputGrad::of(windows, x.shape.clone()), &[dy.clone(), w.clone()]));
        cases.push(case(Conv2dKernelGrad::of(windows, w.shape), &[x, dy]));
    };
    for (strides, padding) in [([1, 1], [0; 4]), ([2, 3], [0; 4]), ([1, 2], [2, 1, 0, 1]), ([3, 2], [1, 1, 2, 2])] {
        add(Windows::new(strides, padding), [6, 5, 2], [3, 2, 2, 3]);
    }
    let windows = |strides, padding, dilation, groups| Windows { strides, padding, dilation, groups };
    // Depthwise with one filter a channel and with two, two groups of two channels.
    add(windows([1, 1], [1; 4], [1, 1], 3), [4, 5, 3], [3, 3, 1, 3]);
    add(windows([2, 1], [0, 1, 1, 0], [1, 1], 3), [5, 4, 3], [2, 3, 1, 6]);
    add(windows([1, 2], [1, 0, 2, 1], [1, 1], 2), [4, 5, 4], [3, 2, 2, 6]);
    // Gaps between taps; strides with and without a common divisor.
    add(windows([1, 1], [2, 2, 3, 3], [2, 3], 1), [6, 7, 2], [3, 3, 2, 2]);
    add(windows([2, 3], [2, 1, 3, 2], [3, 2], 1), [7, 8, 1], [3, 3, 1, 2]);
    add(windows([2, 4], [1, 2, 3, 0], [2, 6], 2), [7, 9, 2], [2, 2, 1, 2]);
    add(windows([3, 3], [3, 3, 4, 4], [2, 5], 1), [8, 9, 1], [4, 3, 1, 1]);
    cases
}

fn pools() -> Vec<Case> {
    let mut cases = Vec::new();
    let windows = [
        ([2, 2], [2, 2], [0; 4]),
        ([3, 2], [1, 2], [0; 4]),
        ([3, 2], [2, 1], [2, 1, 0, 1]),
        ([2, 3], [3, 4], [1, 1, 2, 1]),
        ([1, 1], [2, 1], [0; 4]),
    ];
    for (pool, strides, padding) in windows {
        let x = b(&[6, 5, 2]);
        let shape = x.shape.clone();
        let pooled = AvgPool2d { pool, strides, padding }.infer(&[&x]).unwrap();
        cases.push(case(AvgPool2d { pool, strides, padding }, from_ref(&x)));
        cases.push(case(AvgPool2dGrad { pool, strides, padding, shape: shape.clone() }, from_ref(&pooled)));
        cases.push(case(MaxPool2d { pool, strides, padding }, from_ref(&x)));
        cases.push(case(MaxPool2dIndex { pool, strides, padding }, from_ref(&x)));
        cases.push(case(MaxPool2dGrad { pool, strides, padding, shape }, &[i(pooled.clone()), pooled.clone()]));
        cases.push(case(MaxPool2dTake { pool, strides, padding }, &[i(pooled), x]));
    }
    cases
}

fn composites() -> Vec<Case> {
    let c = f(&[3]);
    let mut cases = vec![
        case(Softmax {}, &[b(&[5])]),
        case(Softmax {}, &[f(&[2, 3, 1])]),
        case(LogSoftmax {}, &[b(&[2, 4])]),
        case(LogSoftmax {}, &[f(&[7])]),
    ];
    let of_values: [Op; 4] = [
        MeanSquaredError {}.into(),
        MeanAbsoluteError {}.into(),
        Huber { delta: 0.75 }.into(),
        BinaryCrossentropy {}.into(),
    ];
    for loss in of_values {
        for x in [b(&[3, 2]), f(&[]), f(&[5])] {
            cases.push(case(loss.clone(), &[x.clone(), x]));
        }
        cases.push(case(loss.clone(), &[b(&[3, 2]), b(&[3, 2]), b(&[])]));
        cases.push(case(loss, &[f(&[4]), f(&[4]), f(&[4])]));
    }
    for x in [b(&[3]), b(&[2, 5, 3]), f(&[4, 3]), f(&[3])] {
        cases.push(case(Normalize { epsilon: 0.1 }, &[x, c.clone(), c.clone(), c.clone(), c.clone()]));
    }
    for x in [b(&[8]), f(&[5, 8])] {
        let labels = i(TensorType::f32(Shape(vec![x.shape.0[0]])));
        let weights = TensorType::f32(labels.shape.clone());
        cases.push(case(CategoricalCrossentropy {}, &[x.clone(), labels.clone()]));
        cases.push(case(CategoricalCrossentropy {}, &[x.clone(), labels.clone(), weights.clone()]));
        cases.push(case(CategoricalCrossentropy {}, &[x.clone(), x.clone()]));
        cases.push(case(CategoricalCrossentropy {}, &[x.clone(), x.clone(), weights]));
        cases.push(case(SoftmaxCrossentropy {}, &[x, labels]));
    }
    cases
}
