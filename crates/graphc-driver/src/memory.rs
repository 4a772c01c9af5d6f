//! What a step needs compared with what the machine has, before anything is allocated.
//!
//! The one place that refuses a step for its memory: [`crate::compile`] asks here, and so do sessions and interpreters.
//! The sizes of a file's layers multiply to any amount; a system gives addresses for it and kills the process that
//! writes to them.

use graphc_ir::graph::{Graph, Mode, NodeId};
use graphc_ir::loops::Program;
use graphc_ir::ops::Op;
use graphc_ir::types::{Dim, WORD_BYTES};
use graphc_runtime::memory::{Available, MemoryLimit};
use std::fmt;

/// Elements of all tensors of a graph at most: beyond it no machine has the memory, and sums of sizes would overflow.
pub const MAX_ELEMENTS: u64 = 1 << 48;

/// Memory that can be had, and what of it is spoken for.
#[derive(Clone, Debug, Default)]
pub struct MemoryBudget {
    /// Nothing where the system does not say; then nothing is refused.
    available: Option<Available>,
    taken: u64,
}

/// Why there is not enough memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryError {
    /// What needs it.
    pub what: String,
    /// Bytes that it needs.
    pub needed: u64,
    /// Bytes that are spoken for.
    pub taken: u64,
    /// What there is.
    pub available: Available,
    /// The largest tensor, with its shape and bytes.
    pub largest: Option<(String, String, u64)>,
}

impl std::error::Error for MemoryError {}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemoryError { what, needed, taken, available, largest } = self;
        write!(f, "not enough memory: {what} needs {}", Bytes(*needed))?;
        // What is small beside it explains nothing.
        if *taken > needed / 100 {
            write!(f, " beside {} for the rest", Bytes(*taken))?;
        }
        write!(f, ", but {} {} left", available.limit, Bytes(available.bytes))?;
        match largest {
            Some((name, shape, bytes)) => {
                write!(f, "\n  the largest tensor is `{name}` of shape {shape}: {}", Bytes(*bytes))
            }
            None => Ok(()),
        }
    }
}

/// What the compiler takes beside everything that depends on the sizes of a graph.
const COMPILER_BYTES: u64 = 48 << 20;

/// What is kept besides where addresses are scarce: those reserved for machine code, and by the system's allocator for
/// threads that read data.
const RESERVED_ADDRESSES: u64 = 192 << 20;

impl MemoryBudget {
    /// What this process can have now, apart from what the compiler takes.
    pub fn of_machine() -> MemoryBudget {
        let available = Available::now().map(|Available { bytes, limit }| {
            let addresses = if limit == MemoryLimit::AddressSpace { RESERVED_ADDRESSES } else { 0 };
            Available { bytes: bytes.saturating_sub(COMPILER_BYTES + addresses), limit }
        });
        MemoryBudget { available, taken: 0 }
    }

    /// Speaks for so many bytes more.
    ///
    /// # Errors
    /// If that is more than there is; then nothing is taken.
    pub fn take(&mut self, what: &str, bytes: u64) -> Result<(), MemoryError> {
        self.take_for(bytes, || (what.to_owned(), None))
    }

    fn take_for(
        &mut self,
        needed: u64,
        describe: impl FnOnce() -> (String, Option<(String, String, u64)>),
    ) -> Result<(), MemoryError> {
        let total = self.taken.saturating_add(needed);
        match self.available {
            Some(available) if total > available.bytes => {
                let (what, largest) = describe();
                Err(MemoryError { what, needed, taken: self.taken, available, largest })
            }
            _ => {
                self.taken = total;
                Ok(())
            }
        }
    }

    /// Speaks for the arena of a program.
    ///
    /// # Errors
    /// As [`MemoryBudget::take`].
    pub fn take_program(&mut self, what: &str, program: &Program) -> Result<(), MemoryError> {
        self.take_for(words(program.arena_words as u64).saturating_add(words(program.member_words as u64)), || {
            let largest = program.buffers.iter().max_by_key(|buffer| buffer.len);
            let describe = |buffer: &graphc_ir::loops::Buffer| {
                (buffer.name.clone(), shape_text(&buffer.layout.shape), words(buffer.len as u64))
            };
            (what.to_owned(), largest.map(describe))
        })
    }

    /// What can be had; nothing where the system does not say.
    pub fn available(&self) -> Option<Available> {
        self.available
    }

    /// Whether there is room for what every step of a graph keeps: parameters and inputs. The rest is known only when
    /// it is compiled, which this is to be asked before.
    ///
    /// # Errors
    /// If there is not.
    pub fn check_graph(&self, what: &str, graph: &Graph) -> Result<(), MemoryError> {
        let kept = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_) | Op::Input(_)));
        let sizes: Vec<(NodeId, u64)> = kept.map(|id| (id, words(n_elements(graph, id)))).collect();
        let needed = sizes.iter().fold(0, |sum: u64, &(_, bytes)| sum.saturating_add(bytes));
        self.clone().take_for(needed, || {
            let largest = sizes.iter().max_by_key(|(_, bytes)| *bytes);
            let describe = |&(id, bytes): &(NodeId, u64)| {
                (graph.node(id).name.clone(), shape_text(&graph.ty(id).shape.sizes(graph.batch.or(Some(1)))), bytes)
            };
            (format!("{what} (its parameters and inputs alone)"), largest.map(describe))
        })
    }
}

