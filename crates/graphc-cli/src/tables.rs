//! Tables for people.

use crate::output::grouped;
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

/// A table as [`table`], no wider than `width` if wrapping the texts of one column can do that.
pub(crate) fn wrapped<'a>(
    header: impl IntoIterator<Item = &'a str>,
    n_text: usize,
    rows: Vec<Vec<String>>,
    wrapped: usize,
    width: u16,
) -> String {
    let mut table = plain(header, n_text, rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (_, column) in table.column_iter_mut().enumerate().filter(|(number, _)| *number != wrapped) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    text(&table)
}

/// Columns for tables that are wrapped: `COLUMNS` if that is set, else those of the terminal, else as many as fit
/// on most screens.
pub(crate) fn width() -> u16 {
    const ELSEWHERE: u16 = 120;
    let wanted = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    wanted.filter(|&width| width > 0).or_else(|| Table::new().width()).unwrap_or(ELSEWHERE)
}

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

/// Layers, shapes and parameters, as Keras shows them.
pub(crate) fn summary(name: &str, rows: &[SummaryRow], totals: Totals) -> String {
    let row = |row: &SummaryRow| {
        let shape = row.shape.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        vec![format!("{} ({})", row.layer, row.op), format!("({shape})"), grouped(row.parameters)]
    };
    format!(
        "Network {name}\n{}\nTotal parameters: {}\nTrainable: {}\nNot trainable: {}",
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
    fn summary_table() {
        let rows = [
            SummaryRow {
                layer: "image".into(),
                op: "input".into(),
                shape: Shape::batched(&[28, 28, 1]),
                parameters: 0,
            },
            SummaryRow { layer: "d".into(), op: "dense".into(), shape: Shape::batched(&[10]), parameters: 7850 },
        ];
        assert_eq!(
            summary("net", &rows, Totals { trainable: 7850, fixed: 12 }),
            "\
Network net
─────────────────────────────────────────────
 Layer (op)      Output shape     Parameters
═════════════════════════════════════════════
 image (input)   (N, 28, 28, 1)            0
 d (dense)       (N, 10)               7,850
─────────────────────────────────────────────
Total parameters: 7,862
Trainable: 7,850
Not trainable: 12"
        );
    }
}
