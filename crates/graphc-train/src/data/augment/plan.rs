//! How the samples of one input are changed: what was asked for, checked against the input.

use super::draws::{EpochKey, SampleDraws, SampleKey, hash};
use super::placement::Placement;
use super::resample::Fill;
use super::resample::{Outside, resample};
use super::row::{Levels, Row};
use super::size::Picture;
use super::transform::{Augment, Transform};
use crate::data::preprocess::Affine;
use crate::input::{InputSpec, shape_text};
use crate::packing::Pairs;
use graphc_ir::DType;
use std::borrow::Cow;

/// What is done with every sample of an input.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// In the order in which they are applied.
    transforms: Vec<Transform>,
    /// Nothing if samples are no pictures.
    picture: Option<Picture>,
    fill: Fill,
    levels: Levels,
    /// Of the input.
    key: u64,
}

/// A sample as it is stored.
pub(crate) enum Source<'a> {
    /// Bytes, with what they become.
    Bytes(Cow<'a, [u8]>, &'a Pairs),
    /// Bits of `f32` as the network has them.
    Words(Cow<'a, [u32]>),
}

/// Memory that is used for one sample after the other.
#[derive(Default)]
pub(crate) struct Scratch {
    values: Vec<f32>,
    placed: Vec<f32>,
}

impl Plan {
    /// For an input whose elements become the network's by that map; `are_bytes` says whether that is still to be done.
    ///
    /// # Errors
    /// What does not fit, as a sentence about the input.
    pub(crate) fn new(
        spec: &InputSpec,
        augment: &Augment,
        affine: &Affine,
        are_bytes: bool,
    ) -> Result<Option<Plan>, String> {
        let Augment { transforms, fill, fill_value, range } = augment;
        let about = format!("`augment` of the input `{}`", spec.name);
        if transforms.is_empty() {
            return Ok(None);
        }
        if spec.dtype != DType::F32 {
            return Err(format!("{about}: its elements are integers, which cannot be changed"));
        }
        if spec.is_target {
            return Err(format!("{about}: targets and weights of the loss are not changed"));
        }
        let picture = Picture::of_shape(&spec.sample_shape);
        let mut transforms = transforms.clone();
        transforms.sort_by_key(Transform::number);
        for (at, transform) in transforms.iter().enumerate() {
            let rule = transform.rule();
            let name = rule.name();
            if picture.is_none() && rule.is_of_pictures() {
                let shape = shape_text(&spec.sample_shape);
                return Err(format!("{about}: `{name}` is for pictures, height x width x channels, but it is {shape}"));
            }
            rule.check(picture).map_err(|message| format!("{about}: `{name}` {message}"))?;
            if at > 0 && transforms[at - 1].number() == transform.number() {
                return Err(format!("{about}: `{name}` is there twice"));
            }
        }
        if !fill_value.is_finite() {
            return Err(format!("{about}: `fill_value` is {fill_value}, expected a finite number"));
        }
        if let Some([low, high]) = range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(format!("{about}: `range` is [{low}, {high}], expected two ascending numbers"));
        }
        let affine = if are_bytes { None } else { Some(affine) };
        let levels = levels(spec, augment, picture, affine).map_err(|message| format!("{about}: {message}"))?;
        Ok(Some(Plan { transforms, picture, fill: *fill, levels, key: hash(&spec.name) }))
    }

    /// Writes the words of a sample.
    pub(crate) fn write(&self, source: &Source<'_>, at: EpochKey, sample: u32, scratch: &mut Scratch, out: &mut [u32]) {
        let Scratch { values, placed } = scratch;
        values.clear();
        match (source, self.picture) {
            (Source::Bytes(bytes, _), Some(_)) => values.extend(bytes.iter().map(|&byte| f32::from(byte))),
            _ => source.for_each(|value| values.push(value)),
        }
        let draws = SampleDraws::new(SampleKey { at, sample, input: self.key });
        if let Some(picture) = self.picture {
            let mut placement = Placement::IDENTITY;
            for transform in &self.transforms {
                transform.rule().place(&mut draws.of(transform.number()), &mut placement);
            }
            if placement != Placement::IDENTITY {
                placed.resize(picture.len(), 0.0);
                let outside = Outside { fill: self.fill, values: &self.levels.outside };
                resample(picture, &placement, outside, values, placed);
                std::mem::swap(values, placed);
            }
        }
        let mut row = Row { values, picture: self.picture, levels: &self.levels };
        for transform in &self.transforms {
            transform.rule().change(&mut draws.of(transform.number()), &mut row);
        }
        match (source, self.picture) {
            (Source::Bytes(_, pairs), Some(_)) => {
                let mut words = out.iter_mut();
                pairs.apply(values.iter().copied(), |value| set(&mut words, value));
            }
            _ => out.iter_mut().zip(values.iter()).for_each(|(word, value)| *word = value.to_bits()),
        }
    }
}

/// The levels of an input; of bytes without what they are mapped by.
fn levels(
    spec: &InputSpec,
    augment: &Augment,
    picture: Option<Picture>,
    affine: Option<&Affine>,
) -> Result<Levels, String> {
    let Augment { fill_value, range, .. } = augment;
    // Changed in the network's unit.
    let Some(Picture { channels, .. }) = picture else {
        return Ok(Levels { black: vec![0.0], white: vec![1.0], outside: vec![0.0], is_clipped: false });
    };
    let map = affine.cloned().unwrap_or_else(Affine::identity);
    if map.0.len() != 1 && map.0.len() != channels {
        let shape = shape_text(&spec.sample_shape);
        return Err(format!(
            "`standardise` treats every column of pictures {shape} by itself; give the input a last dimension of 1, which \
             counts channels"
        ));
    }
    let [low, high] = range.unwrap_or(if affine.is_none() { [0.0, 255.0] } else { [0.0, 1.0] });
    let level = |value: f64| (0..channels).map(|channel| map.apply(value, channel) as f32).collect();
    Ok(Levels {
        black: level(low),
        white: level(high),
        outside: level(*fill_value),
        is_clipped: affine.is_none() || range.is_some(),
    })
}

impl Source<'_> {
    /// The elements as the network has them.
    fn for_each(&self, f: impl FnMut(f32)) {
        match self {
            Source::Bytes(bytes, pairs) => pairs.apply(bytes.iter().map(|&byte| f32::from(byte)), f),
            Source::Words(words) => words.iter().map(|&word| f32::from_bits(word)).for_each(f),
        }
    }

    /// Writes the words of a sample that stays as it is.
    pub(crate) fn write(&self, out: &mut [u32]) {
        let mut words = out.iter_mut();
        self.for_each(|value| set(&mut words, value));
    }
}

/// Writes the next word.
fn set<'w>(words: &mut impl Iterator<Item = &'w mut u32>, value: f32) {
    if let Some(word) = words.next() {
        *word = value.to_bits();
    }
}

/// Mixes a sample with another one, of which it keeps that share.
pub(crate) fn mix(own: &mut [u32], other: &[u32], share: f32) {
    for (own, &other) in own.iter_mut().zip(other) {
        *own = (f32::from_bits(*own) * share + f32::from_bits(other) * (1.0 - share)).to_bits();
    }
}
