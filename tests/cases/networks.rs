//! Graph files of what concerns a network as a whole, `tests/cases/networks/*.json`: blocks, sizes, parameters that
//! several nodes have.

use graphc_ir::graph::Graph;
use std::path::Path;

/// The network of a case, for 5 samples.
fn read(file: &Path) -> Result<Graph, String> {
    let source = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut graph = graphc_frontend::parse(&source, file).map_err(|error| error.to_string())?.graph;
    graph.batch = Some(5);
    Ok(graph)
}

#[test]
fn every_network_agrees() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/networks");
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let graph = read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(graph.to_string().parse::<Graph>().unwrap().to_string(), graph.to_string(), "{}", file.display());
        super::check_graph(&graph).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
