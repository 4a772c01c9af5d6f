//! Plans of small sweeps, as text.

use super::nest::{Coordinate, ResultKind, SweepPlan};
use super::plan::Sources;
use graphc_ir::NodeId;
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::parse::parse;
use graphc_ir::graph::plan::{Group, GroupKind, Root};
use std::collections::BTreeSet;

/// The plan of one sweep that computes `roots` of the graph of these nodes, where values of roots are stored.
fn plan(batch: usize, features_are_lanes: bool, nodes: &str, roots: &[Root]) -> SweepPlan {
    plan_for(1, (batch, features_are_lanes), nodes, roots)
}

/// The same for so many threads.
fn plan_for(n_threads: usize, (batch, features_are_lanes): (usize, bool), nodes: &str, roots: &[Root]) -> SweepPlan {
    let graph = parse(&format!("graph g(batch={batch}) {{\n{nodes}\n}}")).unwrap();
    let forms: Forms = Form::all(&graph);
    let stored: BTreeSet<NodeId> = roots.iter().map(|root| root.node()).collect();
    let group = Group { name: "sweep".into(), kind: GroupKind::Sweep, roots: roots.to_vec(), inlined: Vec::new() };
    SweepPlan::of(&Sources { graph: &graph, forms: &forms, stored: &stored, features_are_lanes, n_threads }, &group)
}

/// Compares the text of a plan, the titles of its nests left out.
fn check(plan: &SweepPlan, expected: &str) {
    let text = plan.to_string();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("sweep")).map(str::trim).collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "\n{text}");
}

fn value(node: u32) -> Root {
    Root::Value(NodeId(node))
}

const POOL_GRADIENT: &str = r#"
    %0: f32[N,12,12,6] = input() {dtype=f32, shape=[N,12,12,6]} "dy"
    %1: f32[N,24,24,6] = avg_pool2d_grad(%0) {pool=[2,2], strides=[2,2], padding=[0,0,0,0], shape=[N,24,24,6]}
    %2: f32[N,24,24,6] = neg(%1)
"#;

#[test]
fn a_pooling_gradient_is_walked_window_by_window() {
    let expected = "
        axes      a:6 out | b:24 out | c:24 out
        lanes     samples, 8 of 16 in a chunk
        loops     a > b1:12 > b0:2 unrolled > c1:12 > c0:2 unrolled > halves unrolled
        results   store %2
    ";
    check(&plan(64, false, POOL_GRADIENT, &[value(2)]), expected);
    // A single vector is no loop.
    check(&plan(8, false, POOL_GRADIENT, &[value(2)]), &expected.replace(" > halves unrolled", ""));
}

#[test]
fn rows_end_with_vectors_of_features() {
    check(
        &plan(3, true, POOL_GRADIENT, &[value(2)]),
        "axes      a:6 out | b:24 out | c:24 out
         lanes     8 neighbours along a
         loops     n:3 > b1:12 > b0:2 unrolled > c1:12 > c0:2 unrolled
         results   store %2",
    );
}

#[test]
fn what_a_left_out_loop_decides_is_known_inside_of_the_one_before() {
    let nest = &plan(3, true, POOL_GRADIENT, &[value(2)]).nests[0];
    let features = Coordinate::Axis(0);
    assert!(nest.is_known(features, nest.loops.len()) && !nest.is_known(features, nest.loops.len() - 1));
    assert!(nest.is_known(Coordinate::Sample, 1) && !nest.is_known(Coordinate::Sample, 0));
    // Rows are known with the last of their digits.
    assert_eq!([1, 2, 3].map(|depth| nest.is_known(Coordinate::Axis(1), depth)), [false, false, true]);
}

fn momentum(shape: &str) -> String {
    format!(
        r#"
        %0: f32[{shape}] = parameter() {{shape=[{shape}], initializer=0.0, trainable=true}} "weights"
        %1: f32[{shape}] = parameter() {{shape=[{shape}], initializer=0.0, trainable=false}} "moment"
        %2: f32[{shape}] = add(%0, %1)
        %3: f32[{shape}] = mul(%0, %2)
        "#
    )
}

