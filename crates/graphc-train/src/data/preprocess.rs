//! What happens to the elements of an input between its source and the network.
//!
//! Per element `x` of channel `c`, the index on the last axis of a sample (0 of a scalar):
//!
//! ```text
//! y = x * scale + offset
//! z = (y - mean[c]) / deviation[c]      with "standardise"
//! ```
//!
//! Mean and deviation (the biased one, as of Keras's `Normalization`) are those of the training samples, without the
//! ones held out for validation. They are kept with the weights ([`Fitted`]), so that every other data set and every
//! prediction goes the same way. A channel whose elements are all alike has the deviation 1.
//!
//! Both lines are one affine map, whose two numbers are computed in f64. Bytes take it in f32, product and sum rounded
//! each, when a batch is packed; other elements in f64, rounded to f32 once, when they are read.

use super::values::Values;
use super::vocabulary::Vocabulary;
use crate::packing::Pairs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is done with an input, besides what it takes to fit its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Factor.
    pub scale: f64,
    /// Added after that.
    pub offset: f64,
    /// Whether the training samples get mean 0 and deviation 1.
    pub standardise: bool,
    /// Class numbers become vectors with a 1 at that place.
    pub one_hot: bool,
    /// Pictures of another size are resized.
    pub resize: bool,
    /// Pictures in colour become grey.
    pub grayscale: bool,
    /// Bytes become 255 less themselves.
    pub invert: bool,
}

impl Default for Preprocess {
    fn default() -> Preprocess {
        Preprocess {
            scale: 1.0,
            offset: 0.0,
            standardise: false,
            one_hot: false,
            resize: false,
            grayscale: false,
            invert: false,
        }
    }
}

impl Preprocess {
    /// Whether a sample may have another shape than the input.
    pub(crate) fn changes_shape(&self) -> bool {
        self.one_hot || self.changes_picture()
    }

    /// Whether samples are pictures that have to be made anew.
    pub(crate) fn changes_picture(&self) -> bool {
        self.resize || self.grayscale || self.invert
    }

    /// The map of every channel; one for all if nothing was fitted.
    pub fn affine(&self, fit: &InputFit) -> Affine {
        // An offset of -0 is neutral, whatever the sign of what it is added to.
        let offset = if self.offset == 0.0 { -0.0 } else { self.offset };
        match &fit.standard {
            Some(standard) if self.standardise => {
                let of = |(&mean, &deviation): (&f64, &f64)| [self.scale / deviation, (offset - mean) / deviation];
                Affine(standard.mean.iter().zip(&standard.deviation).map(of).collect())
            }
            _ => Affine(vec![[self.scale, offset]]),
        }
    }
}

/// `x * factor + offset`, a pair for every channel, or one for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine(pub(crate) Vec<[f64; 2]>);

impl Affine {
    /// Which changes nothing.
    pub fn identity() -> Affine {
        Affine(vec![[1.0, -0.0]])
    }

    /// Of an element of that number in its sample.
    pub fn apply(&self, value: f64, element: usize) -> f64 {
        let [factor, offset] = self.0[element % self.0.len()];
        value * factor + offset
    }

    /// The element that becomes `value`.
    pub fn invert(&self, value: f64, element: usize) -> f64 {
        let [factor, offset] = self.0[element % self.0.len()];
        (value - offset) / factor
    }

    /// Of the elements of samples, one after the other, in single precision, product and sum rounded each.
    pub fn rounded(&self, values: &[f64]) -> Vec<f64> {
        let one = |(element, &value): (usize, &f64)| {
            let [factor, offset] = self.0[element % self.0.len()].map(|number| number as f32);
            f64::from(value as f32 * factor + offset)
        };
        values.iter().enumerate().map(one).collect()
    }

    /// Whether every element stays what it is.
    pub fn is_identity(&self) -> bool {
        self.0.iter().all(|&[factor, offset]| factor == 1.0 && offset == 0.0)
    }

    /// For bytes: a pair for every element of a sample.
    pub(crate) fn of_elements(&self, sample_len: usize) -> Pairs {
        let pair = |element: usize| self.0[element % self.0.len()].map(|number| number as f32);
        match self.0.len() {
            1 => Pairs::Alike(pair(0)),
            _ => Pairs::Each((0..sample_len).map(pair).collect()),
        }
    }
}

/// What training samples say of all inputs; part of a trained network like its weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// By the name of the input.
    pub inputs: BTreeMap<String, InputFit>,
}

/// What training samples say of an input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputFit {
    /// Mean and deviation, if it is standardised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<Standard>,
    /// Names of the class numbers, if they have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// Of the columns of a table that it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnFit>,
    /// Of a text, whose characters it has the numbers of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<Vocabulary>,
}

/// What training samples say of a column of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnFit {
    /// Its categories, in the order of their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// The number that stands for a missing value: of a category, its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
}

/// Mean and deviation of every channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standard {
    /// Means.
    pub mean: Vec<f64>,
    /// Square roots of the biased variances; 1 where that is 0.
    pub deviation: Vec<f64>,
}

impl Fitted {
    /// What is known of an input; nothing is known of one that is not there.
    pub fn of(&self, input: &str) -> InputFit {
        self.inputs.get(input).cloned().unwrap_or_default()
    }

    /// The characters of the text, if the inputs are one.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        self.inputs.values().find_map(|fit| fit.vocabulary.as_ref())
    }

    /// Whether nothing was learnt, and nothing need be kept.
    pub fn is_empty(&self) -> bool {
        self.inputs.values().all(|fit| *fit == InputFit::default())
    }
}

