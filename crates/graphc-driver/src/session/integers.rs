//! What the integers of an input may be: a loss, or a table of rows, gives NaN for any but those below a number.

use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::Op;
use graphc_ir::types::DType;

/// The integers that an input may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers {
    /// How many there are, from 0 on.
    pub n: usize,
    /// One that is none of them and yet allowed, as padding: the loss ignores it.
    pub ignored: Option<i32>,
    /// What they number.
    pub of: Numbered,
}

/// What integers number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// Classes: a loss compares a prediction with them.
    Classes,
    /// Rows of a table, which is looked up.
    Rows,
}

impl Integers {
    /// So many classes.
    pub fn classes(n: usize) -> Integers {
        Integers { n, ignored: None, of: Numbered::Classes }
    }

    /// Those of an input; `None` if it is none of integers, or any will do.
    pub fn of(graph: &Graph, input: NodeId) -> Option<Integers> {
        let is_input = matches!(graph.op(input), Op::Input(_)) && graph.ty(input).dtype == DType::I32;
        // Of several readers the one that takes the fewest counts.
        let n = graph.integers_below(input).filter(|_| is_input)?;
        let is_looked_up = graph.users(input).into_iter().any(|user| matches!(graph.op(user), Op::Gather(_)));
        let ignored = graph.integer_of_none(input);
        Some(Integers { n, ignored, of: if is_looked_up { Numbered::Rows } else { Numbered::Classes } })
    }

    /// The number of classes, if they are classes.
    pub fn n_classes(self) -> Option<usize> {
        (self.of == Numbered::Classes).then_some(self.n)
    }

    /// Whether a number is none of them.
    pub fn refuses(self, number: i32) -> bool {
        !usize::try_from(number).is_ok_and(|number| number < self.n) && self.ignored != Some(number)
    }

    /// Position of the first number that is none of them.
    pub fn first_outside(self, numbers: impl IntoIterator<Item = i32>) -> Option<usize> {
        numbers.into_iter().position(|number| self.refuses(number))
    }

    /// Says that a number is none of them: what is computed from it would be NaN.
    pub fn refusal(self, name: &str, sample: usize, number: i64) -> String {
        let Integers { n, of, .. } = self;
        let last = n.saturating_sub(1);
        match of {
            Numbered::Classes => {
                format!(
                    "label out of range: sample {sample} has label {number}, but `{name}` has {n} classes (0 to {last})"
                )
            }
            Numbered::Rows => {
                let table = format!("`{name}` is looked up in a table of {n} rows (0 to {last})");
                format!("number out of range: sample {sample} has {number}, but {table}")
            }
        }
    }
}
