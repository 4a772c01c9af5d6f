//! What a sample looks like: a picture, or names and values.

use super::judge::Verdict;
use super::png::data_url;
use crate::error::CliError;
use graphc::experiment;
use graphc_frontend::data::{Categories, ColumnConfig};
use graphc_frontend::{DataSource, Experiment};
use graphc_train::data::{Affine, Fitted, InputFit};
use graphc_train::error::printable;
use graphc_train::picture::{PictureShape, shape_of_picture};
use graphc_train::{Dataset, InputSpec, TrainError};

/// A sample with what became of it.
pub(super) struct Sample {
    /// From 0.
    pub(super) number: u32,
    pub(super) look: Look,
    pub(super) verdict: Verdict,
}

/// What a sample looks like.
pub(super) enum Look {
    /// The address of a PNG picture, and its width and height.
    Picture { url: String, width: u32, height: u32 },
    /// Names with values, as in the file.
    Cells(Vec<(String, String)>),
}

/// Knows what the numbers of samples are.
pub(super) struct Describer<'a> {
    inputs: Vec<Input<'a>>,
}

struct Input<'a> {
    spec: InputSpec,
    affine: Affine,
    fit: InputFit,
    /// Of a table.
    columns: Option<&'a [ColumnConfig]>,
}

/// Smallest side of what is taken for a picture, and most that one side may be longer.
const SMALLEST_SIDE: u32 = 8;
const LONGEST_ASPECT: u32 = 8;
/// Most elements that are listed of an array.
const MOST_ELEMENTS: usize = 8;

impl<'a> Describer<'a> {
    pub(super) fn new(experiment: &'a Experiment, fitted: &Fitted) -> Result<Describer<'a>, CliError> {
        let table = match experiment.data.as_ref().map(|data| &data.source) {
            Some(DataSource::Table { columns, .. }) => columns.as_slice(),
            _ => &[],
        };
        let input = |name: String| {
            let spec = experiment::input_spec(experiment, &name)?;
            let fit = fitted.of(&name);
            let affine = experiment::preprocess(experiment, &spec).affine(&fit);
            let columns = table.iter().find(|(input, _)| *input == name).map(|(_, columns)| columns.as_slice());
            Ok(Input { spec, affine, fit, columns })
        };
        let inputs = experiment::feature_inputs(experiment).into_iter().map(input);
        Ok(Describer { inputs: inputs.collect::<Result<_, CliError>>()? })
    }

    /// Describes a sample of a data set.
    pub(super) fn sample(&self, set: &Dataset, number: u32, verdict: Verdict) -> Result<Sample, TrainError> {
        let mut cells = Vec::new();
        for input in &self.inputs {
            let words = set.words(&input.spec.name, number as usize)?;
            let values: Vec<f64> = input.values(&words);
            if let Some(shape) = input.picture_shape() {
                let url = data_url(&bytes(&values), shape);
                let look = Look::Picture { url, width: shape.width, height: shape.height };
                return Ok(Sample { number, look, verdict });
            }
            cells.extend(input.cells(&values));
        }
        Ok(Sample { number, look: Look::Cells(cells), verdict })
    }
}

impl Input<'_> {
    /// The values of a sample as they were in its file.
    fn values(&self, words: &[u32]) -> Vec<f64> {
        let value = |(element, &word): (usize, &u32)| match self.spec.dtype {
            graphc_ir::DType::I32 => word.cast_signed().into(),
            graphc_ir::DType::F32 => {
                let invert = |value: f32| self.affine.invert(value.into(), element);
                let value = invert(f32::from_bits(word));
                // Adding an offset has rounded away what is this small.
                let offset = invert(0.0);
                let least = libm::exp10(libm::ceil(libm::log10(1e-6 * (invert(1.0) - offset).abs())));
                if offset == 0.0 { value } else { (value / least).round() * least + 0.0 }
            }
        };
        words.iter().enumerate().map(value).collect()
    }

    fn picture_shape(&self) -> Option<PictureShape> {
        let shape = shape_of_picture(&self.spec.sample_shape).filter(|_| self.columns.is_none())?;
        let (short, long) = (shape.height.min(shape.width), shape.height.max(shape.width));
        (short >= SMALLEST_SIDE && long <= short.saturating_mul(LONGEST_ASPECT)).then_some(shape)
    }

    fn cells(&self, values: &[f64]) -> Vec<(String, String)> {
        if let Some(vocabulary) = &self.fit.vocabulary {
            let text = vocabulary.text(values.iter().map(|&value| value as u32));
            return vec![(self.spec.name.clone(), printable(&text))];
        }
        let Some(columns) = self.columns else { return self.elements(values) };
        let mut rest = values;
        let mut cells = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let categories = self.fit.columns.get(index).and_then(|fit| fit.categories.as_deref());
            let width = match (column.categories, categories) {
                (Some(Categories::OneHot), Some(categories)) => categories.len() + usize::from(column.has_unknown),
                _ => 1,
            };
            // What does not add up is shown as the elements that it is.
            let Some((mine, others)) = rest.split_at_checked(width) else { return self.elements(values) };
            rest = others;
            let category = |index: usize| {
                categories.and_then(|all| all.get(index)).cloned().unwrap_or_else(|| "another one".into())
            };
            let text = match (column.categories, categories) {
                (Some(Categories::OneHot), Some(_)) => category(largest(mine)),
                (Some(Categories::Number), Some(_)) => category(mine[0].round() as usize),
                _ => number_text(mine[0]),
            };
            cells.push((column.name.clone(), text));
        }
        cells
    }

    /// The first elements, by their numbers.
    fn elements(&self, values: &[f64]) -> Vec<(String, String)> {
        let name = &self.spec.name;
        let named = |(index, &value): (usize, &f64)| {
            let name = if values.len() == 1 { name.clone() } else { format!("{name}[{index}]") };
            (name, number_text(value))
        };
        values.iter().enumerate().take(MOST_ELEMENTS).map(named).collect()
    }
}

fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

/// Values of a picture as bytes: bytes stay what they are, shares become bytes, anything else is stretched.
fn bytes(values: &[f64]) -> Vec<u8> {
    // What standardising has rounded away.
    const ROUNDING: f64 = 1e-3;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (offset, factor) = match (low >= -ROUNDING, high) {
        (true, ..=1.001) => (0.0, 255.0),
        (true, ..=255.01) => (0.0, 1.0),
        _ => (low, 255.0 / (high - low).max(f64::MIN_POSITIVE)),
    };
    values.iter().map(|value| ((value - offset) * factor).round().clamp(0.0, 255.0) as u8).collect()
}

/// Six digits that count: what was standardised and turned back is off by less.
fn number_text(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    let (plain, scientific) = (f64::to_string(&rounded), format!("{rounded:e}"));
    if plain.len() <= scientific.len() + 3 { plain } else { scientific }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_bytes() {
        assert_eq!(bytes(&[0.0, 127.0001, 255.0]), [0, 127, 255]);
        assert_eq!(bytes(&[0.0, 0.5, 1.0]), [0, 128, 255]);
        assert_eq!(bytes(&[-1.0, 0.0, 1.0]), [0, 128, 255]);
        assert_eq!(bytes(&[300.0, 300.0]), [0, 0]);
        assert_eq!(bytes(&[f64::NAN, 1.0]), [0, 255]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([3.000_000_1, -0.1, 123_456.7, 1e-9, 0.0].map(number_text), ["3", "-0.1", "123457", "1e-9", "0"]);
    }
}
