//! Long files, long lines, and how much is documentation.

use super::figures::{Figures, Finding, MOST_COLUMNS, MOST_FILE_LINES};
use super::source::Source;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Adds what is too long in a file.
pub(super) fn check(file: &Source, figures: &mut Figures) {
    let finding = |amount| Finding { place: file.path.clone(), amount };
    if file.n_lines() > MOST_FILE_LINES {
        figures.long_files.push(finding(file.n_lines()));
    }
    let strings = lines_of_strings(&file.text);
    let is_wide = |&(number, line): &(usize, &str)| {
        let is_string = strings.contains(&(number + 1)) && !line.trim_start().starts_with("//");
        line.chars().count() > MOST_COLUMNS && !is_string
    };
    let n_wide = file.text.lines().enumerate().filter(is_wide).count();
    if n_wide > 0 {
        figures.wide_files.push(finding(n_wide));
    }
}

/// Characters that may follow a string: a parenthesis, a comma.
const BEHIND_STRINGS: usize = 2;

/// Lines in which a string reaches to the last column: what it says may have to stand in one piece.
fn lines_of_strings(text: &str) -> BTreeSet<usize> {
    let tokens: TokenStream = text.parse().expect("the file has been parsed before");
    let mut found = BTreeSet::new();
    let mut open: Vec<TokenTree> = tokens.into_iter().collect();
    while let Some(token) = open.pop() {
        match token {
            TokenTree::Group(group) => open.extend(group.stream()),
            TokenTree::Literal(literal) if literal.to_string().ends_with(['"', '#']) => {
                let (start, end) = (literal.span().start(), literal.span().end());
                // Of a string of several lines all but the last reach to the end of the line.
                let last = if end.column + BEHIND_STRINGS >= MOST_COLUMNS { end.line + 1 } else { end.line };
                found.extend(start.line..last);
            }
            TokenTree::Literal(_) | TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

/// Of all lines that are not blank those that are comments.
pub(super) fn documentation_percent(files: &[&Source]) -> Option<f64> {
    let lines = || files.iter().flat_map(|file| file.text.lines()).map(str::trim).filter(|line| !line.is_empty());
    let n_comments = lines().filter(|line| line.starts_with("//")).count();
    (!files.is_empty()).then(|| 100.0 * n_comments as f64 / lines().count() as f64)
}
