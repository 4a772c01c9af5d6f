//! `optimizer`: the settings of the optimizers that there are, as fields.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::field::{Field, Kind, Range, Section, Variants};
use crate::read::Record;
use graphc_ir::Optimizer;
use graphc_ir::attrs::AttrValue;
use graphc_ir::optimizers::{Clipping, Preset, Setting};
use std::sync::LazyLock;

/// The optimizers.
pub(crate) static OPTIMIZERS: Variants = Variants { name: "optimizer", tag: "op", otherwise: None, sections };

fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| {
        let presets = Optimizer::PRESETS.iter();
        presets.flat_map(|(presets, settings)| presets.iter().map(|preset| section(preset, settings))).collect()
    });
    &SECTIONS
}

/// Bounds of the gradients, which every optimizer may have, but only one of them.
const CLIPPING: [Field; 3] = {
    const BOUND: Kind = Kind::Number(Range::Positive);
    const OTHERWISE: &str = "gradients stay as they are";
    [
        Field::optional(
            "clipnorm",
            BOUND,
            OTHERWISE,
            "The greatest norm of a parameter's gradient: `g * clipnorm / max(norm(g), clipnorm)`, before anything else is made of it. Norms \
             are the root of the sum of all squares. A gradient whose norm is infinite or NaN becomes NaN.",
        ),
        Field::optional(
            "clipvalue",
            BOUND,
            OTHERWISE,
            "The greatest magnitude of a number in a gradient: `min(max(g, -clipvalue), clipvalue)`; NaN stays NaN.",
        ),
        Field::optional(
            "global_clipnorm",
            BOUND,
            OTHERWISE,
            "As `clipnorm`, with the norm of the gradients of all parameters together; only one of these three.",
        ),
    ]
};

/// Tables are for the life of the program.
fn section(preset: &'static Preset, settings: &'static [Setting]) -> Section {
    let asked = settings.iter().filter(|setting| !preset.fixes(setting.name));
    let fields: Vec<Field> = asked.map(field).chain(CLIPPING).collect();
    Section { name: preset.name, doc: preset.summary, fields: fields.leak() }
}

fn field(setting: &'static Setting) -> Field {
    let kind = match setting.default {
        AttrValue::Bool(_) => Kind::Bool,
        _ => Kind::Number(setting.range.unwrap_or(Range::Any)),
    };
    // Numbers and booleans are written alike in text and JSON.
    Field::or(setting.name, kind, setting.default.to_string().leak(), setting.doc.trim())
}

/// The optimizer of that table; `None` if one of its fields was not acceptable.
pub(crate) fn of_record(section: &Section, record: &Record<'_>) -> Option<Optimizer> {
    let value = |field: &Field| match field.kind {
        Kind::Bool => record.bool(field.name).map(AttrValue::Bool),
        _ => record.number(field.name).map(AttrValue::Float),
    };
    let settings = section.fields.iter().filter(|field| !Clipping::NAMES.contains(&field.name));
    let values: Vec<(&str, AttrValue)> =
        settings.map(|field| Some((field.name, value(field)?))).collect::<Option<_>>()?;
    let optimizer = Optimizer::by_name(section.name).expect("the tables are those of the optimizers");
    Some(optimizer.with(values).expect("fields are settings"))
}

/// How gradients are clipped; several ways at once are reported.
pub(crate) fn clipping(record: &Record<'_>, diagnostics: &mut Diagnostics) -> Option<Clipping> {
    let given = |name: &&str| record.number(name).and_then(|bound| Clipping::of_name(name, bound));
    let all: Vec<Clipping> = Clipping::NAMES.iter().filter_map(given).collect();
    if let [first, second, ..] = all[..] {
        let message = format!("the optimizer has both `{}` and `{}`", first.name(), second.name());
        diagnostics.push(Diagnostic::new(message, record.span_of(second.name()), "expected one of them"));
    }
    all.first().copied()
}
