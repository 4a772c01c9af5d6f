//! Columns of elements as a source has them, before what training samples say of them is applied.

use super::array::{ArrayFile, ArrayFormat};
use super::cifar::CifarKind;
use super::dataset::{Dataset, Store};
use super::given::OneByOne;
use super::preprocess::{Fitted, InputFit, Moments, Preprocess, Standard, numbers, standard_of_bytes};
use super::source::{ArraySource, Origin, Source};
use super::split::{self, Split};
use super::table::{self, FieldContent, Table, TableColumn};
use super::values::Values;
use super::{cifar, images, pictures, synthetic::Synthetic};
use crate::error::{TrainError, escaped};
use crate::input::{InputSpec, shape_text};
use graphc_driver::Available;
use graphc_driver::session::{first_outside, label_out_of_range};
use graphc_ir::DType;
use std::path::{Path, PathBuf};

/// Reads data for the inputs of a network.
#[derive(Clone, Debug)]
pub struct Loader {
    /// The inputs that are given for every sample, and what is done with each.
    pub inputs: Vec<(InputSpec, Preprocess)>,
    /// Threads that decode pictures.
    pub n_threads: usize,
    /// Arrays that take more bytes are left in their files; half of the memory there is, if not said.
    pub most_in_memory: Option<u64>,
}

/// An input with what is done to it.
type Given<'a> = &'a (InputSpec, Preprocess);

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
    is_sorted_maybe: bool,
    columns: Vec<RawColumn>,
    /// What was changed to make samples fit.
    warnings: Vec<String>,
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

impl Loader {
    /// Takes at most `limit` samples of every input. Of the `optional` inputs only those that are there.
    ///
    /// # Errors
    /// If a file is missing or corrupt, samples have another size than the input, files disagree on the number of
    /// samples, or there is no memory for them. Headers are compared before anything else is read.
    pub fn read(&self, source: &Source, limit: Option<usize>, optional: &[String]) -> Result<Columns, TrainError> {
        if self.inputs.is_empty() {
            return Err(TrainError::Mismatch("a data set needs at least one input".into()));
        }
        let columns = match source {
            Source::Arrays(arrays) => self.arrays(arrays, limit, optional)?,
            Source::Table(table) => self.table(table, limit, optional)?,
            Source::Images(folder) => self.images(folder, limit)?,
            Source::Cifar(files, kind) => self.cifar(files, *kind, limit)?,
            Source::Synthetic(synthetic) => self.synthetic(synthetic, limit)?,
            Source::Memory(arrays) => self.memory(arrays, limit, optional)?,
            Source::Rows(rows) => self.rows(rows, limit)?,
        };
        Ok(Columns { is_sorted_maybe: columns.is_sorted_maybe && source.is_sorted_maybe(), ..columns })
    }

    fn arrays(
        &self,
        arrays: &[(String, ArraySource)],
        limit: Option<usize>,
        optional: &[String],
    ) -> Result<Columns, TrainError> {
        let mut opened = Vec::new();
        for (spec, preprocess) in &self.inputs {
            let Some((_, source)) = arrays.iter().find(|(name, _)| *name == spec.name) else {
                if optional.contains(&spec.name) {
                    continue;
                }
                return Err(TrainError::Mismatch(format!("the data names no file for the input `{}`", spec.name)));
            };
            let file = source.open()?;
            if !preprocess.changes_shape() {
                check_sample_shape(&source.path, spec, file.sample_shape())?;
            }
            opened.push((spec, preprocess, source, file));
        }
        let Some((_, _, first, file)) = opened.first() else {
            return Err(TrainError::Mismatch("the data names no file of any input".into()));
        };
        let (n, first) = (file.n_samples(), first.path.display());
        for (_, _, source, file) in &opened {
            if file.n_samples() != n {
                let message = format!("{} samples, but {first} has {n}", file.n_samples());
                return Err(TrainError::file(&source.path, message));
            }
        }
        check_count(n, &Origin::file(&opened[0].2.path))?;
        let is_sorted_maybe = opened.iter().any(|(.., file)| file.format() != ArrayFormat::Idx);
        let n_samples = n.min(limit.unwrap_or(n));
        let columns = opened.into_iter().map(|(spec, preprocess, source, file)| {
            let origin = Origin::file(&source.path);
            let shape = file.sample_shape().to_vec();
            let content = self.array_content(spec, preprocess, file, limit, n_samples)?;
            RawColumn::new(spec, preprocess, origin, content, None).with_pictures(&shape)
        });
        Ok(Columns { is_sorted_maybe, ..Columns::new(n_samples, columns.collect::<Result<_, _>>()?) })
    }

