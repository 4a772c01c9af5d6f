//! Pieces of HTML.

use graphc_train::plots::N_COLORS;

/// Text from anywhere, for a page.
pub(super) use graphc_train::plots::escaped as text;

/// A cell of a table.
pub(super) struct Cell {
    html: String,
    class: &'static str,
}

impl Cell {
    /// Text that stands on the left.
    pub(super) fn text(content: &str) -> Cell {
        Cell { html: text(content), class: "" }
    }

    /// A number, or what stands in place of one.
    pub(super) fn number(content: &str) -> Cell {
        Cell { html: text(content), class: "n" }
    }

    /// A number, or else text.
    pub(super) fn of(content: &str) -> Cell {
        if content.parse::<f64>().is_ok() { Cell::number(content) } else { Cell::text(content) }
    }

    /// Whether it stands on the right.
    pub(super) fn is_number(&self) -> bool {
        self.class == "n"
    }

    /// The same, the best of its column.
    pub(super) fn best(content: &str) -> Cell {
        Cell { html: format!("<b>{}</b>", text(content)), class: "n" }
    }

    /// A word of a file or of the command line.
    pub(super) fn code(content: &str) -> Cell {
        Cell { html: format!("<code>{}</code>", text(content)), class: "" }
    }

    /// A name, which may be long, as HTML.
    pub(super) fn name(html: String) -> Cell {
        Cell { html, class: "name" }
    }
}

/// The head of a table.
pub(super) struct Head<'a> {
    /// Names above several columns each, with how many; nothing is above those whose name is empty.
    pub(super) groups: Vec<(&'a str, usize)>,
    /// The columns, and whether they are of numbers.
    pub(super) columns: Vec<(&'a str, bool)>,
}

impl<'a> Head<'a> {
    /// Columns of text, then columns of numbers.
    pub(super) fn new(texts: &[&'a str], numbers: &[&'a str]) -> Head<'a> {
        let of = |names: &[&'a str], is_number| names.iter().map(|name| (*name, is_number)).collect::<Vec<_>>();
        Head { groups: Vec::new(), columns: [of(texts, false), of(numbers, true)].concat() }
    }

    fn html(&self) -> String {
        let group = |(name, span): &(&str, usize)| match *name {
            "" => format!("<td colspan=\"{span}\"></td>"),
            name => format!("<th scope=\"colgroup\" colspan=\"{span}\"><span>{}</span></th>", text(name)),
        };
        let column = |(name, is_number): &(&str, bool)| {
            let class = if *is_number { " class=\"n\"" } else { "" };
            format!("<th scope=\"col\"{class}>{}</th>", text(name))
        };
        let groups: String = self.groups.iter().map(group).collect();
        let groups = if groups.is_empty() { groups } else { format!("<tr class=\"groups\">{groups}</tr>\n") };
        format!("{groups}<tr>{}</tr>", self.columns.iter().map(column).collect::<String>())
    }
}

/// A table that scrolls by itself where it is too wide.
pub(super) fn table(head: &Head<'_>, rows: Vec<Vec<Cell>>) -> String {
    let head = head.html();
    let cell = |Cell { html, class }: Cell| match class {
        "" => format!("<td>{html}</td>"),
        class => format!("<td class=\"{class}\">{html}</td>"),
    };
    let row = |row: Vec<Cell>| format!("<tr>{}</tr>\n", row.into_iter().map(cell).collect::<String>());
    let rows: String = rows.into_iter().map(row).collect();
    format!("<div class=\"wide\"><table><thead>{head}</thead>\n<tbody>\n{rows}</tbody></table></div>\n")
}

/// A part of the page under a heading; nothing without content.
pub(super) fn section(heading: &str, content: &str) -> String {
    match content {
        "" => String::new(),
        _ => format!("<section>\n<h2>{}</h2>\n{content}</section>\n", text(heading)),
    }
}

/// What is only seen when it is asked for.
pub(super) fn folded(summary: &str, content: &str) -> String {
    format!("<details><summary>{}</summary>\n{content}</details>\n", text(summary))
}

pub(super) fn note(content: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", text(content))
}

/// The colour of a run.
pub(super) fn swatch(run: usize) -> String {
    format!(
        "<svg class=\"picture key\" width=\"14\" height=\"8\" viewBox=\"0 0 14 8\" aria-hidden=\"true\">\
         <line class=\"s{}\" x1=\"1\" y1=\"4\" x2=\"13\" y2=\"4\" stroke-width=\"3\" stroke-linecap=\"round\"/></svg>",
        run % N_COLORS
    )
}
