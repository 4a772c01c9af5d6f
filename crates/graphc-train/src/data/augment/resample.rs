//! The pixels of a picture that was placed elsewhere: copies where it moved by whole pixels, else bilinear
//! interpolation.
//!
//! Along a row of the result the place in the picture goes on by the same step, so it is a fixed-point number, and the
//! pixels all of whose neighbours exist are one stretch of the row, which is found beforehand. Only the others ask what
//! lies outside.

use super::placement::{Map, Placement};
use super::size::Picture;
use std::ops::Range;

/// What stands where there was no picture. Bilinear interpolation at its border takes that into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// One value.
    #[default]
    Constant,
    /// The pixel at the border that is nearest.
    Nearest,
    /// The picture, mirrored at its borders: `c b a | a b c | c b a`.
    Reflect,
}

/// What there is around a picture.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    pub(super) fill: Fill,
    /// The constant of each channel.
    pub(super) values: &'a [f32],
}

impl Fill {
    /// The row or column that stands for one of that number, of `len`; nothing if it is a constant.
    fn index(self, at: i64, len: usize) -> Option<usize> {
        let len = len as i64;
        let index = match self {
            _ if (0..len).contains(&at) => at,
            Fill::Constant => return None,
            Fill::Nearest => at.clamp(0, len - 1),
            Fill::Reflect => {
                let at = at.rem_euclid(2 * len);
                at.min(2 * len - 1 - at)
            }
        };
        Some(index as usize)
    }
}

/// Writes the picture `source`, placed so, to `out`. Both are row-major, channels innermost.
pub(super) fn resample(picture: Picture, placement: &Placement, outside: Outside<'_>, source: &[f32], out: &mut [f32]) {
    if *placement == Placement::IDENTITY {
        out.copy_from_slice(source);
    } else if placement.is_whole() {
        copy(picture, placement, outside, source, out);
    } else {
        let map = placement.source(picture);
        match picture.channels {
            1 => interpolate(&Interpolation::<1> { picture, outside, source }, &map, out),
            3 => interpolate(&Interpolation::<3> { picture, outside, source }, &map, out),
            _ => interpolate(&Interpolation::<0> { picture, outside, source }, &map, out),
        }
    }
}

/// Moves and mirrors.
fn copy(picture: Picture, placement: &Placement, outside: Outside<'_>, source: &[f32], out: &mut [f32]) {
    let Picture { height, width, channels } = picture;
    let from = |axis: usize, at: usize, len: usize| {
        let at = at as i64 - placement.shift[axis];
        let at = if placement.flips[axis] { len as i64 - 1 - at } else { at };
        outside.fill.index(at, len)
    };
    let columns: Vec<Option<usize>> = (0..width).map(|x| from(1, x, width)).collect();
    for (y, line) in out.chunks_exact_mut(width * channels).enumerate() {
        let row = from(0, y, height).map(|row| &source[row * width * channels..][..width * channels]);
        for (column, pixel) in columns.iter().zip(line.chunks_exact_mut(channels)) {
            match (row, column) {
                (Some(row), &Some(column)) => pixel.copy_from_slice(&row[column * channels..][..channels]),
                _ => pixel.copy_from_slice(outside.values),
            }
        }
    }
}

/// Bits of the fraction of a place, as many as an `f32` holds.
const BITS: u32 = 24;

/// A place in the picture, or a step: a fixed-point number.
fn fixed(place: f64) -> i64 {
    (place * f64::from(1 << BITS)).round() as i64
}

/// The whole pixel before a place and the share of the one behind it.
#[inline(always)]
fn split(place: i64) -> (i64, f32) {
    let fraction = (place & ((1 << BITS) - 1)) as i32;
    (place >> BITS, fraction as f32 * (1.0 / (1 << BITS) as f32))
}

#[inline(always)]
fn between(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// A picture with `C` channels; 0 stands for any number.
struct Interpolation<'a, const C: usize> {
    picture: Picture,
    outside: Outside<'a>,
    source: &'a [f32],
}

