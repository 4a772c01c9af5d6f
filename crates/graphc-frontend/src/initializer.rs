//! What parameters begin with: the settings of the initializers that there are, as fields.

use crate::field::{Field, Kind, SEED, Section, Variants};
use graphc_ir::attrs::{AttrKind, FieldInfo};
use graphc_ir::initializers::InitializerInfo;
use std::sync::LazyLock;

/// The initializers that have a name.
pub(crate) static INITIALIZERS: Variants = Variants { name: "initializer", tag: "op", otherwise: None, sections };

fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| InitializerInfo::ALL.iter().map(section).collect());
    &SECTIONS
}

/// Tables are for the life of the program.
fn section(info: &InitializerInfo) -> Section {
    Section {
        name: info.name,
        doc: info.summary,
        fields: (info.fields)().into_iter().map(field).collect::<Vec<_>>().leak(),
    }
}

/// All settings are numbers and words with a default, which JSON writes as text does.
fn field(setting: FieldInfo) -> Field {
    let kind = match setting.kind {
        AttrKind::Int => SEED,
        AttrKind::Choice(words) => Kind::Choice(words),
        _ => Kind::Number(setting.range),
    };
    match (setting.meaning, setting.default) {
        (Some(meaning), _) => Field::optional(setting.name, kind, meaning, setting.doc),
        (None, default) => {
            let default = default.expect("settings have defaults").to_string();
            Field::or(setting.name, kind, default.leak(), setting.doc)
        }
    }
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    InitializerInfo::ALL.iter().map(|info| info.name)
}
