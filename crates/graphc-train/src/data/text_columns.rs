//! Text as the inputs of a network: which input has the characters, which those that follow, and the data set.
//!
//! A network for text has one `i32` input of shape `[N, T]`, a window of the text, and a target: of shape `[N, T]` the
//! character behind each of them, of shape `[N]` the one behind the last.

use super::dataset::Dataset;
use super::preprocess::{Affine, Fitted, InputFit};
use super::split::{self, Split};
use super::store::Store;
use super::table::Unknown;
use super::text::{RawText, Text, TextLevel, character_text};
use super::vocabulary::{Alphabet, Vocabulary};
use super::windows::{Numbers, Starts, Windows};
use crate::error::TrainError;
use crate::input::{InputSpec, shape_text};
use graphc_driver::session::Numbered;
use graphc_ir::DType;
use std::sync::Arc;

/// A text for the inputs of a network.
#[derive(Debug)]
pub(crate) struct TextColumns {
    raw: RawText,
    unknown: Unknown,
    stride: Option<usize>,
    inputs: Inputs,
}

/// The inputs that a text gives.
#[derive(Clone, Debug)]
struct Inputs {
    /// What the window is for.
    text: InputSpec,
    /// What follows, if that is asked for.
    target: Option<InputSpec>,
}

impl Inputs {
    /// Finds them among all that are to be given.
    fn of<'a>(specs: impl Iterator<Item = &'a InputSpec> + Clone) -> Result<Inputs, TrainError> {
        let is_window = |spec: &&InputSpec| spec.dtype == DType::I32 && spec.sample_shape.len() == 1;
        let text = specs.clone().find(|spec| is_window(spec) && !spec.is_target);
        let text = text.ok_or_else(|| {
            TrainError::Mismatch(
                "text is data for a network with an `i32` input of shape [N, T], a window of it".into(),
            )
        })?;
        let mut others = specs.filter(|spec| spec.name != text.name);
        let (target, more) = (others.next(), others.next());
        let is_next = |spec: &InputSpec| {
            let fits = spec.sample_shape.is_empty() || spec.sample_shape == text.sample_shape;
            spec.is_target && spec.dtype == DType::I32 && fits
        };
        let window = shape_text(&text.sample_shape);
        match (target.filter(|spec| !is_next(spec)), more) {
            (None, None) => Ok(Inputs { text: text.clone(), target: target.cloned() }),
            (Some(spec), _) | (None, Some(spec)) => Err(TrainError::Mismatch(format!(
                "text gives the input `{}` and the target, which has shape [N, {window}] or [N] and is `i32`; it has \
                 nothing for `{}` ({}{})",
                text.name,
                spec.name,
                spec.dtype.name(),
                if spec.is_target { ", the target" } else { "" }
            ))),
        }
    }

    /// Length of a window.
    fn window(&self) -> usize {
        self.text.sample_shape[0]
    }

    /// Targets of a window: from one to the next that is not drawn, each character is one once.
    fn n_targets(&self) -> usize {
        match &self.target {
            Some(target) if target.sample_shape.is_empty() => 1,
            _ => self.window(),
        }
    }

    /// Units that a window takes with what follows.
    fn n_units(&self) -> usize {
        self.window() + usize::from(self.target.is_some())
    }
}

