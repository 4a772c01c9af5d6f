//! The receipt of a run: what it was made of and what it came to, as hashes, so that somebody else can train it again
//! and compare.
//!
//! ```text
//! begin ── chain ──▶ epoch 0 (before the first step) ── chain ──▶ epoch 1 ── … ── chain ──▶ end
//! ```
//!
//! Each link has a `chain`, the SHA-256 of the chain before it, a newline, and the link itself as compact JSON without
//! its `chain`. So the last chain speaks for everything. A receipt has no times, no absolute paths of its own and
//! nothing of the machine: the same graph, data, options and seed give the same bytes anywhere, also when the run was
//! interrupted and has gone on. It is part of a checkpoint ([`super::RunState`]).
//!
//! Real numbers stand as text, in the shortest form that reads back to the same bits.

use super::course::{Best, Ended};
use super::exact;
use super::hashing::{DataHash, FileHash, hash_bytes, hash_state};
use crate::error::TrainError;
use crate::history::EpochRecord;
use crate::reading::read_regular;
use graphc_driver::{BITS_REVISION, SavedState};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Of the file; another one is not read.
pub const FORMAT: u32 = 1;

/// What a run has left of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// What it was made of.
    pub begin: Link<Begin>,
    /// The state before the first step, then every finished epoch.
    pub epochs: Vec<Link<EpochEntry>>,
    /// Options that have come into force since the last of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<InForce>,
    /// What it came to, if it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Link<End>>,
}

/// An entry with the hash of itself and all before it. In JSON that is one field more, the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Link<T> {
    /// What it says.
    pub entry: T,
    /// SHA-256 in hexadecimal.
    pub chain: String,
}

/// What a run is made of, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The graph file, byte by byte: it also says how to train, and whoever has the file can compute the same.
    pub graph: FileHash,
    /// Every file that samples come from.
    pub data: Vec<DataHash>,
    /// The weights that it started from, if they were given.
    pub init: Option<FileHash>,
    /// Seed of weights, orders and splits.
    pub seed: u64,
    /// Samples a step.
    pub batch_size: usize,
    /// The most training samples that were taken, if there was such a limit.
    pub limit: Option<usize>,
}

/// Options that may change while a run is interrupted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// From which step of the epoch on, from 0.
    pub step: usize,
    /// The revision of the bits ([`BITS_REVISION`]).
    pub bits: u32,
    /// Epochs that are wanted.
    pub epochs: usize,
    /// The optimizer's rate.
    #[serde(with = "exact")]
    pub learning_rate: f64,
}

/// An epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochEntry {
    /// From 1; 0 is the state before the first step.
    pub epoch: usize,
    /// Options that came into force in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<InForce>,
    /// What was measured in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// SHA-256 of everything that steps change, as it is after the epoch: weights, moving statistics, averages, and
    /// what the optimizer keeps.
    pub tensors: BTreeMap<String, String>,
}

/// An epoch's line of the history, without its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Mean training loss.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Mean training accuracy.
    #[serde(with = "exact::option")]
    pub accuracy: Option<f64>,
    /// Mean of each of several losses in training.
    #[serde(with = "exact::named", default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<(String, f64)>,
    /// Loss on the validation samples.
    #[serde(with = "exact::option")]
    pub val_loss: Option<f64>,
    /// Accuracy on them.
    #[serde(with = "exact::option")]
    pub val_accuracy: Option<f64>,
    /// Other metrics of them.
    #[serde(with = "exact::named")]
    pub val_metrics: Vec<(String, f64)>,
    /// Learning rate of the last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Options that came into force after the last epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<InForce>,
    /// Why it is over.
    pub ended: Ended,
    /// The best epoch, if that was looked at.
    pub best: Option<Best>,
    /// What the test samples say, if there are any.
    pub test: Option<TestScores>,
    /// Files of weights, by name.
    pub files: BTreeMap<String, FileHash>,
}

/// Results of the test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestScores {
    /// Mean loss.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Accuracy, if the network measures it.
    #[serde(with = "exact::option")]
    pub accuracy: Option<f64>,
    /// Other metrics.
    #[serde(with = "exact::named")]
    pub metrics: Vec<(String, f64)>,
}