#[test]
fn an_optimizer_takes_elements_as_they_lie() {
    let roots = [value(2), value(3)];
    check(
        &plan(64, false, &momentum("5,5,1,6"), &roots),
        "axes      a:5 out | b:5 out | c:1 out | d:6 out
         lanes     8 consecutive elements
         loops     vectors:19
         results   store %2 | store %3",
    );
    let large = plan(64, false, &momentum("100,50"), &roots);
    check(
        &large,
        "axes      a:100 out | b:50 out
         lanes     8 consecutive elements
         loops     blocks:3 parallel > vectors:256
         results   store %2 | store %3",
    );
    assert_eq!(large.nests[0].loops[1].in_all, Some(625), "the last block is shorter");
}

#[test]
fn scalars_where_elements_move_otherwise_than_the_result() {
    let nodes = r#"
        %0: f32[4,6] = parameter() {shape=[4,6], initializer=0.0, trainable=true} "weights"
        %1: f32[4,1] = reduce_sum(%0) {axes=[1], keep_dims=true}
    "#;
    check(
        &plan(64, false, nodes, &[value(1)]),
        "axes      a:4 out | b:1 out
         lanes     none
         loops     a > b
         results   store %1",
    );
}

const STATISTICS: &str = r#"
    %0: f32[N,12,12,6] = input() {dtype=f32, shape=[N,12,12,6]} "x"
    %1: f32[6] = reduce_mean(%0) {axes=[0,1,2], keep_dims=false}
    %2: f32[6] = reduce_variance(%0) {axes=[0,1,2], keep_dims=false}
    %3: f32[N,12,12,6] = mul(%0, %0)
    %4: f32[6] = reduce_sum(%3) {axes=[0,1,2], keep_dims=false}
    %5: f32[6] = reduce_max(%0) {axes=[0,1,2], keep_dims=false}
    %6: f32[N] = reduce_sum(%0) {axes=[1,2,3], keep_dims=false}
    %7: f32[] = reduce_mean(%6) {axes=[0], keep_dims=false}
"#;

fn partial(node: u32) -> Root {
    Root::Partial(NodeId(node))
}

#[test]
fn sums_have_two_chains_whoever_shares_their_loops() {
    check(
        &plan(64, false, STATISTICS, &[partial(1), partial(4)]),
        "axes      a:6 out | b:12 red | c:12 red
         lanes     samples, 8 of 16 in a chunk
         loops     a > b > c by 2 > halves written out
         results   partial sum %1 over n,b,c: 2 chains | partial sum of products %4 over n,b,c: 2 chains",
    );
    check(
        &plan(64, false, STATISTICS, &[partial(1), partial(4), partial(5)]),
        "axes      a:6 out | b:12 red | c:12 red
         lanes     samples, 8 of 16 in a chunk
         loops     a > b > c by 2 > halves written out
         results   partial sum %1 over n,b,c: 2 chains | partial sum of products %4 over n,b,c: 2 chains |
                   partial maximum %5 over n,b,c: 2 chains",
    );
}

#[test]
fn accumulators_stand_inside_of_the_kept_axes() {
    let plan = plan(64, false, STATISTICS, &[value(3), partial(4)]);
    let nest = &plan.nests[0];
    let ResultKind::Partial(sum) = nest.results[1].kind else { panic!("{plan}") };
    assert_eq!((sum.n_kept, sum.depth, nest.copies(sum)), (1, 1, vec![1, 2, 2]), "{plan}");
    assert_eq!(nest.hoisted, 0..4, "but not in the halves: {plan}");
}

/// Padding samples are taken out behind the product.
#[test]
fn products_are_rounded_in_a_ragged_batch() {
    let text = plan(60, false, STATISTICS, &[partial(4)]).to_string();
    assert!(text.contains("partial sum %4"), "{text}");
}

#[test]
fn deviations_come_from_the_mean_that_is_there_already() {
    let deviations = Root::PartialDeviations(NodeId(2));
    check(
        &plan(64, false, STATISTICS, &[deviations]),
        "axes      a:6 out | b:12 red | c:12 red
         lanes     samples, 8 of 16 in a chunk
         loops     a > b > c by 2 > halves written out
         results   squared deviations %2 over n,b,c: 2 chains",
    );
}

#[test]
fn statistics_are_joined_element_by_element() {
    check(
        &plan(64, false, STATISTICS, &[value(1), value(2)]),
        "axes      a:6 out
         lanes     8 consecutive elements
         loops     vectors:1
         joins     %1, %2
         results   store %1 | store %2",
    );
}

