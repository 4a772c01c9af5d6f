//! `crop`: padded by so many pixels on every side, and cut to its size at a random place.
//!
//! That is a shift by as many pixels. It has a name of its own because people know it by that one; with a shift beside
//! it both are added.

use super::draws::Draws;
use super::placement::Placement;
use super::rule::{Rule, check_pixels};
use super::size::Picture;

/// Pixels of padding on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop(pub u32);

impl Rule for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn check(&self, picture: Option<Picture>) -> Result<(), String> {
        check_pixels(self.0, picture)
    }

    fn place(&self, draws: &mut Draws<'_>, placement: &mut Placement) {
        placement.shift.iter_mut().for_each(|pixels| *pixels += draws.whole(self.0));
    }
}
