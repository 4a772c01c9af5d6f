//! What is said of names that cannot be names.

use crate::diagnostic::{Diagnostic, Span};
use crate::json::Spanned;
use crate::limits::MAX_NAME_CHARS;
use graphc_ir::text::shown;

/// Says that a name is none.
pub(crate) fn unfit_name(name: &Spanned<String>) -> Diagnostic {
    let label = match name.value.chars().nth(MAX_NAME_CHARS) {
        Some(_) => format!("expected at most {MAX_NAME_CHARS} characters"),
        None => "expected letters, digits and `_`, not starting with a digit".into(),
    };
    Diagnostic::new(format!("`{}` is not a name", shown(&name.value)), name.span.clone(), label)
}

/// Says that a name stood before, at `first`.
pub(crate) fn used_twice(name: &Spanned<String>, first: Span) -> Diagnostic {
    let message = format!("the name `{}` is used twice", shown(&name.value));
    Diagnostic::new(message, name.span.clone(), "expected another name").note(first, "first used here")
}
