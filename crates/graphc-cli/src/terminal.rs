//! How wide what we write on is, and whether it has colours.

use comfy_table::Table;
use std::io::IsTerminal;

/// Whether messages have colours.
pub(crate) fn stderr_has_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Columns of the terminal, or `COLUMNS` if that is set; nothing if output goes elsewhere.
pub(crate) fn width_of_stdout() -> Option<u16> {
    let wanted = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    wanted.filter(|&width| width > 0).or_else(|| Table::new().width())
}

/// The same of stderr, for messages.
pub(crate) fn width_of_stderr() -> Option<u16> {
    let mut table = Table::new();
    table.use_stderr();
    table.width()
}

/// Columns for tables that are wrapped: [`width_of_stdout`], else as many as fit on most screens.
pub(crate) fn width_for_wrapping() -> u16 {
    const ELSEWHERE: u16 = 120;
    width_of_stdout().unwrap_or(ELSEWHERE)
}
