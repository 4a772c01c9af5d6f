//! Batches on their way to the network, in an order that is known beforehand.
//!
//! With [`Loading::Ahead`] a thread of its own chooses, gathers and packs the next batches into two staging buffers
//! while the network makes its step; between steps a batch is then only copied. With [`Loading::Between`] the network's
//! threads pack each batch into the network's own buffers before the step, each some chunks of it, and ask for the
//! samples of the batch after it, which come from all over the data. That saves the copy and the thread, and is what a
//! machine whose cores all run the step should do: there a further thread takes its time from one of them, and the
//! others wait for that one. Results are the same bits.
//!
//! The orders of the epochs are made by whoever packs, so the next epoch is shuffled while this one still runs.

use crate::batches::Batches;
use crate::data::Dataset;
use crate::data::augment::EpochKey;
use crate::error::TrainError;
use crate::network::Network;
use crate::packing::{Batch, Packing};
use graphc_ir::graph::Mode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// When batches are prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loading {
    /// Between the steps, on the threads that run them.
    #[default]
    Between,
    /// During the step before, on another thread.
    Ahead,
}

impl Loading {
    /// Where so many threads run the steps: batches are prepared on a core that runs none, if there is one. Where all
    /// do, a thread that prepares them stops one of those in the middle of a step, and the others wait for it.
    pub fn beside(n_threads: usize) -> Loading {
        let usable = thread::available_parallelism().map_or(1, usize::from);
        if usable > n_threads { Loading::Ahead } else { Loading::Between }
    }
}

/// Batches of one kind: an epoch's training, or its validation.
pub(crate) struct Section {
    pub(crate) mode: Mode,
    pub(crate) batches: Batches,
    /// The epoch for which samples are changed at random, if they are.
    pub(crate) epoch: Option<EpochKey>,
}

impl Section {
    /// Samples as they are.
    pub(crate) fn infer(batches: Batches) -> Section {
        Section { mode: Mode::Infer, batches, epoch: None }
    }
}

/// Batches being prepared at once: one waits while the next one is packed.
const N_STAGED: usize = 2;

/// Gives the batches of sections one by one.
pub(crate) enum Feed<'a> {
    Between(Packer<'a>),
    Ahead { filled: Receiver<Result<Staged, TrainError>>, empty: SyncSender<Staged> },
}

/// What is fed, and how.
#[derive(Clone, Copy)]
pub(crate) struct Feeding<'a, 's> {
    pub(crate) dataset: &'a Dataset,
    /// Kinds and sizes of all batches.
    pub(crate) sizes: &'s [(Mode, usize)],
    pub(crate) loading: Loading,
}

/// Runs `run` with a feed of all batches of `sections`.
///
/// # Errors
/// If the network's inputs do not fit the data, or `run` fails.
pub(crate) fn with_feed<'a, R>(
    network: &mut dyn Network,
    feeding: Feeding<'a, '_>,
    sections: impl Iterator<Item = Section> + Send + 'a,
    run: impl FnOnce(&mut dyn Network, &mut Feed<'a>) -> Result<R, TrainError>,
) -> Result<R, TrainError> {
    let Feeding { dataset, sizes, loading } = feeding;
    let plan =
        |&(mode, batch): &(Mode, usize)| Ok(Plan { mode, batch, packings: dataset.packings(network, mode, batch)? });
    let plans = sizes.iter().map(plan).collect::<Result<Vec<_>, TrainError>>()?;
    let packer = Packer { dataset, plans, sections: Box::new(sections), current: None };
    // Whoever packs takes it from here.
    let packer = Mutex::new(Some(packer));
    let take = || packer.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it is taken once");
    match loading {
        Loading::Between => run(network, &mut Feed::Between(take())),
        Loading::Ahead => thread::scope(|scope| {
            let (empty, to_fill) = sync_channel(N_STAGED);
            let (done, filled) = sync_channel(N_STAGED);
            for _ in 0..N_STAGED {
                empty.send(Staged::default()).expect("the channel has room for all and its end is held");
            }
            let loader = move || load(take(), &to_fill, &done);
            let Ok(loader) = thread::Builder::new().name("graphc-loader".into()).spawn_scoped(scope, loader) else {
                // The system gives no more threads: then batches are packed by the one there is.
                return run(network, &mut Feed::Between(take()));
            };
            let mut feed = Feed::Ahead { filled, empty };
            let result = run(network, &mut feed);
            // Without its channels the loader ends, whether or not it has got to the last batch.
            drop(feed);
            match loader.join() {
                Ok(()) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }),
    }
}

impl Feed<'_> {
    /// Puts the next batch, one of that mode, into the inputs of the network; gives its number of samples.
    ///
    /// # Errors
    /// If it could not be prepared, or there is none.
    pub(crate) fn next(&mut self, network: &mut dyn Network, mode: Mode) -> Result<usize, TrainError> {
        let (found, batch) = match self {
            Feed::Between(packer) => packer.pack_into(network)?.ok_or_else(no_batch)?,
            Feed::Ahead { filled, empty } => {
                let staged = filled.recv().map_err(|_| no_batch())??;
                let at = staged.copy_to(network)?;
                // The loader may have ended, with all batches packed.
                _ = empty.send(staged);
                at
            }
        };
        assert_eq!(found, mode, "batches are taken in the order of the sections");
        Ok(batch)
    }
}

