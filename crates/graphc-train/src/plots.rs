//! Pictures of a run as SVG: training against validation over epochs, and the confusion matrix; and of its samples as PNG.

mod confusion;
mod letters;
mod sheet;

pub use confusion::confusion_svg;
pub use sheet::{Sheet, Tile};

use crate::history::{EpochRecord, History};
use graphc_ir::text::shown;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

/// Pixels.
const SIZE: (u32, u32) = (720, 440);
/// Colours that stay apart for colour-blind readers and in print (Okabe and Ito).
const TRAINING: RGBColor = RGBColor(0, 114, 178);
const VALIDATION: RGBColor = RGBColor(213, 94, 0);

/// A curve's name, colour and points.
struct Curve {
    label: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// One picture's worth of text.
struct Picture<'a> {
    title: String,
    y_label: &'a str,
    y_range: Range<f64>,
}

/// The loss curves; `None` if no epoch has a finite loss.
pub fn loss_svg(name: &str, history: &History) -> Option<String> {
    let curves = curves(history, |record| Some(record.loss), |record| record.val_loss);
    let (_, high) = extent(&curves)?;
    let y_range = 0.0..if high > 0.0 { high * 1.05 } else { 1.0 };
    Some(render(&Picture { title: format!("Loss of {}", shown(name)), y_label: "loss", y_range }, &curves))
}

/// The accuracy curves; `None` if accuracy was not measured.
pub fn accuracy_svg(name: &str, history: &History) -> Option<String> {
    let curves = curves(history, |record| record.accuracy, |record| record.val_accuracy);
    let (low, high) = extent(&curves)?;
    // Accuracies crowd below 1, so the axis starts where the data does.
    let margin = (0.05 * (high - low)).max(0.002);
    let y_range = (low - margin).max(0.0)..(high + margin).min(1.0).max(low + margin);
    Some(render(&Picture { title: format!("Accuracy of {}", shown(name)), y_label: "accuracy", y_range }, &curves))
}

fn curves(
    history: &History,
    training: impl Fn(&EpochRecord) -> Option<f64>,
    validation: impl Fn(&EpochRecord) -> Option<f64>,
) -> Vec<Curve> {
    let points = |of: &dyn Fn(&EpochRecord) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |record: &EpochRecord| Some((record.epoch as f64, of(record).filter(|value| value.is_finite())?));
        history.records.iter().filter_map(point).collect()
    };
    let all = [
        Curve { label: "training", color: TRAINING, points: points(&training) },
        Curve { label: "validation", color: VALIDATION, points: points(&validation) },
    ];
    all.into_iter().filter(|curve| !curve.points.is_empty()).collect()
}

/// Smallest and largest value.
fn extent(curves: &[Curve]) -> Option<(f64, f64)> {
    let values = || curves.iter().flat_map(|curve| curve.points.iter().map(|&(_, y)| y));
    Some((values().min_by(f64::total_cmp)?, values().max_by(f64::total_cmp)?))
}

fn render(picture: &Picture<'_>, curves: &[Curve]) -> String {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    draw(&area, picture, curves).expect("drawing into a string does not fail");
    drop(area);
    svg
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    picture: &Picture<'_>,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let epochs = curves.iter().flat_map(|curve| curve.points.iter().map(|&(x, _)| x));
    let last = epochs.fold(1.0, f64::max);
    // A single epoch still needs an axis of some length.
    let x_range = if last > 1.0 { 1.0..last } else { 0.0..2.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(&picture.title, ("sans-serif", 20))
        .margin(12)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x_range, picture.y_range.clone())?;
    let decimals = decimals(picture.y_range.end - picture.y_range.start);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("epoch")
        .y_desc(picture.y_label)
        .x_labels((last as usize).clamp(3, 12))
        .x_label_formatter(&|x| if x.fract().abs() < 1e-9 { format!("{x:.0}") } else { String::new() })
        .y_label_formatter(&|y| format!("{y:.decimals$}"))
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .draw()?;
    for curve in curves {
        let color = curve.color;
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), color.stroke_width(2)))?
            .label(curve.label)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 22, y)], color.stroke_width(2)));
        chart.draw_series(curve.points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    let position = match picture.y_label {
        "accuracy" => SeriesLabelPosition::LowerRight,
        _ => SeriesLabelPosition::UpperRight,
    };
    chart
        .configure_series_labels()
        .position(position)
        .margin(12)
        .legend_area_size(30)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(160, 160, 160))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Digits after the point that tell ten ticks of an axis of this length apart.
fn decimals(length: f64) -> usize {
    (-(length / 10.0).log10().floor()).clamp(1.0, 6.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history;

    #[test]
    fn both_curves_axes_and_legend() {
        let losses: Vec<f64> = (1..=30).map(|epoch| 0.6 / f64::from(epoch)).collect();
        let history = history(&losses);
        for (svg, label) in [(loss_svg("lenet5", &history), "loss"), (accuracy_svg("lenet5", &history), "accuracy")] {
            let svg = svg.unwrap();
            let lines: Vec<&str> = svg.lines().map(str::trim).collect();
            for text in ["epoch", label, "training", "validation", "30"] {
                assert!(lines.contains(&text), "no text `{text}` in {svg}");
            }
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.matches("<circle").count(), 60);
            if let Some(folder) = std::env::var_os("GRAPHC_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{label}.svg")), svg).unwrap();
            }
        }
    }

    #[test]
    fn unusual_histories() {
        assert!(loss_svg("x", &History::default()).is_none());
        assert!(loss_svg("x", &history(&[f64::NAN])).is_none());
        assert!(loss_svg("x", &history(&[0.5])).unwrap().contains("training"));
        assert!(loss_svg("x", &history(&[0.0, 0.0])).is_some());
        assert!(accuracy_svg("x", &history(&[0.0, 0.0])).is_some());
        let mut without = history(&[0.5, 0.25]);
        without.records.iter_mut().for_each(|record| {
            record.accuracy = None;
            record.val_accuracy = None;
            record.val_loss = None;
        });
        assert!(accuracy_svg("x", &without).is_none());
        assert!(!loss_svg("x", &without).unwrap().contains("validation"));
    }

    #[test]
    fn names_are_escaped() {
        let svg = loss_svg("a<b>&c", &history(&[0.5, 0.25])).unwrap();
        assert!(svg.contains("Loss of a&lt;b&gt;&amp;c"), "{svg}");
        // Control characters cannot stand in XML, not even escaped.
        let svg = loss_svg("a\u{1b}[31m\u{0}\"'b\u{202e}", &history(&[0.5, 0.25])).unwrap();
        assert!(svg.contains("Loss of a\\u{1b}[31m\\u{0}&quot;&apos;b\\u{202e}"), "{svg}");
        assert!(!svg.contains(|c: char| graphc_ir::text::is_hidden(c) && c != '\n'));
    }
}
