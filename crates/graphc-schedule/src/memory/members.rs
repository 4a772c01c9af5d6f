//! Buffers of which every member of a team needs one, and no more: what is written and read within one task.
//!
//! A tensor with a batch has room for all chunks of samples. If one parallel loop alone touches it, every iteration,
//! a *task*, has its own words of it: those of others neither write nor read them. Then all tasks of a member may use
//! the same words, one after the other. So may the iterations of a loop within a task, for example over its chunks,
//! if each of them has its own. That shows in the indices: with `step` times the loop's variable taken away they lie
//! in `0..step`. The innermost loop of which that is so decides; what is left of the buffer are those `step` words.
//! They stay in a core's cache where a batch would not.

use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::bounds::{Definition, Scope};
use graphc_ir::loops::{Access, Buffer, BufferKind, Expr, Kernel, KernelRole, Layout, LoopKind, Range, Stmt, TileInit};
use graphc_ir::scalar::{CHUNK, LANES};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a buffer of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Private {
    /// The loop whose iterations use the same words, by its number.
    owner: usize,
    /// Words that an iteration has had for itself.
    step: i64,
    /// The first and the last nest of an iteration that touch it, counted through the program.
    pub(crate) life: (usize, usize),
}

impl Private {
    /// Whether two buffers were apart in the same way: then what holds of their words in one iteration held of all.
    pub(crate) fn is_alike(&self, other: &Private) -> bool {
        (self.owner, self.step) == (other.owner, other.step)
    }
}

/// Makes buffers of members of the temporaries that can be; gives them by number, and how many nests there are.
pub(crate) fn find(buffers: &mut [Buffer], kernels: &mut [Kernel]) -> (BTreeMap<usize, Private>, usize) {
    let alone = touched_by_one(buffers, kernels);
    let (mut found, mut walk) = (BTreeMap::new(), Walk::default());
    let phases = kernels.iter_mut().flat_map(|kernel| kernel.body.iter_mut());
    for (number, phase) in phases.enumerate() {
        let Some(candidates) = alone.get(&number) else { continue };
        walk.uses.clear();
        walk.block(std::slice::from_ref(phase), false, candidates);
        let uses = std::mem::take(&mut walk.uses);
        let mut shifts = BTreeMap::new();
        for (i, of_buffer) in uses {
            let Some((around, window)) = of_buffer.innermost() else { continue };
            let Some(layout) = shrunk(&buffers[i].layout, window.step as usize) else { continue };
            let len = layout.len().next_multiple_of(CHUNK);
            if len >= buffers[i].len {
                continue;
            }
            let life = (window.children.0, walk.child_ends[&(around, window.children.1)]);
            buffers[i] = Buffer { kind: BufferKind::Member, layout, len, ..buffers[i].clone() };
            found.insert(i, Private { owner: around, step: window.step, life });
            shifts.insert(i, (window.var, window.step));
        }
        if let Stmt::For { body, .. } = phase {
            shift(body, &shifts);
        }
    }
    (found, walk.n_leaves)
}

/// Temporaries that a single phase touches, a parallel loop, by phase.
fn touched_by_one(buffers: &[Buffer], kernels: &[Kernel]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut phases: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    let all = kernels.iter().flat_map(|kernel| kernel.body.iter().map(|phase| (kernel.role, phase)));
    for (number, (role, phase)) in all.enumerate() {
        let is_shared = matches!(phase, Stmt::For { kind: LoopKind::Parallel, .. });
        let here = (is_shared && role != KernelRole::Prologue).then_some(number);
        phase.for_each_access(&mut |access, _| {
            let first = phases.entry(access.buffer.0 as usize).or_insert(here);
            *first = first.filter(|&first| Some(first) == here);
        });
    }
    let is_temp = |i: &usize| buffers[*i].kind == BufferKind::Temp;
    let mut alone: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (i, phase) in phases.into_iter().filter(|(i, _)| is_temp(i)) {
        if let Some(phase) = phase {
            alone.entry(phase).or_default().insert(i);
        }
    }
    alone
}

