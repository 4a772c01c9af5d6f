//! The figures of the house, and what of today's sources is still allowed to break them.
//!
//! The lists can only shrink: an entry that is no longer needed fails the test, too. `cargo xtask tidy` prints all
//! figures.

use xtask::house::{Circle, Figures, Finding, figures};

/// Functions of more than 60 lines, from `fn` to the closing brace.
const LONG_FUNCTIONS: &[&str] = &[];

/// Functions of more than five parameters, the receiver not counted.
const WIDE_FUNCTIONS: &[&str] = &[];

/// Files with lines of more than 120 columns that no string is the reason for.
const WIDE_FILES: &[&str] = &[];

/// Files of one crate that import each other, each set sorted, without `crates/` and `src/`.
const CIRCLES: &[&[&str]] = &[];

/// Of the lines in `src` that are not blank, comments, in percent at least.
const LEAST_COMMENTS: f64 = 12.0;

/// Crates with fewer, and how many they have at least.
const FEWER_COMMENTS: &[(&str, f64)] =
    &[("crates/graphc-cli", 10.0), ("crates/graphc-frontend", 9.5), ("crates/graphc-testing", 10.5)];

fn all() -> Vec<Figures> {
    figures(super::root())
}

/// What was found must be what is allowed.
#[track_caller]
fn assert_allowed(found: &[String], allowed: &[&str], rule: &str) {
    let is_new = |place: &&String| !allowed.contains(&place.as_str());
    let mut findings: Vec<String> = found.iter().filter(is_new).map(|place| format!("{place}: new")).collect();
    let is_mended = |place: &&&str| !found.iter().any(|found| found == **place);
    findings.extend(allowed.iter().filter(is_mended).map(|place| format!("{place}: mended, leave it out of the list")));
    super::assert_none(&findings, rule);
}

fn places(findings: impl Iterator<Item = Finding>) -> Vec<String> {
    findings.map(|finding| finding.place).collect()
}

#[test]
fn files_stay_readable() {
    let found = places(all().into_iter().flat_map(|figures| figures.long_files));
    assert_allowed(&found, &[], "look again at files of more than 600 lines:");
}

#[test]
fn functions_fit_a_screen() {
    let found = places(all().into_iter().flat_map(|figures| figures.long_functions));
    assert_allowed(&found, LONG_FUNCTIONS, "functions of more than 60 lines:");
}

#[test]
fn functions_take_few_things() {
    let found = places(all().into_iter().flat_map(|figures| figures.wide_functions));
    assert_allowed(
        &found,
        WIDE_FUNCTIONS,
        "functions of more than 5 parameters; like ones become a struct with names:",
    );
}

#[test]
fn lines_are_short() {
    let found = places(all().into_iter().flat_map(|figures| figures.wide_files));
    assert_allowed(&found, WIDE_FILES, "files with lines of more than 120 columns:");
}

#[test]
fn imports_go_one_way() {
    let short = |path: &String| path.trim_start_matches("crates/").replacen("src/", "", 1);
    let name = |circle: &Circle| circle.files.iter().map(short).collect::<Vec<_>>().join(" ");
    let found: Vec<String> = all().iter().flat_map(|figures| &figures.circles).map(name).collect();
    let allowed: Vec<String> = CIRCLES.iter().map(|files| files.join(" ")).collect();
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    assert_allowed(&found, &allowed, "files that import each other (`cargo xtask tidy` says who imports whom):");
}

#[test]
fn sources_say_why() {
    let mut findings = Vec::new();
    for figures in all() {
        let Some(percent) = figures.documentation_percent else { continue };
        let fewer = FEWER_COMMENTS.iter().find(|(folder, _)| *folder == figures.folder).map(|(_, least)| *least);
        if percent < fewer.unwrap_or(LEAST_COMMENTS) {
            findings.push(format!("{}: {percent:.1}%", figures.folder));
        }
        if fewer.is_some() && percent >= LEAST_COMMENTS {
            findings.push(format!("{}: {percent:.1}%, leave it out of the list", figures.folder));
        }
    }
    super::assert_none(&findings, "comments are too small a share of the lines:");
}
