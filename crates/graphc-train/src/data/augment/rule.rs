//! What makes a transform.

use super::draws::Draws;
use super::placement::Placement;
use super::row::Row;
use super::size::Picture;

/// What makes a transform.
pub(super) trait Rule {
    /// As a graph file calls it.
    fn name(&self) -> &'static str;

    /// Whether it is of pictures only.
    fn is_of_pictures(&self) -> bool {
        true
    }

    /// What is wrong with its numbers, for pictures of that size if they are pictures: the end of a sentence that
    /// begins with its name.
    fn check(&self, picture: Option<Picture>) -> Result<(), String>;

    /// Says where the picture goes.
    fn place(&self, _draws: &mut Draws<'_>, _placement: &mut Placement) {}

    /// Changes values in place.
    fn change(&self, _draws: &mut Draws<'_>, _row: &mut Row<'_>) {}
}

/// A share or an amount: finite, and from 0 to `most`.
pub(super) fn check_amount(value: f64, most: f64) -> Result<(), String> {
    match (0.0..=most).contains(&value) {
        true => Ok(()),
        false if most.is_finite() => Err(format!("is {value}, expected a number from 0 to {most}")),
        false => Err(format!("is {value}, expected a number of at least 0")),
    }
}

/// A number of pixels by which a picture moves: some of it has to stay.
pub(super) fn check_pixels(pixels: u32, picture: Option<Picture>) -> Result<(), String> {
    match picture {
        Some(Picture { height, width, .. }) if pixels as usize >= height.min(width) => {
            Err(format!("is {pixels} pixels, but pictures are {height}x{width}"))
        }
        _ => Ok(()),
    }
}
