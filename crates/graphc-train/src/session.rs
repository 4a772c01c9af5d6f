//! The driver's session is a [`Network`].

use crate::network::{InputBuffer, Network, NetworkError, Weights};
use graphc_driver::{DriverError, Explanation, NonfiniteTensor, SavedState, Session};
use graphc_ir::Tensor;
use graphc_ir::graph::Mode;
use std::sync::atomic::AtomicBool;

impl From<DriverError> for NetworkError {
    fn from(error: DriverError) -> NetworkError {
        NetworkError(error.to_string())
    }
}

impl Network for Session {
    fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), NetworkError> {
        Ok(Session::set_input_f32(self, mode, batch, name, values)?)
    }

    fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), NetworkError> {
        Ok(Session::set_input_i32(self, mode, batch, name, values)?)
    }

    fn input_buffer(&mut self, mode: Mode, batch: usize, name: &str) -> Result<InputBuffer<'_>, NetworkError> {
        let (buffer, words) = Session::input_words(self, mode, batch, name)?;
        Ok(InputBuffer { dtype: buffer.dtype, layout: &buffer.layout, words })
    }

    fn fill_input(
        &mut self,
        mode: Mode,
        batch: usize,
        name: &str,
        fill: &(dyn Fn(usize, &mut [u32]) + Sync),
    ) -> Result<(), NetworkError> {
        Ok(Session::fill_input(self, mode, batch, name, fill)?)
    }

    fn has_input(&mut self, mode: Mode, batch: usize, name: &str) -> Result<bool, NetworkError> {
        Ok(Session::has_input(self, mode, batch, name)?)
    }

    fn step(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError> {
        Ok(Session::step(self, mode, batch)?)
    }

    fn output(&self, mode: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, NetworkError> {
        Ok(Session::output(self, mode, batch, name)?)
    }

    fn scalar(&self, mode: Mode, batch: usize, name: &str) -> Result<f64, NetworkError> {
        Ok(f64::from(Session::scalar(self, mode, batch, name)?))
    }

    fn has_output(&self, name: &str) -> bool {
        self.graph().output(name).is_some()
    }

    fn save_state(&mut self, saved: &mut SavedState) -> Result<(), NetworkError> {
        Ok(Session::save_state(self, saved)?)
    }

    fn restore_state(&mut self, saved: &SavedState) -> Result<(), NetworkError> {
        Ok(Session::restore_state(self, saved)?)
    }

    fn weights(&mut self) -> Result<Weights, NetworkError> {
        Ok(Session::inference_parameters(self)?)
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<(), NetworkError> {
        Ok(weights.iter().try_for_each(|(name, value)| Session::set_parameter(self, name, value))?)
    }

    fn infer_averages(&mut self, reads: bool) {
        Session::infer_averages(self, reads);
    }

    fn nonfinite_state(&mut self) -> Result<Vec<NonfiniteTensor>, NetworkError> {
        Ok(Session::nonfinite_state(self))
    }

    fn explain(
        &mut self,
        mode: Mode,
        batch: usize,
        names: &[&str],
        stop: &AtomicBool,
    ) -> Result<Option<Explanation>, NetworkError> {
        Ok(Session::explain(self, mode, batch, names, stop)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::Batches;
    use crate::data::array::idx::tests::idx_bytes;
    use crate::data::dataset::tests::{load, numbered};
    use crate::data::split::numbers;
    use crate::data::{ArraySource, Loader, Preprocess, Source, Validation};
    use crate::epochs::{Steps, training_section};
    use crate::feed::{Feeding, Loading, Section, with_feed};
    use crate::input::InputSpec;
    use crate::train::tests::options;
    use graphc_driver::SessionOptions;
    use graphc_ir::graph::builder::{GraphBuilder, Loss};
    use graphc_ir::layers::{Activation, BatchNorm, Dense, Dropout};
    use graphc_ir::{Averaging, DType, Graph, Optimizer, Shape};

    const GRAPH: &str = "graph squares() {
  %0: f32[N,5,4,3] = input() {dtype=f32, shape=[N,5,4,3]} \"image\"
  %1: f32[N,5,4,3] = mul(%0, %0)
  %2: f32[] = reduce_mean(%1) {axes=[0,1,2,3], keep_dims=false}
  output squares = %1
  output mean = %2
}";

    /// What a feed writes into the buffers of machine code is what the elements in row-major order would be.
    #[test]
    fn a_feed_binds_what_set_input_binds() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..20 * 60).map(|i| (i * 37 % 256) as u8).collect();
        std::fs::write(folder.path().join("images"), idx_bytes(&[20, 5, 4, 3], &bytes)).unwrap();
        let image = InputSpec {
            name: "image".into(),
            dtype: DType::F32,
            sample_shape: vec![5, 4, 3],
            is_target: false,
            integers: None,
        };
        let preprocess = Preprocess { scale: 0.25, ..Preprocess::default() };
        let loader = Loader { inputs: vec![(image, preprocess)], n_threads: 1, most_in_memory: None };
        let source = Source::Arrays(vec![("image".into(), ArraySource::new(folder.path().join("images")))]);
        let data = loader.read(&source, None, &[]).unwrap().fit(Validation::Share { share: 0.0, seed: 1 }).unwrap();
        let graph: Graph = GRAPH.parse().unwrap();
        for loading in [Loading::Between, Loading::Ahead] {
            let mut session = Session::new(graph.clone(), SessionOptions::default()).unwrap();
            let batches = Batches::shuffled(0..20, 17, 1, 1);
            let mut expected = Vec::new();
            for samples in batches.iter() {
                let image: Vec<f32> = samples
                    .iter()
                    .flat_map(|&sample| &bytes[sample as usize * 60..][..60])
                    .map(|&byte| f32::from(byte) * 0.25)
                    .collect();
                Session::set_input_f32(&mut session, Mode::Infer, samples.len(), "image", &image).unwrap();
                Session::step(&mut session, Mode::Infer, samples.len()).unwrap();
                expected.push(results(&session, samples.len()));
            }
            let sizes = [(Mode::Infer, 17), (Mode::Infer, 3)];
            let section = Section::infer(batches);
            let mut session = Session::new(graph.clone(), SessionOptions::default()).unwrap();
            let mut found = Vec::new();
            let mut sizes_seen = Vec::new();
            let feeding = Feeding { dataset: &data, sizes: &sizes, loading };
            with_feed(&mut session, feeding, std::iter::once(section), |network, feed| {
                for _ in 0..2 {
                    let batch = feed.next(network, Mode::Infer)?;
                    network.step(Mode::Infer, batch)?;
                    found.push((
                        network.output(Mode::Infer, batch, "squares")?,
                        network.scalar(Mode::Infer, batch, "mean")?,
                    ));
                    sizes_seen.push(batch);
                }
                Ok(())
            })
            .unwrap();
            assert_eq!((sizes_seen, found), (vec![17, 3], expected), "{loading:?}");
        }
    }

    fn results(session: &Session, batch: usize) -> (Tensor<f32>, f64) {
        let output = |name: &str| Session::output(session, Mode::Infer, batch, name).unwrap();
        (output("squares"), f64::from(output("mean").data[0]))
    }

    /// Dropout, Adam and moving statistics: everything that a step depends on or changes.
    fn dropout_net() -> Graph {
        let mut builder = GraphBuilder::new("net");
        let image = builder.input("image", DType::F32, Shape::batched(&[2, 2, 1])).unwrap();
        let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
        let flat = builder.flatten("flat", image).unwrap();
        let hidden = builder.dense("hidden", flat, &Dense::new(8)).unwrap();
        let normal =
            builder.batch_norm("normal", hidden, &BatchNorm { momentum: 0.9, ..BatchNorm::default() }).unwrap();
        let dropped = builder.dropout("dropped", normal, &Dropout { rate: 0.5, seed: Some(3) }).unwrap();
        let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(3) };
        let classes = builder.dense("classes", dropped, &classes).unwrap();
        builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
        builder.optimizer(Optimizer::adam(0.01));
        builder.finish()
    }

    /// An average of the weights after every step, beside the same steps in `f64`; inference reads it.
    #[test]
    fn averages_are_kept_and_inferred_with() {
        let (_folder, specs) = numbered(13);
        let data = load(&specs, 0.1, 0.0);
        let options = crate::FitOptions { learning_rate: 0.01, ..options() };
        let mut graph = dropout_net();
        let plain = graph.clone();
        graph.averaging = Some(Averaging { decay: 0.75 });
        let mut results = Vec::new();
        for graph in [plain, graph] {
            let mut session = Session::new(graph, SessionOptions::default()).unwrap();
            let mut weights: Vec<Vec<f64>> = Vec::new();
            let sizes = [(Mode::Train, 4), (Mode::Train, 1)];
            let section = training_section(&options, 1, &numbers(0..13));
            let feeding = Feeding { dataset: &data, sizes: &sizes, loading: Loading::Between };
            with_feed(&mut session, feeding, std::iter::once(section), |network, feed| {
                let mut steps = Steps::prepare(network, &sizes, &options, 4)?;
                for _ in 0..4 {
                    steps.make(network, feed)?;
                    weights.push(network.weights()?.iter().flat_map(|(_, x)| x.cast::<f64>().data).collect());
                }
                Ok(())
            })
            .unwrap();
            // A weight of `k` steps ago counts 0.75^k.
            let share = |k: usize| 0.75f64.powi(3 - k as i32);
            let total: f64 = (0..4).map(share).sum();
            let mean = |i: usize| (0..4).map(|k| weights[k][i] * share(k)).sum::<f64>() / total;
            let means: Vec<f64> = (0..weights[0].len()).map(mean).collect();
            session.infer_averages(true);
            let inferred = Network::weights(&mut session).unwrap();
            let inferred: Vec<(String, Vec<f64>)> =
                inferred.into_iter().map(|(n, x)| (n, x.cast::<f64>().data)).collect();
            results.push((weights, means, inferred, session));
        }
        let [(weights, _, inferred, _), (same_weights, means, averages, session)] = &mut results[..] else { panic!() };
        assert_eq!(weights, same_weights, "averages change nothing else");
        assert_eq!(inferred.iter().flat_map(|(_, x)| x).copied().collect::<Vec<_>>(), weights[3], "there are none");
        let (mut at, mut n_averaged) = (0, 0);
        for (name, values) in &*averages {
            let is_averaged = !name.contains("moving_");
            for &value in values {
                let expected = if is_averaged { means[at] } else { weights[3][at] };
                assert!((value - expected).abs() <= 1e-6 * expected.abs().max(0.1), "{name}: {value} {expected}");
                at += 1;
            }
            n_averaged += usize::from(is_averaged && values != &inferred.iter().find(|(n, _)| n == name).unwrap().1);
        }
        assert!(n_averaged >= 4, "{n_averaged} tensors are averaged");
        steps_read_what_the_weights_say(session);
    }

    /// The classes that a session predicts of one picture.
    fn logits(session: &mut Session) -> Vec<f32> {
        let image: Vec<f32> = (0..4).map(|i| i as f32).collect();
        Session::set_input_f32(session, Mode::Infer, 1, "image", &image).unwrap();
        Session::set_input_i32(session, Mode::Infer, 1, "label", &[0]).unwrap();
        Session::step(session, Mode::Infer, 1).unwrap();
        Session::output(session, Mode::Infer, 1, "classes").unwrap().data
    }

    /// Of a session that infers averages.
    #[track_caller]
    fn steps_read_what_the_weights_say(session: &mut Session) {
        let with_averages = logits(session);
        session.infer_averages(false);
        let without = logits(session);
        assert_ne!(with_averages, without);
        let averaged = session.inference_parameters().unwrap();
        session.infer_averages(true);
        let weights = session.inference_parameters().unwrap();
        assert_ne!(averaged, weights);
        let mut saved = SavedState::default();
        session.save_state(&mut saved).unwrap();
        session.restore_state(&saved).unwrap();
        assert_eq!(
            (logits(session), session.inference_parameters().unwrap()),
            (with_averages.clone(), weights.clone())
        );
        session.infer_averages(false);
        Network::set_weights(session, &weights).unwrap();
        assert_eq!(logits(session), with_averages);
    }

    #[test]
    fn an_epoch_repeated_from_a_copy_of_its_start_gives_the_same_bits() {
        let (_folder, specs) = numbered(13);
        let data = load(&specs, 0.1, 0.0);
        let options = crate::FitOptions { learning_rate: 0.01, ..options() };
        let sizes = [(Mode::Train, 4), (Mode::Train, 1)];
        let mut session = Session::new(dropout_net(), SessionOptions::default()).unwrap();
        let mut saved = [SavedState::default(), SavedState::default()];
        let epoch = |session: &mut Session, epoch: usize, saved: Option<&mut SavedState>| -> Vec<u64> {
            if let Some(saved) = saved {
                session.save_state(saved).expect("there is memory");
            }
            let section = training_section(&options, epoch, &numbers(0..13));
            let feeding = Feeding { dataset: &data, sizes: &sizes, loading: Loading::Between };
            let losses = with_feed(session, feeding, std::iter::once(section), |network, feed| {
                let mut steps = Steps::prepare(network, &sizes, &options, 4)?;
                steps.go_to((epoch - 1) * 4, 0);
                let mut loss = |_| {
                    let batch = steps.make(network, feed)?.batch;
                    Ok(network.scalar(Mode::Train, batch, "loss")?.to_bits())
                };
                (0..4).map(&mut loss).collect::<Result<_, crate::TrainError>>()
            });
            losses.unwrap()
        };
        let [first, second] = &mut saved;
        let expected = [epoch(&mut session, 1, Some(first)), epoch(&mut session, 2, Some(second))];
        let parameters = session.parameters().unwrap();
        // Adam's state, which did not exist before the first step, is zero again.
        for (number, saved) in [(2, &saved[1]), (1, &saved[0]), (1, &saved[0])] {
            session.restore_state(saved).unwrap();
            assert_eq!(epoch(&mut session, number, None), expected[number - 1]);
        }
        assert_eq!(epoch(&mut session, 2, None), expected[1]);
        assert_eq!(session.parameters().unwrap(), parameters);
        session.restore_state(&saved[0]).unwrap();
        assert_ne!(epoch(&mut session, 2, None), expected[1], "another epoch has other masks and batches");
    }
}
