//! What every optimizer must tell.

use super::update::{Step, UpdateCx};
use crate::attrs::{AttrValue, OpAttrs};
use crate::graph::NodeId;
use crate::range::Range;

/// A name under which graph files know an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What the reference says of it.
    pub summary: &'static str,
    /// Settings that have one value under this name, so that it does not ask for them.
    pub fixed: &'static [(&'static str, f64)],
}

impl Preset {
    /// Whether the setting has one value under this name.
    pub fn fixes(&self, setting: &str) -> bool {
        self.fixed.iter().any(|(name, _)| *name == setting)
    }
}

/// One field of an optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name in Rust, in text and in graph files.
    pub name: &'static str,
    /// What it is if nothing is said.
    pub default: AttrValue,
    /// Which numbers graph files may give; nothing if it is none.
    pub range: Option<Range>,
    /// What the reference says of it, behind a space.
    pub doc: &'static str,
}

/// The settings of an optimizer; implemented by `optimizer_struct!`.
pub trait Settings: OpAttrs + Default {
    /// Every field, in order.
    const SETTINGS: &'static [Setting];
}

/// The rules of one optimizer. What it remembers is zero before the first step.
pub trait OptimizerRules: Settings {
    /// Its names in graph files. The text form of graphs has the first one, and every setting.
    const PRESETS: &'static [Preset];

    /// The next value of a parameter, as nodes. Write the formulas as comments.
    fn update(&self, cx: &mut UpdateCx<'_>, step: Step) -> NodeId;
}

/// Declares the struct of an optimizer: its settings with their defaults and ranges. What is written of them is
/// also what the reference of graph files says.
macro_rules! optimizer_struct {
    ($(#[doc = $doc:literal])* pub struct $name:ident {
        $($(#[doc = $field_doc:literal])* pub $field:ident: $ty:ident = $default:literal $(in $range:ident)?),* $(,)?
    }) => {
        $crate::op_struct! {
            $(#[doc = $doc])*
            pub struct $name { $($(#[doc = $field_doc])* pub $field: $ty,)* }
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* }
            }
        }

        impl $crate::optimizers::rules::Settings for $name {
            const SETTINGS: &'static [$crate::optimizers::rules::Setting] = &[$($crate::optimizers::rules::Setting {
                name: stringify!($field),
                default: $crate::optimizers::rules::optimizer_struct!(@value $ty $default),
                range: $crate::optimizers::rules::optimizer_struct!(@range $($range)?),
                doc: concat!($($field_doc),*),
            },)*];
        }
    };
    (@value f64 $default:literal) => { $crate::attrs::AttrValue::Float($default) };
    (@value bool $default:literal) => { $crate::attrs::AttrValue::Bool($default) };
    (@range $range:ident) => { Some($crate::range::Range::$range) };
    (@range) => { None };
}

pub(super) use optimizer_struct;