fn no_batch() -> TrainError {
    TrainError::Mismatch("there is no further batch".into())
}

/// Fills buffers until there is no batch, or nobody who wants it.
fn load(mut packer: Packer<'_>, to_fill: &Receiver<Staged>, done: &SyncSender<Result<Staged, TrainError>>) {
    while let Ok(mut staged) = to_fill.recv() {
        let result = match packer.stage(&mut staged) {
            Ok(true) => Ok(staged),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        if done.send(result).is_err() {
            return;
        }
    }
}

/// A packed batch.
#[derive(Default)]
pub(crate) struct Staged {
    at: Option<(Mode, usize)>,
    /// Name and words of every input.
    inputs: Vec<(String, Vec<u32>)>,
}

impl Staged {
    fn copy_to(&self, network: &mut dyn Network) -> Result<(Mode, usize), TrainError> {
        let (mode, batch) = self.at.ok_or_else(no_batch)?;
        for (name, words) in &self.inputs {
            network.input_buffer(mode, batch, name)?.words.copy_from_slice(words);
        }
        Ok((mode, batch))
    }
}

/// How batches of one mode and size are packed.
struct Plan {
    mode: Mode,
    batch: usize,
    /// One for every input of the data set.
    packings: Vec<Packing>,
}

/// Takes batch after batch from the sections.
pub(crate) struct Packer<'a> {
    dataset: &'a Dataset,
    plans: Vec<Plan>,
    sections: Box<dyn Iterator<Item = Section> + Send + 'a>,
    /// The section at hand and the number of its next batch.
    current: Option<(Section, usize)>,
}

impl Packer<'_> {
    /// Packs the next batch into the network's own buffers.
    fn pack_into(&mut self, network: &mut dyn Network) -> Result<Option<(Mode, usize)>, TrainError> {
        let Packer { dataset, plans, sections, current } = self;
        let Some(Next { mode, epoch, batch }) = next_batch(sections, current) else { return Ok(None) };
        let n_samples = batch.samples.len();
        for (input, packing) in dataset.inputs_at(epoch).zip(packings(plans, mode, n_samples)?) {
            let fill = |chunk: usize, words: &mut [u32]| input.pack_chunk(batch, packing, chunk, words);
            network.fill_input(mode, n_samples, input.name(), &fill)?;
        }
        dataset.check()?;
        Ok(Some((mode, n_samples)))
    }

    /// Packs the next batch into a staging buffer; `false` if there is none.
    fn stage(&mut self, staged: &mut Staged) -> Result<bool, TrainError> {
        let Packer { dataset, plans, sections, current } = self;
        let Some(Next { mode, epoch, batch: Batch { samples, .. } }) = next_batch(sections, current) else {
            return Ok(false);
        };
        let packings = packings(plans, mode, samples.len())?;
        if staged.inputs.is_empty() {
            staged.inputs.extend(dataset.inputs().map(|input| (input.name().to_string(), Vec::new())));
        }
        for ((input, packing), (_, words)) in dataset.inputs_at(epoch).zip(packings).zip(&mut staged.inputs) {
            // Words left from another batch are all written anew.
            words.resize(packing.n_words(), 0);
            input.pack(samples, packing, words);
        }
        dataset.check()?;
        staged.at = Some((mode, samples.len()));
        Ok(true)
    }
}

