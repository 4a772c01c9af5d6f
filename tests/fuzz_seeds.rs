//! The functions that the fuzzers call, on the files that they begin with, and on inputs that once failed.

#[path = "../fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "they are public in the fuzzers' own library")]
mod targets;

use std::path::PathBuf;

/// Calls `target` with every file of the folders, whole and cut short.
#[track_caller]
fn check(target: fn(&[u8]), folders: &[&str]) {
    for folder in folders {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.is_file());
        assert!(!files.is_empty());
        for bytes in files.iter().map(|path| std::fs::read(path).unwrap()) {
            target(&bytes);
            (0..8).for_each(|eighth| target(&bytes[..bytes.len() * eighth / 8]));
        }
    }
}

#[test]
fn graph_file() {
    check(targets::graph_file, &["fuzz/seeds/graph_file", "examples", "tests/cases/networks"]);
}

#[test]
fn gir() {
    check(targets::gir, &["fuzz/seeds/gir", "tests/cases/ops", "tests/cases/found"]);
}

#[test]
fn idx() {
    check(targets::idx, &["fuzz/seeds/idx"]);
}

#[test]
fn npy() {
    check(targets::npy, &["fuzz/seeds/npy"]);
}

#[test]
fn npz() {
    check(targets::npz, &["fuzz/seeds/npz"]);
}

#[test]
fn safetensors() {
    check(targets::safetensors, &["fuzz/seeds/safetensors"]);
}

#[test]
fn tuning() {
    check(targets::tuning, &["fuzz/seeds/tuning"]);
}

#[test]
fn picture() {
    check(targets::picture, &["fuzz/seeds/picture"]);
}