/// The layout of as many parts of a tensor as `words` hold: chunks, or coordinates of the first dimension.
fn shrunk(layout: &Layout, words: usize) -> Option<Layout> {
    let (axis, part, unit) = match layout.batch_axis {
        Some(axis) => (axis, layout.chunk_stride, CHUNK),
        None => (0, *layout.strides.first()?, 1),
    };
    if part == 0 || !words.is_multiple_of(part) {
        return None;
    }
    let mut shrunk = layout.clone();
    shrunk.shape[axis] = (words / part * unit).min(layout.shape[axis]);
    if layout.batch_axis.is_none() {
        shrunk.chunk_stride = words;
    }
    Some(shrunk)
}

/// Moves the accesses to some buffers by so many words for every iteration of a loop; hints about them go.
fn shift(stmts: &mut Vec<Stmt>, shifts: &BTreeMap<usize, (Var, i64)>) {
    let shifted = |access: &mut Access| {
        if let Some(&(var, step)) = shifts.get(&(access.buffer.0 as usize)) {
            access.index = access.index.add_scaled(&Affine::var(var), -step);
        }
    };
    stmts.retain(|stmt| !matches!(stmt, Stmt::Fetch { from, .. } if shifts.contains_key(&(from.buffer.0 as usize))));
    for stmt in stmts {
        match stmt {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => shift(body, shifts),
            Stmt::LoadIndex { from: access, .. }
            | Stmt::Let { expr: Expr::Load(access), .. }
            | Stmt::Store { to: access, .. } => shifted(access),
            Stmt::Tile(tile) => {
                shifted(&mut tile.a);
                shifted(&mut tile.b);
                if let TileInit::Load(access) = &mut tile.init {
                    shifted(access);
                }
                shift(&mut tile.epilogue, shifts);
            }
            Stmt::Let { .. }
            | Stmt::LetIndex { .. }
            | Stmt::ClampIndex { .. }
            | Stmt::Set { .. }
            | Stmt::Fetch { .. } => {}
        }
    }
}

/// A loop outside nests that is open.
struct Around {
    number: usize,
    var: Var,
    /// Number of variables in scope within it.
    n_known: usize,
    /// The first leaf of the statement of its body that is walked.
    child: usize,
}

/// How the iterations of a loop use a buffer.
struct Window {
    var: Var,
    step: i64,
    n_accesses: usize,
    /// The first leaves of the first and the last statement of its body that touch the buffer.
    children: (usize, usize),
}

/// A variable in scope.
struct Known {
    var: Var,
    /// Its first and last value if its bounds are constants, or more values.
    interval: Option<[i64; 2]>,
    /// Where its loop begins, if that is no constant.
    first: Option<Affine>,
}

/// All uses of a buffer.
#[derive(Default)]
struct Use {
    n_accesses: usize,
    is_stored: bool,
    /// By loop, inner ones behind those around them.
    windows: BTreeMap<usize, Window>,
}

impl Use {
    /// The innermost loop around all accesses of which every iteration has words of its own.
    fn innermost(&self) -> Option<(usize, &Window)> {
        let has_all = |window: &Window| window.n_accesses == self.n_accesses && window.step > 0;
        let mut windows = self.windows.iter().rev().map(|(&around, window)| (around, window));
        windows.find(|(_, window)| self.is_stored && has_all(window))
    }
}

/// A walk through the statements of phases. What stands outside nests is a tree of loops, of which nests are the
/// leaves.
#[derive(Default)]
struct Walk {
    scope: Scope,
    /// What is known of the variables in scope, beside that.
    known: Vec<Known>,
    loops: Vec<Around>,
    n_loops: usize,
    n_leaves: usize,
    /// The last leaf of a statement, by the loop around it and its first leaf.
    child_ends: BTreeMap<(usize, usize), usize>,
    uses: BTreeMap<usize, Use>,
}

impl Walk {
    fn block(&mut self, stmts: &[Stmt], is_leaf: bool, candidates: &BTreeSet<usize>) {
        let outer = self.scope.len();
        for stmt in stmts {
            if is_leaf {
                self.stmt(stmt, true, candidates);
                continue;
            }
            let first = self.n_leaves;
            if let Some(around) = self.loops.last_mut() {
                around.child = first;
            }
            self.stmt(stmt, !matches!(stmt, Stmt::For { .. }), candidates);
            if !matches!(stmt, Stmt::For { .. }) {
                self.n_leaves += 1;
            }
            if let Some(around) = self.loops.last() {
                self.child_ends.insert((around.number, first), self.n_leaves.max(first + 1) - 1);
            }
        }
        self.close(outer);
    }

