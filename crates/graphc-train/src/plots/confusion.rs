//! The confusion matrix as a picture: a row for each class that samples are of, a column for each that was predicted.

use super::{TRAINING, VALIDATION};
use crate::metrics::{ClassCounts, Confusion};
use graphc_ir::text::{cut, shown};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels that the matrix would like to have along each side, and of a cell at least and at most.
const SIDE: usize = 440;
const CELL: (usize, usize) = (3, 64);
/// Pixels above the matrix, and to the left of it for numbers and for each letter of a name.
const TOP: i32 = 92;
const LEFT: i32 = 78;
const LETTER: usize = 8;
/// Most letters of a name.
const LONGEST_NAME: usize = 20;
/// Pixels to the right of it and below.
const REST: (i32, i32) = (32, 24);
/// More classes than this make no picture.
const MOST_CLASSES: usize = 1000;

const INK: RGBColor = RGBColor(40, 40, 40);
const LINE: RGBColor = RGBColor(200, 200, 200);

/// Where the matrix stands: its left border, the size of a cell, and how many there are along a side.
#[derive(Clone, Copy)]
struct Frame {
    left: i32,
    cell: i32,
    n: usize,
}

impl Frame {
    fn side(self) -> i32 {
        self.cell * self.n as i32
    }

    /// The middle of the matrix.
    fn middle(self) -> (i32, i32) {
        (self.left + self.side() / 2, TOP + self.side() / 2)
    }

    /// The upper left corner of a cell.
    fn corner(self, actual: usize, predicted: usize) -> (i32, i32) {
        (self.left + predicted as i32 * self.cell, TOP + actual as i32 * self.cell)
    }
}

/// The matrix of `what`, such as "test samples". What is right is blue, what is wrong orange, the darker the larger its share of the
/// row. `None` without samples, or with too many classes.
pub fn confusion_svg(name: &str, what: &str, classes: &ClassCounts) -> Option<String> {
    let n = classes.n_classes();
    if classes.confusions().next().is_none() || n > MOST_CLASSES {
        return None;
    }
    let longest = (0..n).filter_map(|class| name_of(classes, class)).map(|name| name.chars().count()).max();
    let left = LEFT + longest.map_or(0, |n_letters| (n_letters + 1) * LETTER) as i32;
    let frame = Frame { left, cell: (SIDE / n).clamp(CELL.0, CELL.1) as i32, n };
    let title = format!("Confusion matrix of {} ({what})", shown(name));
    // The title may need more room than the matrix.
    let width = (left + frame.side() + REST.0).max(9 * title.chars().count().min(70) as i32 + 24);
    let size = (width as u32, (TOP + frame.side() + REST.1) as u32);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area, &title, frame, classes).expect("drawing into memory does not fail");
    }
    Some(svg)
}

/// As much of the name of a class as is shown.
fn name_of(classes: &ClassCounts, class: usize) -> Option<String> {
    classes.name(class).map(|name| cut(&shown(name), LONGEST_NAME).into_owned())
}

fn draw(area: &Area<'_>, title: &str, frame: Frame, classes: &ClassCounts) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let (x, y) = frame.middle();
    area.draw(&Text::new(title.to_string(), (12, 12), ("sans-serif", 20).into_font().color(&INK)))?;
    area.draw(&Text::new("predicted", (x, 48), centred(15)))?;
    let upright = centred(15).transform(FontTransform::Rotate270);
    area.draw(&Text::new("samples of class", (22, y), upright))?;
    draw_labels(area, frame, classes)?;
    draw_cells(area, frame, classes)?;
    draw_grid(area, frame)?;
    area.present()?;
    Ok(())
}

/// Text around a point.
fn centred(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center))
}

/// The number of every class, or of so many that they do not touch; in front of rows their names, too.
fn draw_labels(area: &Area<'_>, frame: Frame, classes: &ClassCounts) -> Result<(), Box<dyn Error>> {
    let Frame { left, cell, n } = frame;
    let digits = n.saturating_sub(1).to_string().len();
    let least = (9 * digits + 6).div_ceil(cell as usize);
    let step = [1, 2, 5, 10, 20, 50, 100, 200].into_iter().find(|&step| step >= least).unwrap_or(500);
    for class in (0..n).step_by(step) {
        let (x, y) = frame.corner(class, class);
        area.draw(&Text::new(class.to_string(), (x + cell / 2, TOP - 14), centred(13)))?;
        let right = centred(13).pos(Pos::new(HPos::Right, VPos::Center));
        let name = name_of(classes, class).map_or_else(String::new, |name| name + " ");
        area.draw(&Text::new(format!("{name}{class}"), (left - 9, y + cell / 2), right))?;
    }
    Ok(())
}

fn draw_cells(area: &Area<'_>, frame: Frame, classes: &ClassCounts) -> Result<(), Box<dyn Error>> {
    let cell = frame.cell;
    let totals = classes.totals();
    for Confusion { actual, predicted, samples } in classes.confusions() {
        let share = samples as f64 / totals[actual].samples as f64;
        // The root shows the few that are wrong.
        let strength = 0.08 + 0.92 * share.sqrt();
        let color = if actual == predicted { TRAINING } else { VALIDATION };
        let (x, y) = frame.corner(actual, predicted);
        area.draw(&Rectangle::new([(x, y), (x + cell, y + cell)], over_white(color, strength).filled()))?;
        let text = samples.to_string();
        let size = (cell * 3 / 10).clamp(9, 15);
        if text.len() as i32 * size * 6 / 10 + 4 <= cell {
            let ink = if strength > 0.55 { &WHITE } else { &INK };
            area.draw(&Text::new(text, (x + cell / 2, y + cell / 2), centred(size).color(ink)))?;
        }
    }
    Ok(())
}

/// Lines around the matrix, and between cells that are large enough for it.
fn draw_grid(area: &Area<'_>, frame: Frame) -> Result<(), Box<dyn Error>> {
    let (left, side) = (frame.left, frame.side());
    let step = if frame.cell >= 10 { frame.cell } else { side };
    for at in (0..=side).step_by(step as usize) {
        area.draw(&PathElement::new([(left + at, TOP), (left + at, TOP + side)], LINE))?;
        area.draw(&PathElement::new([(left, TOP + at), (left + side, TOP + at)], LINE))?;
    }
    Ok(())
}

/// A colour laid on white so thickly.
fn over_white(color: RGBColor, strength: f64) -> RGBColor {
    let mixed = |channel: u8| (255.0 - (255.0 - f64::from(channel)) * strength).round() as u8;
    RGBColor(mixed(color.0), mixed(color.1), mixed(color.2))
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
        for text in ["airplane 0", "a&lt;b&gt; 1", "one whose name is fa… 2", "d\\u{1b}og 3"] {
            assert!(svg.lines().any(|line| line.trim() == text), "no `{text}` in {svg}");
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
            let lines: Vec<&str> = svg.lines().map(str::trim).collect();
            let has_count = |confusion: Confusion| lines.contains(&confusion.samples.to_string().as_str());
            assert!(n > 10 || counts.confusions().all(has_count), "{n} classes: {svg}");
            assert!(lines.contains(&"predicted") && lines.contains(&"samples of class"));
            if let Some(folder) = std::env::var_os("GRAPHC_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("confusion-{n}.svg")), svg).unwrap();
            }
        }
        assert_eq!(confusion_svg("x", "test samples", &counts(3, 0)), None);
        assert_eq!(confusion_svg("x", "test samples", &counts(MOST_CLASSES + 1, 3)), None);
    }
}
