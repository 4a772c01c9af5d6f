//! What `train` says of the course of a training: schedules of the learning rate, averages, and when it ends.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::field::{Field, Kind, Range, SIZE, Section, Variants};
use crate::read::{Record, list, read, read_one_of};
use graphc_ir::text::shown;
use graphc_ir::{Averaging, EarlyStopping, Plateau, RateRule, RateSchedule, Warmup};

const MONITOR: &str =
    "The column of the history: `loss`, `val_loss`, `accuracy`, or `val_` and one of the `metrics`, such as `val_f1`.";

const COUNT: Kind = Kind::Int { min: 0, max: i32::MAX as i64 };

/// The schedules of the learning rate.
pub(crate) static SCHEDULES: Variants =
    Variants { name: "schedule", tag: "op", otherwise: None, sections: || SCHEDULE_SECTIONS };

/// A schedule's own fields, and those of the warm-up.
macro_rules! with_warmup {
    ($($field:expr),* $(,)?) => {
        &[
            $($field,)*
            Field::optional(
                "warmup_steps",
                SIZE,
                "no warm-up",
                "Steps in which the rate grows evenly from the first to the full one: times `(step + 1) / warmup_steps`, `step` from 0. With \
                 `accumulate` these are updates.",
            ),
            Field::optional("warmup_epochs", SIZE, "no warm-up", "The same in epochs; only one of the two."),
        ]
    };
}

const SCHEDULE_SECTIONS: &[Section] = &[
    Section { name: "constant", doc: "The optimizer's learning rate throughout.", fields: with_warmup![] },
    Section {
        name: "step",
        doc: "`rate * gamma ^ floor(epoch / step_size)`, `epoch` from 0.",
        fields: with_warmup![
            Field::required("step_size", SIZE, "Epochs of one rate."),
            Field::or("gamma", Kind::Number(Range::Positive), "0.1", "Factor after each of them."),
        ],
    },
    Section {
        name: "exponential",
        doc: "`rate * gamma ^ (step / steps of an epoch)`, `step` from 0; with `staircase` the exponent is rounded down.",
        fields: with_warmup![
            Field::required("gamma", Kind::Number(Range::Positive), "Factor of an epoch."),
            Field::or("staircase", Kind::Bool, "false", "Whether the rate changes between epochs only."),
        ],
    },
    Section {
        name: "cosine",
        doc: "`rate * (alpha + (1 - alpha) * (1 + cos(pi * x)) / 2)`, where `x` goes from 0 at the end of the warm-up to 1 at the end \
              of the last epoch.",
        fields: with_warmup![Field::or("alpha", Kind::Number(Range::NotNegative), "0.0", "Factor at the end.")],
    },
    Section {
        name: "polynomial",
        doc: "`rate * (alpha + (1 - alpha) * (1 - x) ^ power)`, where `x` goes from 0 at the end of the warm-up to 1 at the end of the last \
              epoch: a line, unless `power` says otherwise.",
        fields: with_warmup![
            Field::or("power", Kind::Number(Range::Positive), "1.0", "The exponent."),
            Field::or("alpha", Kind::Number(Range::NotNegative), "0.0", "Factor at the end."),
        ],
    },
    Section {
        name: "one_cycle",
        doc: "From `rate / div_factor` up to `rate`, then down to `rate / div_factor / final_div_factor` at the last step, both on \
              half a period of a cosine. A training of other `epochs` has another cycle.",
        fields: &[
            Field::or(
                "pct_start",
                Kind::Number(Range::Fraction),
                "0.3",
                "Share of all steps in which the rate goes up.",
            ),
            Field::or("div_factor", Kind::Number(Range::Positive), "25.0", "What the rate is divided by at first."),
            Field::or(
                "final_div_factor",
                Kind::Number(Range::Positive),
                "10000.0",
                "What the first rate is divided by in the end.",
            ),
        ],
    },
    Section {
        name: "piecewise",
        doc: "`rate * factors[i]`, where `i` is how many of the boundaries have been reached.",
        fields: with_warmup![
            Field::required("boundaries", Kind::Ascending, "Numbers of epochs after which the next factor holds."),
            Field::required(
                "factors",
                Kind::Numbers(Range::NotNegative),
                "Factors on the rate, one more than boundaries."
            ),
        ],
    },
    Section {
        name: "plateau",
        doc: "Lower by `factor` whenever `monitor` has not improved by more than `min_delta` for `patience` epochs in a row.",
        fields: with_warmup![
            Field::or("monitor", Kind::Text, "\"val_loss\"", MONITOR),
            Field::or("factor", Kind::Number(Range::Fraction), "0.1", "Factor on the rate."),
            Field::or("patience", SIZE, "10", "Epochs without improvement."),
            Field::or("min_delta", Kind::Number(Range::NotNegative), "0.0001", "Improvements must be greater."),
            Field::or("cooldown", COUNT, "0", "Epochs after a change that are not counted."),
            Field::or("min_rate", Kind::Number(Range::NotNegative), "0.0", "The rate does not go below it."),
        ],
    },
];

