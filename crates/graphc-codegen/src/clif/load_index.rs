//! Index variables that are loaded.

use super::function::{Constant, Emit, FunctionEmitter, Held};
use super::index::Linear;
use crate::select::values::Scalar;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::Access;
use graphc_ir::scalar::LANES;

impl FunctionEmitter<'_, '_> {
    /// `var = load from in 0..extent`. What depends on it is computed behind it, in a scope that ends with the block.
    pub(super) fn load_index(&mut self, var: Var, from: &Access, extent: usize) -> Emit {
        let most = i32::try_from(extent as i64 - 1).ok().filter(|&most| most >= 0);
        let most = most.ok_or_else(|| format!("{var} has {extent} values"))?;
        let operand = self.load(from)?;
        if operand.scalar != Scalar::I32 {
            return Err(format!("{var} is loaded from {}, which holds no integers", from.buffer));
        }
        self.by_lane.remove(&var);
        self.indices.unbind(var);
        let limits = [0, most].map(Constant::I32);
        match operand.held {
            Held::Uniform(word) => {
                let index = self.clamped(word, limits);
                let [index] = self.known_from_here([index]);
                self.indices.bind(var, index);
            }
            Held::Lanes(halves) => {
                let halves = halves.map(|half| self.clamped(half, limits));
                let lane = |lane: usize| (halves[lane / 4], (lane % 4) as u8);
                let words = std::array::from_fn(|number| {
                    let (half, lane) = lane(number);
                    self.builder.ins().extractlane(half, lane)
                });
                let by_lane = self.known_from_here::<LANES>(words);
                self.by_lane.insert(var, by_lane);
            }
        }
        Ok(())
    }

    /// The value of an index, which must be the same in all lanes.
    pub(super) fn uniform_index(&mut self, var: Var, value: &Affine) -> Result<Linear, String> {
        if self.is_gathered(value) || self.lane.is_some_and(|lane| value.uses(lane)) {
            return Err(format!("{var} depends on the lane"));
        }
        self.indices.resolve(&mut self.builder, value)
    }

    /// `var = clamp value in 0..extent`. What depends on it is computed behind it, as behind a loaded one.
    pub(super) fn clamp_index(&mut self, var: Var, value: &Affine, extent: usize) -> Emit {
        let most = i32::try_from(extent as i64 - 1).ok().filter(|&most| most >= 0);
        let most = most.ok_or_else(|| format!("{var} has {extent} values"))?;
        let value = self.uniform_index(var, value)?;
        let word = self.indices.value(&mut self.builder, &value);
        let word = self.builder.ins().ireduce(I32, word);
        let index = self.clamped(word, [0, most].map(Constant::I32));
        let [index] = self.known_from_here([index]);
        self.indices.bind(var, index);
        Ok(())
    }

    /// The nearest number between both limits, in every lane if there are several.
    fn clamped(&mut self, word: Value, limits: [Constant; 2]) -> Value {
        let has_lanes = self.builder.func.dfg.value_type(word).is_vector();
        let nearer = |this: &mut Self, word: Value, limit: Constant, order: IntCC| {
            let limit = this.constant(limit, has_lanes);
            let is_beyond = this.builder.ins().icmp(order, word, limit);
            if has_lanes {
                this.builder.ins().bitselect(is_beyond, limit, word)
            } else {
                this.builder.ins().select(is_beyond, limit, word)
            }
        };
        let word = nearer(self, word, limits[1], IntCC::SignedGreaterThan);
        nearer(self, word, limits[0], IntCC::SignedLessThan)
    }

    /// Makes indices of words that have just been computed and are not negative; opens a scope behind them.
    fn known_from_here<const N: usize>(&mut self, words: [Value; N]) -> [Linear; N] {
        let indices = words.map(|word| self.builder.ins().uextend(I64, word));
        self.indices.enter_behind(&self.builder, indices[N - 1]);
        indices.map(|index| self.indices.define(index))
    }

    /// Gives variables that are loaded for every lane by itself the values that they have in a lane, if an index uses
    /// them.
    pub(super) fn bind_lane(&mut self, index: &Affine, lane: usize) {
        for (&var, by_lane) in self.by_lane.iter().filter(|(var, _)| index.uses(**var)) {
            self.indices.bind(var, by_lane[lane].clone());
        }
    }

    /// Whether an index differs from lane to lane by what is loaded.
    pub(super) fn is_gathered(&self, index: &Affine) -> bool {
        self.by_lane.keys().any(|&var| index.uses(var))
    }
}
