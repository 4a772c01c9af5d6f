//! The confusion matrix: a row for each class that samples are of, a column for each that was predicted.

use super::svg::{Anchor, Point, Svg, shortened, text_width};
use crate::metrics::{ClassCounts, Confusion};
use graphc_ir::text::shown;

/// Pixels that the matrix would like to have along each side, and of a cell at least and at most.
const SIDE: usize = 440;
const CELL: (usize, usize) = (4, 56);
/// Pixels above the matrix, and to the left of it beside the labels.
const TOP: f64 = 66.0;
const LEFT: f64 = 34.0;
/// Most letters of a name.
const LONGEST_NAME: usize = 20;
/// Pixels to the right of it and below.
const REST: f64 = 12.0;
/// More classes than this make no picture.
const MOST_CLASSES: usize = 1000;
/// Cells of at most so many classes tell what they are.
const MOST_WITH_TIPS: usize = 100;
/// What is right has the first colour, what is wrong the second.
const COLORS: [&str; 2] = ["f0", "f1"];

/// Where the matrix stands: its left border, the size of a cell, and how many there are along a side.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    cell: f64,
    n: usize,
}

impl Frame {
    fn side(self) -> f64 {
        self.cell * self.n as f64
    }

    /// The upper left corner of a cell.
    fn corner(self, actual: usize, predicted: usize) -> Point {
        (self.left + predicted as f64 * self.cell, TOP + actual as f64 * self.cell)
    }
}

/// The matrix of `what`, such as "test samples", as a file. What is right is blue, what is wrong orange, the stronger
/// the larger its share of the row. `None` without samples, or with too many classes.
pub fn confusion_svg(name: &str, what: &str, classes: &ClassCounts) -> Option<String> {
    let title = format!("Confusion matrix of {} ({what})", shown(name));
    Some(draw(&title, classes)?.standalone(&title))
}

/// Most cells of a matrix within a page, for which each is some hundred bytes.
const MOST_CELLS: usize = 10_000;

/// The same for a page that has [`STYLE`](super::STYLE), under the title `what`. Also `None` if the page would become
/// very large.
pub fn confusion_inline(what: &str, classes: &ClassCounts) -> Option<String> {
    if classes.confusions().count() > MOST_CELLS {
        return None;
    }
    Some(draw(what, classes)?.inline(what))
}

fn draw(title: &str, classes: &ClassCounts) -> Option<Svg> {
    let n = classes.n_classes();
    if classes.confusions().next().is_none() || n > MOST_CLASSES {
        return None;
    }
    let label_width = (0..n).map(|class| text_width(&label(classes, class))).fold(0.0, f64::max);
    let left = LEFT + label_width;
    let frame = Frame { left, cell: (SIDE / n).clamp(CELL.0, CELL.1) as f64, n };
    // The title may need more room than the matrix.
    let width = (left + frame.side() + REST).max(1.2 * text_width(title) + REST);
    let mut svg = Svg::new(width, TOP + frame.side() + REST);
    svg.text("title", (0.0, 16.0), Anchor::Start, title);
    let middle = frame.side() / 2.0;
    svg.text("tick", (left + middle, 40.0), Anchor::Middle, "predicted");
    svg.upright("tick", (12.0, TOP + middle), "samples of class");
    draw_grid(&mut svg, frame);
    draw_labels(&mut svg, frame, classes);
    draw_cells(&mut svg, frame, classes);
    Some(svg)
}

/// The number of a class behind as much of its name as is shown.
fn label(classes: &ClassCounts, class: usize) -> String {
    match classes.name(class) {
        Some(name) => format!("{} {class}", shortened(name, LONGEST_NAME)),
        None => class.to_string(),
    }
}

/// The number of every class, or of so many that they do not touch; in front of rows their names, too.
fn draw_labels(svg: &mut Svg, frame: Frame, classes: &ClassCounts) {
    let Frame { left, cell, n } = frame;
    let digits = n.saturating_sub(1).to_string().len();
    let least = (8 * digits + 6).div_ceil(cell as usize);
    let step = [1, 2, 5, 10, 20, 50, 100, 200].into_iter().find(|&step| step >= least).unwrap_or(500);
    for class in (0..n).step_by(step) {
        let (x, y) = frame.corner(class, class);
        svg.text("tick", (x + cell / 2.0, TOP - 8.0), Anchor::Middle, &class.to_string());
        svg.text("tick", (left - 8.0, y + cell / 2.0 + 4.0), Anchor::End, &label(classes, class));
    }
}

