//! Curves over epochs, named where they end.

use super::axis::{Axis, Scale};
use super::labels::spread;
use super::svg::{Anchor, Point, Svg, shortened, text_width};

/// How many colours there are; further curves begin again with the first.
pub const N_COLORS: usize = 7;

/// Values over epochs.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What stands where it ends; nothing if it has no name.
    pub label: Option<String>,
    /// Which colour.
    pub color: usize,
    /// Whether it is thin and dashed, behind the others.
    pub is_faint: bool,
    /// Epochs and values, in the order of the epochs; what is not finite is left out.
    pub points: Vec<(usize, f64)>,
    /// The epoch of which the value is marked.
    pub marked: Option<usize>,
}

/// Curves that share their axes.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What the values are.
    pub title: &'a str,
    /// How values are laid out.
    pub scale: Scale,
    /// Where the epochs end.
    pub n_epochs: usize,
    /// An epoch that a line through the chart shows.
    pub best: Option<usize>,
    /// In the order in which they are drawn. The first values of faint ones may be far from all others, and stay
    /// outside.
    pub curves: Vec<Curve>,
    /// How values at the ends of curves are written.
    pub value_text: fn(f64) -> String,
}

/// Pixels.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 280.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 42.0;
/// From one label to the next one below.
const LINE: f64 = 15.0;
/// Least room for labels of values and of epochs, so that charts beside and below each other have the same axes.
const LEAST_LEFT: f64 = 44.0;
const LEAST_GUTTER: f64 = 112.0;
/// From the end of the axis to the labels.
const GUTTER: f64 = 14.0;
const RIGHT: f64 = 8.0;
/// Most characters of a label.
const LONGEST_LABEL: usize = 20;
/// Curves of fewer points show each of them.
const FEW_POINTS: usize = 2;

/// Where things are.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn point(&self, (epoch, value): (usize, f64)) -> Point {
        let Frame { left, right, top, bottom, x, y } = self;
        (left + x.place(epoch as f64) * (right - left), bottom - y.place(value) * (bottom - top))
    }
}

impl Chart<'_> {
    /// For a page that has [`STYLE`](super::STYLE); nothing if there is nothing to draw.
    pub fn inline(&self) -> Option<String> {
        Some(self.draw(self.title)?.inline(self.title))
    }

    /// A file of its own, with a longer title.
    pub fn standalone(&self, title: &str) -> Option<String> {
        Some(self.draw(title)?.standalone(title))
    }

    fn draw(&self, title: &str) -> Option<Svg> {
        let curves: Vec<Curve> = self.curves.iter().filter_map(finite).collect();
        let first = |curve: &Curve| usize::from(curve.is_faint && curve.points.len() > 1);
        let values = || curves.iter().flat_map(|curve| curve.points[first(curve)..].iter().map(|&(_, value)| value));
        let (low, high) = (values().min_by(f64::total_cmp)?, values().max_by(f64::total_cmp)?);
        let labels: Vec<Label> = curves.iter().filter_map(|curve| Label::of(curve, self.value_text)).collect();
        // Labels below one another may need more room than the curves.
        let height = HEIGHT.max(TOP + BOTTOM + labels.len() as f64 * LINE);
        let (x, y) = (Axis::of_epochs(self.n_epochs), Axis::of_values(self.scale, low, high));
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        let gutter = widest(&mut labels.iter().map(Label::width));
        let left = LEAST_LEFT.max(16.0 + widest(&mut y.ticks.iter().map(|(_, text)| text_width(text))));
        let right = WIDTH - RIGHT - GUTTER - gutter.max(LEAST_GUTTER);
        let frame = Frame { left, right, top: TOP, bottom: height - BOTTOM, x, y };
        let mut svg = Svg::new(WIDTH, height);
        let scale = if frame.y.is_log() { "  log scale" } else { "" };
        svg.spans((0.0, 16.0), Anchor::Start, &[("title", &shortened(title, 60)), ("soft", scale)]);
        draw_axes(&mut svg, &frame);
        if let Some(best) = self.best.filter(|_| self.n_epochs > 1) {
            draw_best(&mut svg, &frame, best);
        }
        for curve in &curves {
            draw_curve(&mut svg, &frame, curve);
        }
        draw_labels(&mut svg, &frame, &labels);
        Some(svg)
    }
}

/// A curve without what is not finite, or nearly so: even differences must be. Nothing if nothing is left.
fn finite(curve: &Curve) -> Option<Curve> {
    const MOST: f64 = 1e300;
    let points: Vec<(usize, f64)> = curve.points.iter().copied().filter(|(_, value)| value.abs() < MOST).collect();
    (!points.is_empty()).then(|| Curve { points, ..curve.clone() })
}

