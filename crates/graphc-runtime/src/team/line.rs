//! Words of different threads in different cache lines.

/// Keeps what different threads write in different cache lines; processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Line<T>(pub(super) T);
