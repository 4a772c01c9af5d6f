//! The library's front door: it does what the compiler's session and `graphc train` do, to the bit, and says what is
//! wrong.

use crate::common::folder::Folder;
use graphc::prelude::*;
use graphc::train::weights::write_tensors;
use graphc::train::{NamedTensor, TensorData};
use graphc_ir::graph::Mode;
use std::path::Path;

/// Dropout, moving statistics, averages, a schedule with memory, early stopping, the best epoch, class weights, and a
/// ragged last batch.
fn eventful(data: &str, train: &str) -> String {
    format!(
        r#"{{ "graphc": 1, "name": "eventful",
  "inputs": {{ "x": {{ "shape": ["N", 3, 2] }}, "y": {{ "shape": ["N"], "dtype": "i32" }} }},
  "nodes": [
    {{ "name": "flat", "op": "flatten", "inputs": "x" }},
    {{ "name": "hidden", "op": "dense", "units": 7, "activation": "tanh" }},
    {{ "name": "norm", "op": "batch_norm", "momentum": 0.9 }},
    {{ "name": "drop", "op": "dropout", "rate": 0.3 }},
    {{ "name": "scores", "op": "dense", "units": 3 }},
    {{ "name": "probabilities", "op": "softmax" }} ],
  "loss": {{ "op": "categorical_crossentropy", "prediction": "probabilities", "target": "y", "class_weights": [1, 2, 0.5] }},
  "metrics": ["accuracy", "f1"],
  "optimizer": {{ "op": "adamw", "learning_rate": 0.02 }},
  "train": {{ "batch_size": 24, "epochs": 9, "validation_split": 0.2,
    "schedule": {{ "op": "plateau", "monitor": "val_loss", "factor": 0.5, "patience": 1, "warmup_steps": 5 }},
    "ema": {{ "decay": 0.9 }}, "early_stopping": {{ "monitor": "val_loss", "patience": 6 }}, "keep": "best"{train} }}{data} }}
"#
    )
}

const N: usize = 160;

fn x(sample: usize, element: usize) -> f32 {
    let noise = ((sample * 7919 + element * 104_729) % 1000) as f32 / 1000.0;
    noise + (sample % 3 * element) as f32 * 0.2
}

fn arrays() -> (Vec<f32>, Vec<i32>) {
    let x = (0..N).flat_map(|sample| (0..6).map(move |element| x(sample, element))).collect();
    (x, (0..N).map(|sample| sample as i32 % 3).collect())
}

fn write_data(path: &Path) {
    let (x, y) = arrays();
    let x = NamedTensor { name: "x".into(), shape: vec![N, 3, 2], data: TensorData::F32(x) };
    let y = NamedTensor { name: "y".into(), shape: vec![N], data: TensorData::I32(y) };
    write_tensors(path, &[x, y]).unwrap();
}

const DATA: &str = r#",
  "data": { "train": { "x": "data.safetensors#x", "y": "data.safetensors#y" } }"#;

/// A folder with a graph file and its data.
fn folder() -> Folder {
    let folder = Folder::with(&[("net.graph.json", eventful(DATA, "").as_bytes())]);
    write_data(&folder.path("data.safetensors"));
    folder
}

fn open(folder: &Folder, threads: usize) -> Session {
    Session::open(folder.path("net.graph.json"), SessionOptions { threads, ..SessionOptions::default() }).unwrap()
}

