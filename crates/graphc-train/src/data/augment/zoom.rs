//! `zoom`: the size times a factor of `1 - zoom` to `1 + zoom`, the same for height and width.

use super::draws::Draws;
use super::placement::Placement;
use super::rule::{Rule, check_amount};
use super::size::Picture;

/// How much larger or smaller a picture becomes, as a share of its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zoom(pub f64);

/// At a tenth of its size a picture is a spot.
const MOST: f64 = 0.9;

impl Rule for Zoom {
    fn name(&self) -> &'static str {
        "zoom"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        check_amount(self.0, MOST)
    }

    fn place(&self, draws: &mut Draws<'_>, placement: &mut Placement) {
        placement.zoom = 1.0 + draws.between(-self.0, self.0);
    }
}
