//! Samples that the program gives: arrays in memory, or a function that is asked for the rows of one sample after the
//! other.

use super::array::Positioned;
use super::columns::{Columns, Content, Loader, RawColumn, check_count};
use super::source::Origin;
use super::values::{Element, Values};
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use graphc_driver::session::{first_outside, label_out_of_range};
use graphc_ir::DType;
use std::fmt;
use std::sync::Arc;

/// One input of one sample, to be written: as many elements as the input takes of a sample, row-major. All are 0 at
/// first.
#[derive(Debug)]
pub enum Row<'a> {
    /// Of an `f32` input.
    F32(&'a mut [f32]),
    /// Of an `i32` input.
    I32(&'a mut [i32]),
}

/// Writes the row of a sample, by its number from 0 and the name of the input; says why it cannot.
pub type ReadRow = dyn Fn(usize, &str, Row<'_>) -> Result<(), String> + Send + Sync;

/// Samples of which a function gives the rows. It is called on the threads that prepare batches, in any order, for a
/// sample as often as a batch has it, and must give the same each time.
#[derive(Clone)]
pub struct Rows {
    /// Number of samples.
    pub n_samples: usize,
    /// Gives their rows.
    pub read: Arc<ReadRow>,
}

/// The same samples have the same function.
impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        self.n_samples == other.n_samples && Arc::ptr_eq(&self.read, &other.read)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("n_samples", &self.n_samples).finish_non_exhaustive()
    }
}

/// One input of samples that are read one by one, whenever a batch has them.
#[derive(Debug)]
pub(crate) enum OneByOne {
    /// From a file.
    File(Positioned),
    /// From the program.
    Rows(Rows, InputSpec),
}

impl OneByOne {
    /// The elements of a sample.
    pub(crate) fn read(&self, sample: usize) -> Result<Values, TrainError> {
        let (rows, spec) = match self {
            OneByOne::File(file) => return file.read(sample, 1),
            OneByOne::Rows(rows, spec) => (rows, spec),
        };
        let InputSpec { name, sample_shape, n_classes, .. } = spec;
        let len = sample_shape.iter().product();
        let refused = |message| Origin::Given.error(format!("sample {sample} of the input `{name}`: {message}"));
        match spec.dtype {
            DType::F32 => {
                let mut row = vec![0.0; len];
                (rows.read)(sample, name, Row::F32(&mut row)).map_err(refused)?;
                Ok(Values::F32(row))
            }
            DType::I32 => {
                let mut row = vec![0; len];
                (rows.read)(sample, name, Row::I32(&mut row)).map_err(refused)?;
                match n_classes.map(|n| (n, first_outside(row.iter().copied(), n))) {
                    Some((n, Some(at))) => {
                        Err(Origin::Given.error(label_out_of_range(name, n, sample, row[at].into())))
                    }
                    _ => Ok(Values::I32(row)),
                }
            }
        }
    }

    /// Whether elements are bytes, of which preprocessing makes numbers.
    pub(crate) fn holds_bytes(&self) -> bool {
        matches!(self, OneByOne::File(file) if matches!(file.element(), Element::Bool | Element::U8))
    }

    /// Whether elements are the network's integers.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, OneByOne::Rows(_, spec) if spec.dtype == DType::I32)
    }

    /// An error about a sample.
    pub(crate) fn error(&self, sample: usize, message: impl fmt::Display) -> TrainError {
        match self {
            OneByOne::File(file) => TrainError::file(file.path(), format!("sample {sample} {message}")),
            OneByOne::Rows(_, spec) => {
                Origin::Given.error(format!("sample {sample} of the input `{}` {message}", spec.name))
            }
        }
    }
}

impl Loader {
    /// Arrays of whole samples, by the names of the inputs.
    pub(super) fn memory(
        &self,
        arrays: &[(String, Values)],
        limit: Option<usize>,
        optional: &[String],
    ) -> Result<Columns, TrainError> {
        let (mut columns, mut first) = (Vec::new(), None);
        for (spec, preprocess) in &self.inputs {
            let Some((name, values)) = arrays.iter().find(|(name, _)| *name == spec.name) else {
                if optional.contains(&spec.name) {
                    continue;
                }
                return Err(Origin::Given.error(format!("there are no values for the input `{}`", spec.name)));
            };
            // Class numbers are one element whatever becomes of them.
            let len = if preprocess.one_hot { 1 } else { spec.sample_shape.iter().product() };
            let n = values.len() / len;
            if values.len() != n * len {
                let (found, shape) = (values.len(), shape_text(&spec.sample_shape));
                return Err(Origin::Given.error(format!(
                    "{found} elements for the input `{name}`, expected a multiple of the {len} of a sample ({shape})"
                )));
            }
            let (first_name, n_samples) = *first.get_or_insert((name, n));
            if n != n_samples {
                return Err(Origin::Given
                    .error(format!("{n} samples of the input `{name}`, but `{first_name}` has {n_samples}")));
            }
            let mut values = values.clone();
            values.truncate(limit.unwrap_or(n).min(n) * len);
            columns.push(RawColumn::new(spec, preprocess, Origin::Given, Content::Values(values), None));
        }
        let n = first.map_or(0, |(_, n)| n);
        check_count(n, &Origin::Given)?;
        Ok(Columns::new(n.min(limit.unwrap_or(n)), columns))
    }