/// The bytes of the file of weights.
fn saved(session: &mut Session, folder: &Folder) -> Vec<u8> {
    let path = folder.path("saved.safetensors");
    session.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// What [`arrays`] has, one by one.
struct OneByOne;

impl DataSource for OneByOne {
    fn len(&self) -> usize {
        N
    }

    fn read(&self, sample: usize, input: &str, row: Row<'_>) -> Result<(), Box<dyn std::error::Error>> {
        match (input, row) {
            ("x", Row::F32(row)) => row.iter_mut().enumerate().for_each(|(at, value)| *value = x(sample, at)),
            ("y", Row::I32(row)) => row[0] = sample as i32 % 3,
            _ => return Err(format!("no `{input}`").into()),
        }
        Ok(())
    }
}

/// File, arrays and a source of one's own, on any number of threads: what `graphc train` writes, byte for byte.
#[test]
fn fit_is_what_the_command_does() {
    let folder = folder();
    folder.ok(&["train", "net.graph.json", "--out", "run", "--quiet", "--threads", "2"]);
    let expected = std::fs::read(folder.path("run/model.safetensors")).unwrap();
    let history = History::read_csv(&folder.path("run/history.csv")).unwrap();
    let (x, y) = arrays();
    for (threads, kind) in [(1, "file"), (2, "arrays"), (1, "source"), (3, "data set")] {
        let mut session = open(&folder, threads);
        let options = session.fit_options();
        let made = session.dataset(OneByOne, 0.2).unwrap();
        let report = match kind {
            "file" => session.fit(&session.training_data().unwrap(), &options, ()),
            "arrays" => session.fit(Arrays::new(&[("y", &y), ("x", &x)]), &options, ()),
            "source" => session.fit(OneByOne, &options, ()),
            _ => session.fit(&made, &options, ()),
        };
        let report = report.unwrap();
        assert!(saved(&mut session, &folder) == expected, "{kind}");
        let timeless = |history: &History| {
            let records = history.records.iter().map(|record| EpochRecord { seconds: 0.0, ..record.clone() });
            format!("{:?}", records.collect::<Vec<_>>())
        };
        assert_eq!(timeless(&report.history), timeless(&history), "{kind}");
        assert_eq!(session.learning_rate(), 0.02, "the schedule ends with the training");
    }
}

/// Stopped by a callback in the middle of an epoch, and gone on with by another session; so are runs of the command.
#[test]
fn resumed_trainings_come_to_the_same_bits() {
    let folder = folder();
    let steps_of_fit = |session: &mut Session, options: &FitOptions| {
        let mut n = 0;
        session.fit(OneByOne, options, on_step(|_| n += 1)).unwrap();
        n
    };
    let mut session = open(&folder, 1);
    let options = session.fit_options();
    let n_steps = steps_of_fit(&mut session, &options);
    let whole = saved(&mut session, &folder);
    for stop_at in [1, 8, 12, 17] {
        let checkpoints = folder.path(&format!("checkpoints-{stop_at}"));
        let options = FitOptions { checkpoints: Some(checkpoints.clone()), ..open(&folder, 1).fit_options() };
        let mut n = 0;
        let stop = on_step(|_| {
            n += 1;
            if n == stop_at { Flow::Stop } else { Flow::Continue }
        });
        let mut session = open(&folder, 1);
        let report = session.fit(OneByOne, &options, stop).unwrap();
        assert_eq!((n, report.stopped.is_some()), (stop_at, true));
        let refused = open(&folder, 1).fit(OneByOne, &options, ()).unwrap_err().to_string();
        assert!(
            refused.ends_with("the folder holds checkpoints of a training: resume that one, or give another folder"),
            "{refused}"
        );
        let mut session = open(&folder, 2);
        session.resume(&checkpoints).unwrap();
        assert_eq!(session.steps(), stop_at);
        let other = FitOptions { batch_size: 32, ..options.clone() };
        assert_eq!(
            session.fit(OneByOne, &other, ()).unwrap_err().to_string(),
            "the training to be resumed began with `batch_size` 24, but 32 is given"
        );
        assert_eq!(steps_of_fit(&mut session, &options), n_steps - stop_at, "the steps before are not made again");
        assert!(saved(&mut session, &folder) == whole, "stopped after step {stop_at}");
    }
    folder.ok(&["train", "net.graph.json", "--out", "run", "--epochs", "2", "--quiet"]);
    let mut session = open(&folder, 1);
    session.resume(folder.path("run")).unwrap();
    let options = session.fit_options();
    let few = FitOptions { epochs: 4, ..options.clone() };
    // An epoch has six steps.
    assert_eq!(steps_of_fit(&mut session, &few), 12);
    session.resume(folder.path("run")).unwrap();
    assert_eq!(steps_of_fit(&mut session, &options), n_steps - 24);
    assert!(saved(&mut session, &folder) == whole, "begun by the command");
    // And the other way round.
    folder.ok(&["train", "net.graph.json", "--out", "other", "--epochs", "2", "--quiet"]);
    let mut session = open(&folder, 1);
    session.resume(folder.path("other")).unwrap();
    session.fit(OneByOne, &few, ()).unwrap();
    folder.ok(&["train", "--resume", "other", "--epochs", "9", "--quiet"]);
    assert!(std::fs::read(folder.path("other/model.safetensors")).unwrap() == whole, "ended by the command");
}

#[test]
fn two_trainings_do_not_share_a_folder() {
    let folder = folder();
    let checkpoints = folder.path("checkpoints");
    let options = FitOptions {
        checkpoints: Some(checkpoints.clone()),
        checkpoint_every: CheckpointEvery::Steps(1),
        epochs: 2,
        ..open(&folder, 1).fit_options()
    };
    let mut refused = None;
    let other = on_step(|_| {
        let mut other = open(&folder, 1);
        // The first checkpoint is written while the first steps are made.
        if refused.is_none() && other.resume(&checkpoints).is_ok() {
            refused = other.fit(OneByOne, &options, ()).err().map(|error| error.to_string());
        }
    });
    open(&folder, 1).fit(OneByOne, &options, other).unwrap();
    let refused = refused.expect("a training is refused");
    assert!(!cfg!(unix) || refused.ends_with("a training is going on in this folder"), "{refused}");
    // It is free again.
    let mut session = open(&folder, 1);
    session.resume(&checkpoints).unwrap();
    session.fit(OneByOne, &FitOptions { epochs: 3, ..options }, ()).unwrap();
}

/// Steps are those of the compiler's session at the size of the batch, whatever came before.
#[test]
fn a_step_is_the_compilers_step() {
    let graph = Session::from_json(&plain(), SessionOptions::default()).unwrap().graph().clone();
    let options = graphc::driver::SessionOptions { seed: 5, threads: 1, ..Default::default() };
    let mut expected = graphc::driver::Session::new(graph.clone(), options).unwrap();
    let options = SessionOptions { seed: Some(5), threads: 2, ..SessionOptions::default() };
    let mut session = Session::new(graph, options).unwrap();
    let (x, y) = arrays();
    for n in [24, 7, 24, 1] {
        let (x, y) = (&x[..6 * n], &y[..n]);
        expected.set_input_f32(Mode::Train, n, "x", x).unwrap();
        expected.set_input_i32(Mode::Train, n, "y", y).unwrap();
        expected.step(Mode::Train, n).unwrap();
        let step = session.train_step(&[("y", &y), ("x", &x)]).unwrap();
        let loss = expected.scalar(Mode::Train, n, "loss").unwrap();
        let accuracy = expected.scalar(Mode::Train, n, "accuracy").unwrap();
        assert_eq!((step.loss.to_bits(), step.accuracy, step.n_samples), (loss.to_bits(), Some(accuracy), n));
        assert_eq!(session.output("probabilities").unwrap(), expected.output(Mode::Train, n, "probabilities").unwrap());
    }
    assert_eq!(session.parameters().unwrap(), expected.parameters().unwrap());
    assert_eq!(session.steps(), 4);
    session.set_learning_rate(0.0).unwrap();
    let before = session.parameters().unwrap()[0].clone();
    session.train_step(&[("y", &y), ("x", &x)]).unwrap();
    assert_eq!(session.parameters().unwrap()[0], before);
}

/// The network of [`eventful`] with what a step alone can have.
fn plain() -> String {
    eventful("", "").replace(r#", "class_weights": [1, 2, 0.5]"#, "")
}

#[test]
fn steps_are_resumed_exactly() {
    let (x, y) = arrays();
    let folder = Folder::with(&[]);
    let path = folder.path("checkpoint");
    let train = |session: &mut Session, steps: std::ops::Range<usize>| {
        for step in steps {
            let n = 10 + step % 3;
            session.train_step(&[("x", &&x[..6 * n]), ("y", &&y[..n])]).unwrap();
        }
    };
    let new = || Session::from_json(&eventful("", ""), SessionOptions::default()).unwrap();
    let mut whole = new();
    whole.set_learning_rate(0.01).unwrap();
    train(&mut whole, 0..5);
    whole.save_checkpoint(&path).unwrap();
    train(&mut whole, 5..12);
    let mut resumed = new();
    resumed.resume(&path).unwrap();
    assert_eq!((resumed.learning_rate(), resumed.steps()), (0.01, 5));
    train(&mut resumed, 5..12);
    assert!(saved(&mut resumed, &folder) == saved(&mut whole, &folder));
    whole.save_checkpoint(folder.path("a")).unwrap();
    resumed.save_checkpoint(folder.path("b")).unwrap();
    assert!(std::fs::read(folder.path("a")).unwrap() == std::fs::read(folder.path("b")).unwrap());
    // What other networks keep is refused.
    let other = |text: &str| Session::from_json(text, SessionOptions::default()).unwrap().resume(&path).unwrap_err();
    let message = |error: graphc::Error| error.to_string().replace(&format!("{}: ", path.display()), "");
    let sgd = eventful("", "").replace(r#""adamw""#, r#""sgd""#);
    assert_eq!(
        message(other(&sgd)),
        "the checkpoint is of a training with adamw and averages, but this is sgd and averages"
    );
    let larger = eventful("", "").replace(r#""units": 7"#, r#""units": 8"#);
    assert_eq!(
        message(other(&larger)),
        "the checkpoint is of another network: `hidden.kernel` has shape [6, 7], expected [6, 8]"
    );
    whole.save(&path).unwrap();
    let mut session = new();
    assert_eq!(
        message(session.resume(&path).unwrap_err()),
        "no checkpoint: it says nothing of a training (are these the weights alone?)"
    );
    let none = session.resume(folder.path(".")).unwrap_err().to_string();
    assert!(none.ends_with("there is no checkpoint to go on from"), "{none}");
}

#[test]
fn predictions_come_in_batches() {
    let (x, y) = arrays();
    let mut session = Session::from_json(&eventful("", ""), SessionOptions::default()).unwrap();
    session.train_step(&[("x", &x), ("y", &y)]).unwrap();
    let whole = session.infer(&[("x", &x)]).unwrap();
    assert_eq!(whole.keys().collect::<Vec<_>>(), ["probabilities"], "there is no loss without the target");
    let cut = session.predict(&[("x", &x)]).unwrap();
    assert_eq!(cut.shape, [N, 3]);
    assert_eq!(cut, whole["probabilities"]);
    assert_eq!(session.predict(&[("x", &x), ("y", &y)]).unwrap(), cut, "the target changes nothing");
    let all = session.infer(&[("x", &x), ("y", &y)]).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["accuracy", "loss", "probabilities"]);
    let evaluation = session.evaluate(OneByOne).unwrap();
    assert!((evaluation.loss - f64::from(all["loss"].data[0])).abs() < 1e-6, "{evaluation:?}");
    let (_, scores) = session.evaluate_with(OneByOne, &["f1"]).unwrap();
    assert_eq!(scores.unwrap().values[0].0, "f1");
}

/// Values of a file, predictions in the unit of its target: as `graphc predict --data` has them.
#[test]
fn raw_values_are_prepared_as_files_are() {
    let graph = r#"{ "graphc": 1, "name": "price",
  "inputs": { "x": { "shape": ["N", 2] }, "price": { "shape": ["N", 1] } },
  "nodes": [ { "name": "y", "op": "dense", "inputs": "x", "units": 1 } ],
  "loss": { "op": "mean_squared_error", "prediction": "y", "target": "price" },
  "train": { "epochs": 3, "batch_size": 4 },
  "data": { "train": "train.csv", "columns": { "x": ["a", "b"], "price": "price" },
    "preprocess": { "x": { "standardise": true }, "price": { "standardise": true, "scale": 0.5 } } } }"#;
    let rows: String = (0..20).map(|i| format!("{i},{},{}\n", i * 7 % 5, 100 + 3 * i)).collect();
    let csv = format!("a,b,price\n{rows}");
    let folder = Folder::with(&[("net.graph.json", graph.as_bytes()), ("train.csv", csv.as_bytes())]);
    folder.ok(&["train", "net.graph.json", "--out", "run", "--quiet"]);
    let weights = "run/model.safetensors";
    folder.ok(&["predict", "net.graph.json", "--weights", weights, "--data", "train.csv", "--out", "y.csv"]);
    let table = std::fs::read_to_string(folder.path("y.csv")).unwrap();
    let expected: Vec<f32> =
        table.lines().skip(1).map(|line| line.split(',').next_back().unwrap().parse().unwrap()).collect();
    let mut session = open(&folder, 1);
    let x: Vec<[f32; 2]> = (0..20).map(|i| [i as f32, (i * 7 % 5) as f32]).collect();
    assert_eq!(
        session.predict_raw(&[("x", &x)]).unwrap_err().to_string(),
        "the session knows no mean and deviation of `x`: load weights that do"
    );
    session.load(folder.path(weights)).unwrap();
    assert_eq!(session.predict_raw(&[("x", &x)]).unwrap().data, expected);
    assert!(saved(&mut session, &folder) == std::fs::read(folder.path(weights)).unwrap(), "what was learnt is kept");
    // Training on values as the network takes them says nothing new of the files.
    let prepared = Arrays::new(&[("x", &[[0.5f32, -0.5]; 8]), ("price", &[0.25f32; 8])]);
    session.fit(prepared, &FitOptions { epochs: 1, ..FitOptions::default() }, ()).unwrap();
    assert_ne!(session.predict_raw(&[("x", &x)]).unwrap().data, expected);
}

#[test]
fn callbacks_see_every_step_and_may_stop() {
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    let mut session = Session::from_json(&plain(), SessionOptions::default()).unwrap();
    let options = FitOptions { epochs: 2, batch_size: 64, validation_split: 0.2, ..FitOptions::default() };
    let callbacks = (on_step(|step| steps.push(*step)), on_epoch(|epoch| epochs.push(epoch.clone())));
    let report = session.fit(OneByOne, &options, callbacks).unwrap();
    assert_eq!(steps.iter().map(|step| (step.epoch, step.step)).collect::<Vec<_>>(), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    assert_eq!(epochs, report.history.records);
    assert!(steps.iter().all(|step| step.n_steps == 2 && step.learning_rate == 0.02 && step.loss.is_finite()));
    // 128 samples are trained on, in two full batches.
    let mean = (steps[2].loss + steps[3].loss) / 2.0;
    assert!((epochs[1].loss - mean).abs() < 1e-12 && epochs[1].loss == steps[3].mean_loss);
    let mut n = 0;
    let report = session.fit(
        OneByOne,
        &options,
        on_epoch(|_| {
            n += 1;
            Flow::Stop
        }),
    );
    assert_eq!((n, report.unwrap().history.records.len()), (1, 1));
}

#[test]
fn what_does_not_fit_is_told() {
    let mut session = Session::from_json(&eventful("", ""), SessionOptions::default()).unwrap();
    let (x, y) = arrays();
    let types: Vec<String> = session.inputs().map(|(name, ty)| format!("{name}: {ty}")).collect();
    assert_eq!(types[..2], ["x: f32[N,3,2]", "y: i32[N]"]);
    let mut message = |inputs: &[(&str, &dyn TensorInput)]| session.train_step(inputs).unwrap_err().to_string();
    assert_eq!(message(&[("x", &x)]), "the input `y` (i32[N]) is missing");
    assert_eq!(message(&[]), "these inputs are missing: `x` (f32[N,3,2]), `y` (i32[N])");
    let known = "it has `x` (f32[N,3,2]), `y` (i32[N])";
    let unknown = message(&[("x", &x), ("label", &y)]);
    assert!(unknown.starts_with(&format!("the network has no input `label`; {known}")), "{unknown}");
    let rate = message(&[("learning_rate", &[0.1f32])]);
    assert!(rate.ends_with("; `set_learning_rate` sets the learning rate"), "{rate}");
    assert_eq!(message(&[("x", &x), ("x", &x)]), "the input `x` is given twice");
    assert_eq!(message(&[("x", &y), ("y", &y)]), "the input `x` takes f32[N,3,2], but elements of type i32 are given");
    assert_eq!(
        message(&[("x", &[0.5f32; 13])]),
        "the input `x` takes f32[N,3,2], but 13 elements are given, expected a multiple of the 6 of a sample"
    );
    let tensor = Tensor::full(&[4, 2, 3], 0.0);
    assert_eq!(
        message(&[("x", &tensor)]),
        "the input `x` takes f32[N,3,2], but a tensor of shape [4, 2, 3] with 24 elements is given"
    );
    assert_eq!(message(&[("x", &x), ("y", &[0, 1])]), "`x` has 160 samples, but `y` has 2");
    assert_eq!(
        message(&[("x", &[0.5f32; 6]), ("y", &[3])]),
        "label out of range: sample 0 has label 3, but `y` has 3 classes (0 to 2)"
    );
    // Sizes of 1 make no difference.
    session.train_step(&[("x", &Tensor::full(&[2, 3, 2, 1], 0.0)), ("y", &[[0], [1]])]).unwrap();
    assert_eq!(
        session.predict(&[("y", &y)]).unwrap_err().to_string(),
        "the input `x` (f32[N,3,2]) is missing: `probabilities` is computed from it"
    );
    let data = Arrays::new(&[("x", &x), ("y", &[0, 1])]);
    let refused = session.fit(data, &FitOptions::default(), ()).unwrap_err().to_string();
    assert_eq!(refused, "`x` has 160 samples, but `y` has 2");
    let refused = session.fit(Arrays::new(&[("x", &x)]), &FitOptions::default(), ()).unwrap_err().to_string();
    assert_eq!(refused, "the data given: there are no values for the input `y`");
    let nonfinite = Arrays::new(&[("x", &[f32::NAN; 6]), ("y", &[0])]);
    let refused = session.fit(nonfinite, &FitOptions::default(), ()).unwrap_err().to_string();
    assert_eq!(refused, "the data given: sample 0 of the input `x` has an element that is NaN");
    assert_eq!(session.training_data().unwrap_err().to_string(), "the graph file has no `data`");
    let broken = Session::from_json("{ \"graphc\": 1 }", SessionOptions::default()).unwrap_err();
    assert!(matches!(&broken, graphc::Error::Graph(_)) && broken.to_string().contains("graph.json:1:1"), "{broken}");
}

/// The defaults of graph files are those of the optimizers by name.
#[test]
fn optimizers_have_the_same_defaults_everywhere() {
    for name in Optimizer::NAMES {
        let text = plain().replace(r#""adamw", "learning_rate": 0.02"#, &format!("{name:?}"));
        let session = Session::from_json(&text, SessionOptions::default()).unwrap();
        assert_eq!(session.graph().optimizer, Some(Optimizer::by_name(name).unwrap()));
    }
}

/// A program may give a session to a thread of its own.
#[test]
fn sessions_can_be_sent() {
    let (x, y) = arrays();
    let step = move |seed: u64| {
        let options = SessionOptions { seed: Some(seed), threads: 1, ..SessionOptions::default() };
        let mut session = Session::from_json(&plain(), options).unwrap();
        session.train_step(&[("x", &x), ("y", &y)]).unwrap();
        session
    };
    let other = step.clone();
    let mut sent = std::thread::spawn(move || other(3)).join().unwrap();
    assert_eq!(sent.parameters().unwrap(), step(3).parameters().unwrap());
}
