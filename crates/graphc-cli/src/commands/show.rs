//! `graphc show`.

use crate::error::CliError;
use crate::numbers::{at_least_one, seed};
use crate::sizes::SizeArgs;
use crate::{output, tables, terminal, words};
use graphc::experiment;
use graphc_frontend::Experiment;
use graphc_ir::DType;
use graphc_train::data::Affine;
use graphc_train::error::printable;
use graphc_train::picture::PictureShape;
use graphc_train::plots::{Sheet, Tile};
use graphc_train::{Dataset, InputSpec, check_writable, write_file};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show samples of the training data as the network sees them.
///
/// Pictures go to a PNG file, each with its class; of other data there is a table. `--augmented N` shows for each
/// sample what `augment` and `mixup` make of it in N epochs: what a training with that seed has in them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Show every sample as it is and as it is in so many epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    augmented: Option<usize>,
    /// How many samples, from the first that are trained on [default: 40, or 8 with --augmented; 8 in a table].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    samples: Option<usize>,
    /// The input that is shown [default: the first one that is a picture].
    #[arg(long, value_name = "NAME")]
    input: Option<String>,
    /// Where the pictures go.
    #[arg(long, value_name = "FILE.png", default_value = "sheet.png")]
    out: PathBuf,
    /// The first epoch, from 1.
    #[arg(long, value_name = "E", value_parser = at_least_one, default_value_t = 1)]
    epoch: usize,
    /// Seed of the training [default: as in the graph file].
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  graphc show examples/lenet5.graph.json
  graphc show examples/mnist-augmented.graph.json --augmented 16 --out sheet.png
  graphc show examples/mnist-augmented.graph.json --augmented 8 --samples 3 --epoch 20 --seed 7";