    fn stmt(&mut self, stmt: &Stmt, is_leaf: bool, candidates: &BTreeSet<usize>) {
        let outer = self.scope.len();
        match stmt {
            Stmt::For { range, body, .. } => {
                self.open(range);
                if !is_leaf {
                    let (number, n_known) = (self.n_loops, self.known.len());
                    self.loops.push(Around { number, var: range.var, n_known, child: self.n_leaves });
                    self.n_loops += 1;
                }
                self.block(body, is_leaf, candidates);
                if !is_leaf {
                    self.loops.pop();
                }
                self.close(outer);
            }
            Stmt::Nest { body, .. } => self.block(body, true, candidates),
            Stmt::Lanes { var, body } => {
                self.define(*var, Definition::Lane, (Some([0, LANES as i64 - 1]), None));
                self.block(body, true, candidates);
                self.close(outer);
            }
            Stmt::LetIndex { var, value } => self.define(*var, Definition::Let(value.clone()), (None, None)),
            // Several values may come to the same number.
            Stmt::ClampIndex { var, extent, .. } => self.open(&Range::new(*var, *extent)),
            // Other iterations may load the same number, so that it tells none of them apart.
            Stmt::LoadIndex { var, from, extent } => {
                self.access(from, false, candidates);
                self.open(&Range::new(*var, *extent));
            }
            Stmt::Let { expr: Expr::Load(access), .. } => self.access(access, false, candidates),
            Stmt::Store { to, .. } => self.access(to, true, candidates),
            Stmt::Tile(tile) => {
                tile.grid.iter().for_each(|&(var, extent)| self.open(&Range::new(var, extent)));
                if let TileInit::Load(access) = &tile.init {
                    self.access(access, false, candidates);
                }
                let cells = self.scope.len();
                tile.reds.iter().for_each(|range| self.open(range));
                [&tile.a, &tile.b].into_iter().for_each(|access| self.access(access, false, candidates));
                self.close(cells);
                self.block(&tile.epilogue, true, candidates);
                self.close(outer);
            }
            Stmt::Let { .. } | Stmt::Set { .. } | Stmt::Fetch { .. } => {}
        }
    }

    fn open(&mut self, range: &Range) {
        let lows = range.low.0.iter().filter_map(Affine::as_constant).max();
        let highs = range.high.0.iter().filter_map(Affine::as_constant).min();
        let interval = lows.zip(highs).map(|(low, high)| [low, (high - 1).max(low)]);
        let first = match range.low.0.as_slice() {
            [low] => Some(low.clone()).filter(|low| low.as_constant().is_none()),
            _ => None,
        };
        self.define(range.var, Definition::Range(range.clone()), (interval, first));
    }

    fn define(&mut self, var: Var, definition: Definition, (interval, first): (Option<[i64; 2]>, Option<Affine>)) {
        self.scope.push(var, definition);
        self.known.push(Known { var, interval, first });
    }

    fn close(&mut self, outer: usize) {
        self.scope.truncate(outer);
        self.known.truncate(outer);
    }

    fn access(&mut self, access: &Access, is_store: bool, candidates: &BTreeSet<usize>) {
        let buffer = access.buffer.0 as usize;
        if !candidates.contains(&buffer) {
            return;
        }
        // What one access has shown not to be apart need not be asked again.
        let windows = self.uses.get(&buffer).map(|of_buffer| &of_buffer.windows);
        let is_out = |around: &Around| windows.is_some_and(|all| all.get(&around.number).is_some_and(|w| w.step == 0));
        let step = |(depth, around)| if is_out(around) { None } else { self.step(&access.index, depth) };
        let steps: Vec<Option<i64>> = self.loops.iter().enumerate().map(step).collect();
        let of_buffer = self.uses.entry(buffer).or_default();
        of_buffer.n_accesses += 1;
        of_buffer.is_stored |= is_store;
        for (around, step) in self.loops.iter().zip(steps) {
            let window = of_buffer.windows.entry(around.number).or_insert(Window {
                var: around.var,
                step: step.unwrap_or(0),
                n_accesses: 0,
                children: (around.child, around.child),
            });
            window.n_accesses += 1;
            window.children.1 = around.child;
            if step != Some(window.step) {
                window.step = 0;
            }
        }
    }

