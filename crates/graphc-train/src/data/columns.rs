//! Columns of elements as a source has them, before what training samples say of them is applied.

use super::dataset::Dataset;
use super::one_by_one::OneByOne;
use super::pictures;
use super::preprocess::{Fitted, InputFit, Moments, Preprocess, Standard, numbers, standard_of_bytes};
use super::source::Origin;
use super::split::{self, Split};
use super::store::Store;
use super::table::TableColumn;
use super::text_columns::TextColumns;
use super::values::Values;
use crate::error::{TrainError, escaped};
use crate::input::InputSpec;
use graphc_driver::session::Integers;
use graphc_ir::DType;

/// An input with what is done to it.
pub(super) type Input = (InputSpec, Preprocess);

/// Which samples are held out to validate.
#[derive(Debug)]
pub enum Validation {
    /// A share of the samples; what is drawn is drawn by the seed.
    Share {
        /// From 0 to 1.
        share: f64,
        /// Decides which, where they are drawn.
        seed: u64,
    },
    /// Samples of their own.
    Set(Columns),
}

/// What was read, an array of elements for every input.
#[derive(Debug)]
pub struct Columns {
    n_samples: usize,
    /// Whether samples to validate on are drawn ([`super::Source`]).
    pub(super) is_sorted_maybe: bool,
    columns: Vec<RawColumn>,
    /// A text, in place of columns.
    text: Option<Box<TextColumns>>,
    /// What was changed to make samples fit.
    pub(super) warnings: Vec<String>,
}

/// One input of all samples.
#[derive(Debug)]
pub(super) struct RawColumn {
    spec: InputSpec,
    preprocess: Preprocess,
    origin: Origin,
    content: Content,
    /// Names of the class numbers.
    classes: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) enum Content {
    /// All elements.
    Values(Values),
    /// They are left where they are.
    OneByOne(OneByOne),
    /// Columns of a table, which make the elements together.
    Table(Vec<TableColumn>),
}

/// The number of samples, which are numbered in 32 bits.
pub(super) fn check_count(n: usize, origin: &Origin) -> Result<(), TrainError> {
    match u32::try_from(n) {
        Ok(0) => Err(origin.error("no samples")),
        Ok(_) => Ok(()),
        Err(_) => Err(origin.error(format!("{n} samples, expected at most {}", u32::MAX))),
    }
}

impl Columns {
    pub(super) fn new(n_samples: usize, columns: Vec<RawColumn>) -> Columns {
        Columns { n_samples, is_sorted_maybe: true, columns, text: None, warnings: Vec::new() }
    }

    pub(super) fn of_text(text: TextColumns) -> Columns {
        Columns { text: Some(Box::new(text)), ..Columns::new(0, Vec::new()) }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.text.as_ref().map_or(self.n_samples, |text| text.n_windows())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was changed to make samples fit.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// An error about the samples.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> TrainError {
        match (&self.text, self.columns.first()) {
            (Some(text), _) => text.error(message.to_string()),
            (None, Some(column)) => column.origin.error(message),
            (None, None) => TrainError::Mismatch(message.to_string()),
        }
    }

