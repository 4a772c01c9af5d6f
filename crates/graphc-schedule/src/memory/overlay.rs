//! Results that take the place of what they are computed from.
//!
//! Where a loop reads an element of a tensor for the last time and stores an element of another at the same place of
//! it, the second may take the memory of the first: its lines are in the nearest cache already, and need not be
//! fetched to be overwritten.

use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, Expr, Range, Stmt};
use graphc_ir::scalar::LANES;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Pairs of buffers, a read one and one that is stored over it, that one phase of a kernel allows. The caller knows
/// that the first is not read later and the second not stored earlier, and that they are equally long.
pub(crate) fn pairs(phase: &Stmt) -> Vec<(BufId, BufId)> {
    let mut uses = Uses::default();
    uses.block(std::slice::from_ref(phase));
    let uses = &uses;
    let stored = uses.of.iter().filter_map(|(&second, stores)| Some((second, stores, stores.block_of_stores()?)));
    let pairs = stored.flat_map(|(second, stores, block)| {
        let loaded = uses.loaded_in.get(&block).into_iter().flatten();
        loaded
            .filter(move |&&first| first != second && stores.may_overwrite(&uses.of[&first]))
            .map(move |&first| (first, second))
    });
    pairs.collect()
}

/// All uses of a buffer in a phase.
#[derive(Default)]
struct Use {
    plain: Vec<Plain>,
    /// Whether tiles load it or store it, or it is accessed by a loaded index: then the order is another one.
    is_apart: [bool; 2],
}

/// One load or store.
struct Plain {
    /// Number of the block of statements.
    block: usize,
    position: usize,
    index: Affine,
    is_store: bool,
    loops: Rc<[Around]>,
}

/// A loop around a load or store.
#[derive(Clone, Copy)]
struct Around {
    var: Var,
    /// Values of the variable, or more.
    extent: i64,
    /// A variable of a loop around this one that this one has other values for in each iteration.
    parent: Option<Var>,
}

impl Use {
    fn stores(&self) -> impl Iterator<Item = &Plain> {
        self.plain.iter().filter(|plain| plain.is_store)
    }

    /// The block that all stores stand in, if there is one.
    fn block_of_stores(&self) -> Option<usize> {
        let block = self.stores().next()?.block;
        (!self.is_apart[1] && self.stores().all(|store| store.block == block)).then_some(block)
    }

    /// Whether what is stored here, in one block, may lie over what is loaded there: every load stands in the block,
    /// too, ahead of the store to the same place, and no two iterations reach the same place.
    fn may_overwrite(&self, loads: &Use) -> bool {
        let follows = |load: &Plain| {
            let is_it = |store: &Plain| {
                store.block == load.block && store.position > load.position && store.index == load.index
            };
            !load.is_store && self.stores().any(is_it)
        };
        loads.is_apart == [false, false]
            && loads.plain.iter().all(follows)
            && are_distinct(&self.stores().collect::<Vec<_>>())
    }
}

/// Whether stores of one block, in all iterations of the loops around it, go to distinct words.
fn are_distinct(stores: &[&Plain]) -> bool {
    let Some(first) = stores.first() else { return true };
    let constant = |store: &&Plain| store.index.add_scaled(&first.index, -1).as_constant();
    let Some(offsets) = stores.iter().map(constant).collect::<Option<BTreeSet<i64>>>() else { return false };
    if offsets.len() != stores.len() || !first.index.is_affine() {
        return false;
    }
    // Digits of a mixed radix: every coefficient exceeds what all smaller ones add up to.
    let coefficient = |var: Var| first.index.coefficient(var);
    let is_told = |var: Var| first.loops.iter().any(|inner| inner.parent == Some(var) && coefficient(inner.var) > 0);
    let mut digits: Vec<(i64, i64)> = first
        .loops
        .iter()
        .filter(|around| coefficient(around.var) != 0 || !is_told(around.var))
        .map(|around| (coefficient(around.var), around.extent - 1))
        .collect();
    let gaps: BTreeSet<i64> = offsets.iter().zip(offsets.iter().skip(1)).map(|(a, b)| b - a).collect();
    match (gaps.len(), gaps.first()) {
        (0, _) => {}
        (1, Some(&gap)) => digits.push((gap, offsets.len() as i64 - 1)),
        _ => return false,
    }
    digits.retain(|&(_, most)| most > 0);
    digits.sort_unstable();
    let mut reach = 0;
    digits.iter().all(|&(coefficient, most)| {
        let is_distinct = coefficient > reach;
        reach += coefficient * most;
        is_distinct
    })
}

