//! Where numbers of a step stop being finite: the step again, node by node, in the graph interpreter.
//!
//! The graph is the one of stage `backward`: its nodes still have the names and lines of the user's file. It is
//! evaluated in single precision, as machine code computes, though sums may be in another order; so a value at the
//! very end of the range may be infinite in one and finite in the other, and then that is what is told. What the
//! value would be in double precision says whether the range was too small or the mathematics has no finite answer.

use super::facts::{Explanation, NodeFacts, OperandFacts, ParameterFacts};
use super::index::index_of;
use super::steps::{Session, key};
use crate::error::DriverError;
use crate::pipeline::lower_to_backward;
use graphc_interp::visit::{ancestors, visit};
use graphc_ir::graph::{Mode, Role};
use graphc_ir::loops::BufferKind;
use graphc_ir::ops::Op;
use graphc_ir::tensor::Tensor;
use graphc_ir::{Graph, NodeId};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

impl Session {
    /// Evaluates a step in the graph interpreter, with the inputs that the executable of that mode and batch size
    /// has, and the state as it is now: for the step made last, go back to the state before it. It looks for what
    /// makes outputs or next values of the parameters that `suspects` names not finite. It is slow, a compiled step
    /// is thousands of times faster, and takes as much memory as that and three times as much: it gives up, and gives
    /// nothing, when `stop` becomes true, or after five minutes.
    ///
    /// # Errors
    /// If compilation fails, or there is no such output or parameter.
    pub fn explain(
        &mut self,
        mode: Mode,
        batch: usize,
        suspects: &[&str],
        stop: &AtomicBool,
    ) -> Result<Option<Explanation>, DriverError> {
        let graph = lower_to_backward(&self.graph, &self.compile_options(mode, batch))?;
        let targets = suspects.iter().map(|name| target(&graph, name)).collect::<Result<Vec<_>, _>>()?;
        let bindings = self.bindings(&graph, mode, batch)?;
        let mut search = Search { graph: &graph, bindings: &bindings, targets: &targets, found: None, first_nan: None };
        let (mut largest, mut subnormal) = (None, None);
        let patience = Patience { stop, since: Instant::now() };
        let stopped = visit(&graph, &bindings, &targets, |id, values| {
            if patience.is_over(LONGEST_SEARCH) {
                return ControlFlow::Break(true);
            }
            if search.found.is_none() {
                keep_largest(&mut largest, id, &values[&id]);
                let found = |at: Place| (id, at, values[&id].data[at]);
                subnormal = subnormal.or_else(|| first(&values[&id], f32::is_subnormal).map(found));
            }
            search.look(id, values)
        })?;
        if stopped == Some(true) {
            return Ok(None);
        }
        let of = |(id, at, value)| NodeFacts { value, ..search.facts(id, at, &BTreeMap::new()) };
        let (largest, subnormal) = match search.found {
            None => (largest.map(of), subnormal.map(of)),
            Some(_) => (None, None),
        };
        let first_nan = search.first_nan.take();
        let mut first = search.found.take();
        if let Some((id, facts)) = first.as_mut().filter(|_| !patience.is_over(LONGEST_SEARCH / 4)) {
            facts.in_f64 = in_f64(&graph, &bindings, *id, &facts.index, &patience)?;
        }
        Ok(Some(Explanation { first: first.map(|(_, facts)| facts), first_nan, largest, subnormal }))
    }

    /// Inputs as they stand in the executable, and the state.
    fn bindings(
        &mut self,
        graph: &Graph,
        mode: Mode,
        batch: usize,
    ) -> Result<BTreeMap<String, Tensor<f32>>, DriverError> {
        self.pull()?;
        self.entry(mode, batch)?;
        let executable = &self.entries[&key(mode, batch)].executable;
        let mut bindings = BTreeMap::new();
        for id in graph.ids() {
            let name = &graph.node(id).name;
            let value = match graph.op(id) {
                // What the step does not read has no buffer, and no influence.
                Op::Input(_) => executable.get(BufferKind::Input, name).ok(),
                Op::Parameter(_) if mode == Mode::Infer && self.inferred_average(name)?.is_some() => {
                    self.inferred_average(name)?
                }
                // What the optimizer keeps is zero before the first step.
                Op::Parameter(_) => self.state.as_ref().and_then(|state| state.get(name)).cloned(),
                _ => continue,
            };
            bindings.insert(name.clone(), value.unwrap_or_else(|| Tensor::full(&graph.sizes(id), 0.0)));
        }
        Ok(bindings)
    }
}

