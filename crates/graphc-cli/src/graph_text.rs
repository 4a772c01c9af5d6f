//! Files that are graph files or graph text.

use crate::error::CliError;
use crate::sizes::SizeArgs;
use graphc::experiment;
use graphc_frontend::Experiment;
use graphc_ir::Graph;
use graphc_ir::graph::Mode;
use graphc_ir::text::MAX_TEXT_BYTES;
use std::io::Read;
use std::path::Path;

/// The experiment of a graph file, or of graph text (`.gir`), which says nothing but its graph.
///
/// # Errors
/// If the file cannot be read, or something is wrong with it.
pub(crate) fn load(path: &Path, sizes: &SizeArgs) -> Result<Experiment, CliError> {
    if !is_text(path) {
        return sizes.load(path);
    }
    if sizes.is_given() {
        return Err(CliError::new(format!("{}: graph text has no sizes for `--size`", path.display())));
    }
    Ok(experiment::of_graph(parse(path)?))
}

/// The same for commands that run a step; the samples of a step are those that the text names, if it does.
///
/// # Errors
/// As [`load`], or if there is no such step: text may be that of a later stage, or lack what is trained by.
pub(crate) fn load_for_step(path: &Path, sizes: &SizeArgs, mode: Mode) -> Result<Experiment, CliError> {
    let mut experiment = load(path, sizes)?;
    if !is_text(path) {
        return Ok(experiment);
    }
    let graph = &experiment.graph;
    let missing = match mode {
        Mode::Train if graph.loss.is_none() => Some("`loss`"),
        Mode::Train if graph.optimizer.is_none() => Some("`optimizer`"),
        Mode::Train | Mode::Infer => None,
    };
    let error = |message: String| Err(CliError::new(format!("{}: {message}", path.display())));
    if graph.mode.is_some() {
        return error("this is the graph of a step already; its text as written, without `mode`, is needed".into());
    }
    if let Some(missing) = missing {
        return error(format!("no {missing}, so there is no training step; `--infer` measures the outputs alone"));
    }
    experiment.train.batch_size = graph.batch.unwrap_or(experiment.train.batch_size);
    Ok(experiment)
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gir")
}

fn parse(path: &Path) -> Result<Graph, CliError> {
    let error = |message: String| CliError::new(format!("{}: {message}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| error(format!("cannot read the graph: {e}")))?;
    graphc_ir::graph::parse::parse_bytes(&bytes).map_err(|e| error(e.to_string()))
}
