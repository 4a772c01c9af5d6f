//! Every optimizer, one file each, and the one list of them.
//!
//! An optimizer's struct fields are its settings. Its file says what they are called, what graph files know it by, and
//! how a parameter's next value is made of the gradient ([`OptimizerRules`]): as ordinary nodes, through an
//! [`UpdateCx`]. Text form, fields of graph files, what a run records and how much memory the state takes follow.
//!
//! What is the same for any of them: gradients may be added up over several steps, be clipped, and parameters may have
//! settings of their own and averages.
//!
//! Reading order: `update`, `rules`, an optimizer, this file, `per_parameter`, `clipping`, `averaging`, `accumulation`.

mod accumulation;
mod averaging;
mod clipping;
mod per_parameter;
mod rules;
mod update;

pub use accumulation::{Accumulated, Accumulation, MAX_ACCUMULATED};
pub use averaging::{AVERAGE, Averaging};
pub use clipping::Clipping;
pub use per_parameter::{ParameterSettings, WEIGHT_DECAY};
pub use rules::{OptimizerRules, Preset, Setting, Settings};
pub use update::{Step, UpdateCx, optimizer_origin};

use crate::attrs::{AttrError, AttrValue, Attrs, OpAttrs};
use crate::graph::{Graph, NodeId, Origin};
use crate::narrow::narrow;
use crate::ops::{Initializer, Input, Op, Parameter};
use crate::text::shown;
use crate::types::{DType, Shape};
use std::fmt;

/// Name of the input that every optimizer's rate is, and of the setting with its default.
pub const LEARNING_RATE: &str = "learning_rate";

macro_rules! optimizers {
    ($($module:ident :: $variant:ident as $($name:ident)|+),* $(,)?) => {
        /// Rule that turns gradients into parameter updates. The learning rate is an input of the step
        /// (`learning_rate`); the value here is its default.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Optimizer { $(#[doc = concat!("[`", stringify!($variant), "`]")] $variant($variant),)* }

        $(mod $module;
        pub use $module::$variant;
        impl From<$variant> for Optimizer {
            fn from(rules: $variant) -> Optimizer {
                Optimizer::$variant(rules)
            }
        })*

        impl Optimizer {
            /// Every name that [`Optimizer::by_name`] knows.
            pub const NAMES: &'static [&'static str] = &[$($(stringify!($name)),+),*];

            /// The names that each of them has, with their settings.
            pub const PRESETS: &'static [(&'static [Preset], &'static [Setting])] =
                &[$(($variant::PRESETS, $variant::SETTINGS),)*];

            $($(#[doc = concat!("[`", stringify!($variant), "`] with Keras's defaults for `", stringify!($name), "`.")]
            pub fn $name(learning_rate: f64) -> Optimizer {
                let preset = $variant::PRESETS.iter().find(|preset| preset.name == stringify!($name));
                let defaults: $variant = of_preset(preset.expect("the list has the names of the file"));
                Optimizer::$variant($variant { learning_rate, ..defaults })
            })+)*

            /// The optimizer of that name with the defaults of Keras 3 (`keras.optimizers`; those of graph files, too).
            ///
            /// ```
            /// use graphc_ir::Optimizer;
            ///
            /// assert_eq!(Optimizer::by_name("adam"), Ok(Optimizer::adam(0.001)));
            /// let error = Optimizer::by_name("adma").unwrap_err().to_string();
            /// assert!(error.starts_with("there is no optimizer `adma`; there are sgd, adam, adamw"));
            /// ```
            ///
            /// # Errors
            /// If there is none of that name.
            pub fn by_name(name: &str) -> Result<Optimizer, UnknownOptimizer> {
                $(if let Some(preset) = $variant::PRESETS.iter().find(|preset| preset.name == name) {
                    return Ok(Optimizer::$variant(of_preset(preset)));
                })*
                Err(UnknownOptimizer(name.into()))
            }

            /// The optimizer with that [`Optimizer::text_name`] and these settings, all of them; `None` if there is
            /// none.
            pub fn from_attrs(text_name: &str, attrs: &Attrs) -> Option<Result<Optimizer, AttrError>> {
                $(if text_name == $variant::PRESETS[0].name {
                    return Some($variant::from_attrs(attrs).map(Optimizer::$variant));
                })*
                None
            }

            /// Its settings, in order.
            pub fn attrs(&self) -> Attrs {
                match self { $(Optimizer::$variant(rules) => rules.attrs(),)* }
            }

            /// Default of the input `learning_rate`.
            pub fn learning_rate(&self) -> f64 {
                match self { $(Optimizer::$variant(rules) => rules.learning_rate,)* }
            }

            /// The names that graph files know it by, whatever its settings.
            fn presets(&self) -> &'static [Preset] {
                match self { $(Optimizer::$variant(_) => $variant::PRESETS,)* }
            }

            /// See [`OptimizerRules::update`].
            fn update(&self, cx: &mut UpdateCx<'_>, step: Step) -> NodeId {
                match self { $(Optimizer::$variant(rules) => rules.update(cx, step),)* }
            }
        }
    };
}

