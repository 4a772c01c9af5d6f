//! What parameters begin with: the settings of the initializers that there are, as fields.

use crate::field::{Field, Kind, Section, Variants};
use graphc_ir::initializers::InitializerInfo;
use std::sync::LazyLock;

/// The initializers that have a name.
pub(crate) static INITIALIZERS: Variants = Variants { name: "initializer", tag: "op", otherwise: None, sections };

fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| InitializerInfo::ALL.iter().map(section).collect());
    &SECTIONS
}

/// Tables are for the life of the program. All settings are numbers with a default, which JSON writes as text does.
fn section(info: &InitializerInfo) -> Section {
    let fields = (info.fields)().into_iter().map(|setting| {
        let default = setting.default.expect("settings have defaults").to_string();
        Field::or(setting.name, Kind::Number(setting.range), default.leak(), setting.doc)
    });
    Section { name: info.name, doc: info.summary, fields: fields.collect::<Vec<_>>().leak() }
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    InitializerInfo::ALL.iter().map(|info| info.name)
}