#[test]
fn statistics_of_few_samples_are_a_nest_each() {
    check(
        &plan(3, true, STATISTICS, &[value(3), partial(1), partial(7)]),
        "axes      a:6 out | b:12 out | c:12 out
         lanes     8 neighbours along a
         loops     n:3 > b > c
         results   store %3
         axes      a:6 out | b:12 red | c:12 red
         lanes     8 neighbours along a
         loops     a:1 vectors > n:3 > b > c
         results   partial sum %1 over n,b,c: 1 chain
         axes      none
         lanes     none
         loops     n:3
         results   partial sum %7 over n: 1 chain",
    );
}

/// Chains of sums wait for themselves, so that two take no longer than one.
#[test]
fn sums_over_the_same_space_share_a_nest() {
    let nodes = r#"
        %0: f32[N,4,4,6] = input() {dtype=f32, shape=[N,4,4,6]} "x"
        %1: f32[6] = reduce_sum(%0) {axes=[0,1,2], keep_dims=false}
        %2: f32[N,4,4,6] = relu(%0)
        %3: f32[6] = reduce_sum(%2) {axes=[0,1,2], keep_dims=false}
    "#;
    check(
        &plan(3, true, nodes, &[partial(1), partial(3)]),
        "axes      a:6 out | b:4 red | c:4 red
         lanes     8 neighbours along a
         loops     a:1 vectors > n:3 > b > c
         results   partial sum %1 over n,b,c: 1 chain | partial sum %3 over n,b,c: 1 chain",
    );
}

/// The update of a weight whose gradient is a product of rows and columns.
#[test]
fn rows_are_in_blocks_if_there_are_many() {
    let nodes = r#"
        %0: f32[300,16] = parameter() {shape=[300,16], initializer=0.0, trainable=true} "w"
        %1: f32[300,1] = parameter() {shape=[300,1], initializer=0.0, trainable=true} "rows"
        %2: f32[300,16] = mul(%0, %1)
    "#;
    check(
        &plan(64, true, nodes, &[value(2)]),
        "axes      a:300 out | b:16 out
         lanes     8 neighbours along b
         loops     a1:3 parallel > a0:128 > b:2 vectors
         results   store %2",
    );
}

/// 1260 vectors are five blocks of 256 for one thread, and a multiple of the threads for several.
#[test]
fn threads_have_as_many_blocks_each() {
    let nodes = r#"
        %0: f32[10080] = parameter() {shape=[10080], initializer=0.0, trainable=true} "w"
        %1: f32[10080] = relu(%0)
    "#;
    for (n_threads, loops) in [
        (1, "blocks:5 parallel > vectors:256"),
        (2, "blocks:6 parallel > vectors:210"),
        (8, "blocks:8 parallel > vectors:158"),
        (1000, "blocks:79 parallel > vectors:16"),
    ] {
        let text = plan_for(n_threads, (64, true), nodes, &[value(1)]).to_string();
        assert!(text.contains(loops), "{n_threads} threads: {text}");
    }
}

#[test]
fn a_softmax_takes_its_rows_feature_by_feature_where_they_are_reduced() {
    let nodes = r#"
        %0: f32[N,10] = input() {dtype=f32, shape=[N,10]} "x"
        %1: f32[N,1] = reduce_max(%0) {axes=[1], keep_dims=true}
        %2: f32[N,10] = sub(%0, %1)
        %3: f32[N,10] = exp(%2)
    "#;
    check(
        &plan(5, true, nodes, &[value(1)]),
        "axes      a:1 out
         lanes     none
         loops     n:5
         results   store %1",
    );
    // The maximum of a row is the same for all of its lanes.
    let nodes = format!("{nodes}\n %4: f32[N,10] = add(%3, %1)");
    check(
        &plan(5, true, &nodes, &[value(4)]),
        "axes      a:10 out
         lanes     8 neighbours along a
         loops     n:5 > a:2 vectors
         results   store %4",
    );
}

#[test]
fn long_lines_go_on_in_the_next() {
    let sums: String = (0..12).map(|i| format!("%{}: f32[6,2] = add(%0, %{i})\n", i + 1)).collect();
    let nodes =
        format!("%0: f32[6,2] = parameter() {{shape=[6,2], initializer=0.0, trainable=true}} \"weights\"\n{sums}");
    let mut plan = plan(64, false, &nodes, &(1..=12).map(value).collect::<Vec<_>>());
    plan.name = "layer + ".repeat(40);
    let text = plan.to_string();
    assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    assert!(text.lines().next().unwrap().ends_with("...\""), "{text}");
    assert_eq!(text.matches("store").count(), 12, "{text}");
}
