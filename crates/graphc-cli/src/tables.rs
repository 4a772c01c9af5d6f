//! Tables for people.

use crate::words::grouped;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use graphc_frontend::{SummaryRow, Totals};
use graphc_train::history::{Description, STATISTICS};

/// Lines above, below the header and at the end.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('═').junction('═'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A table whose first `n_text` columns are text and whose others are numbers.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>, n_text: usize, rows: Vec<Vec<String>>) -> String {
    text(&plain(header, n_text, rows))
}

/// A table as [`table`], no wider than `width` if wrapping the texts of some columns can do that.
pub(crate) fn wrapped<'a>(
    header: impl IntoIterator<Item = &'a str>,
    n_text: usize,
    rows: Vec<Vec<String>>,
    wrapped: &[usize],
    width: u16,
) -> String {
    let mut table = plain(header, n_text, rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (_, column) in table.column_iter_mut().enumerate().filter(|(number, _)| !wrapped.contains(number)) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    text(&table)
}

/// A table as [`table`], no wider than `width` if leaving out columns can do that: of the `optional` ones, the first
/// first. Texts of the first column are wrapped if they are long, or if it cannot. Below stand the names of what was
/// left out. Empty columns are left out anyway.
pub(crate) fn fitting(
    header: &[&str],
    n_text: usize,
    rows: &[Vec<String>],
    optional: &[&str],
    width: Option<u16>,
) -> String {
    let is_empty = |column: usize| rows.iter().all(|row| row[column].is_empty());
    let of = |left_out: &[&str], width: Option<u16>| {
        let shown = (0..header.len()).filter(|&column| !is_empty(column) && !left_out.contains(&header[column]));
        let shown: Vec<usize> = shown.collect();
        let rows = rows.iter().map(|row| shown.iter().map(|&column| row[column].clone()).collect()).collect();
        let n_text = shown.iter().filter(|&&column| column < n_text).count();
        let header = shown.iter().map(|&column| header[column]);
        match width {
            Some(width) => wrapped(header, n_text, rows, &[0], width),
            None => table(header, n_text, rows),
        }
    };
    let Some(width) = width else { return of(&[], None) };
    let n_chars = |text: &str| text.chars().count();
    let longest = rows.iter().map(|row| n_chars(&row[0])).max().unwrap_or(0);
    let least = |table: &str| {
        let width = table.lines().map(n_chars).max().unwrap_or(0);
        (width, width - longest.saturating_sub(NARROWEST))
    };
    let tables = (0..=optional.len()).map(|n| (n, of(&optional[..n], None)));
    let mut fitting = tables.filter(|(n, table)| *n == optional.len() || least(table).1 <= width.into());
    let (n, table) = fitting.next().expect("the last one is taken in any case");
    let left_out: Vec<&str> = optional[..n].to_vec();
    let table = if least(&table).0 <= width.into() { table } else { of(&left_out, Some(width)) };
    let columns = header.iter().enumerate();
    let names = columns.filter(|(column, name)| left_out.contains(name) && !is_empty(*column)).map(|(_, name)| *name);
    let names: Vec<&str> = names.collect();
    if names.is_empty() { table } else { format!("{table}\nNo room for: {}", names.join(", ")) }
}

/// Characters that a text which is wrapped has in a line at least, if that spares other columns.
const NARROWEST: usize = 20;

fn plain<'a>(header: impl IntoIterator<Item = &'a str>, n_text: usize, rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(n_text) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn text(table: &Table) -> String {
    // The style pads with blanks at the ends of lines.
    table.lines().map(|line| line.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// Layers, shapes and parameters, as Keras shows them; so many weights are kept from being trained.
pub(crate) fn summary(name: &str, rows: &[SummaryRow], totals: Totals, n_frozen: usize) -> String {
    let row = |row: &SummaryRow| {
        let shape = row.shape.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let frozen = if row.is_frozen { ", frozen" } else { "" };
        vec![format!("{} ({}{frozen})", row.layer, row.op), format!("({shape})"), grouped(row.parameters)]
    };
    let frozen = match n_frozen {
        0 => String::new(),
        n => format!(" ({} frozen)", grouped(n)),
    };
    format!(
        "Network {name}\n{}\nTotal parameters: {}\nTrainable: {}\nNot trainable: {}{frozen}",
        table(["Layer (op)", "Output shape", "Parameters"], 2, rows.iter().map(row).collect()),
        grouped(totals.trainable + totals.fixed),
        grouped(totals.trainable),
        grouped(totals.fixed)
    )
}

/// Statistics of the history, as pandas shows them.
pub(crate) fn describe(descriptions: &[Description]) -> String {
    let header = std::iter::once("").chain(descriptions.iter().map(|description| description.column));
    let row = |(idx, statistic): (usize, &&str)| {
        let cells = descriptions.iter().map(|description| format!("{:.6}", description.values[idx]));
        std::iter::once((*statistic).to_string()).chain(cells).collect()
    };
    table(header, 1, STATISTICS.iter().enumerate().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::Shape;

    #[test]
    fn columns_are_left_out_for_want_of_room() {
        let rows = [vec!["runs/one-two".to_string(), "finished".into(), String::new(), "0.125".into()]];
        let of = |width| fitting(&["run", "status", "best", "lr"], 2, &rows, &["lr", "status", "best"], width);
        let whole = "\
─────────────────────────────────────
 run            status        lr
═════════════════════════════════════
 runs/one-two   finished   0.125
─────────────────────────────────────";
        let lines = |text: &str| text.lines().skip(1).step_by(2).map(String::from).collect::<Vec<_>>();
        assert_eq!(lines(&of(None)), lines(whole));
        assert_eq!(of(Some(34)), of(None));
        let narrow = of(Some(26));
        assert!(narrow.ends_with("\nNo room for: lr") && narrow.contains("finished"), "{narrow}");
        let narrower = of(Some(10));
        assert!(narrower.ends_with("\nNo room for: status, lr") && !narrower.contains("runs/one-two"), "{narrower}");
        // A long name is rather wrapped.
        let rows = [vec!["x".repeat(60), "finished".into(), String::new(), "0.125".into()]];
        let long = fitting(&["run", "status", "best", "lr"], 2, &rows, &["lr", "status"], Some(50));
        assert!(!long.contains("No room") && long.lines().all(|line| line.chars().count() <= 50), "{long}");
    }

    #[test]
    fn summary_table() {
        let rows = [
            SummaryRow {
                layer: "image".into(),
                op: "input".into(),
                shape: Shape::batched(&[28, 28, 1]),
                parameters: 0,
                is_frozen: false,
            },
            SummaryRow {
                layer: "d".into(),
                op: "dense".into(),
                shape: Shape::batched(&[10]),
                parameters: 7850,
                is_frozen: false,
            },
            SummaryRow {
                layer: "bn".into(),
                op: "batch_norm".into(),
                shape: Shape::batched(&[10]),
                parameters: 40,
                is_frozen: true,
            },
        ];
        assert_eq!(
            summary("net", &rows, Totals { trainable: 7850, fixed: 40 }, 20),
            "\
Network net
───────────────────────────────────────────────────────
 Layer (op)                Output shape     Parameters
═══════════════════════════════════════════════════════
 image (input)             (N, 28, 28, 1)            0
 d (dense)                 (N, 10)               7,850
 bn (batch_norm, frozen)   (N, 10)                  40
───────────────────────────────────────────────────────
Total parameters: 7,890
Trainable: 7,850
Not trainable: 40 (20 frozen)"
        );
    }
}
