//! `optimizer`: the settings of the optimizers that there are, as fields.

use crate::field::{Field, Kind, Range, Section, Variants};
use crate::read::Record;
use graphc_ir::Optimizer;
use graphc_ir::attrs::AttrValue;
use graphc_ir::optimizers::{Preset, Setting};
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

/// Tables are for the life of the program.
fn section(preset: &'static Preset, settings: &'static [Setting]) -> Section {
    let asked = settings.iter().filter(|setting| !preset.fixes(setting.name));
    let fields: Vec<Field> = asked.map(field).collect();
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
    let values = section.fields.iter().map(|field| Some((field.name, value(field)?)));
    let values: Vec<(&str, AttrValue)> = values.collect::<Option<_>>()?;
    let optimizer = Optimizer::by_name(section.name).expect("the tables are those of the optimizers");
    Some(optimizer.with(values).expect("fields are settings"))
}
