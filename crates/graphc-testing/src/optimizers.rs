//! Every optimizer there is, with settings of every kind.

use graphc_ir::Optimizer;
use graphc_ir::attrs::AttrValue;
use graphc_ir::optimizers::{LEARNING_RATE, Preset, Setting};
use graphc_ir::range::Range;
use proptest::prelude::*;

/// Any of [`all_optimizers`], each name as often as any other. It shrinks to the first name and to defaults.
pub fn optimizers() -> impl Strategy<Value = Optimizer> {
    let names: Vec<Vec<Optimizer>> = presets().map(|(preset, settings)| variants(preset, settings)).collect();
    (any::<u8>(), any::<u8>()).prop_map(move |(name, variant)| {
        let variants = &names[name as usize % names.len()];
        variants[variant as usize % variants.len()].clone()
    })
}

/// Every optimizer, with all combinations of settings at their defaults and at another value. The learning rate is
/// 0.01.
pub fn all_optimizers() -> Vec<Optimizer> {
    presets().flat_map(|(preset, settings)| variants(preset, settings)).collect()
}

fn presets() -> impl Iterator<Item = (&'static Preset, &'static [Setting])> {
    Optimizer::PRESETS.iter().flat_map(|(presets, settings)| presets.iter().map(|preset| (preset, *settings)))
}

fn variants(preset: &Preset, settings: &'static [Setting]) -> Vec<Optimizer> {
    let mut variants = vec![Optimizer::by_name(preset.name).expect("presets have names")];
    for setting in settings.iter().filter(|setting| !preset.fixes(setting.name)) {
        let with = |value: AttrValue| {
            let of = |optimizer: &Optimizer| optimizer.with([(setting.name, value.clone())]);
            variants
                .iter()
                .map(|optimizer| of(optimizer).expect("values are of the setting's kind"))
                .collect::<Vec<_>>()
        };
        variants = values(setting).into_iter().flat_map(with).collect();
    }
    variants
}

/// The default and another one.
fn values(setting: &Setting) -> Vec<AttrValue> {
    let AttrValue::Float(default) = setting.default else {
        return vec![AttrValue::Bool(false), AttrValue::Bool(true)];
    };
    let values = match setting.range {
        _ if setting.name == LEARNING_RATE => vec![0.01],
        // Not 0: a mean that forgets at once, such as Adam's with `beta2` 0, makes a sign of every gradient, even of a
        // rounding error.
        Some(Range::Fraction) => vec![default, 0.5],
        Some(Range::UpTo(most)) => vec![default, most],
        Some(Range::Any | Range::NotNegative | Range::Positive) | None => vec![default, 0.125],
    };
    values.into_iter().map(AttrValue::Float).collect()
}
