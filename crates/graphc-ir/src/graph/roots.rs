//! [`Roots`]: what of a graph is visible outside, by the nodes it names.

use super::node_id::NodeId;
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use std::ops::Deref;

/// A named result of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Name under which it can be read.
    pub name: String,
    /// The node.
    pub node: NodeId,
}

/// After the step, `parameter` takes the value of `value`. All updates happen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// A `parameter` node.
    pub parameter: NodeId,
    /// Its next value, of the same type.
    pub value: NodeId,
}

/// Makes a value of the graph visible outside.
pub trait Root {
    /// The node whose value that is.
    fn value(&self) -> NodeId;

    /// Lets it be the value of another node.
    fn set_value(&mut self, value: NodeId);

    /// Another node that it names, if it does.
    fn target(&self) -> Option<NodeId>;
}

impl Root for Output {
    fn value(&self) -> NodeId {
        self.node
    }

    fn set_value(&mut self, value: NodeId) {
        self.node = value;
    }

    fn target(&self) -> Option<NodeId> {
        None
    }
}

impl Root for Update {
    fn value(&self) -> NodeId {
        self.value
    }

    fn set_value(&mut self, value: NodeId) {
        self.value = value;
    }

    fn target(&self) -> Option<NodeId> {
        Some(self.parameter)
    }
}

/// Outputs or updates in order. Those that name a node are found without a look at the others: rewriting a large
/// graph asks that for every node.
#[derive(Clone, Debug)]
pub struct Roots<T> {
    list: Vec<T>,
    /// Positions of the roots that name each node.
    of: HashMap<NodeId, Vec<usize>, FxBuildHasher>,
}

impl<T: Root> Roots<T> {
    /// Adds one at the end.
    pub fn push(&mut self, root: T) {
        let position = self.list.len();
        self.note(root.value(), position);
        if let Some(target) = root.target() {
            self.note(target, position);
        }
        self.list.push(root);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        (self.list, self.of) = Default::default();
    }

    /// Keeps those for which `is_kept` holds.
    pub fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        self.list.retain(is_kept);
        *self = std::mem::take(&mut self.list).into_iter().collect();
    }

    /// In order.
    pub fn as_slice(&self) -> &[T] {
        &self.list
    }

    /// Whether one names the node.
    pub fn name(&self, node: NodeId) -> bool {
        self.of.contains_key(&node)
    }

    /// Those that make the node's value visible, in no particular order.
    pub fn of_value(&self, value: NodeId) -> impl Iterator<Item = &T> {
        let positions = self.of.get(&value).into_iter().flatten();
        positions.map(|&position| &self.list[position]).filter(move |root| root.value() == value)
    }

    /// Those that name the node otherwise.
    pub fn of_target(&self, target: NodeId) -> impl Iterator<Item = &T> {
        let positions = self.of.get(&target).into_iter().flatten();
        positions.map(|&position| &self.list[position]).filter(move |root| root.target() == Some(target))
    }

    /// Lets the root at a position be the value of another node.
    pub fn set_value(&mut self, position: usize, value: NodeId) {
        let root = &mut self.list[position];
        let old = root.value();
        if old == value {
            return;
        }
        root.set_value(value);
        if root.target() != Some(old) {
            let positions = self.of.get_mut(&old).expect("a root is found by what it names");
            positions.retain(|&other| other != position);
            if positions.is_empty() {
                self.of.remove(&old);
            }
        }
        self.note(value, position);
    }

    /// Lets all that are the value of `old` be that of `new`.
    pub(super) fn replace(&mut self, old: NodeId, new: NodeId) {
        for position in self.of.get(&old).cloned().unwrap_or_default() {
            if self.list[position].value() == old {
                self.set_value(position, new);
            }
        }
    }

    fn note(&mut self, node: NodeId, position: usize) {
        let positions = self.of.entry(node).or_default();
        if !positions.contains(&position) {
            positions.push(position);
        }
    }
}

impl<T> Default for Roots<T> {
    fn default() -> Roots<T> {
        Roots { list: Vec::new(), of: HashMap::default() }
    }
}

impl<T> Deref for Roots<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.list
    }
}

impl<T: Root> FromIterator<T> for Roots<T> {
    fn from_iter<I: IntoIterator<Item = T>>(roots: I) -> Roots<T> {
        let mut all = Roots::default();
        roots.into_iter().for_each(|root| all.push(root));
        all
    }
}

impl<'a, T> IntoIterator for &'a Roots<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<T: PartialEq> PartialEq for Roots<T> {
    fn eq(&self, other: &Roots<T>) -> bool {
        self.list == other.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update([parameter, value]: [u32; 2]) -> Update {
        Update { parameter: NodeId(parameter), value: NodeId(value) }
    }

    #[test]
    fn roots_are_found_by_what_they_name() {
        let mut updates: Roots<Update> = [[0, 5], [1, 5], [2, 2], [3, 0]].map(update).into_iter().collect();
        let of_value = |updates: &Roots<Update>, id| updates.of_value(NodeId(id)).copied().collect::<Vec<_>>();
        assert_eq!(of_value(&updates, 5), [update([0, 5]), update([1, 5])]);
        updates.replace(NodeId(5), NodeId(2));
        updates.replace(NodeId(0), NodeId(7));
        assert_eq!(updates.as_slice(), [[0, 2], [1, 2], [2, 2], [3, 7]].map(update));
        assert!(!updates.name(NodeId(5)) && updates.name(NodeId(0)), "0 is still updated");
        updates.replace(NodeId(2), NodeId(5));
        assert_eq!(of_value(&updates, 2), []);
        assert_eq!(updates.of_target(NodeId(2)).copied().collect::<Vec<_>>(), [update([2, 5])]);
        updates.retain(|update| update.parameter != NodeId(0));
        assert_eq!(of_value(&updates, 5), [[1, 5], [2, 5]].map(update));
        assert!(!updates.name(NodeId(0)));
    }
}