/// What differs between a receipt and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The epoch after which it was noticed; 0 is before the first step.
    pub epoch: Option<usize>,
    /// The first tensor that differs, if one does.
    pub tensor: Option<String>,
    /// All of it, for people.
    pub message: String,
}

impl<T: Serialize> Link<T> {
    fn new(before: &str, entry: T) -> Link<T> {
        Link { chain: chain(before, &entry), entry }
    }

    /// Whether it follows what has that chain.
    fn follows(&self, before: &str) -> bool {
        self.chain == chain(before, &self.entry)
    }
}

fn chain(before: &str, entry: &impl Serialize) -> String {
    hash_bytes(format!("{before}\n{}", json!(entry)).as_bytes())
}

impl<T: Serialize> Serialize for Link<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut link = json!(self.entry);
        link["chain"] = json!(self.chain);
        link.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Link<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Link<T>, D::Error> {
        let mut link = Value::deserialize(deserializer)?;
        let chain = link.as_object_mut().and_then(|fields| fields.shift_remove("chain"));
        match (chain, serde_json::from_value(link)) {
            (Some(Value::String(chain)), Ok(entry)) => Ok(Link { entry, chain }),
            (_, Err(error)) => Err(Error::custom(error)),
            (_, Ok(_)) => Err(Error::custom("an entry without its `chain`")),
        }
    }
}

impl From<&EpochRecord> for Measured {
    fn from(record: &EpochRecord) -> Measured {
        let EpochRecord { loss, accuracy, val_loss, val_accuracy, learning_rate, .. } = *record;
        let (losses, val_metrics) = (record.losses.clone(), record.val_metrics.clone());
        Measured { loss, accuracy, losses, val_loss, val_accuracy, val_metrics, learning_rate }
    }
}

impl Begin {
    /// What is not what it was, with both hashes.
    pub fn changed(&self, now: &Begin) -> Option<String> {
        let files = |what: &str, then: &FileHash, now: &FileHash| {
            let content = |file: &FileHash| content(None, file.bytes, &file.sha256);
            (then != now).then(|| has_changed(what, content(then), content(now)))
        };
        let init = |then: &FileHash, now: &FileHash| files("the file of initial weights", then, now);
        files("the graph file", &self.graph, &now.graph)
            .or_else(|| self.changed_data(now))
            .or_else(|| init(self.init.as_ref()?, now.init.as_ref()?))
    }

    fn changed_data(&self, now: &Begin) -> Option<String> {
        let names = |begin: &Begin| -> Vec<String> {
            begin.data.iter().map(|data| format!("{}: {}", data.part, data.path)).collect()
        };
        if names(self) != names(now) {
            return Some(format!("the data is another one: it was {:?}, now it is {:?}", names(self), names(now)));
        }
        let (then, now) = self.data.iter().zip(&now.data).find(|(then, now)| then != now)?;
        let content = |data: &DataHash| content(data.files, data.bytes, &data.sha256);
        Some(has_changed(&format!("{} data: {}", then.part, then.path), content(then), content(now)))
    }
}

fn has_changed(what: &str, then: String, now: String) -> String {
    format!("{what} has changed since the run began ({then} then, {now} now)")
}

fn content(pictures: Option<u64>, bytes: u64, sha256: &str) -> String {
    let pictures = pictures.map_or_else(String::new, |n| format!("{n} pictures, "));
    format!("{pictures}{bytes} bytes, sha256 {}", short(sha256))
}

/// The first digits of a hash: enough to tell hashes apart.
pub fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

impl Receipt {
    /// Of a run that begins.
    pub fn new(begin: Begin) -> Receipt {
        Receipt { begin: Link::new("", begin), epochs: Vec::new(), changes: Vec::new(), end: None }
    }

    /// The hash of everything that is known so far.
    pub fn chain(&self) -> &str {
        let last = self.epochs.last().map_or(&self.begin.chain, |epoch| &epoch.chain);
        self.end.as_ref().map_or(last, |end| &end.chain)
    }

