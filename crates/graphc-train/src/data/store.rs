//! Elements of samples in the form from which batches are packed: bytes, words, or what is read when a batch has it.

use super::augment::EpochKey;
use super::augment::{self, Plan};
use super::one_by_one::OneByOne;
use super::preprocess::{Affine, numbers};
use super::values::Values;
use super::windows::Windows;
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use crate::network::{InputBuffer, Network};
use crate::packing::{Conversion, Packing, Pairs};
use graphc_ir::graph::Mode;
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

/// One input of all samples.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) spec: InputSpec,
    /// Parts with the number of their first sample: training data, and validation data that came by itself.
    pub(super) parts: Vec<(usize, Store)>,
    /// What elements of the source become.
    pub(super) affine: Affine,
    /// How samples that are trained on are changed.
    pub(super) plan: Option<Plan>,
}

/// Elements of some samples.
#[derive(Debug)]
pub(crate) enum Store {
    /// Bytes, that become floating-point numbers with these pairs, or integers.
    Bytes { bytes: Vec<u8>, pairs: Option<Pairs> },
    /// Words as the network has them.
    Words(Vec<u32>),
    /// Integers of windows, which overlap.
    Windows(Windows),
    /// They are left where they are, and become what they would in memory: bytes by the pairs, others by the map. What
    /// reading went wrong with is kept until somebody asks.
    OneByOne { rows: OneByOne, pairs: Pairs, affine: Affine, failure: Mutex<Option<TrainError>> },
}

impl Store {
    /// Of samples of `len` elements.
    pub(crate) fn one_by_one(rows: OneByOne, affine: Affine, len: usize) -> Store {
        Store::OneByOne { rows, pairs: affine.of_elements(len), affine, failure: Mutex::new(None) }
    }

    /// The words of one sample of `len` elements; a window as it is in an epoch, if one is given.
    pub(super) fn words(&self, sample: usize, len: usize, at: Option<EpochKey>) -> Result<Vec<u32>, TrainError> {
        let range = sample * len..(sample + 1) * len;
        match self {
            Store::Bytes { bytes, pairs } => {
                let conversion = pairs.as_ref().map_or(Conversion::Integer, Pairs::conversion);
                Ok(converted(&bytes[range], conversion))
            }
            Store::Words(words) => Ok(words[range].to_vec()),
            Store::Windows(windows) => Ok(windows.words(sample, len, at)),
            Store::OneByOne { rows, pairs, affine, .. } => match rows.read(sample)? {
                Values::U8(bytes) => Ok(converted(&bytes, pairs.conversion())),
                Values::I32(integers) if rows.is_integer() => {
                    Ok(integers.into_iter().map(i32::cast_unsigned).collect())
                }
                values => words_of_row(values, affine, rows, sample),
            },
        }
    }

    /// Whether elements are bytes of which packing makes what the network has.
    pub(super) fn holds_bytes(&self) -> bool {
        match self {
            Store::Bytes { .. } => true,
            Store::Words(_) | Store::Windows(_) => false,
            Store::OneByOne { rows, .. } => rows.holds_bytes(),
        }
    }

    /// One sample of floating-point numbers.
    pub(super) fn source(&self, sample: usize, len: usize) -> Result<augment::Source<'_>, TrainError> {
        let range = sample * len..(sample + 1) * len;
        Ok(match self {
            Store::Bytes { bytes, pairs } => {
                let pairs = pairs.as_ref().expect("integers are not augmented");
                augment::Source::Bytes(Cow::Borrowed(&bytes[range]), pairs)
            }
            Store::Words(words) => augment::Source::Words(Cow::Borrowed(&words[range])),
            Store::Windows(_) => unreachable!("integers are not augmented"),
            Store::OneByOne { rows, pairs, affine, .. } => match rows.read(sample)? {
                Values::U8(bytes) => augment::Source::Bytes(Cow::Owned(bytes), pairs),
                values => augment::Source::Words(Cow::Owned(words_of_row(values, affine, rows, sample)?)),
            },
        })
    }
}

/// The words of floating-point elements that are no bytes: those of one sample.
fn words_of_row(values: Values, affine: &Affine, rows: &OneByOne, sample: usize) -> Result<Vec<u32>, TrainError> {
    if let Values::F32(values) = &values
        && affine.is_identity()
        && values.iter().all(|value| value.is_finite())
    {
        // What nothing is done to is copied.
        return Ok(values.iter().map(|value| value.to_bits()).collect());
    }
    let word = |(element, value)| {
        let value = affine.apply(value, element) as f32;
        if value.is_finite() { Ok(value.to_bits()) } else { Err(value) }
    };
    let words: Result<Vec<u32>, f32> = numbers(&values, 0..values.len()).enumerate().map(word).collect();
    words.map_err(|value| rows.error(sample, format!("has an element that is {value}")))
}

/// The words of a sample's bytes.
fn converted(bytes: &[u8], conversion: Conversion<'_>) -> Vec<u32> {
    bytes.iter().enumerate().map(|(element, &byte)| conversion.word(byte, element)).collect()
}

impl Column {
    pub(super) fn packing(&self, network: &mut dyn Network, mode: Mode, batch: usize) -> Result<Packing, TrainError> {
        let InputSpec { name, dtype, sample_shape, .. } = &self.spec;
        let buffer = network.input_buffer(mode, batch, name)?;
        let mut shape = vec![batch];
        shape.extend(sample_shape);
        let packing = Packing::new(buffer.layout).filter(|_| buffer.dtype == *dtype && buffer.layout.shape == shape);
        packing.ok_or_else(|| {
            let InputBuffer { dtype: found, layout, .. } = buffer;
            let (expected, found_shape) = (shape_text(&shape), shape_text(&layout.shape));
            TrainError::Mismatch(format!(
                "the data for `{name}` is {} of shape {expected}, but the network takes {} of shape {found_shape}, batch axis {:?}",
                dtype.name(), found.name(), layout.batch_axis
            ))
        })
    }

    pub(super) fn sample_len(&self) -> usize {
        self.spec.sample_shape.iter().product()
    }

    /// Keeps what went wrong with reading until somebody asks.
    pub(super) fn fail(&self, error: TrainError) {
        let mut failures = self.parts.iter().filter_map(|(_, store)| match store {
            Store::OneByOne { failure, .. } => Some(failure),
            Store::Bytes { .. } | Store::Words(_) | Store::Windows(_) => None,
        });
        let failure = failures.next().expect("only rows that are not in memory are read while batches are packed");
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// What went wrong with reading since this was asked last.
    pub(super) fn failure(&self) -> Option<TrainError> {
        self.parts.iter().find_map(|(_, store)| match store {
            Store::OneByOne { failure, .. } => failure.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Store::Bytes { .. } | Store::Words(_) | Store::Windows(_) => None,
        })
    }

    /// The part that a sample belongs to.
    pub(super) fn part(&self, sample: usize) -> (usize, &Store) {
        let part = self.parts.iter().rev().find(|(first, _)| *first <= sample);
        let (first, store) = part.expect("the first part begins with sample 0");
        (*first, store)
    }
}
