//! `graphc generate`.

use crate::error::CliError;
use crate::nonfinite::warn_of_weights;
use crate::numbers::{at_least_one, seed, temperature};
use crate::sizes::SizeArgs;
use crate::tuned::TuningArg;
use crate::{messages, output};
use graphc::experiment;
use graphc::writer::writer_spec;
use graphc_driver::{Session, SessionOptions};
use graphc_train::generate::{Sampling, Writer};
use graphc_train::run_folder::WEIGHTS;
use graphc_train::weights::read_fitted;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// Continue a text with a network that has learnt which character follows.
///
/// The prompt is printed, and then one character after the other as the network is asked for it: it sees the last
/// characters, as many as its window has, and the next one is drawn by the probabilities that it gives. Weights, prompt
/// and options decide the text, on every machine.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file, whose data is text.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// The weights, as training wrote them, or the folder of a run.
    #[arg(long, short, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// What the text begins with; a line break, if not said.
    #[arg(long, value_name = "TEXT", default_value = "\n", hide_default_value = true, allow_hyphen_values = true)]
    prompt: String,
    /// Characters to write; bytes, if the data is bytes.
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value_t = 200)]
    length: usize,
    /// Below 1 likely characters become likelier, above 1 all more alike; 0 always takes the likeliest.
    #[arg(long, value_name = "T", value_parser = temperature, default_value_t = 0.8)]
    temperature: f64,
    /// Choose from the K likeliest characters only.
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    top_k: Option<usize>,
    /// Seed of the draws.
    #[arg(long, value_parser = seed, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    tuning: TuningArg,
}

const EXAMPLES: &str = "\
Examples:
  graphc generate examples/next-character.graph.json --weights runs/next-character-1
  graphc generate net.graph.json --weights runs/net-1 --prompt 'ROMEO:' --length 500
  graphc generate net.graph.json --weights model.safetensors --temperature 0.5 --top-k 10";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = args.sizes.load(&args.file)?;
    let weights = if args.weights.is_dir() { args.weights.join(WEIGHTS) } else { args.weights.clone() };
    let spec = writer_spec(&experiment, &read_fitted(&weights)?)
        .map_err(|error| CliError::new(format!("{}: {error}", args.file.display())))?;
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, seed: args.seed };
    let mut writer = Writer::new(spec.clone(), &args.prompt, sampling)?;
    let options = SessionOptions { tuning: args.tuning.tuning(), ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    experiment::load_weights(&mut session, &weights)?;
    warn_of_weights(&mut session, &weights)?;
    let mut predict = spec.predictor(&mut session);
    if writer.looks_ahead(&mut predict)? {
        messages::warning(&format!(
            "`{}` says what follows a character after it has seen that: a network that generates must not look ahead \
             (attention needs `causal`)",
            spec.prediction
        ));
    }
    let mut out = Out::stdout();
    out.write(args.prompt.as_bytes())?;
    for _ in 0..args.length {
        out.write(&writer.next(&mut predict)?)?;
    }
    out.end()?;
    Ok(ExitCode::SUCCESS)
}

/// Text on its way out: to a file or a program as it is; to a terminal a character as soon as it is whole, what is no
/// UTF-8 as `U+FFFD`, and what the terminal would obey as its escape.
struct Out {
    is_terminal: bool,
    /// The first bytes of a character.
    begun: Vec<u8>,
}

impl Out {
    fn stdout() -> Out {
        Out { is_terminal: stdout().is_terminal(), begun: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        if !self.is_terminal {
            return output::bytes(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let (text, rest) = whole_characters(&self.begun);
        self.begun = rest;
        output::text(&text)
    }

    /// Writes what has remained, and a line break.
    fn end(self) -> Result<(), CliError> {
        match (self.is_terminal, self.begun.is_empty()) {
            (false, _) => Ok(()),
            (true, true) => output::text("\n"),
            (true, false) => output::text("\u{fffd}\n"),
        }
    }
}

/// What of some bytes are characters, and the bytes of one that is not complete.
fn whole_characters(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut text = String::new();
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(whole) => return (text + whole, Vec::new()),
            Err(error) => {
                let (whole, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(whole));
                let Some(n_bad) = error.error_len() else { return (text, bad.to_vec()) };
                text.push('\u{fffd}');
                rest = &bad[n_bad..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_written_whole() {
        assert_eq!(whole_characters("aö".as_bytes()), ("aö".into(), Vec::new()));
        assert_eq!(whole_characters(b"a\xc3"), ("a".into(), vec![0xc3]));
        assert_eq!(whole_characters(b"a\xc3b\xff"), ("a\u{fffd}b\u{fffd}".into(), Vec::new()));
        assert_eq!(whole_characters(b"\xe2\x82"), (String::new(), vec![0xe2, 0x82]));
    }
}