    /// Options in the order in which they came into force, each with the epoch, from 1.
    pub fn options(&self) -> impl Iterator<Item = (usize, &InForce)> {
        let of_epochs = self.epochs.iter().flat_map(|Link { entry: EpochEntry { epoch, options, .. }, .. }| {
            options.iter().map(|options| ((*epoch).max(1), options))
        });
        let next = self.epochs.last().map_or(1, |last| last.entry.epoch + 1);
        let of_end = self.end.iter().flat_map(|end| &end.entry.options);
        of_epochs.chain(self.changes.iter().chain(of_end).map(move |options| (next, options)))
    }

    /// Takes down which options are in force from the next step on, of that number in its epoch.
    pub(crate) fn note_options(&mut self, step: usize, epochs: usize, learning_rate: f64) {
        let now = InForce { step, bits: BITS_REVISION, epochs, learning_rate };
        let is_same = |before: &InForce| {
            (before.bits, before.epochs, before.learning_rate.to_bits()) == (now.bits, epochs, learning_rate.to_bits())
        };
        if !self.options().last().is_some_and(|(_, before)| is_same(before)) {
            self.changes.push(now);
        }
    }

    /// Takes down the state before the first step.
    pub(crate) fn started(&mut self, state: &SavedState) -> &Link<EpochEntry> {
        self.push(0, None, state)
    }

    /// Takes down an epoch with the state after it.
    pub(crate) fn epoch_done(&mut self, record: &EpochRecord, state: &SavedState) -> &Link<EpochEntry> {
        self.push(record.epoch, Some(record.into()), state)
    }

    fn push(&mut self, epoch: usize, measured: Option<Measured>, state: &SavedState) -> &Link<EpochEntry> {
        let options = std::mem::take(&mut self.changes);
        let entry = EpochEntry { epoch, options, measured, tensors: hash_state(state) };
        self.epochs.push(Link::new(self.chain(), entry));
        &self.epochs[self.epochs.len() - 1]
    }

    /// The run is over.
    pub fn finish(
        &mut self,
        ended: Ended,
        best: Option<Best>,
        test: Option<TestScores>,
        files: BTreeMap<String, FileHash>,
    ) {
        let options = std::mem::take(&mut self.changes);
        self.end = Some(Link::new(self.chain(), End { options, ended, best, test, files }));
    }

    /// The bytes of `receipt.json`.
    pub fn file(&self) -> Vec<u8> {
        let mut file = json!({ "receipt": FORMAT, "graphc": env!("CARGO_PKG_VERSION") });
        file["begin"] = json!(self.begin);
        file["epochs"] = json!(self.epochs);
        file["end"] = json!(self.end);
        format!("{file:#}\n").into_bytes()
    }

    /// Reads a file, as [`Receipt::parse`] does its bytes.
    ///
    /// # Errors
    /// If it cannot be read, and as there.
    pub fn read(path: &Path) -> Result<Receipt, TrainError> {
        Receipt::parse(&read_regular(path, "read the receipt")?, path)
    }

