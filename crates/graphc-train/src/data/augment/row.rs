//! The values of a sample that are changed in place.

use super::size::Picture;

/// What black, white and outside are, for every channel, in the unit in which values are changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Levels {
    /// The ends of the range.
    pub(super) black: Vec<f32>,
    pub(super) white: Vec<f32>,
    /// What stands outside of a picture.
    pub(super) outside: Vec<f32>,
    /// Whether values stay in the range.
    pub(super) is_clipped: bool,
}

/// A sample.
pub(super) struct Row<'a> {
    pub(super) values: &'a mut [f32],
    /// Nothing if it is no picture; then there is one channel.
    pub(super) picture: Option<Picture>,
    pub(super) levels: &'a Levels,
}

impl Row<'_> {
    fn n_channels(&self) -> usize {
        self.levels.black.len()
    }

    /// Replaces every value by a function of it and the number of its channel.
    pub(super) fn map(&mut self, f: impl Fn(f32, usize) -> f32) {
        match self.n_channels() {
            1 => self.values.iter_mut().for_each(|value| *value = f(*value, 0)),
            n => {
                for pixel in self.values.chunks_exact_mut(n) {
                    pixel.iter_mut().enumerate().for_each(|(channel, value)| *value = f(*value, channel));
                }
            }
        }
    }

    /// What a share of the range is in each channel.
    pub(super) fn of_range(&self, share: f64) -> Vec<f32> {
        let Levels { black, white, .. } = self.levels;
        black.iter().zip(white).map(|(black, white)| (share * (f64::from(*white) - f64::from(*black))) as f32).collect()
    }

    /// The mean of each channel, in the order of the pixels.
    pub(super) fn means(&self) -> Vec<f32> {
        let n = self.n_channels();
        let n_pixels = (self.values.len() / n).max(1);
        let mean = |channel| {
            let sum: f64 = self.values.iter().skip(channel).step_by(n).map(|&value| f64::from(value)).sum();
            (sum / n_pixels as f64) as f32
        };
        (0..n).map(mean).collect()
    }

    /// Back into the range, if that is known.
    pub(super) fn clip(&mut self) {
        let Levels { black, white, is_clipped, .. } = self.levels;
        if *is_clipped {
            self.map(|value, channel| {
                let (a, b) = (black[channel], white[channel]);
                value.clamp(a.min(b), a.max(b))
            });
        }
    }
}