fn packings(plans: &[Plan], mode: Mode, batch: usize) -> Result<&[Packing], TrainError> {
    let plan = plans.iter().find(|plan| (plan.mode, plan.batch) == (mode, batch));
    let message = || TrainError::Mismatch(format!("no {} step of batch size {batch} was announced", mode.name()));
    Ok(&plan.ok_or_else(message)?.packings)
}

/// What is packed next.
struct Next<'a> {
    mode: Mode,
    epoch: Option<EpochKey>,
    batch: Batch<'a>,
}

/// The next batch; the last of a section does not know the one after it.
fn next_batch<'a>(
    sections: &mut dyn Iterator<Item = Section>,
    current: &'a mut Option<(Section, usize)>,
) -> Option<Next<'a>> {
    while current.as_ref().is_none_or(|(section, at)| *at == section.batches.len()) {
        *current = Some((sections.next()?, 0));
    }
    let (section, at) = current.as_mut()?;
    let number = *at;
    *at += 1;
    let after = if *at < section.batches.len() { section.batches.get(*at) } else { &[] };
    let batch = Batch { samples: section.batches.get(number), after };
    Some(Next { mode: section.mode, epoch: section.epoch, batch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::tests::{load, numbered};
    use crate::train::tests::Toy;

    fn sections() -> impl Iterator<Item = Section> + Send {
        (0..2).flat_map(|epoch| {
            [(Mode::Train, Batches::shuffled(0..9, 4, 1, epoch)), (Mode::Infer, Batches::in_order(9..9, 4))]
                .map(|(mode, batches)| Section { mode, batches, epoch: None })
        })
    }

    fn labels_seen(loading: Loading, n_batches: usize) -> Result<Vec<i32>, TrainError> {
        let (_folder, specs) = numbered(9);
        let data = load(&specs, 1.0, 0.0);
        let mut toy = Toy::default();
        let feeding = Feeding { dataset: &data, sizes: &[(Mode::Train, 4), (Mode::Train, 1)], loading };
        with_feed(&mut toy, feeding, sections(), |network, feed| {
            for _ in 0..n_batches {
                let batch = feed.next(network, Mode::Train)?;
                network.set_input_f32(Mode::Train, batch, "learning_rate", &[0.0])?;
                network.step(Mode::Train, batch)?;
            }
            Ok(())
        })?;
        Ok(toy.labels_seen)
    }

    #[test]
    fn ahead_gives_the_same_batches_and_empty_sections_give_none() {
        let expected: Vec<i32> = (0..2)
            .flat_map(|epoch| Batches::shuffled(0..9, 4, 1, epoch).iter().flatten().copied().collect::<Vec<_>>())
            .map(|sample| sample as i32 % 3)
            .collect();
        for loading in [Loading::Between, Loading::Ahead] {
            assert_eq!(labels_seen(loading, 6).unwrap(), expected);
            assert_eq!(labels_seen(loading, 7).unwrap_err().to_string(), "there is no further batch");
            // Nobody waits for batches that are not fetched.
            assert_eq!(labels_seen(loading, 2).unwrap(), expected[..8]);
        }
    }

    #[test]
    fn an_error_of_the_loader_is_reported() {
        let (_folder, specs) = numbered(9);
        let data = load(&specs, 1.0, 0.0);
        for loading in [Loading::Between, Loading::Ahead] {
            let mut toy = Toy::default();
            let feeding = Feeding { dataset: &data, sizes: &[(Mode::Train, 4)], loading };
            let result = with_feed(&mut toy, feeding, sections(), |network, feed| {
                (0..3).try_for_each(|_| feed.next(network, Mode::Train).map(drop))
            });
            assert_eq!(result.unwrap_err().to_string(), "no train step of batch size 1 was announced");
        }
    }

    #[test]
    fn a_panic_of_the_loader_surfaces() {
        for loading in [Loading::Between, Loading::Ahead] {
            let panicked = std::panic::catch_unwind(|| {
                let (_folder, specs) = numbered(3);
                let data = load(&specs, 1.0, 0.0);
                // The data has no samples 3 and 4.
                let section = Section { mode: Mode::Train, batches: Batches::in_order(0..5, 5), epoch: None };
                let feeding = Feeding { dataset: &data, sizes: &[(Mode::Train, 5)], loading };
                with_feed(&mut Toy::default(), feeding, std::iter::once(section), |network, feed| {
                    feed.next(network, Mode::Train)
                })
            });
            assert!(panicked.is_err(), "{loading:?}");
        }
    }
}
