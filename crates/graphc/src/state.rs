//! A session's weights and state in files.

use crate::error::{Error, Result};
use crate::experiment;
use crate::session::Session;
use graphc_driver::SavedState;
use graphc_ir::optimizers::Accumulation;
use graphc_train::checkpoint_folder::newest_checkpoint;
use graphc_train::weights::{encode_weights, read_fitted};
use graphc_train::{StateFacts, StateFile, write_file};
use std::path::Path;

impl Session {
    /// Writes weights and moving statistics, and what the training samples said of the data, to a `.safetensors` file:
    /// what `graphc train` writes, and `graphc predict` and `graphc eval` read. After a training that kept averages,
    /// they stand for the weights.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let weights = experiment::weights(&mut self.session)?;
        Ok(write_file(path.as_ref(), &encode_weights(&weights, &self.fitted)?)?)
    }

    /// Reads weights that [`Session::save`] or `graphc train` have written. What the optimizer keeps stays as it is.
    ///
    /// ```
    /// # use graphc::prelude::*;
    /// # fn main() -> graphc::Result<()> {
    /// # let mut net = GraphBuilder::new("net");
    /// # let x = net.input("x", DType::F32, Shape::batched(&[2]))?;
    /// # let line = net.dense("line", x, &Dense::new(1))?;
    /// # net.output(line);
    /// # let graph = net.finish();
    /// # let path = std::env::temp_dir().join(format!("graphc-doc-{}.safetensors", std::process::id()));
    /// let mut session = Session::new(graph.clone(), SessionOptions { seed: Some(1), ..SessionOptions::default() })?;
    /// session.save(&path)?;
    /// let mut other = Session::new(graph, SessionOptions { seed: Some(2), ..SessionOptions::default() })?;
    /// other.load(&path)?;
    /// assert_eq!(other.predict(&[("x", &[[1.0, 2.0]])])?, session.predict(&[("x", &[[1.0, 2.0]])])?);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors are not those of the network; all differences are named.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let fitted = read_fitted(path.as_ref())?;
        experiment::load_weights(&mut self.session, path.as_ref())?;
        self.fitted = fitted;
        self.resumed = None;
        Ok(())
    }

    /// Writes everything that training steps change to a file, from which [`Session::resume`] goes on: weights, what
    /// the optimizer keeps, the number of the step, the learning rate.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_checkpoint(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let mut tensors = SavedState::default();
        self.session.save_state(&mut tensors)?;
        let facts = StateFacts {
            steps: self.session.steps(),
            learning_rate: Some(self.learning_rate),
            optimizer: self.optimizer_text(),
        };
        Ok(StateFile { tensors, facts, fitted: self.fitted.clone() }.write(path.as_ref())?)
    }

    /// Goes on where a training was: from a file of [`Session::save_checkpoint`], or from a folder of checkpoints that
    /// [`Session::fit`] or `graphc train` have written. What comes of it has the same bits as if the training had not
    /// been interrupted.
    ///
    /// From a folder, the next [`Session::fit`] on the same data with the same options goes on in the middle of its
    /// epoch, and writes its checkpoints there; unless the weights are changed otherwise before that.
    ///
    /// # Errors
    /// If there is no checkpoint that is whole, or it is of another network.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.is_dir() {
            let stored = newest_checkpoint(path)?;
            let steps = stored.checkpoint.state.steps_done();
            self.restore(path, &stored.checkpoint.tensors, steps as i32, stored.learning_rate())?;
            self.resumed = Some((path.to_path_buf(), stored));
            return Ok(());
        }
        let StateFile { tensors, facts, fitted } = StateFile::read(path)?;
        let own = self.optimizer_text();
        if facts.optimizer != own {
            let (path, found) = (path.display(), facts.optimizer);
            return Err(Error::new(format!("{path}: the checkpoint is of a training with {found}, but this is {own}")));
        }
        self.restore(path, &tensors, facts.steps, facts.learning_rate)?;
        self.fitted = fitted;
        self.resumed = None;
        Ok(())
    }

    fn restore(&mut self, path: &Path, tensors: &SavedState, steps: i32, learning_rate: Option<f64>) -> Result<()> {
        for (name, value) in self.session.parameters()? {
            let found = tensors.get(&name).map(|tensor| tensor.shape);
            if found.as_deref() != Some(value.shape.as_slice()) {
                let (path, expected) = (path.display(), value.shape);
                let found = found.map_or_else(|| "none".to_string(), |shape| format!("{shape:?}"));
                return Err(Error::new(format!(
                    "{path}: the checkpoint is of another network: `{name}` has shape {found}, expected {expected:?}"
                )));
            }
        }
        self.session.restore_state(tensors)?;
        self.session.set_steps(steps);
        if let Some(rate) = learning_rate {
            self.set_learning_rate(rate)?;
        }
        Ok(())
    }

    /// Whose state the session has: what another optimizer keeps would be taken for nothing.
    fn optimizer_text(&self) -> String {
        let graph = self.graph();
        let optimizer = graph.optimizer.as_ref().map_or("no optimizer", |optimizer| optimizer.name());
        let averages = if graph.averaging.is_some() { " and averages" } else { "" };
        let steps =
            graph.accumulation.map_or_else(String::new, |Accumulation { steps }| format!(" every {steps} steps"));
        format!("{optimizer}{averages}{steps}")
    }
}
