//! Other sizes than those of the file.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::json::{JsonValue, Member, parse};
use crate::read::list;
use crate::source_text::Span;
use graphc_ir::text::shown;
use std::path::Path;

/// The text of a graph file with these sizes.
pub(crate) fn replaced(text: &str, path: &Path, sizes: &[(String, usize)]) -> Result<String, Diagnostics> {
    let mut text = text.to_string();
    let mut diagnostics = Diagnostics::new(path, &text);
    let json = parse(&text, &mut diagnostics);
    let Some(json) = json.filter(|_| diagnostics.is_empty()) else { return Err(diagnostics) };
    let known: &[Member] = match json.member("sizes").map(|sizes| &sizes.value) {
        Some(JsonValue::Object(members)) => members,
        _ => &[],
    };
    let mut changes: Vec<(Span, usize)> = Vec::new();
    for (name, size) in sizes {
        match known.iter().find(|member| member.key.value == *name) {
            // The last one counts.
            Some(Member { value, .. }) => {
                changes.retain(|(span, _)| *span != value.span);
                changes.push((value.span.clone(), *size));
            }
            None => {
                let known = match known {
                    [] => "no `sizes`".to_string(),
                    known => format!("the sizes {}", list(known.iter().map(|member| member.key.value.as_str()))),
                };
                let message = format!("{} has no size `{}`: it has {known}", path.display(), shown(name));
                diagnostics.push(Diagnostic::of_file(message));
            }
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    // From the end on, so that places stay what they are.
    changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    changes.into_iter().for_each(|(span, size)| text.replace_range(span, &size.to_string()));
    Ok(text)
}
