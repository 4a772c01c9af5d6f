//! Predictions against what is true: on the diagonal they agree.

use super::axis::Axis;
use super::svg::{Anchor, Svg, text_width};

/// Pixels.
const SIDE: f64 = 340.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 42.0;
const RIGHT: f64 = 16.0;
/// Larger numbers are left out, since even differences must be finite.
const MOST: f64 = 1e300;

/// A dot for every pair of what is true and what was predicted, for a page that has [`STYLE`](super::STYLE); pairs that
/// are not finite are left out. Nothing if none is left.
pub fn scatter_inline(title: &str, pairs: &[(f64, f64)]) -> Option<String> {
    let pairs: Vec<(f64, f64)> = pairs.iter().copied().filter(|(a, b)| a.abs() < MOST && b.abs() < MOST).collect();
    let values = || pairs.iter().flat_map(|&(truth, prediction)| [truth, prediction]);
    let (low, high) = (values().min_by(f64::total_cmp)?, values().max_by(f64::total_cmp)?);
    // Both axes are the same, so that the diagonal means what it does.
    let axis = Axis::even(low, high, 5);
    let left = 34.0 + axis.ticks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
    let at = |(truth, prediction): (f64, f64)| {
        (left + axis.place(truth) * SIDE, TOP + (1.0 - axis.place(prediction)) * SIDE)
    };
    let mut svg = Svg::new(left + SIDE + RIGHT, TOP + SIDE + BOTTOM);
    svg.text("title", (0.0, 16.0), Anchor::Start, title);
    let (first, last) = (axis.ticks.first()?.0, axis.ticks.last()?.0);
    for (value, text) in &axis.ticks {
        svg.line("grid", at((first, *value)), at((last, *value)));
        svg.line("grid", at((*value, first)), at((*value, last)));
        let ((x, _), (_, y)) = (at((*value, first)), at((first, *value)));
        svg.text("tick", (x, TOP + SIDE + 17.0), Anchor::Middle, text);
        svg.text("tick", (left - 8.0, y + 4.0), Anchor::End, text);
    }
    svg.line("base", at((first, first)), at((last, last)));
    for &pair in &pairs {
        svg.circle("f0 dots", at(pair), 2.5);
    }
    svg.text("tick", (left + SIDE / 2.0, TOP + SIDE + 34.0), Anchor::Middle, "true");
    svg.upright("tick", (12.0, TOP + SIDE / 2.0), "predicted");
    Some(svg.inline(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_for_every_finite_pair() {
        let pairs = [(1.0, 1.5), (2.0, f64::NAN), (-3.0, 4.0), (f64::INFINITY, 1.0)];
        let svg = scatter_inline("predictions", &pairs).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains(">true<") && svg.contains(">predicted<"));
        assert!(scatter_inline("x", &pairs[1..2]).is_none());
        assert!(scatter_inline("x", &[(2.0, 2.0)]).is_some());
    }
}