#[derive(Default)]
struct Uses {
    of: BTreeMap<BufId, Use>,
    /// What the statements of a block load.
    loaded_in: BTreeMap<usize, BTreeSet<BufId>>,
    loops: Rc<[Around]>,
    /// Index variables that are loaded, in scope or not.
    loaded: BTreeSet<Var>,
    n_blocks: usize,
}

impl Uses {
    fn block(&mut self, stmts: &[Stmt]) {
        let block = self.n_blocks;
        self.n_blocks += 1;
        for (position, stmt) in stmts.iter().enumerate() {
            match stmt {
                Stmt::Nest { body, .. } => self.block(body),
                // Bounds that are not known count as very many iterations.
                Stmt::For { range, body, .. } => {
                    let extent = most_iterations(range).unwrap_or(i64::from(i32::MAX));
                    self.within(Around { var: range.var, extent, parent: parent_of(range) }, body);
                }
                Stmt::Lanes { var, body } => {
                    self.within(Around { var: *var, extent: LANES as i64, parent: None }, body);
                }
                Stmt::LoadIndex { var, from, .. } => {
                    self.plain(from, (block, position), false);
                    self.loaded.insert(*var);
                }
                Stmt::ClampIndex { var, .. } => _ = self.loaded.insert(*var),
                Stmt::Let { expr: Expr::Load(from), .. } => self.plain(from, (block, position), false),
                Stmt::Store { to, .. } => self.plain(to, (block, position), true),
                // A tile; other statements have no accesses.
                _ => stmt.for_each_access(&mut |access, is_store| {
                    self.of.entry(access.buffer).or_default().is_apart[usize::from(is_store)] = true;
                }),
            }
        }
    }

    fn within(&mut self, around: Around, body: &[Stmt]) {
        let inside = self.loops.iter().copied().chain([around]).collect();
        let outside = std::mem::replace(&mut self.loops, inside);
        self.block(body);
        self.loops = outside;
    }

    fn plain(&mut self, access: &Access, (block, position): (usize, usize), is_store: bool) {
        if self.loaded.iter().any(|&var| access.index.uses(var)) {
            self.of.entry(access.buffer).or_default().is_apart[usize::from(is_store)] = true;
            return;
        }
        let plain = Plain { block, position, index: access.index.clone(), is_store, loops: Rc::clone(&self.loops) };
        self.of.entry(access.buffer).or_default().plain.push(plain);
        if !is_store {
            self.loaded_in.entry(block).or_default().insert(access.buffer);
        }
    }
}

/// Upper limit of the iterations of a loop from 0 on.
fn most_iterations(range: &Range) -> Option<i64> {
    let is_counted = range.low.0.iter().any(|low| low.as_constant().is_some_and(|low| low >= 0));
    let high = range.high.0.iter().filter_map(Affine::as_constant).min();
    high.filter(|_| is_counted)
}

