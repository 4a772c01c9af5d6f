//! The numbers of every epoch, as CSV and as summary statistics.

use crate::error::TrainError;
use crate::run::exact;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss, measured during the epoch.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Mean training accuracy.
    #[serde(with = "exact::option")]
    pub accuracy: Option<f64>,
    /// Mean of each of several losses in training, by name.
    #[serde(with = "exact::named", default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<(String, f64)>,
    /// Loss on the validation samples after the epoch.
    #[serde(with = "exact::option")]
    pub val_loss: Option<f64>,
    /// Accuracy on the validation samples.
    #[serde(with = "exact::option")]
    pub val_accuracy: Option<f64>,
    /// Other metrics of the validation samples, by name.
    #[serde(with = "exact::named", default)]
    pub val_metrics: Vec<(String, f64)>,
    /// Training and validation.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// Learning rate of the epoch's last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
}

/// All finished epochs.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// In order.
    pub records: Vec<EpochRecord>,
}

/// Statistics of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Name of the column.
    pub column: &'static str,
    /// Values of [`STATISTICS`], in that order.
    pub values: [f64; 8],
}

/// What [`History::describe`] computes, as pandas names it. `std` is the sample deviation (n - 1), quartiles are
/// interpolated linearly.
pub const STATISTICS: [&str; 8] = ["count", "mean", "std", "min", "25%", "50%", "75%", "max"];

/// Names of the measured columns, which stand between `epoch` and `learning_rate`.
const COLUMNS: [&str; 5] = ["loss", "accuracy", "val_loss", "val_accuracy", "seconds"];

/// What stands before the name of a metric in its column.
const VALIDATION: &str = "val_";