    /// Reads what [`Receipt::file`] wrote, `path` being where. What it says fits together, but need not be true.
    ///
    /// # Errors
    /// If it is no receipt, one of another format or of another revision of the bits, or if one of its chains does not
    /// follow from what stands before it.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Receipt, TrainError> {
        let error = |message: String| TrainError::file(path, message);
        let version = env!("CARGO_PKG_VERSION");
        let file: Value = serde_json::from_slice(bytes).map_err(|e| error(format!("not a receipt: {e}")))?;
        if file["receipt"] != FORMAT {
            let found = &file["receipt"];
            return Err(error(match found.is_u64() {
                true => format!("a receipt of format {found}, but graphc {version} reads format {FORMAT}"),
                false => "not a receipt: it does not say of which format".into(),
            }));
        }
        let writer = file["graphc"].as_str().unwrap_or("another version").to_string();
        let receipt: Receipt = serde_json::from_value(file).map_err(|e| error(format!("not a receipt: {e}")))?;
        if let Some(broken) = receipt.broken_link() {
            return Err(error(format!(
                "{broken}: its chain does not follow from what it says and what stands before it; somebody has changed the receipt"
            )));
        }
        let other = receipt.options().map(|(_, options)| options.bits).find(|&bits| bits != BITS_REVISION);
        match other {
            Some(bits) => Err(error(format!(
                "a receipt of revision {bits} of graphc's bits, written by graphc {writer}, but graphc {version} computes those of revision \
                 {BITS_REVISION}: verify with the graphc that trained"
            ))),
            None => Ok(receipt),
        }
    }

    /// The first entry that does not follow from what stands before it.
    fn broken_link(&self) -> Option<String> {
        if !self.begin.follows("") {
            return Some("`begin`".into());
        }
        let mut before = &self.begin.chain;
        for (number, link) in self.epochs.iter().enumerate() {
            if link.entry.epoch != number || !link.follows(before) {
                return Some(format!("epoch {number}"));
            }
            before = &link.chain;
        }
        self.end.as_ref().filter(|end| !end.follows(before)).map(|_| "`end`".into())
    }

    /// What an epoch that was trained again has other than this receipt.
    pub fn difference(&self, again: &Link<EpochEntry>) -> Option<Difference> {
        let epoch = again.entry.epoch;
        let when = if epoch == 0 { "before the first step".to_string() } else { format!("epoch {epoch}") };
        let different = |tensor, message| Some(Difference { epoch: Some(epoch), tensor, message });
        let Some(expected) = self.epochs.get(epoch) else {
            return different(None, format!("{when}: the receipt ends before it"));
        };
        if *again == *expected {
            return None;
        }
        if let Some((tensor, text)) = tensors_difference(&expected.entry.tensors, &again.entry.tensors) {
            return different(Some(tensor), format!("{when}: {text}"));
        }
        let fields = |link: &Link<EpochEntry>| json!(link.entry.measured);
        match first_field(&fields(expected), &fields(again)) {
            Some((field, then, now)) => different(
                None,
                format!("{when}: `{field}` is {now} trained again, {then} in the receipt; all tensors are the same"),
            ),
            None if expected.entry.options != again.entry.options => {
                different(None, format!("{when}: the receipt has other options in it than are possible there"))
            }
            None => different(None, format!("{when}: its chain is another one, what it says is the same")),
        }
    }
}

impl Receipt {
    /// What a state after an epoch has other than this receipt.
    pub fn difference_of_state(&self, epoch: usize, state: &SavedState) -> Option<Difference> {
        let expected = self.epochs.get(epoch)?;
        let (tensor, text) = tensors_difference(&expected.entry.tensors, &hash_state(state))?;
        Some(Difference { epoch: Some(epoch), tensor: Some(tensor), message: format!("after epoch {epoch}: {text}") })
    }
}

impl Difference {
    /// The same of what stands in a file.
    pub fn in_file(self, path: &Path) -> Difference {
        Difference { message: format!("{}: {}", path.display(), self.message), ..self }
    }
}

/// The first tensor whose hash differs, and how many do.
fn tensors_difference(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<(String, String)> {
    let names: Vec<&String> = then.keys().chain(now.keys().filter(|name| !then.contains_key(*name))).collect();
    let differ: Vec<&String> = names.iter().copied().filter(|name| then.get(*name) != now.get(*name)).collect();
    let first = *differ.first()?;
    let what = match (then.get(first), now.get(first)) {
        (Some(then), Some(now)) => {
            format!("sha256 {}, in the receipt {}", short(now), short(then))
        }
        (None, _) => "the receipt does not have it".into(),
        (_, None) => "the network does not have it".into(),
    };
    let text = format!("{} of {} tensors differ, the first is `{first}` ({what})", differ.len(), names.len());
    Some((first.clone(), text))
}

/// The first field in which two objects differ, and both values.
pub fn first_field(then: &Value, now: &Value) -> Option<(String, String, String)> {
    let (Value::Object(fields), Value::Object(_)) = (then, now) else {
        return (then != now).then(|| (String::new(), then.to_string(), now.to_string()));
    };
    let (name, value) = fields.iter().find(|(name, value)| now[name.as_str()] != **value)?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    Some((name.clone(), text(value), text(&now[name.as_str()])))
}

#[cfg(test)]
mod tests;
