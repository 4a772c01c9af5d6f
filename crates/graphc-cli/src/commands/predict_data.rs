//! `graphc predict --data`: a prediction for every sample of a file, as a table.

use crate::answer::{Unit, best_class};
use crate::error::CliError;
use graphc::experiment::{self, Kind};
use graphc_driver::Session;
use graphc_frontend::{DataSource, Experiment};
use graphc_train::data::{ArraySource, Fitted};
use graphc_train::predict::predictions;
use graphc_train::{Dataset, Source};
use std::path::Path;

/// Predicts for every sample, and gives a table: `row`, from 0, and the elements of the prediction; for classes also
/// the most likely one. How many predictions are not finite stands beside it.
pub(super) fn run(
    path: &Path,
    experiment: &Experiment,
    session: &mut Session,
    fitted: &Fitted,
) -> Result<(Vec<u8>, usize), CliError> {
    let data = read(experiment, path, fitted, session.threads())?;
    let kind = Kind::of(experiment);
    let batch_size = experiment.train.batch_size.min(data.len());
    let name = &experiment.prediction;
    let values = predictions(session, &data, name, batch_size)?;
    let unit = Unit::of(experiment, fitted, kind)?;
    let len = values.len() / data.len();
    let classes = fitted.of(&experiment.target).classes.unwrap_or_default();
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = |index: usize| if len == 1 { name.clone() } else { format!("{name}[{index}]") };
    let class_column = (kind != Kind::Values).then(|| "class".to_string());
    let columns = std::iter::once("row".to_string()).chain(class_column).chain((0..len).map(header));
    let written = |result: Result<(), csv::Error>| result.map_err(|error| CliError::new(error.to_string()));
    written(table.write_record(columns))?;
    let mut n_bad = 0;
    for (row, values) in values.chunks(len.max(1)).enumerate() {
        n_bad += usize::from(!values.iter().all(|value| value.is_finite()));
        let class = (kind != Kind::Values).then(|| {
            best_class(values)
                .map_or(String::new(), |class| classes.get(class).cloned().unwrap_or_else(|| class.to_string()))
        });
        let values = values.iter().enumerate().map(|(index, &value)| unit.text(value, index));
        written(table.write_record(std::iter::once(row.to_string()).chain(class).chain(values)))?;
    }
    let bytes = table.into_inner().map_err(|error| CliError::new(error.to_string()))?;
    Ok((bytes, n_bad))
}

/// Samples of a file or folder in the format of the graph file's data; the target may be missing.
fn read(experiment: &Experiment, path: &Path, fitted: &Fitted, n_threads: usize) -> Result<Dataset, CliError> {
    let inputs = experiment::feature_inputs(experiment);
    let loader = experiment::loader(experiment, &inputs, n_threads)?;
    let source = match experiment.data.as_ref().map(|data| &data.source) {
        Some(data @ DataSource::Table { .. }) => experiment::table(data, path).map(Source::Table),
        Some(DataSource::Images(_)) => Some(Source::Images(path.to_path_buf())),
        _ => None,
    };
    let source = match (source, inputs.as_slice()) {
        (Some(source), _) => source,
        (None, [input]) => {
            let text = path.to_string_lossy();
            let (file, key) = match text.rsplit_once('#') {
                Some((file, key)) => (file.into(), Some(key.to_string())),
                None => (path.to_path_buf(), None),
            };
            Source::Arrays(vec![(input.clone(), ArraySource { path: file, key, format: None })])
        }
        (None, inputs) => {
            let n = inputs.len();
            return Err(CliError::new(format!(
                "--data: the network has {n} inputs besides the target, a file gives one"
            )));
        }
    };
    Ok(loader.read(&source, None, &[])?.apply(fitted)?)
}
