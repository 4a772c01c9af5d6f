//! `rotate`: turned about the centre by up to so many degrees, either way.

use super::draws::Draws;
use super::placement::Placement;
use super::rule::{Rule, check_amount};
use super::size::Picture;

/// Degrees by which a picture is turned at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotate(pub f64);

impl Rule for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        check_amount(self.0, 180.0)
    }

    fn place(&self, draws: &mut Draws<'_>, placement: &mut Placement) {
        placement.degrees = draws.between(-self.0, self.0);
    }
}