/// Sums over elements that come in parts, in the order of the samples: the same however they are cut.
pub(crate) struct Moments<'a> {
    preprocess: &'a Preprocess,
    n_channels: usize,
    /// How often every byte occurs in a channel, or the sums of each channel.
    sums: Vec<f64>,
    n: u64,
    /// Of the second pass.
    mean: Option<Vec<f64>>,
}

impl<'a> Moments<'a> {
    pub(crate) fn new(preprocess: &'a Preprocess, n_channels: usize) -> Moments<'a> {
        Moments { preprocess, n_channels, sums: vec![0.0; n_channels], n: 0, mean: None }
    }

    /// Adds a sample: to the sum, and in the second pass to that of the squared differences.
    pub(crate) fn add(&mut self, sample: impl Iterator<Item = f64>) {
        for (element, value) in sample.enumerate() {
            let channel = element % self.n_channels;
            let value = value * self.preprocess.scale + self.preprocess.offset;
            self.sums[channel] += match &self.mean {
                None => value,
                Some(mean) => (value - mean[channel]) * (value - mean[channel]),
            };
            self.n += u64::from(channel == 0);
        }
    }

    /// Goes from the first pass to the second.
    pub(crate) fn second_pass(self) -> Moments<'a> {
        let n = self.n.max(1) as f64;
        let mean = self.sums.iter().map(|sum| sum / n).collect();
        Moments { sums: vec![0.0; self.n_channels], n: 0, mean: Some(mean), ..self }
    }

    /// After the second pass.
    pub(crate) fn standard(self) -> Standard {
        let n = self.n.max(1) as f64;
        let deviation = |sum: &f64| if *sum > 0.0 { (sum / n).sqrt() } else { 1.0 };
        Standard { deviation: self.sums.iter().map(deviation).collect(), mean: self.mean.unwrap_or_default() }
    }
}

/// Mean and deviation of some samples of bytes: exact sums, for there may be very many.
pub(crate) fn standard_of_bytes(
    preprocess: &Preprocess,
    n_channels: usize,
    samples: impl Iterator<Item = impl AsRef<[u8]>>,
) -> Standard {
    let mut counts = vec![[0u64; 256]; n_channels];
    for sample in samples {
        for pixel in sample.as_ref().chunks(n_channels) {
            pixel.iter().zip(&mut counts).for_each(|(&byte, counts)| counts[usize::from(byte)] += 1);
        }
    }
    let (mut mean, mut deviation) = (Vec::new(), Vec::new());
    for counts in counts {
        let value = |byte: usize| byte as f64 * preprocess.scale + preprocess.offset;
        let n = counts.iter().sum::<u64>().max(1) as f64;
        let sum_of = |f: &dyn Fn(f64) -> f64| {
            counts.iter().enumerate().map(|(byte, &count)| count as f64 * f(value(byte))).sum::<f64>()
        };
        let middle = sum_of(&|x| x) / n;
        let variance = sum_of(&|x| (x - middle) * (x - middle)) / n;
        mean.push(middle);
        deviation.push(if variance > 0.0 { variance.sqrt() } else { 1.0 });
    }
    Standard { mean, deviation }
}

/// The elements as double precision, one after the other, exactly but for integers beyond 2^53.
pub(crate) fn numbers(values: &Values, range: std::ops::Range<usize>) -> Box<dyn Iterator<Item = f64> + '_> {
    match values {
        Values::U8(values) => Box::new(values[range].iter().map(|&value| f64::from(value))),
        Values::I32(values) => Box::new(values[range].iter().map(|&value| f64::from(value))),
        Values::I64(values) => Box::new(values[range].iter().map(|&value| value as f64)),
        Values::F32(values) => Box::new(values[range].iter().map(|&value| f64::from(value))),
        Values::F64(values) => Box::new(values[range].iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_changes_nothing() {
        let affine = Preprocess::default().affine(&InputFit::default());
        assert!(affine.is_identity());
        for value in [0.0, -0.0, 1.5, f64::MAX] {
            assert_eq!(affine.apply(value, 3).to_bits(), value.to_bits());
        }
        let Pairs::Alike([factor, offset]) = affine.of_elements(1) else { panic!("one pair for all") };
        assert_eq!((factor * -0.0 + offset).to_bits(), (-0.0f32).to_bits());
    }

    /// By hand: channel 0 has 1, 3 and 5 (mean 3, variance 8/3), channel 1 is constant.
    #[test]
    fn standardised_per_channel() {
        let preprocess = Preprocess { standardise: true, scale: 2.0, offset: -1.0, ..Preprocess::default() };
        let samples = [[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]];
        let mut moments = Moments::new(&preprocess, 2);
        samples.iter().for_each(|sample| moments.add(sample.iter().copied()));
        let mut moments = moments.second_pass();
        samples.iter().for_each(|sample| moments.add(sample.iter().copied()));
        let standard = moments.standard();
        assert_eq!(standard.mean, [5.0, 13.0]);
        assert_eq!(standard.deviation, [(4.0f64 * 8.0 / 3.0).sqrt(), 1.0]);
        let bytes = standard_of_bytes(&preprocess, 2, [[1u8, 7], [3, 7], [5, 7]].iter());
        assert_eq!(bytes, standard);
        let affine = preprocess.affine(&InputFit { standard: Some(standard), ..InputFit::default() });
        assert!(affine.apply(3.0, 0).abs() < 1e-15 && affine.apply(7.0, 3).abs() < 1e-15);
        assert!((affine.invert(affine.apply(4.25, 2), 2) - 4.25).abs() < 1e-12);
    }
}
