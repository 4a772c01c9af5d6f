//! Checkpoints of a training that a program makes: a folder of them, without the other files of a run.
//!
//! They are written as those of a run, and checkpoints of runs are read.

use crate::error::TrainError;
use crate::fit_options::FitOptions;
use crate::folder_lock::{Lock, lock};
use crate::run::files::{FOLDER, N_KEPT, Place, has_checkpoint, read_newest};
use crate::run::{CheckpointWriter, RunState, Stored};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Writes checkpoints of a new training into a folder, which is made.
///
/// # Errors
/// If it holds checkpoints already, or cannot be made.
pub fn begin_checkpoints(folder: &Path, options: &FitOptions) -> Result<CheckpointWriter, TrainError> {
    if has_checkpoint(folder) {
        let message = "the folder holds checkpoints of a training: resume that one, or give another folder";
        return Err(TrainError::file(folder, message));
    }
    write_checkpoints(folder, options, json!({}))
}

/// Writes further checkpoints into a folder, those of a training that goes on from `stored`. What a run of the command
/// has kept of its options stays, so that the command can go on with it.
///
/// # Errors
/// If it cannot be made, or a training is going on in it.
pub fn go_on_with_checkpoints(
    folder: &Path,
    options: &FitOptions,
    stored: &Stored,
) -> Result<CheckpointWriter, TrainError> {
    write_checkpoints(folder, options, stored.settings.clone())
}

/// Writes checkpoints into a folder, which no other training uses until the writer is done.
fn write_checkpoints(folder: &Path, options: &FitOptions, mut settings: Value) -> Result<CheckpointWriter, TrainError> {
    let inner = folder.join(FOLDER);
    fs::create_dir_all(&inner).map_err(|error| TrainError::io(&inner, "make the folder", &error))?;
    let open = match lock(folder).map_err(|error| TrainError::io(folder, "open the folder", &error))? {
        Lock::Held => return Err(TrainError::file(folder, "a training is going on in this folder")),
        Lock::Ours(open) => Some(open),
        Lock::None(open) => open,
    };
    settings["epochs"] = options.epochs.into();
    settings["batch_size"] = options.batch_size.into();
    settings["learning_rate"] = options.learning_rate.to_string().into();
    settings["seed"] = options.seed.into();
    Ok(CheckpointWriter::new(Place { run: folder.to_path_buf(), open }, settings, N_KEPT))
}

/// The newest checkpoint in a folder, or in that of a run.
///
/// # Errors
/// If there is none that is whole.
pub fn newest_checkpoint(folder: &Path) -> Result<Stored, TrainError> {
    read_newest(folder)
}

impl Stored {
    /// Whether a training with these options goes on as the one that was interrupted: the order of its samples must be
    /// the same.
    ///
    /// # Errors
    /// Names the option that differs.
    pub fn check(&self, options: &FitOptions) -> Result<(), TrainError> {
        let RunState { epoch, step, .. } = self.checkpoint.state;
        if options.epochs < epoch && step > 0 {
            let message = format!("{} epochs are wanted, but the training is in epoch {epoch} already", options.epochs);
            return Err(TrainError::Mismatch(message));
        }
        let fixed = [("batch_size", options.batch_size as u64), ("seed", options.seed)];
        for (name, given) in fixed {
            match self.settings[name].as_u64() {
                Some(known) if known != given => {
                    return Err(TrainError::Mismatch(format!(
                        "the training to be resumed began with `{name}` {known}, but {given} is given"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The optimizer's learning rate, on which the schedule's are based.
    pub fn learning_rate(&self) -> Option<f64> {
        self.settings["learning_rate"].as_str()?.parse().ok()
    }
}
