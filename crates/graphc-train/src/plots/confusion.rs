//! The confusion matrix as a picture: a row for each class that samples are of, a column for each that was predicted.

use super::{TRAINING, VALIDATION};
use crate::metrics::{ClassCounts, Confusion};
use graphc_ir::text::shown;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels that the matrix would like to have along each side, and of a cell at least and at most.
const SIDE: usize = 440;
const CELL: (usize, usize) = (3, 64);
/// Pixels to the left of the matrix and above it.
const MARGIN: (i32, i32) = (78, 92);
/// Pixels to the right of it and below.
const REST: (i32, i32) = (32, 24);
/// More classes than this make no picture.
const MOST_CLASSES: usize = 1000;

const INK: RGBColor = RGBColor(40, 40, 40);
const LINE: RGBColor = RGBColor(200, 200, 200);

/// The matrix of `what`, such as "test samples". What is right is blue, what is wrong orange, the darker the larger its share of the
/// row. `None` without samples, or with too many classes.
pub fn confusion_svg(name: &str, what: &str, classes: &ClassCounts) -> Option<String> {
    let n = classes.n_classes();
    if classes.confusions().next().is_none() || n > MOST_CLASSES {
        return None;
    }
    let cell = (SIDE / n).clamp(CELL.0, CELL.1) as i32;
    let side = cell * n as i32;
    let title = format!("Confusion matrix of {} ({what})", shown(name));
    // The title may need more room than the matrix.
    let width = (MARGIN.0 + side + REST.0).max(9 * title.chars().count().min(70) as i32 + 24);
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (width as u32, (MARGIN.1 + side + REST.1) as u32)).into_drawing_area();
        draw(&area, &title, cell, classes).expect("drawing into memory does not fail");
    }
    Some(svg)
}

fn draw(area: &Area<'_>, title: &str, cell: i32, classes: &ClassCounts) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let middle = MARGIN.0 + cell * classes.n_classes() as i32 / 2;
    area.draw(&Text::new(title.to_string(), (12, 12), ("sans-serif", 20).into_font().color(&INK)))?;
    area.draw(&Text::new("predicted", (middle, 48), centred(15)))?;
    let upright = centred(15).transform(FontTransform::Rotate270);
    area.draw(&Text::new("samples of class", (22, middle - MARGIN.0 + MARGIN.1), upright))?;
    draw_labels(area, cell, classes.n_classes())?;
    draw_cells(area, cell, classes)?;
    area.present()?;
    Ok(())
}

/// Text around a point.
fn centred(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center))
}

/// The number of every class, or of so many that they do not touch.
fn draw_labels(area: &Area<'_>, cell: i32, n: usize) -> Result<(), Box<dyn Error>> {
    let digits = n.saturating_sub(1).to_string().len();
    let least = (9 * digits + 6).div_ceil(cell as usize);
    let step = [1, 2, 5, 10, 20, 50, 100, 200].into_iter().find(|&step| step >= least).unwrap_or(500);
    for class in (0..n).step_by(step) {
        let at = class as i32 * cell + cell / 2;
        area.draw(&Text::new(class.to_string(), (MARGIN.0 + at, MARGIN.1 - 14), centred(13)))?;
        let right = centred(13).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(class.to_string(), (MARGIN.0 - 9, MARGIN.1 + at), right))?;
    }
    Ok(())
}

fn draw_cells(area: &Area<'_>, cell: i32, classes: &ClassCounts) -> Result<(), Box<dyn Error>> {
    let totals = classes.totals();
    let side = cell * classes.n_classes() as i32;
    for Confusion { actual, predicted, samples } in classes.confusions() {
        let share = samples as f64 / totals[actual].samples as f64;
        // The root shows the few that are wrong.
        let strength = 0.08 + 0.92 * share.sqrt();
        let color = if actual == predicted { TRAINING } else { VALIDATION };
        let corner = (MARGIN.0 + predicted as i32 * cell, MARGIN.1 + actual as i32 * cell);
        let opposite = (corner.0 + cell, corner.1 + cell);
        area.draw(&Rectangle::new([corner, opposite], over_white(color, strength).filled()))?;
        let text = samples.to_string();
        let size = (cell * 3 / 10).clamp(9, 15);
        if text.len() as i32 * size * 6 / 10 + 4 <= cell {
            let ink = if strength > 0.55 { &WHITE } else { &INK };
            let at = (corner.0 + cell / 2, corner.1 + cell / 2);
            area.draw(&Text::new(text, at, centred(size).color(ink)))?;
        }
    }
    // Between cells, where they are large enough for it.
    let inner = if cell >= 10 { cell } else { side };
    for at in (0..=side).step_by(inner as usize) {
        let (x, y) = (MARGIN.0 + at, MARGIN.1 + at);
        area.draw(&PathElement::new([(x, MARGIN.1), (x, MARGIN.1 + side)], LINE))?;
        area.draw(&PathElement::new([(MARGIN.0, y), (MARGIN.0 + side, y)], LINE))?;
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
        let scoring = Scoring::new("p", "t", Outcome::Class(n), ["confusion_matrix"]).unwrap().unwrap();
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
