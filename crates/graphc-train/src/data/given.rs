//! Samples that the program gives: arrays in memory, or a function that is asked for the rows of one sample after the
//! other.

use super::columns::{Columns, Content, Input, RawColumn, check_count};
use super::one_by_one::OneByOne;
use super::rows::Rows;
use super::source::Origin;
use super::values::Values;
use crate::error::TrainError;
use crate::input::shape_text;

/// Arrays of whole samples, by the names of the inputs.
pub(super) fn memory(
    inputs: &[Input],
    arrays: &[(String, Values)],
    limit: Option<usize>,
    optional: &[String],
) -> Result<Columns, TrainError> {
    let (mut columns, mut first) = (Vec::new(), None);
    for (spec, preprocess) in inputs {
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
            return Err(
                Origin::Given.error(format!("{n} samples of the input `{name}`, but `{first_name}` has {n_samples}"))
            );
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
pub(super) fn rows(inputs: &[Input], rows: &Rows, limit: Option<usize>) -> Result<Columns, TrainError> {
    let n = rows.n_samples;
    check_count(n, &Origin::Given)?;
    let column = |(spec, preprocess): &Input| {
        let content = Content::OneByOne(OneByOne::Rows(rows.clone(), spec.clone()));
        RawColumn::new(spec, preprocess, Origin::Given, content, None)
    };
    if let Some((spec, _)) = inputs.iter().find(|(_, preprocess)| preprocess.changes_shape()) {
        let name = &spec.name;
        return Err(Origin::Given.error(format!("rows of the input `{name}` cannot be given another shape")));
    }
    Ok(Columns::new(n.min(limit.unwrap_or(n)), inputs.iter().map(column).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputSpec;
    use crate::data::{Dataset, Fitted, Loader, Preprocess, Row, Source, Validation};
    use graphc_driver::session::Integers;
    use graphc_ir::DType;
    use std::sync::Arc;

    fn loader(standardise: bool) -> Loader {
        let spec = |name: &str, dtype, shape: &[usize], n_classes: Option<usize>| InputSpec {
            name: name.into(),
            dtype,
            sample_shape: shape.to_vec(),
            is_target: n_classes == Some(3),
            integers: n_classes.map(Integers::classes),
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
