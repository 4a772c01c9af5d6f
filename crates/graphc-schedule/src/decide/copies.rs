//! Copies of tensors in the order in which contractions read them.
//!
//! A tile walks all terms of its sums with a few neighbouring outputs. In a large row-major matrix those words lie a
//! row apart: every step of the sum touches another cache line, of which it needs a part, and lines a power of two
//! apart fall into the same few cache sets. Or they are no neighbours where the lanes of a vector must be. A copy
//! holds, for each block of outputs, term after term, the words of the block: `[outputs / block][terms][block]`.
//!
//! | copy | outputs | terms | block |
//! |---|---|---|---|
//! | packed weights, splats | one axis of the result | the reductions | that of the register grid |
//! | vector weights | the axis whose coordinates are lanes, filled up | the reductions | whole vectors of the grid |
//! | rows of a batch | features | samples | all features |

use crate::decide::problem::Problem;
use crate::machine::Threads;
use graphc_ir::NodeId;
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::Layout;
use graphc_ir::point::BATCH;
use graphc_ir::scalar::{CHUNK, LANES};
use graphc_ir::types::DType;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// Sums shorter than this stay in the nearest cache as they are.
const FEWEST_TERMS: usize = 512;

/// Copies of what stays near that are read less often than this cost more than they save.
const FEWEST_USES: usize = 8;

/// Shares of a copy for up to as many threads: the words of a share of the blocks should be many in every row.
const MOST_SHARES: usize = 8;

/// Rows of a share that are worth it.
const FEWEST_ROWS: usize = 64;

/// How the full blocks of a copy are shared by threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shares {
    /// So many shares of so many coordinates of the last term each, if there are many: each thread has probably
    /// updated the rows that it reads.
    Rows { n_shares: usize, n_rows: usize },
    /// So many shares of so many blocks each, and of so many coordinates of all other terms; one if blocks are many.
    Blocks { n_shares: usize, n_blocks: usize, n_terms: usize },
}

/// When a copy is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Once for many steps: nothing that a step writes is copied.
    Prologue,
    /// Once a step, before the kernel that reads it.
    Step,
    /// Chunk by chunk, behind whatever computes the tensor.
    Chunk,
    /// Some terms of some outputs at a time, by the nest that reads them next.
    Block { n_outputs: usize, n_terms: usize },
}

/// A copy of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyPlan {
    /// What is copied.
    pub(crate) source: NodeId,
    /// The contraction that it is made for; rows may have several.
    pub(crate) reader: NodeId,
    /// Index of an element over the outputs' axis and the terms.
    pub(crate) index: Vec<Affine>,
    /// The axis that is blocked, and its extent.
    pub(crate) outputs: (Var, usize),
    /// The other axes in the order in which they are read, with their extents.
    pub(crate) terms: Vec<(Var, usize)>,
    /// The terms over the axes of the contraction that reads it.
    pub(crate) places: Vec<Affine>,
    /// Outputs side by side in every block but the last.
    pub(crate) block: usize,
    /// Full blocks that are copied in vectors: all whose words follow each other in the source, and of which eight
    /// words can be read wherever they begin.
    pub(crate) n_vector_blocks: usize,
    /// Whether eight neighbours along the last term follow each other in the source, so that squares are transposed.
    pub(crate) transposes: bool,
    /// Outputs are filled up with zeros to a multiple of this.
    pub(crate) unit: usize,
    /// Outputs in whole vectors, if the vector behind them is the last eight outputs once more.
    pub(crate) tail: Option<usize>,
    /// Words from the first of one output's blocks to that of the next output.
    pub(crate) stride: usize,
    pub(crate) when: When,
}

/// Number of a copy in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CopyId(pub(crate) usize);

/// All copies of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    list: Vec<CopyPlan>,
    rows: BTreeMap<NodeId, CopyId>,
}

impl Copies {
    /// The copy.
    pub(crate) fn get(&self, id: CopyId) -> &CopyPlan {
        &self.list[id.0]
    }

