//! LeNet-5 in machine code: bit for bit the loop interpreter, and within `f32` rounding of the float64 reference.

use crate::reference::{BATCH, Fixture, Samples, lenet5, samples_of};
use graphc_codegen::Isa;
use graphc_driver::{CompileOptions, Compiled, Session, SessionOptions, compile};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::graph::Mode;
use graphc_ir::loops::BufferKind;
use graphc_ir::{Op, Tensor};
use graphc_testing::bindings;

#[test]
fn training_steps_equal_the_loop_interpreter() {
    let train = |batch| CompileOptions { gradients: true, ..CompileOptions::train(batch) };
    // Whole chunks of 16 in whole groups; an uneven number of chunks; a ragged chunk; one sample.
    assert_equal_steps(&train(64), 3);
    for batch in [48, 37, 1] {
        assert_equal_steps(&train(batch), 1);
    }
    assert_equal_steps(&CompileOptions { checked: true, ..train(37) }, 1);
    assert_equal_steps(&CompileOptions { isa: Isa::Portable, ..train(37) }, 1);
}

#[test]
fn inference_equals_the_loop_interpreter() {
    assert_equal_steps(&CompileOptions::infer(64), 1);
    assert_equal_steps(&CompileOptions { checked: true, ..CompileOptions::infer(37) }, 1);
    assert_equal_steps(&CompileOptions::infer(1), 2);
}

/// Runs both engines from the same random state for some steps; every word of memory must be the same after each.
fn assert_equal_steps(options: &CompileOptions, n_steps: u64) {
    let Compiled { lowered, mut executable, .. } = compile(&lenet5(), options).unwrap();
    let program = &lowered.program;
    let interp = LoopInterp::new(program).unwrap().in_random_order(n_steps);
    let mut memory = Memory::new(program);
    let set = |memory: &mut Memory, kind: BufferKind, seed: u64| {
        let tensors = bindings(&lowered.backward, seed);
        for buffer in program.buffers.iter().filter(|buffer| buffer.kind == kind) {
            memory.set(program, kind, &buffer.name, &tensors[&buffer.name]).unwrap();
        }
    };
    set(&mut memory, BufferKind::State, 1);
    for step in 0..n_steps {
        set(&mut memory, BufferKind::Input, step + 1);
        executable.arena_mut().copy_from_slice(memory.arena());
        memory.run(&interp).unwrap();
        executable.step().unwrap();
        let differs = |&word: &usize| executable.arena()[word] != memory.arena()[word];
        if let Some(word) = (0..program.arena_words).find(differs) {
            let holder =
                program.buffers.iter().find(|b| !b.is_of_member() && (b.offset..b.offset + b.len).contains(&word));
            let name = holder.map_or("no buffer", |buffer| buffer.name.as_str());
            let [jit, loops] = [executable.arena()[word], memory.arena()[word]].map(f32::from_bits);
            let (mode, batch) = (options.mode.name(), options.batch);
            panic!("{mode} {batch}, step {step}: word {word} ({name}): machine code {jit:e}, loops {loops:e}");
        }
        let loss = memory.get(program, BufferKind::Output, "loss").unwrap().data[0];
        assert!(loss.is_finite(), "step {step}: loss {loss}");
    }
}

/// The gradients that are zero in exact arithmetic and therefore rounding noise in `f32`.
const ZERO_GRADIENTS: [&str; 2] = ["conv1.bias", "conv2.bias"];

#[test]
fn machine_code_follows_the_reference() {
    let fixture = Fixture::read();
    let data = Samples::read("train");
    let mut session = Session::new(lenet5(), SessionOptions { gradients: true, ..SessionOptions::default() }).unwrap();
    set_initial_weights(&fixture, &mut session);
    let mut errors = Vec::new();
    for step in 0..20 {
        let images: Tensor<f32> = data.images(samples_of(step)).cast();
        let labels: Vec<i32> = data.labels(samples_of(step)).data.iter().map(|&label| label as i32).collect();
        session.set_input_f32(Mode::Train, BATCH, "image", &images.data).unwrap();
        session.set_input_i32(Mode::Train, BATCH, "label", &labels).unwrap();
        session.step(Mode::Train, BATCH).unwrap();
        let loss = f64::from(session.output(Mode::Train, BATCH, "loss").unwrap().data[0]);
        errors.push((loss - fixture.losses[step]).abs() / fixture.losses[step]);
        if step == 0 {
            check_first_step(&fixture, &session);
        }
    }
    let worst = |errors: &[f64]| errors.iter().fold(0.0, |worst: f64, &error| worst.max(error));
    let (first, all) = (worst(&errors[..5]), worst(&errors));
    eprintln!("losses of the first 5 steps: off by at most {first:.2e}; of all 20: {all:.2e}");
    assert!(first <= 1e-4, "losses of the first 5 steps: {errors:?}");
    assert!(all <= 2e-2, "losses: {errors:?}");
}

fn set_initial_weights(fixture: &Fixture, session: &mut Session) {
    let names: Vec<String> = session.parameters().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 34);
    for name in names {
        let initial: Tensor<f32> = fixture.tensors[&format!("init.{name}")].cast();
        session.set_parameter(&name, &initial).unwrap();
    }
}

/// Probabilities and gradients of step 0. How far off they are is printed, to be quoted.
fn check_first_step(fixture: &Fixture, session: &Session) {
    let output = |name: &str| -> Tensor<f64> { session.output(Mode::Train, BATCH, name).unwrap().cast() };
    let (error, _) = fixture.error(&output("probabilities"), "step0.probabilities");
    eprintln!("step-0 probabilities: off by at most {error:.2e}");
    assert!(error <= 1e-4, "step-0 probabilities are off by {error:e}");

    let graph = session.graph();
    let is_trainable = |op: &Op| matches!(op, Op::Parameter(parameter) if parameter.trainable);
    let trainable = graph.ids().into_iter().filter(|&id| is_trainable(graph.op(id)));
    let names: Vec<&str> = trainable.map(|id| graph.node(id).name.as_str()).collect();
    assert_eq!(names.len(), 22);
    let mut worst = (0.0, "none", 0.0, 0.0);
    for name in names {
        let (found, reference) = (output(&format!("grad.{name}")), format!("step0.grad.{name}"));
        if ZERO_GRADIENTS.contains(&name) {
            let error = found.data.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
            eprintln!("step-0 gradient of {name}: {error:.2e} instead of 0");
            assert!(error <= 1e-4, "the gradient of {name} is {error:e}, not zero");
            continue;
        }
        let share = fixture.check(&found, &reference, 2e-4, 2e-5);
        if share >= worst.0 {
            let (error, largest) = fixture.error(&found, &reference);
            worst = (share, name, error, largest);
        }
    }
    let (share, name, error, largest) = worst;
    let percent = 100.0 * share;
    eprintln!(
        "step-0 gradients: worst is {name}, off by {error:.2e} of {largest:.2e} ({percent:.0} % of the tolerance)"
    );
}
