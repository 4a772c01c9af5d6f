//! Loads and stores.
//!
//! By the lane's coefficient in the index: 1 is two vector accesses, 0 one scalar access, and
//! anything else is eight.

use super::function::{Emit, FunctionEmitter, Held, Operand};
use super::index::Linear;
use crate::select::values::{Scalar, scalar_of};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use graphc_ir::index::{Affine, Atom};
use graphc_ir::loops::{Access, BufId};
use graphc_ir::scalar::LANES;

/// Where a lane-dependent access goes.
pub(super) enum Place {
    /// One word for all lanes.
    Word(Linear),
    /// 8 consecutive words.
    Vector(Linear),
    /// A word for each lane.
    Scattered(Vec<Linear>),
}

/// Registers of a vector access.
pub(super) const HALF_BYTES: i32 = 16;

/// Arena accesses cannot trap; indices may stand anywhere, so vectors are not aligned.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl FunctionEmitter<'_, '_> {
    /// Splits the lane off an index.
    pub(super) fn place(&mut self, index: &Affine) -> Emit<Place> {
        let is_gathered = self.is_gathered(index);
        let Some(lane) = self.lane.filter(|&lane| is_gathered || index.uses(lane)) else {
            return Ok(Place::Word(self.indices.resolve(&mut self.builder, index)?));
        };
        let plain = |(atom, _): &(Atom, i64)| match atom {
            Atom::Var(_) => true,
            Atom::Div(inner, _) | Atom::Mod(inner, _) => !inner.uses(lane),
        };
        if !is_gathered && index.coefficient(lane) == 1 && index.terms.iter().all(plain) {
            let at_lane_0 = Affine {
                terms: index.terms.iter().filter(|(atom, _)| *atom != Atom::Var(lane)).cloned().collect(),
                offset: index.offset,
            };
            return Ok(Place::Vector(self.indices.resolve(&mut self.builder, &at_lane_0)?));
        }
        let mut words = Vec::with_capacity(LANES);
        for number in 0..LANES {
            let at_lane = index.substitute(&|var| {
                if var == lane { Affine::constant(number as i64) } else { Affine::var(var) }
            });
            self.bind_lane(index, number);
            words.push(self.indices.resolve(&mut self.builder, &at_lane)?);
        }
        Ok(Place::Scattered(words))
    }

    /// Base and immediate offset of a word of a buffer.
    pub(super) fn address(&mut self, buffer: BufId, word: &Linear) -> (Value, i32) {
        let base = self.base(buffer);
        self.indices.address(&mut self.builder, base, word)
    }

    /// The buffer of an access, if there is one of that number.
    pub(super) fn scalar_of(&self, access: &Access) -> Emit<Scalar> {
        scalar_of(self.program, access).ok_or_else(|| format!("there is no buffer {}", access.buffer))
    }

    /// `buffer[index]`.
    pub(super) fn load(&mut self, access: &Access) -> Emit<Operand> {
        let scalar = self.scalar_of(access)?;
        let held = match self.place(&access.index)? {
            Place::Word(word) => Held::Uniform(self.load_word(access, scalar, &word)?),
            Place::Vector(word) => {
                self.check(access, &word, LANES)?;
                let (base, offset) = self.address(access.buffer, &word);
                let ty = scalar.vector_type();
                Held::Lanes([self.load_at(ty, base, offset), self.load_at(ty, base, offset + HALF_BYTES)])
            }
            Place::Scattered(words) => {
                let halves = [&words[..4], &words[4..]];
                let mut lanes = [self.arena; 2];
                for (lane, half) in lanes.iter_mut().zip(halves) {
                    *lane = self.gather(access, scalar, half)?;
                }
                Held::Lanes(lanes)
            }
        };
        Ok(Operand::new(scalar, held))
    }

    fn gather(&mut self, access: &Access, scalar: Scalar, words: &[Linear]) -> Emit<Value> {
        let first = self.load_word(access, scalar, &words[0])?;
        let mut vector = self.builder.ins().scalar_to_vector(scalar.vector_type(), first);
        for (number, word) in words.iter().enumerate().skip(1) {
            let element = self.load_word(access, scalar, word)?;
            vector = self.builder.ins().insertlane(vector, element, number as u8);
        }
        Ok(vector)
    }

    fn load_word(&mut self, access: &Access, scalar: Scalar, word: &Linear) -> Emit<Value> {
        self.check(access, word, 1)?;
        let (base, offset) = self.address(access.buffer, word);
        Ok(self.load_at(scalar.scalar_type(), base, offset))
    }

    pub(super) fn load_at(&mut self, ty: Type, base: Value, offset: i32) -> Value {
        self.builder.ins().load(ty, flags(), base, offset)
    }

    pub(super) fn store_at(&mut self, value: Value, base: Value, offset: i32) {
        self.builder.ins().store(flags(), value, base, offset);
    }

    /// `buffer[index] = value`.
    pub(super) fn store(&mut self, access: &Access, value: &Operand) -> Emit {
        let scalar = self.scalar_of(access)?;
        if value.scalar != scalar {
            return Err(format!("a value of type {:?} is stored to {}", value.scalar, access.buffer));
        }
        match self.place(&access.index)? {
            Place::Word(word) => {
                self.check(access, &word, 1)?;
                let value = match value.held {
                    Held::Uniform(value) => value,
                    Held::Lanes([low, _]) => self.builder.ins().extractlane(low, 0),
                };
                let (base, offset) = self.address(access.buffer, &word);
                self.store_at(value, base, offset);
            }
            Place::Vector(word) => {
                self.check(access, &word, LANES)?;
                let lanes = self.lanes(value);
                let (base, offset) = self.address(access.buffer, &word);
                self.store_at(lanes[0], base, offset);
                self.store_at(lanes[1], base, offset + HALF_BYTES);
            }
            Place::Scattered(words) => {
                for (number, word) in words.iter().enumerate() {
                    self.check(access, word, 1)?;
                    let element = match value.held {
                        Held::Uniform(value) => value,
                        Held::Lanes(lanes) => self.builder.ins().extractlane(lanes[number / 4], (number % 4) as u8),
                    };
                    let (base, offset) = self.address(access.buffer, word);
                    self.store_at(element, base, offset);
                }
            }
        }
        Ok(())
    }

    /// In checked mode: leaves the function unless `width` words from `word` on lie in the buffer.
    pub(super) fn check(&mut self, access: &Access, word: &Linear, width: usize) -> Emit {
        if self.checks.is_none() {
            return Ok(());
        }
        let buffer = self.program.buffer(access.buffer);
        let index = self.indices.value(&mut self.builder, word);
        // An index below 0 is a huge unsigned number. A buffer shorter than the access fails always.
        let holds = match buffer.len.checked_sub(width) {
            Some(last) => self.builder.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, index, last as i64),
            None => self.builder.ins().iconst(cranelift_codegen::ir::types::I8, 0),
        };
        let program_names = (self.kernel.name.as_str(), buffer.name.as_str(), buffer.len);
        let Some(checks) = &mut self.checks else { return Ok(()) };
        let (kernel, name, len) = program_names;
        checks.failures.push(format!(
            "kernel {kernel:?}, nest {:?}: index {} of buffer {} {name:?} is not below {len}",
            checks.nest, access.index, access.buffer
        ));
        let code = checks.failures.len() as i64;
        let fail = checks.fail;
        let code = self.builder.ins().iconst(I32, code);
        let next = self.builder.create_block();
        self.builder.ins().brif(holds, next, &[], fail, &[code.into()]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        Ok(())
    }
}