    /// All of them with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CopyId, &CopyPlan)> {
        self.list.iter().enumerate().map(|(number, copy)| (CopyId(number), copy))
    }

    /// Adds a copy.
    pub(crate) fn add(&mut self, copy: CopyPlan) -> CopyId {
        self.list.push(copy);
        CopyId(self.list.len() - 1)
    }

    /// Makes a copy once for many steps.
    pub(crate) fn make_in_prologue(&mut self, id: CopyId) {
        self.list[id.0].when = When::Prologue;
    }

    /// The rows of a batch, added when they are first asked for.
    pub(crate) fn rows(&mut self, problem: &Problem<'_>, (source, reader): (NodeId, NodeId)) -> CopyId {
        let known = self.rows_of(source);
        known.unwrap_or_else(|| {
            let id = self.add(CopyPlan::rows(problem, (source, reader)));
            self.rows.insert(source, id);
            id
        })
    }

    /// The rows of a batch, if a contraction reads them.
    pub(crate) fn rows_of(&self, source: NodeId) -> Option<CopyId> {
        self.rows.get(&source).copied()
    }
}

impl CopyPlan {
    /// The weights of a contraction over chunks of samples, in blocks that are still to be chosen, and whether
    /// packing them pays: they are splats, one of their axes is an axis of the result, all others are terms.
    pub(crate) fn packed(problem: &Problem<'_>, node: NodeId, form: &PointForm) -> Option<(CopyPlan, bool)> {
        form.batch_axis?;
        let terms: Vec<(Var, usize)> = form.reds.iter().map(|red| (red.var, red.extent)).collect();
        let contraction = form.as_contraction()?;
        let found = [contraction.a, contraction.b].into_iter().find_map(|(source, index)| {
            let ty = problem.graph.ty(source);
            if ty.shape.batch_axis().is_some() || ty.dtype != DType::F32 {
                return None;
            }
            let is_output = |var: Var| {
                let axis = var.0 as usize;
                axis < form.extents.len() && form.batch_axis != Some(axis)
            };
            let place = index.iter().position(|i| i.value.as_var().is_some_and(is_output))?;
            let outputs = index[place].value.as_var()?;
            let axis = outputs.0 as usize;
            let others = || index.iter().enumerate().filter(|&(other, _)| other != place).map(|(_, i)| &i.value);
            let are_terms = others().all(|i| i.is_affine_over(|var| terms.iter().any(|term| term.0 == var)))
                && terms.iter().all(|&(term, _)| others().any(|i| i.uses(term)));
            are_terms.then(|| CopyPlan {
                source,
                reader: node,
                index: index.iter().map(|i| i.value.clone()).collect(),
                outputs: (outputs, form.extents[axis]),
                terms: terms.clone(),
                places: own_places(&terms),
                block: 1,
                n_vector_blocks: 0,
                transposes: false,
                unit: 1,
                tail: None,
                stride: spread(n_terms(&terms)),
                when: When::Step,
            })
        })?;
        let is_pixel = |axis: usize| Var(axis as u32) != found.outputs.0 && form.batch_axis != Some(axis);
        let pixels = (0..form.extents.len()).filter(|&axis| is_pixel(axis)).map(|axis| form.extents[axis]);
        let n_uses = problem.n_chunks() * pixels.product::<usize>();
        // From beyond a core's own cache every line would come again for each of the blocks that have a part of it.
        let is_far = found.n_terms() * found.outputs.1 > problem.machine.far_words();
        let pays = found.n_terms() >= FEWEST_TERMS && (n_uses >= FEWEST_USES || is_far);
        Some((found, pays))
    }

    /// Whether one dimension of a tensor is an axis, and no other depends on it: then the words of a copy are numbered
    /// by the other dimensions, whatever they are read at.
    pub(crate) fn is_gathered(index: &[LoadIndex], axis: Var) -> bool {
        let uses: Vec<&LoadIndex> = index.iter().filter(|i| i.value.uses(axis)).collect();
        matches!(uses[..], [alone] if alone.value.as_var() == Some(axis))
    }