    /// What is too large for the memory is left in the file, if samples can be taken from there as they are.
    fn array_content(
        &self,
        spec: &InputSpec,
        preprocess: &Preprocess,
        file: ArrayFile,
        limit: Option<usize>,
        n_samples: usize,
    ) -> Result<Content, TrainError> {
        let sample_len: usize = file.sample_shape().iter().product();
        let element_bytes = if spec.dtype == DType::F32 && file.element().size() == 1 { 1 } else { 8 };
        let bytes = (n_samples as u64).saturating_mul(sample_len as u64).saturating_mul(element_bytes);
        let most = self.most_in_memory.or_else(|| Available::now().map(|available| available.bytes / 2));
        let is_too_large = most.is_some_and(|most| bytes > most);
        let is_plain = spec.dtype == DType::F32 && !preprocess.changes_shape();
        if is_too_large && is_plain && file.is_positional() {
            return Ok(Content::OneByOne(OneByOne::File(file.by_position()?)));
        }
        Ok(Content::Values(file.read(limit)?))
    }

    fn table(&self, table: &Table, limit: Option<usize>, optional: &[String]) -> Result<Columns, TrainError> {
        let mut table = table.clone();
        for (name, fields) in &mut table.columns {
            let input = self.inputs.iter().find(|(spec, _)| spec.name == *name);
            let is_class = input.is_some_and(|(spec, preprocess)| spec.dtype == DType::I32 || preprocess.one_hot);
            for field in fields.iter_mut().filter(|field| is_class && field.content == FieldContent::Numbers) {
                field.content = FieldContent::Classes;
            }
        }
        table.columns.retain(|(name, _)| self.inputs.iter().any(|(spec, _)| spec.name == *name));
        let table = &table;
        let rows = table::read(table, limit, optional)?;
        let origin = Origin::file(&table.path);
        check_count(rows.n_rows, &origin)?;
        let mut columns = Vec::new();
        for (name, content) in rows.inputs {
            let Some((spec, preprocess)) = self.inputs.iter().find(|(spec, _)| spec.name == name) else { continue };
            columns.push(RawColumn::new(spec, preprocess, origin.clone(), Content::Table(content), None));
        }
        Ok(Columns::new(rows.n_rows, columns))
    }

    fn images(&self, folder: &Path, limit: Option<usize>) -> Result<Columns, TrainError> {
        let ((image, label), origin) = (self.picture_and_label()?, Origin::file(folder));
        let opened = images::ImageFolder::open(folder)?;
        let n = opened.n_samples();
        check_count(n, &origin)?;
        let shape = pictures::shape_of(&image.0)?;
        let images::Images { pixels, classes: labels, warnings } = opened.read(shape, limit, self.n_threads)?;
        let n_samples = n.min(limit.unwrap_or(n));
        let labels = Values::I64(labels.into_iter().map(i64::from).collect());
        let preprocess = Preprocess { resize: false, grayscale: false, ..image.1.clone() };
        let pictures = RawColumn::new(&image.0, &preprocess, origin.clone(), Content::Values(Values::U8(pixels)), None)
            .with_pictures(&image.0.sample_shape)?;
        let names = Some(opened.classes);
        let labels =
            label.map(|(spec, preprocess)| RawColumn::new(spec, preprocess, origin, Content::Values(labels), names));
        Ok(Columns { warnings, ..Columns::new(n_samples, [Some(pictures), labels].into_iter().flatten().collect()) })
    }

    fn cifar(&self, files: &[PathBuf], kind: CifarKind, limit: Option<usize>) -> Result<Columns, TrainError> {
        let (image, label) = self.picture_and_label()?;
        let first = files.first().ok_or_else(|| TrainError::Mismatch("the data names no file".into()))?;
        let (opened, origin) = (cifar::Cifar::open(files, kind)?, Origin::file(first));
        let n = opened.n_samples();
        check_count(n, &origin)?;
        let names = opened.classes().map(<[String]>::to_vec);
        let (pixels, labels) = opened.read(limit)?;
        if !image.1.changes_shape() {
            check_sample_shape(first, &image.0, &cifar::SHAPE)?;
        }
        let pictures = RawColumn::new(&image.0, &image.1, origin.clone(), Content::Values(Values::U8(pixels)), None)
            .with_pictures(&cifar::SHAPE)?;
        let labels = label.map(|(spec, preprocess)| {
            RawColumn::new(spec, preprocess, origin, Content::Values(Values::U8(labels)), names)
        });
        Ok(Columns::new(n.min(limit.unwrap_or(n)), [Some(pictures), labels].into_iter().flatten().collect()))
    }

