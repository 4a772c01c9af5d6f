//! `brightness`: the same number is added to all values, up to that share of their range, or taken away.

use super::draws::Draws;
use super::row::Row;
use super::rule::{Rule, check_amount};
use super::size::Picture;

/// Share of the range that is added at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brightness(pub f64);

impl Rule for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        check_amount(self.0, 1.0)
    }

    fn change(&self, draws: &mut Draws<'_>, row: &mut Row<'_>) {
        let added = row.of_range(draws.between(-self.0, self.0));
        row.map(|value, channel| value + added[channel]);
        row.clip();
    }
}
