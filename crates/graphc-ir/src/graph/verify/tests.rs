use super::*;
use crate::graph::{Node, Origin, Update};

/// A well-formed graph with one of everything.
fn valid() -> Graph {
    "graph g(batch=4) {
        %0: f32[N,3] = input() {dtype=f32, shape=[N,3]} \"x\"
        %1: f32[3] = parameter() {shape=[3], initializer=0.5, trainable=true} \"w\"
        %2: f32[N,3] = mul(%0, %1)
        %3: f32[] = reduce_sum(%2) {axes=[0,1], keep_dims=false}
        %4: f32[3] = neg(%1)
        loss %3
        output loss = %3
        update %1 = %4
    }"
    .parse()
    .unwrap()
}

fn check(change: impl FnOnce(&mut Graph), expected: &[&str]) {
    let mut graph = valid();
    change(&mut graph);
    let found: Vec<String> = verify(&graph).iter().map(Finding::to_string).collect();
    assert_eq!(found, expected);
}

fn copy_of(graph: &mut Graph, id: NodeId, name: &str) -> NodeId {
    let node = Node { name: name.to_string(), origin: Origin::layer("", 0), ..graph.node(id).clone() };
    let operands = graph.operands(id);
    graph.add_node(node, &operands)
}

#[test]
fn a_valid_graph_has_no_findings() {
    check(|_| {}, &[]);
}

#[test]
fn cycles() {
    check(|graph| graph.set_operands(NodeId(4), &[NodeId(4)]), &["%4 depends on itself\n    %4: f32[3] = neg(%4)"]);
}

#[test]
fn wrong_arity_and_types_are_all_reported() {
    check(
        |graph| {
            graph.set_operands(NodeId(2), &[NodeId(0)]);
            graph.node_mut(NodeId(4)).ty.dtype = DType::I32;
        },
        &[
            "%2: mul takes 2 operands, got 1\n    %2: f32[N,3] = mul(%0)",
            "%4 has the type i32[3], but its operation gives f32[3]\n    %4: i32[3] = neg(%1)",
            "the parameter is f32[3], but %4 is i32[3]\n    update %1 = %4",
        ],
    );
}

#[test]
fn bad_sizes() {
    let input = |shape: &str| format!("graph g {{ %0: f32{shape} = input() {{dtype=f32, shape={shape}}} \"x\" }}");
    let mut graph: Graph = input("[N,2]").parse().unwrap();
    graph.batch = Some(usize::MAX / 2);
    assert!(verify(&graph)[0].message.contains("multiply to more"), "{:?}", verify(&graph));
    graph.batch = Some(0);
    assert!(verify(&graph)[0].message.contains("at least 1"));
    graph.batch = None;
    graph.node_mut(NodeId(0)).ty.shape.0[1] = Dim::Fixed(0);
    assert!(verify(&graph)[0].message.contains("size 0"));
    graph.node_mut(NodeId(0)).ty.shape.0[1] = Dim::Batch;
    assert!(verify(&graph)[0].message.contains("N twice"));
}

#[test]
fn names_of_inputs_and_parameters() {
    check(
        |graph| {
            copy_of(graph, NodeId(0), "x");
            copy_of(graph, NodeId(1), "");
        },
        &[
            "there are two inputs called \"x\"\n    %5: f32[N,3] = input() {dtype=f32, shape=[N,3]} \"x\"",
            "the parameter %6 has no name\n    %6: f32[3] = parameter() {shape=[3], initializer=0.5, trainable=true}",
        ],
    );
}

#[test]
fn loss_and_outputs() {
    check(
        |graph| {
            graph.loss = Some(NodeId(2));
            graph.add_output("loss", NodeId(2));
            graph.add_output("", NodeId(2));
            graph.add_output("gone", NodeId(77));
        },
        &[
            "the loss must be an f32 scalar, but %2 is f32[N,3]\n    loss %2",
            "there are two outputs called \"loss\"\n    output loss = %2",
            "an output has no name\n    output \"\" = %2",
            "%77 is no node of the graph\n    output gone = %77",
        ],
    );
}

#[test]
fn updates() {
    check(
        |graph| {
            graph.updates.push(Update { parameter: NodeId(1), value: NodeId(2) });
            graph.updates.push(Update { parameter: NodeId(2), value: NodeId(99) });
        },
        &[
            "the parameter is f32[3], but %2 is f32[N,3]\n    update %1 = %2",
            "%1 is updated twice\n    update %1 = %2",
            "%99 is no node of the graph\n    update %2 = %99",
            "%2 is updated but is no parameter\n    update %2 = %99",
        ],
    );
}
