//! Training in epochs, with the loop of `graphc train`; evaluation; and data sets.

use crate::callbacks::{Callbacks, Flow, StepEvent};
use crate::data::{Readable, TrainingData};
use crate::error::{Error, Result};
use crate::experiment::{self, Chosen};
use crate::options::FitOptions;
use crate::session::Session;
use graphc_train::checkpoint_folder::{begin_checkpoints, go_on_with_checkpoints};
use graphc_train::data::{Columns, Fitted, Loader, Preprocess, Validation};
use graphc_train::run::{Checkpoint, CheckpointEvery, CheckpointWriter};
use graphc_train::{
    Dataset, EpochRecord, Evaluation, FitOptions as LoopOptions, FitReport, Loading, Observer, Portion, Progress,
    Scores, Scoring, Supervision, TrainError, Weighted, evaluate_scored, fit_from,
};
use std::sync::atomic::{AtomicBool, Ordering};

impl Session {
    /// What the session's graph file says of training; of a network that was built, the defaults.
    pub fn fit_options(&self) -> FitOptions {
        let train = &self.experiment.train;
        FitOptions {
            epochs: train.epochs,
            batch_size: train.batch_size,
            validation_split: train.validation_split,
            shuffle: train.shuffle,
            schedule: train.schedule.clone(),
            early_stopping: train.early_stopping.clone(),
            keep_best: train.keep_best,
            infer_averages: train.ema.is_none_or(|ema| ema.evaluate),
            metrics: self.experiment.metrics.clone(),
            ..FitOptions::default()
        }
    }