fn draw_axes(svg: &mut Svg, frame: &Frame) {
    let Frame { left, right, top, bottom, x, y } = frame;
    for (index, (value, text)) in y.ticks.iter().enumerate() {
        let at = bottom - y.place(*value) * (bottom - top);
        let class = if index == 0 && !y.is_log() { "base" } else { "grid" };
        svg.line(class, (*left, at), (*right, at));
        svg.text("tick", (left - 8.0, at + 4.0), Anchor::End, text);
    }
    if y.is_log() {
        svg.line("base", (*left, *bottom), (*right, *bottom));
    }
    for (value, text) in &x.ticks {
        let at = left + x.place(*value) * (right - left);
        svg.line("base", (at, *bottom), (at, bottom + 4.0));
        svg.text("tick", (at, bottom + 17.0), Anchor::Middle, text);
    }
    svg.text("tick", ((left + right) / 2.0, bottom + 34.0), Anchor::Middle, "epoch");
}

/// A line through the best epoch, named above the curves.
fn draw_best(svg: &mut Svg, frame: &Frame, best: usize) {
    let at = frame.left + frame.x.place(best as f64) * (frame.right - frame.left);
    svg.line("best", (at, frame.top - 6.0), (at, frame.bottom));
    let text = format!("best epoch {best}");
    let half = text_width(&text) / 2.0;
    // It stays above the curves.
    let middle = at.clamp(frame.left + half, (frame.right - half).max(frame.left + half));
    svg.text("tick", (middle, frame.top - 11.0), Anchor::Middle, &text);
}

fn draw_curve(svg: &mut Svg, frame: &Frame, curve: &Curve) {
    let color = curve.color % N_COLORS;
    let class = if curve.is_faint { "faint" } else { "curve" };
    if curve.points.len() > 1 {
        let points: Vec<Point> = curve.points.iter().map(|&point| frame.point(point)).collect();
        for line in clipped(&thinned(&points), frame.top, frame.bottom) {
            svg.path(&format!("{class} s{color}"), line);
        }
    }
    if curve.points.len() <= FEW_POINTS {
        let radius = if curve.is_faint { 2.5 } else { 3.5 };
        let points = curve.points.iter().map(|&point| frame.point(point));
        let inside = points.filter(|&(_, y)| (frame.top..=frame.bottom).contains(&y));
        inside.for_each(|point| svg.circle(&format!("f{color}"), point, radius));
    }
    let marked = curve.points.iter().find(|(epoch, _)| Some(*epoch) == curve.marked);
    if let Some(&point) = marked {
        svg.circle(&format!("ring s{color}"), frame.point(point), 4.0);
    }
}

/// Of points that share a pixel column the highest and the lowest: more cannot be seen, and there may be very many
/// epochs.
fn thinned(points: &[Point]) -> Vec<Point> {
    let columns = points.chunk_by(|a, b| a.0.floor() == b.0.floor());
    let ends = |column: &[Point]| {
        let indices = 0..column.len();
        let lowest = indices.clone().min_by(|&a, &b| column[a].1.total_cmp(&column[b].1)).unwrap_or(0);
        let highest = indices.max_by(|&a, &b| column[a].1.total_cmp(&column[b].1)).unwrap_or(0);
        let mut two = vec![column[lowest.min(highest)], column[lowest.max(highest)]];
        two.dedup();
        two
    };
    columns.flat_map(ends).collect()
}

/// The parts of a line between two heights.
fn clipped(points: &[Point], top: f64, bottom: f64) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        // The share of the way at which a height is reached.
        let share = |height: f64| if from.1 == to.1 { 0.0 } else { (height - from.1) / (to.1 - from.1) };
        let (near, far) = if from.1 < to.1 { (share(top), share(bottom)) } else { (share(bottom), share(top)) };
        let is_level_outside = from.1 == to.1 && !(top..=bottom).contains(&from.1);
        let (start, end) = if from.1 == to.1 { (0.0, 1.0) } else { (near.max(0.0), far.min(1.0)) };
        if is_level_outside || start > end {
            continue;
        }
        let at = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        match parts.last_mut() {
            Some(part) if start == 0.0 && part.last() == Some(&from) => {
                part.push(if end == 1.0 { to } else { at(end) })
            }
            _ => parts.push(vec![if start == 0.0 { from } else { at(start) }, if end == 1.0 { to } else { at(end) }]),
        }
    }
    parts
}

/// What stands at the end of a curve.
struct Label {
    name: String,
    value: String,
    color: usize,
    end: (usize, f64),
}

