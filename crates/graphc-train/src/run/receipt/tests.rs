use super::*;
use crate::history::tests::record;
use graphc_ir::Tensor;

fn begin() -> Begin {
    let data = |path: &str| DataHash {
        part: "train".into(),
        path: path.into(),
        files: None,
        bytes: 3,
        sha256: hash_bytes(path.as_bytes()),
    };
    Begin {
        graph: FileHash::of_bytes(b"{}"),
        data: vec![data("x.npy"), data("y.npy")],
        init: None,
        seed: u64::MAX,
        batch_size: 7,
        limit: None,
    }
}

fn state(value: f64) -> SavedState {
    let mut state = SavedState::default();
    state.set("a", &Tensor::scalar(1.0));
    state.set("w", &Tensor::scalar(value));
    state
}

/// Two epochs, the second with another rate from its third step on.
fn receipt() -> Receipt {
    let mut receipt = Receipt::new(begin());
    receipt.note_options(0, 2, 0.1);
    receipt.started(&state(0.0));
    receipt.note_options(0, 2, 0.1);
    receipt.epoch_done(&record(1), &state(1.0));
    receipt.note_options(3, 2, f64::from(0.1f32));
    receipt.epoch_done(&EpochRecord { val_loss: Some(f64::NAN), ..record(2) }, &state(2.0));
    let files = BTreeMap::from([("model.safetensors".to_string(), FileHash::of_bytes(b"w"))]);
    let test = TestScores { loss: 0.1 + 0.2, accuracy: None, metrics: vec![("f1".into(), 0.5)] };
    receipt.finish(Ended::AllEpochs, Some(Best { epoch: 2, value: f64::INFINITY }), Some(test), files);
    receipt
}

fn parse(text: &str) -> Result<Receipt, String> {
    Receipt::parse(text.as_bytes(), Path::new("r")).map_err(|error| error.to_string())
}

#[test]
fn reads_back_to_the_same_bytes() {
    let file = receipt().file();
    let read = Receipt::parse(&file, Path::new("r")).unwrap();
    assert_eq!(read.file(), file);
    let options: Vec<(usize, usize)> = read.options().map(|(epoch, options)| (epoch, options.step)).collect();
    assert_eq!(options, [(1, 0), (2, 3)]);
    assert_eq!(read.chain(), read.end.as_ref().unwrap().chain);
    let text = String::from_utf8(file).unwrap();
    assert!(text.contains("\"seed\": 18446744073709551615") && text.contains("\"val_loss\": \"NaN\""), "{text}");
}

/// As `docs/training.md` says it, in a few lines of another language.
#[test]
fn chains_are_hashes_of_compact_json() {
    let file: Value = serde_json::from_slice(&receipt().file()).unwrap();
    let links = [&file["begin"]].into_iter().chain(file["epochs"].as_array().unwrap()).chain([&file["end"]]);
    let mut before = String::new();
    for link in links {
        let mut entry = link.clone();
        let chain = entry.as_object_mut().unwrap().shift_remove("chain").unwrap();
        before = hash_bytes(format!("{before}\n{entry}").as_bytes());
        assert_eq!(chain, before.as_str());
    }
}

#[test]
fn what_was_changed_is_named() {
    let text = String::from_utf8(receipt().file()).unwrap();
    let broken = |link: &str| {
        Err(format!(
            "r: {link}: its chain does not follow from what it says and what stands before it; somebody has changed the receipt"
        ))
    };
    let seed = text.replace("\"seed\": 18446744073709551615", "\"seed\": 5");
    assert_eq!(parse(&seed).map(drop), broken("`begin`"));
    assert_eq!(parse(&text.replace("\"NaN\"", "\"0.5\"")).map(drop), broken("epoch 2"));
    assert_eq!(parse(&text.replace("\"all_epochs\"", "\"early_stopping\"")).map(drop), broken("`end`"));
    let mut cut = receipt();
    cut.epochs.remove(1);
    assert_eq!(parse(std::str::from_utf8(&cut.file()).unwrap()).map(drop), broken("epoch 1"));
    let version = env!("CARGO_PKG_VERSION");
    let other = text.replacen("\"receipt\": 1", "\"receipt\": 7", 1);
    let message = format!("r: a receipt of format 7, but graphc {version} reads format 1");
    assert_eq!(parse(&other).map(drop), Err(message));
    assert_eq!(parse("{}").unwrap_err(), "r: not a receipt: it does not say of which format");
    assert!(parse("{").unwrap_err().starts_with("r: not a receipt: "));
    assert!(parse("{\"receipt\": 1}").unwrap_err().starts_with("r: not a receipt: missing field `begin`"));
}

#[test]
fn another_revision_is_refused_by_name() {
    let mut other = Receipt::new(begin());
    other.changes.push(InForce { step: 0, bits: BITS_REVISION + 1, epochs: 1, learning_rate: 0.5 });
    other.started(&state(0.0));
    let message = parse(std::str::from_utf8(&other.file()).unwrap()).unwrap_err();
    let (revision, version) = (BITS_REVISION + 1, env!("CARGO_PKG_VERSION"));
    let expected = format!("r: a receipt of revision {revision} of graphc's bits, written by graphc {version}, but ");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn differences_have_names() {
    let expected = receipt();
    let again = |loss: f64, value: f64| {
        let mut again = Receipt::new(begin());
        again.note_options(0, 2, 0.1);
        again.started(&state(0.0));
        again.epoch_done(&EpochRecord { loss, ..record(1) }, &state(value)).clone()
    };
    let loss = record(1).loss;
    assert_eq!(expected.difference(&again(loss, 1.0)), None);
    let difference = expected.difference(&again(loss, 9.0)).unwrap();
    assert_eq!((difference.epoch, difference.tensor.as_deref()), (Some(1), Some("w")));
    assert!(difference.message.starts_with("epoch 1: 1 of 2 tensors differ, the first is `w` (sha256 "));
    let difference = expected.difference(&again(123.5, 1.0)).unwrap();
    let message = format!("epoch 1: `loss` is 123.5 trained again, {loss} in the receipt; all tensors are the same");
    assert_eq!((difference.tensor, difference.message), (None, message));
    let mut short = expected.clone();
    short.epochs.truncate(1);
    assert_eq!(short.difference(&again(loss, 1.0)).unwrap().message, "epoch 1: the receipt ends before it");

    let mut other = begin();
    assert_eq!(begin().changed(&other), None);
    other.data[1].bytes = 4;
    let hash = short_of("y.npy");
    let message = format!(
        "train data: y.npy has changed since the run began (3 bytes, sha256 {hash} then, 4 bytes, sha256 {hash} now)"
    );
    assert_eq!(begin().changed(&other), Some(message));
    other.data.pop();
    assert!(begin().changed(&other).unwrap().starts_with("the data is another one: "));
}

fn short_of(text: &str) -> String {
    short(&hash_bytes(text.as_bytes())).to_string()
}
