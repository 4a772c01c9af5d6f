//! `flip`: mirrored every other time, in each of its directions by itself.

use super::draws::Draws;
use super::placement::Placement;
use super::rule::Rule;
use super::size::Picture;

/// Which sides change places, every other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
    /// Each of both by itself.
    Both,
}

impl Rule for Flip {
    fn name(&self) -> &'static str {
        "flip"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        Ok(())
    }

    fn place(&self, draws: &mut Draws<'_>, placement: &mut Placement) {
        let coins = [draws.coin(), draws.coin()];
        placement.flips = match self {
            Flip::Horizontal => [false, coins[0]],
            Flip::Vertical => [coins[0], false],
            Flip::Both => coins,
        };
    }
}