    /// The weights of a contraction whose lanes are neighbours along the output axis `lane`, in blocks that are still
    /// to be chosen; `index` is that of the weights: its terms are the reductions if it depends on nothing else,
    /// otherwise it [is gathered](CopyPlan::is_gathered), and they are the other dimensions of the weights.
    pub(crate) fn vectors(
        problem: &Problem<'_>,
        (source, reader): (NodeId, NodeId),
        (index, form): (&[LoadIndex], &PointForm),
        lane: Var,
    ) -> CopyPlan {
        let terms: Vec<(Var, usize)> = form.reds.iter().map(|red| (red.var, red.extent)).collect();
        let index: Vec<Affine> = index.iter().map(|i| i.value.clone()).collect();
        let is_term = |var: Var| var == lane || terms.iter().any(|&(term, _)| term == var);
        let (index, terms, places) = if index.iter().all(|i| i.is_affine_over(is_term)) {
            let places = own_places(&terms);
            (index, terms, places)
        } else {
            let first = form.extents.len() + form.reds.len();
            let own = |dimension: usize| Var((first + dimension) as u32);
            let others = (0..index.len()).filter(|&dimension| index[dimension].as_var() != Some(lane));
            let sizes = problem.graph.sizes(source);
            let terms = others.clone().map(|dimension| (own(dimension), sizes[dimension])).collect();
            let places = others.map(|dimension| index[dimension].clone()).collect();
            let of = |dimension: usize| if index[dimension].as_var() == Some(lane) { lane } else { own(dimension) };
            ((0..index.len()).map(|dimension| Affine::var(of(dimension))).collect(), terms, places)
        };
        let outputs = (lane, form.extents[lane.0 as usize]);
        let stride = n_terms(&terms);
        CopyPlan {
            source,
            reader,
            index,
            outputs,
            terms,
            places,
            block: LANES,
            n_vector_blocks: 0,
            transposes: false,
            unit: LANES,
            tail: None,
            stride,
            when: When::Step,
        }
    }

    /// A batch of vectors with samples as rows, for lanes that are features; rows of padding samples are zero.
    pub(crate) fn rows(problem: &Problem<'_>, (source, reader): (NodeId, NodeId)) -> CopyPlan {
        let n_features = problem.graph.sizes(source)[1];
        let feature = Var(0);
        CopyPlan {
            source,
            reader,
            index: vec![Affine::var(BATCH), Affine::var(feature)],
            outputs: (feature, n_features),
            terms: vec![(BATCH, problem.n_chunks() * CHUNK)],
            places: vec![Affine::var(BATCH)],
            block: Layout::row_stride(n_features),
            n_vector_blocks: 0,
            transposes: false,
            unit: 1,
            tail: None,
            stride: 0,
            when: When::Chunk,
        }
    }

    /// Terms of a sum.
    pub(crate) fn n_terms(&self) -> usize {
        n_terms(&self.terms)
    }

    /// Outputs that there is room for.
    fn n_slots(&self) -> usize {
        self.tail.map_or(self.outputs.1.next_multiple_of(self.unit), |n_whole| n_whole + self.unit)
    }

    /// Outputs, a tail left out.
    pub(crate) fn n_outputs(&self) -> usize {
        self.tail.unwrap_or(self.outputs.1)
    }

    /// What its buffer is called.
    pub(crate) fn buffer_name(&self) -> String {
        match self.when {
            When::Chunk => format!("rows of {}", self.source),
            When::Prologue | When::Step | When::Block { .. } => format!("packed weights of {}", self.reader),
        }
    }

    /// Coordinates of the last term.
    pub(crate) fn n_rows(&self) -> usize {
        self.terms.last().map_or(1, |&(_, extent)| extent)
    }

