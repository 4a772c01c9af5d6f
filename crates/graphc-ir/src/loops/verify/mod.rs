//! Checks programs and reports everything that is wrong with them.
//!
//! Buffers:
//! * names of inputs, of states and of outputs are unique;
//! * a buffer starts at a multiple of 16 words, lies inside the arena, or a member's memory, and is at least as long
//!   as its tensor;
//! * in the arena only temporaries share words, and only with each other;
//! * a constant has all of its words, and nothing else has some; nothing is stored to it;
//! * a member's buffer is touched in one parallel loop only, and stored there before it is loaded.
//!
//! Structure:
//! * names of kernels are unique and not empty, names of nests are not empty; the nodes of a nest ascend;
//! * `Parallel` stands at the top level of a kernel only; nests stand neither in nests nor in lanes regions;
//! * lanes regions do not stand in each other.
//!
//! Variables and indices:
//! * a variable is in scope where it is used and hides no other; its scope is the loop, region or tile that has it,
//!   or the rest of the block after a `LetIndex`;
//! * bounds have at least one expression; `Unroll` has constant bounds;
//! * bounds, `LetIndex` and `ClampIndex` do not depend on the lane; reductions of a tile do not depend on its grid or
//!   each other;
//! * `LoadIndex` loads an `i32` and has values; what it loads for every lane by itself stands in no store, tile, bound,
//!   `LetIndex` or hint;
//! * divisors are positive, numbers in indices are below 2^31 in magnitude;
//! * no index lies outside its buffer, as far as the `bounds` module can tell.
//!
//! Values:
//! * a value is defined once in a kernel, and before use: in the same block or one around it, in the same nest. A
//!   scalar defined outside a region may be read inside it, where it is the same in every lane;
//! * a mutable scalar is set before it is read; the first `Set` in program order declares it for the rest of its
//!   block; one declared outside a region is not set inside it;
//! * operands, results and stored values have the types of the operation or buffer;
//! * shift counts are `i32` constants in `0..32`; `exp`, `log` and `tanh` do not occur;
//! * lanes are joined only inside a region;
//! * a store whose index does not depend on the lane stores a value that is the same in every lane.
//!
//! Roles of kernels:
//! * kernels of the prologue come first, updates last;
//! * the prologue reads constants, state that no later kernel writes, and what its kernels write; no inputs;
//! * no later kernel writes what it writes, which is neither input nor state and shares no words;
//! * an update writes nothing but state.
//!
//! Tiles: grid extents are positive, accesses have no division, buffers hold `f32`. Runs have iterations, start at 0
//! and cut a reduction of constant bounds; lanes of runs are joined only inside a region.

mod buffers;
mod finding;
mod members;
mod roles;

pub use finding::Finding;

use super::bounds::{Definition, Scope};
use super::kernel::*;
use super::lane_vars::LaneVars;
use super::print::Head;
use crate::index::{Affine, Atom, Var};
use crate::scalar::{BinaryOp, UnaryOp};
use crate::types::DType;
use std::collections::HashSet;

/// Everything wrong with a program.
pub fn verify(program: &Program) -> Vec<Finding> {
    let mut findings = Vec::new();
    buffers::check(program, &mut findings);
    roles::check(program, &mut findings);
    members::check(program, &mut findings);
    let mut names = HashSet::new();
    for kernel in &program.kernels {
        let mut verifier = Verifier::new(program, kernel);
        if kernel.name.is_empty() {
            verifier.report("the kernel has no name");
        }
        if !names.insert(kernel.name.as_str()) {
            verifier.report("another kernel has that name");
        }
        findings.append(&mut verifier.findings);
        // A mutable scalar may turn out to differ between lanes after it was read in a loop: then once more.
        loop {
            let known = verifier.varying.len();
            verifier.body(&kernel.body);
            if verifier.varying.len() == known {
                break;
            }
            verifier = Verifier { varying: verifier.varying, ..Verifier::new(program, kernel) };
        }
        findings.append(&mut verifier.findings);
    }
    findings
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    F32,
    I32,
    Condition,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::F32 => "f32",
            Type::I32 => "i32",
            Type::Condition => "a condition",
        }
    }
}

