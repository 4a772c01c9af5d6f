//! Taps, each with the output coordinates that have it.

use super::accumulators::Accumulators;
use super::blocks::all;
use super::nest::Nest;
use crate::decide::loops::{Coordinate, Loop};
use crate::decide::taps::Taps;
use crate::write::builder::{Builder, bounded};
use graphc_ir::index::Affine;
use graphc_ir::loops::LoopKind;

impl Nest<'_> {
    /// All taps of the other output coordinates at hand; then the epilogue of everything that waited.
    pub(super) fn taps(&mut self, b: &mut Builder, taps: &Taps) {
        let accumulators = Accumulators::new(self.place_to_wait(), vec![(taps.axis, taps.extent)], &self.share);
        self.clear(b, &accumulators);
        self.tap = Some(accumulators.clone());
        self.each_tap(b, taps, 0);
        self.tap = None;
        self.finish(b, &accumulators);
    }

    /// Loops over the reductions before the taps from `level` on; then the taps, one by one.
    fn each_tap(&mut self, b: &mut Builder, taps: &Taps, level: usize) {
        let form = self.form;
        let red = &form.reds[level];
        if level < taps.reduction {
            let [low, high] = self.bounds(b, red);
            let var = b.var();
            self.em.ranges.insert(var, (0, red.extent as i64 - 1));
            self.em.bind(red.var, Affine::var(var));
            return b.for_range(bounded(var, red.extent, low, high), LoopKind::Serial, |b| {
                self.em.open_scope();
                self.each_tap(b, taps, level + 1);
                self.em.close_scope();
            });
        }
        for (tap, coordinates) in taps.coordinates.iter().enumerate() {
            self.em.bind(red.var, Affine::constant(tap as i64));
            let inner = [coordinates.start, coordinates.end];
            let walk = Loop { block: taps.block, inner, ..Loop::new(Coordinate::Axis(taps.axis), taps.extent) };
            for segment in walk.segments().into_iter().filter(|segment| segment.is_inner) {
                self.em.open_scope();
                self.segment(b, &walk, segment, all(segment.n_blocks), &[]);
                self.em.close_scope();
            }
        }
    }
}
