//! Indices that straight-line code loads itself.
//!
//! One that is the same in all lanes is held like a pointer: the pointers of what it leads to are computed of it in
//! every iteration. Where every lane loads its own they are a vector, by which words are gathered.

use super::reason::Reason;
use super::selection::Fixed;
use super::straight_line::Recogniser;
use super::values::{Scalar, scalar_of};
use crate::asm::straight_line::{Source, Step};
use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::Access;
use graphc_ir::scalar::BinaryOp;
use graphc_ir::types::WORD_BYTES;

impl Recogniser<'_, '_> {
    /// `var = load from in 0..extent`.
    pub(super) fn load_index(&mut self, var: Var, from: &Access, extent: usize) -> Result<(), Reason> {
        if self.is_epilogue || scalar_of(self.cx.program, from) != Some(Scalar::I32) {
            return Err(Reason::LoadedIndex);
        }
        let most = extent.checked_sub(1).and_then(|most| i32::try_from(most).ok()).ok_or(Reason::TooFar)?;
        let [zero, most] = [0, most].map(|limit| self.fixed(Fixed::Bits(limit.cast_unsigned())));
        if from.index.uses(self.unit.lane) || self.is_gathered(from) {
            let word = self.load(from)?;
            let below = self.known_or_push(Step::Nearest { is_smaller: true, a: word, b: most })?;
            let index = self.known_or_push(Step::Nearest { is_smaller: false, a: below, b: zero })?;
            self.loaded.same.remove(&var);
            self.loaded.by_lane.insert(var, index);
            return Ok(());
        }
        let (Source::Constant(zero), Source::Constant(most)) = (zero, most) else { unreachable!("they are constants") };
        let (pointer, offset) = self.place(from, 0)?;
        let to = self.computed_pointer(None)?;
        self.push(Step::LoadIndex { pointer, offset, zero, most, to })?;
        self.loaded.by_lane.remove(&var);
        self.loaded.same.insert(var, to);
        Ok(())
    }

    /// A pointer moved by integers that were loaded, each times so many words.
    pub(super) fn point(&mut self, pointer: usize, loaded: &[(usize, i64)]) -> Result<usize, Reason> {
        loaded.iter().try_fold(pointer, |from, &(index, words)| {
            let bytes = words
                .checked_mul(WORD_BYTES as i64)
                .and_then(|bytes| i32::try_from(bytes).ok())
                .ok_or(Reason::TooFar)?;
            if let Some(&known) = self.loaded.points.get(&(from, index, bytes)) {
                return Ok(known);
            }
            let to = self.computed_pointer(self.buffer_of(pointer))?;
            self.push(Step::Point { from, index, bytes, to })?;
            self.loaded.points.insert((from, index, bytes), to);
            Ok(to)
        })
    }

    /// Whether lanes load words by indices of their own.
    pub(super) fn is_gathered(&self, access: &Access) -> bool {
        let is_inside = |var: &Var| access.index.uses(*var);
        self.loaded.by_lane.keys().any(is_inside) || self.lane_vars.loaded_in(&access.index).is_some()
    }

    /// An index as integers: the sum of what is known outside, of what iterations count, and of what they load.
    pub(super) fn integers(&mut self, index: &Affine) -> Result<Source, Reason> {
        let index = self.in_copy(index);
        let is_inside = |this: &Self, var: Var| {
            this.is_counted(var) || this.loaded.by_lane.contains_key(&var) || this.loaded.same.contains_key(&var)
        };
        let mut has_inside = false;
        index.for_each_var(&mut |var| has_inside |= is_inside(self, var));
        if self.lane_vars.loaded_in(&index).is_some() || has_inside && !index.is_affine() {
            return Err(Reason::Integers);
        }
        if !has_inside {
            return Ok(self.fixed(Fixed::Index(index)));
        }
        let (mut outside, mut counted, mut sum) = (Affine::constant(index.offset), Affine::default(), None);
        for (atom, coefficient) in &index.terms {
            let Atom::Var(var) = *atom else { unreachable!("the index is affine") };
            let loaded = match (self.loaded.by_lane.get(&var), self.loaded.same.get(&var)) {
                (Some(&vector), _) => vector,
                (None, Some(&pointer)) => self.known_or_push(Step::Integer { pointer })?,
                (None, None) => {
                    let part = if var == self.unit.lane { &mut outside } else { &mut counted };
                    part.accumulate(&Affine::var(var), *coefficient);
                    continue;
                }
            };
            let coefficient = i32::try_from(*coefficient).map_err(|_| Reason::TooFar)?;
            let product = self.product(loaded, coefficient)?;
            sum = Some(self.sum_of(sum, product)?);
        }
        if !counted.terms.is_empty() {
            let (pointer, offset) = self.integer(counted)?;
            outside.offset += offset;
            let counted = self.known_or_push(Step::Integer { pointer })?;
            sum = Some(self.sum_of(sum, counted)?);
        }
        if outside != Affine::default() {
            let outside = self.fixed(Fixed::Index(outside));
            sum = Some(self.sum_of(sum, outside)?);
        }
        sum.ok_or(Reason::Integers)
    }

    /// Words by indices of the lanes' own, or that stand apart: what is known outside and the lane's number are a
    /// constant vector.
    pub(super) fn gather(&mut self, access: &Access) -> Result<Source, Reason> {
        let index = self.in_copy(&access.index);
        if self.is_epilogue {
            return Err(Reason::LoadedIndex);
        }
        if !index.is_affine() {
            return Err(Reason::Scattered);
        }
        // Then no distance of two words overflows.
        let buffer = self.cx.program.buffers.get(access.buffer.0 as usize);
        if buffer.is_none_or(|buffer| buffer.len >= 1 << 31) {
            return Err(Reason::TooFar);
        }
        let (mut at_lane_0, mut outside, mut sum) = (Affine::constant(index.offset), Affine::default(), None);
        for (atom, coefficient) in &index.terms {
            let term = Affine { terms: [(atom.clone(), *coefficient)].into_iter().collect(), offset: 0 };
            let Atom::Var(var) = atom else { return Err(Reason::Scattered) };
            if let Some(&vector) = self.loaded.by_lane.get(var) {
                let coefficient = i32::try_from(*coefficient).map_err(|_| Reason::TooFar)?;
                let product = self.product(vector, coefficient)?;
                sum = Some(self.sum_of(sum, product)?);
            } else if self.lane_vars.are_in(&term) {
                outside.accumulate(&term, 1);
            } else {
                at_lane_0.accumulate(&term, 1);
            }
        }
        if !outside.terms.is_empty() {
            let vector = self.fixed(Fixed::Index(outside));
            sum = Some(self.sum_of(sum, vector)?);
        }
        let index = match sum.expect("something is gathered") {
            sum @ Source::Step(_) => sum,
            sum => self.known_or_push(Step::Copy(sum))?,
        };
        let (pointer, offset) = self.place(&Access { buffer: access.buffer, index: at_lane_0 }, 0)?;
        self.known_or_push(Step::Gather { pointer, offset, index })
    }

    fn product(&mut self, vector: Source, factor: i32) -> Result<Source, Reason> {
        if factor == 1 {
            return Ok(vector);
        }
        let factor = self.fixed(Fixed::Bits(factor.cast_unsigned()));
        self.known_or_push(Step::Binary(BinaryOp::IMul, vector, factor))
    }

    fn sum_of(&mut self, sum: Option<Source>, term: Source) -> Result<Source, Reason> {
        match sum {
            None => Ok(term),
            Some(sum) => self.known_or_push(Step::Binary(BinaryOp::IAdd, sum, term)),
        }
    }
}