    /// Samples of which a function gives the rows. It is asked for every input.
    pub(super) fn rows(&self, rows: &Rows, limit: Option<usize>) -> Result<Columns, TrainError> {
        let n = rows.n_samples;
        check_count(n, &Origin::Given)?;
        let column = |(spec, preprocess): &(InputSpec, _)| {
            let content = Content::OneByOne(OneByOne::Rows(rows.clone(), spec.clone()));
            RawColumn::new(spec, preprocess, Origin::Given, content, None)
        };
        if let Some((spec, _)) = self.inputs.iter().find(|(_, preprocess)| preprocess.changes_shape()) {
            let name = &spec.name;
            return Err(Origin::Given.error(format!("rows of the input `{name}` cannot be given another shape")));
        }
        Ok(Columns::new(n.min(limit.unwrap_or(n)), self.inputs.iter().map(column).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Fitted, Preprocess, Source, Validation};

    fn loader(standardise: bool) -> Loader {
        let spec = |name: &str, dtype, shape: &[usize], n_classes| InputSpec {
            name: name.into(),
            dtype,
            sample_shape: shape.to_vec(),
            is_target: n_classes == Some(3),
            n_classes,
        };
        let x = (spec("x", DType::F32, &[2], None), Preprocess { standardise, ..Preprocess::default() });
        let y = (spec("y", DType::I32, &[], Some(3)), Preprocess::default());
        Loader { inputs: vec![x, y], n_threads: 1, most_in_memory: None }
    }

    fn element(sample: usize, at: usize) -> f32 {
        (sample * 7 % 5) as f32 - at as f32
    }

    fn memory(n: usize) -> Source {
        let x = (0..n).flat_map(|sample| [element(sample, 0), element(sample, 1)]).collect();
        let y = (0..n).map(|sample| sample as i32 % 3).collect();
        Source::Memory(Arc::new(vec![("y".into(), Values::I32(y)), ("x".into(), Values::F32(x))]))
    }

    fn rows(n: usize) -> Source {
        let read = |sample: usize, input: &str, row: Row<'_>| {
            match (input, row) {
                ("x", Row::F32(row)) => {
                    row.iter_mut().enumerate().for_each(|(at, value)| *value = element(sample, at));
                }
                ("y", Row::I32(row)) => row[0] = sample as i32 % 3,
                _ => return Err(format!("nobody knows `{input}`")),
            }
            Ok(())
        };
        Source::Rows(Rows { n_samples: n, read: Arc::new(read) })
    }

    fn dataset(loader: &Loader, source: &Source) -> Result<Dataset, TrainError> {
        loader.read(source, None, &[])?.fit(Validation::Share { share: 0.25, seed: 3 })
    }

    /// Samples in memory and rows one by one: the same words, the same split, the same that is learnt.
    #[test]
    fn both_ways_give_the_same() {
        let words = |data: &Dataset| -> Vec<Vec<u32>> {
            (0..20).flat_map(|sample| ["x", "y"].map(|name| data.words(name, sample).unwrap())).collect()
        };
        for loader in [loader(false), loader(true)] {
            let [memory, rows] = [memory(20), rows(20)].map(|source| dataset(&loader, &source).unwrap());
            assert_eq!(words(&memory), words(&rows));
            assert_eq!((memory.split(), memory.fitted()), (rows.split(), rows.fitted()));
            let classes = |samples: &[u32]| samples.iter().filter(|&&sample| sample % 3 == 0).count();
            assert_eq!((rows.split().validation.len(), classes(&rows.split().validation)), (5, 2));
        }
        let first = loader(false).read(&memory(20), Some(4), &[]).unwrap().apply(&Fitted::default()).unwrap();
        assert_eq!(first.len(), 4);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let message = |source: Source| dataset(&loader(false), &source).unwrap_err().to_string();
        let of = |x: &[f32], y: &[i32]| {
            let y = ("y".to_string(), Values::I32(y.to_vec()));
            Source::Memory(Arc::new(vec![("x".into(), Values::F32(x.to_vec())), y]))
        };
        assert_eq!(message(of(&[], &[])), "the data given: no samples");
        assert_eq!(message(rows(0)), "the data given: no samples");
        assert_eq!(
            message(of(&[1.0; 3], &[0])),
            "the data given: 3 elements for the input `x`, expected a multiple of the 2 of a sample (2)"
        );
        assert_eq!(message(of(&[1.0; 4], &[0])), "the data given: 1 samples of the input `y`, but `x` has 2");
        assert_eq!(
            message(of(&[1.0, f32::NAN], &[0])),
            "the data given: sample 0 of the input `x` has an element that is NaN"
        );
        assert_eq!(
            message(of(&[1.0; 2], &[3])),
            "the data given: label out of range: sample 0 has label 3, but `y` has 3 classes (0 to 2)"
        );
        let x = Source::Memory(Arc::new(vec![("x".into(), Values::F32(vec![0.0; 2]))]));
        assert_eq!(message(x), "the data given: there are no values for the input `y`");
        let wrong = |read: fn(usize, &str, Row<'_>) -> Result<(), String>| {
            let data = dataset(&loader(false), &Source::Rows(Rows { n_samples: 4, read: Arc::new(read) })).unwrap();
            ["x", "y"].map(|name| data.words(name, 2).map_err(|error| error.to_string()))
        };
        let said = wrong(|_, input, _| if input == "x" { Err("the disk is gone".into()) } else { Ok(()) });
        assert_eq!(said[0], Err("the data given: sample 2 of the input `x`: the disk is gone".into()));
        let said = wrong(|_, _, row| {
            match row {
                Row::F32(row) => row[1] = f32::INFINITY,
                Row::I32(row) => row[0] = -1,
            }
            Ok(())
        });
        let label = "label out of range: sample 2 has label -1, but `y` has 3 classes (0 to 2)";
        let expected = ["sample 2 of the input `x` has an element that is inf", label];
        assert_eq!(said, expected.map(|message| Err(format!("the data given: {message}"))));
    }
}