impl TextColumns {
    /// Reads a text; at most so many windows of it.
    pub(crate) fn read<'a>(
        text: &Text,
        specs: impl Iterator<Item = &'a InputSpec> + Clone,
        limit: Option<usize>,
    ) -> Result<TextColumns, TrainError> {
        let inputs = Inputs::of(specs)?;
        let raw = RawText::read(text)?;
        let mut columns = TextColumns { raw, unknown: text.unknown, stride: text.stride, inputs };
        if let Some(n) = limit.filter(|&n| n < columns.n_windows()) {
            let n_units = (n.saturating_sub(1) * columns.stride()).saturating_add(columns.inputs.n_units());
            columns.raw = columns.raw.first(n_units);
        }
        if u32::try_from(columns.n_windows()).is_err() {
            let n = columns.n_windows();
            return Err(columns.raw.error(format!("{n} windows, expected at most {}", u32::MAX)));
        }
        Ok(columns)
    }

    /// Number of windows, were it one part.
    pub(crate) fn n_windows(&self) -> usize {
        self.starts().n_windows()
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> TrainError {
        self.raw.error(message)
    }

    /// Without that share at its end, and that.
    pub(crate) fn split(self, share: f64) -> (TextColumns, Option<TextColumns>) {
        if share <= 0.0 {
            return (self, None);
        }
        let (front, back) = self.raw.split(share);
        let inputs = self.inputs.clone();
        (TextColumns { raw: front, ..self }, Some(TextColumns { raw: back, inputs, ..self }))
    }

    fn stride(&self) -> usize {
        self.stride.unwrap_or(self.inputs.n_targets())
    }

    fn starts(&self) -> Starts {
        let n_places = (self.raw.n_units() + 1).saturating_sub(self.inputs.n_units());
        Starts::new(n_places, self.stride(), self.stride.is_none())
    }

    /// The data set of the whole; learns the vocabulary if none is given.
    pub(crate) fn dataset(self, given: Option<&Fitted>) -> Result<Dataset, TrainError> {
        let n = self.n_windows();
        if n == 0 {
            let (found, needed) = (self.raw.n_units(), self.inputs.n_units());
            let what = match self.raw.level() {
                TextLevel::Characters => "characters",
                TextLevel::Bytes => "bytes",
            };
            return Err(self.error(format!("this part of the text has {found} {what}, but a window takes {needed}")));
        }
        let alphabet = self.alphabet(given)?;
        let warnings = self.check_sizes(&alphabet)?;
        let numbers = Arc::new(self.numbers(&alphabet)?);
        let starts = self.starts();
        let Inputs { text, target } = self.inputs;
        let mut fitted = Fitted::default();
        if let Alphabet::Characters(vocabulary) = alphabet {
            let fit = InputFit { vocabulary: Some(vocabulary.clone()), ..InputFit::default() };
            fitted.inputs.insert(text.name.clone(), fit);
            if let Some(target) = &target {
                let fit = InputFit { classes: Some(vocabulary.names()), ..InputFit::default() };
                fitted.inputs.insert(target.name.clone(), fit);
            }
        }
        let windows = |shift| Store::Windows(Windows { numbers: numbers.clone(), starts, shift });
        let behind = |target: InputSpec| {
            let shift = if target.sample_shape.is_empty() { text.sample_shape[0] } else { 1 };
            (target, windows(shift), Affine::identity())
        };
        let target = target.map(behind);
        let columns = std::iter::once((text.clone(), windows(0), Affine::identity())).chain(target);
        let split = Split { train: split::numbers(0..n), validation: Vec::new() };
        Ok(Dataset::new(n, columns.collect(), split, fitted).with_warnings(warnings))
    }

    /// What numbers the text: what was learnt, or its own characters.
    fn alphabet(&self, given: Option<&Fitted>) -> Result<Alphabet, TrainError> {
        let name = &self.inputs.text.name;
        match (self.raw.level(), given) {
            (TextLevel::Bytes, _) => Ok(Alphabet::Bytes),
            (TextLevel::Characters, Some(fitted)) => fitted
                .of(name)
                .vocabulary
                .map(Alphabet::Characters)
                .ok_or_else(|| TrainError::Mismatch(format!("the weights hold no vocabulary of `{name}`"))),
            (TextLevel::Characters, None) => {
                let has_unknown = self.unknown == Unknown::Class;
                Ok(Alphabet::Characters(Vocabulary::of(self.raw.characters().chars(), has_unknown)))
            }
        }
    }

    /// Compares the number of different characters with what the network has for them; tells what is never used.
    fn check_sizes(&self, alphabet: &Alphabet) -> Result<Vec<String>, TrainError> {
        let (found, what, needed) = match alphabet {
            Alphabet::Characters(vocabulary) => {
                let (n, others) =
                    (vocabulary.len(), if vocabulary.unknown { ", with the number of unknown ones" } else { "" });
                (n, format!("{n} different characters{others}"), n)
            }
            // A network for all bytes has 256; one for those that there are will do.
            Alphabet::Bytes => {
                let largest = self.raw.bytes().iter().max().map_or(0, |&byte| usize::from(byte));
                (largest + 1, format!("bytes up to {largest}"), 256)
            }
        };
        let mut warnings = Vec::new();
        for spec in std::iter::once(&self.inputs.text).chain(&self.inputs.target) {
            let (name, Some(integers)) = (&spec.name, spec.integers) else { continue };
            let n = integers.n;
            let (has, fix) = match integers.of {
                Numbered::Rows => (format!("`{name}` is looked up in a table of {n} rows"), "`input_dim`"),
                Numbered::Classes => (format!("the network tells {n} classes apart for `{name}`"), "its prediction"),
            };
            if found > n {
                let message = format!("the text has {what}, but {has}; {fix} needs {needed}");
                return Err(self.error(message));
            }
            if found < n && *alphabet != Alphabet::Bytes {
                warnings.push(format!(
                    "the text has {what}, but {has}: {} of them are never used; {fix} needs {needed}",
                    n - found
                ));
            }
        }
        Ok(warnings)
    }

    /// The numbers of all characters or bytes.
    fn numbers(&self, alphabet: &Alphabet) -> Result<Numbers, TrainError> {
        let Alphabet::Characters(vocabulary) = alphabet else { return Ok(Numbers::Bytes(self.raw.bytes().to_vec())) };
        let (text, numbering) = (self.raw.characters(), vocabulary.numbering());
        let number =
            |(at, character): (usize, char)| numbering.number(character).ok_or_else(|| self.unknown(at, character));
        if vocabulary.len() <= 256 {
            let numbers = text.char_indices().map(|found| Ok(number(found)? as u8));
            return Ok(Numbers::Bytes(numbers.collect::<Result<_, TrainError>>()?));
        }
        Ok(Numbers::Words(text.char_indices().map(number).collect::<Result<_, _>>()?))
    }

    fn unknown(&self, byte: usize, character: char) -> TrainError {
        let (place, character) = (self.raw.place(byte), character_text(character));
        let place_text = place.text();
        TrainError::file(
            place.path,
            format!(
                "{place_text}: the training text has no {character}; `\"unknown\": \"class\"` gives all such characters a \
                 number"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::text::tests::files;
    use crate::data::{Loader, Preprocess, Source, Validation};
    use graphc_driver::session::Integers;

    fn spec(name: &str, shape: &[usize], is_target: bool, n: usize) -> InputSpec {
        let of = if is_target { Numbered::Classes } else { Numbered::Rows };
        let integers = Some(Integers { n, of, ignored: None });
        InputSpec { name: name.into(), dtype: DType::I32, sample_shape: shape.to_vec(), is_target, integers }
    }

    /// A window of 3 and a target of that shape, of so many characters.
    fn loader(target: &[usize], n: usize) -> Loader {
        let specs = [spec("text", &[3], false, n), spec("next", target, true, n)];
        Loader { inputs: specs.map(|spec| (spec, Preprocess::default())).to_vec(), n_threads: 1, most_in_memory: None }
    }

    fn dataset(loader: &Loader, text: &Text, share: f64) -> Result<Dataset, TrainError> {
        loader.read(&Source::Text(text.clone()), None, &[])?.fit(Validation::Share { share, seed: 1 })
    }

    /// Samples as they are, in letters.
    fn windows(data: &Dataset, samples: &[u32], letters: &str) -> Vec<String> {
        let letters: Vec<char> = letters.chars().collect();
        let of = |input: &str, sample: u32| -> String {
            data.words(input, sample as usize).unwrap().iter().map(|&word| letters[word as usize]).collect()
        };
        samples.iter().map(|&sample| format!("{} {}", of("text", sample), of("next", sample))).collect()
    }

    #[test]
    fn windows_with_what_follows() {
        let (_folder, text) = files(&[b"abcdefghij", b"klmno"]);
        let letters = "abcdefghijklmno";
        // The last fifth: `mno`, but a window takes 4.
        let message = dataset(&loader(&[3], 15), &text, 0.2).unwrap_err().to_string();
        assert!(message.ends_with("1.txt: this part of the text has 3 characters, but a window takes 4"), "{message}");
        let (_other, other) = files(&[b"abcabca"]);
        for (target, expected) in [(&[3][..], ["abc bca", "abc bca"]), (&[], ["abc a", "bca b"])] {
            let loader = loader(target, 15);
            let columns = loader.read(&Source::Text(other.clone()), None, &[]).unwrap();
            let data = loader.read(&Source::Text(text.clone()), None, &[]).unwrap();
            assert_eq!((data.len(), columns.len()), if target.is_empty() { (12, 4) } else { (4, 2) });
            let data = data.fit(Validation::Set(columns)).unwrap();
            assert_eq!(windows(&data, &data.split().validation[..2], letters), expected);
            assert!(data.warnings().is_empty());
        }
        let data = dataset(&loader(&[3], 15), &Text { stride: Some(5), ..text.clone() }, 0.0).unwrap();
        assert_eq!(windows(&data, &data.split().train, letters), ["abc bcd", "fgh ghi", "klm lmn"]);
        let limited = loader(&[3], 15).read(&Source::Text(text), Some(2), &[]).unwrap();
        assert_eq!((limited.len(), limited.is_empty()), (2, false));
        let limited = limited.fit(Validation::Share { share: 0.0, seed: 1 }).unwrap();
        assert_eq!(windows(&limited, &limited.split().train, letters), ["abc bcd", "def efg"]);
        let vocabulary = limited.fitted().of("text").vocabulary.unwrap();
        assert_eq!(vocabulary.characters, "abcdefg");
        assert_eq!(limited.fitted().of("next").classes.unwrap()[1], "b");
    }

    /// What validates begins where the training part ends, in order; only the former is drawn.
    #[test]
    fn the_end_of_the_text_validates() {
        let content: String = (0..100).map(|at| char::from(b'a' + (at * 7 % 26) as u8)).collect();
        let (_folder, text) = files(&[content.as_bytes()]);
        let data = dataset(&loader(&[3], 26), &text, 0.2).unwrap();
        assert_eq!((data.split().train.len(), data.split().validation.len()), (26, 6));
        let letters = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(
            windows(&data, &data.split().validation[..2], letters),
            [
                format!("{} {}", &content[80..83], &content[81..84]),
                format!("{} {}", &content[83..86], &content[84..87])
            ]
        );
        let in_epoch = |input, sample, epoch| data.augmented_words(input, sample, 5, epoch).unwrap();
        let mut n_moved = 0;
        for sample in 0..26 {
            let [x, y] = ["text", "next"].map(|input| in_epoch(input, sample, 1));
            assert_eq!(x[1..], y[..2]);
            n_moved += usize::from(x != data.words("text", sample).unwrap());
        }
        assert!(n_moved > 10, "{n_moved}");
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (folder, text) = files(&["a\nbabaöaababab".as_bytes()]);
        let path = format!("{}/", folder.path().display());
        let message = |loader: &Loader, text: &Text| {
            let read = loader.read(&Source::Text(text.clone()), None, &[]);
            let data = read.and_then(|columns| columns.fit(Validation::Share { share: 0.6, seed: 1 }));
            data.unwrap_err().to_string().replace(&path, "")
        };
        assert_eq!(
            message(&loader(&[3], 3), &text),
            "0.txt: line 2, column 5: the training text has no 'ö' (U+00F6); `\"unknown\": \"class\"` gives all such \
             characters a number"
        );
        assert_eq!(
            message(&loader(&[3], 2), &text),
            "0.txt: the text has 3 different characters, but `text` is looked up in a table of 2 rows; `input_dim` needs 3"
        );
        let unknown = Text { unknown: Unknown::Class, ..text.clone() };
        assert_eq!(
            message(&loader(&[3], 3), &unknown),
            "0.txt: the text has 4 different characters, with the number of unknown ones, but `text` is looked up in a \
             table of 3 rows; `input_dim` needs 4"
        );
        let data = dataset(&loader(&[3], 5), &unknown, 0.6).unwrap();
        assert_eq!(windows(&data, &data.split().validation[..1], "\nab?"), ["a?a ?aa"]);
        assert_eq!(
            data.warnings()[1],
            "the text has 4 different characters, with the number of unknown ones, but the network tells 5 classes apart \
             for `next`: 1 of them are never used; its prediction needs 4"
        );
        let bytes = Text { level: TextLevel::Bytes, ..text };
        assert_eq!(
            message(&loader(&[3], 128), &bytes),
            "0.txt: the text has bytes up to 195, but `text` is looked up in a table of 128 rows; `input_dim` needs 256"
        );
        let data = dataset(&loader(&[3], 256), &bytes, 0.0).unwrap();
        assert!(data.fitted().is_empty() && data.warnings().is_empty());
        assert_eq!(data.words("text", 2).unwrap(), [0xc3, 0xb6, u32::from(b'a')]);
    }

    #[test]
    fn networks_that_take_no_text() {
        let (_folder, text) = files(&[b"abcabcabc"]);
        let message = |specs: &[InputSpec]| TextColumns::read(&text, specs.iter(), None).unwrap_err().to_string();
        let x = spec("text", &[3], false, 3);
        assert_eq!(
            message(&[spec("next", &[], true, 3)]),
            "text is data for a network with an `i32` input of shape [N, T], a window of it"
        );
        let gives = "text gives the input `text` and the target, which has shape [N, 3] or [N] and is `i32`; it has \
                     nothing for";
        let one_hot = InputSpec { dtype: DType::F32, ..spec("next", &[3], true, 3) };
        for (others, expected) in [
            (vec![spec("next", &[2], true, 3)], "`next` (i32, the target)"),
            (vec![one_hot], "`next` (f32, the target)"),
            (vec![spec("next", &[], true, 3), spec("other", &[3], false, 3)], "`other` (i32)"),
        ] {
            let specs = [vec![x.clone()], others].concat();
            assert_eq!(message(&specs), format!("{gives} {expected}"));
        }
    }

    /// More different characters than a byte holds: words instead of bytes.
    #[test]
    fn large_vocabularies() {
        let content: String = (0..300).map(|at| char::from_u32(0x4e00 + at * 7 % 300).unwrap()).collect();
        let (_folder, text) = files(&[content.as_bytes()]);
        let data = dataset(&loader(&[], 300), &text, 0.0).unwrap();
        assert_eq!((data.words("text", 99).unwrap(), data.words("next", 99).unwrap()), (vec![93, 100, 107], vec![114]));
    }
}
