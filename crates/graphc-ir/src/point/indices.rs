//! Index variables of a dag ([`crate::compute::IndexVar`]), and the two kinds of results that have an order of their
//! own.

use super::{ExprId, PointDag, PointExpr};
use crate::compute::{IndexSource, Scan};
use crate::form::PointForm;
use crate::graph::NodeId;
use crate::index::{Affine, Var};

impl PointDag<'_> {
    /// The term of a scatter, and the coordinate that it belongs to, for reduction variables given by `vars` behind
    /// the axes.
    ///
    /// # Panics
    /// If `node` is none.
    pub fn scattered(&mut self, node: NodeId, vars: &[Affine]) -> (ExprId, Affine) {
        let forms = self.forms;
        let form = forms[&node].as_point().unwrap_or_else(|| panic!("{node} has no term"));
        let scatter = form.scatter().unwrap_or_else(|| panic!("{node} is no scatter"));
        let mut vars = vars.to_vec();
        self.bind_indices(form, &mut vars);
        let at = vars[form.indices[scatter.index].0.0 as usize].clone();
        (self.scalar(&form.body, &form.operands, &vars, None), at)
    }

    /// The next value of a scan at an index; the value so far is [`PointDag::so_far`].
    pub(super) fn scanned(&mut self, node: NodeId, index: &[Affine]) -> ExprId {
        let forms = self.forms;
        let form = forms[&node].as_point().unwrap_or_else(|| panic!("{node} has no term"));
        let mut vars = index.to_vec();
        self.bind_indices(form, &mut vars);
        let so_far = self.so_far(node);
        self.scalar(&form.body, &form.operands, &vars, Some(so_far))
    }

    /// The value of a scan before the point that a nest is at.
    pub fn so_far(&mut self, node: NodeId) -> ExprId {
        self.intern(PointExpr::Joined(node))
    }

    /// The index of the element of a scan that is so many turns from its beginning: `index`, if it goes upwards.
    pub fn scan_index(&self, node: NodeId, mut index: Vec<Affine>) -> Vec<Affine> {
        if let Some(Scan { axis, reversed: true, .. }) = self.forms[&node].as_point().and_then(|form| form.scan()) {
            let last = self.graph.sizes(node)[axis] as i64 - 1;
            index[axis] = index[axis].times(-1).plus_constant(last);
        }
        index
    }

    /// Adds the values of a form's index variables to those of its axes and reductions.
    pub(super) fn bind_indices(&mut self, form: &PointForm, vars: &mut Vec<Affine>) {
        for (var, index) in &form.indices {
            let substitute = |value: &Affine| value.substitute(&|v| vars[v.0 as usize].clone());
            let source = match &index.source {
                IndexSource::Word { operand, index } => {
                    let index = index.iter().map(substitute).collect();
                    let before = std::mem::replace(&mut self.reads_memory, true);
                    let word = self.read(form.operands[*operand], index);
                    self.reads_memory = before;
                    word
                }
                IndexSource::Value(value) => {
                    let value = self.simplified_one(&substitute(value));
                    self.intern(PointExpr::Index(value))
                }
            };
            let at = self.index_var(source, index.extent);
            vars.resize(var.0 as usize, Affine::constant(0));
            vars.push(at);
        }
    }

    /// The nearest of `0..extent` to an integer.
    fn index_var(&mut self, source: ExprId, extent: usize) -> Affine {
        let last = extent as i64 - 1;
        if let PointExpr::Index(value) = self.expr(source) {
            let (low, high) = value.range(&|var| self.var_range(var));
            match (low >= 0 && high <= last, high <= 0, low >= last) {
                (true, ..) => return value.clone(),
                (_, true, _) => return Affine::constant(0),
                (.., true) => return Affine::constant(last),
                _ => {}
            }
        }
        let mut known =
            self.sources.iter().filter(|(var, known)| **known == source && self.extent(**var) == Some(extent));
        if let Some((&var, _)) = known.next() {
            return Affine::var(var);
        }
        let var = self.new_var(extent);
        self.sources.insert(var, source);
        Affine::var(var)
    }

    /// Whether there are index variables, or pieces that indices choose: not all that is reachable is needed
    /// everywhere.
    pub fn has_pieces(&self) -> bool {
        self.has_pieces || !self.sources.is_empty()
    }

    /// What an index variable is the nearest possible value of; none for axes and reductions.
    pub fn source(&self, var: Var) -> Option<ExprId> {
        self.sources.get(&var).copied()
    }
}
