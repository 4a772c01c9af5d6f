//! `graphc predict`.

use crate::error::CliError;
use crate::tuned::TuningArg;
use crate::{experiment, output};
use graphc_driver::{Session, SessionOptions};
use graphc_frontend::Experiment;
use graphc_ir::graph::Mode;
use graphc_train::predict::{Picture, PictureSource, read_idx_sample, read_picture, read_sample};
use graphc_train::{InputSpec, Network, Part};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Classify pictures.
///
/// A picture is a PNG or JPEG file, a sample of an IDX file written FILE#NUMBER, or a plain number: that sample of the
/// test data. Colours become grey if the network takes grey pictures; another size is resized, with a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    /// The weights, as training wrote them.
    #[arg(long, short, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Pictures: FILE.png, FILE.jpg, FILE#NUMBER or NUMBER.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    #[command(flatten)]
    tuning: TuningArg,
    /// Print one JSON object for each picture.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc predict net.graph.json --weights model.safetensors digit.png
  graphc predict net.graph.json --weights model.safetensors data/mnist/t10k-images-idx3-ubyte.gz#7
  graphc predict net.graph.json --weights model.safetensors 0 1 2";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = experiment::load(&args.file)?;
    let input = match experiment::feature_inputs(&experiment).as_slice() {
        [input] => experiment::input_spec(&experiment, input)?,
        inputs => {
            return Err(CliError::new(format!(
                "the network has {} inputs besides the label; predict needs exactly one",
                inputs.len()
            )));
        }
    };
    let options = SessionOptions { tuning: args.tuning.tuning(), ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    experiment::load_weights(&mut session, &args.weights)?;
    for image in &args.images {
        let picture = read(&experiment, &input, image)?;
        if let Some(warning) = &picture.warning {
            output::warning(warning);
        }
        let values = predict(&mut session, &experiment, &input, &picture)?;
        output::line(if args.json { to_json(image, &values).to_string() } else { to_text(image, &values) })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(experiment: &Experiment, input: &InputSpec, image: &str) -> Result<Picture, CliError> {
    let shape = &input.sample_shape;
    match PictureSource::parse(image) {
        PictureSource::File(path) => Ok(read_picture(&path, shape)?),
        PictureSource::Idx(path, index) => Ok(read_idx_sample(&path, index, shape)?),
        PictureSource::Test(index) => match experiment::source(experiment, Part::Test, &input.name) {
            Some(source) => Ok(read_sample(input, &source, index)?),
            None => Err(CliError::new(format!("sample {index}: the graph file names no test data"))),
        },
    }
}

/// The prediction for one picture.
fn predict(
    session: &mut Session,
    experiment: &Experiment,
    input: &InputSpec,
    picture: &Picture,
) -> Result<Vec<f32>, CliError> {
    let scale = experiment.data.as_ref().map_or(1.0, |data| data.scale) as f32;
    let pixels: Vec<f32> = picture.pixels.iter().map(|&byte| f32::from(byte) * scale).collect();
    let network: &mut dyn Network = session;
    network.set_input_f32(Mode::Infer, 1, &input.name, &pixels)?;
    network.step(Mode::Infer, 1)?;
    Ok(network.output(Mode::Infer, 1, &experiment.prediction)?.data)
}

/// The first of the largest.
fn class(values: &[f32]) -> usize {
    (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

fn to_json(image: &str, values: &[f32]) -> serde_json::Value {
    json!({ "image": image, "class": class(values), "probabilities": values })
}

fn to_text(image: &str, values: &[f32]) -> String {
    let best = class(values);
    let mut text = format!("{image}: class {best} ({:.2}%)", 100.0 * values[best]);
    for (class, value) in values.iter().enumerate() {
        let bar = "#".repeat((value.clamp(0.0, 1.0) * 40.0).round() as usize);
        text.push_str(format!("\n  {class:>3}  {value:.6}  {bar}").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let values = [0.25, 0.5, 0.5];
        assert_eq!(class(&values), 1, "the first of the largest");
        assert_eq!(
            to_text("a.png", &[0.05, 0.95]),
            format!("a.png: class 1 (95.00%)\n    0  0.050000  ##\n    1  0.950000  {}", "#".repeat(38))
        );
        assert_eq!(to_json("3", &values).to_string(), r#"{"image":"3","class":1,"probabilities":[0.25,0.5,0.5]}"#);
    }
}
