//! Results do not depend on the number of threads: LeNet-5 trained on teams of different sizes, bit for bit.

use crate::reference::{Samples, lenet5};
use graphc_codegen::{CodegenError, Isa};
use graphc_driver::{DriverError, Session, SessionOptions};
use graphc_ir::Tensor;
use graphc_ir::graph::Mode;
use std::fmt::Debug;

/// Trains for some steps; a hash of every parameter and everything the optimizer keeps, and the sum of losses. None
/// if this machine has no such instructions.
fn train(data: &Samples, options: SessionOptions, batch: usize, n_steps: usize) -> Option<(u64, f32)> {
    let mut session = Session::new(lenet5(), options).unwrap();
    match session.compile(Mode::Train, batch) {
        Err(DriverError::Codegen(CodegenError::Target(_))) => return None,
        compiled => assert!(compiled.is_ok()),
    }
    let mut loss = 0.0;
    for step in 0..n_steps {
        let samples = step * batch..(step + 1) * batch;
        let images: Tensor<f32> = data.images(samples.clone()).cast();
        let labels: Vec<i32> = data.labels(samples).data.iter().map(|&label| label as i32).collect();
        session.set_input_f32(Mode::Train, batch, "image", &images.data).unwrap();
        session.set_input_i32(Mode::Train, batch, "label", &labels).unwrap();
        session.step(Mode::Train, batch).unwrap();
        loss += session.output(Mode::Train, batch, "loss").unwrap().data[0];
    }
    let state = [session.parameters().unwrap(), session.optimizer_state().unwrap()].concat();
    assert_eq!(state.len(), 34 + 2 * 22 + 2, "parameters, two moments of the trainable ones, and two decay products");
    let words = state.iter().flat_map(|(_, tensor)| &tensor.data).map(|value| u64::from(value.to_bits()));
    Some((words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3)), loss))
}

/// Asserts that all runs that this machine can do end in one state.
fn assert_same<K: Copy + Debug>(runs: impl IntoIterator<Item = K>, run: impl Fn(K) -> Option<(u64, f32)>) -> f32 {
    let mut first: Option<(K, (u64, f32))> = None;
    for key in runs {
        let Some(result) = run(key) else { continue };
        let (other, expected) = *first.get_or_insert((key, result));
        assert_eq!(result, expected, "{key:?} ends in another state than {other:?}");
    }
    first.expect("one of them runs everywhere").1.1
}

#[test]
fn weights_after_200_steps_have_one_hash() {
    let data = Samples::read("train");
    let isas = [Isa::Native, Isa::Avx2, Isa::Portable];
    let runs = isas.into_iter().flat_map(|isa| [1, 2, 3, 7, 8, 16].map(|threads| (isa, threads)));
    let loss = assert_same(runs, |(isa, threads)| {
        train(&data, SessionOptions { isa, threads, ..SessionOptions::default() }, 64, 200)
    });
    // Guessing among ten classes would lose 2.3 a step.
    assert!(loss < 200.0 * 1.2, "it learns: {loss}");
}

/// Fewer chunks of 16 than threads, a ragged chunk, one chunk, a single sample.
#[test]
fn ragged_batches_too() {
    let data = Samples::read("train");
    for batch in [100, 37, 16, 1] {
        assert_same([1, 2, 3, 7], |threads| {
            train(&data, SessionOptions { threads, ..SessionOptions::default() }, batch, 20)
        });
    }
}

#[test]
fn checked_code_too() {
    let data = Samples::read("train");
    assert_same([(false, 1), (true, 1), (true, 3)], |(checked, threads)| {
        train(&data, SessionOptions { checked, threads, ..SessionOptions::default() }, 37, 5)
    });
}

#[test]
fn too_many_threads_are_refused() {
    let error = Session::new(lenet5(), SessionOptions { threads: 100_000, ..SessionOptions::default() }).err().unwrap();
    assert_eq!(error.to_string(), "a team has at most 1024 threads, got 100000");
}
