//! What a step must be given before it is made: the inputs of its graph, and which integers they may hold.

use super::integers::Integers;
use crate::error::DriverError;
use graphc_ir::graph::{Graph, Mode, NodeId};
use graphc_ir::loops::BufferKind;
use graphc_ir::ops::Op;
use graphc_runtime::{Executable, RuntimeError};
use std::collections::{BTreeMap, BTreeSet};

/// The inputs of a graph.
pub(super) struct Signature {
    /// Those with a batch dimension.
    batched: BTreeSet<String>,
    /// Those of integers of which some are refused, with how many a sample has.
    integers: BTreeMap<String, (Integers, usize)>,
    /// The inputs that every output needs.
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// What is missing for a step of one mode and batch size.
pub(super) struct Pending {
    /// Inputs never set.
    unset: BTreeSet<String>,
    /// Integers written in place and not looked at yet.
    unseen: BTreeMap<String, bool>,
}

impl Pending {
    /// The input has been set.
    pub(super) fn set(&mut self, name: &str) {
        if !self.unset.is_empty() {
            self.unset.remove(name);
        }
        if let Some(unseen) = self.unseen.get_mut(name) {
            *unseen = false;
        }
    }

    /// The input is written in place.
    pub(super) fn set_unseen(&mut self, name: &str) {
        self.set(name);
        if let Some(unseen) = self.unseen.get_mut(name) {
            *unseen = true;
        }
    }
}

impl Signature {
    pub(super) fn of(graph: &Graph) -> Signature {
        let is_input = |id: &NodeId| matches!(graph.op(*id), Op::Input(_));
        let name = |id: NodeId| graph.node(id).name.clone();
        let batched = graph.ids().into_iter().filter(is_input).filter(|&id| graph.ty(id).shape.batch_axis().is_some());
        let outputs = graph.outputs.iter().map(|output| {
            let needed = ancestors(graph, output.node);
            (output.name.clone(), needed.into_iter().filter(is_input).map(name).collect())
        });
        Signature { batched: batched.map(name).collect(), integers: integers(graph), needs: outputs.collect() }
    }

    pub(super) fn is_batched(&self, name: &str) -> bool {
        self.batched.contains(name)
    }

    pub(super) fn must_be_batched(&self, name: &str) -> Result<(), DriverError> {
        if self.is_batched(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.batched.iter().map(String::as_str).collect();
        Err(DriverError::Options(format!("no input `{name}` with a batch dimension; there are: {}", known.join(", "))))
    }

    /// Of a new step with those inputs.
    pub(super) fn pending<'a>(&self, inputs: impl Iterator<Item = &'a str> + Clone) -> Pending {
        let integers = inputs.clone().filter(|&name| self.integers.contains_key(name));
        Pending {
            unset: inputs.map(str::to_owned).collect(),
            unseen: integers.map(|name| (name.to_owned(), false)).collect(),
        }
    }

    /// # Errors
    /// If one of the integers is none that the input may hold.
    pub(super) fn check_integers(&self, name: &str, values: &[i32]) -> Result<(), DriverError> {
        let Some(&(integers, sample_len)) = self.integers.get(name) else { return Ok(()) };
        match integers.first_outside(values.iter().copied()) {
            None => Ok(()),
            Some(at) => Err(DriverError::Input(integers.refusal(name, at / sample_len, i64::from(values[at])))),
        }
    }

    /// Whether all is there for a step.
    ///
    /// # Errors
    /// If an input is missing, in inference one that every output needs, or integers that were written in place are
    /// out of range.
    pub(super) fn check_step(
        &self,
        mode: Mode,
        batch: usize,
        pending: &mut Pending,
        executable: &mut Executable,
    ) -> Result<(), DriverError> {
        let missing = match mode {
            Mode::Train => pending.unset.first(),
            Mode::Infer => self.missing_everywhere(&pending.unset),
        };
        if let Some(name) = missing {
            let step = crate::memory::step_text(mode, batch);
            return Err(DriverError::Input(format!("the input `{name}` of {step} has not been set")));
        }
        for (name, unseen) in &mut pending.unseen {
            if *unseen {
                let (buffer, words) = executable.words_mut(BufferKind::Input, name)?;
                // Words of no element are zero, which is never refused.
                if self.integers[name].0.first_outside(words.iter().map(|word| word.cast_signed())).is_some() {
                    let values = buffer.layout.unpack(words);
                    let values: Vec<i32> = values.into_iter().map(u32::cast_signed).collect();
                    self.check_integers(name, &values)?;
                }
                *unseen = false;
            }
        }
        Ok(())
    }

