//! Figures of the house: how long files, functions and lines are, how much of the sources is documentation, and which
//! files import each other in a circle.
//!
//! They come from syntax trees, so what stands in a string or a macro's rules is no function. `tests/tidy/house.rs` has
//! what is allowed.
//!
//! Reading order: `figures` (what is counted), `source` (files and their trees), `functions`, `lines`, `modules` (which
//! file a path leads to), `gradient` (what an op names for its gradient alone), `circles`, `table`.

mod circles;
mod figures;
mod functions;
mod gradient;
mod lines;
mod modules;
mod source;
mod table;

pub use figures::{Circle, Figures, Finding};
pub use table::table;

use source::{Source, sources};
use std::path::Path;

/// The figures of every crate under `crates`, of `xtask`, and of the folders of tests that belong to the workspace, in
/// this order.
///
/// # Panics
/// If a file cannot be read or is not Rust.
pub fn figures(root: &Path) -> Vec<Figures> {
    let crates = std::fs::read_dir(root.join("crates")).expect("the folder of the crates can be read");
    let mut folders: Vec<String> = crates
        .map(|entry| format!("crates/{}", entry.expect("an entry of a folder").file_name().to_string_lossy()))
        .collect();
    folders.sort();
    folders.extend(["xtask", "tests", "benches", "examples", "fuzz/src", "fuzz/fuzz_targets"].map(str::to_owned));
    folders.into_iter().filter(|folder| root.join(folder).is_dir()).map(|folder| of_folder(root, folder)).collect()
}

fn of_folder(root: &Path, folder: String) -> Figures {
    let files = sources(root, &folder);
    let mut figures = Figures { n_lines: files.iter().map(Source::n_lines).sum(), ..Figures::default() };
    for file in &files {
        lines::check(file, &mut figures);
        functions::check(file, &mut figures);
    }
    let in_src: Vec<&Source> = files.iter().filter(|file| file.path.starts_with(&format!("{folder}/src/"))).collect();
    figures.documentation_percent = lines::documentation_percent(&in_src);
    figures.circles = circles::find(&in_src);
    Figures { folder, ..figures }
}
