//! Pictures as SVG (and of samples as PNG, `sheet`), for files of a run's folder and for pages: curves over epochs, the
//! confusion matrix, predictions against what is true. They suit light and dark surroundings ([`STYLE`]), and colours
//! stay apart for colour-blind readers.
//!
//! Written out here: what makes them readable is where labels stand and which colours a surrounding asks for, and that
//! is what libraries of charts decide by themselves.

mod axis;
mod chart;
mod confusion;
mod labels;
mod letters;
mod scatter;
mod sheet;
mod svg;

pub use axis::Scale;
pub use chart::{Chart, Curve, N_COLORS, value_text};
pub use confusion::{confusion_inline, confusion_svg};
pub use scatter::scatter_inline;
pub use sheet::{Sheet, Tile};
pub use svg::{STYLE, escaped, shortened};

use crate::history::{EpochRecord, History};
use graphc_ir::text::shown;

/// The loss curves as a file; `None` if no epoch has a finite loss.
///
/// A line marks the epoch `best`.
pub fn loss_svg(name: &str, history: &History, best: Option<usize>) -> Option<String> {
    let curves = curves(history, |record| Some(record.loss), |record| record.val_loss);
    chart("loss", Scale::Fitting, history, best, curves).standalone(&format!("Loss of {}", shown(name)))
}

/// The accuracy curves as a file; `None` if accuracy was not measured.
///
/// A line marks the epoch `best`.
pub fn accuracy_svg(name: &str, history: &History, best: Option<usize>) -> Option<String> {
    let curves = curves(history, |record| record.accuracy, |record| record.val_accuracy);
    chart("accuracy", Scale::Even, history, best, curves).standalone(&format!("Accuracy of {}", shown(name)))
}

fn chart<'a>(title: &'a str, scale: Scale, history: &History, best: Option<usize>, curves: Vec<Curve>) -> Chart<'a> {
    let n_epochs = history.records.last().map_or(1, |record| record.epoch);
    Chart { title, scale, n_epochs, best, curves, value_text }
}

/// Training and validation of one run.
fn curves(
    history: &History,
    training: impl Fn(&EpochRecord) -> Option<f64>,
    validation: impl Fn(&EpochRecord) -> Option<f64>,
) -> Vec<Curve> {
    let points = |of: &dyn Fn(&EpochRecord) -> Option<f64>| -> Vec<(usize, f64)> {
        history.records.iter().filter_map(|record| Some((record.epoch, of(record)?))).collect()
    };
    let curve =
        |label: &str, is_faint, points| Curve { label: Some(label.into()), color: 0, is_faint, points, marked: None };
    vec![curve("training", true, points(&training)), curve("validation", false, points(&validation))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history;

    #[test]
    fn both_curves_axes_and_labels() {
        let losses: Vec<f64> = (1..=30).map(|epoch| 0.6 / f64::from(epoch)).collect();
        let history = history(&losses);
        for (svg, title) in
            [(loss_svg("lenet5", &history, Some(17)), "Loss"), (accuracy_svg("lenet5", &history, Some(17)), "Accuracy")]
        {
            let svg = svg.unwrap();
            for text in
                [">epoch<", ">training <", ">validation <", ">30<", ">best epoch 17<", &format!(">{title} of lenet5<")]
            {
                assert!(svg.contains(text), "no text `{text}` in {svg}");
            }
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            let points = svg.lines().filter(|line| line.starts_with("<path class=\"faint s0\""));
            assert_eq!(points.map(|line| line.matches('L').count()).sum::<usize>(), 29);
            if let Some(folder) = std::env::var_os("GRAPHC_PLOTS") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{title}.svg")), svg).unwrap();
            }
        }
    }

    #[test]
    fn unusual_histories() {
        assert!(loss_svg("x", &History::default(), None).is_none());
        assert!(loss_svg("x", &history(&[f64::NAN]), None).is_none());
        assert!(loss_svg("x", &history(&[0.5]), None).unwrap().contains("training"));
        assert!(loss_svg("x", &history(&[0.0, 0.0]), None).is_some());
        assert!(accuracy_svg("x", &history(&[0.0, 0.0]), None).is_some());
        let mut without = history(&[0.5, 0.25]);
        without.records.iter_mut().for_each(|record| {
            record.accuracy = None;
            record.val_accuracy = None;
            record.val_loss = None;
        });
        assert!(accuracy_svg("x", &without, None).is_none());
        assert!(!loss_svg("x", &without, None).unwrap().contains("validation"));
    }

    #[test]
    fn names_are_escaped() {
        let svg = loss_svg("a<b>&c", &history(&[0.5, 0.25]), None).unwrap();
        assert!(svg.contains("Loss of a&lt;b&gt;&amp;c"), "{svg}");
        // Control characters cannot stand in XML, not even escaped.
        let svg = loss_svg("a\u{1b}[31m\u{0}\"'b\u{202e}", &history(&[0.5, 0.25]), None).unwrap();
        assert!(svg.contains("Loss of a\\u{1b}[31m\\u{0}&quot;&apos;b\\u{202e}"), "{svg}");
        assert!(!svg.contains(|c: char| graphc_ir::text::is_hidden(c) && c != '\n'));
    }
}
