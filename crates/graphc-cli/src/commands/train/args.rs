//! What `graphc train` is told.

use crate::machine::MachineArgs;
use crate::numbers::{at_least_one, rate, seed};
use crate::progress::Style;
use crate::sizes::SizeArgs;
use graphc_train::run::CheckpointEvery;
use graphc_train::run::files::N_KEPT;
use std::path::PathBuf;
use std::time::Duration;

/// Train a network and write weights, history and curves to a run folder.
///
/// The graph file says what to train, on what and for how long; the options override it. Ctrl-C finishes the current
/// step and writes a checkpoint; a second Ctrl-C stops at once. SIGTERM and SIGHUP do as the first Ctrl-C does.
/// `--resume` goes on with a run from its last checkpoint, whatever has ended it, and comes to the same weights as if
/// nothing had.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file; a run that goes on has a copy.
    #[arg(required_unless_present = "resume")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) sizes: SizeArgs,
    /// Passes over the training data.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) epochs: Option<usize>,
    /// Samples a step; a smaller last batch is trained on too.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) batch_size: Option<usize>,
    /// Learning rate of the optimizer.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) lr: Option<f64>,
    /// Seed of the initial weights and of the shuffling.
    #[arg(long, value_parser = seed)]
    pub(super) seed: Option<u64>,
    /// Use the first N training samples only (the last part of them validates).
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) limit: Option<usize>,
    /// Run folder to make, or one without a run [default: runs/NAME-1, -2, ...].
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(super) out: Option<PathBuf>,
    /// Start from these weights.
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "resume")]
    pub(super) init: Option<PathBuf>,
    /// Go on with the run in this folder, with its options unless others are given; a finished one with more
    /// `--epochs`.
    #[arg(long, value_name = "RUN")]
    pub(super) resume: Option<PathBuf>,
    /// Write a checkpoint every so many steps (500), epochs (1e) or minutes (2m, also s and h), or only when
    /// interrupted (none) [default: every epoch, but not twice within a second].
    #[arg(long, value_name = "N")]
    pub(super) checkpoint_every: Option<Every>,
    /// How many of the last checkpoints stay in the run folder, or all; `graphc verify --epochs` starts from them
    /// [default: 2].
    #[arg(long, value_name = "N")]
    pub(super) keep_checkpoints: Option<Kept>,
    /// Say only where the run folder is and how good the network became.
    #[arg(long)]
    pub(super) quiet: bool,
    /// For scripts: one JSON object a line, for every epoch and at the end.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) machine: MachineArgs,
    /// Train on when a loss or a weight is NaN or infinite, and only warn.
    #[arg(long)]
    pub(super) allow_nonfinite: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc train examples/lenet5.graph.json
  graphc train examples/mlp.graph.json --epochs 2 --limit 5000 --seed 7
  graphc train examples/lenet5.graph.json --init runs/lenet5-1/model.safetensors --lr 0.0001
  graphc train --resume runs/lenet5-1
  graphc train --resume runs/lenet5-1 --epochs 50
  graphc train examples/mlp.graph.json --json | jq .val_accuracy";

impl Args {
    /// How much is said, and to whom.
    pub(super) fn style(&self) -> Style {
        match (self.json, self.quiet) {
            (true, _) => Style::Json,
            (false, true) => Style::Quiet,
            (false, false) => Style::Human,
        }
    }
}

/// `--checkpoint-every`, with the text that was given.
#[derive(Clone, Debug)]
pub(crate) struct Every {
    pub(super) text: String,
    pub(super) value: CheckpointEvery,
}

/// `--keep-checkpoints`: how many of the last ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept(pub(super) usize);

impl Default for Kept {
    fn default() -> Kept {
        Kept(N_KEPT)
    }
}

/// `5`, `all`.
impl std::str::FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Kept, String> {
        match text.parse() {
            _ if text == "all" => Ok(Kept(usize::MAX)),
            Ok(n) if n >= N_KEPT => Ok(Kept(n)),
            _ => Err(format!("expected a number of at least {N_KEPT}, since one may turn out to be damaged; or all")),
        }
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == usize::MAX { f.write_str("all") } else { write!(f, "{}", self.0) }
    }
}

/// Epochs can be over in less time than a disk takes.
const APART: Duration = Duration::from_secs(1);

impl Default for Every {
    fn default() -> Every {
        Every { text: "epoch".into(), value: CheckpointEvery::Epochs { n: 1, apart: APART } }
    }
}

/// `500`, `2m`, `1e`, `none`.
impl std::str::FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        const EXPECTED: &str =
            "expected a number of steps (500), epochs (1e) or a time (90s, 2m, 1h), at least 1; or none";
        let number = |digits: &str| digits.parse::<usize>().ok().filter(|&n| n > 0).ok_or(EXPECTED);
        let time = |digits: &str, unit: u64| {
            number(digits).map(|n| CheckpointEvery::Time(Duration::from_secs((n as u64).saturating_mul(unit))))
        };
        let value = match (text, text.char_indices().next_back()) {
            ("epoch", _) => return Ok(Every::default()),
            ("none", _) => CheckpointEvery::Never,
            (_, Some((at, 'e'))) => CheckpointEvery::Epochs { n: number(&text[..at])?, apart: Duration::ZERO },
            (_, Some((at, 's'))) => time(&text[..at], 1)?,
            (_, Some((at, 'm'))) => time(&text[..at], 60)?,
            (_, Some((at, 'h'))) => time(&text[..at], 3600)?,
            _ => CheckpointEvery::Steps(number(text)?),
        };
        Ok(Every { text: text.into(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often() {
        let value = |text: &str| text.parse::<Every>().map(|every| every.value);
        for (text, expected) in [
            ("500", CheckpointEvery::Steps(500)),
            ("2m", CheckpointEvery::Time(Duration::from_secs(120))),
            ("90s", CheckpointEvery::Time(Duration::from_secs(90))),
            ("1h", CheckpointEvery::Time(Duration::from_secs(3600))),
            ("3e", CheckpointEvery::Epochs { n: 3, apart: Duration::ZERO }),
            ("none", CheckpointEvery::Never),
            (&Every::default().text, Every::default().value),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0e", "-1", "1.5m", "m", "é", "1d"] {
            assert!(value(text).unwrap_err().starts_with("expected a number of steps"), "{text}");
        }
    }
}
