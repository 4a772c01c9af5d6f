//! `graphc predict`.

use super::predict_data;
use crate::answer::{Unit, best_class};
use crate::error::CliError;
use crate::nonfinite::{AllowNonfiniteArg, warn_of_weights};
use crate::numbers::at_least_one;
use crate::sizes::SizeArgs;
use crate::tuned::TuningArg;
use crate::{messages, output, words};
use graphc::experiment;
use graphc::experiment::Kind;
use graphc_driver::{Session, SessionOptions};
use graphc_frontend::{DataSource, Experiment};
use graphc_ir::graph::Mode;
use graphc_train::data::{ArraySource, Fitted};
use graphc_train::error::printable;
use graphc_train::picture::PictureOptions;
use graphc_train::predict::{PictureSource, edge_of_samples, picture_values, read_picture, read_sample};
use graphc_train::weights::read_fitted;
use graphc_train::{InputSpec, Loader, Network, Part, Source, check_writable, write_file};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Classify pictures, or compute what a regression gives for them.
///
/// A picture is a PNG or JPEG file, a sample of an IDX file written FILE#NUMBER, or a plain number: that sample of the
/// test data. PNG and JPEG files are turned upright as their EXIF data say, transparent pixels are laid on white, and
/// colours become grey if the network takes grey pictures. Another size is resized, without keeping the aspect ratio.
/// Of what changes the picture, and of ink on paper where the network's samples are light on dark, there is a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// The weights, as training wrote them.
    #[arg(long, short, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Pictures: FILE.png, FILE.jpg, FILE#NUMBER or NUMBER.
    #[arg(required_unless_present = "data", value_name = "IMAGE")]
    images: Vec<String>,
    /// Predict for every sample of this file or folder, which has the format of the graph file's data; it may lack the
    /// target.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "json", "top", "invert"], requires = "out")]
    data: Option<PathBuf>,
    /// Write the predictions for --data to this file: a header, then a row for each sample.
    #[arg(long, value_name = "FILE.csv", requires = "data")]
    out: Option<PathBuf>,
    /// Take the negative of PNG and JPEG files: ink on paper for a network that has learnt light on dark.
    #[arg(long)]
    invert: bool,
    /// Show the K most probable classes, the best first [default: all if they are at most 20, else 10].
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    top: Option<usize>,
    #[command(flatten)]
    nonfinite: AllowNonfiniteArg,
    #[command(flatten)]
    tuning: TuningArg,
    /// Print one JSON object for each picture.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc predict net.graph.json --weights model.safetensors digit.png
  graphc predict net.graph.json --weights model.safetensors --invert --top 3 scan.jpg
  graphc predict net.graph.json --weights model.safetensors data/mnist/t10k-images-idx3-ubyte.gz#7
  graphc predict net.graph.json --weights model.safetensors 0 1 2
  graphc predict net.graph.json --weights model.safetensors --data new.csv --out y.csv";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = args.sizes.load(&args.file)?;
    if let Some(DataSource::Text { .. }) = experiment.data.as_ref().map(|data| &data.source) {
        return Err(CliError::new("the data is text, which `graphc generate` continues; `graphc eval` measures it"));
    }
    let fitted = read_fitted(&args.weights)?;
    if let (Some(data), Some(out)) = (&args.data, &args.out) {
        check_writable(out)?;
        let mut session = session(args, &experiment)?;
        let (table, n_bad) = predict_data::run(data, &experiment, &mut session, &fitted)?;
        write_file(out, &table)?;
        if n_bad == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        return args.nonfinite.tell(&format!("the predictions for {} are not finite", words::counted(n_bad, "row")));
    }
    let input = match experiment::feature_inputs(&experiment).as_slice() {
        [input] => experiment::input_spec(&experiment, input)?,
        inputs => {
            return Err(CliError::new(format!(
                "the network has {} inputs besides the label; predict needs exactly one",
                inputs.len()
            )));
        }
    };
    let mut session = session(args, &experiment)?;
    let kind = Kind::of(&experiment);
    let unit = Unit::of(&experiment, &fitted, kind)?;
    let classes = fitted.of(&experiment.target).classes.unwrap_or_default();
    if args.top.is_some() && kind == Kind::Values {
        return Err(CliError::new(format!("--top: the output `{}` is no list of classes", experiment.prediction)));
    }
    let loader = experiment::loader(&experiment, std::slice::from_ref(&input.name), session.threads())?;
    let options = PictureOptions { invert: args.invert, edge: edge(&experiment, &loader, &input, &args.images) };
    let from = Reader { experiment: &experiment, loader: &loader, input: &input, fitted: &fitted, options };
    let mut n_bad = 0;
    for image in &args.images {
        let values = predict(&mut session, &experiment, &input, &from.values(image)?)?;
        let values: Vec<f32> = values.iter().enumerate().map(|(index, &value)| unit.value(value, index)).collect();
        n_bad += usize::from(!values.iter().all(|value| value.is_finite()));
        let prediction = Prediction { image, values: &values, kind, top: args.top, classes: &classes };
        output::line(if args.json { prediction.json().to_string() } else { prediction.text() })?;
    }
    if n_bad == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let pictures = words::counted(args.images.len(), "picture");
    args.nonfinite.tell(&format!("the predictions for {n_bad} of {pictures} are not finite"))
}