optimizers! {
    sgd::Sgd as sgd,
    adam::Adam as adam | adamw,
    nadam::Nadam as nadam,
    adamax::Adamax as adamax,
    rmsprop::RmsProp as rmsprop,
    adagrad::Adagrad as adagrad,
    adadelta::Adadelta as adadelta,
    lion::Lion as lion,
    lamb::Lamb as lamb,
}

/// The optimizer that a name stands for if nothing else is said.
fn of_preset<T: Settings>(preset: &Preset) -> T {
    let attrs = with(T::default().attrs(), preset.fixed.iter().map(|&(name, value)| (name, AttrValue::Float(value))));
    T::from_attrs(&attrs).expect("what a preset fixes are settings")
}

/// Attributes of which some have another value.
fn with<'a>(mut attrs: Attrs, values: impl IntoIterator<Item = (&'a str, AttrValue)>) -> Attrs {
    for (name, value) in values {
        match attrs.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => attrs.0.push((name.to_owned(), value)),
        }
    }
    attrs
}

impl Optimizer {
    /// Its name in the text form of graphs, which has all of its settings.
    pub fn text_name(&self) -> &'static str {
        self.presets()[0].name
    }

    /// Its name in graph files: the first that fixes nothing but what it has.
    pub fn name(&self) -> &'static str {
        let attrs = self.attrs();
        let has = |&(name, value): &(&str, f64)| attrs.get(name) == Some(&AttrValue::Float(value));
        let mut presets = self.presets().iter();
        presets.find(|preset| preset.fixed.iter().all(has)).unwrap_or(&self.presets()[0]).name
    }

    /// The same with other values of some settings.
    ///
    /// ```
    /// use graphc_ir::Optimizer;
    /// use graphc_ir::attrs::AttrValue;
    ///
    /// let optimizer = Optimizer::adam(0.01).with([("weight_decay", AttrValue::Float(0.1))]).unwrap();
    /// assert_eq!(optimizer.name(), "adamw");
    /// assert!(Optimizer::sgd(0.1).with([("beta1", AttrValue::Float(0.9))]).is_err());
    /// ```
    ///
    /// # Errors
    /// If there is no such setting, or its values are of another kind.
    pub fn with<'a>(&self, values: impl IntoIterator<Item = (&'a str, AttrValue)>) -> Result<Optimizer, AttrError> {
        Optimizer::from_attrs(self.text_name(), &with(self.attrs(), values)).expect("the optimizer has that name")
    }

    /// Whether every number is finite and means the same in `f32`, in which it is computed.
    ///
    /// # Errors
    /// Names the first number of which that is not so, and what it becomes.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in self.attrs().0 {
            let AttrValue::Float(value) = value else { continue };
            if !value.is_finite() {
                return Err(format!("`{name}` must be finite, got {value}"));
            }
            narrow(value).map_err(|what| format!("`{name}` {value:e} {what}"))?;
        }
        Ok(())
    }

    /// Whether it has a weight decay, be it 0.
    pub fn decays_weights(&self) -> bool {
        self.attrs().get(WEIGHT_DECAY).is_some()
    }

    /// Whether parameters may have these settings.
    ///
    /// # Errors
    /// Names the number that is none, or what the optimizer does not do.
    pub fn check_settings(&self, settings: &ParameterSettings) -> Result<(), String> {
        settings.check()?;
        match settings.weight_decay {
            Some(decay) if decay != 0.0 && !self.decays_weights() => {
                Err(format!("the optimizer {} has no `{WEIGHT_DECAY}`", self.name()))
            }
            _ => Ok(()),
        }
    }

    /// As it is for a parameter with these settings, but for the learning rate.
    fn for_parameter(&self, settings: &ParameterSettings) -> Optimizer {
        match settings.weight_decay.filter(|_| self.decays_weights()) {
            Some(decay) => self.with([(WEIGHT_DECAY, AttrValue::Float(decay))]).expect("it has that setting"),
            None => self.clone(),
        }
    }

    /// Adds the next value of every parameter, of which the gradients are given, with the settings that the graph has
    /// for it. `learning_rate` is a scalar.
    pub fn write(&self, graph: &mut Graph, learning_rate: NodeId, gradients: &[(NodeId, NodeId)]) {
        // Parameters with the same settings share what `once_a_rate` makes; these are few.
        let mut rates: Vec<(ParameterSettings, NodeId)> = Vec::new();
        let all = graph.parameter_settings.clone();
        let mut cx = UpdateCx::new(graph, learning_rate);
        for &(p, g) in gradients {
            let settings = all.get(&cx.graph.node(p).name).copied().unwrap_or_default();
            let rate = rates.iter().position(|(known, _)| *known == settings).unwrap_or_else(|| {
                let lr = match settings.learning_rate_factor {
                    Some(factor) => cx.scaled(learning_rate, factor),
                    None => learning_rate,
                };
                rates.push((settings, lr));
                rates.len() - 1
            });
            let (optimizer, lr) = (self.for_parameter(&settings), rates[rate].1);
            cx.set_rate(rate);
            cx.of_parameter(p, |cx| {
                let next = optimizer.update(cx, Step { p, g, lr });
                cx.set(p, next);
            });
        }
    }

    /// What it remembers of every parameter: the names of these tensors, behind the parameter's.
    ///
    /// ```
    /// use graphc_ir::Optimizer;
    ///
    /// assert_eq!(Optimizer::adam(0.001).states(), ["adam_m", "adam_v"]);
    /// assert!(Optimizer::sgd(0.1).states().is_empty());
    /// ```
    pub fn states(&self) -> Vec<String> {
        let mut graph = Graph::new("states");
        let mut leaf = |op: Op, name: &str| {
            graph.add(op, &[], name, Origin::layer("", 0)).expect("leaves of any shape are well-typed")
        };
        let input = |shape: Shape| Op::from(Input { dtype: DType::F32, shape });
        let (shape, initializer) = (Shape::fixed(&[2]), Initializer::Constant(0.0));
        let learning_rate = leaf(input(Shape::scalar()), LEARNING_RATE);
        let gradient = leaf(input(shape.clone()), "g");
        let parameter = leaf(Parameter { shape, initializer, trainable: true }.into(), "p");
        self.write(&mut graph, learning_rate, &[(parameter, gradient)]);
        let names = graph.updates.iter().map(|update| graph.node(update.parameter).name.as_str());
        names.filter_map(|name| name.strip_prefix("p.")).map(str::to_owned).collect()
    }
}

/// There is no optimizer of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOptimizer(pub String);

impl fmt::Display for UnknownOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no optimizer `{}`; there are {}", shown(&self.0), Optimizer::NAMES.join(", "))
    }
}

impl std::error::Error for UnknownOptimizer {}

#[cfg(test)]
mod tests;