/// The node of an output, or of a parameter's next value.
fn target(graph: &Graph, name: &str) -> Result<NodeId, DriverError> {
    let update = || graph.updates.iter().find(|update| graph.node(update.parameter).name == name);
    let node = graph.output(name).or_else(|| Some(update()?.value));
    node.ok_or_else(|| DriverError::Options(format!("the step has no output or updated parameter `{name}`")))
}

/// After that time the search is given up; after a quarter of it the value in double precision is not looked for.
const LONGEST_SEARCH: Duration = Duration::from_secs(300);

/// Looked at before every node.
struct Patience<'a> {
    stop: &'a AtomicBool,
    since: Instant,
}

impl Patience<'_> {
    fn is_over(&self, longest: Duration) -> bool {
        self.stop.load(Ordering::Relaxed) || self.since.elapsed() > longest
    }
}

/// Position of an element in row-major order.
type Place = usize;

fn first(tensor: &Tensor<f32>, is_meant: impl Fn(f32) -> bool) -> Option<Place> {
    tensor.data.iter().position(|&value| is_meant(value))
}

/// The largest absolute value so far, with its place.
fn keep_largest(largest: &mut Option<(NodeId, Place, f32)>, id: NodeId, value: &Tensor<f32>) {
    for (at, x) in value.data.iter().enumerate() {
        if largest.is_none_or(|(_, _, known)| x.abs() > known) {
            *largest = Some((id, at, x.abs()));
        }
    }
}

/// That element of that node in double precision; nothing if it was stopped.
fn in_f64(
    graph: &Graph,
    bindings: &BTreeMap<String, Tensor<f32>>,
    node: NodeId,
    index: &[usize],
    patience: &Patience<'_>,
) -> Result<Option<f64>, DriverError> {
    let bindings: BTreeMap<_, Tensor<f64>> =
        bindings.iter().map(|(name, value)| (name.clone(), value.cast())).collect();
    let found = visit(graph, &bindings, &[node], |id, values| match id {
        _ if patience.is_over(LONGEST_SEARCH) => ControlFlow::Break(None),
        id if id == node => ControlFlow::Break(Some(values[&id].at(index))),
        _ => ControlFlow::Continue(()),
    })?;
    Ok(found.flatten())
}

struct Search<'a> {
    graph: &'a Graph,
    bindings: &'a BTreeMap<String, Tensor<f32>>,
    targets: &'a [NodeId],
    found: Option<(NodeId, NodeFacts)>,
    first_nan: Option<NodeFacts>,
}