    /// The words from one iteration of an open loop to the next, if no iteration touches those of another.
    fn step(&self, index: &Affine, depth: usize) -> Option<i64> {
        let Around { var, n_known, .. } = self.loops[depth];
        // The variable of a loop that begins at a multiple of this one's moves with it.
        let along = |inner: &Known| {
            inner.first.as_ref().map_or(0, |first| index.coefficient(inner.var) * first.coefficient(var))
        };
        let step = index.coefficient(var) + self.known[n_known..].iter().map(along).sum::<i64>();
        if step <= 0 {
            return None;
        }
        let rest = index.add_scaled(&Affine::var(var), -step);
        let is_within = |[low, high]: [i128; 2]| low >= 0 && high < i128::from(step);
        let limits = self.quick_limits(&rest).filter(|&limits| is_within(limits));
        is_within(limits.unwrap_or_else(|| self.scope.limits(&rest))).then_some(step)
    }

    /// Limits of an index of which every variable has constant ones.
    fn quick_limits(&self, index: &Affine) -> Option<[i128; 2]> {
        let mut limits = [i128::from(index.offset); 2];
        for (atom, coefficient) in &index.terms {
            let Atom::Var(var) = atom else { return None };
            let known = self.known.iter().rev().find(|known| known.var == *var)?;
            let ends = known.interval?.map(|end| i128::from(end) * i128::from(*coefficient));
            limits[0] += ends[0].min(ends[1]);
            limits[1] += ends[0].max(ends[1]);
        }
        Some(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::DType;
    use graphc_ir::loops::{Program, verify};

    fn parsed(kernels: &str) -> Program {
        let names = ["input", "temp", "temp", "temp", "output"];
        let buffers: String = names
            .iter()
            .enumerate()
            .map(|(i, kind)| {
                let at = 1024 * i;
                format!("buffer b{i}: f32 {kind} \"t{i}\" [64,4] batch=0 strides=[0,16] chunk=64 len=256 @{at}\n")
            })
            .collect();
        let text = format!("program \"p\" (batch=64, arena=5120, member=256) {{\n{buffers}{kernels} }}");
        text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"))
    }

    /// The program with members' buffers, which the verifier accepts.
    fn found_in(kernels: &str) -> Program {
        let mut program = parsed(kernels);
        find(&mut program.buffers, &mut program.kernels);
        program.buffers.iter_mut().filter(|buffer| buffer.is_of_member()).for_each(|buffer| buffer.offset = 0);
        assert_eq!(verify(&program), [], "{program}");
        program
    }

    fn lens(kernels: &str) -> Vec<usize> {
        found_in(kernels).buffers[1..4].iter().map(|b| if b.is_of_member() { b.len } else { 0 }).collect()
    }

    const COPY: &str =
        "lanes i9 { for i8 in 0..4 { v0 = load bA[64*C + 16*i8 + i9] store bB[64*C + 16*i8 + i9] = v0 } }";

    fn copy(name: &str, from: u32, to: u32, chunk: &str) -> String {
        let copy = COPY.replace("bA", &format!("b{from}")).replace("bB", &format!("b{to}"));
        format!("nest \"{name}\" {{ {} }} ", copy.replace('C', chunk).replace("v0", &format!("v{from}{to}")))
    }

    #[test]
    fn what_lives_within_a_task_has_room_for_its_chunks() {
        let kernel = |body: &str| format!("kernel \"k\" {{ {body} }}");
        let [a, b, c] = ["i0", "i1", "i2"].map(|chunk| [copy("a", 0, 1, chunk), copy("b", 1, 4, chunk)]);
        let tasks = |body: &str| kernel(&format!("parallel i0 in 0..4 {{ {body} }}"));
        assert_eq!(lens(&tasks(&a.concat())), [64, 0, 0]);
        // Tasks of two chunks: both nests in one loop, or in one each.
        let groups = |body: &str| kernel(&format!("parallel i0 in 0..2 {{ {body} }}"));
        let each = |var: &str, body: &str| format!("for {var} in 2*i0..min(2*i0 + 2, 4) {{ {body} }} ");
        assert_eq!(lens(&groups(&each("i1", &b.concat()))), [64, 0, 0]);
        assert_eq!(lens(&groups(&(each("i1", &b[0]) + &each("i2", &c[1])))), [128, 0, 0]);
        // Another phase reads it, or it is not written at all, or no loop is shared.
        let phases = format!("parallel i0 in 0..4 {{ {} }} parallel i0 in 0..4 {{ {} }}", a[0], a[1]);
        assert_eq!(lens(&kernel(&phases)), [0, 0, 0]);
        assert_eq!(lens(&tasks(&a[1])), [0, 0, 0]);
        assert_eq!(lens(&kernel(&format!("for i0 in 0..4 {{ {} }}", a.concat()))), [0, 0, 0]);
        // The words of an iteration are not its own.
        let wide = a.concat().replace("b1[64*i0 + 16*i8", "b1[64*i0 + 24*i8");
        assert_eq!(lens(&tasks(&wide).replace("i0 in 0..4", "i0 in 0..3")), [0, 0, 0]);
    }

    /// A word at a loaded index is the task's own if the rest of the index tells tasks apart.
    #[test]
    fn loaded_indices_tell_no_tasks_apart() {
        let privates = |place: &str, from: &str| {
            let scatter = format!(
                "nest \"a\" {{ lanes i9 {{ i7 = load {from} in 0..3 v0 = f32 1.0 store b2[{place}] = v0 v1 = load b2[{place}]
                 store b4[64*i0 + i9] = v1 }} }}"
            );
            let mut program = parsed(&format!("kernel \"k\" {{ parallel i0 in 0..4 {{ {scatter} }} }}"));
            program.buffers[0].dtype = DType::I32;
            program.buffers[1].dtype = DType::I32;
            find(&mut program.buffers, &mut program.kernels);
            program.buffers.iter_mut().filter(|buffer| buffer.is_of_member()).for_each(|buffer| buffer.offset = 0);
            assert_eq!(verify(&program), [], "{program}");
            (program.buffers[2].is_of_member(), program.to_string())
        };
        let (is_private, text) = privates("64*i0 + 16*i7 + i9", "b0[i0]");
        assert!(is_private && text.contains("store b2[16*i7 + i9]"), "{text}");
        assert!(!privates("64*i7 + i9", "b0[i0]").0);
        assert!(!privates("16*i0 + 16*i7 + i9", "b0[i0]").0);
    }

    #[test]
    fn indices_lose_the_task_and_hints_go() {
        let hint = "nest \"h\" { fetch b1[64*i0] lines=1 fetch b0[64*i0] lines=1 } ";
        let body = format!("{hint}{}{}", copy("a", 0, 1, "i0"), copy("b", 1, 4, "i0"));
        let program = found_in(&format!("kernel \"k\" {{ parallel i0 in 0..4 {{ {body} }} }}"));
        let text = program.to_string();
        assert!(
            text.contains("buffer b1: f32 member \"t1\" [16,4] batch=0 strides=[0,16] chunk=64 len=64 @0"),
            "{text}"
        );
        assert!(text.contains("store b1[16*i8 + i9]") && text.contains("load b1[16*i8 + i9]"), "{text}");
        assert!(!text.contains("fetch b1") && text.contains("fetch b0[64*i0]"), "{text}");
    }

    /// An inner loop counts as a whole for what outlives its iterations.
    #[test]
    fn lives_are_those_of_nests() {
        let inner = format!("for i1 in 2*i0..2*i0 + 2 {{ {}{} }} ", copy("a", 0, 1, "i1"), copy("b", 1, 2, "i1"));
        let after = copy("c", 2, 4, "i0").replace("64*i0", "128*i0");
        let mut program = parsed(&format!("kernel \"k\" {{ parallel i0 in 0..2 {{ {inner} {after} }} }}"));
        let (found, n_nests) = find(&mut program.buffers, &mut program.kernels);
        let lives: Vec<_> = found.iter().map(|(&i, private)| (i, private.step, private.life)).collect();
        assert_eq!((lives, n_nests), (vec![(1, 64, (0, 1)), (2, 128, (0, 2))], 3));
        assert!(!found[&1].is_alike(&found[&2]));
        assert!(program.to_string().contains("store b2[-128*i0 + 64*i1 + 16*i8 + i9]"), "{program}");
    }
}
