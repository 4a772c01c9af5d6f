//! [`Part`]: what a graph file has at its top.

/// An input, a node or a use of a block, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The user's name.
    pub name: String,
    /// The block that it is a use of, with the number of copies: `3 x residual`.
    pub block: Option<String>,
    /// The node that is its result, or its first one.
    pub result: Option<String>,
}