/// The variable `p` of a loop `for var in c*p..c*p + n` with `n` at most `c`.
fn parent_of(range: &Range) -> Option<Var> {
    let [low] = range.low.0.as_slice() else { return None };
    let mut vars = Vec::new();
    low.for_each_var(&mut |var| vars.push(var));
    let &[parent] = vars.as_slice() else { return None };
    let stride = low.coefficient(parent);
    let is_short = |high: &Affine| high.add_scaled(low, -1).as_constant().is_some_and(|n| n <= stride);
    range.high.0.iter().any(is_short).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::Program;

    /// Pairs of the first phase of a kernel.
    fn pairs_of(body: &str) -> Vec<(u32, u32)> {
        let buffers: String = (0..4)
            .map(|i| format!("buffer b{i}: f32 temp \"t{i}\" [512] strides=[1] chunk=512 len=512 @{}\n", 512 * i))
            .collect();
        let text = format!("program \"p\" (batch=1, arena=2048) {{\n{buffers}kernel \"k\" from \"a\" {{ {body} }} }}");
        let program: Program = text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"));
        pairs(&program.kernels[0].body[0]).into_iter().map(|(first, second)| (first.0, second.0)).collect()
    }

    #[test]
    fn an_element_may_take_the_place_of_the_one_it_is_computed_from() {
        let body = |inner: &str, after: &str| {
            format!(
                "parallel i0 in 0..4 {{ nest \"n\" {{ lanes i1 {{ for i2 in 0..3 {{ {inner} }} }} }}
                 nest \"m\" {{ lanes i3 {{ {after} }} }} }}"
            )
        };
        let load = "v0 = load b0[96*i0 + 16*i2 + i1] v1 = load b1[16*i2 + i1] v2 = add v0, v1";
        let store = "store b2[96*i0 + 16*i2 + i1] = v2";
        let then = "v3 = load b2[i3 + 96*i0] store b3[i3 + 96*i0] = v3";
        // `b1` is read again in other iterations of the outer loop.
        assert_eq!(pairs_of(&body(&format!("{load} {store}"), then)), [(0, 2)]);
        // Both halves of a chunk, each at its own place.
        let halves =
            format!("{load} {store} v4 = load b0[96*i0 + 16*i2 + i1 + 8] store b2[96*i0 + 16*i2 + i1 + 8] = v4");
        assert_eq!(pairs_of(&body(&halves, then)), [(0, 2)]);
        // `b0` is read later, or from elsewhere, or where it was stored before.
        assert_eq!(pairs_of(&body(&format!("{load} {store}"), "v3 = load b0[i3] store b3[i3] = v3")), []);
        assert_eq!(pairs_of(&body(&format!("{load} v5 = load b0[i1 + 480] {store}"), then)), []);
        assert_eq!(pairs_of(&body(&format!("v2 = f32 1.0 {store} v0 = load b0[96*i0 + 16*i2 + i1]"), then)), []);
        // Iterations store to the same place.
        let overlapping = "v2 = load b0[4*i0 + 4*i2 + i1] store b2[4*i0 + 4*i2 + i1] = v2";
        assert_eq!(pairs_of(&body(overlapping, then)), []);
        assert_eq!(pairs_of(&body("v2 = load b0[16*i2 + i1] store b2[16*i2 + i1] = v2", then)), []);
        // What an index that is loaded meets in other iterations is not known.
        let loaded = |load: &str, store: &str| {
            let index = "i6 = load b1[16*i2 + 2*i0] in 0..9";
            pairs_of(&body(&format!("{index} v0 = load b0[{load}] store b2[{store}] = v0"), then))
        };
        assert_eq!(loaded("96*i0 + 16*i2 + i1", "96*i0 + 16*i2 + i1"), [(0, 2)]);
        assert_eq!(loaded("96*i0 + 16*i2 + i1 + i6", "96*i0 + 16*i2 + i1 + i6"), []);
        assert_eq!(loaded("96*i6 + i1", "96*i0 + 16*i2 + i1"), []);
        // Groups of chunks, one after the other: the number of the group is told by that of the chunk, unless groups
        // overlap.
        let groups = |n: u32| {
            let (load, store) = ("v0 = load b0[16*i4 + i1]", "store b2[16*i4 + i1] = v0");
            format!(
                "parallel i0 in 0..3 {{ for i4 in 2*i0..2*i0 + {n} {{ nest \"n\" {{ lanes i1 {{ {load} {store} }} }} }} }}"
            )
        };
        assert_eq!(pairs_of(&groups(2)), [(0, 2)]);
        assert_eq!(pairs_of(&groups(3)), []);
        // A tile reads it in an order of its own.
        let tile = "tile [] reds [i4 in 0..3] a=b0[i4 + i3] b=b1[i4] init=0 -> v6 { store b3[i3] = v6 }";
        assert_eq!(pairs_of(&body(&format!("{load} {store}"), tile)), []);
    }
}