/// `the train step of 64 samples`.
pub(crate) fn step_text(mode: Mode, batch: usize) -> String {
    format!("the {} step of {batch} sample{}", mode.name(), if batch == 1 { "" } else { "s" })
}

/// Bytes of a graph's parameters.
pub fn parameter_bytes(graph: &Graph) -> u64 {
    let parameters = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_)));
    parameters.fold(0, |sum: u64, id| sum.saturating_add(words(n_elements(graph, id))))
}

/// Bytes of all that training steps of a graph change: parameters, what the optimizer keeps, averages, sums of
/// gradients.
pub fn state_bytes(graph: &Graph) -> u64 {
    let of_optimizer = graph.optimizer.as_ref().map_or(0, |optimizer| optimizer.states().len() as u64);
    let others = u64::from(graph.averaging.is_some()) + u64::from(graph.accumulation.is_some());
    parameter_bytes(graph).saturating_mul(1 + of_optimizer + others)
}

/// Refuses graphs whose sizes multiply and add up to more than any machine has, with the reason.
pub(crate) fn check_sizes(graph: &Graph) -> Result<(), String> {
    let mut sum: u64 = 0;
    for id in graph.ids() {
        sum = sum.saturating_add(n_elements(graph, id));
        if sum > MAX_ELEMENTS {
            let (node, ty) = (graph.node(id), graph.ty(id));
            let name = if node.name.is_empty() { id.to_string() } else { node.name.clone() };
            return Err(format!(
                "the tensors of the graph have more than {MAX_ELEMENTS} elements; the one of `{name}` is {ty}"
            ));
        }
    }
    Ok(())
}

/// Saturates.
fn n_elements(graph: &Graph, id: NodeId) -> u64 {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size as u64,
        Dim::Batch => graph.batch.unwrap_or(1) as u64,
    };
    graph.ty(id).shape.0.iter().map(size).fold(1, u64::saturating_mul)
}

fn words(n: u64) -> u64 {
    n.saturating_mul(WORD_BYTES as u64)
}

fn shape_text(sizes: &[usize]) -> String {
    if sizes.is_empty() {
        return "1".to_owned();
    }
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// A number of bytes as people write it: `840.1 GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} bytes", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kB", self.0 as f64 / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", self.0 as f64 / 1e6),
            _ => write!(f, "{:.1} GB", self.0 as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: u64) -> MemoryBudget {
        MemoryBudget { available: Some(Available { bytes, limit: MemoryLimit::ControlGroup }), taken: 0 }
    }

    #[test]
    fn what_is_taken_counts() {
        let mut budget = budget(5_000_000_000);
        budget.take("the data", 4_000_000_000).unwrap();
        budget.take("a", 1_000_000_000).unwrap();
        let error = budget.take("a step of 64 samples", 1_500).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not enough memory: a step of 64 samples needs 1.5 kB beside 5.0 GB for the rest, but the control group has 5.0 GB left"
        );
        assert!(budget.take("all", u64::MAX).is_err(), "sums saturate");
        MemoryBudget::default().take("unknown machines refuse nothing", u64::MAX).unwrap();
    }

    #[test]
    fn a_graph_is_refused_by_what_it_keeps() {
        let text = "graph g() {
  %0: f32[N,784] = input() {dtype=f32, shape=[N,784]} \"image\"
  %1: f32[784,1000000] = parameter() {shape=[784,1000000], initializer=\"glorot_uniform\", trainable=true} \"w\"
  %2: f32[N,1000000] = matmul(%0, %1) {transpose_a=false, transpose_b=false}
  output y = %2
}";
        let mut graph: Graph = text.parse().unwrap();
        graph.batch = Some(1000);
        assert_eq!(
            budget(1_000_000_000).check_graph("the train step of 1000 samples", &graph).unwrap_err().to_string(),
            "not enough memory: the train step of 1000 samples (its parameters and inputs alone) needs 3.1 GB, \
             but the control group has 1.0 GB left\n  the largest tensor is `w` of shape 784x1000000: 3.1 GB"
        );
        budget(4_000_000_000).check_graph("the train step of 1000 samples", &graph).unwrap();
        check_sizes(&graph).unwrap();
        graph.batch = Some(1 << 30);
        assert_eq!(
            check_sizes(&graph).unwrap_err(),
            "the tensors of the graph have more than 281474976710656 elements; the one of `%2` is f32[N,1000000]"
        );
    }
}