/// Samples of a table, or of the rows of a sheet with `--augmented`; of other sheets.
const FEW: usize = 8;
const MANY: usize = 40;
/// Columns of a sheet.
const COLUMNS: usize = 10;

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = args.sizes.load_with_data(&args.file)?;
    let seed = args.seed.unwrap_or(experiment.train.seed);
    let picture = picture(args, &experiment)?;
    if picture.is_some() {
        check_writable(&args.out)?;
    }
    let data = experiment::training_data(&experiment, None, seed, graphc_driver::default_threads())?;
    let n_samples = match (args.samples, &picture, args.augmented) {
        (Some(n), ..) => n,
        (None, Some(_), None) => MANY,
        (None, ..) => FEW,
    };
    let samples = data.split().train.iter().take(n_samples).map(|&sample| sample as usize).collect();
    let shown = Shown { experiment: &experiment, data: &data, samples, seed, args };
    match picture {
        Some((input, shape)) => shown.pictures(&input, shape)?,
        None => output::line(shown.table()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The input whose pictures are shown, if there is one.
fn picture(args: &Args, experiment: &Experiment) -> Result<Option<(InputSpec, PictureShape)>, CliError> {
    let features = experiment::feature_inputs(experiment);
    let specs = features.iter().map(|name| experiment::input_spec(experiment, name)).collect::<Result<Vec<_>, _>>()?;
    let shape = |spec: &InputSpec| PictureShape::of_sample(&spec.sample_shape).filter(|_| spec.dtype == DType::F32);
    let Some(name) = &args.input else {
        return Ok(specs.into_iter().find_map(|spec| shape(&spec).map(|shape| (spec, shape))));
    };
    let Some(spec) = specs.into_iter().find(|spec| spec.name == *name) else {
        let known = features.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(CliError::new(format!(
            "`--input {name}`: there is no such input to show; expected one of {known}"
        )));
    };
    match shape(&spec) {
        Some(shape) => Ok(Some((spec, shape))),
        None => Err(CliError::new(format!(
            "`--input {name}`: it is no picture of height x width x channels, 1 or 3; without `--input` there is a \
             table"
        ))),
    }
}

/// What is to be shown.
struct Shown<'a> {
    experiment: &'a Experiment,
    data: &'a Dataset,
    samples: Vec<usize>,
    seed: u64,
    args: &'a Args,
}

impl Shown<'_> {
    /// The forms of every sample: as it is, and in epochs.
    fn forms(&self) -> Vec<Option<usize>> {
        let first = self.args.epoch;
        let epochs = self.args.augmented.map(|n| first..first.saturating_add(n));
        std::iter::once(None).chain(epochs.into_iter().flatten().map(Some)).collect()
    }

    fn words(&self, input: &str, sample: usize, epoch: Option<usize>) -> Result<Vec<u32>, CliError> {
        Ok(match epoch {
            None => self.data.words(input, sample)?,
            Some(epoch) => self.data.augmented_words(input, sample, self.seed, epoch)?,
        })
    }

    fn pictures(&self, input: &InputSpec, shape: PictureShape) -> Result<(), CliError> {
        let forms = self.forms();
        let mut tiles = Vec::new();
        for &sample in &self.samples {
            let as_it_is = self.caption(sample, None)?;
            for &epoch in &forms {
                let words = self.words(&input.name, sample, epoch)?;
                let values = words.into_iter().map(f32::from_bits).collect::<Vec<_>>();
                let caption = self.caption(sample, epoch)?;
                // Every form has the same target, unless samples are mixed.
                let is_new = epoch.is_none() || caption != as_it_is;
                tiles.push((values, if is_new { caption } else { String::new() }));
            }
        }
        let grey = Greys::new(self, input, tiles.iter().map(|(values, _)| values.as_slice()));
        let tiles = tiles.into_iter().map(|(values, caption)| Tile { pixels: grey.bytes(&values), caption });
        let is_augmented = self.args.augmented.is_some();
        let header = |form: &Option<usize>| match form {
            None => "sample".to_string(),
            Some(epoch) if *epoch == self.args.epoch => format!("epoch {epoch}"),
            Some(epoch) => epoch.to_string(),
        };
        let sheet = Sheet {
            shape,
            n_columns: if is_augmented { forms.len() } else { COLUMNS.min(self.samples.len()) },
            header: if is_augmented { forms.iter().map(header).collect() } else { Vec::new() },
            has_first_apart: is_augmented,
            tiles: tiles.collect(),
        };
        let png = sheet.png().map_err(CliError::new)?;
        write_file(&self.args.out, &png)?;
        let PictureShape { height, width, .. } = shape;
        let enlarged = match sheet.enlarged() {
            1 => String::new(),
            n => format!(", enlarged {n} times"),
        };
        let what = words::counted(self.samples.len(), "sample");
        output::line(format!("{}: {what} of `{}`, {height}x{width}{enlarged}", self.args.out.display(), input.name))
    }

    /// What the target of a sample says.
    fn caption(&self, sample: usize, epoch: Option<usize>) -> Result<String, CliError> {
        let target = &self.experiment.target;
        if !self.data.has_input(target) {
            return Ok(String::new());
        }
        let spec = experiment::input_spec(self.experiment, target)?;
        let words = self.words(target, sample, epoch)?;
        let names = self.data.fitted().of(target).classes.unwrap_or_default();
        let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
        if spec.dtype == DType::I32 {
            return Ok(words.first().map_or_else(String::new, |&class| name(class as usize)));
        }
        let values: Vec<f32> = words.into_iter().map(f32::from_bits).collect();
        if self.experiment.classes.is_some() && values.len() > 1 {
            let mut shares: Vec<(usize, f32)> =
                values.into_iter().enumerate().filter(|(_, share)| *share > 0.0).collect();
            shares.sort_by(|a, b| b.1.total_cmp(&a.1));
            return Ok(match shares[..] {
                [(class, share), ..] if share < 0.995 => format!("{:.0}% {}", share * 100.0, name(class)),
                [(class, _), ..] => name(class),
                [] => String::new(),
            });
        }
        let affine = self.affine(&spec);
        Ok(values.first().map_or_else(String::new, |&value| number(affine.invert(value.into(), 0))))
    }

    fn affine(&self, spec: &InputSpec) -> Affine {
        let preprocess = experiment::preprocess(self.experiment, spec);
        match preprocess.one_hot {
            true => Affine::identity(),
            false => preprocess.affine(&self.data.fitted().of(&spec.name)),
        }
    }

    /// Rows of samples with a few of the values of each input.
    fn table(&self) -> Result<String, CliError> {
        let names = self.data.input_names();
        let mut rows = Vec::new();
        for &sample in &self.samples {
            for epoch in self.forms() {
                let form = epoch.map_or("as it is".to_string(), |epoch| format!("epoch {epoch}"));
                let mut row = vec![sample.to_string(), form];
                for name in &names {
                    let is_integer = experiment::input_spec(self.experiment, name)?.dtype == DType::I32;
                    let words = self.words(name, sample, epoch)?;
                    row.push(match self.data.fitted().vocabulary() {
                        Some(vocabulary) => printable(&vocabulary.text(words)),
                        None => summary(&words, is_integer),
                    });
                }
                rows.push(row);
            }
        }
        let header = ["sample", "form"].into_iter().chain(names.iter().copied());
        let values: Vec<usize> = (2..names.len() + 2).collect();
        Ok(tables::wrapped(header, names.len() + 2, rows, &values, terminal::width_for_wrapping()))
    }
}