impl Search<'_> {
    /// Notes the first value that is not finite, and goes on to the first NaN.
    fn look(&mut self, id: NodeId, values: &BTreeMap<NodeId, Tensor<f32>>) -> ControlFlow<bool> {
        let nan = first(&values[&id], f32::is_nan);
        let place = nan.or_else(|| first(&values[&id], f32::is_infinite).filter(|_| self.found.is_none()));
        let Some(place) = place else { return ControlFlow::Continue(()) };
        let facts = self.facts(id, place, values);
        match self.found {
            None => self.found = Some((id, facts)),
            Some(_) => self.first_nan = Some(facts),
        }
        if nan.is_some() { ControlFlow::Break(false) } else { ControlFlow::Continue(()) }
    }

    /// `values` may be empty: then it is only told which node and where.
    fn facts(&self, id: NodeId, place: Place, values: &BTreeMap<NodeId, Tensor<f32>>) -> NodeFacts {
        let graph = self.graph;
        let node = graph.node(id);
        let shape = graph.sizes(id);
        let index = index_of(&shape, place);
        let empty = Tensor::new(vec![0], Vec::new());
        let value = values.get(&id).unwrap_or(&empty);
        let mut read = graph.operands(id);
        read.dedup();
        let operands = read.into_iter().filter_map(|operand| {
            let tensor = values.get(&operand)?;
            let at = if is_elementwise(&node.op) { element_for(tensor, &index) } else { None };
            let (smallest, largest) = range(tensor);
            Some(OperandFacts { name: short_name(graph, operand), at, smallest, largest })
        });
        NodeFacts {
            op: node.op.name(),
            name: node.name.clone(),
            origin: node.origin.clone(),
            len: shape.iter().product(),
            n_nonfinite: value.data.iter().filter(|x| !x.is_finite()).count(),
            sample: node.ty.shape.batch_axis().and_then(|axis| the_sample(value, axis, index[axis])),
            value: value.data.get(place).copied().unwrap_or(0.0),
            in_f64: None,
            operands: operands.collect(),
            parameter: self.parameter(id),
            index,
        }
    }

    fn parameter(&self, id: NodeId) -> Option<ParameterFacts> {
        let facts = |name: &str, is_updated| {
            let values = self.bindings.get(name).map_or(&[][..], |tensor| &tensor.data);
            let largest = values.iter().fold(0.0, |largest: f32, x| if x.abs() > largest { x.abs() } else { largest });
            ParameterFacts { name: name.to_string(), largest, is_updated }
        };
        if matches!(self.graph.op(id), Op::Input(_) | Op::Parameter(_) | Op::Constant(_) | Op::Literal(_)) {
            return None;
        }
        if matches!(self.graph.node(id).origin.role, Role::Gradient | Role::Update | Role::Statistics) {
            let depends = |value: NodeId| ancestors(self.graph, &[value]).contains(&id);
            let is_meant = |value: NodeId| !self.targets.contains(&value);
            let mut updates: Vec<_> = self.graph.updates.iter().filter(|update| depends(update.value)).collect();
            updates.sort_by_key(|update| is_meant(update.value));
            return updates.first().map(|update| facts(&self.graph.node(update.parameter).name, true));
        }
        let upstream = ancestors(self.graph, &[id]).into_iter();
        let parameters = upstream.filter(|&id| matches!(self.graph.op(id), Op::Parameter(_)));
        let all = parameters.map(|id| facts(&self.graph.node(id).name, false));
        all.reduce(|best, other| if other.largest > best.largest { other } else { best })
    }
}

/// The sample, unless all samples of the batch have values that are not finite: then no sample is to blame.
fn the_sample(value: &Tensor<f32>, axis: usize, sample: usize) -> Option<usize> {
    let mut is_hit = vec![false; value.shape.get(axis).copied().unwrap_or(0)];
    let per_step: usize = value.shape.get(axis + 1..).unwrap_or(&[]).iter().product();
    let n_samples = is_hit.len();
    for (at, _) in value.data.iter().enumerate().filter(|(_, x)| !x.is_finite()) {
        is_hit[at / per_step % n_samples] = true;
    }
    (n_samples == 1 || is_hit.contains(&false)).then_some(sample)
}

/// Whether each element of the result is computed from one element of every operand.
fn is_elementwise(op: &Op) -> bool {
    op.elementwise().is_some() || matches!(op, Op::Broadcast(_))
}

/// The element that broadcasting brings to `index` of the result.
fn element_for(operand: &Tensor<f32>, index: &[usize]) -> Option<f32> {
    let skipped = index.len().checked_sub(operand.shape.len())?;
    let at: Vec<usize> =
        operand.shape.iter().zip(&index[skipped..]).map(|(&size, &i)| if size == 1 { 0 } else { i }).collect();
    let fits = at.iter().zip(&operand.shape).all(|(&i, &size)| i < size);
    fits.then(|| operand.at(&at))
}

fn range(tensor: &Tensor<f32>) -> (f32, f32) {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    tensor.data.iter().fold(start, |(smallest, largest), &x| (smallest.min(x), largest.max(x)))
}

