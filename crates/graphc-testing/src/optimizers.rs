//! Every optimizer there is, with settings of every kind, and what else happens to gradients and parameters.

use graphc_ir::attrs::AttrValue;
use graphc_ir::optimizers::{Accumulation, Clipping, LEARNING_RATE, ParameterSettings, Preset, Setting, WEIGHT_DECAY};
use graphc_ir::range::Range;
use graphc_ir::{Averaging, Graph, Op, Optimizer};
use proptest::prelude::*;

/// How a training step updates parameters.
#[derive(Clone, Debug)]
pub struct Updates {
    optimizer: Optimizer,
    clipping: Option<Clipping>,
    accumulation: Option<Accumulation>,
    averaging: Option<Averaging>,
    /// Of the first parameter that is trained.
    settings: Option<ParameterSettings>,
}

impl Updates {
    /// Lets the training steps of a graph do so.
    pub fn apply(self, graph: &mut Graph) {
        let is_trained = |id| matches!(graph.op(id), Op::Parameter(parameter) if parameter.trainable);
        let first = graph.ids().into_iter().find(|&id| is_trained(id)).map(|id| graph.node(id).name.clone());
        graph.parameter_settings.extend(first.zip(self.settings));
        graph.optimizer = Some(self.optimizer);
        (graph.clipping, graph.accumulation, graph.averaging) = (self.clipping, self.accumulation, self.averaging);
    }
}

/// Any of [`optimizers()`]; gradients are clipped in half of the cases, and added up, averaged or with settings of
/// their own in a few. It shrinks to none of that.
pub fn updates() -> impl Strategy<Value = Updates> {
    let clipping = (0..6u8).prop_map(|kind| match kind {
        3 => Some(Clipping::Norm(0.5)),
        4 => Some(Clipping::Value(0.25)),
        5 => Some(Clipping::GlobalNorm(1.5)),
        _ => None,
    });
    let sometimes = || prop::bool::weighted(0.2);
    (optimizers(), clipping, sometimes(), sometimes(), sometimes()).prop_map(
        |(optimizer, clipping, accumulates, averages, has_settings)| {
            let decay = optimizer.attrs().get(WEIGHT_DECAY).map(|_| 0.0625);
            let settings = ParameterSettings { learning_rate_factor: Some(0.5), weight_decay: decay };
            Updates {
                optimizer,
                clipping,
                accumulation: accumulates.then_some(Accumulation { steps: 2 }),
                averaging: averages.then_some(Averaging { decay: 0.5 }),
                settings: has_settings.then_some(settings),
            }
        },
    )
}

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
