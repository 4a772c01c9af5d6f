//! The Rust files of a folder with their syntax trees.

use std::fs;
use std::path::Path;

/// One file.
pub(super) struct Source {
    /// Its path from the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) tree: syn::File,
}

impl Source {
    pub(super) fn n_lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// Whether an item is there for tests alone: `#[cfg(test)]`.
pub(super) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// All Rust files under a folder, in order of their paths.
pub(super) fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| source(root, path)).collect()
}

fn source(root: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(root).expect("a file under the root").to_string_lossy().replace('\\', "/");
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{relative}: {error}"));
    let tree = syn::parse_file(&text).unwrap_or_else(|error| panic!("{relative}: {error}"));
    Source { path: relative, text, tree }
}