    /// Bytes of the first samples of an input, where it has bytes.
    pub(crate) fn bytes(&self, input: &str) -> Option<&[u8]> {
        match &self.columns.iter().find(|column| column.spec.name == input)?.content {
            Content::Values(Values::U8(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Training data: learns from what is trained on.
    ///
    /// # Errors
    /// If elements do not fit the inputs.
    pub fn fit(mut self, validation: Validation) -> Result<Dataset, TrainError> {
        if let Some(text) = self.text.take() {
            return fit_text(*text, validation);
        }
        let split = match &validation {
            Validation::Set(_) => Split { train: split::numbers(0..self.n_samples), validation: Vec::new() },
            Validation::Share { share, seed } if self.is_sorted_maybe => {
                let target = self.columns.iter().find(|column| column.spec.is_target);
                Split::drawn(self.n_samples, *share, *seed, |sample| target.map_or(0, |column| column.class(sample)))
            }
            Validation::Share { share, .. } => Split::last(self.n_samples, *share),
        };
        let dataset = self.into_dataset(split, None)?;
        match validation {
            Validation::Share { .. } => Ok(dataset),
            Validation::Set(columns) => {
                let fitted = dataset.fitted().clone();
                dataset.with_validation(columns.apply(&fitted)?)
            }
        }
    }

    /// Other data, to which what training samples said is applied.
    ///
    /// # Errors
    /// If elements do not fit the inputs, or nothing is known of what would have to be.
    pub fn apply(self, fitted: &Fitted) -> Result<Dataset, TrainError> {
        if let Some(text) = self.text {
            return text.dataset(Some(fitted));
        }
        let split = Split { train: split::numbers(0..self.n_samples), validation: Vec::new() };
        self.into_dataset(split, Some(fitted))
    }

    fn into_dataset(self, split: Split, given: Option<&Fitted>) -> Result<Dataset, TrainError> {
        let mut fitted = given.cloned().unwrap_or_default();
        let mut columns = Vec::new();
        for mut column in self.columns {
            let given = given.map(|fitted| fitted.of(&column.spec.name));
            let fit = column.resolve(given, &split.train, self.n_samples)?;
            let store = column.store(&fit)?;
            let affine = column.preprocess.affine(&fit);
            fitted.inputs.insert(column.spec.name.clone(), fit);
            columns.push((column.spec, store, affine));
        }
        Ok(Dataset::new(self.n_samples, columns, split, fitted).with_warnings(self.warnings))
    }
}

/// Training data that is a text: the last part of it validates, or another one.
fn fit_text(text: TextColumns, validation: Validation) -> Result<Dataset, TrainError> {
    let (training, validation) = match validation {
        Validation::Share { share, .. } => {
            let (training, held_back) = text.split(share);
            (training, held_back.map(Columns::of_text))
        }
        Validation::Set(columns) => (text, Some(columns)),
    };
    let dataset = training.dataset(None)?;
    let Some(validation) = validation else { return Ok(dataset) };
    let validation = validation.apply(dataset.fitted())?;
    dataset.with_validation(validation)
}

impl RawColumn {
    pub(super) fn new(
        spec: &InputSpec,
        preprocess: &Preprocess,
        origin: Origin,
        content: Content,
        classes: Option<Vec<String>>,
    ) -> RawColumn {
        RawColumn { spec: spec.clone(), preprocess: preprocess.clone(), origin, content, classes }
    }

    /// Pictures of that shape are made what the input takes.
    pub(super) fn with_pictures(mut self, shape: &[usize]) -> Result<RawColumn, TrainError> {
        if self.preprocess.changes_picture() {
            let Content::Values(Values::U8(pixels)) = self.content else {
                return Err(self.origin.error(format!(
                    "the input `{}` is to be changed as pictures are, but its elements are no bytes",
                    self.spec.name
                )));
            };
            let made = pictures::make(&self.preprocess, pixels, shape, &self.spec);
            self.content = Content::Values(Values::U8(made.map_err(|message| self.origin.error(message))?));
        }
        Ok(self)
    }

    fn sample_len(&self) -> usize {
        self.spec.sample_shape.iter().product()
    }

    /// The class of a sample, for drawing from every class alike; 0 for all if it has none.
    fn class(&self, sample: usize) -> i64 {
        let is_class =
            self.spec.integers.is_some_and(|integers| integers.n_classes().is_some()) || self.preprocess.one_hot;
        match &self.content {
            Content::Table(columns) => columns.first().map_or(0, |column| match column.category(sample) {
                Some(category) => category,
                None if is_class => column.number(sample).unwrap_or(0.0) as i64,
                None => 0,
            }),
            Content::Values(values) if is_class => numbers(values, sample..sample + 1).next().unwrap_or(0.0) as i64,
            // What cannot be read is told when it is to be trained on.
            Content::OneByOne(rows) if is_class => {
                rows.read(sample).ok().and_then(|values| numbers(&values, 0..1).next()).unwrap_or(0.0) as i64
            }
            _ => 0,
        }
    }

    /// Makes the elements of a table, and learns what is not given.
    fn resolve(&mut self, given: Option<InputFit>, train: &[u32], n_samples: usize) -> Result<InputFit, TrainError> {
        let mut fit = given.clone().unwrap_or_default();
        if let Content::Table(columns) = &self.content {
            if given.is_none() {
                fit.columns = columns.iter().map(|column| column.fit(train)).collect::<Result<_, _>>()?;
            }
            if columns.len() != fit.columns.len() {
                let message = format!("the weights know nothing of the columns of the input `{}`", self.spec.name);
                return Err(self.origin.error(message));
            }
            let categories = |fit: &InputFit| fit.columns.first().and_then(|column| column.categories.clone());
            if fit.classes.is_none() && self.spec.dtype == DType::I32 {
                fit.classes = categories(&fit);
            }
            let elements = self.table_elements(columns, &fit, n_samples)?;
            self.content = Content::Values(Values::F64(elements));
        }
        if fit.classes.is_none() {
            fit.classes.clone_from(&self.classes);
        }
        self.check_class_names(&fit)?;
        if self.preprocess.standardise {
            fit.standard = match (given, fit.standard) {
                (None, _) => Some(self.standard(train)?),
                (Some(_), Some(standard)) => Some(standard),
                (Some(_), None) => {
                    let name = &self.spec.name;
                    return Err(TrainError::Mismatch(format!("the weights hold no mean and deviation of `{name}`")));
                }
            };
        }
        Ok(fit)
    }

    fn table_elements(&self, columns: &[TableColumn], fit: &InputFit, n: usize) -> Result<Vec<f64>, TrainError> {
        let fitted = || columns.iter().zip(&fit.columns);
        let width: usize = fitted().map(|(column, fit)| column.width(fit)).sum();
        // Class numbers are one element whatever becomes of them.
        let expected = if self.preprocess.one_hot { 1 } else { self.sample_len() };
        if width != expected {
            let parts: Vec<String> = fitted().map(|(column, fit)| column.width_text(fit)).collect();
            return Err(self.origin.error(format!(
                "the input `{}` takes {expected} elements, but its columns give {width}: {}",
                self.spec.name,
                parts.join(", ")
            )));
        }
        let mut elements = vec![0.0; n * width];
        let mut first = 0;
        for (column, fit) in fitted() {
            column.write(fit, &mut elements[first..], width)?;
            first += column.width(fit);
        }
        Ok(elements)
    }

    fn check_class_names(&self, fit: &InputFit) -> Result<(), TrainError> {
        match (&fit.classes, self.spec.integers.map(|integers| integers.n)) {
            (Some(names), Some(n)) if names.len() > n => {
                let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{}`", escaped(name))).collect();
                let more = if names.len() > 8 { " ..." } else { "" };
                let (n_names, input) = (names.len(), &self.spec.name);
                let message = format!(
                    "{n_names} classes ({}{more}), but the network tells {n} apart for `{input}`",
                    shown.join(", ")
                );
                Err(self.origin.error(message))
            }
            _ => Ok(()),
        }
    }

    fn n_channels(&self) -> usize {
        self.spec.sample_shape.last().copied().unwrap_or(1).max(1)
    }

    /// Mean and deviation of some samples.
    fn standard(&self, samples: &[u32]) -> Result<Standard, TrainError> {
        let (len, n_channels) = (self.sample_len(), self.n_channels());
        let range = |sample: u32| sample as usize * len..(sample as usize + 1) * len;
        match &self.content {
            Content::Values(Values::U8(bytes)) => {
                Ok(standard_of_bytes(&self.preprocess, n_channels, samples.iter().map(|&s| &bytes[range(s)])))
            }
            Content::Values(values) => {
                let mut moments = Moments::new(&self.preprocess, n_channels);
                samples.iter().for_each(|&sample| moments.add(numbers(values, range(sample))));
                let mut moments = moments.second_pass();
                samples.iter().for_each(|&sample| moments.add(numbers(values, range(sample))));
                Ok(moments.standard())
            }
            Content::OneByOne(rows) => {
                let mut moments = Moments::new(&self.preprocess, n_channels);
                for pass in 0..2 {
                    for &sample in samples {
                        moments.add(numbers(&rows.read(sample as usize)?, 0..len));
                    }
                    if pass == 0 {
                        moments = moments.second_pass();
                    }
                }
                Ok(moments.standard())
            }
            Content::Table(_) => unreachable!("its elements have been made"),
        }
    }

    /// Elements in the form from which batches are packed.
    fn store(&mut self, fit: &InputFit) -> Result<Store, TrainError> {
        let len = self.sample_len();
        let affine = self.preprocess.affine(fit);
        let content = std::mem::replace(&mut self.content, Content::Table(Vec::new()));
        let values = match content {
            Content::OneByOne(rows) => return Ok(Store::one_by_one(rows, affine, len)),
            Content::Values(values) => values,
            Content::Table(_) => unreachable!("its elements have been made"),
        };
        if self.preprocess.one_hot {
            return Ok(Store::Words(self.one_hot(&values, len)?));
        }
        if self.spec.dtype == DType::I32 {
            return self.integers(values);
        }
        match values {
            Values::U8(bytes) => Ok(Store::Bytes { bytes, pairs: Some(affine.of_elements(len)) }),
            values => {
                let all = 0..values.len();
                let words = numbers(&values, all).enumerate().map(|(at, value)| {
                    let value = affine.apply(value, at % len.max(1)) as f32;
                    if value.is_finite() { Ok(value.to_bits()) } else { Err(self.not_finite(&values, at, len)) }
                });
                Ok(Store::Words(words.collect::<Result<_, _>>()?))
            }
        }
    }

    fn not_finite(&self, values: &Values, at: usize, len: usize) -> TrainError {
        let value = numbers(values, at..at + 1).next().unwrap_or(f64::NAN);
        let what = if value.is_finite() { "more than f32 holds".to_string() } else { value.to_string() };
        self.origin.error(format!(
            "sample {} of the input `{}` has an element that is {what}",
            at / len,
            self.spec.name
        ))
    }

    fn integers(&self, values: Values) -> Result<Store, TrainError> {
        let len = self.sample_len().max(1);
        let allowed = self.spec.integers;
        if let Values::U8(bytes) = values {
            if let Some(allowed) = allowed
                && let Some(at) = allowed.first_outside(bytes.iter().map(|&byte| i32::from(byte)))
            {
                return Err(self.out_of_range(allowed, at / len, i64::from(bytes[at])));
            }
            return Ok(Store::Bytes { bytes, pairs: None });
        }
        let mut words = Vec::with_capacity(values.len());
        for (at, value) in numbers(&values, 0..values.len()).enumerate() {
            let integer = value as i32;
            if f64::from(integer) != value {
                let name = &self.spec.name;
                return Err(self.origin.error(format!(
                    "sample {} of the input `{name}` is {value}, expected an integer of 32 bits",
                    at / len
                )));
            }
            if let Some(allowed) = allowed.filter(|allowed| allowed.refuses(integer)) {
                return Err(self.out_of_range(allowed, at / len, integer.into()));
            }
            words.push(integer.cast_unsigned());
        }
        Ok(Store::Words(words))
    }

    fn out_of_range(&self, allowed: Integers, sample: usize, number: i64) -> TrainError {
        self.origin.error(allowed.refusal(&self.spec.name, sample, number))
    }

    /// Vectors of class numbers.
    fn one_hot(&self, values: &Values, len: usize) -> Result<Vec<u32>, TrainError> {
        let name = &self.spec.name;
        let n_samples = values.len();
        let mut words = vec![0; n_samples * len];
        for (sample, value) in numbers(values, 0..n_samples).enumerate() {
            if value.fract() != 0.0 || value < 0.0 || value >= len as f64 {
                return Err(self.origin.error(format!(
                    "sample {sample} of the input `{name}` is {value}, expected a class number of 0 to {}",
                    len.saturating_sub(1)
                )));
            }
            words[sample * len + value as usize] = 1f32.to_bits();
        }
        Ok(words)
    }
}
