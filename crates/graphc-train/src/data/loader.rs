//! [`Loader`]: from a source to columns of what stands in it.

use super::array::{ArrayFile, ArrayFormat};
use super::cifar::{self, CifarKind};
use super::columns::{Columns, Content, Input, RawColumn, check_count};
use super::one_by_one::OneByOne;
use super::preprocess::Preprocess;
use super::source::{ArraySource, Origin, Source};
use super::synthetic::Synthetic;
use super::table::{self, FieldContent, Table};
use super::text_columns::TextColumns;
use super::values::Values;
use super::{given, images, pictures};
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use graphc_driver::Available;
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
        let mut columns = match source {
            Source::Arrays(arrays) => self.arrays(arrays, limit, optional)?,
            Source::Table(table) => self.table(table, limit, optional)?,
            Source::Images(folder) => self.images(folder, limit)?,
            Source::Cifar(files, kind) => self.cifar(files, *kind, limit)?,
            Source::Text(text) => {
                let specs = self.inputs.iter().map(|(spec, _)| spec);
                return Ok(Columns::of_text(TextColumns::read(text, specs, limit)?));
            }
            Source::Synthetic(synthetic) => self.synthetic(synthetic, limit)?,
            Source::Memory(arrays) => given::memory(&self.inputs, arrays, limit, optional)?,
            Source::Rows(rows) => given::rows(&self.inputs, rows, limit)?,
        };
        columns.is_sorted_maybe &= source.is_sorted_maybe();
        Ok(columns)
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
        let mut columns = Columns::new(n_samples, columns.collect::<Result<_, _>>()?);
        columns.is_sorted_maybe = is_sorted_maybe;
        Ok(columns)
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
        let mut columns = Columns::new(n_samples, [Some(pictures), labels].into_iter().flatten().collect());
        columns.warnings = warnings;
        Ok(columns)
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
    fn picture_and_label(&self) -> Result<(&Input, Option<&Input>), TrainError> {
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

/// Sizes of 1 may be missing or added: MNIST's 28x28 is an image of shape 28x28x1.
fn check_sample_shape(path: &Path, spec: &InputSpec, found: &[usize]) -> Result<(), TrainError> {
    let without_ones = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(found) == without_ones(&spec.sample_shape) {
        return Ok(());
    }
    let (found, expected) = (shape_text(found), shape_text(&spec.sample_shape));
    Err(TrainError::file(path, format!("samples of shape {found}, but the input `{}` takes {expected}", spec.name)))
}