fn interpolate<const C: usize>(from: &Interpolation<'_, C>, map: &Map, out: &mut [f32]) {
    let Picture { height, width, .. } = from.picture;
    let steps = [Step::new(map.linear[0][1]), Step::new(map.linear[1][1])];
    for (row, line) in out.chunks_exact_mut(width * from.n_channels()).enumerate() {
        let start = map.of([row as f64, 0.0]).map(fixed);
        let rows = steps[0].inside(start[0], height, width);
        let columns = steps[1].inside(start[1], width, width);
        let (first, end) = (rows.start.max(columns.start), rows.end.min(columns.end));
        let inner = if first < end { first..end } else { 0..0 };
        let [mut y, mut x] = start;
        for (at, pixel) in line.chunks_exact_mut(from.n_channels()).enumerate() {
            if inner.contains(&at) {
                from.inside(y, x, pixel);
            } else {
                from.at_border(y, x, pixel);
            }
            y += steps[0].fixed;
            x += steps[1].fixed;
        }
    }
}

// Pairs are written out here: `map` of an array is not always inlined, and then takes several times as long as the
// rest.
impl<const C: usize> Interpolation<'_, C> {
    #[inline(always)]
    fn n_channels(&self) -> usize {
        if C == 0 { self.picture.channels } else { C }
    }

    /// A pixel whose four neighbours are in the picture.
    #[inline(always)]
    fn inside(&self, y: i64, x: i64, pixel: &mut [f32]) {
        let n = self.n_channels();
        let stride = self.picture.width * n;
        let ((y, dy), (x, dx)) = (split(y), split(x));
        let first = y as usize * stride + x as usize * n;
        let above = &self.source[first..first + 2 * n];
        let below = &self.source[first + stride..first + stride + 2 * n];
        for (channel, value) in pixel.iter_mut().enumerate().take(n) {
            let top = between(above[channel], above[n + channel], dx);
            let bottom = between(below[channel], below[n + channel], dx);
            *value = between(top, bottom, dy);
        }
    }

    /// Any pixel.
    fn at_border(&self, y: i64, x: i64, pixel: &mut [f32]) {
        let Picture { height, width, .. } = self.picture;
        let n = self.n_channels();
        let Outside { fill, values: outside } = self.outside;
        let ((y, dy), (x, dx)) = (split(y), split(x));
        let is_near = |at: i64, len: usize| (-1..len as i64).contains(&at);
        if fill == Fill::Constant && !(is_near(y, height) && is_near(x, width)) {
            pixel.copy_from_slice(outside);
            return;
        }
        let (above, below) = (fill.index(y, height), fill.index(y + 1, height));
        let (left, right) = (fill.index(x, width), fill.index(x + 1, width));
        for (channel, out) in pixel.iter_mut().enumerate() {
            let value = |row: Option<usize>, column: Option<usize>| match (row, column) {
                (Some(row), Some(column)) => self.source[(row * width + column) * n + channel],
                _ => outside[channel],
            };
            let top = between(value(above, left), value(above, right), dx);
            let bottom = between(value(below, left), value(below, right), dx);
            *out = between(top, bottom, dy);
        }
    }
}

/// How a place goes on from pixel to pixel.
struct Step {
    fixed: i64,
    /// One by its size.
    inverse: f64,
}

impl Step {
    fn new(step: f64) -> Step {
        let fixed = fixed(step);
        Step { fixed, inverse: 1.0 / fixed.unsigned_abs().max(1) as f64 }
    }

    /// The numbers `x` of `0..n` for which `start + x * step` lies from 0 to before the last of `len` pixels.
    fn inside(&self, start: i64, len: usize, n: usize) -> Range<usize> {
        let limit = (len as i64 - 1) << BITS;
        match self.fixed {
            0 if (0..limit).contains(&start) => 0..n,
            0 => 0..0,
            1.. => self.reaches(start, 0, n)..self.reaches(start, limit, n),
            // Upside down: from where it is less than the limit to where it is less than 0.
            _ => self.reaches(-start, 1 - limit, n)..self.reaches(-start, 1, n),
        }
    }

