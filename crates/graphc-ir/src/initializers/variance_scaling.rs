//! `variance_scaling`: what Glorot's, He's and LeCun's initializers are special cases of.

use super::rules::{Fans, InitializerRules, Law};
use crate::attrs::{AttrField, AttrKind, AttrValue};
use crate::op_struct;

op_struct! {
    /// Random numbers with the variance `scale / n`, where `n` is what `mode` says.
    pub struct VarianceScaling {
        /// Factor on the variance: the square of PyTorch's `gain`.
        pub scale: f64 where Positive = 1.0,
        /// What `n` is: `fan_in`, `fan_out` or their mean, but at least 1.
        pub mode: FanMode = FanMode::FanIn,
        /// How they are drawn; `truncated_normal` is cut off at about 2.3 deviations.
        pub distribution: Distribution = Distribution::TruncatedNormal,
        /// Seed of the numbers: parameters of one shape with one seed begin alike.
        pub seed: Option<i64> where NotNegative = None => "`seed` of `train`, and the parameter's name",
    }
}

impl InitializerRules for VarianceScaling {
    const NAME: &'static str = "variance_scaling";
    const SUMMARY: &'static str = "Random numbers with the variance `scale / n`, where `n` is what `mode` says: Glorot's, He's and LeCun's are cases of it.";

    fn law(&self, fans: Fans) -> Law {
        let n = match self.mode {
            FanMode::FanIn => fans.fan_in,
            FanMode::FanOut => fans.fan_out,
            FanMode::FanAvg => fans.sum() / 2.0,
        };
        let variance = self.scale / n.max(1.0);
        match self.distribution {
            Distribution::TruncatedNormal => Law::TruncatedNormal { mean: 0.0, stddev: variance.sqrt() },
            Distribution::UntruncatedNormal => Law::Normal { mean: 0.0, stddev: variance.sqrt() },
            Distribution::Uniform => Law::Uniform { limit: (3.0 * variance).sqrt() },
        }
    }

    fn seed(&self) -> Option<i64> {
        self.seed
    }
}

/// An enum that stands as one of a few names in text and graph files.
macro_rules! choices {
    ($(#[doc = $doc:literal])* pub enum $name:ident {
        $($(#[doc = $variant_doc:literal])* $variant:ident as $text:literal,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant,)* }

        impl AttrField for $name {
            const EXPECTED: &'static str = concat!("one of" $(, " \"", $text, "\"")*);
            const KIND: AttrKind = AttrKind::Choice(&[$($text),*]);

            fn to_attr(&self) -> AttrValue {
                AttrValue::Str(match self { $($name::$variant => $text,)* }.to_string())
            }

            fn from_attr(value: &AttrValue) -> Option<$name> {
                match value {
                    AttrValue::Str(text) => match text.as_str() {
                        $($text => Some($name::$variant),)*
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    };
}

choices! {
    /// What a variance is divided by.
    pub enum FanMode {
        /// Inputs of an output.
        FanIn as "fan_in",
        /// Outputs of an input.
        FanOut as "fan_out",
        /// The mean of both.
        FanAvg as "fan_avg",
    }
}

choices! {
    /// How numbers of a variance are drawn.
    pub enum Distribution {
        /// Normal, cut off.
        TruncatedNormal as "truncated_normal",
        /// Normal.
        UntruncatedNormal as "untruncated_normal",
        /// Uniform.
        Uniform as "uniform",
    }
}
