//! Which pointers of straight-line code may reach the same words.

use crate::asm::straight_line::Region;
use graphc_ir::loops::{BufId, Buffer};
use graphc_ir::types::WORD_BYTES;
use std::collections::BTreeSet;

/// Whether buffers have words in common.
pub(super) fn are_shared(buffers: &[Buffer], a: BufId, b: BufId) -> bool {
    let [first, second] = [a, b].map(|id| buffers.get(id.0 as usize));
    a == b || first.zip(second).is_none_or(|(first, second)| first.shares_words(second))
}

/// Where pointers into these buffers point. Those with equal places in their buffers stay at the distance of these,
/// as an overlay and what it takes the place of do; nothing is known of one without place. One without buffer is a
/// number, and reaches nothing.
pub(super) fn regions<P: PartialEq>(buffers: &[Buffer], pointers: &[(Option<BufId>, Option<P>)]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::with_capacity(pointers.len());
    for (number, (buffer, place)) in pointers.iter().enumerate() {
        let of_both = |other: usize| pointers[other].0.zip(*buffer);
        let is_shared = |&other: &usize| of_both(other).is_some_and(|(a, b)| are_shared(buffers, a, b));
        let shared: Vec<usize> = (0..number).filter(is_shared).collect();
        let of_shared: BTreeSet<usize> = shared.iter().map(|&other| regions[other].number).collect();
        let region = of_shared.first().copied().unwrap_or(number);
        regions.iter_mut().filter(|other| of_shared.contains(&other.number)).for_each(|other| other.number = region);
        let beside = shared.into_iter().find(|&other| place.is_some() && pointers[other].1 == *place);
        let distance = beside.and_then(|other| {
            let (from, to) = of_both(other)?;
            let words = offset(buffers, to)? - offset(buffers, from)?;
            let Region { from, bytes, .. } = regions[other];
            Some((from, bytes + words * WORD_BYTES as i64))
        });
        let (from, bytes) = distance.unwrap_or((number, 0));
        regions.push(Region { number: region, from, bytes });
    }
    regions
}

fn offset(buffers: &[Buffer], buffer: BufId) -> Option<i64> {
    i64::try_from(buffers.get(buffer.0 as usize)?.offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::Program;

    #[test]
    fn overlays_stay_at_their_distance() {
        let text = "program \"p\" (batch=1, arena=256) {
            buffer b0: f32 input \"a\" [64] strides=[1] chunk=64 len=64 @0
            buffer b1: f32 temp \"b\" [64] strides=[1] chunk=64 len=64 @32
            buffer b2: f32 output \"c\" [64] strides=[1] chunk=64 len=64 @128
            kernel \"k\" from \"p\" { }
        }";
        let program: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let pointers = [(0, Some(7)), (2, Some(7)), (1, Some(7)), (0, Some(8)), (1, None)];
        let pointers = pointers.map(|(buffer, place)| (Some(BufId(buffer)), place));
        let region = |number, from, bytes| Region { number, from, bytes };
        assert_eq!(
            regions(&program.buffers, &pointers),
            [region(0, 0, 0), region(1, 1, 0), region(0, 0, 128), region(0, 3, 0), region(0, 4, 0)]
        );
    }
}
