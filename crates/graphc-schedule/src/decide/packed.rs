//! Packed weights: a copy in the order in which a contraction's register tiles read them.
//!
//! A tile walks all terms of its sums with the weights of a few neighbouring outputs. In a large row-major matrix those
//! words lie a row apart: every step of the sum touches another cache line, of which it needs a part, and lines a power
//! of two apart fall into the same few cache sets. The copy holds, for each block of outputs, term after term, the
//! words of the block: `[outputs / block][terms][block]`. It is made once a step
//! ([`pack`](mod@crate::write::copies::pack)) and read for every pixel of every chunk.

use graphc_ir::NodeId;
use graphc_ir::form::{Form, PointForm};
use graphc_ir::graph::Graph;
use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::LANES;
use graphc_ir::types::DType;

/// Sums shorter than this stay in the nearest cache as they are.
const FEWEST_TERMS: usize = 512;

/// Copies that are read less often than this cost more than they save.
const FEWEST_USES: usize = 8;

/// The weights of one contraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackedWeights {
    /// The node that holds them.
    pub(crate) weights: NodeId,
    /// Whether they are the first factor.
    pub(crate) is_first: bool,
    /// The output axis that is blocked.
    pub(crate) axis: usize,
    /// Its extent.
    pub(crate) n_outputs: usize,
    /// Reductions in order, with their extents.
    pub(crate) terms: Vec<(Var, usize)>,
    /// The variable at each index of the weights.
    pub(crate) index: Vec<Var>,
}

impl PackedWeights {
    /// The weights of a contraction that can be packed, and whether that pays; `n_chunks` is how often the batch reads
    /// them.
    pub(crate) fn of(graph: &Graph, form: &Form, node: NodeId, n_chunks: usize) -> Option<(PackedWeights, bool)> {
        let form = form.as_point()?;
        let contraction = form.as_contraction()?;
        form.batch_axis?;
        let terms: Vec<(Var, usize)> = form.reds.iter().map(|red| (red.var, red.extent)).collect();
        let found =
            [(contraction.a, true), (contraction.b, false)].into_iter().find_map(|((slot, index), is_first)| {
                let weights = graph.operands(node)[slot];
                let ty = graph.ty(weights);
                if ty.shape.batch_axis().is_some() || ty.dtype != DType::F32 {
                    return None;
                }
                let index: Option<Vec<Var>> = index.iter().map(|i| i.value.as_var()).collect();
                let index = index?;
                // The last axis is the outputs, all others are terms.
                let (&last, others) = index.split_last()?;
                let axis = last.0 as usize;
                let is_output = axis < form.extents.len() && form.batch_axis != Some(axis);
                let are_terms = others.len() == terms.len() && terms.iter().all(|(term, _)| others.contains(term));
                (is_output && are_terms).then(|| PackedWeights {
                    weights,
                    is_first,
                    axis,
                    n_outputs: form.extents[axis],
                    terms: terms.clone(),
                    index,
                })
            })?;
        let pays = found.n_terms() >= FEWEST_TERMS && found.uses(form, n_chunks) >= FEWEST_USES;
        Some((found, pays))
    }

    /// Chunks and pixels for which every word is read.
    fn uses(&self, form: &PointForm, n_chunks: usize) -> usize {
        let is_pixel = |axis: usize| axis != self.axis && form.batch_axis != Some(axis);
        n_chunks
            * (0..form.extents.len()).filter(|&axis| is_pixel(axis)).map(|axis| form.extents[axis]).product::<usize>()
    }

    /// Terms of a sum.
    pub(crate) fn n_terms(&self) -> usize {
        self.terms.iter().map(|(_, extent)| extent).product()
    }

    /// Words of the copy from one output to the next: blocks whose distance is a power of two would fall into the same
    /// cache sets, and all of them are written at a time.
    pub(crate) fn output_stride(&self) -> usize {
        let stride = self.n_terms().next_multiple_of(LANES);
        if stride.is_multiple_of(2 * LANES) { stride + LANES } else { stride }
    }

    /// Word of the copy: the block that begins with output `first` has `width` outputs, and `cell` is one of them.
    /// `term` gives the value of a reduction's variable.
    pub(crate) fn word(&self, first: &Affine, width: usize, cell: &Affine, term: impl Fn(Var) -> Affine) -> Affine {
        let row =
            self.terms.iter().fold(Affine::default(), |row, &(var, extent)| row.times(extent as i64).plus(&term(var)));
        first.times(self.output_stride() as i64).add_scaled(&row, width as i64).plus(cell)
    }
}