    /// Trains in epochs, as `graphc train` does, and to the same bits. `data` is a [`DataSource`](crate::DataSource),
    /// [`Arrays`](crate::Arrays), or a [`Dataset`]; callbacks see every step and epoch, and may stop the training.
    ///
    /// ```
    /// # use graphc::prelude::*;
    /// # fn main() -> graphc::Result<()> {
    /// # let mut net = GraphBuilder::new("net");
    /// # let x = net.input("x", DType::F32, Shape::batched(&[1]))?;
    /// # let y = net.input("y", DType::F32, Shape::batched(&[1]))?;
    /// # let line = net.dense("line", x, &Dense::new(1))?;
    /// # net.loss(Loss::MeanSquaredError, line, y)?;
    /// # net.optimizer(Optimizer::adam(0.1));
    /// let mut session = Session::new(net.finish(), SessionOptions::default())?;
    /// let x: Vec<f32> = (0..100).map(|i| i as f32 / 100.0).collect();
    /// let y: Vec<f32> = x.iter().map(|x| 3.0 * x - 1.0).collect();
    /// let data = Arrays::new(&[("x", &x), ("y", &y)]);
    /// let options = FitOptions { epochs: 40, batch_size: 20, validation_split: 0.2, ..FitOptions::default() };
    /// let report = session.fit(data, &options, on_epoch(|epoch| println!("{:?}", epoch.val_loss)))?;
    /// assert!(report.history.records[39].loss < 0.01);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Afterwards the session has the last epoch's weights, or the best one's ([`FitOptions::keep_best`]); if a
    /// callback has stopped it, those of the last step. Its learning rate is what it was before.
    ///
    /// # Errors
    /// If the data does not fit the network, the options leave nothing to train on, or a number is not finite that must
    /// be. If a checkpoint cannot be written, the training goes on, and that is the error in the end.
    pub fn fit<'a>(
        &mut self,
        data: impl TrainingData<'a>,
        options: &FitOptions,
        callbacks: impl Callbacks,
    ) -> Result<FitReport> {
        let mut callbacks = callbacks;
        let made;
        let dataset = match data.samples().readable(&self.signature)? {
            Readable::Dataset(dataset) => dataset,
            Readable::Source(source) => {
                let columns = self.loader()?.read(&source, None, &[])?;
                let share = options.validation_split;
                made = columns.fit(Validation::Share { share, seed: options.seed.unwrap_or(self.seed) })?;
                &made
            }
        };
        let mut loop_options = self.loop_options(options, dataset.fitted())?;
        loop_options.check(dataset.split())?;
        let (from, writer) = self.checkpoints(options, &mut loop_options)?;
        let stop = AtomicBool::new(false);
        let mut told = Told { callbacks: &mut callbacks, stop: &stop, last: None, writer, failure: None };
        let mut network = Weighted::new(&mut self.session, self.class_weights.as_ref());
        let supervision = Supervision { stop: &stop, observer: &mut told };
        let result = fit_from(&mut network, dataset, &loop_options, from, supervision);
        let written = told.finish();
        // Samples that are given as the network takes them say nothing of the files.
        if !dataset.fitted().is_empty() {
            self.fitted = dataset.fitted().clone();
        }
        if self.experiment.graph.optimizer.is_some() {
            self.session.set_learning_rate(self.learning_rate)?;
        }
        let report = result?;
        written?;
        Ok(report)
    }

    /// Loss and accuracy of the network for samples, in inference. Of a [`Dataset`] that has been divided, those that
    /// are trained on.
    ///
    /// # Errors
    /// If the data does not fit the network, or has no samples.
    pub fn evaluate<'a>(&mut self, data: impl TrainingData<'a>) -> Result<Evaluation> {
        Ok(self.evaluate_with(data, &[])?.0)
    }

    /// The same with metrics, by the names of graph files: `top_5`, `precision`, `recall`, `f1`, `confusion_matrix`,
    /// `mae`, `mse`.
    ///
    /// # Errors
    /// As [`Session::evaluate`], or if a metric is none of such predictions.
    pub fn evaluate_with<'a>(
        &mut self,
        data: impl TrainingData<'a>,
        metrics: &[&str],
    ) -> Result<(Evaluation, Option<Scores>)> {
        let made;
        let dataset = match data.samples().readable(&self.signature)? {
            Readable::Dataset(dataset) => dataset,
            Readable::Source(source) => {
                made = self.loader()?.read(&source, None, &[])?.apply(&Fitted::default())?;
                &made
            }
        };
        let mut scoring = self.scoring(metrics.iter().copied())?;
        experiment::name_classes(&mut scoring, &self.experiment, &self.fitted);
        let batch_size = self.experiment.train.batch_size;
        let loading = Loading::beside(self.session.threads());
        let mut network = Weighted::new(&mut self.session, self.class_weights.as_ref());
        let portion = Portion { dataset, samples: &dataset.split().train, batch_size };
        Ok(evaluate_scored(&mut network, portion, loading, scoring.as_ref())?)
    }

    /// A data set of samples, for several trainings; that share of them validates.
    ///
    /// # Errors
    /// If they do not fit the network.
    pub fn dataset<'a>(&self, data: impl TrainingData<'a>, validation_split: f64) -> Result<Dataset> {
        let validation = Validation::Share { share: validation_split, seed: self.seed };
        Ok(self.columns(data)?.fit(validation)?)
    }

    /// A data set with samples of its own to validate on.
    ///
    /// # Errors
    /// If they do not fit the network.
    pub fn dataset_with_validation<'a, 'b>(
        &self,
        data: impl TrainingData<'a>,
        validation: impl TrainingData<'b>,
    ) -> Result<Dataset> {
        let validation = Validation::Set(self.columns(validation)?);
        Ok(self.columns(data)?.fit(validation)?)
    }

    /// The training data that the session's graph file names, read and prepared as it says.
    /// [`Dataset::warnings`] says what was changed to make samples fit.
    ///
    /// # Errors
    /// If the file says no data, or it cannot be read or does not fit the network.
    pub fn training_data(&self) -> Result<Dataset> {
        experiment::training_data(&self.experiment, None, self.seed, self.session.threads())
    }

    /// The test data that the session's graph file names, prepared with what the training samples said: those of the
    /// last [`Session::fit`], or of the weights that were loaded.
    ///
    /// # Errors
    /// If the file says none, or it cannot be read or does not fit the network.
    pub fn test_data(&self) -> Result<Dataset> {
        let columns = experiment::test_data(&self.experiment, self.session.threads())?;
        let none = || Error::new(format!("the graph file of `{}` says no test samples", self.experiment.name));
        Ok(columns.ok_or_else(none)?.apply(&self.fitted)?)
    }

    fn columns<'a>(&self, data: impl TrainingData<'a>) -> Result<Columns> {
        match data.samples().readable(&self.signature)? {
            Readable::Source(source) => Ok(self.loader()?.read(&source, None, &[])?),
            Readable::Dataset(_) => Err(Error::new("these samples are a data set already")),
        }
    }

    /// Reads what the network takes as it is.
    fn loader(&self) -> Result<Loader> {
        let names = experiment::sample_inputs(&self.experiment);
        let mut loader = experiment::loader(&self.experiment, &names, self.session.threads())?;
        loader.inputs.iter_mut().for_each(|(_, preprocess)| *preprocess = Preprocess::default());
        Ok(loader)
    }

    fn scoring<'a>(&self, metrics: impl IntoIterator<Item = &'a str>) -> Result<Option<Scoring>> {
        let metrics: Vec<&str> = metrics.into_iter().collect();
        let has_metrics = metrics.iter().any(|&name| name != "accuracy");
        let scoring = experiment::scoring_of(&self.experiment, metrics)?;
        match self.experiment.target.is_empty() && has_metrics {
            true => Err(Error::new("metrics need a loss whose target is an input")),
            false => Ok(scoring),
        }
    }

    fn loop_options(&self, options: &FitOptions, fitted: &Fitted) -> Result<LoopOptions> {
        let mut scoring = self.scoring(options.metrics.iter().map(String::as_str))?;
        experiment::name_classes(&mut scoring, &self.experiment, fitted);
        let chosen = Chosen {
            epochs: options.epochs,
            batch_size: options.batch_size,
            learning_rate: self.learning_rate,
            seed: options.seed.unwrap_or(self.seed),
            allow_nonfinite: options.allow_nonfinite,
            checkpoints: match options.checkpoints {
                Some(_) => options.checkpoint_every.clone(),
                None => CheckpointEvery::Never,
            },
        };
        let loading = Loading::beside(self.session.threads());
        Ok(LoopOptions {
            schedule: options.schedule.clone(),
            early_stopping: options.early_stopping.clone(),
            keep_best: options.keep_best,
            infer_averages: options.infer_averages && self.graph().averaging.is_some(),
            shuffle: options.shuffle,
            scoring,
            ..experiment::fit_options(&self.experiment, chosen, loading)?
        })
    }

    /// Where training begins, and where its checkpoints go.
    fn checkpoints(
        &mut self,
        options: &FitOptions,
        loop_options: &mut LoopOptions,
    ) -> Result<(Option<Checkpoint>, Option<CheckpointWriter>)> {
        if let Some((_, stored)) = &self.resumed {
            stored.check(loop_options)?;
        }
        let Some((folder, stored)) = self.resumed.take() else {
            let begin = |folder: &std::path::PathBuf| begin_checkpoints(folder, loop_options);
            return Ok((None, options.checkpoints.as_ref().map(begin).transpose()?));
        };
        loop_options.checkpoints = options.checkpoint_every.clone();
        let writer = go_on_with_checkpoints(options.checkpoints.as_ref().unwrap_or(&folder), loop_options, &stored)?;
        Ok((Some(stored.checkpoint), Some(writer)))
    }
}