fn short_name(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    match (&node.op, node.name.as_str()) {
        (Op::Constant(_), _) => "a constant".into(),
        (op, "") => format!("{} of {}", op.name(), node.origin.layer),
        (_, name) => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionOptions;

    /// `ops` on the input `x` of two numbers a sample; the mean of the last one, %9, is the loss.
    fn session(ops: &str, x: &[f32]) -> Session {
        let text = format!(
            "graph g() {{
              %0: f32[N,2] = input() {{dtype=f32, shape=[N,2]}} \"x\" @ x, line 2
              %1: f32[2] = parameter() {{shape=[2], initializer=3.0, trainable=true}} \"w\" @ w, line 3
              {ops}
              %10: f32[] = reduce_mean(%9) {{axes=[0,1], keep_dims=false}}
              output loss = %10
            }}"
        );
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut session = Session::new(graph, SessionOptions::default()).unwrap();
        session.set_input_f32(Mode::Infer, x.len() / 2, "x", x).unwrap();
        session.step(Mode::Infer, x.len() / 2).unwrap();
        session
    }

    fn explain(session: &mut Session, batch: usize) -> Explanation {
        session.explain(Mode::Infer, batch, &["loss"], &AtomicBool::new(false)).unwrap().unwrap()
    }

    #[track_caller]
    fn check(ops: &str, x: &[f32], expected: &str) {
        let mut session = session(ops, x);
        assert!(!session.scalar(Mode::Infer, x.len() / 2, "loss").unwrap().is_finite());
        assert_eq!(explain(&mut session, x.len() / 2).to_string(), expected);
    }

    #[test]
    fn logarithm_of_zero() {
        check(
            "%9: f32[N,2] = log(%0) \"l\" @ l, line 7",
            &[1.0, 2.0, 3.0, 4.0, 5.0, 0.0],
            "first node: log `l` (l, line 7)\n  -inf at [2,1] (not finite: 1 of 6)\n  in double precision -inf, too\n  \
             reads `x`: 0 there, from 0 to 5",
        );
    }

    #[test]
    fn zero_by_zero() {
        check(
            "%9: f32[N,2] = div(%0, %0) \"d\" @ d, line 7",
            &[1.0, 0.0],
            "first node: div `d` (d, line 7)\n  NaN at [0,1] (not finite: 1 of 2)\n  in double precision NaN, too\n  \
             reads `x`: 0 there, from 0 to 1",
        );
    }

    #[test]
    fn overflow_and_the_nan_that_follows() {
        check(
            "%2: f32[N,2] = mul(%0, %1) \"m\" @ m, line 7
             %3: f32[N,2] = neg(%0) @ n, line 8
             %9: f32[N,2] = div(%2, %2) \"d\" @ d, line 9",
            &[1.0, 2e38],
            "first node: mul `m` (m, line 7)\n  inf at [0,1] (not finite: 1 of 2)\n  \
             in double precision 6e38; single precision ends at 3.4e38\n  reads `x`: 2e38 there, from 1 to 2e38\n  \
             reads `w`: 3\n  largest parameter behind it: `w`, up to 3\nfirst NaN: div `d` (d, line 9)",
        );
    }

    #[test]
    fn data_and_parameters_that_are_not_finite() {
        let ops = "%9: f32[N,2] = add(%0, %1) \"a\" @ a, line 7";
        check(
            ops,
            &[1.0, 2.0, f32::NAN, 2.0],
            "first node: input `x` (x, line 2)\n  NaN at [1,0] (not finite: 1 of 4)",
        );
        let mut session = session(ops, &[1.0, 2.0]);
        let inf = Tensor::new(vec![2], vec![1.0, f32::INFINITY]);
        session.set_parameter("w", &inf).unwrap();
        assert_eq!(
            session.nonfinite_state().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["`w` is inf at [1] (not finite: 1 of 2)"]
        );
        let found = explain(&mut session, 1);
        assert_eq!(found.to_string(), "first node: parameter `w` (w, line 3)\n  inf at [1] (not finite: 1 of 2)");
    }

    #[test]
    fn what_the_interpreter_finds_finite_is_said() {
        let mut session = session("%9: f32[N,2] = mul(%0, %1) \"m\" @ m, line 7", &[1e38, 1e-40]);
        assert_eq!(
            explain(&mut session, 1).to_string(),
            "all values are finite in the graph interpreter, which sums in another order\n  \
             largest value: 3e38, in mul `m` (m, line 7)\n  \
             numbers below 1.2e-38 count as zero: first in input `x` (x, line 2)"
        );
        let stopped = session.explain(Mode::Infer, 1, &["loss"], &AtomicBool::new(true));
        assert_eq!(stopped.unwrap(), None);
        let unknown = session.explain(Mode::Infer, 1, &["lost"], &AtomicBool::new(false)).unwrap_err();
        assert_eq!(unknown.to_string(), "the step has no output or updated parameter `lost`");
    }
}