    /// The same in blocks of so many outputs.
    pub(crate) fn in_blocks(self, problem: &Problem<'_>, block: usize) -> CopyPlan {
        let n_outputs = self.n_outputs();
        let strides = problem.layout(self.source).strides;
        let step = |axis: Var| {
            self.index.iter().zip(&strides).map(|(i, &stride)| i.coefficient(axis) * stride as i64).sum::<i64>()
        };
        let transposes = block >= LANES
            && step(self.outputs.0) != 1
            && self.terms.last().is_some_and(|&(term, n)| n >= LANES && step(term) == 1);
        let n_vector_blocks = if step(self.outputs.0) != 1 || n_outputs < LANES {
            0
        } else if block >= LANES {
            n_outputs / block
        } else {
            ((n_outputs - LANES) / block + 1).min(n_outputs / block)
        };
        CopyPlan { block, n_vector_blocks, transposes, ..self }
    }

    /// The same, made for so many terms of so many outputs at a time.
    pub(crate) fn at_a_time(self, n_outputs: usize, n_terms: usize) -> CopyPlan {
        CopyPlan { stride: spread(n_terms), when: When::Block { n_outputs, n_terms }, ..self }
    }

    /// How so many blocks are shared. Squares have all coordinates of the last term.
    pub(crate) fn shares(&self, n_full: usize, threads: Threads) -> Shares {
        let n_shares = MOST_SHARES.max(threads.n);
        let n_rows = self.n_rows() / n_shares;
        if n_rows >= FEWEST_ROWS && !self.transposes {
            return Shares::Rows { n_shares, n_rows };
        }
        // Twice as many as threads: they differ in size.
        let are_few = threads.n > 1 && n_full < 2 * threads.n;
        let n_terms = if are_few { self.n_terms() / self.n_rows() } else { 1 };
        let n_shares = if n_terms > 1 { (2 * threads.n).div_ceil(n_terms) } else { n_shares };
        let n_blocks = n_full.div_ceil(n_shares).max(1);
        Shares::Blocks { n_shares: n_full.div_ceil(n_blocks), n_blocks, n_terms }
    }

    /// The layout of its buffer.
    pub(crate) fn layout(&self) -> Layout {
        match self.when {
            When::Chunk => Layout::new(&[self.n_terms(), self.block], None),
            When::Prologue | When::Step => Layout::new(&[self.n_slots(), self.stride], None),
            When::Block { n_outputs, .. } => Layout::new(&[n_outputs, self.stride], None),
        }
    }

    /// Word of the copy: the block that begins with output `first` has `width` outputs, and `cell` is one of them.
    /// `term` gives the value of a term's variable.
    pub(crate) fn word(&self, first: &Affine, width: usize, cell: &Affine, term: impl Fn(Var) -> Affine) -> Affine {
        let row =
            self.terms.iter().fold(Affine::default(), |row, &(var, extent)| row.times(extent as i64).plus(&term(var)));
        first.times(self.stride as i64).add_scaled(&row, width as i64).plus(cell)
    }
}

/// Terms that are axes of the contraction.
fn own_places(terms: &[(Var, usize)]) -> Vec<Affine> {
    terms.iter().map(|&(term, _)| Affine::var(term)).collect()
}

fn n_terms(terms: &[(Var, usize)]) -> usize {
    terms.iter().map(|(_, extent)| extent).product()
}

/// Words from one output to the next: blocks whose distance is a power of two would fall into the same cache sets,
/// and all of them are written at a time.
fn spread(n_terms: usize) -> usize {
    let stride = n_terms.next_multiple_of(LANES);
    if stride.is_multiple_of(2 * LANES) { stride + LANES } else { stride }
}

impl Display for CopyPlan {
    /// `%5 in blocks of 4, once a step`
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.when {
            When::Chunk => write!(f, "rows of {}, behind each chunk", self.source),
            When::Step => write!(f, "{} in blocks of {}, once a step", self.source, self.block),
            When::Prologue => write!(f, "{} in blocks of {}, in the prologue", self.source, self.block),
            When::Block { n_outputs, n_terms } => {
                write!(f, "{} in blocks of {}, {n_terms} terms of {n_outputs} at a time", self.source, self.block)
            }
        }
    }
}
