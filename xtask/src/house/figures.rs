//! What is counted, and from where on it is too much.

use std::fmt;

/// Lines of a file at most.
pub(super) const MOST_FILE_LINES: usize = 600;

/// Lines of a function at most, from `fn` to its closing brace.
pub(super) const MOST_FUNCTION_LINES: usize = 60;

/// Parameters of a function at most, the receiver not counted.
pub(super) const MOST_PARAMETERS: usize = 5;

/// Columns of a line at most.
pub(super) const MOST_COLUMNS: usize = 120;

/// Something that is larger than it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path of the file from the root, for functions with the function: `crates/a/src/b.rs: Type::function`.
    pub place: String,
    /// How large it is: lines, parameters, or how many lines are too long.
    pub amount: usize,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.amount)
    }
}

/// The figures of one crate, or of one folder of tests.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Its folder from the root.
    pub folder: String,
    /// Lines of all its files.
    pub n_lines: usize,
    /// Of the lines in `src` that are not blank, those that are comments, in percent; none without such lines.
    pub documentation_percent: Option<f64>,
    /// Files of more than 600 lines.
    pub long_files: Vec<Finding>,
    /// Functions of more than 60 lines, from `fn` to the closing brace.
    pub long_functions: Vec<Finding>,
    /// Functions of more than 5 parameters.
    pub wide_functions: Vec<Finding>,
    /// Files with lines of more than 120 columns.
    pub wide_files: Vec<Finding>,
    /// Files that import each other.
    pub circles: Vec<Circle>,
}

/// Files that import each other, directly or through others.
#[derive(Clone, Debug)]
pub struct Circle {
    /// Their paths from the root, sorted.
    pub files: Vec<String>,
    /// Who imports whom.
    pub imports: Vec<(String, String)>,
}
