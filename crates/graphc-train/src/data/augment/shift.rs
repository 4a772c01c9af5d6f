//! `shift`: moved by up to so many whole pixels up or down, and left or right.

use super::draws::Draws;
use super::placement::Placement;
use super::rule::{Rule, check_pixels};
use super::size::Picture;

/// Pixels by which a picture is moved at most, in both directions by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(pub u32);

impl Rule for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn check(&self, picture: Option<Picture>) -> Result<(), String> {
        check_pixels(self.0, picture)
    }

    fn place(&self, draws: &mut Draws<'_>, placement: &mut Placement) {
        placement.shift.iter_mut().for_each(|pixels| *pixels += draws.whole(self.0));
    }
}
