//! Text from a network that predicts the next character: it is asked for one, which is drawn, appended to the text,
//! and so on.
//!
//! The network sees the last characters, as many as its window has. How likely each next character is, is computed from
//! the prediction in double precision, with functions of the crate `libm`, and the draws are those of ChaCha8: a text
//! depends on weights, prompt and [`Sampling`] alone, on every machine.
//!
//! Of less text than a window has:
//!
//! - A network that predicts one character for a window has never seen a shorter one. Line breaks stand in front, or
//!   what its vocabulary has that is most like them.
//! - A network that predicts a character at every place has learnt from every shorter text, too. The text stands
//!   first in the window, and its last place says what follows. What stands behind it has no influence if the network
//!   is causal; one that is not has seen the answers in training, and writes nonsense ([`Writer::looks_ahead`]).

use crate::data::{Alphabet, character_text};
use crate::error::TrainError;
use crate::network::Network;
use graphc_ir::graph::Mode;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What of a network writes.
#[derive(Clone, Debug, PartialEq)]
pub struct WriterSpec {
    /// Name of the input that takes the text.
    pub input: String,
    /// Characters of a window.
    pub window: usize,
    /// Name of the output that predicts.
    pub prediction: String,
    /// Numbers that it tells apart.
    pub n_classes: usize,
    /// Whether it predicts what follows each character of the window, or only the last.
    pub is_everywhere: bool,
    /// Whether it gives probabilities; otherwise their logarithms, up to a constant.
    pub are_probabilities: bool,
    /// What the numbers are.
    pub alphabet: Alphabet,
}

/// How the next character is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What the logarithms of the probabilities are divided by; at 0 it is always the most likely one.
    pub temperature: f64,
    /// How many of the most likely ones are chosen from; of all, if not said.
    pub top_k: Option<usize>,
    /// Decides the draws.
    pub seed: u64,
}

/// What a network predicts for a window: a row of numbers, or one for every place.
pub type Predict<'a> = dyn FnMut(&[i32]) -> Result<Vec<f32>, TrainError> + 'a;

impl WriterSpec {
    /// Asks a network.
    pub fn predictor<'a>(&'a self, network: &'a mut dyn Network) -> impl FnMut(&[i32]) -> Result<Vec<f32>, TrainError> {
        |window| {
            network.set_input_i32(Mode::Infer, 1, &self.input, window)?;
            network.step(Mode::Infer, 1)?;
            Ok(network.output(Mode::Infer, 1, &self.prediction)?.data)
        }
    }
}

/// A text being written.
#[derive(Debug)]
pub struct Writer {
    spec: WriterSpec,
    sampling: Sampling,
    /// What each number writes.
    pieces: Vec<Option<Vec<u8>>>,
    /// The numbers of the text, at most as many as fit in a window.
    context: Vec<i32>,
    rng: ChaCha8Rng,
}

impl Writer {
    /// After a prompt.
    ///
    /// # Errors
    /// If the prompt is empty, or has a character that the training text did not have.
    pub fn new(spec: WriterSpec, prompt: &str, sampling: Sampling) -> Result<Writer, TrainError> {
        let context = spec.alphabet.numbers(prompt).map_err(|(character, at)| {
            let (character, at) = (character_text(character), at + 1);
            TrainError::Mismatch(format!(
                "character {at} of the prompt is {character}, which the training text has not"
            ))
        })?;
        if context.is_empty() {
            return Err(TrainError::Mismatch("the prompt is empty, expected at least one character".into()));
        }
        let mut pieces = spec.alphabet.pieces();
        pieces.truncate(spec.n_classes);
        let mut key = [0; 32];
        key[..8].copy_from_slice(&sampling.seed.to_le_bytes());
        key[8] = PURPOSE;
        let mut writer = Writer { spec, sampling, pieces, context, rng: ChaCha8Rng::from_seed(key) };
        writer.forget();
        Ok(writer)
    }

    /// The next character, in UTF-8, or the next byte.
    ///
    /// # Errors
    /// If the network fails, or predicts what is not finite.
    pub fn next(&mut self, predict: &mut Predict<'_>) -> Result<Vec<u8>, TrainError> {
        let place = if self.spec.is_everywhere { self.context.len() - 1 } else { 0 };
        let scores = self.scores(predict, &self.window(), place)?;
        let number = choose(scores, self.sampling, &mut self.rng);
        let number = number.ok_or_else(|| {
            TrainError::Mismatch(format!("`{}` is not finite, or gives no character a chance", self.spec.prediction))
        })?;
        self.context.push(i32::try_from(number).expect("vocabularies are small"));
        self.forget();
        Ok(self.pieces[number].clone().expect("what writes nothing is not chosen"))
    }