impl From<DType> for Type {
    fn from(dtype: DType) -> Type {
        match dtype {
            DType::F32 => Type::F32,
            DType::I32 => Type::I32,
        }
    }
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Info {
    ty: Type,
    /// The same in every lane.
    uniform: bool,
    constant: Option<i32>,
}

/// A declared mutable scalar.
#[derive(Clone, Copy)]
struct Acc {
    id: AccId,
    ty: Type,
    in_region: bool,
}

struct Verifier<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
    findings: Vec<Finding>,
    nest: &'a str,
    line: String,
    scope: Scope,
    values: Vec<(ValueId, Info)>,
    accs: Vec<Acc>,
    /// Every value and mutable scalar met so far, in scope or not.
    defined: HashSet<ValueId>,
    declared: HashSet<AccId>,
    /// Mutable scalars that may differ from lane to lane.
    varying: HashSet<AccId>,
    lane: Option<Var>,
    /// What differs from lane to lane.
    lane_vars: LaneVars,
}

impl<'a> Verifier<'a> {
    fn new(program: &'a Program, kernel: &'a Kernel) -> Verifier<'a> {
        Verifier {
            program,
            kernel,
            findings: Vec::new(),
            nest: "",
            line: format!("kernel {:?}", kernel.name),
            scope: Scope::default(),
            values: Vec::new(),
            accs: Vec::new(),
            defined: HashSet::new(),
            declared: HashSet::new(),
            varying: HashSet::new(),
            lane: None,
            lane_vars: LaneVars::default(),
        }
    }

    fn report(&mut self, message: impl Into<String>) {
        let (kernel, nest) = (self.kernel.name.clone(), self.nest.to_owned());
        self.findings.push(Finding { kernel, nest, line: self.line.clone(), message: message.into() });
    }

    fn body(&mut self, stmts: &'a [Stmt]) {
        for stmt in stmts {
            if let Stmt::For { kind: LoopKind::Parallel, range, body } = stmt {
                self.line = Head(stmt).to_string();
                self.counted(range, LoopKind::Parallel, body);
            } else {
                self.stmt(stmt);
            }
        }
    }

    fn block(&mut self, stmts: &'a [Stmt]) {
        let (vars, values, accs) = (self.scope.len(), self.values.len(), self.accs.len());
        let lane_vars = self.lane_vars.len();
        for stmt in stmts {
            self.stmt(stmt);
        }
        self.scope.truncate(vars);
        self.values.truncate(values);
        self.accs.truncate(accs);
        self.lane_vars.truncate(lane_vars);
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        self.line = Head(stmt).to_string();
        match stmt {
            Stmt::Nest { name, nodes, body } => {
                if !nodes.is_sorted_by(|a, b| a < b) {
                    self.report("the nodes of a nest ascend");
                }
                self.nest(name, body);
            }
            Stmt::For { range, kind, body } => {
                if *kind == LoopKind::Parallel {
                    self.report("a parallel loop inside another statement");
                }
                self.counted(range, *kind, body);
            }
            Stmt::Lanes { var, body } => self.region(*var, body),
            Stmt::LetIndex { var, value } => {
                self.lane_free(value, "the value of an index");
                self.define_var(*var, Definition::Let(value.clone()));
            }
            Stmt::ClampIndex { var, value, extent } => {
                self.lane_free(value, "the value of an index");
                self.expect_values(*var, *extent);
                self.define_var(*var, Definition::Range(Range::new(*var, *extent)));
            }
            Stmt::LoadIndex { var, from, extent } => self.load_index(*var, from, *extent),
            Stmt::Let { value, expr } => {
                let info = self.expr(expr);
                self.define(*value, info);
            }
            Stmt::Set { acc, value } => self.set(*acc, *value),
            Stmt::Store { to, value } => {
                let ty = self.access(to).map(Type::from);
                let info = self.value(*value);
                self.expect(*value, info, ty);
                if self.program.buffers.get(to.buffer.0 as usize).is_some_and(|b| b.kind == BufferKind::Constant) {
                    self.report(format!("{} is a constant", to.buffer));
                }
                self.reports_gathered(&to.index, "a store");
                if self.is_uniform(&to.index) && info.is_some_and(|info| !info.uniform) {
                    self.report(format!("{value} may differ from lane to lane, but the index does not"));
                }
            }
            Stmt::Fetch { from, .. } => self.hint(from),
            Stmt::Tile(tile) => self.tile(tile),
        }
    }

    fn load_index(&mut self, var: Var, from: &Access, extent: usize) {
        if self.access(from) == Some(DType::F32) {
            self.report(format!("{var} is loaded from {}, which holds no integers", from.buffer));
        }
        self.expect_values(var, extent);
        self.define_var(var, Definition::Range(Range::new(var, extent)));
        self.lane_vars.load(var, from);
    }

    /// Reports a number of values that no variable has.
    fn expect_values(&mut self, var: Var, extent: usize) {
        if extent == 0 || extent >= 1 << 31 {
            self.report(format!("{var} has {extent} values"));
        }
    }

    fn nest(&mut self, name: &'a str, body: &'a [Stmt]) {
        if name.is_empty() {
            self.report("the nest has no name");
        }
        if !self.nest.is_empty() {
            self.report("a nest inside another");
        }
        if self.lane.is_some() {
            self.report("a nest inside a lanes region");
        }
        let outer = std::mem::replace(&mut self.nest, name);
        let (values, accs) = (std::mem::take(&mut self.values), std::mem::take(&mut self.accs));
        self.block(body);
        (self.nest, self.values, self.accs) = (outer, values, accs);
    }

    fn region(&mut self, var: Var, body: &'a [Stmt]) {
        let (outer, vars, lane_vars) = (self.lane, self.scope.len(), self.lane_vars.len());
        if outer.is_some() {
            self.report("a lanes region inside another");
        }
        self.define_var(var, Definition::Lane);
        self.lane = Some(var);
        self.lane_vars.enter(var);
        self.block(body);
        self.lane_vars.truncate(lane_vars);
        self.lane = outer;
        self.scope.truncate(vars);
    }

    fn counted(&mut self, range: &Range, kind: LoopKind, body: &'a [Stmt]) {
        self.range(range);
        if kind == LoopKind::Unroll && range.extent().is_none() {
            self.report("an unrolled loop needs constant bounds");
        }
        let vars = self.scope.len();
        self.define_var(range.var, Definition::Range(range.clone()));
        self.block(body);
        self.scope.truncate(vars);
    }

    fn range(&mut self, range: &Range) {
        for bound in [&range.low, &range.high] {
            if bound.0.is_empty() {
                self.report(format!("{} has no bound", range.var));
            }
            for affine in &bound.0 {
                self.lane_free(affine, "a bound");
            }
        }
    }

    fn set(&mut self, acc: AccId, value: ValueId) {
        let Some(info) = self.value(value) else { return };
        if self.lane.is_some() && !info.uniform {
            self.varying.insert(acc);
        }
        match self.accs.iter().find(|declared| declared.id == acc).copied() {
            Some(declared) => {
                self.expect(value, Some(info), Some(declared.ty));
                if self.lane.is_some() && !declared.in_region {
                    self.report(format!("{acc} is declared outside the lanes region"));
                }
            }
            None => {
                if !self.declared.insert(acc) {
                    self.report(format!("{acc} was declared in a block that has ended"));
                }
                self.accs.push(Acc { id: acc, ty: info.ty, in_region: self.lane.is_some() });
            }
        }
    }

    fn tile(&mut self, tile: &'a Tile) {
        let vars = self.scope.len();
        for range in &tile.reds {
            self.range(range);
        }
        for &(var, extent) in &tile.grid {
            if extent == 0 {
                self.report(format!("{var} has extent 0"));
            }
            self.define_var(var, Definition::Range(Range::new(var, extent)));
        }
        if let TileInit::Load(access) = &tile.init {
            self.tile_access(access);
        }
        if let Some(runs) = tile.runs {
            self.runs(tile, runs);
        }
        let grid = self.scope.len();
        for range in &tile.reds {
            self.define_var(range.var, Definition::Range(range.clone()));
        }
        self.tile_access(&tile.a);
        self.tile_access(&tile.b);
        self.scope.truncate(grid);
        let lane_free = |access: &Access| self.is_uniform(&access.index);
        let init = match &tile.init {
            TileInit::Zero => true,
            TileInit::Load(access) => lane_free(access),
        };
        let joins_lanes = tile.runs.is_some_and(|runs| runs.joins_lanes);
        let uniform = joins_lanes || init && lane_free(&tile.a) && lane_free(&tile.b);
        let values = self.values.len();
        self.define(tile.acc, Some(Info { ty: Type::F32, uniform, constant: None }));
        self.block(&tile.epilogue);
        self.values.truncate(values);
        self.scope.truncate(vars);
    }

    fn runs(&mut self, tile: &Tile, runs: Runs) {
        if runs.length == 0 {
            self.report("runs have no iterations".to_string());
        }
        if tile.reds.first().is_none_or(|range| range.extent().is_none()) {
            self.report("runs need an outermost reduction with constant bounds".to_string());
        }
        if tile.init != TileInit::Zero {
            self.report("runs start at 0".to_string());
        }
        if runs.joins_lanes && self.lane.is_none() {
            self.report("lanes of runs are joined outside a lanes region".to_string());
        }
    }

    fn tile_access(&mut self, access: &Access) {
        if self.access(access) == Some(DType::I32) {
            self.report(format!("a tile reads {}, which holds integers", access.buffer));
        }
        self.reports_gathered(&access.index, "a tile");
        if !access.index.is_affine() {
            self.report(format!("the index {} of a tile contains a division", access.index));
        }
    }

    fn unary(&mut self, op: UnaryOp, a: ValueId) -> Option<Info> {
        if op.is_function() {
            self.report(format!("{} is not part of the loop IR", op.name()));
        }
        let [operand, result] = op.types().map(Type::from);
        self.operands(&[a], operand, result)
    }

    fn expr(&mut self, expr: &Expr) -> Option<Info> {
        let constant = |ty| Info { ty, uniform: true, constant: None };
        match expr {
            Expr::Load(access) => {
                let ty = self.access(access)?.into();
                Some(Info { ty, uniform: self.is_uniform(&access.index), constant: None })
            }
            Expr::F32(_) => Some(constant(Type::F32)),
            Expr::I32(value) => Some(Info { constant: Some(*value), ..constant(Type::I32) }),
            Expr::Index(index) => {
                self.affine(index);
                Some(Info { uniform: self.is_uniform(index), ..constant(Type::I32) })
            }
            Expr::Acc(acc) => {
                let Some(declared) = self.accs.iter().find(|declared| declared.id == *acc).copied() else {
                    self.report(format!("{acc} is read before it is set"));
                    return None;
                };
                Some(Info { ty: declared.ty, uniform: !self.varying.contains(acc), constant: None })
            }
            Expr::Unary(op, a) => self.unary(*op, *a),
            Expr::Binary(op, a, b) => {
                let ty = if op.is_integer() { Type::I32 } else { Type::F32 };
                let shift = matches!(op, BinaryOp::IShl | BinaryOp::IShr);
                if shift && self.lookup(*b).is_some_and(|b| b.constant.is_none_or(|count| !(0..32).contains(&count))) {
                    self.report(format!("the shift count {b} is not a constant in 0..32"));
                }
                self.operands(&[*a, *b], ty, ty)
            }
            Expr::Fma(a, b, c) => self.operands(&[*a, *b, *c], Type::F32, Type::F32),
            Expr::Cmp(_, a, b) => {
                let ty = self.value(*a)?.ty;
                if ty == Type::Condition {
                    self.report("conditions are compared");
                }
                self.operands(&[*a, *b], ty, Type::Condition)
            }
            Expr::Select(condition, a, b) => {
                let info = self.value(*condition);
                self.expect(*condition, info, Some(Type::Condition));
                let ty = self.value(*a)?.ty;
                let result = self.operands(&[*a, *b], ty, ty)?;
                Some(Info { uniform: result.uniform && info?.uniform, ..result })
            }
            Expr::JoinLanes(_, a) => {
                if self.lane.is_none() {
                    self.report("lanes are joined outside a lanes region");
                }
                self.operands(&[*a], Type::F32, Type::F32)?;
                Some(constant(Type::F32))
            }
        }
    }

    /// Checks operands of one type; the result is uniform if all of them are.
    fn operands(&mut self, ids: &[ValueId], ty: Type, result: Type) -> Option<Info> {
        let infos: Vec<_> = ids.iter().map(|&id| (id, self.value(id))).collect();
        for &(id, info) in &infos {
            self.expect(id, info, Some(ty));
        }
        let uniform = infos.iter().all(|(_, info)| info.is_none_or(|info| info.uniform));
        Some(Info { ty: result, uniform, constant: None })
    }

    fn expect(&mut self, id: ValueId, info: Option<Info>, ty: Option<Type>) {
        if let (Some(info), Some(ty)) = (info, ty)
            && info.ty != ty
        {
            self.report(format!("{id} is {}, expected {}", info.ty.name(), ty.name()));
        }
    }

    fn define(&mut self, value: ValueId, info: Option<Info>) {
        if !self.defined.insert(value) {
            self.report(format!("{value} is defined twice"));
        }
        if let Some(info) = info {
            self.values.push((value, info));
        } else {
            // Its definition is reported already; uses of it are not.
            self.values.push((value, Info { ty: Type::F32, uniform: true, constant: None }));
        }
    }

    fn lookup(&self, id: ValueId) -> Option<Info> {
        self.values.iter().rev().find(|(value, _)| *value == id).map(|&(_, info)| info)
    }

    fn value(&mut self, id: ValueId) -> Option<Info> {
        let info = self.lookup(id);
        if info.is_none() {
            self.report(format!("{id} is not defined here"));
        }
        info
    }

    fn is_uniform(&self, index: &Affine) -> bool {
        !self.lane_vars.are_in(index)
    }

    /// Reports what is loaded for every lane by itself where it may not stand; gives whether there is something.
    fn reports_gathered(&mut self, index: &Affine, place: &str) -> bool {
        let found = self.lane_vars.loaded_in(index);
        if let Some(var) = found {
            self.report(format!("{var} is loaded for every lane by itself and stands in {place}"));
        }
        found.is_some()
    }

    fn define_var(&mut self, var: Var, definition: Definition) {
        if self.scope.contains(var) {
            self.report(format!("{var} hides another variable"));
        }
        self.scope.push(var, definition);
    }

    fn lane_free(&mut self, affine: &Affine, place: &str) {
        self.affine(affine);
        if !self.reports_gathered(affine, place) && !self.is_uniform(affine) {
            self.report(format!("{affine} depends on the lane"));
        }
    }

    /// A hint may point anywhere, but it is one for all lanes.
    fn hint(&mut self, from: &Access) {
        if self.program.buffers.get(from.buffer.0 as usize).is_none() {
            self.report(format!("there is no buffer {}", from.buffer));
        }
        self.lane_free(&from.index, "a hint");
    }

    /// Whether variables are in scope and numbers reasonable.
    fn affine(&mut self, affine: &Affine) -> bool {
        let mut unknown = Vec::new();
        affine.for_each_var(&mut |var| {
            if !self.scope.contains(var) {
                unknown.push(var);
            }
        });
        for var in &unknown {
            self.report(format!("{var} is not in scope"));
        }
        let reasonable = is_reasonable(affine);
        if !reasonable {
            self.report(format!("a divisor that is not positive or a number of 2^31 or more in {affine}"));
        }
        unknown.is_empty() && reasonable
    }

    /// Checks an access; the type of its buffer.
    fn access(&mut self, access: &Access) -> Option<DType> {
        let Some(buffer) = self.program.buffers.get(access.buffer.0 as usize) else {
            self.report(format!("there is no buffer {}", access.buffer));
            return None;
        };
        if self.affine(&access.index)
            && let Some(outside) = self.scope.find_outside(&access.index, buffer.len)
        {
            self.report(format!("{access} is outside the {} words of the buffer: {outside}", buffer.len));
        }
        Some(buffer.dtype)
    }
}

fn is_reasonable(affine: &Affine) -> bool {
    let small = |value: i64| value.unsigned_abs() < 1 << 31;
    let divisor = |inner: &Affine, divisor: i64| divisor > 0 && small(divisor) && is_reasonable(inner);
    small(affine.offset)
        && affine.terms.iter().all(|(atom, coefficient)| {
            small(*coefficient)
                && match atom {
                    Atom::Var(_) => true,
                    Atom::Div(inner, by) | Atom::Mod(inner, by) => divisor(inner, *by),
                }
        })
}
