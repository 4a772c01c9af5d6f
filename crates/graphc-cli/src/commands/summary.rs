//! `graphc summary`.

use crate::error::CliError;
use crate::sizes::SizeArgs;
use crate::{output, tables};
use graphc_frontend::{SummaryRow, Totals};
use graphc_ir::Dim;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the layers, shapes and parameters of a network.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    /// Show the nodes of blocks in place of one line a use; JSON has them anyway.
    #[arg(long)]
    expand: bool,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Print one JSON object; the batch dimension is "N" in shapes.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc summary examples/lenet5.graph.json
  graphc summary examples/resnet20-mnist.graph.json --expand
  graphc summary examples/lenet5.graph.json --json | jq .parameters";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = args.sizes.load(&args.file)?;
    let rows = match args.expand || args.json {
        true => graphc_frontend::summary_of(&experiment),
        false => graphc_frontend::summary_of_parts(&experiment),
    };
    let totals = graphc_frontend::totals(&experiment.graph);
    let n_frozen = graphc_frontend::n_elements(&experiment.graph, &experiment.frozen);
    output::line(match args.json {
        true => summary_json(&experiment.name, &rows, totals, n_frozen).to_string(),
        false => tables::summary(&experiment.name, &rows, totals, n_frozen),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn summary_json(name: &str, rows: &[SummaryRow], totals: Totals, n_frozen: usize) -> Value {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => json!(size),
        other => json!(other.to_string()),
    };
    let layer = |row: &SummaryRow| {
        let shape: Vec<Value> = row.shape.0.iter().map(size).collect();
        let SummaryRow { layer, op, parameters, is_frozen, .. } = row;
        json!({ "layer": layer, "op": op, "shape": shape, "parameters": parameters, "frozen": is_frozen })
    };
    json!({
        "name": name,
        "layers": rows.iter().map(layer).collect::<Vec<_>>(),
        "parameters": totals.trainable + totals.fixed,
        "trainable": totals.trainable,
        "not_trainable": totals.fixed,
        "frozen": n_frozen,
    })
}