/// Numbers of an input to bytes that are shown.
struct Greys {
    affine: Affine,
    range: [f64; 2],
}

impl Greys {
    /// From the range that the source is known to have, else from the least number to the greatest.
    fn new<'a>(shown: &Shown<'_>, input: &InputSpec, all: impl Iterator<Item = &'a [f32]>) -> Greys {
        let affine = shown.affine(input);
        let data = shown.experiment.data.as_ref();
        let augment = data.and_then(|data| data.augment.iter().find(|(name, _)| *name == input.name));
        let given = augment.and_then(|(_, augment)| augment.range);
        let known = given.or_else(|| shown.data.holds_bytes(&input.name).then_some([0.0, 255.0]));
        let range = known.unwrap_or_else(|| {
            let values = all.flat_map(|values| values.iter().enumerate());
            let values = values.map(|(element, &value)| affine.invert(value.into(), element));
            values.fold([0.0, 1.0], |[low, high], value| [low.min(value), high.max(value)])
        });
        Greys { affine, range }
    }

    fn bytes(&self, values: &[f32]) -> Vec<u8> {
        let [low, high] = self.range;
        let byte = |(element, &value): (usize, &f32)| {
            let value = self.affine.invert(value.into(), element);
            ((value - low) / (high - low) * 255.0).round() as u8
        };
        values.iter().enumerate().map(byte).collect()
    }
}

/// `0.25, -1, 3 ... (784 numbers, -1 to 3)`.
fn summary(words: &[u32], is_integer: bool) -> String {
    const SHOWN: usize = 5;
    let values: Vec<f64> = words
        .iter()
        .map(|&word| if is_integer { f64::from(word.cast_signed()) } else { f64::from(f32::from_bits(word)) })
        .collect();
    let first = values.iter().take(SHOWN).map(|&value| number(value)).collect::<Vec<_>>().join(", ");
    if values.len() <= SHOWN {
        return first;
    }
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    format!("{first} ... ({} numbers, {} to {})", values.len(), number(low), number(high))
}

/// With at most four digits behind the point.
fn number(value: f64) -> String {
    let rounded = (value * 1e4).round() / 1e4;
    // Not "-0".
    (rounded + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_up() {
        let words = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(summary(&words(&[0.5]), false), "0.5");
        assert_eq!(
            summary(&words(&[1.0, -0.00001, 1.0 / 3.0, 2.0, 1e6, 7.0, -3.5]), false),
            "1, 0, 0.3333, 2, 1000000 ... (7 numbers, -3.5 to 1000000)"
        );
        assert_eq!(summary(&[3, (-2i32).cast_unsigned()], true), "3, -2");
    }
}
