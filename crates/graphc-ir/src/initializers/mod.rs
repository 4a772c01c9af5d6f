//! Every initializer, one file each, and the one list of them: what a parameter begins with.
//!
//! An initializer's struct fields are its settings. Its file says what it is called and by which [`Law`] numbers are
//! drawn ([`InitializerRules`]); the driver draws them. Text form, fields of graph files, their schema and the
//! reference follow from it. A number is an initializer, too: every element is that.
//!
//! Reading order: `rules`, an initializer, this file.

mod rules;

pub use rules::{Fans, InitializerRules, Law, REMAINING};
pub use variance_scaling::{Distribution, FanMode};

use crate::attrs::{AttrError, AttrField, AttrKind, AttrValue, AttrWords, Attrs, FieldInfo, OpAttrs};
use crate::types::TypeError;

macro_rules! initializers {
    ($($module:ident :: $variant:ident),* $(,)?) => {
        $(mod $module;
        pub use $module::$variant;
        impl From<$variant> for Initializer {
            fn from(rules: $variant) -> Initializer {
                Initializer::$variant(rules)
            }
        }

        impl Default for $variant {
            fn default() -> $variant {
                $variant::from_attrs(&Attrs::default()).expect("settings have defaults")
            }
        })*

        /// First value of a parameter.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Initializer {
            /// Every element the same.
            Constant(f64),
            $(#[doc = concat!("[`", stringify!($variant), "`]")] $variant($variant),)*
        }

        impl InitializerInfo {
            /// Every initializer that has a name, in the order of the list.
            pub const ALL: &'static [InitializerInfo] = &[$(InitializerInfo {
                name: $variant::NAME,
                summary: $variant::SUMMARY,
                fields: $variant::fields,
                from_attrs: |attrs| $variant::from_attrs(attrs).map(Initializer::$variant),
            },)*];
        }

        impl Initializer {
            /// The law of a parameter of these sizes.
            pub fn law(&self, sizes: &[usize]) -> Law {
                match self {
                    Initializer::Constant(value) => Law::Constant(*value),
                    $(Initializer::$variant(rules) => rules.law(Fans::of(sizes)),)*
                }
            }

            /// The seed of its random numbers, if it has one of its own.
            pub fn seed(&self) -> Option<i64> {
                match self {
                    Initializer::Constant(_) => None,
                    $(Initializer::$variant(rules) => rules.seed(),)*
                }
            }

            /// Refuses settings that are not in their range, or do not fit each other.
            ///
            /// # Errors
            /// Names the first.
            pub fn check(&self) -> Result<(), TypeError> {
                match self {
                    Initializer::Constant(_) => Ok(()),
                    $(Initializer::$variant(rules) => {
                        rules.check_ranges($variant::NAME)?;
                        rules.check()
                    })*
                }
            }

            /// Refuses parameters of other sizes than it is for.
            ///
            /// # Errors
            /// Says what is expected.
            pub fn check_sizes(&self, sizes: &[usize]) -> Result<(), TypeError> {
                match self {
                    Initializer::Constant(_) => Ok(()),
                    $(Initializer::$variant(rules) => rules.check_sizes(sizes),)*
                }
            }

            /// Name and settings, if it has a name.
            fn named(&self) -> Option<(&'static str, Attrs)> {
                match self {
                    Initializer::Constant(_) => None,
                    $(Initializer::$variant(rules) => Some(($variant::NAME, rules.attrs())),)*
                }
            }
        }
    };
}

initializers! {
    glorot_uniform::GlorotUniform,
    glorot_normal::GlorotNormal,
    he_uniform::HeUniform,
    he_normal::HeNormal,
    random_uniform::RandomUniform,
    random_normal::RandomNormal,
    truncated_normal::TruncatedNormal,
    lecun_uniform::LecunUniform,
    lecun_normal::LecunNormal,
    variance_scaling::VarianceScaling,
    orthogonal::Orthogonal,
    identity::Identity,
    zeros::Zeros,
    ones::Ones,
    unit_forget::UnitForget,
}

/// What is known of an initializer whatever its settings.
#[derive(Clone, Copy, Debug)]
pub struct InitializerInfo {
    /// See [`InitializerRules::NAME`].
    pub name: &'static str,
    /// See [`InitializerRules::SUMMARY`].
    pub summary: &'static str,
    /// Its settings, see [`OpAttrs::fields`].
    pub fields: fn() -> Vec<FieldInfo>,
    /// The initializer with these settings.
    pub from_attrs: fn(&Attrs) -> Result<Initializer, AttrError>,
}

impl Initializer {
    /// What kernels begin with.
    pub const KERNEL: Initializer = Initializer::GlorotUniform(GlorotUniform { seed: None });

    /// What biases begin with.
    pub const ZEROS: Initializer = Initializer::Constant(0.0);

    /// What the kernels of states begin with.
    pub const RECURRENT: Initializer = Initializer::Orthogonal(Orthogonal { gain: 1.0, seed: None });

    /// What the bias of an LSTM begins with.
    pub const UNIT_FORGET: Initializer = Initializer::UnitForget(UnitForget {});

    /// The initializer called `name` with these settings; none if there is none, or it has not these.
    pub fn from_name(name: &str, settings: &Attrs) -> Option<Initializer> {
        let info = InitializerInfo::ALL.iter().find(|info| info.name == name)?;
        (info.from_attrs)(settings).ok().filter(|made| made.check().is_ok())
    }
}

/// The value of a setting as it stands in text: a number, or a quoted word.
fn setting_value(text: &str) -> Option<AttrValue> {
    if let Some(word) = text.strip_prefix('"') {
        return Some(AttrValue::Str(word.strip_suffix('"')?.to_string()));
    }
    text.parse().map(AttrValue::Int).or_else(|_| text.parse().map(AttrValue::Float)).ok()
}

impl AttrField for Initializer {
    const EXPECTED: &'static str = "a number, or the name of an initializer such as \"random_uniform(limit=0.1)\"";
    const KIND: AttrKind = AttrKind::Initializer;

    /// Settings that are not the default stand in parentheses behind the name.
    fn to_attr(&self) -> AttrValue {
        let Some((name, attrs)) = self.named() else {
            let &Initializer::Constant(value) = self else { unreachable!("all others have names") };
            return AttrValue::Float(value);
        };
        let settings: Vec<String> = attrs.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        AttrValue::Str(match settings.is_empty() {
            true => name.to_string(),
            false => format!("{name}({})", settings.join(",")),
        })
    }

    fn from_attr(value: &AttrValue) -> Option<Initializer> {
        let AttrValue::Str(text) = value else { return f64::from_attr(value).map(Initializer::Constant) };
        let (name, settings) = match text.split_once('(') {
            Some((name, settings)) => (name, settings.strip_suffix(')')?),
            None => (text.as_str(), ""),
        };
        let setting = |text: &str| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_string(), setting_value(value)?))
        };
        let settings = settings.split(',').filter(|text| !text.is_empty()).map(setting);
        Initializer::from_name(name, &Attrs(settings.collect::<Option<_>>()?))
    }

    fn write_words(&self, words: &mut AttrWords) {
        match self {
            Initializer::Constant(value) => words.extend([0, value.to_bits()]),
            named => {
                words.extend([1]);
                named.to_attr().to_string().write_words(words);
            }
        }
    }
}
