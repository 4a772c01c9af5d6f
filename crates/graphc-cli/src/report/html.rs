//! Pieces of HTML.

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

    /// The same, the best of its column.
    pub(super) fn best(content: &str) -> Cell {
        Cell { html: format!("<b>{}</b>", text(content)), class: "n" }
    }

    /// A word of a file or of the command line.
    pub(super) fn code(content: &str) -> Cell {
        Cell { html: format!("<code>{}</code>", text(content)), class: "" }
    }

    /// What is HTML already.
    pub(super) fn html(html: String) -> Cell {
        Cell { html, class: "" }
    }
}

/// Cells of the head of a table, each with how many columns it is above and whether those are of numbers.
pub(super) struct Head<'a>(pub(super) Vec<(&'a str, usize, bool)>);

impl Head<'_> {
    fn html(&self) -> String {
        let cell = |(name, span, is_number): &(&str, usize, bool)| {
            let class = if *is_number { " class=\"n\"" } else { "" };
            let span = if *span > 1 { format!(" colspan=\"{span}\"") } else { String::new() };
            format!("<th scope=\"col\"{class}{span}>{}</th>", text(name))
        };
        format!("<tr>{}</tr>", self.0.iter().map(cell).collect::<String>())
    }
}

/// A table that scrolls by itself where it is too wide.
pub(super) fn table(heads: &[Head<'_>], rows: Vec<Vec<Cell>>) -> String {
    let heads: String = heads.iter().map(Head::html).collect();
    let cell = |Cell { html, class }: Cell| match class {
        "" => format!("<td>{html}</td>"),
        class => format!("<td class=\"{class}\">{html}</td>"),
    };
    let row = |row: Vec<Cell>| format!("<tr>{}</tr>\n", row.into_iter().map(cell).collect::<String>());
    let rows: String = rows.into_iter().map(row).collect();
    format!("<div class=\"wide\"><table><thead>{heads}</thead>\n<tbody>\n{rows}</tbody></table></div>\n")
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
