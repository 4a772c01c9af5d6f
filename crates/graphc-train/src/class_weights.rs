//! [`ClassWeights`]: samples count as their classes do.
//!
//! A network with weights of samples has an input for them. This fills it before every step, from the targets that
//! stand in the network's own buffers: whoever gives the batches does not know of it.

use crate::network::{InputBuffer, Network, NetworkError, Weights};
use graphc_driver::{Explanation, NonfiniteTensor, SavedState};
use graphc_ir::graph::Mode;
use graphc_ir::{DType, Tensor};
use std::sync::atomic::AtomicBool;

/// How much samples of each class count in training. In inference all count alike, so losses of validation and test
/// mean the same whatever the weights are.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassWeights {
    /// Name of the input that gets a weight for each sample.
    pub input: String,
    /// Name of the input with what the samples are: class numbers; shares of the classes, which make a mean of their
    /// weights; yes and no as 1 and 0, or between.
    pub target: String,
    /// One for each class; of yes and no that of no first.
    pub weights: Vec<f32>,
}

impl ClassWeights {
    /// The weight of each of `batch` samples.
    fn of_targets(&self, targets: &InputBuffer<'_>, batch: usize) -> Vec<f32> {
        let weights = &self.weights;
        let words = targets.layout.unpack(targets.words);
        match targets.dtype {
            // A number that is no class is refused by the step.
            DType::I32 => words.iter().map(|&class| weights.get(class as usize).copied().unwrap_or(f32::NAN)).collect(),
            DType::F32 if words.len() == batch && weights.len() == 2 => words
                .iter()
                .map(|&yes| f32::from_bits(yes))
                .map(|yes| (1.0 - yes) * weights[0] + yes * weights[1])
                .collect(),
            DType::F32 => {
                let mean =
                    |shares: &[u32]| shares.iter().zip(weights).map(|(&share, w)| f32::from_bits(share) * w).sum();
                words.chunks(weights.len().max(1)).map(mean).collect()
            }
        }
    }
}

/// A network whose samples count as [`ClassWeights`] says, or as it has them itself.
pub struct Weighted<'a> {
    network: &'a mut dyn Network,
    rule: Option<&'a ClassWeights>,
}

impl<'a> Weighted<'a> {
    /// Without a rule it is the network.
    pub fn new(network: &'a mut dyn Network, rule: Option<&'a ClassWeights>) -> Weighted<'a> {
        Weighted { network, rule }
    }

    fn fill(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError> {
        let Some(rule) = self.rule else { return Ok(()) };
        let mut weights = rule.of_targets(&self.network.input_buffer(mode, batch, &rule.target)?, batch);
        if mode == Mode::Infer {
            weights.fill(1.0);
        }
        self.network.set_input_f32(mode, batch, &rule.input, &weights)
    }
}

impl Network for Weighted<'_> {
    fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), NetworkError> {
        self.network.set_input_f32(mode, batch, name, values)
    }

    fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), NetworkError> {
        self.network.set_input_i32(mode, batch, name, values)
    }

    fn input_buffer(&mut self, mode: Mode, batch: usize, name: &str) -> Result<InputBuffer<'_>, NetworkError> {
        self.network.input_buffer(mode, batch, name)
    }

    fn fill_input(
        &mut self,
        mode: Mode,
        batch: usize,
        name: &str,
        fill: &(dyn Fn(usize, &mut [u32]) + Sync),
    ) -> Result<(), NetworkError> {
        self.network.fill_input(mode, batch, name, fill)
    }

    fn has_input(&mut self, mode: Mode, batch: usize, name: &str) -> Result<bool, NetworkError> {
        self.network.has_input(mode, batch, name)
    }

    fn step(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError> {
        self.fill(mode, batch)?;
        self.network.step(mode, batch)
    }

    fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, NetworkError> {
        self.network.output(mode, batch, name)
    }

    fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f64, NetworkError> {
        self.network.scalar(mode, batch, name)
    }

    fn has_output(&self, name: &str) -> bool {
        self.network.has_output(name)
    }

    fn save_state(&mut self, saved: &mut SavedState) -> Result<(), NetworkError> {
        self.network.save_state(saved)
    }

    fn restore_state(&mut self, saved: &SavedState) -> Result<(), NetworkError> {
        self.network.restore_state(saved)
    }

    fn weights(&mut self) -> Result<Weights, NetworkError> {
        self.network.weights()
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<(), NetworkError> {
        self.network.set_weights(weights)
    }

    fn infer_averages(&mut self, reads: bool) {
        self.network.infer_averages(reads);
    }

    fn nonfinite_state(&mut self) -> Result<Vec<NonfiniteTensor>, NetworkError> {
        self.network.nonfinite_state()
    }

    fn explain(
        &mut self,
        mode: Mode,
        batch: usize,
        names: &[&str],
        stop: &AtomicBool,
    ) -> Result<Option<Explanation>, NetworkError> {
        self.fill(mode, batch)?;
        self.network.explain(mode, batch, names, stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::Toy;
    use graphc_ir::loops::Layout;

    fn rule(weights: &[f32]) -> ClassWeights {
        ClassWeights { input: "sample_weight".into(), target: "label".into(), weights: weights.to_vec() }
    }

    fn of(weights: &[f32], dtype: DType, shape: &[usize], values: &[u32]) -> Vec<f32> {
        let layout = Layout::new(shape, Some(0));
        let mut words = vec![0; layout.len()];
        layout.pack(values, &mut words);
        rule(weights).of_targets(&InputBuffer { dtype, layout: &layout, words: &mut words }, shape[0])
    }

    #[test]
    fn of_every_kind_of_target() {
        assert_eq!(of(&[1.0, 2.5, 4.0], DType::I32, &[4], &[2, 0, 1, 1]), [4.0, 1.0, 2.5, 2.5]);
        assert!(of(&[1.0, 2.0], DType::I32, &[1], &[2])[0].is_nan());
        let [no, half, yes] = [0.0f32, 0.5, 1.0].map(f32::to_bits);
        assert_eq!(of(&[1.0, 3.0], DType::F32, &[3, 1], &[no, half, yes]), [1.0, 2.0, 3.0]);
        assert_eq!(of(&[1.0, 3.0], DType::F32, &[3], &[no, half, yes]), [1.0, 2.0, 3.0]);
        assert_eq!(of(&[1.0, 3.0], DType::F32, &[2, 2], &[half, half, no, yes]), [2.0, 3.0]);
    }

    #[test]
    fn in_training_only() {
        let mut toy = Toy::default();
        for mode in [Mode::Train, Mode::Infer] {
            toy.set_input_f32(mode, 3, "learning_rate", &[0.0]).unwrap();
            let rule = rule(&[0.5, 2.0]);
            let mut network = Weighted::new(&mut toy, Some(&rule));
            let labels = network.input_buffer(mode, 3, "label").unwrap();
            labels.layout.pack(&[1u32, 0, 1], labels.words);
            network.input_buffer(mode, 3, "image").unwrap();
            network.step(mode, 3).unwrap();
        }
        let weights = |mode: &'static str| toy.inputs[&(mode, 3, "sample_weight".to_string())].clone();
        assert_eq!(weights("train"), [2.0, 0.5, 2.0]);
        assert_eq!(weights("infer"), [1.0; 3]);
    }
}