/// Tells callbacks, and writes checkpoints.
struct Told<'a> {
    callbacks: &'a mut dyn Callbacks,
    stop: &'a AtomicBool,
    /// Loss and learning rate of the last step.
    last: Option<(f64, f32)>,
    writer: Option<CheckpointWriter>,
    /// Why the first checkpoint that could not be written was not.
    failure: Option<TrainError>,
}

impl Told<'_> {
    fn follow(&self, flow: Flow) {
        if flow == Flow::Stop {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Whether all checkpoints have been written.
    fn finish(self) -> std::result::Result<(), TrainError> {
        let last = self.writer.map_or(Ok(()), CheckpointWriter::finish);
        self.failure.map_or(last, Err)
    }
}

impl Observer for Told<'_> {
    fn step_measured(&mut self, loss: f64, learning_rate: f32) {
        self.last = Some((loss, learning_rate));
    }

    fn step_done(&mut self, progress: &Progress) {
        let (loss, learning_rate) = self.last.unwrap_or((f64::NAN, 0.0));
        let Progress { epoch, step, n_steps, loss: mean_loss, accuracy, seconds, .. } = *progress;
        let event = StepEvent { epoch, step, n_steps, loss, learning_rate, mean_loss, accuracy, seconds };
        let flow = self.callbacks.on_step(&event);
        self.follow(flow);
    }

    fn epoch_done(&mut self, record: &EpochRecord, is_best: bool) {
        let flow = self.callbacks.on_epoch(record, is_best);
        self.follow(flow);
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.write(checkpoint, Vec::new())
        {
            self.failure.get_or_insert(error);
        }
    }
}