fn draw_cells(svg: &mut Svg, frame: Frame, classes: &ClassCounts) {
    let cell = frame.cell;
    let totals = classes.totals();
    // Cells that are large enough have a little of the ground between them.
    let gap = if cell >= 10.0 { 1.0 } else { 0.0 };
    for Confusion { actual, predicted, samples } in classes.confusions() {
        let share = samples as f64 / totals[actual].samples as f64;
        // The root shows the few that are wrong.
        let strength = 0.15 + 0.85 * share.sqrt();
        let color = COLORS[usize::from(actual != predicted)];
        let (x, y) = frame.corner(actual, predicted);
        let tip = if frame.n <= MOST_WITH_TIPS { tip(classes, actual, predicted, samples) } else { String::new() };
        svg.square(color, (x + gap, y + gap), cell - gap, strength, &tip);
        let text = samples.to_string();
        if text_width(&text) + 4.0 <= cell {
            let class = match strength {
                0.8.. => "on-full",
                0.6.. => "on-strong",
                _ => "",
            };
            svg.text(class, (x + cell / 2.0, y + cell / 2.0 + 4.0), Anchor::Middle, &text);
        }
    }
}

/// `4 taken for 9: 11`.
fn tip(classes: &ClassCounts, actual: usize, predicted: usize, samples: u64) -> String {
    let [actual_name, predicted_name] = [actual, predicted]
        .map(|class| classes.name(class).map_or_else(|| class.to_string(), |name| shown(name).into()));
    match actual == predicted {
        true => format!("{actual_name}: {samples} right"),
        false => format!("{actual_name} taken for {predicted_name}: {samples}"),
    }
}

/// Lines around the matrix, and between cells that are large enough for it.
fn draw_grid(svg: &mut Svg, frame: Frame) {
    let (left, side) = (frame.left, frame.side());
    let n_lines = if frame.cell >= 10.0 { frame.n } else { 1 };
    for index in 0..=n_lines {
        // On whole pixels, where lines are sharp.
        let at = 0.5 + side * index as f64 / n_lines as f64;
        svg.line("frame", (left + at, TOP + 0.5), (left + at, TOP + side + 0.5));
        svg.line("frame", (left + 0.5, TOP + at), (left + side + 0.5, TOP + at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Scorer, Scoring, Targets};

    /// Samples of `n` classes, one in seven of which is taken for another.
    fn counts(n: usize, n_samples: usize) -> ClassCounts {
        named_counts(n, n_samples, &[])
    }

    fn named_counts(n: usize, n_samples: usize, names: &[&str]) -> ClassCounts {
        let mut scoring = Scoring::new("p", "t", Outcome::Class(n), ["confusion_matrix"]).unwrap().unwrap();
        scoring.name_classes(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mut scorer = Scorer::new(&scoring);
        for sample in 0..n_samples {
            let label = sample * sample % n;
            let found = if sample % 7 == 3 { (label + sample) % n } else { label };
            let row: Vec<f32> = (0..n).map(|class| f32::from(class == found)).collect();
            scorer.add(&row, &Targets::Labels(vec![label as i32]));
        }
        scorer.scores().classes.unwrap()
    }

    #[test]
    fn names_of_classes() {
        let names = ["airplane", "a<b>", "one whose name is far too long for this", "d\u{1b}og"];
        let svg = confusion_svg("x", "validation samples", &named_counts(5, 500, &names)).unwrap();
        for text in [">airplane 0<", ">a&lt;b&gt; 1<", ">one whose … for this 2<", ">d\\u{1b}og 3<"] {
            assert!(svg.contains(text), "no `{text}` in {svg}");
        }
        if let Some(folder) = std::env::var_os("GRAPHC_PLOTS") {
            std::fs::write(std::path::Path::new(&folder).join("confusion-names.svg"), svg).unwrap();
        }
    }

    #[test]
    fn cells_labels_and_counts() {
        for (n, n_samples) in [(2, 30), (10, 4000), (100, 20_000)] {
            let counts = counts(n, n_samples);
            let svg = confusion_svg("a<b>", "test samples", &counts).unwrap();
            assert!(svg.contains("Confusion matrix of a&lt;b&gt; (test samples)"), "{svg}");
            let n_cells = counts.confusions().count();
            // One more for the background.
            assert_eq!(svg.matches("<rect").count(), n_cells + 1, "{n} classes");
            let has_count = |confusion: Confusion| svg.contains(&format!(">{}</text>", confusion.samples));
            assert!(n > 10 || counts.confusions().all(has_count), "{n} classes: {svg}");
            assert!(svg.contains(">predicted<") && svg.contains(">samples of class<"));
            let inline = confusion_inline("test samples", &counts).unwrap();
            assert_eq!(inline.matches("<rect").count(), n_cells);
            assert!(!inline.contains("<style"));
            if let Some(folder) = std::env::var_os("GRAPHC_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("confusion-{n}.svg")), svg).unwrap();
            }
        }
        assert_eq!(confusion_svg("x", "test samples", &counts(3, 0)), None);
        assert_eq!(confusion_svg("x", "test samples", &counts(MOST_CLASSES + 1, 3)), None);
    }
}