    /// Whether what the network predicts for the first place of a window depends on the last one: then it has seen in
    /// training what it was to predict.
    ///
    /// # Errors
    /// If the network fails.
    pub fn looks_ahead(&self, predict: &mut Predict<'_>) -> Result<bool, TrainError> {
        if !self.spec.is_everywhere || self.spec.window < 2 || self.pieces.len() < 2 {
            return Ok(false);
        }
        let mut window = vec![0; self.spec.window];
        let first = self.scores(predict, &window, 0)?;
        window[self.spec.window - 1] = 1;
        let second = self.scores(predict, &window, 0)?;
        Ok(first.iter().zip(&second).any(|(a, b)| a.to_bits() != b.to_bits()))
    }

    /// What the network sees.
    fn window(&self) -> Vec<i32> {
        let n_missing = self.spec.window - self.context.len();
        match self.spec.is_everywhere {
            true => [&*self.context, &vec![0; n_missing]].concat(),
            false => [&*vec![self.filler(); n_missing], &self.context].concat(),
        }
    }

    /// What stands in front of a text that is shorter than a window.
    fn filler(&self) -> i32 {
        let is_of = |piece: &Option<Vec<u8>>, text: &[u8]| piece.as_deref() == Some(text);
        let mut found =
            [b"\n", b" "].into_iter().filter_map(|text| self.pieces.iter().position(|piece| is_of(piece, text)));
        found.next().unwrap_or(0) as i32
    }

    /// Leaves as much as a window has.
    fn forget(&mut self) {
        let n_more = self.context.len().saturating_sub(self.spec.window);
        self.context.drain(..n_more);
    }

    /// The logarithm of how likely each number is at a place, up to a constant; minus infinity where it writes nothing.
    fn scores(&self, predict: &mut Predict<'_>, window: &[i32], place: usize) -> Result<Vec<f64>, TrainError> {
        let prediction = predict(window)?;
        let row = &prediction[place * self.spec.n_classes..][..self.pieces.len()];
        let score = |(&value, piece): (&f32, &Option<Vec<u8>>)| match (piece, self.spec.are_probabilities) {
            (None, _) => f64::NEG_INFINITY,
            (Some(_), true) => libm::log(f64::from(value)),
            (Some(_), false) => f64::from(value),
        };
        Ok(row.iter().zip(&self.pieces).map(score).collect())
    }
}

/// A part of the key that no other use of the generator has.
const PURPOSE: u8 = 0x21;

