//! Checkpoints as files: `checkpoint/<steps>.safetensors` with the tensors, and beside it `checkpoint/<steps>.json`
//! with everything else and the checksums of both.
//!
//! The tensors are written first, so a checkpoint is there when its `.json` is. Each file is replaced as a whole and
//! synced ([`crate::files`]); the checksums are for disks and copies that lose something all the same. What does not
//! agree with them is not read; the checkpoint before it is, which is why the last two at least are kept. Tensors
//! depend on the training alone, so times stand in the `.json`.

use super::checkpoint::Checkpoint;
use super::state::{RunState, VERSION};
use crate::error::TrainError;
use crate::files::{is_at, write_file};
use crate::network::Weights;
use crate::weights::{NamedTensor, TensorData, encode_tensors, read_tensor_bytes};
use flate2::Crc;
use graphc_driver::SavedState;
use graphc_ir::Tensor;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// The folder of checkpoints in a run's folder.
pub(crate) const FOLDER: &str = "checkpoint";
/// How many are kept if nothing else is said: one may turn out to be damaged.
pub const N_KEPT: usize = 2;
/// What names of the best epoch's weights begin with; no parameter has such a name.
const BEST: &str = "best/";

/// A file of the run's folder that is to say the same as the checkpoint: its name and bytes.
pub type Companion = (&'static str, Vec<u8>);

/// Writes checkpoints on a thread of its own, so that training does not wait for the disk.
#[derive(Debug)]
pub struct CheckpointWriter {
    jobs: Option<SyncSender<(Checkpoint, Vec<Companion>)>>,
    done: Receiver<Result<(), TrainError>>,
    thread: Option<JoinHandle<()>>,
    n_pending: usize,
    last: Result<(), TrainError>,
}

/// Where a run's checkpoints go.
#[derive(Debug)]
pub(crate) struct Place {
    /// The run's folder.
    pub(crate) run: PathBuf,
    /// The same, opened, where folders can be.
    pub(crate) open: Option<File>,
}

/// What a run goes on from.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The newest checkpoint that is whole.
    pub checkpoint: Checkpoint,
    /// What the writer was given.
    pub settings: Value,
    /// Why newer ones were passed over.
    pub skipped: Vec<String>,
}

