//! Small kernels of two or three nests, and how they are cut.

use crate::machine::{Hardware, Threads};
use crate::{Choices, schedule_with};
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, KernelPlan, Root};
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::{NodeId, Op};

/// Every node that is computed is a nest of its own, in one kernel.
fn unfused(graph: &Graph) -> FusionPlan {
    let forms = Form::all(graph);
    let is_leaf = |id: &NodeId| matches!(graph.op(*id), Op::Input(_) | Op::Parameter(_));
    let nodes: Vec<NodeId> = graph.topo_order().into_iter().filter(|id| !is_leaf(id)).collect();
    let group = |&node: &NodeId| {
        let is_contraction = forms[&node].as_point().is_some_and(|form| form.as_contraction().is_some());
        let kind = if is_contraction { GroupKind::Contraction } else { GroupKind::Sweep };
        Group { name: node.to_string(), kind, roots: vec![Root::Value(node)], inlined: Vec::new() }
    };
    let kernel = KernelPlan { chunk: nodes.iter().map(group).collect(), ..KernelPlan::default() };
    FusionPlan { kernels: vec![kernel], stored: nodes.iter().copied().collect(), ..FusionPlan::default() }
}

/// Heads of phases and shares of nests in the plan of a graph's text.
fn cuts(text: &str, batch: usize, threads: Threads) -> Vec<String> {
    let mut graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
    (graph.batch, graph.mode) = (Some(batch), Some(Mode::Infer));
    let machine = Hardware { threads, ..Hardware::REFERENCE };
    let plan = schedule_with(&graph, &unfused(&graph), machine, &Choices::default()).plan.to_string();
    let is_cut = |line: &&str| line.starts_with("tasks") || line.starts_with("share");
    plan.lines().map(str::trim).filter(is_cut).map(String::from).collect()
}

const FREE: Threads = Threads { n: 2, barrier_cycles: 0 };

/// Two convolutions with a ReLU between them, of windows of `taps` rows.
fn chain(taps: usize) -> String {
    let (second, third) = (17 - taps, 18 - 2 * taps);
    format!(
        "graph g {{
  %0: f32[N,16,1,24] = input() {{dtype=f32, shape=[N,16,1,24]}} \"x\"
  %1: f32[{taps},1,24,48] = parameter() {{shape=[{taps},1,24,48], initializer=0.0, trainable=true}} \"a\"
  %2: f32[{taps},1,48,24] = parameter() {{shape=[{taps},1,48,24], initializer=0.0, trainable=true}} \"b\"
  %3: f32[N,{second},1,48] = conv2d(%0, %1) {{strides=[1,1], padding=[0,0,0,0]}}
  %4: f32[N,{second},1,48] = relu(%3)
  %5: f32[N,{third},1,24] = conv2d(%4, %2) {{strides=[1,1], padding=[0,0,0,0]}}
  output y = %5
}}"
    )
}

#[test]
fn pixels_of_one_task_need_no_barrier() {
    let found = cuts(&chain(1), 16, FREE);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], "tasks of 1 chunk of samples, cut in 2 shares");
    assert!(found[1..].iter().all(|share| share.starts_with("share     8 of 16 along")), "{found:?}");
}

#[test]
fn a_window_waits_for_all_tasks_before_it() {
    let found = cuts(&chain(3), 16, FREE);
    let n_phases = found.iter().filter(|line| line.starts_with("tasks")).count();
    assert_eq!(n_phases, 2, "{found:?}");
    assert!(found.last().is_some_and(|share| share.starts_with("share")), "{found:?}");
}

#[test]
fn chunks_are_whole_if_nothing_is_gained() {
    let whole = ["tasks of 1 chunk of samples"];
    assert_eq!(cuts(&chain(1), 32, FREE), whole, "each thread has a chunk");
    assert_eq!(cuts(&chain(1), 16, Threads::of(1)), whole);
    assert_eq!(cuts(&chain(1), 16, Threads { n: 2, barrier_cycles: 1 << 30 }), whole);
    // Three chunks for two threads: one of them has two.
    assert_eq!(cuts(&chain(1), 48, FREE)[0], "tasks of 1 chunk of samples, cut in 2 shares");
}