impl Label {
    fn of(curve: &Curve, value_text: fn(f64) -> String) -> Option<Label> {
        let end = *curve.points.last()?;
        let name = shortened(curve.label.as_ref()?, LONGEST_LABEL);
        Some(Label { name, value: value_text(end.1), color: curve.color % N_COLORS, end })
    }

    fn width(&self) -> f64 {
        // Names are bold.
        1.06 * text_width(&self.name) + text_width(&self.value) + 8.0
    }
}

/// Labels to the right of the axis, as near to the ends of their curves as they fit, each with a line from there.
fn draw_labels(svg: &mut Svg, frame: &Frame, labels: &[Label]) {
    let wishes: Vec<f64> = labels.iter().map(|label| frame.point(label.end).1).collect();
    let places = spread(&wishes, LINE, frame.top, frame.bottom);
    let x = frame.right + GUTTER;
    for (label, place) in labels.iter().zip(places) {
        let (end_x, end_y) = frame.point(label.end);
        let knee = (frame.right + 2.0).max(end_x + 2.0);
        svg.path(&format!("leader s{}", label.color), [(end_x, end_y), (knee, end_y), (x - 3.0, place)]);
        let name = format!("{} ", label.name);
        let spans = [(&*format!("name f{}", label.color), &*name), ("soft", &*label.value)];
        svg.spans((x, place + 4.0), Anchor::Start, &spans);
    }
}

/// Four digits behind the point, or as many that count.
pub fn value_text(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        0.001..1e4 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, color: usize, points: &[(usize, f64)]) -> Curve {
        Curve { label: Some(label.into()), color, is_faint: false, points: points.to_vec(), marked: None }
    }

    fn chart(curves: Vec<Curve>) -> Chart<'static> {
        Chart { title: "loss", scale: Scale::Fitting, n_epochs: 3, best: Some(2), curves, value_text }
    }

    #[test]
    fn labels_of_curves_that_end_together_are_apart() {
        let ends = [0.5, 0.501, 0.502, 0.9];
        let curves = ends.iter().enumerate().map(|(i, &end)| curve(&format!("run-{i}"), i, &[(1, 1.0), (3, end)]));
        let svg = chart(curves.collect()).inline().unwrap();
        let mut places: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains(">run-"))
            .map(|line| line.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(places.len(), 4, "{svg}");
        places.sort_by(f64::total_cmp);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 14.8), "{places:?}");
        assert!(svg.contains(">best epoch 2<") && svg.contains("class=\"curve s3\""), "{svg}");
    }

    #[test]
    fn what_leaves_the_chart_is_cut_off() {
        let points = [(0.0, 200.0), (1.0, 100.0), (2.0, 0.0), (3.0, 50.0), (4.0, 50.0), (5.0, 150.0), (6.0, 150.0)];
        let parts = clipped(&points, 20.0, 120.0);
        assert_eq!(
            parts,
            [vec![(0.8, 120.0), (1.0, 100.0), (1.8, 20.0)], vec![(2.4, 20.0), (3.0, 50.0), (4.0, 50.0), (4.7, 120.0)]]
        );
        assert_eq!(clipped(&points[2..4], 0.0, 50.0), [points[2..4].to_vec()]);
    }

    #[test]
    fn very_many_epochs_are_a_short_path() {
        let wave: Vec<Point> = (0..100_000).map(|i| (f64::from(i) / 1000.0, f64::from(i % 7))).collect();
        let thin = thinned(&wave);
        assert_eq!(thin.len(), 200);
        assert!(thin.iter().all(|&(_, y)| y == 0.0 || y == 6.0));
        let few = [(0.0, 1.0), (1.5, 2.0), (3.0, 0.0)];
        assert_eq!(thinned(&few), few);
    }

    #[test]
    fn unusual_curves() {
        assert!(chart(Vec::new()).inline().is_none());
        assert!(chart(vec![curve("x", 0, &[(1, f64::NAN), (2, f64::INFINITY)])]).inline().is_none());
        let single = chart(vec![curve("a<b", 9, &[(1, 0.0)])]).inline().unwrap();
        assert!(single.contains("<circle class=\"f2\"") && single.contains("a&lt;b "), "{single}");
        for values in
            [[0.0, 0.0], [-1.0, 1e30], [1e-30, 1.0], [5.0, 5.0], [-1e299, 1e299], [1e-300, 1e299], [f64::MAX, 1.0]]
        {
            let svg = chart(vec![curve("x", 0, &[(1, values[0]), (3, values[1])])]).standalone("loss of x").unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
    }

    #[test]
    fn many_runs_have_room() {
        let curves = (0..40).map(|i| curve("r", i, &[(1, 1.0), (3, 0.5)])).collect();
        assert!(chart(curves).inline().unwrap().contains("height=\"688\""));
    }
}