/// A network with the weights, ready to predict.
fn session(args: &Args, experiment: &Experiment) -> Result<Session, CliError> {
    let options = SessionOptions { tuning: args.tuning.tuning(), ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    experiment::load_weights(&mut session, &args.weights)?;
    warn_of_weights(&mut session, &args.weights)?;
    Ok(session)
}

/// How bright the edges of the network's own samples are; only asked if there is a picture file to compare with them.
fn edge(experiment: &Experiment, loader: &Loader, input: &InputSpec, images: &[String]) -> Option<u8> {
    images.iter().find(|image| matches!(PictureSource::parse(image), PictureSource::File(_)))?;
    let source = |part| experiment::source(experiment, part);
    let mut sources = [Part::Test, Part::Train].into_iter().filter_map(source);
    sources.find_map(|source| edge_of_samples(loader, &source, &input.name))
}

/// Takes pictures from where they are.
struct Reader<'a> {
    experiment: &'a Experiment,
    loader: &'a Loader,
    input: &'a InputSpec,
    fitted: &'a Fitted,
    options: PictureOptions,
}

impl Reader<'_> {
    /// The numbers that the network gets.
    fn values(&self, image: &str) -> Result<Vec<f32>, CliError> {
        let Reader { experiment, loader, input, fitted, options } = *self;
        let sample = |source: &Source, index| Ok(read_sample(loader, source, fitted, &input.name, index)?);
        match PictureSource::parse(image) {
            PictureSource::File(path) => {
                let picture = read_picture(&path, &input.sample_shape, options)?;
                picture.warnings.iter().for_each(|warning| messages::warning(warning));
                let preprocess = experiment::preprocess(experiment, input);
                Ok(picture_values(&picture.pixels, &preprocess, &fitted.of(&input.name)))
            }
            PictureSource::Idx(path, index) => {
                sample(&Source::Arrays(vec![(input.name.clone(), ArraySource::new(path))]), index)
            }
            PictureSource::Test(index) => match experiment::source(experiment, Part::Test) {
                Some(source) => sample(&source, index),
                None => Err(CliError::new(format!("sample {index}: the graph file names no test data"))),
            },
        }
    }
}

/// The prediction for one picture.
fn predict(
    session: &mut Session,
    experiment: &Experiment,
    input: &InputSpec,
    pixels: &[f32],
) -> Result<Vec<f32>, CliError> {
    let network: &mut dyn Network = session;
    network.set_input_f32(Mode::Infer, 1, &input.name, pixels)?;
    network.step(Mode::Infer, 1)?;
    Ok(network.output(Mode::Infer, 1, &experiment.prediction)?.data)
}

/// Classes that are all shown; of more only the best [`N_BEST`].
const MOST_SHOWN: usize = 20;
const N_BEST: usize = 10;

/// What the network gives for one picture.
struct Prediction<'a> {
    image: &'a str,
    values: &'a [f32],
    kind: Kind,
    top: Option<usize>,
    /// Names of the classes, if they have some.
    classes: &'a [String],
}

