//! One function for each kind of file. It gets any bytes; it must come to an end, in time and memory that go with their
//! number, and must not panic.
//!
//! `tests/fuzz_seeds.rs` calls them too, so that they do not rot between two runs of the fuzzers.

#[path = "../../crates/graphc-cli/src/tuning_file.rs"]
mod tuning_file;

use graphc_driver::TuningKey;
use graphc_ir::graph::Mode;
use graphc_train::picture::{PictureOptions, PictureShape, decode};
use graphc_train::{ArrayFormat, read_array_bytes, weights};
use std::path::Path;

/// Where the bytes would stand; it is in every message.
fn path() -> &'static Path {
    Path::new("file")
}

/// A message is for people: whatever the file is, it is short, and a terminal prints it as it is.
#[track_caller]
fn is_readable(message: &str) {
    assert!(message.len() < 48 << 10, "a message of {} bytes", message.len());
    let is_strange = |c: char| c.is_control() && c != '\n';
    assert!(!message.contains(is_strange), "control characters in {message:?}");
}

/// Data in IDX files, plain or gzip.
pub fn idx(bytes: &[u8]) {
    array(bytes, None, ArrayFormat::Idx);
}

/// Arrays of NumPy.
pub fn npy(bytes: &[u8]) {
    array(bytes, None, ArrayFormat::Npy);
}

/// Arrays of NumPy by name: there is one called `x`, or only one.
pub fn npz(bytes: &[u8]) {
    array(bytes, None, ArrayFormat::Npz);
    array(bytes, Some("x"), ArrayFormat::Npz);
}

/// A limit gives the same samples, and an array is what its shape says.
fn array(bytes: &[u8], key: Option<&str>, format: ArrayFormat) {
    let some = read_array_bytes(path(), bytes, key, format, Some(2));
    match read_array_bytes(path(), bytes, key, format, None) {
        Ok(all) => {
            let sample_len: usize = all.sample_shape.iter().product();
            assert_eq!(all.values.len(), all.n_in_file * sample_len);
            let some = some.expect("a part of a good file is good");
            assert_eq!((some.n_in_file, &some.sample_shape), (all.n_in_file, &all.sample_shape));
            // Compared as text, for a NaN is not itself.
            let [text, of_all] = [some, all].map(|array| format!("{:?}", array.values));
            assert!(of_all.starts_with(text.trim_end_matches("])")), "{text} of {of_all}");
        }
        Err(error) => is_readable(&error.to_string()),
    }
}

/// Tensors in safetensors files, as weights and as data.
pub fn safetensors(bytes: &[u8]) {
    array(bytes, None, ArrayFormat::Safetensors);
    array(bytes, Some("x"), ArrayFormat::Safetensors);
    match weights::read_tensor_bytes(path(), bytes) {
        Ok(tensors) => {
            for (name, tensor) in &tensors {
                assert_eq!(*name, tensor.name);
                assert_eq!(tensor.data.to_f64().len(), tensor.shape.iter().product::<usize>());
            }
            if let Err(error) = weights::check_weights(path(), &tensors, &[]) {
                is_readable(&error.to_string());
            }
        }
        Err(error) => is_readable(&error.to_string()),
    }
}

/// Pictures for `graphc predict`: grey or coloured, they have the size that was asked for.
pub fn picture(bytes: &[u8]) {
    for (channels, invert, edge) in [(1, false, None), (3, true, Some(0))] {
        let shape = PictureShape { height: 5, width: 7, channels };
        match decode(bytes, shape, PictureOptions { invert, edge }) {
            Ok(picture) => {
                assert_eq!(picture.pixels.len(), 5 * 7 * channels);
                picture.warnings.iter().for_each(|warning| is_readable(warning));
            }
            Err(message) => is_readable(&message),
        }
    }
}

/// A file of choices that `graphc tune` left in the cache: what is read is what is written.
pub fn tuning(bytes: &[u8]) {
    let key = tuning_key();
    if let Ok(choices) = tuning_file::parse(bytes, &key) {
        let text = tuning_file::print(&key, &choices, [1.0, 0.5]);
        assert_eq!(tuning_file::parse(text.as_bytes(), &key).as_ref(), Ok(&choices));
        assert!(bytes.len() as u64 <= tuning_file::MOST_BYTES);
    }
}

/// The key of the files in `seeds/tuning`.
fn tuning_key() -> TuningKey {
    TuningKey {
        graph: "net".into(),
        mode: Mode::Train,
        batch: 64,
        target: "x86-64".into(),
        version: "1.2.3".into(),
        revision: 4,
        graph_hash: "00ff".into(),
    }
}

/// Graph files: what is wrong is told in a bounded number of words; a network that is accepted passes the verifier.
pub fn graph_file(bytes: &[u8]) {
    match graphc_frontend::parse_bytes(bytes, path()) {
        Ok(experiment) => {
            let findings = graphc_ir::graph::verify::verify(&experiment.graph);
            assert!(findings.is_empty(), "{}", findings[0]);
            let printed = experiment.graph.to_string();
            assert_eq!(graphc_ir::graph::parse::parse(&printed).map(|graph| graph.to_string()), Ok(printed));
        }
        Err(diagnostics) => is_readable(&diagnostics.render(false)),
    }
}

/// Graphs and loop programs as text: what is read is printed and read again, and verifiers look at it.
pub fn gir(bytes: &[u8]) {
    match graphc_ir::graph::parse::parse_bytes(bytes) {
        Ok(graph) => {
            let printed = graph.to_string();
            assert_eq!(graphc_ir::graph::parse::parse(&printed).map(|graph| graph.to_string()), Ok(printed));
            drop(graphc_ir::graph::verify::verify(&graph));
        }
        Err(error) => is_readable(&error.to_string()),
    }
    match graphc_ir::loops::parse::parse_bytes(bytes) {
        Ok(program) => {
            let printed = program.to_string();
            assert_eq!(graphc_ir::loops::parse::parse(&printed).map(|program| program.to_string()), Ok(printed));
            drop(graphc_ir::loops::verify::verify(&program));
        }
        Err(error) => is_readable(&error.to_string()),
    }
}
