//! What a program that uses [`Session`] can get wrong: it is told, or cannot happen.

use graphc_driver::{Session, SessionOptions, default_threads};
use graphc_ir::graph::Mode;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, Dense, Dropout, Embedding};
use graphc_ir::loops::BufferKind;
use graphc_ir::{DType, Graph, Optimizer, Shape, Tensor};

const N: usize = 4;

/// Four features, dropout if wanted, three classes.
fn network(dropout: f64) -> Graph {
    let mut builder = GraphBuilder::new("net");
    let x = builder.input("x", DType::F32, Shape::batched(&[4])).unwrap();
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let hidden = Dense { activation: Some(Activation::Tanh), ..Dense::new(16) };
    let mut hidden = builder.dense("hidden", x, &hidden).unwrap();
    if dropout > 0.0 {
        hidden = builder.dropout("dropped", hidden, &Dropout { rate: dropout, seed: Some(7) }).unwrap();
    }
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(3) };
    let classes = builder.dense("classes", hidden, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::sgd(0.5));
    builder.finish()
}

fn session(graph: Graph) -> Session {
    Session::new(graph, SessionOptions { seed: 1, ..SessionOptions::default() }).unwrap()
}

/// Sets both inputs: every value of `x` is 1, and labels count up.
fn set(session: &mut Session, mode: Mode, batch: usize) {
    let labels: Vec<i32> = (0..batch as i32).map(|sample| sample % 3).collect();
    session.set_input_f32(mode, batch, "x", &vec![1.0; 4 * batch]).unwrap();
    session.set_input_i32(mode, batch, "label", &labels).unwrap();
}

fn loss_of_step(session: &mut Session, batch: usize) -> f32 {
    session.step(Mode::Train, batch).unwrap();
    session.scalar(Mode::Train, batch, "loss").unwrap()
}

#[track_caller]
fn message<T>(result: Result<T, graphc_driver::DriverError>) -> String {
    result.err().expect("it is refused").to_string()
}

/// With a rate of zero nothing but the mask changes from step to step.
#[test]
fn dropout_draws_a_new_mask_every_step() {
    let run = |first_step: i32, n: i32| {
        let mut session = session(network(0.5));
        session.set_learning_rate(0.0).unwrap();
        session.set_steps(first_step);
        set(&mut session, Mode::Train, N);
        set(&mut session, Mode::Train, N + 1);
        // The remainder of an epoch counts as well.
        (0..n)
            .map(|step| loss_of_step(&mut session, if first_step + step == 2 { N + 1 } else { N }))
            .collect::<Vec<f32>>()
    };
    let losses = run(0, 8);
    let mut different = losses.clone();
    different.sort_by(f32::total_cmp);
    different.dedup();
    assert!(different.len() >= 7, "{losses:?}");
    assert_eq!(run(0, 8), losses, "the same masks every time");
    assert_eq!(run(3, 5), losses[3..], "a session can go on where another has ended");
}

#[test]
fn a_step_that_is_set_is_counted_from() {
    let mut session = session(network(0.5));
    session.set_learning_rate(0.0).unwrap();
    set(&mut session, Mode::Train, N);
    let losses: Vec<f32> = (0..4).map(|_| loss_of_step(&mut session, N)).collect();
    assert_eq!(session.steps(), 4);
    session.set_input_i32(Mode::Train, N, "step", &[1]).unwrap();
    assert_eq!([(); 3].map(|()| loss_of_step(&mut session, N)), losses[1..]);
    assert_eq!(session.steps(), 4);
}

#[test]
fn a_learning_rate_holds_for_every_batch_size() {
    let hidden = |session: &mut Session| session.parameters().unwrap()[0].1.clone();
    for before in [true, false] {
        let mut session = session(network(0.0));
        if !before {
            // Both are compiled when the rate comes.
            session.compile(Mode::Train, N).unwrap();
            session.compile(Mode::Train, N + 1).unwrap();
        }
        session.set_input_f32(Mode::Train, N, "learning_rate", &[0.0]).unwrap();
        let start = hidden(&mut session);
        for batch in [N, N + 1] {
            set(&mut session, Mode::Train, batch);
            session.step(Mode::Train, batch).unwrap();
            assert_eq!(hidden(&mut session), start, "batch {batch}");
        }
        session.set_learning_rate(0.25).unwrap();
        session.step(Mode::Train, N + 1).unwrap();
        assert_ne!(hidden(&mut session), start);
    }
}