    /// The least `x` of `0..=n` for which `start + x * |step|` is at least `bound`; `n` if there is none. A division
    /// would take as long as several pixels, so the place is guessed first.
    fn reaches(&self, start: i64, bound: i64, n: usize) -> usize {
        let (step, n) = (self.fixed.abs(), n as i64);
        let is_there = |x: i64| start + x * step >= bound;
        let mut x = (((bound - start) as f64 * self.inverse) as i64).clamp(0, n);
        while x > 0 && is_there(x - 1) {
            x -= 1;
        }
        while x < n && !is_there(x) {
            x += 1;
        }
        x as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pixel by pixel, in `f64`.
    fn reference(picture: Picture, placement: &Placement, outside: Outside<'_>, source: &[f32]) -> Vec<f64> {
        let Picture { height, width, channels } = picture;
        let map = placement.source(picture);
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let place = map.of([y as f64, x as f64]);
                for channel in 0..channels {
                    let value = |row: f64, column: f64| {
                        let row = outside.fill.index(row as i64, height);
                        let column = outside.fill.index(column as i64, width);
                        f64::from(match (row, column) {
                            (Some(row), Some(column)) => source[(row * width + column) * channels + channel],
                            _ => outside.values[channel],
                        })
                    };
                    let [(y, dy), (x, dx)] = place.map(|at| (at.floor(), at - at.floor()));
                    let line = |y: f64| value(y, x) * (1.0 - dx) + value(y, x + 1.0) * dx;
                    out.push(line(y) * (1.0 - dy) + line(y + 1.0) * dy);
                }
            }
        }
        out
    }

    fn picture() -> impl Strategy<Value = (Picture, Vec<f32>, Vec<f32>)> {
        (1..12usize, 1..12usize, 1..5usize).prop_flat_map(|(height, width, channels)| {
            let values = prop::collection::vec((0..=255u8).prop_map(f32::from), height * width * channels);
            let outside = prop::collection::vec((0..=255u8).prop_map(f32::from), channels);
            (Just(Picture { height, width, channels }), values, outside)
        })
    }

    fn fill() -> impl Strategy<Value = Fill> {
        prop_oneof![Just(Fill::Constant), Just(Fill::Nearest), Just(Fill::Reflect)]
    }

    fn flips() -> impl Strategy<Value = [bool; 2]> {
        (any::<bool>(), any::<bool>()).prop_map(Into::into)
    }

    proptest! {
        /// Places are rounded to 2^-24, so values change by little, however far they jump from pixel to pixel.
        #[test]
        fn equals_the_reference(
            (picture, source, outside) in picture(),
            fill in fill(),
            flips in flips(),
            zoom in 0.1..1.9f64,
            degrees in -180.0..180.0f64,
            shift in [-4..=4i64, -4..=4i64],
        ) {
            let placement = Placement { flips, zoom, degrees, shift };
            let outside = Outside { fill, values: &outside };
            let mut found = vec![0.0; source.len()];
            resample(picture, &placement, outside, &source, &mut found);
            let expected = reference(picture, &placement, outside, &source);
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!((f64::from(*found) - expected).abs() < 2e-3, "{found} {expected}");
            }
        }

        /// Moves and mirrors are copies, to the bit, and what interpolation would give where that is exact.
        #[test]
        fn whole_pixels_are_copied(
            (picture, source, outside) in picture(),
            fill in fill(),
            flips in flips(),
            shift in [-30..=30i64, -30..=30i64],
        ) {
            let placement = Placement { flips, shift, ..Placement::IDENTITY };
            let outside = Outside { fill, values: &outside };
            let mut found = vec![0.0; source.len()];
            resample(picture, &placement, outside, &source, &mut found);
            let expected = reference(picture, &placement, outside, &source);
            prop_assert_eq!(found.iter().map(|&value| f64::from(value)).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn the_inside_of_a_row_is_found(
            start in -3_000..3_000i64,
            step in -400..400i64,
            len in 1..12usize,
            n in 0..12usize,
        ) {
            // Fractions of 2^-16 stand for all.
            let (start, step) = (start << 16, step << 16);
            let steps = Step { fixed: step, inverse: 1.0 / step.unsigned_abs().max(1) as f64 };
            let is_inside = |x: &usize| (0..(len as i64 - 1) << BITS).contains(&(start + *x as i64 * step));
            let expected: Vec<usize> = (0..n).filter(is_inside).collect();
            prop_assert_eq!(steps.inside(start, len, n).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_lies_outside() {
        let picture = Picture { height: 1, width: 3, channels: 1 };
        let placement = Placement { shift: [0, 2], ..Placement::IDENTITY };
        let moved = |fill| {
            let mut out = [0.0; 3];
            resample(picture, &placement, Outside { fill, values: &[9.0] }, &[1.0, 2.0, 3.0], &mut out);
            out
        };
        assert_eq!(moved(Fill::Constant), [9.0, 9.0, 1.0]);
        assert_eq!(moved(Fill::Nearest), [1.0, 1.0, 1.0]);
        assert_eq!(moved(Fill::Reflect), [2.0, 1.0, 1.0]);
    }
}
