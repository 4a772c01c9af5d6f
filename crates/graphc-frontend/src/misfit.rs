//! What is said where shapes do not fit.

use crate::diagnostic::{Diagnostic, Span};
use graphc_ir::NodeId;
use graphc_ir::graph::builder::{BuildError, GraphBuilder};
use graphc_ir::text::shown;

/// The shapes that meet, and where the nodes stand that they come from.
pub(crate) fn does_not_fit(
    error: &BuildError,
    span: Span,
    operands: &[(Span, NodeId)],
    builder: &GraphBuilder,
) -> Diagnostic {
    let label = match operands.len() {
        0 => "this does not fit".to_string(),
        1 => "does not fit its input".to_string(),
        _ => "does not fit its inputs".to_string(),
    };
    let mut diagnostic = Diagnostic::new(error.to_string(), span, label);
    let mut noted: Vec<NodeId> = Vec::new();
    for (span, node) in operands {
        if !noted.contains(node) {
            noted.push(*node);
            let name = &builder.graph().node(*node).name;
            diagnostic = diagnostic.note(span.clone(), format!("`{}` is {}", shown(name), builder.ty(*node)));
        }
    }
    diagnostic
}