#[test]
fn a_learning_rate_must_be_finite() {
    let mut session = session(network(0.0));
    let expected = |rate: &str| format!("the learning rate must be a finite number in single precision, got {rate}");
    assert_eq!(message(session.set_input_f32(Mode::Train, N, "learning_rate", &[f32::NAN])), expected("NaN"));
    assert_eq!(message(session.set_learning_rate(1e39)), expected("inf"));
    let mut graph = network(0.0);
    graph.optimizer = Some(Optimizer::sgd(1e39));
    let refused = message(Session::new(graph, SessionOptions::default()).map(|_| ()));
    assert_eq!(refused, "the graph is not valid:\n  `learning_rate` 1e39 is infinite in f32\n    optimizer");
    let mut graph = network(0.0);
    graph.optimizer = None;
    let mut session = Session::new(graph, SessionOptions::default()).unwrap();
    assert_eq!(message(session.set_learning_rate(1.0)), "the graph has no optimizer whose learning rate could be set");
}

#[test]
fn labels_out_of_range_are_refused() {
    let mut session = session(network(0.0));
    let out_of_range = |sample: usize, label: i32| {
        format!("label out of range: sample {sample} has label {label}, but `label` has 3 classes (0 to 2)")
    };
    for mode in [Mode::Train, Mode::Infer] {
        assert_eq!(message(session.set_input_i32(mode, N, "label", &[0, 1, 3, -1])), out_of_range(2, 3));
        assert_eq!(message(session.set_input_i32(mode, N, "label", &[0, -1, 2, 2])), out_of_range(1, -1));
        set(&mut session, mode, N);
        session.step(mode, N).unwrap();
    }
    // Also where they are written in place; nothing is trained on them.
    set(&mut session, Mode::Train, 20);
    let before = session.parameters().unwrap();
    let fill = |label: i32| {
        move |chunk: usize, words: &mut [u32]| {
            let n = 20_usize.saturating_sub(16 * chunk).min(16);
            words[..n].fill(0);
            words[n - 1] = label.cast_unsigned();
        }
    };
    session.fill_input(Mode::Train, 20, "label", &fill(-7)).unwrap();
    assert_eq!(message(session.step(Mode::Train, 20)), out_of_range(15, -7));
    assert_eq!(message(session.step(Mode::Train, 20)), out_of_range(15, -7), "not only the first time");
    let (_, words) = session.input_words(Mode::Train, 20, "label").unwrap();
    words.fill(0);
    words[17] = 3;
    assert_eq!(message(session.step(Mode::Train, 20)), out_of_range(17, 3));
    assert_eq!(session.parameters().unwrap(), before);
    session.fill_input(Mode::Train, 20, "label", &fill(2)).unwrap();
    session.step(Mode::Train, 20).unwrap();
}

/// Three words a sample, of five, as vectors; what is looked up is not a class.
#[test]
fn numbers_outside_of_a_table_are_refused() {
    let mut builder = GraphBuilder::new("words");
    let words = builder.input("words", DType::I32, Shape::batched(&[3])).unwrap();
    let vectors = builder.embedding("vectors", words, &Embedding::new(5, 2)).unwrap();
    builder.output(vectors);
    let mut session = session(builder.finish());
    let out_of_range = |sample: usize, number: i32| {
        format!(
            "number out of range: sample {sample} has {number}, but `words` is looked up in a table of 5 rows (0 to 4)"
        )
    };
    let mut numbers = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1];
    session.set_input_i32(Mode::Infer, N, "words", &numbers).unwrap();
    session.step(Mode::Infer, N).unwrap();
    numbers[8] = 5;
    assert_eq!(message(session.set_input_i32(Mode::Infer, N, "words", &numbers)), out_of_range(2, 5));
    // Also where they are written in place.
    let (buffer, words) = session.input_words(Mode::Infer, N, "words").unwrap();
    let at = buffer.layout.offset(&[3, 1]);
    words[at] = (-1_i32).cast_unsigned();
    assert_eq!(message(session.step(Mode::Infer, N)), out_of_range(3, -1));
}

