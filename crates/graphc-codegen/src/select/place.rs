//! Where straight-line code reads and writes: pointers, and how loops move them.

use super::moving::{Counted, Moving, Place};
use super::reason::Reason;
use super::straight_line::Recogniser;
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::{Access, BufId};
use graphc_ir::types::WORD_BYTES;

impl Recogniser<'_, '_> {
    /// Strides of the pointers in a loop. What it moves them by in all is within reach, too.
    pub(super) fn strides(&self, level: usize) -> Result<Vec<i32>, Reason> {
        let count = if level == 0 { Some(1) } else { self.loops[level].count };
        let stride = |pointer: &Moving| {
            let bytes = pointer.place.as_ref().and_then(|place| place.strides.get(level)).copied().unwrap_or(0);
            let moved = count.and_then(|count| bytes.checked_mul(count + 1)).ok_or(Reason::TooFar)?;
            if moved.unsigned_abs() < 1 << 30 { Ok(bytes as i32) } else { Err(Reason::TooFar) }
        };
        self.pointers.iter().map(stride).collect()
    }

    /// An index with the values of copied loops' variables in it.
    pub(super) fn in_copy(&self, index: &Affine) -> Affine {
        let value = |var: Var| self.copied.iter().rev().find(|(known, _)| *known == var).map(|&(_, value)| value);
        if !index.is_affine() {
            return index.substitute(&|var| value(var).map_or_else(|| Affine::var(var), Affine::constant));
        }
        let mut offset = index.offset;
        let is_left = |(atom, coefficient): &&(Atom, i64)| {
            let known = if let Atom::Var(var) = atom { value(*var) } else { None };
            offset += known.map_or(0, |value| coefficient * value);
            known.is_none()
        };
        let terms = index.terms.iter().filter(is_left).cloned().collect();
        Affine { terms, offset }
    }

    /// Whether a variable is a counted loop's.
    pub(super) fn is_counted(&self, var: Var) -> bool {
        self.loops.iter().any(|counted| counted.var == var)
    }

    /// Pointer and byte offset of an access whose index has that coefficient of the lane.
    pub(super) fn place(&mut self, access: &Access, coefficient: i64) -> Result<(usize, i32), Reason> {
        let index = self.in_copy(&access.index);
        let is_vector_or_splat = matches!(coefficient, 0 | 1) && index.coefficient(self.unit.lane) == coefficient;
        if !is_vector_or_splat || !index.is_affine() || self.lane_vars.loaded_in(&index).is_some() {
            return Err(Reason::Scattered);
        }
        let (outside, loaded) = self.loaded.split(index);
        let (pointer, offset) = self.pointer(access.buffer, outside)?;
        Ok((self.point(pointer, &loaded)?, offset))
    }

    /// Pointer and byte offset of a place in a buffer.
    fn pointer(&mut self, buffer: BufId, index: Affine) -> Result<(usize, i32), Reason> {
        let (place, words) = self.moving(index, WORD_BYTES as i64);
        let offset = words.checked_mul(WORD_BYTES as i64).and_then(|bytes| i32::try_from(bytes).ok());
        let pointer = self.known_or_add(Moving { buffer: Some(buffer), place: Some(place) })?;
        Ok((pointer, offset.ok_or(Reason::TooFar)?))
    }

    /// Something that stands for an index that is the same in all lanes, and what of it is the same in all copies.
    pub(super) fn integer(&mut self, index: Affine) -> Result<(usize, i64), Reason> {
        let (place, offset) = self.moving(index, 1);
        Ok((self.known_or_add(Moving { buffer: None, place: Some(place) })?, offset))
    }

    /// An index as a place that moves, its constant apart; `unit` is what 1 of it is worth.
    fn moving(&self, mut index: Affine, unit: i64) -> (Place, i64) {
        let mut strides = Vec::with_capacity(self.loops.len());
        for &Counted { var, low, .. } in self.loops {
            let step = index.coefficient(var);
            strides.push(step.saturating_mul(unit));
            if let Some(low) = low {
                index = index.add_scaled(&Affine::var(var), -step).plus_constant(step * low);
            }
        }
        let offset = std::mem::take(&mut index.offset);
        (Place { index, strides }, offset)
    }

    fn known_or_add(&mut self, pointer: Moving) -> Result<usize, Reason> {
        match self.pointers.iter().position(|known| *known == pointer) {
            Some(known) => Ok(known),
            None => self.add_pointer(pointer),
        }
    }

    fn add_pointer(&mut self, pointer: Moving) -> Result<usize, Reason> {
        self.pointers.push(pointer);
        let number = self.pointers.len() - 1;
        if number < self.unit.unit.n_pointers { Ok(number) } else { Err(Reason::TooManyPointers) }
    }

    /// One that is computed: for words of a buffer, or an integer.
    pub(super) fn computed_pointer(&mut self, buffer: Option<BufId>) -> Result<usize, Reason> {
        self.add_pointer(Moving { buffer, place: None })
    }

    /// The buffer that a pointer points into.
    pub(super) fn buffer_of(&self, pointer: usize) -> Option<BufId> {
        self.pointers[pointer].buffer
    }
}
