//! Nodes, their users and their order while nodes come and go.

use graphc_ir::graph::{Graph, NodeId, Origin};
use graphc_ir::ops::{Add, Constant, Op};
use graphc_ir::types::Shape;

fn constant(graph: &mut Graph) -> NodeId {
    let op = Constant { value: 1.0, shape: Shape::scalar() };
    graph.add(op, &[], "", Origin::layer("", 0)).unwrap()
}

fn sum(graph: &mut Graph, a: NodeId, b: NodeId) -> NodeId {
    graph.add(Add {}, &[a, b], "", Origin::layer("", 0)).unwrap()
}

/// Among ready nodes the smallest is next, found by looking at all of them.
fn plain_order(graph: &Graph) -> Vec<NodeId> {
    let mut order = Vec::new();
    let is_next = |id: &NodeId, order: &[NodeId]| {
        !order.contains(id) && graph.operands(*id).iter().all(|operand| order.contains(operand))
    };
    while let Some(id) = graph.ids().into_iter().find(|id| is_next(id, &order)) {
        order.push(id);
    }
    order
}

/// Sums of earlier nodes, of which some are removed again and some read others instead, so that ids are out of order.
fn worn_graph(seed: u32) -> Graph {
    let mut graph = Graph::new("g");
    let mut nodes = vec![constant(&mut graph), constant(&mut graph)];
    let mut random = seed;
    let mut below = |n: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as usize % n
    };
    for _ in 0..60 {
        let [a, b] = [nodes[below(nodes.len())], nodes[below(nodes.len())]];
        nodes.push(sum(&mut graph, a, b));
        let at = below(nodes.len());
        let old = nodes[at];
        if at > 1 && below(3) == 0 {
            graph.replace_uses(old, a);
            // What `a` came to read of itself by that would be a cycle.
            if graph.operands(a).contains(&a) {
                graph.set_operands(a, &[nodes[0], nodes[1]]);
            }
        }
        if graph.try_topo_order().is_none() {
            return worn_graph(seed + 1000);
        }
        if at > 1 && !graph.has_users(old) {
            graph.remove(old);
            nodes.remove(at);
        }
    }
    graph
}

#[test]
fn the_smallest_ready_node_is_next() {
    let mut n_unordered = 0;
    for seed in 0..50 {
        let graph = worn_graph(seed);
        let order = graph.topo_order();
        assert_eq!(order, plain_order(&graph), "seed {seed}");
        n_unordered += usize::from(!order.is_sorted());
    }
    assert!(n_unordered > 10, "{n_unordered} graphs have ids out of order");
}

#[test]
fn users_are_those_that_read() {
    for seed in 0..50 {
        let graph = worn_graph(seed);
        for id in graph.ids() {
            let reads = |user: &NodeId| graph.operands(*user).contains(&id);
            let users: Vec<NodeId> = graph.ids().into_iter().filter(reads).collect();
            assert_eq!(*graph.users(id), users, "seed {seed}, {id}");
            assert_eq!(graph.has_users(id), !users.is_empty());
            assert!(users.iter().all(|&user| graph.is_only_user(id, user) == (users.len() == 1)));
        }
    }
}

#[test]
fn compacted_nodes_are_numbered_in_order() {
    for seed in 0..50 {
        let graph = worn_graph(seed);
        let (order, compacted) = (graph.topo_order(), graph.compacted());
        assert_eq!(compacted.topo_order(), (0..order.len() as u32).map(NodeId).collect::<Vec<_>>());
        for (id, old) in compacted.topo_order().into_iter().zip(&order) {
            let operands: Vec<NodeId> = compacted.operands(id).iter().map(|id| order[id.0 as usize]).collect();
            assert_eq!(operands, *graph.operands(*old), "seed {seed}, {id}");
        }
        assert!(compacted == compacted.compacted());
    }
}

#[test]
fn the_id_that_was_free_last_is_given_first() {
    let mut graph = Graph::new("g");
    let ids: Vec<NodeId> = (0..4).map(|_| constant(&mut graph)).collect();
    graph.remove(ids[1]);
    graph.remove(ids[2]);
    assert_eq!((graph.len(), graph.contains(ids[1])), (2, false));
    assert_eq!([(); 3].map(|()| constant(&mut graph)), [ids[2], ids[1], NodeId(4)]);
}

#[test]
fn attributes_are_compared_to_the_bit() {
    let words = |value: f64, shape: &[usize]| Op::from(Constant { value, shape: Shape::fixed(shape) }).words();
    assert_eq!(words(0.0, &[2, 3]), words(0.0, &[2, 3]));
    assert_ne!(words(0.0, &[2, 3]), words(-0.0, &[2, 3]));
    assert_ne!(words(0.0, &[2, 3]), words(0.0, &[3, 2]));
    assert_ne!(words(0.0, &[]), words(0.0, &[1]));
}