/// A number, drawn by the softmax of the scores over the temperature; the first of the largest at temperature 0.
/// Nothing if a score is NaN or infinite, or all are minus infinity.
fn choose(mut scores: Vec<f64>, sampling: Sampling, rng: &mut ChaCha8Rng) -> Option<usize> {
    let Sampling { temperature, top_k, .. } = sampling;
    // One draw a character, whatever becomes of it.
    let unit = (rng.next_u64() >> 11) as f64 * 2f64.powi(-53);
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !best.is_finite() || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    if temperature == 0.0 {
        return scores.iter().position(|&score| score == best);
    }
    if let Some(k) = top_k.filter(|&k| k < scores.len()) {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal ones the first.
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order[k..].iter().for_each(|&number| scores[number] = f64::NEG_INFINITY);
    }
    let shares: Vec<f64> = scores.iter().map(|score| libm::exp((score - best) / temperature)).collect();
    let mut rest = unit * shares.iter().sum::<f64>();
    let drawn = shares.iter().position(|&share| {
        rest -= share;
        rest < 0.0
    });
    // Rounding may leave a rest behind the last one.
    drawn.or_else(|| shares.iter().rposition(|&share| share > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Vocabulary;

    /// Predicts the number behind that of each place, or behind the last one; keeps the windows that it saw.
    fn network(is_everywhere: bool, seen: &mut Vec<Vec<i32>>) -> impl FnMut(&[i32]) -> Result<Vec<f32>, TrainError> {
        move |window| {
            seen.push(window.to_vec());
            let row = |&number: &i32| {
                let mut row = [-9.0; 6];
                row[(number as usize + 1) % 5] = 9.0;
                // The unknown character is the likeliest, but writes nothing.
                row[5] = 99.0;
                row
            };
            Ok(if is_everywhere { window } else { &window[3..] }.iter().flat_map(row).collect())
        }
    }

    const CHARACTERS: &str = "\nabcd";

    const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: None, seed: 1 };

    fn spec(is_everywhere: bool) -> WriterSpec {
        WriterSpec {
            input: "text".into(),
            window: 4,
            prediction: "scores".into(),
            n_classes: 6,
            is_everywhere,
            are_probabilities: false,
            alphabet: Alphabet::Characters(Vocabulary { characters: CHARACTERS.into(), unknown: true }),
        }
    }

    #[test]
    fn what_the_network_sees() {
        for (is_everywhere, first) in [(false, [0, 0, 1, 2]), (true, [1, 2, 0, 0])] {
            let mut seen = Vec::new();
            let mut writer = Writer::new(spec(is_everywhere), "ab", GREEDY).unwrap();
            let mut predict = network(is_everywhere, &mut seen);
            let text: Vec<u8> = (0..6).flat_map(|_| writer.next(&mut predict).unwrap()).collect();
            assert_eq!(String::from_utf8(text).unwrap(), "cd\nabc");
            assert!(!writer.looks_ahead(&mut predict).unwrap());
            drop(predict);
            assert_eq!(seen[0], first);
            assert_eq!(seen[3..5], [[2, 3, 4, 0], [3, 4, 0, 1]]);
        }
        // A long prompt is forgotten but for its end.
        let mut seen = Vec::new();
        let mut writer = Writer::new(spec(false), "abcdabc", GREEDY).unwrap();
        writer.next(&mut network(false, &mut seen)).unwrap();
        assert_eq!(seen, [[4, 1, 2, 3]]);
        // The sum of the window stands everywhere.
        let mut sum = |window: &[i32]| Ok(vec![window.iter().sum::<i32>() as f32; 4 * 6]);
        assert!(Writer::new(spec(true), "a", GREEDY).unwrap().looks_ahead(&mut sum).unwrap());
    }

    #[test]
    fn prompts_are_of_known_characters() {
        let mut known = spec(false);
        known.alphabet = Alphabet::Characters(Vocabulary { characters: CHARACTERS.into(), unknown: false });
        let message = |spec: WriterSpec, prompt: &str| Writer::new(spec, prompt, GREEDY).unwrap_err().to_string();
        let unknown = "character 3 of the prompt is 'é' (U+00E9), which the training text has not";
        assert_eq!(message(known, "abé"), unknown);
        assert_eq!(message(spec(false), ""), "the prompt is empty, expected at least one character");
        assert_eq!(Writer::new(spec(false), "é", GREEDY).unwrap().context, [5]);
    }

    /// 4000 draws of shares 1 : 2 : 4, and of their square roots at temperature 2; give or take five deviations.
    #[test]
    fn draws_are_those_of_the_softmax() {
        let counts = |temperature: f64, top_k| {
            let (mut counts, mut rng) = ([0u32; 3], ChaCha8Rng::from_seed([1; 32]));
            for _ in 0..4000 {
                let scores = [1.0, 2.0, 4.0].map(f64::ln).to_vec();
                counts[choose(scores, Sampling { temperature, top_k, seed: 1 }, &mut rng).unwrap()] += 1;
            }
            counts
        };
        let near = |found: [u32; 3], shares: [f64; 3]| {
            let sum: f64 = shares.iter().sum();
            found.iter().zip(shares).all(|(&n, share)| (f64::from(n) - 4000.0 * share / sum).abs() < 158.0)
        };
        assert!(near(counts(1.0, None), [1.0, 2.0, 4.0]), "{:?}", counts(1.0, None));
        assert!(near(counts(2.0, None), [1.0, 2f64.sqrt(), 2.0]), "{:?}", counts(2.0, None));
        assert!(near(counts(1.0, Some(2)), [0.0, 2.0, 4.0]), "{:?}", counts(1.0, Some(2)));
        assert_eq!(counts(1.0, Some(1)), [0, 0, 4000]);
        assert_eq!(counts(0.0, Some(3)), [0, 0, 4000]);
        assert_eq!(counts(1e-300, None), [0, 0, 4000]);
    }

    #[test]
    fn what_is_not_finite_is_no_chance() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let mut of = |scores: &[f64]| choose(scores.to_vec(), Sampling { temperature: 1.0, ..GREEDY }, &mut rng);
        assert_eq!(of(&[f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY]), Some(1));
        assert_eq!(of(&[f64::NEG_INFINITY; 3]), None);
        assert_eq!(of(&[0.0, f64::NAN]), None);
        assert_eq!(of(&[0.0, f64::INFINITY]), None);
    }
}
