//! The page: its head, and its parts in order.

use super::html::{section, text};
use super::run::Run;
use super::{classes, curves, receipt, settings, summary, worst};
use graphc_train::plots::STYLE;

const PAGE_STYLE: &str = include_str!("page.css");

/// The page of runs, of which there is at least one.
pub(crate) fn page(runs: &[Run]) -> String {
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let title = match names.as_slice() {
        [name] => (*name).to_string(),
        _ => format!("{} runs: {}", runs.len(), names.join(", ")),
    };
    let mut body = summary::header(runs);
    body += &section("Summary", &summary::table_of(runs));
    body += &section("Curves", &curves::charts(runs));
    for run in runs {
        // With several runs, headings say whose they are.
        let of = if runs.len() > 1 { format!(" of {}", run.name) } else { String::new() };
        body += &section(&format!("Classes{of}"), &classes::matrix_and_table(run));
        body += &section(&format!("{}{of}", worst::heading(run)), &worst::samples(run));
    }
    body += &section("Settings", &settings::tables(runs));
    for run in runs {
        let of = if runs.len() > 1 { format!(" of {}", run.name) } else { String::new() };
        body += &section(&format!("Receipt{of}"), &receipt::table_of(run));
    }
    format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>\n\
         <title>{} · graphc report</title>\n<style>{PAGE_STYLE}{STYLE}</style>\n</head>\n<body>\n{body}\
         <footer>Made by <code>graphc report</code> {}.</footer>\n</body>\n</html>\n",
        text(&title),
        text(env!("CARGO_PKG_VERSION")),
    )
}
