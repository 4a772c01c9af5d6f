//! `erase`: now and then a rectangle at a random place is filled (random erasing, Zhong and others 2017).

use super::draws::Draws;
use super::row::Row;
use super::rule::{Rule, check_amount};
use super::size::Picture;

/// How often a rectangle is filled, and which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erase {
    /// How often, from 0 to 1.
    pub probability: f64,
    /// Its area, as a share of the picture's: least and greatest, from 0 to 1.
    pub area: [f64; 2],
    /// Its height by its width: least and greatest, evenly drawn by their logarithms.
    pub ratio: [f64; 2],
}

impl Default for Erase {
    fn default() -> Erase {
        Erase { probability: 0.5, area: [0.02, 0.33], ratio: [0.3, 3.3] }
    }
}

impl Rule for Erase {
    fn name(&self) -> &'static str {
        "erase"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        let Erase { probability, area, ratio } = *self;
        check_amount(probability, 1.0).map_err(|message| format!("has a `probability` that {message}"))?;
        if !(0.0 <= area[0] && area[0] <= area[1] && area[1] <= 1.0) {
            return Err(format!("has the `area` {area:?}, expected two ascending shares"));
        }
        if !(0.0 < ratio[0] && ratio[0] <= ratio[1] && ratio[1].is_finite()) {
            return Err(format!("has the `ratio` {ratio:?}, expected two ascending numbers greater than 0"));
        }
        Ok(())
    }

    fn change(&self, draws: &mut Draws<'_>, row: &mut Row<'_>) {
        let Some(picture) = row.picture else { return };
        let Some([rows, columns]) = self.rectangle(draws, picture) else { return };
        let Picture { width, channels, .. } = picture;
        for y in rows {
            let line = &mut row.values[y * width * channels..][..width * channels];
            let pixels = line[columns.start * channels..columns.end * channels].chunks_exact_mut(channels);
            pixels.for_each(|pixel| pixel.copy_from_slice(&row.levels.outside));
        }
    }
}

impl Erase {
    /// Rows and columns that are filled, if any are this time. A rectangle that is longer than the picture is cut.
    fn rectangle(&self, draws: &mut Draws<'_>, picture: Picture) -> Option<[std::ops::Range<usize>; 2]> {
        let is_there = draws.unit() < self.probability;
        let area = draws.between(self.area[0], self.area[1]) * (picture.height * picture.width) as f64;
        let ratio = libm::exp(draws.between(libm::log(self.ratio[0]), libm::log(self.ratio[1])));
        let sizes = [libm::sqrt(area * ratio), libm::sqrt(area / ratio)];
        let mut side = |size: f64, most: usize| {
            let len = (size.round() as usize).min(most);
            let first = (draws.unit() * (most - len + 1) as f64) as usize;
            first..first + len
        };
        let rectangle = [side(sizes[0], picture.height), side(sizes[1], picture.width)];
        is_there.then_some(rectangle)
    }
}