impl CheckpointWriter {
    /// `settings` are written into every checkpoint; the last `n_kept` of them stay.
    pub(crate) fn new(place: Place, settings: Value, n_kept: usize) -> CheckpointWriter {
        let (jobs, todo) = sync_channel::<(Checkpoint, Vec<Companion>)>(0);
        // As many as there can be: one is written, one waits to be taken.
        let (results, done) = sync_channel(2);
        let work = move || {
            for (checkpoint, companions) in todo {
                if results.send(write(&place, &settings, n_kept, &checkpoint, &companions)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("graphc-checkpoints".into()).spawn(work);
        CheckpointWriter { jobs: Some(jobs), done, thread: thread.ok(), n_pending: 0, last: Ok(()) }
    }

    /// Writes a checkpoint, then the companions. Waits for the one before, and gives its error: that this one failed is
    /// told by the next call, or by [`CheckpointWriter::finish`].
    ///
    /// # Errors
    /// If the checkpoint before could not be written.
    pub fn write(&mut self, checkpoint: Checkpoint, companions: Vec<Companion>) -> Result<(), TrainError> {
        let before = self.wait();
        match self.jobs.as_ref().is_some_and(|jobs| jobs.send((checkpoint, companions)).is_ok()) {
            true => self.n_pending += 1,
            false => {
                self.last = Err(TrainError::Mismatch("no checkpoint is written: the system gives no thread".into()))
            }
        }
        before
    }

    /// Waits for the last checkpoint.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(mut self) -> Result<(), TrainError> {
        let result = self.wait();
        drop(self.jobs.take());
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(panic)) = joined {
            std::panic::resume_unwind(panic);
        }
        result
    }

    fn wait(&mut self) -> Result<(), TrainError> {
        while self.n_pending > 0 {
            let Ok(result) = self.done.recv() else { break };
            self.n_pending -= 1;
            self.last = result;
        }
        std::mem::replace(&mut self.last, Ok(()))
    }
}

fn write(
    place: &Place,
    settings: &Value,
    n_kept: usize,
    checkpoint: &Checkpoint,
    companions: &[Companion],
) -> Result<(), TrainError> {
    // Somebody may have removed the folder, and another run may have made it anew.
    if place.open.as_ref().is_some_and(|open| !is_at(open, &place.run)) {
        return Err(TrainError::file(&place.run, "the run folder is gone"));
    }
    let folder = place.run.join(FOLDER);
    let Checkpoint { state, tensors, best } = checkpoint;
    let named = |prefix: &str, name: &str, value: Tensor<f32>| NamedTensor {
        name: format!("{prefix}{name}"),
        shape: value.shape,
        data: TensorData::F32(value.data),
    };
    let mut all: Vec<NamedTensor> = tensors.tensors().map(|(name, value)| named("", name, value)).collect();
    let best = best.iter().flat_map(|best| best.iter());
    all.extend(best.map(|(name, value)| named(BEST, name, value.clone())));
    let bytes = encode_tensors(&all)?;
    drop(all);
    let number = number(state.steps_done());
    let body = json!({
        "state": state,
        "settings": settings,
        "tensors": { "bytes": bytes.len(), "crc32": checksum(&bytes) },
    });
    let file = json!({ "crc32": checksum(body.to_string().as_bytes()), "checkpoint": body });
    write_file(&folder.join(format!("{number}.safetensors")), &bytes)?;
    write_file(&folder.join(format!("{number}.json")), format!("{file:#}\n").as_bytes())?;
    prune(&folder, &number, n_kept);
    companions.iter().try_for_each(|(name, bytes)| write_file(&place.run.join(name), bytes))
}

/// Removes all but the newest; nothing newer than the one just written can be worth anything.
fn prune(folder: &Path, newest: &str, n_kept: usize) {
    let mut numbers = numbers(folder);
    numbers.retain(|number| number != newest);
    let older = numbers.iter().filter(|number| number.as_str() < newest);
    let kept: Vec<&String> = older.rev().take(n_kept.saturating_sub(1)).collect();
    for number in numbers.iter().filter(|number| !kept.contains(number)) {
        // What cannot be removed is in nobody's way.
        for extension in ["json", "safetensors"] {
            let _ = fs::remove_file(folder.join(format!("{number}.{extension}")));
        }
    }
    let is_left = |name: &str| {
        name.strip_suffix(".safetensors").is_some_and(|number| number != newest && !kept.iter().any(|k| *k == number))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Names of the checkpoints of a folder without their extension, the oldest first.
fn numbers(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number_of = |name: &str| {
        let number = name.strip_suffix(".json")?;
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.to_string())
    };
    let mut numbers: Vec<String> = entries.filter_map(|entry| number_of(entry.file_name().to_str()?)).collect();
    numbers.sort();
    numbers
}

/// Whether there is a checkpoint in a run's folder.
pub(crate) fn has_checkpoint(run: &Path) -> bool {
    !numbers(&run.join(FOLDER)).is_empty()
}

/// Steps after which the checkpoints in a run's folder were made, the first first.
pub fn steps(run: &Path) -> Vec<usize> {
    numbers(&run.join(FOLDER)).iter().filter_map(|number| number.parse().ok()).collect()
}

/// The checkpoint after so many steps: its path, what it holds, and the settings of whoever wrote it.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn read_at(run: &Path, step: usize) -> Result<(PathBuf, Checkpoint, Value), TrainError> {
    let path = run.join(FOLDER).join(format!("{}.json", number(step)));
    let (checkpoint, settings) = read(&path)?;
    Ok((path.with_extension("safetensors"), checkpoint, settings))
}

/// The name of a checkpoint without its extension.
fn number(step: usize) -> String {
    format!("{step:012}")
}

/// Reads the newest checkpoint of a run's folder that is whole.
///
/// # Errors
/// If there is none.
pub(crate) fn read_newest(run: &Path) -> Result<Stored, TrainError> {
    let folder = run.join(FOLDER);
    let mut skipped = Vec::new();
    for number in numbers(&folder).iter().rev() {
        match read(&folder.join(format!("{number}.json"))) {
            Ok((checkpoint, settings)) => return Ok(Stored { checkpoint, settings, skipped }),
            Err(error) => skipped.push(error.to_string()),
        }
    }
    let reasons: String = skipped.iter().map(|reason| format!("\n  {reason}")).collect();
    Err(TrainError::file(run, format!("there is no checkpoint to go on from{reasons}")))
}

/// The settings of the newest checkpoint of a run's folder whose `.json` is whole; a run may be going on there.
pub(crate) fn read_settings(run: &Path) -> Option<Value> {
    let folder = run.join(FOLDER);
    let numbers = numbers(&folder);
    let body = numbers.iter().rev().find_map(|number| read_body(&folder.join(format!("{number}.json"))).ok());
    body.map(|mut body| body["settings"].take())
}

fn torn(path: &Path, what: &str) -> TrainError {
    TrainError::file(path, format!("the checkpoint is damaged: {what}"))
}

/// What a checkpoint's `.json` says, if its checksum agrees.
fn read_body(path: &Path) -> Result<Value, TrainError> {
    let bytes = fs::read(path).map_err(|error| TrainError::io(path, "read the checkpoint", &error))?;
    let mut file: Value = serde_json::from_slice(&bytes).map_err(|_| torn(path, "it is no JSON"))?;
    let body = file["checkpoint"].take();
    let sum = checksum(body.to_string().as_bytes());
    if file["crc32"] == sum.as_str() { Ok(body) } else { Err(torn(path, "its checksum is wrong")) }
}

fn read(path: &Path) -> Result<(Checkpoint, Value), TrainError> {
    let mut body = read_body(path)?;
    if body["state"]["version"] != VERSION {
        let found = &body["state"]["version"];
        return Err(TrainError::file(path, format!("the checkpoint has version {found}, expected {VERSION}")));
    }
    let path_of_tensors = path.with_extension("safetensors");
    let read_error = |error| TrainError::io(&path_of_tensors, "read the checkpoint", &error);
    let bytes = fs::read(&path_of_tensors).map_err(read_error)?;
    if body["tensors"]["bytes"] != bytes.len() || body["tensors"]["crc32"] != checksum(&bytes).as_str() {
        return Err(torn(path, "the checksum of its tensors is wrong"));
    }
    let state: RunState = serde_json::from_value(body["state"].take())
        .map_err(|error| TrainError::file(path, format!("the state is not as expected: {error}")))?;
    let (mut tensors, mut best) = (SavedState::default(), Weights::new());
    for (name, tensor) in read_tensor_bytes(&path_of_tensors, &bytes)? {
        let value = Tensor::new(tensor.shape, tensor.data.to_f32());
        match name.strip_prefix(BEST) {
            Some(name) => best.push((name.to_string(), value)),
            None => tensors.set(&name, &value),
        }
    }
    let best = (!best.is_empty()).then(|| Arc::new(best));
    Ok((Checkpoint { state, tensors, best }, body["settings"].take()))
}

fn checksum(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    // It counts in 32 bits, but sums any number of bytes.
    bytes.chunks(1 << 30).for_each(|chunk| crc.update(chunk));
    format!("{:08x}", crc.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::names;

    fn checkpoint(step: usize) -> Checkpoint {
        let mut state = RunState::new(9, 100);
        state.step = step;
        state.loss_sum = f64::NAN;
        let mut tensors = SavedState::default();
        tensors.set("w", &Tensor::new(vec![2], vec![step as f32, -0.0]));
        Checkpoint { state, tensors, best: Some(Arc::new(vec![("w".into(), Tensor::scalar(0.5))])) }
    }

    fn place(folder: &Path) -> Place {
        fs::create_dir_all(folder.join(FOLDER)).unwrap();
        Place { run: folder.to_path_buf(), open: Some(File::open(folder).unwrap()) }
    }

    fn write_all(folder: &Path, steps: &[usize]) {
        let mut writer = CheckpointWriter::new(place(folder), json!({ "seed": u64::MAX }), N_KEPT);
        steps.iter().for_each(|&step| writer.write(checkpoint(step), vec![("history.csv", vec![step as u8])]).unwrap());
        writer.finish().unwrap();
    }

    #[test]
    fn the_newest_two_are_kept_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path(), &[0, 5, 10]);
        assert_eq!(
            names(&folder.path().join(FOLDER)),
            ["000000000005.json", "000000000005.safetensors", "000000000010.json", "000000000010.safetensors"]
        );
        let Stored { checkpoint, settings, skipped } = read_newest(folder.path()).unwrap();
        assert_eq!((checkpoint.state.step, settings, skipped), (10, json!({ "seed": u64::MAX }), Vec::new()));
        assert!(checkpoint.state.loss_sum.is_nan());
        let bits: Vec<u32> = checkpoint.tensors.get("w").unwrap().data.iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, [10f32.to_bits(), (-0f32).to_bits()]);
        assert_eq!(*checkpoint.best.unwrap(), [("w".to_string(), Tensor::scalar(0.5))]);
        assert_eq!(fs::read(folder.path().join("history.csv")).unwrap(), [10]);
    }

    #[test]
    fn a_damaged_checkpoint_is_passed_over() {
        for extension in ["json", "safetensors"] {
            for damage in 0..4 {
                let folder = tempfile::tempdir().unwrap();
                write_all(folder.path(), &[5, 10]);
                let path = folder.path().join(FOLDER).join(format!("000000000010.{extension}"));
                let mut bytes = fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                match damage {
                    0 => bytes.truncate(middle),
                    1 => bytes.clear(),
                    2 => bytes[middle..].fill(0),
                    _ => bytes[middle] ^= 1,
                }
                fs::write(&path, bytes).unwrap();
                let stored = read_newest(folder.path()).unwrap();
                assert_eq!(stored.checkpoint.state.step, 5, "{extension} {damage}");
                assert!(stored.skipped[0].contains("the checkpoint is damaged: "), "{:?}", stored.skipped);
                // Going on from there, nothing that was newer is left.
                write_all(folder.path(), &[7]);
                assert_eq!(names(&folder.path().join(FOLDER)).len(), 4);
                assert_eq!(read_newest(folder.path()).unwrap().checkpoint.state.step, 7);
            }
        }
    }

    #[test]
    fn what_cannot_be_written_or_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let mut writer = CheckpointWriter::new(place(&run), Value::Null, N_KEPT);
        fs::remove_dir_all(&run).unwrap();
        writer.write(checkpoint(1), Vec::new()).unwrap();
        let gone = writer.write(checkpoint(2), Vec::new()).unwrap_err().to_string();
        assert!(gone.ends_with("run: the run folder is gone"), "{gone}");
        assert!(writer.finish().is_err());
        let error = read_newest(&run).unwrap_err().to_string();
        assert!(error.ends_with("run: there is no checkpoint to go on from"), "{error}");
    }
}
