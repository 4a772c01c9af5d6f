//! Reads indices, and what is made of them: places and ranges.

use super::kernel::{Access, Bound, BufId, Range};
use super::lex::Kind;
use super::parse::{Parsed, Parser};
use crate::index::{Affine, Atom};
use std::collections::BTreeMap;

impl Parser<'_> {
    pub(super) fn range(&mut self) -> Parsed<Range> {
        let var = self.var()?;
        self.word("in")?;
        let low = self.bound("max")?;
        self.symbol("..")?;
        Ok(Range { var, low, high: self.bound("min")? })
    }

    fn bound(&mut self, word: &'static str) -> Parsed<Bound> {
        if *self.peek() != Kind::Word(word) {
            return Ok(Bound(vec![self.affine()?]));
        }
        self.next();
        self.symbol("(")?;
        let mut bounds = vec![self.affine()?];
        while *self.peek() == Kind::Symbol(",") {
            self.next();
            bounds.push(self.affine()?);
        }
        self.symbol(")")?;
        Ok(Bound(bounds))
    }

    pub(super) fn access(&mut self) -> Parsed<Access> {
        let buffer = BufId(self.id("b")?);
        self.symbol("[")?;
        let index = self.affine()?;
        self.symbol("]")?;
        Ok(Access { buffer, index })
    }

    /// A sum of terms `3*i0`, `((…) / 4)` and constants.
    pub(super) fn affine(&mut self) -> Parsed<Affine> {
        self.nested(|parser| {
            let mut terms: BTreeMap<Atom, i64> = BTreeMap::new();
            let mut offset = 0i64;
            let mut sign = 1;
            if *parser.peek() == Kind::Symbol("-") {
                parser.next();
                sign = -1;
            }
            loop {
                let (factor, atom) = parser.term()?;
                let sum = atom.map_or(&mut offset, |atom| terms.entry(atom).or_insert(0));
                match sum.checked_add(sign * factor) {
                    // `Affine`'s text form knows no smaller number.
                    Some(value) if value != i64::MIN => *sum = value,
                    _ => {
                        parser.at -= 1;
                        return parser.error("an index that does not fit into 64 bits".to_owned());
                    }
                }
                sign = match parser.peek() {
                    Kind::Symbol("+") => 1,
                    Kind::Symbol("-") => -1,
                    _ => break,
                };
                parser.next();
            }
            Ok(Affine { terms: terms.into_iter().filter(|&(_, factor)| factor != 0).collect(), offset })
        })
    }

    fn term(&mut self) -> Parsed<(i64, Option<Atom>)> {
        let mut factor = 1;
        if matches!(self.peek(), Kind::Number(_)) {
            factor = self.integer("a whole number")?;
            if *self.peek() != Kind::Symbol("*") {
                return Ok((factor, None));
            }
            self.next();
        }
        if *self.peek() != Kind::Symbol("(") {
            return Ok((factor, Some(Atom::Var(self.var()?))));
        }
        self.next();
        self.symbol("(")?;
        let inner = Box::new(self.affine()?);
        self.symbol(")")?;
        let remainder = match self.peek() {
            Kind::Symbol("/") => false,
            Kind::Symbol("%") => true,
            _ => return self.expected("`/` or `%`"),
        };
        self.next();
        let divisor: i64 = self.integer("a divisor")?;
        if divisor == 0 {
            self.at -= 1;
            return self.expected("a positive divisor");
        }
        self.symbol(")")?;
        Ok((factor, Some(if remainder { Atom::Mod(inner, divisor) } else { Atom::Div(inner, divisor) })))
    }
}
