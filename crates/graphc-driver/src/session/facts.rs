//! What there is to say of a step that stops being finite.

use super::index::index_text;
use graphc_ir::graph::Origin;
use std::fmt;

/// What [`Session::explain`](crate::Session::explain) found.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The first node, operands before readers, whose value is not finite though its operands are.
    pub first: Option<NodeFacts>,
    /// The first node with a NaN, if `first` has none.
    pub first_nan: Option<NodeFacts>,
    /// If all values are finite in the interpreter: the node with the largest one.
    pub largest: Option<NodeFacts>,
    /// If all values are finite in the interpreter: the first node with a subnormal number, which counts as zero in
    /// machine code.
    pub subnormal: Option<NodeFacts>,
}

/// A node and one of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFacts {
    /// The operation.
    pub op: &'static str,
    /// The node's name; many that the compiler has added have none.
    pub name: String,
    /// Layer, line in the graph file, and what the node is there for.
    pub origin: Origin,
    /// Number of elements.
    pub len: usize,
    /// How many of them are NaN or infinite.
    pub n_nonfinite: usize,
    /// Index of the element that is meant.
    pub index: Vec<usize>,
    /// Its value in single precision.
    pub value: f32,
    /// Its place in the batch, if elements belong to samples and those of other samples are finite.
    pub sample: Option<usize>,
    /// Its value in double precision, of the first node that is not finite.
    pub in_f64: Option<f64>,
    /// What the node reads.
    pub operands: Vec<OperandFacts>,
    /// The parameter whose next value the node is computed for, or that with the largest value of all that the node
    /// depends on.
    pub parameter: Option<ParameterFacts>,
}

/// Values that a node reads.
#[derive(Clone, Debug, PartialEq)]
pub struct OperandFacts {
    /// Name of the operand, or its operation and origin.
    pub name: String,
    /// The element that goes into the one that is meant, where it is one.
    pub at: Option<f32>,
    /// The smallest element.
    pub smallest: f32,
    /// The largest element.
    pub largest: f32,
}

/// A parameter that has to do with a node.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterFacts {
    /// Its name.
    pub name: String,
    /// The largest absolute value in it.
    pub largest: f32,
    /// Whether the node is a part of its update; otherwise it reads it, directly or not.
    pub is_updated: bool,
}

/// A number in a few characters.
fn short(value: impl Into<f64>) -> String {
    let value: f64 = value.into();
    match value.abs() {
        size if size == 0.0 || !size.is_finite() => format!("{value}"),
        1e-3..1e5 => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        _ => {
            let text = format!("{value:.2e}");
            let (digits, exponent) = text.split_once('e').expect("that is how they are written");
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// `matmul "scores.matmul" (scores, line 6)`.
impl fmt::Display for NodeFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op)?;
        if !self.name.is_empty() {
            write!(f, " `{}`", self.name)?;
        }
        write!(f, " ({})", self.origin)
    }
}

impl NodeFacts {
    /// What is known of the element, a fact a line.
    fn lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeFacts { len, n_nonfinite, value, .. } = self;
        match len {
            1 => write!(f, "\n  its value is {value}")?,
            _ => write!(f, "\n  {value} at {} (not finite: {n_nonfinite} of {len})", index_text(&self.index))?,
        }
        match self.in_f64 {
            Some(exact) if exact.is_finite() => {
                write!(f, "\n  in double precision {}; single precision ends at 3.4e38", short(exact))?;
            }
            Some(exact) if !self.operands.is_empty() => write!(f, "\n  in double precision {exact}, too")?,
            _ => {}
        }
        for OperandFacts { name, at, smallest, largest } in &self.operands {
            let (smallest, largest) = (short(*smallest), short(*largest));
            match at {
                _ if smallest == largest => write!(f, "\n  reads {name}: {smallest}")?,
                Some(at) => write!(f, "\n  reads {name}: {} there, from {smallest} to {largest}", short(*at))?,
                None => write!(f, "\n  reads {name}: from {smallest} to {largest}")?,
            }
        }
        match &self.parameter {
            Some(ParameterFacts { name, is_updated: true, .. }) => write!(f, "\n  goes into the next `{name}`"),
            Some(ParameterFacts { name, largest, .. }) => {
                write!(f, "\n  largest parameter behind it: `{name}`, up to {}", short(*largest))
            }
            None => Ok(()),
        }
    }
}

/// Some lines for people: the node, and a fact a line.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = &self.first else {
            write!(f, "all values are finite in the graph interpreter, which sums in another order")?;
            if let Some(largest) = &self.largest {
                write!(f, "\n  largest value: {}, in {largest}", short(largest.value))?;
            }
            if let Some(subnormal) = &self.subnormal {
                write!(f, "\n  numbers below 1.2e-38 count as zero: first in {subnormal}")?;
            }
            return Ok(());
        };
        write!(f, "first node: {first}")?;
        first.lines(f)?;
        match &self.first_nan {
            Some(nan) => write!(f, "\nfirst NaN: {nan}"),
            None => Ok(()),
        }
    }
}