/// `ema`.
pub(crate) static EMA: Section = Section {
    name: "ema",
    doc: "Every step also updates averages of the trainable parameters: `average += (weight - average) * (1 - decay) / (1 - decay ^ \
          t)` after step `t`, in which a weight of `k` steps ago counts `decay ^ k`. Moving statistics are not averaged.",
    fields: &[
        Field::or("decay", Kind::Number(Range::Fraction), "0.999", "Share of the old average that is kept."),
        Field::or(
            "evaluate",
            Kind::Bool,
            "true",
            "Whether validation, test and `model.safetensors` take the averages in place of the weights.",
        ),
    ],
};

/// `early_stopping`.
pub(crate) static EARLY_STOPPING: Section = Section {
    name: "early_stopping",
    doc: "The training ends after `patience` epochs in a row in which `monitor` has not improved by more than `min_delta`.",
    fields: &[
        Field::or(
            "monitor",
            Kind::Text,
            "\"val_loss\"",
            "The column of the history, as there. Losses, `mae` and `mse` are to fall, the others to rise.",
        ),
        Field::or("patience", SIZE, "5", "Epochs without improvement."),
        Field::or("min_delta", Kind::Number(Range::NotNegative), "0.0", "Improvements must be greater."),
    ],
};

/// What is averaged, and for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmaConfig {
    /// How fast averages forget.
    pub averaging: Averaging,
    /// Whether validation, test and the weights that are written are those of the averages.
    pub evaluate: bool,
}

/// What is watched must be measured. `file` is the whole file, `record` the object with the field `monitor`.
fn check_monitor(file: &Record<'_>, record: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let monitor = record.text("monitor")?;
    let metrics = file.names("metrics").unwrap_or_default();
    let mut known = vec!["loss".to_string(), "val_loss".to_string()];
    for metric in metrics.iter().map(|metric| metric.value.as_str()).filter(|metric| *metric != "confusion_matrix") {
        // The step itself measures the accuracy, in training too.
        known.extend((metric == "accuracy").then(|| metric.to_string()));
        known.push(format!("val_{metric}"));
    }
    if !file.is_refused("metrics") && !known.contains(&monitor) {
        let message = format!("`{}` is watched, but not measured", shown(&monitor));
        let label = format!("expected one of {}", list(known.iter().map(String::as_str)));
        let close = diagnostics.closest(&monitor, known.iter().map(String::as_str));
        diagnostics.push(Diagnostic::new(message, record.span_of("monitor"), label).did_you_mean(close));
        return None;
    }
    Some(monitor)
}

