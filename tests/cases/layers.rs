//! The cases of layers: graph files, `tests/cases/layers/<layer>.json`, with a few nodes of the layer.

use graphc_ir::graph::Graph;
use graphc_ir::layers::LayerInfo;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/layers")
}

/// The network of a layer's case, for 5 samples.
fn read(layer: &str) -> Result<Graph, String> {
    let file = directory().join(format!("{layer}.json"));
    let source = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    if !source.contains(&format!("\"op\": \"{layer}\"")) {
        return Err(format!("the network has no {layer}"));
    }
    let mut graph = graphc_frontend::parse(&source, &file).map_err(|error| error.to_string())?.graph;
    graph.batch = Some(5);
    Ok(graph)
}

#[test]
fn every_layer_has_a_case_and_every_case_agrees() {
    let check = |layer: &LayerInfo| read(layer.name).and_then(|graph| super::check_graph(&graph));
    let failures: Vec<String> = LayerInfo::ALL
        .iter()
        .filter_map(|layer| Some(format!("tests/cases/layers/{}.json: {}", layer.name, check(layer).err()?)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_file_is_of_a_layer() {
    let layers: BTreeSet<String> = LayerInfo::ALL.iter().map(|layer| format!("{}.json", layer.name)).collect();
    let files = std::fs::read_dir(directory()).unwrap();
    let names: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, layers);
}