    fn synthetic(&self, synthetic: &Synthetic, limit: Option<usize>) -> Result<Columns, TrainError> {
        let n = synthetic.n_samples.min(limit.unwrap_or(synthetic.n_samples));
        check_count(n, &Origin::Synthetic)?;
        let columns = self.inputs.iter().map(|(spec, preprocess)| {
            let content = Content::Values(Values::U8(synthetic.samples(spec, n)?));
            Ok(RawColumn::new(spec, preprocess, Origin::Synthetic, content, None))
        });
        Ok(Columns::new(n, columns.collect::<Result<_, TrainError>>()?))
    }

    /// The input that is a picture, and the one that is its class, if that is asked for.
    fn picture_and_label(&self) -> Result<(Given<'_>, Option<Given<'_>>), TrainError> {
        let is_picture = |spec: &InputSpec| spec.dtype == DType::F32 && !spec.is_target;
        match self.inputs.as_slice() {
            [image] if is_picture(&image.0) => Ok((image, None)),
            [image, label] | [label, image] if is_picture(&image.0) && label.0.is_target => Ok((image, Some(label))),
            _ => Err(TrainError::Mismatch(
                "pictures in classes are data for a network with two inputs: an `f32` picture and the target".into(),
            )),
        }
    }
}

/// The number of samples, which are numbered in 32 bits.
pub(super) fn check_count(n: usize, origin: &Origin) -> Result<(), TrainError> {
    match u32::try_from(n) {
        Ok(0) => Err(origin.error("no samples")),
        Ok(_) => Ok(()),
        Err(_) => Err(origin.error(format!("{n} samples, expected at most {}", u32::MAX))),
    }
}

/// Sizes of 1 may be missing or added: MNIST's 28x28 is an image of shape 28x28x1.
fn check_sample_shape(path: &Path, spec: &InputSpec, found: &[usize]) -> Result<(), TrainError> {
    let without_ones = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(found) == without_ones(&spec.sample_shape) {
        return Ok(());
    }
    let (found, expected) = (shape_text(found), shape_text(&spec.sample_shape));
    Err(TrainError::file(path, format!("samples of shape {found}, but the input `{}` takes {expected}", spec.name)))
}

impl Columns {
    pub(super) fn new(n_samples: usize, columns: Vec<RawColumn>) -> Columns {
        Columns { n_samples, is_sorted_maybe: true, columns, warnings: Vec::new() }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.n_samples
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n_samples == 0
    }

    /// What was changed to make samples fit.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// An error about the samples.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> TrainError {
        match self.columns.first() {
            Some(column) => column.origin.error(message),
            None => TrainError::Mismatch(message.to_string()),
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
    pub fn fit(self, validation: Validation) -> Result<Dataset, TrainError> {
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
    fn with_pictures(mut self, shape: &[usize]) -> Result<RawColumn, TrainError> {
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
        let is_class = self.spec.n_classes.is_some() || self.preprocess.one_hot;
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
        match (&fit.classes, self.spec.n_classes) {
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
        let n_classes = self.spec.n_classes;
        if let Values::U8(bytes) = values {
            if let Some(n) = n_classes
                && let Some(at) = first_outside(bytes.iter().map(|&byte| i32::from(byte)), n)
            {
                return Err(self.out_of_range(n, at / len, i64::from(bytes[at])));
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
            if let Some(n) = n_classes.filter(|&n| first_outside([integer], n).is_some()) {
                return Err(self.out_of_range(n, at / len, integer.into()));
            }
            words.push(integer.cast_unsigned());
        }
        Ok(Store::Words(words))
    }

    fn out_of_range(&self, n_classes: usize, sample: usize, label: i64) -> TrainError {
        self.origin.error(label_out_of_range(&self.spec.name, n_classes, sample, label))
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
