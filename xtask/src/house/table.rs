//! The figures for readers.

use super::figures::{Figures, Finding};
use std::fmt::Write;

/// One of the lists of findings.
type List = fn(&Figures) -> &Vec<Finding>;

/// The figures as a table, and below it everything that is too large.
pub fn table(figures: &[Figures]) -> String {
    let heads = ["", "lines", "comments", "long files", "long functions", "wide functions", "wide lines", "circles"];
    let mut text = line(heads.map(str::to_owned));
    figures.iter().for_each(|figures| text += &line(columns(figures)));
    let lists: [(&str, List); 4] = [
        ("files of more than 600 lines", |figures| &figures.long_files),
        ("functions of more than 60 lines", |figures| &figures.long_functions),
        ("functions of more than 5 parameters", |figures| &figures.wide_functions),
        ("files with lines of more than 120 columns", |figures| &figures.wide_files),
    ];
    for (title, list) in lists {
        _ = writeln!(text, "\n{title}:");
        figures.iter().flat_map(list).for_each(|finding| _ = writeln!(text, "  {finding}"));
    }
    _ = writeln!(text, "\nfiles that import each other:");
    for circle in figures.iter().flat_map(|figures| &figures.circles) {
        _ = writeln!(text, "  {}", circle.files.join(" "));
        circle.imports.iter().for_each(|(from, to)| _ = writeln!(text, "    {from} imports {to}"));
    }
    text
}

fn columns(figures: &Figures) -> [String; 8] {
    let n_wide: usize = figures.wide_files.iter().map(|finding| finding.amount).sum();
    [
        figures.folder.clone(),
        figures.n_lines.to_string(),
        figures.documentation_percent.map_or(String::new(), |share| format!("{share:.1}%")),
        figures.long_files.len().to_string(),
        figures.long_functions.len().to_string(),
        figures.wide_functions.len().to_string(),
        n_wide.to_string(),
        figures.circles.len().to_string(),
    ]
}

fn line([folder, rest @ ..]: [String; 8]) -> String {
    let columns: String = rest.iter().map(|column| format!("{column:>16}")).collect();
    format!("{folder:<22}{columns}\n")
}
