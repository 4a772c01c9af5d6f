//! `contrast`: values are spread about the mean of their channel by a factor of `1 - contrast` to `1 + contrast`.

use super::draws::Draws;
use super::row::Row;
use super::rule::{Rule, check_amount};
use super::size::Picture;

/// How much farther from the mean, or nearer to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast(pub f64);

impl Rule for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn check(&self, _: Option<Picture>) -> Result<(), String> {
        check_amount(self.0, 1.0)
    }

    fn change(&self, draws: &mut Draws<'_>, row: &mut Row<'_>) {
        let factor = (1.0 + draws.between(-self.0, self.0)) as f32;
        if factor == 1.0 {
            return;
        }
        let means = row.means();
        row.map(|value, channel| means[channel] + (value - means[channel]) * factor);
        row.clip();
    }
}
