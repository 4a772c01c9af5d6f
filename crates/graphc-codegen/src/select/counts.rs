//! How much is assembled, and what is not, and why.

use super::reason::Reason;
use super::selection::{Block, Choice, FunctionRole, LoopChoice, Selection, TileChoice, TileOut};
use std::collections::BTreeMap;
use std::fmt;

/// How many tiles and innermost loops of a program are assembled. Copies of an unrolled body count each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tiles.
    pub tiles: Tally,
    /// Epilogues of assembled tiles that are more than a store.
    pub epilogues: Tally,
    /// Loops without loops or tiles inside.
    pub loops: Tally,
}

/// How many of something are assembled, and how many are Cranelift's, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of assembled functions.
    pub assembled: usize,
    /// The others.
    pub plain: BTreeMap<Reason, usize>,
}

impl Tally {
    /// How many are Cranelift's.
    pub fn n_plain(&self) -> usize {
        self.plain.values().sum()
    }

    fn add(&mut self, reason: Option<Reason>) {
        match reason {
            None => self.assembled += 1,
            Some(reason) => *self.plain.entry(reason).or_insert(0) += 1,
        }
    }
}

impl Selection<'_> {
    /// How many tiles and innermost loops are assembled.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for function in self.kernels.iter().flat_map(|kernel| &kernel.functions) {
            let is_innermost = matches!(function.role, FunctionRole::Phase(Some(_))) && !function.block.has_loops();
            if is_innermost {
                counts.loops.add(Some(Reason::OutsideLanes));
            }
            counts.block(&function.block);
        }
        counts
    }
}

impl Counts {
    fn block(&mut self, block: &Block) {
        for choice in &block.0 {
            match choice {
                Choice::Call(_) | Choice::Fetch(_) => {}
                Choice::Inline(block) => self.block(block),
                Choice::Loop(choice) => self.of_loop(choice),
                Choice::Tile(TileChoice::Assembled(call)) => {
                    self.tiles.add(None);
                    match &call.out {
                        TileOut::Place(_) => {}
                        TileOut::Table(_) => self.epilogues.add(None),
                        TileOut::Accumulators { reason, epilogue } => {
                            self.epilogues.add(Some(*reason));
                            epilogue.iter().for_each(|block| self.block(block));
                        }
                    }
                }
                Choice::Tile(TileChoice::Plain { reason, epilogue }) => {
                    self.tiles.add(Some(*reason));
                    epilogue.iter().for_each(|block| self.block(block));
                }
            }
        }
    }

    fn of_loop(&mut self, choice: &LoopChoice) {
        match choice {
            LoopChoice::Copied { copies, .. } => copies.iter().for_each(|block| self.block(block)),
            LoopChoice::StraightLine(_) | LoopChoice::Transpose { .. } => self.loops.add(None),
            LoopChoice::Plain { body, .. } if body.has_loops() => self.block(body),
            LoopChoice::Plain { reason, .. } => self.loops.add(Some(*reason)),
        }
    }
}

impl fmt::Display for Counts {
    /// For example `2 of 2 tiles, 1 of 1 epilogues and 3 of 4 innermost loops are assembled (the other loops: 1
    /// integers)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |tally: &Tally| format!("{} of {}", tally.assembled, tally.assembled + tally.n_plain());
        let [tiles, epilogues, loops] = [&self.tiles, &self.epilogues, &self.loops].map(of);
        write!(f, "{tiles} tiles, {epilogues} epilogues and {loops} innermost loops are assembled")?;
        let reasons: Vec<String> = [("tiles", &self.tiles), ("epilogues", &self.epilogues), ("loops", &self.loops)]
            .into_iter()
            .filter(|(_, tally)| !tally.plain.is_empty())
            .map(|(what, tally)| format!("{what}: {tally}"))
            .collect();
        if reasons.is_empty() { Ok(()) } else { write!(f, " (the other {})", reasons.join("; ")) }
    }
}

impl fmt::Display for Tally {
    /// What is not assembled, the most frequent reason first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<(&Reason, &usize)> = self.plain.iter().collect();
        reasons.sort_by_key(|&(reason, n)| (std::cmp::Reverse(n), reason));
        let reasons: Vec<String> = reasons.into_iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        f.write_str(&reasons.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_assembled_is_told_most_frequent_first() {
        let tally = |assembled, plain: &[(Reason, usize)]| Tally { assembled, plain: plain.iter().copied().collect() };
        let counts = Counts {
            tiles: tally(2, &[]),
            epilogues: tally(0, &[(Reason::Start, 1)]),
            loops: tally(3, &[(Reason::Integers, 1), (Reason::JoinedLanes, 4), (Reason::Scattered, 1)]),
        };
        assert_eq!(
            counts.to_string(),
            "2 of 2 tiles, 0 of 1 epilogues and 3 of 9 innermost loops are assembled \
             (the other epilogues: 1 accumulators that go on; loops: 4 joined lanes, 1 integers, 1 scattered access)"
        );
        assert_eq!(
            Counts::default().to_string(),
            "0 of 0 tiles, 0 of 0 epilogues and 0 of 0 innermost loops are assembled"
        );
    }
}