#[test]
fn what_was_never_set_is_missed() {
    let mut session = session(network(0.5));
    let missing = |name: &str, step: &str| format!("the input `{name}` of the {step} has not been set");
    assert_eq!(message(session.step(Mode::Train, N)), missing("label", "train step of 4 samples"));
    session.set_input_i32(Mode::Train, N, "label", &[0; N]).unwrap();
    assert_eq!(message(session.step(Mode::Train, N)), missing("x", "train step of 4 samples"));
    set(&mut session, Mode::Train, N);
    session.step(Mode::Train, N).unwrap();
    // Inputs with samples belong to a batch size.
    assert_eq!(message(session.step(Mode::Train, 1)), missing("label", "train step of 1 sample"));
    // A prediction needs no label, but its loss does.
    assert_eq!(message(session.step(Mode::Infer, N)), missing("x", "infer step of 4 samples"));
    session.set_input_f32(Mode::Infer, N, "x", &[1.0; 4 * N]).unwrap();
    session.step(Mode::Infer, N).unwrap();
    assert_eq!(session.output(Mode::Infer, N, "classes").unwrap().shape, [N, 3]);
    let expected = "`loss` needs the input `label`, which has not been set";
    assert_eq!(message(session.scalar(Mode::Infer, N, "loss")), expected);
    assert_eq!(message(session.output(Mode::Infer, N, "loss")), expected);
    set(&mut session, Mode::Infer, N);
    session.step(Mode::Infer, N).unwrap();
    assert!(session.scalar(Mode::Infer, N, "loss").unwrap() > 0.0);
}

#[test]
fn results_are_those_of_a_step() {
    let mut session = session(network(0.0));
    let none = "no train step of batch size 4 has run";
    assert_eq!(message(session.output(Mode::Train, N, "loss")), none);
    session.compile(Mode::Train, N).unwrap();
    assert_eq!(message(session.output(Mode::Train, N, "loss")), none, "compiling is no step");
    assert_eq!(message(session.scalar(Mode::Train, N, "loss")), none);
    set(&mut session, Mode::Train, N);
    assert_eq!(message(session.output(Mode::Train, N, "loss")), none, "nor are inputs");
    session.step(Mode::Train, N).unwrap();
    session.output(Mode::Train, N, "loss").unwrap();
    // After a refused label the step before is still the last one.
    assert!(session.set_input_i32(Mode::Train, N, "label", &[9; N]).is_err());
    session.output(Mode::Train, N, "loss").unwrap();
}

#[test]
fn wrong_calls_say_what_is_right() {
    let mut session = session(network(0.5));
    assert_eq!(message(session.step(Mode::Train, 0)), "the batch size must be at least 1, got 0");
    assert_eq!(
        message(session.input_words(Mode::Train, N, "learning_rate").map(|_| ())),
        "no input `learning_rate` with a batch dimension; there are: label, x"
    );
    assert_eq!(
        message(session.fill_input(Mode::Train, N, "step", &|_, _| ())),
        "no input `step` with a batch dimension; there are: label, x"
    );
    assert_eq!(message(session.set_input_f32(Mode::Train, N, "label", &[0.0; N])), "\"label\" holds i32 elements");
    assert_eq!(
        message(session.set_input_i32(Mode::Train, N, "step", &[1, 2])),
        "\"step\" has shape [], 1 elements, but 2 were given"
    );
    assert_eq!(session.steps(), 0);
    let torn = Tensor { shape: vec![16], data: vec![0.0; 3] };
    assert_eq!(message(session.set_parameter("hidden.bias", &torn)), "parameter `hidden.bias` has 16 elements, got 3");
    let mut graph = network(0.0);
    graph.loss = None;
    let mut session = Session::new(graph, SessionOptions::default()).unwrap();
    assert_eq!(message(session.step(Mode::Train, N)), "graph `net` has no loss to train on");
}

#[test]
fn threads_are_those_of_the_machine_unless_given() {
    assert_eq!(session(network(0.0)).threads(), default_threads());
    let alone = SessionOptions { threads: 1, ..SessionOptions::default() };
    assert_eq!(Session::new(network(0.0), alone).unwrap().threads(), 1);
}

/// Every executable has the inputs that the tests above set; a rename would make them vacuous.
#[test]
fn the_step_has_these_inputs() {
    let compiled = graphc_driver::compile(&network(0.5), &graphc_driver::CompileOptions::train(N)).unwrap();
    let mut inputs: Vec<&str> = compiled
        .executable
        .program()
        .buffers
        .iter()
        .filter(|buffer| buffer.kind == BufferKind::Input)
        .map(|buffer| buffer.name.as_str())
        .collect();
    inputs.sort_unstable();
    assert_eq!(inputs, ["label", "learning_rate", "step", "x"]);
}
