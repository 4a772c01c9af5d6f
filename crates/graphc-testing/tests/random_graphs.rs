//! Random graphs are well-formed, tame, small, and read back from their text.

use graphc_interp::graph::run;
use graphc_ir::Graph;
use graphc_ir::graph::verify::verify;
use graphc_testing::{bindings, graphs, layer_graphs};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_reads_back(test in graphs()) {
        let text = test.graph.to_string();
        let read: Graph = text.parse().map_err(|error| TestCaseError::fail(format!("{error}")))?;
        prop_assert_eq!(read.to_string(), text);
        prop_assert!(read == test.graph);
    }

    #[test]
    fn layers_are_well_formed(test in layer_graphs()) {
        prop_assert_eq!(verify(&test.graph), vec![]);
        let read: Graph = test.graph.to_string().parse().map_err(|error| TestCaseError::fail(format!("{error}")))?;
        prop_assert!(read == test.graph);
    }

    #[test]
    fn graphs_are_well_formed_and_tame(test in graphs(), seed in any::<u64>()) {
        prop_assert_eq!(verify(&test.graph), vec![]);
        let f32_bindings = bindings(&test.graph, seed);
        let f64_bindings = f32_bindings.iter().map(|(name, tensor)| (name.clone(), tensor.cast::<f64>())).collect();
        let values = run(&test.graph, &f64_bindings).unwrap().values;
        let n_elements: usize = values.values().map(|value| value.data.len()).sum();
        prop_assert!(n_elements <= 40_000, "{} elements", n_elements);
        for (id, value) in values {
            let larger = |largest: f64, x: &f64| if x.is_nan() { f64::NAN } else { largest.max(x.abs()) };
            let largest = value.data.iter().fold(0.0, larger);
            prop_assert!(largest <= 1e5, "{id}: {largest}");
        }
        run(&test.graph, &f32_bindings).unwrap();
    }
}

#[test]
fn bindings_depend_on_seed_and_name_alone() {
    let graph: Graph = "graph g(batch=3) {
        %0: i32[N] = input() {dtype=i32, shape=[N]} \"label\"
        %1: f32[N,2] = one_hot(%0) {depth=2}
        %2: f32[N] = input() {dtype=f32, shape=[N]} \"x\"
        %3: f32[4] = parameter() {shape=[4], initializer=0.0, trainable=false} \"state\"
    }"
    .parse()
    .unwrap();
    let [a, b] = [1, 2].map(|seed| bindings(&graph, seed));
    assert_eq!(a, bindings(&graph, 1));
    assert!(a["x"] != b["x"]);
    for bindings in [a, b] {
        assert!(bindings["label"].data.iter().all(|label| [0.0, 1.0].contains(label)));
        assert!(bindings["state"].data.iter().all(|value| (0.25..0.95).contains(value)));
    }
}