pub(crate) fn read_schedule(
    file: &Record<'_>,
    train: &Record<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<RateSchedule> {
    let Some(json) = train.json("schedule") else {
        return (!train.is_refused("schedule")).then(RateSchedule::default);
    };
    let (section, record) = read_one_of(&SCHEDULES, json, diagnostics)?;
    if section.name == "plateau" {
        check_monitor(file, &record, diagnostics)?;
    }
    let rule = read_rule(section.name, &record, diagnostics);
    let warmup = match section.name {
        "one_cycle" => None,
        _ => read_warmup(&record, diagnostics)?,
    };
    Some(RateSchedule { rule: rule?, warmup })
}

fn read_rule(name: &str, record: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<RateRule> {
    let number = |name: &str| record.number(name);
    Some(match name {
        "step" => RateRule::Step { step_size: record.size("step_size")?, gamma: number("gamma")? },
        "exponential" => RateRule::Exponential { gamma: number("gamma")?, staircase: record.bool("staircase")? },
        "cosine" => RateRule::Cosine { alpha: number("alpha")? },
        "polynomial" => RateRule::Polynomial { power: number("power")?, alpha: number("alpha")? },
        "one_cycle" => RateRule::OneCycle {
            pct_start: number("pct_start")?,
            div_factor: number("div_factor")?,
            final_div_factor: number("final_div_factor")?,
        },
        "piecewise" => {
            let (boundaries, factors) = (record.axes("boundaries")?, record.numbers("factors")?);
            if factors.len() != boundaries.len() + 1 {
                let message =
                    format!("`factors` must have {} numbers, one more than `boundaries`", boundaries.len() + 1);
                let label = format!("this list has {}", factors.len());
                diagnostics.push(Diagnostic::new(message, record.span_of("factors"), label));
                return None;
            }
            RateRule::Piecewise { boundaries, factors }
        }
        "plateau" => RateRule::Plateau(Plateau {
            monitor: record.text("monitor")?,
            factor: number("factor")?,
            patience: record.size("patience")?,
            min_delta: number("min_delta")?,
            cooldown: usize::try_from(record.int("cooldown")?).ok()?,
            min_rate: number("min_rate")?,
        }),
        _ => RateRule::Constant,
    })
}

/// Nothing if the fields are wrong; none of them is no warm-up.
fn read_warmup(record: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<Option<Warmup>> {
    if ["warmup_steps", "warmup_epochs"].iter().any(|field| record.is_refused(field)) {
        return None;
    }
    match (record.size("warmup_steps"), record.size("warmup_epochs")) {
        (Some(_), Some(_)) => {
            let message = "the schedule has both `warmup_steps` and `warmup_epochs`";
            diagnostics.push(Diagnostic::new(message, record.span_of("warmup_epochs"), "expected one of the two"));
            None
        }
        (Some(steps), None) => Some(Some(Warmup::Steps(steps))),
        (None, epochs) => Some(epochs.map(Warmup::Epochs)),
    }
}

/// Nothing if the field is wrong; its absence is no averaging.
pub(crate) fn read_ema(train: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<Option<EmaConfig>> {
    let Some(json) = train.json("ema") else { return (!train.is_refused("ema")).then_some(None) };
    let ema = read("`ema`", &[EMA.fields], json, diagnostics)?;
    let averaging = Averaging { decay: ema.number("decay")? };
    Some(Some(EmaConfig { averaging, evaluate: ema.bool("evaluate")? }))
}

/// Nothing if the field is wrong; its absence is no stopping.
pub(crate) fn read_early_stopping(
    file: &Record<'_>,
    train: &Record<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Option<EarlyStopping>> {
    let Some(json) = train.json("early_stopping") else {
        return (!train.is_refused("early_stopping")).then_some(None);
    };
    let stopping = read("`early_stopping`", &[EARLY_STOPPING.fields], json, diagnostics)?;
    Some(Some(EarlyStopping {
        monitor: check_monitor(file, &stopping, diagnostics)?,
        patience: stopping.size("patience")?,
        min_delta: stopping.number("min_delta")?,
    }))
}
