//! Looking at programs and folders from outside.

use std::fs;
use std::io::Read;
use std::path::Path;

/// Reads one line and no more.
pub(crate) fn first_line(reader: &mut impl Read) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Nowhere below the folder.
#[track_caller]
pub(crate) fn assert_no_temporary_file(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        assert!(!name.as_encoded_bytes().starts_with(b".graphc-"), "{} is left", entry.path().display());
        if entry.file_type().unwrap().is_dir() {
            assert_no_temporary_file(&entry.path());
        }
    }
}
