//! A training made ready: its data read, its steps compiled.

use crate::error::CliError;
use crate::machine::MachineArgs;
use crate::threads::warn_if_fewer;
use crate::{messages, nonfinite};
use graphc::experiment::{self, BeginFiles};
use graphc_driver::Session;
use graphc_driver::memory::{parameter_bytes, state_bytes};
use graphc_frontend::Experiment;
use graphc_ir::Graph;
use graphc_train::data::Split;
use graphc_train::run::Begin;
use graphc_train::train::{Counts, batch_sizes};
use graphc_train::{Dataset, FitOptions, TrainError};
use std::path::Path;
use std::thread;

/// What is to be trained, and on what.
pub(in crate::commands) struct Work<'a> {
    pub(in crate::commands) experiment: &'a Experiment,
    /// Bytes of the graph file.
    pub(in crate::commands) graph: &'a [u8],
    /// Where the paths of its data files start.
    pub(in crate::commands) data_folder: &'a Path,
    pub(in crate::commands) options: &'a FitOptions,
    pub(in crate::commands) limit: Option<usize>,
    /// Weights to start from.
    pub(in crate::commands) init: Option<&'a Path>,
    /// What it was made of when it began, if it has begun: it must be the same.
    pub(in crate::commands) begun: Option<&'a Begin>,
}

/// A compiled network with its data.
pub(in crate::commands) struct Prepared {
    pub(in crate::commands) session: Session,
    pub(in crate::commands) train: Dataset,
    pub(in crate::commands) test: Option<Dataset>,
    /// Hashes of what it is made of.
    pub(in crate::commands) begin: Begin,
    pub(super) n_executables: usize,
    /// Executables with choices of `graphc tune`.
    pub(super) n_tuned: usize,
    pub(super) compile_ms: f64,
    /// What the code was made for.
    pub(in crate::commands) target: String,
    pub(super) n_parameters: usize,
    /// Whether there is memory for them.
    pub(super) has_checkpoints: bool,
}

impl Work<'_> {
    /// Reads every file that there is, for its hash.
    fn begin(&self) -> Result<Begin, TrainError> {
        let Work { experiment, graph, data_folder, options, limit, init, begun } = *self;
        let files = BeginFiles { graph, folder: data_folder, init };
        let mut begin = experiment::begin(experiment, files, options, limit)?;
        if init.is_none() {
            begin.init = begun.and_then(|begun| begun.init.clone());
        }
        Ok(begin)
    }
}

/// Reads the data on other threads while this one compiles.
pub(in crate::commands) fn prepare(work: &Work<'_>, machine: MachineArgs) -> Result<Prepared, CliError> {
    let Work { experiment, options, limit, .. } = *work;
    let (seed, threads) = (options.seed, machine.threads.threads);
    let mut session = Session::new(experiment.graph.clone(), machine.session(seed))?;
    warn_if_fewer(threads, session.threads());
    // How many samples there will be stands at the head of the files. If that cannot be read, the readers say why.
    let announced = experiment::announced_samples(experiment, limit);
    let Counts { train: n_train, validation: n_validation, test: n_test } = announced.unwrap_or_default();
    let n_samples = n_train.saturating_add(n_validation).saturating_add(n_test);
    session.reserve_memory("the data", experiment::data_bytes(experiment, n_samples))?;
    thread::scope(|scope| {
        // Without further threads the data is read here, afterwards.
        let read_train = || experiment::training_data(experiment, limit, seed, threads);
        // Whoever reads them hashes files, too: each thread may take 64 MiB of addresses, which a limit can make
        // scarce.
        let read_test = || (experiment::test_data(experiment, threads), work.begin());
        let train = thread::Builder::new().spawn_scoped(scope, read_train).ok();
        let test = thread::Builder::new().spawn_scoped(scope, read_test).ok();
        if let Some(path) = work.init {
            experiment::load_weights(&mut session, path)?;
            nonfinite::check_weights(&session, path, options.allow_nonfinite)?;
        }
        if let Some(counts) = announced {
            for (mode, batch) in batch_sizes(counts, options.batch_size) {
                session.compile(mode, batch)?;
            }
        }
        let has_checkpoints = reserve_for_files(&mut session, &experiment.graph)?;
        let panicked = |what: &str| CliError::new(format!("reading the {what} data panicked"));
        let test = test.map_or_else(|| Ok(read_test()), |data| data.join().map_err(|_| panicked("test")));
        let (test, begin) = test?;
        // What has changed is the reason for anything else that is wrong with it.
        if let (Some(begun), Ok(begin)) = (work.begun, &begin)
            && let Some(change) = begun.changed(begin)
        {
            return Err(CliError::new(change));
        }
        let train = train.map_or_else(|| Ok(read_train()), |data| data.join().map_err(|_| panicked("training")))??;
        let test = test?;
        let warnings = train.warnings().iter().chain(test.iter().flat_map(|test| test.warnings()));
        warnings.for_each(|warning| messages::warning(warning));
        options.check(train.split())?;
        let begin = begin?;
        let test = test.map(|test| test.apply(train.fitted())).transpose()?;
        compiled(session, experiment, options.batch_size, Read { train, test, begin, has_checkpoints })
    })
}

/// Whether there is memory for checkpoints; what is written at the end must have some.
fn reserve_for_files(session: &mut Session, graph: &Graph) -> Result<bool, CliError> {
    // What a checkpoint has is copied for the thread that writes it, twice more, and put into the form of a file.
    let has_checkpoints = session.reserve_memory("checkpoints", state_bytes(graph).saturating_mul(4)).is_ok();
    // At the end weights are copied and put into the form of a file.
    session.reserve_memory("writing the weights", parameter_bytes(graph).saturating_mul(2))?;
    Ok(has_checkpoints)
}

/// What was read while the network was compiled.
struct Read {
    train: Dataset,
    test: Option<Dataset>,
    begin: Begin,
    has_checkpoints: bool,
}

/// Compiles what is still missing.
fn compiled(
    mut session: Session,
    experiment: &Experiment,
    batch_size: usize,
    read: Read,
) -> Result<Prepared, CliError> {
    let Read { train, test, begin, has_checkpoints } = read;
    let Split { train: trained, validation } = train.split();
    let n_test = test.as_ref().map_or(0, Dataset::len);
    let counts = Counts { train: trained.len(), validation: validation.len(), test: n_test };
    let sizes = batch_sizes(counts, batch_size);
    let (mut compile_ms, mut n_tuned, mut target) = (0.0, 0, String::new());
    for &(mode, batch) in &sizes {
        let times = session.compile(mode, batch)?;
        compile_ms += times.total.as_secs_f64() * 1e3;
        n_tuned += usize::from(times.is_tuned);
        target.clone_from(&times.target);
    }
    let totals = graphc_frontend::totals(&experiment.graph);
    Ok(Prepared {
        session,
        train,
        test,
        begin,
        n_executables: sizes.len(),
        n_tuned,
        compile_ms,
        target,
        n_parameters: totals.trainable + totals.fixed,
        has_checkpoints,
    })
}
