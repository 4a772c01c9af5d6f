//! Which number stands for which character of a text.
//!
//! The characters of the training part are numbered in the order of their code points, from 0. Which they are is part
//! of a trained network, as categories of a table are, and is kept with its weights. Characters that others have
//! beside them are a mistake, or all together one more number, behind the others. Bytes are their own numbers.

use crate::error::printable;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// The characters of a text that was trained on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Each once, in the order of their numbers.
    pub characters: String,
    /// Whether all others have one number, behind theirs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
}

/// What numbers a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Bytes are numbers.
    Bytes,
    /// Characters have those of a vocabulary.
    Characters(Vocabulary),
}

/// Numbers of characters, for looking up.
#[derive(Debug)]
pub(crate) struct Numbering {
    numbers: HashMap<char, u32>,
    /// That of all others.
    unknown: Option<u32>,
}

impl Vocabulary {
    /// The characters of a text.
    pub(crate) fn of(characters: impl Iterator<Item = char>, unknown: bool) -> Vocabulary {
        // Most are ASCII, of which an array knows which there are.
        let (mut ascii, mut others) = ([false; 128], BTreeSet::new());
        for character in characters {
            match ascii.get_mut(character as usize) {
                Some(is_there) => *is_there = true,
                None => _ = others.insert(character),
            }
        }
        let ascii = (0..128u8).filter(|&byte| ascii[usize::from(byte)]).map(char::from);
        Vocabulary { characters: ascii.chain(others).collect(), unknown }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.characters.chars().count() + usize::from(self.unknown)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the numbers are called: characters that are seen are their own names.
    pub fn names(&self) -> Vec<String> {
        let name = |character: char| match character {
            ' ' => "space".to_string(),
            _ => printable(&character.to_string()),
        };
        let unknown = self.unknown.then(|| "unknown".to_string());
        self.characters.chars().map(name).chain(unknown).collect()
    }

    /// The text of those numbers, with `U+FFFD` for characters that are not known.
    pub fn text(&self, numbers: impl IntoIterator<Item = u32>) -> String {
        let characters: Vec<char> = self.characters.chars().collect();
        numbers.into_iter().map(|number| characters.get(number as usize).copied().unwrap_or('\u{fffd}')).collect()
    }

    pub(crate) fn numbering(&self) -> Numbering {
        let numbers = self.characters.chars().zip(0..).collect();
        let unknown = self.unknown.then(|| self.len() as u32 - 1);
        Numbering { numbers, unknown }
    }
}

impl Numbering {
    /// The number of a character, if it has one.
    pub(crate) fn number(&self, character: char) -> Option<u32> {
        self.numbers.get(&character).copied().or(self.unknown)
    }
}

impl Alphabet {
    /// The numbers of a text.
    ///
    /// # Errors
    /// The first character that has none, and how many stand before it.
    pub fn numbers(&self, text: &str) -> Result<Vec<i32>, (char, usize)> {
        match self {
            Alphabet::Bytes => Ok(text.bytes().map(i32::from).collect()),
            Alphabet::Characters(vocabulary) => {
                let numbering = vocabulary.numbering();
                let number = |(at, character)| numbering.number(character).ok_or((character, at));
                text.chars().enumerate().map(|found| number(found).map(u32::cast_signed)).collect()
            }
        }
    }

    /// What each number writes, from 0 on; nothing for that of unknown characters.
    pub fn pieces(&self) -> Vec<Option<Vec<u8>>> {
        match self {
            Alphabet::Bytes => (0..=u8::MAX).map(|byte| Some(vec![byte])).collect(),
            Alphabet::Characters(vocabulary) => {
                let characters = vocabulary.characters.chars().map(|character| Some(character.to_string().into()));
                characters.chain(vocabulary.unknown.then_some(None)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_code_points() {
        let vocabulary = Vocabulary::of("böse Ziege\n".chars(), false);
        assert_eq!(vocabulary.characters, "\n Zbegisö");
        assert_eq!(vocabulary.names(), ["\\n", "space", "Z", "b", "e", "g", "i", "s", "ö"]);
        let alphabet = Alphabet::Characters(vocabulary);
        assert_eq!(alphabet.numbers("be\nö").unwrap(), [3, 4, 0, 8]);
        assert_eq!(alphabet.numbers("bahn"), Err(('a', 1)));
        assert_eq!(alphabet.pieces()[8], Some("ö".as_bytes().to_vec()));
    }

    #[test]
    fn all_others_have_one_number() {
        let vocabulary = Vocabulary::of("ab".chars(), true);
        assert_eq!((vocabulary.len(), vocabulary.names()), (3, ["a", "b", "unknown"].map(String::from).to_vec()));
        let alphabet = Alphabet::Characters(vocabulary.clone());
        assert_eq!(alphabet.numbers("bxaö").unwrap(), [1, 2, 0, 2]);
        assert_eq!(alphabet.pieces()[2], None);
        assert_eq!(vocabulary.text([1, 2, 0]), "b\u{fffd}a");
        let text = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(text, r#"{"characters":"ab","unknown":true}"#);
        assert_eq!(serde_json::from_str::<Vocabulary>(&text).unwrap(), vocabulary);
    }

    #[test]
    fn bytes_are_numbers() {
        assert_eq!(Alphabet::Bytes.numbers("aö").unwrap(), [97, 195, 182]);
        assert_eq!(Alphabet::Bytes.pieces().len(), 256);
    }
}
