//! The rules of buffers.

use super::finding::Finding;
use crate::loops::kernel::*;
use std::collections::HashSet;

/// Reports what is wrong with buffers themselves.
pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    let mut report = |number: usize, buffer: &Buffer, message: String| {
        let line = format!("buffer b{number}: {buffer}");
        findings.push(Finding { kernel: String::new(), nest: String::new(), line, message });
    };
    let mut names = HashSet::new();
    for (number, buffer) in program.buffers.iter().enumerate() {
        let is_named = !matches!(buffer.kind, BufferKind::Temp | BufferKind::Constant);
        if is_named && !names.insert((buffer.kind, buffer.name.as_str())) {
            report(number, buffer, format!("another {} has that name", buffer.kind.name()));
        }
        if !buffer.offset.is_multiple_of(16) {
            report(number, buffer, "does not start at a multiple of 16".to_owned());
        }
        let words = program.words_around(buffer);
        if buffer.offset.checked_add(buffer.len).is_none_or(|end| end > words) {
            let around = if buffer.is_of_member() { "a member's memory" } else { "the arena" };
            report(number, buffer, format!("ends outside {around} of {words} words"));
        }
        if tensor_words(buffer).is_none_or(|words| words > buffer.len) {
            report(number, buffer, "is shorter than its tensor".to_owned());
        }
        match &buffer.words {
            None if buffer.kind == BufferKind::Constant => {
                report(number, buffer, "a constant without words".to_owned())
            }
            Some(_) if buffer.kind != BufferKind::Constant => {
                report(number, buffer, "has words and is no constant".to_owned());
            }
            Some(words) if words.len() != buffer.len => {
                report(number, buffer, format!("{} words are given for {}", words.len(), buffer.len));
            }
            _ => {}
        }
    }
    for (number, buffer) in program.buffers.iter().enumerate() {
        for (earlier, other) in program.buffers[..number].iter().enumerate() {
            let temporary = |buffer: &Buffer| matches!(buffer.kind, BufferKind::Temp | BufferKind::Member);
            if !(temporary(buffer) && temporary(other)) && buffer.shares_words(other) {
                report(number, buffer, format!("shares words with b{earlier}, and they are not both temporary"));
            }
        }
    }
}

/// Words up to the last element, if the layout is one and they can be counted.
fn tensor_words(buffer: &Buffer) -> Option<usize> {
    let layout = &buffer.layout;
    if layout.strides.len() != layout.shape.len() || layout.batch_axis.is_some_and(|axis| axis >= layout.shape.len()) {
        return None;
    }
    let mut last = 0usize;
    for (axis, (&size, &stride)) in layout.shape.iter().zip(&layout.strides).enumerate() {
        if layout.batch_axis != Some(axis) {
            last = last.checked_add(size.saturating_sub(1).checked_mul(stride)?)?;
        }
    }
    if layout.shape.contains(&0) {
        return Some(0);
    }
    let end = match layout.batch_axis {
        None => last.checked_add(1)?,
        Some(_) => {
            let whole = layout.n_chunks().checked_sub(1)?.checked_mul(layout.chunk_stride)?;
            whole.checked_add(last)?.checked_add(crate::scalar::CHUNK)?
        }
    };
    Some(end.max(layout.chunk_stride.checked_mul(layout.n_chunks())?))
}