impl Prediction<'_> {
    /// The most likely class, the first one of several; none if a number is not finite.
    fn class(&self) -> Option<usize> {
        best_class(self.values).filter(|_| self.kind != Kind::Values)
    }

    /// The `n` most likely classes, the best first.
    fn best(&self, n: usize) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.values.len()).collect();
        classes.sort_by(|&a, &b| self.values[b].total_cmp(&self.values[a]));
        classes.truncate(n);
        classes
    }

    /// A class in words.
    fn name(&self, class: usize) -> String {
        self.classes.get(class).map_or_else(|| class.to_string(), |name| printable(name))
    }

    fn json(&self) -> Value {
        let Prediction { image, values, .. } = self;
        if self.kind == Kind::Values {
            return json!({ "image": image, "values": values });
        }
        let mut object = json!({ "image": image, "class": self.class(), "probabilities": values });
        if let Some(name) = self.class().and_then(|class| self.classes.get(class)) {
            object["class_name"] = name.as_str().into();
        }
        if let Some(top) = self.top {
            let entry = |class: usize| json!({ "class": class, "probability": values[class] });
            object["top"] = self.best(top).into_iter().map(entry).collect();
        }
        object
    }

    fn text(&self) -> String {
        let Prediction { image, values, kind, .. } = self;
        let image = printable(image);
        let n_bad = values.iter().filter(|value| !value.is_finite()).count();
        let mut text = match (self.class(), kind, *values) {
            (Some(class), Kind::Probabilities, _) => {
                format!("{image}: class {} ({:.2}%)", self.name(class), 100.0 * values[class])
            }
            (Some(class), ..) => format!("{image}: class {}", self.name(class)),
            (None, Kind::Values, [value]) => return format!("{image}: {value}"),
            (None, Kind::Values, _) if n_bad == 0 => format!("{image}: {}", words::counted(values.len(), "value")),
            _ => format!("{image}: no prediction, {n_bad} of {} values are not finite", values.len()),
        };
        let shown = match (self.top, kind) {
            (Some(top), _) => self.best(top),
            (None, Kind::Values) => (0..values.len()).collect(),
            (None, _) if values.len() <= MOST_SHOWN => (0..values.len()).collect(),
            (None, _) => self.best(N_BEST),
        };
        let width = shown.iter().map(|&class| self.name(class).chars().count()).max().unwrap_or(0).max(3);
        for class in shown {
            let (value, class) = (values[class], self.name(class));
            let line = match kind {
                Kind::Probabilities => {
                    let bar = "#".repeat((value.clamp(0.0, 1.0) * 40.0).round() as usize);
                    format!("\n  {class:>width$}  {value:.6}  {bar}")
                }
                Kind::Scores | Kind::Values => format!("\n  {class:>width$}  {value}"),
            };
            text.push_str(line.trim_end());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(values: &[f32], kind: Kind, top: Option<usize>) -> Prediction<'_> {
        Prediction { image: "a.png", values, kind, top, classes: &[] }
    }

    #[test]
    fn classes() {
        let text = |values: &[f32], top| prediction(values, Kind::Probabilities, top).text();
        assert_eq!(
            prediction(&[0.25, 0.5, 0.5], Kind::Probabilities, None).class(),
            Some(1),
            "the first of the largest"
        );
        assert_eq!(
            text(&[0.05, 0.95], None),
            format!("a.png: class 1 (95.00%)\n    0  0.050000  ##\n    1  0.950000  {}", "#".repeat(38))
        );
        assert_eq!(
            text(&[0.05, 0.125, 0.5, 0.325], Some(2)),
            format!(
                "a.png: class 2 (50.00%)\n    2  0.500000  {}\n    3  0.325000  {}",
                "#".repeat(20),
                "#".repeat(13)
            )
        );
        assert_eq!(text(&[1.0], Some(5)), format!("a.png: class 0 (100.00%)\n    0  1.000000  {}", "#".repeat(40)));
        let many: Vec<f32> = (0..21).map(|class| if class == 20 { 0.5 } else { 0.025 }).collect();
        assert_eq!(text(&many, None).lines().count(), 1 + N_BEST);
        assert_eq!(text(&many[..20], None).lines().count(), 1 + MOST_SHOWN);
        assert_eq!(prediction(&[-1.5, 12.25], Kind::Scores, None).text(), "a.png: class 1\n    0  -1.5\n    1  12.25");
    }

    #[test]
    fn values_are_no_classes() {
        assert_eq!(prediction(&[158.57], Kind::Values, None).text(), "a.png: 158.57");
        assert_eq!(prediction(&[1.5, -2.0], Kind::Values, None).text(), "a.png: 2 values\n    0  1.5\n    1  -2");
        assert_eq!(
            prediction(&[158.5], Kind::Values, None).json().to_string(),
            r#"{"image":"a.png","values":[158.5]}"#
        );
    }

    #[test]
    fn what_is_not_finite_is_no_class() {
        let values = [0.5, f32::NAN, f32::INFINITY];
        let text = "a.png: no prediction, 2 of 3 values are not finite";
        assert!(prediction(&values, Kind::Probabilities, None).text().starts_with(text));
        assert!(prediction(&values, Kind::Values, None).text().starts_with(text));
        assert_eq!(prediction(&values[1..2], Kind::Values, None).text(), "a.png: NaN");
        assert_eq!(
            prediction(&values, Kind::Probabilities, None).json().to_string(),
            r#"{"image":"a.png","class":null,"probabilities":[0.5,null,null]}"#
        );
    }

    #[test]
    fn json() {
        let values = [0.25, 0.5, 0.25];
        assert_eq!(
            prediction(&values, Kind::Probabilities, None).json().to_string(),
            r#"{"image":"a.png","class":1,"probabilities":[0.25,0.5,0.25]}"#
        );
        assert_eq!(
            prediction(&values, Kind::Probabilities, Some(2)).json()["top"].to_string(),
            r#"[{"class":1,"probability":0.5},{"class":0,"probability":0.25}]"#
        );
    }

    #[test]
    fn names_do_not_reach_the_terminal_raw() {
        let image = "\x1b[31mred.png";
        let text = Prediction { image, values: &[1.0], kind: Kind::Values, top: None, classes: &[] }.text();
        assert_eq!(text, "\\u{1b}[31mred.png: 1");
    }
}
