//! What the inputs of a network take.

use graphc_driver::session::Integers;
use graphc_ir::DType;

/// What the network takes under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Name of the input.
    pub name: String,
    /// `F32`: bytes are scaled, but not those of the target. `I32`: bytes are class numbers or counts, taken as they
    /// are.
    pub dtype: DType,
    /// Sizes of one sample, without the batch dimension.
    pub sample_shape: Vec<usize>,
    /// Whether the loss compares the prediction with it, or weighs samples by it; its values in a file are never
    /// scaled.
    pub is_target: bool,
    /// What integers it may hold, if not any.
    pub integers: Option<Integers>,
}

/// `28x28x1`, or `a scalar`.
pub(crate) fn shape_text(sizes: &[usize]) -> String {
    if sizes.is_empty() {
        return "a scalar".into();
    }
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