    /// The inputs that an output is computed from.
    pub(super) fn needed(&self, output: &str) -> Option<&BTreeSet<String>> {
        self.needs.get(output)
    }

    /// An input that is not set and without which there is no output at all.
    fn missing_everywhere<'a>(&self, unset: &'a BTreeSet<String>) -> Option<&'a String> {
        let is_computed = |needed: &BTreeSet<String>| needed.is_disjoint(unset);
        if unset.is_empty() || self.needs.values().any(is_computed) {
            return None;
        }
        let needed_by = |name: &&String| self.needs.values().filter(|needed| needed.contains(*name)).count();
        // The first of those that most outputs need.
        unset.iter().rev().max_by_key(needed_by)
    }

    /// # Errors
    /// If the output needs an input that was never set.
    pub(super) fn check_output(&self, output: &str, pending: &Pending) -> Result<(), DriverError> {
        if pending.unset.is_empty() {
            return Ok(());
        }
        let missing = self.needs.get(output).and_then(|needed| needed.intersection(&pending.unset).next());
        match missing {
            None => Ok(()),
            Some(name) => {
                Err(DriverError::Input(format!("`{output}` needs the input `{name}`, which has not been set")))
            }
        }
    }
}

/// A node and all that it is computed from.
fn ancestors(graph: &Graph, node: NodeId) -> BTreeSet<NodeId> {
    let (mut found, mut next) = (BTreeSet::from([node]), vec![node]);
    while let Some(id) = next.pop() {
        next.extend(graph.operands(id).into_iter().filter(|&operand| found.insert(operand)));
    }
    found
}

/// The inputs of integers that are not any, with what they may be and how many a sample has.
fn integers(graph: &Graph) -> BTreeMap<String, (Integers, usize)> {
    let limited = |id: NodeId| {
        let sample_len = graph.ty(id).shape.fixed_len();
        Some((graph.node(id).name.clone(), (Integers::of(graph, id)?, sample_len)))
    };
    graph.ids().into_iter().filter_map(limited).collect()
}

/// Elements given to an input.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    F32(&'a [f32]),
    I32(&'a [i32]),
}

impl Value<'_> {
    pub(super) fn write(self, executable: &mut Executable, name: &str) -> Result<(), RuntimeError> {
        match self {
            Value::F32(values) => executable.set(BufferKind::Input, name, values),
            Value::I32(values) => executable.set_i32(BufferKind::Input, name, values),
        }
    }
}

/// Values of inputs without a batch dimension, for executables that are still to be made.
#[derive(Default)]
pub(super) struct Shared {
    values: BTreeMap<String, Owned>,
}

enum Owned {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

impl Shared {
    pub(super) fn keep(&mut self, name: &str, value: Value<'_>) {
        match (self.values.get_mut(name), value) {
            (Some(Owned::F32(kept)), Value::F32(values)) if kept.len() == values.len() => kept.copy_from_slice(values),
            (Some(Owned::I32(kept)), Value::I32(values)) if kept.len() == values.len() => kept.copy_from_slice(values),
            (_, Value::F32(values)) => _ = self.values.insert(name.to_owned(), Owned::F32(values.to_vec())),
            (_, Value::I32(values)) => _ = self.values.insert(name.to_owned(), Owned::I32(values.to_vec())),
        }
    }

    /// Sets the input of a new executable, if there is a value for it.
    pub(super) fn write(&self, executable: &mut Executable, name: &str) -> Result<bool, RuntimeError> {
        let Some(value) = self.values.get(name) else { return Ok(false) };
        match value {
            Owned::F32(values) => Value::F32(values).write(executable, name)?,
            Owned::I32(values) => Value::I32(values).write(executable, name)?,
        }
        Ok(true)
    }
}