impl EpochRecord {
    /// A metric of the validation samples.
    pub fn val_metric(&self, name: &str) -> Option<f64> {
        self.val_metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// One of several losses in training.
    fn part_of_loss(&self, name: &str) -> Option<f64> {
        self.losses.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The measured value of that name, such as `val_loss`.
    pub fn value(&self, column: &str) -> Option<f64> {
        match COLUMNS.iter().position(|known| *known == column) {
            Some(known) => self.columns()[known],
            None => match column.strip_prefix(VALIDATION) {
                Some(metric) => self.val_metric(metric),
                None => self.part_of_loss(column),
            },
        }
    }

    fn columns(&self) -> [Option<f64>; 5] {
        [Some(self.loss), self.accuracy, self.val_loss, self.val_accuracy, Some(self.seconds)]
    }
}

impl History {
    /// Writes a header and one line per epoch; what was not measured stays empty.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write_csv(&self, out: impl std::io::Write) -> std::io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        let metrics: Vec<&String> =
            self.records.first().map_or(&[][..], |first| &first.val_metrics).iter().map(|(name, _)| name).collect();
        let header = ["epoch"].iter().chain(&COLUMNS).chain(&["learning_rate"]).map(ToString::to_string);
        let losses = self.records.first().map_or(&[][..], |first| &first.losses).iter();
        let losses: Vec<&String> = losses.map(|(name, _)| name).collect();
        let metric_names = metrics.iter().map(|name| format!("{VALIDATION}{name}"));
        csv.write_record(header.chain(metric_names).chain(losses.iter().map(ToString::to_string)))?;
        for record in &self.records {
            let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let metrics = metrics.iter().map(|name| record.val_metric(name));
            let values = record.columns().into_iter().chain([Some(record.learning_rate)]).chain(metrics);
            let values = values.chain(losses.iter().map(|name| record.part_of_loss(name)));
            csv.write_record(std::iter::once(record.epoch.to_string()).chain(values.map(cell)))?;
        }
        csv.flush()
    }

    /// Reads what [`History::write_csv`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read or a cell is no number.
    pub fn read_csv(path: &Path) -> Result<History, TrainError> {
        let error = |message: String| TrainError::file(path, message);
        let file = std::fs::File::open(path).map_err(|e| TrainError::io(path, "read the history", &e))?;
        let mut csv = csv::Reader::from_reader(file);
        let mut history = History::default();
        let header = csv.headers().map_err(|e| error(e.to_string()))?.clone();
        // Behind the learning rate, which older histories do not have.
        let others = || header.iter().enumerate().skip(1 + COLUMNS.len()).filter(|(_, name)| *name != "learning_rate");
        let metrics: Vec<(usize, &str)> =
            others().filter_map(|(column, name)| Some((column, name.strip_prefix(VALIDATION)?))).collect();
        let losses: Vec<(usize, &str)> = others().filter(|(_, name)| !name.starts_with(VALIDATION)).collect();
        for row in csv.records() {
            let row = row.map_err(|e| error(e.to_string()))?;
            let cell = |column: usize| -> Result<Option<f64>, TrainError> {
                match row.get(column).unwrap_or("") {
                    "" => Ok(None),
                    text => text.parse().map(Some).map_err(|_| error(format!("expected a number, found `{text}`"))),
                }
            };
            let named = |columns: &[(usize, &str)]| -> Result<Vec<(String, f64)>, TrainError> {
                let cells = columns.iter();
                let cells = cells.filter_map(|&(column, name)| {
                    Some(cell(column).transpose()?.map(|value| (name.to_string(), value)))
                });
                cells.collect()
            };
            let needed = |column: usize| cell(column)?.ok_or_else(|| error(format!("column {column} is empty")));
            history.records.push(EpochRecord {
                epoch: needed(0)? as usize,
                loss: needed(1)?,
                accuracy: cell(2)?,
                val_loss: cell(3)?,
                val_accuracy: cell(4)?,
                losses: named(&losses)?,
                val_metrics: named(&metrics)?,
                seconds: needed(5)?,
                // Older histories do not have it.
                learning_rate: cell(6)?.unwrap_or(f64::NAN),
            });
        }
        Ok(history)
    }

    /// Count, mean, deviation, extremes and quartiles of every measured column.
    pub fn describe(&self) -> Vec<Description> {
        let mut descriptions = Vec::new();
        for (idx, column) in COLUMNS.into_iter().enumerate() {
            let values: Vec<f64> = self.records.iter().filter_map(|record| record.columns()[idx]).collect();
            if !values.is_empty() {
                descriptions.push(Description { column, values: statistics(values) });
            }
        }
        descriptions
    }
}

fn statistics(mut values: Vec<f64>) -> [f64; 8] {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // 0 / 0 for a single value: NaN, as pandas has it.
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let at = |q| quantile(&values, q);
    [n, mean, std, at(0.0), at(0.25), at(0.5), at(0.75), at(1.0)]
}

/// Linear interpolation between the two nearest of the sorted values.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            loss: 0.5,
            accuracy: Some(0.75),
            val_loss: Some(0.625),
            val_accuracy: Some(0.5),
            losses: Vec::new(),
            val_metrics: Vec::new(),
            seconds: 1.5,
            learning_rate: 0.01,
        }
    }

    pub(crate) fn history(losses: &[f64]) -> History {
        let record = |(idx, &loss): (usize, &f64)| EpochRecord {
            loss,
            accuracy: Some(1.0 - loss / 2.0),
            val_loss: Some(loss * 1.25),
            val_accuracy: Some(0.9 - loss / 4.0),
            ..self::record(idx + 1)
        };
        History { records: losses.iter().enumerate().map(record).collect() }
    }

    #[test]
    fn describes_as_pandas_does() {
        // pandas.Series([1, 2, 4, 8]).describe()
        let description = &history(&[4.0, 1.0, 8.0, 2.0]).describe()[0];
        assert_eq!(description.column, "loss");
        let expected = [4.0, 3.75, 3.095_695_936_834_452, 1.0, 1.75, 3.0, 5.0, 8.0];
        for (value, expected) in description.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12, "{value} {expected}");
        }
        let one = &history(&[4.0]).describe()[0];
        assert!(one.values[2].is_nan() && one.values[6] == 4.0);
        assert!(History::default().describe().is_empty());
    }

    #[test]
    fn csv_reads_back() {
        let mut history = history(&[0.1, 1.0 / 3.0]);
        history.records[1].val_loss = None;
        history.records[1].val_accuracy = None;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        history.write_csv(std::fs::File::create(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "epoch,loss,accuracy,val_loss,val_accuracy,seconds,learning_rate\n1,0.1,0.95,0.125,0.875,1.5,0.01\n\
             2,0.3333333333333333,0.8333333333333334,,,1.5,0.01\n"
        );
        assert_eq!(History::read_csv(&path).unwrap(), history);
        // Metrics are further columns.
        history.records[0].val_metrics = vec![("top_5".into(), 0.75), ("f1".into(), 0.5)];
        history.write_csv(std::fs::File::create(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "epoch,loss,accuracy,val_loss,val_accuracy,seconds,learning_rate,val_top_5,val_f1\n\
             1,0.1,0.95,0.125,0.875,1.5,0.01,0.75,0.5\n2,0.3333333333333333,0.8333333333333334,,,1.5,0.01,,\n"
        );
        assert_eq!(History::read_csv(&path).unwrap(), history);
        std::fs::write(&path, "epoch,loss\n1,much\n").unwrap();
        assert!(History::read_csv(&path).unwrap_err().to_string().ends_with("expected a number, found `much`"));
    }
}
