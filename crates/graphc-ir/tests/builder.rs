//! The graph builder: names, types, padding, and what it refuses.

use graphc_ir::graph::builder::{GraphBuilder, Loss, MAX_SIZE};
use graphc_ir::graph::{NodeId, Role, verify};
use graphc_ir::layers::{Activation, AvgPool2d, BatchNorm, Conv2d, Dense, Dropout, Padding};
use graphc_ir::{DType, Op, Optimizer, Shape};

fn with_image(sizes: &[usize]) -> (GraphBuilder, NodeId) {
    let mut net = GraphBuilder::new("test");
    let image = net.input("image", DType::F32, Shape::batched(sizes)).expect("a sound input");
    (net, image)
}

fn names(net: &GraphBuilder) -> Vec<&str> {
    net.graph().ids().into_iter().map(|id| net.graph().node(id).name.as_str()).collect()
}

#[test]
fn the_last_node_of_a_layer_has_its_name() {
    let (mut net, x) = with_image(&[8, 8, 3]);
    let conv = Conv2d { activation: Some(Activation::Relu), ..Conv2d::new(4, [3, 3]) };
    let x = net.conv2d("conv1", x, &conv).expect("fits");
    let x = net.batch_norm("bn1", x, &BatchNorm::default()).expect("fits");
    let x = net.flatten("flatten", x).expect("fits");
    net.dense("dense1", x, &Dense { use_bias: false, ..Dense::new(5) }).expect("fits");
    let expected = [
        "image",
        "conv1.kernel",
        "conv1.conv2d",
        "conv1.bias",
        "conv1.bias_add",
        "conv1",
        "bn1.gamma",
        "bn1.beta",
        "bn1.moving_mean",
        "bn1.moving_variance",
        "bn1",
        "flatten",
        "dense1.kernel",
        "dense1",
    ];
    assert_eq!(names(&net), expected);
    let trainable = net.graph().ids().into_iter().filter(|&id| match net.graph().op(id) {
        Op::Parameter(parameter) => parameter.trainable,
        _ => false,
    });
    assert_eq!(trainable.count(), 5);
}

/// Keras's rule: the result is `ceil(size / stride)` large and an odd zero goes to the end.
#[test]
fn same_padding() {
    for (size, kernel, stride, padding, out) in [
        (8, 3, 1, [1, 1], 8),
        (8, 2, 1, [0, 1], 8),
        (7, 3, 2, [1, 1], 4),
        (8, 3, 2, [0, 1], 4),
        (9, 2, 4, [0, 1], 3),
        (6, 1, 3, [0, 0], 2),
    ] {
        let (mut net, x) = with_image(&[size, 5, 1]);
        let layer = Conv2d { strides: [stride, 1], padding: Padding::Same, ..Conv2d::new(1, [kernel, 1]) };
        let y = net.conv2d("conv1", x, &layer).expect("fits");
        assert_eq!(net.ty(y).shape, Shape::batched(&[out, 5, 1]), "size {size} kernel {kernel} stride {stride}");
        let conv = net.graph().find("conv1.conv2d").expect("the inner node");
        match net.graph().op(conv) {
            Op::Conv2d(conv) => assert_eq!(conv.padding, [padding[0], padding[1], 0, 0]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn loss_and_metric_are_outputs_in_their_roles() {
    let (mut net, image) = with_image(&[2, 2, 1]);
    let label = net.input("label", DType::I32, Shape::batched(&[])).expect("a sound input");
    let x = net.flatten("flatten", image).expect("fits");
    let x = net.dropout("drop", x, &Dropout::new(0.5)).expect("fits");
    let x = net.dropout("drop2", x, &Dropout { rate: 0.5, seed: Some(8) }).expect("shares the input `step`");
    let p = net.dense("p", x, &Dense { activation: Some(Activation::Softmax), ..Dense::new(3) }).expect("fits");
    net.loss(Loss::CategoricalCrossentropy, p, label).expect("fits");
    net.accuracy(p, label).expect("fits");
    net.optimizer(Optimizer::adam(0.001));
    let graph = net.finish();
    let outputs: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["p", "loss", "accuracy"]);
    let role = |name: &str| graph.node(graph.find(name).expect("a node")).origin.role;
    assert_eq!([role("p"), role("loss"), role("accuracy")], [Role::Forward, Role::Loss, Role::Metric]);
    assert_eq!(graph.ids().into_iter().filter(|&id| graph.node(id).name == "step").count(), 1);
    assert!(verify::verify(&graph).is_empty());
}

#[test]
fn what_does_not_fit_is_an_error_with_the_node() {
    let (mut net, image) = with_image(&[8, 8, 3]);
    let number = net.input("number", DType::F32, Shape::batched(&[])).expect("a sound input");
    let message =
        |result: Result<NodeId, graphc_ir::graph::builder::BuildError>| result.expect_err("refused").to_string();
    assert_eq!(message(net.dense("d", number, &Dense::new(3))), "`d`: dense expects shape [N,…,features], got [N]");
    assert_eq!(message(net.input("image", DType::F32, Shape::batched(&[1]))), "`image`: the name `image` is taken");
    assert_eq!(
        message(net.conv2d("c", image, &Conv2d::new(0, [3, 3]))),
        "`c`: conv2d expects a `filters` greater than 0, got 0"
    );
    let huge = Conv2d { padding: Padding::Explicit([usize::MAX; 4]), ..Conv2d::new(1, [3, 3]) };
    assert!(message(net.conv2d("c2", image, &huge)).contains("is too large"));
    let strides = AvgPool2d { strides: Some([0, 2]), padding: Padding::Same, ..AvgPool2d::new([2, 2]) };
    assert_eq!(
        message(net.avg_pool2d("pool", image, &strides)),
        "`pool`: avg_pool2d expects a `strides` greater than 0, got 0"
    );
    assert_eq!(message(net.layer("d", &[image, image], &Dense::new(3))), "`d`: dense reads x, got 2 tensors");
    assert_eq!(
        message(net.dropout("drop", image, &Dropout::new(1.0))),
        "`drop`: dropout expects a `rate` of at least 0 and less than 1, got 1"
    );
    let flat = net.flatten("flatten", image).expect("fits");
    assert_eq!(
        message(net.dense("wide", flat, &Dense::new(MAX_SIZE * 2))),
        "`wide`: a tensor of shape [192,4294967294] is larger than 1 TiB"
    );
    net.set_largest_batch(usize::MAX);
    assert!(message(net.activation("relu", image, Activation::Relu)).contains("larger than 1 TiB at batch size"));
}
