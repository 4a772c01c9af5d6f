//! What every layer must tell.

use super::context::LayerCx;
use crate::attrs::{Attrs, FieldInfo, OpAttrs};
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult, GraphBuilder};
use crate::ops::facts::Usage;
use crate::types::TypeError;

/// The fields of a layer and what it is called; implemented by `layer_struct!`.
pub trait LayerFields: OpAttrs {
    /// Its name in graph files and the method of [`GraphBuilder`].
    const NAME: &'static str;

    /// What it computes: sentences of Markdown.
    const SUMMARY: &'static str;

    /// What it reads.
    const INPUTS: &'static [&'static str];

    /// How many of these, at the end, may be left out.
    const N_OPTIONAL: usize = 0;
}

/// The rules of one layer.
pub trait LayerRules: LayerFields {
    /// What one takes it for, and an example.
    const USAGE: Usage;

    /// Adds its parameters and nodes. The last one has the layer's name ([`LayerCx::add`]).
    ///
    /// # Errors
    /// If it does not accept what it reads; the message gives the shapes.
    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult;
}

/// What is known of a layer whatever its fields.
#[derive(Clone, Copy, Debug)]
pub struct LayerInfo {
    /// See [`LayerFields::NAME`].
    pub name: &'static str,
    /// See [`LayerFields::SUMMARY`].
    pub summary: &'static str,
    /// See [`LayerFields::INPUTS`].
    pub inputs: &'static [&'static str],
    /// See [`LayerFields::N_OPTIONAL`].
    pub n_optional: usize,
    /// See [`LayerRules::USAGE`].
    pub usage: Usage,
    /// Its fields, see [`OpAttrs::fields`].
    pub fields: fn() -> Vec<FieldInfo>,
    /// Adds the layer with these fields, as [`GraphBuilder::layer`] does.
    pub build: fn(&mut GraphBuilder, &str, &[NodeId], &Attrs) -> BuildResult,
}

impl LayerInfo {
    pub(super) const fn of<L: LayerRules>() -> LayerInfo {
        LayerInfo {
            name: L::NAME,
            summary: L::SUMMARY,
            inputs: L::INPUTS,
            n_optional: L::N_OPTIONAL,
            usage: L::USAGE,
            fields: L::fields,
            build: |builder, name, inputs, fields| {
                let wrong = |error| BuildError { node: name.to_string(), error };
                let layer = L::from_attrs(fields).map_err(|error| wrong(TypeError::new(error.to_string())))?;
                builder.layer(name, inputs, &layer)
            },
        }
    }
}

impl GraphBuilder {
    /// A layer. Each also has a method of its own.
    ///
    /// # Errors
    /// If a field is out of its range, the name is taken, or the layer does not accept what it reads.
    pub fn layer<L: LayerRules>(&mut self, name: &str, inputs: &[NodeId], layer: &L) -> BuildResult {
        let mut cx = LayerCx::new(self, name, inputs);
        let most = L::INPUTS.len();
        if !(most - L::N_OPTIONAL..=most).contains(&inputs.len()) {
            let (needed, optional) = L::INPUTS.split_at(most - L::N_OPTIONAL);
            let or = if optional.is_empty() { String::new() } else { format!(" and perhaps {}", optional.join(", ")) };
            let (read, found) = (needed.join(", "), inputs.len());
            return cx.fail(TypeError::new(format!("{} reads {read}{or}, got {found} tensors", L::NAME)));
        }
        match layer.check_ranges(L::NAME) {
            Ok(()) => layer.build(&mut cx),
            Err(error) => cx.fail(error),
        }
    }
}

/// Declares a layer: the struct, its name in graph files, which is also that of the [`GraphBuilder`]'s method, what it
/// reads, behind a semicolon what may be left out, and its fields, as `op_struct!` does. The documentation is that of
/// the reference. Fields without a default are the parameters of `new`; a layer without fields is built by its method
/// alone.
macro_rules! layer_struct {
    ($(#[doc = $doc:literal])* pub struct $name:ident as $method:ident($($input:ident),+) {}) => {
        $crate::op_struct! {
            $(#[doc = $doc])*
            pub struct $name {}
        }

        $crate::layers::rules::layer_struct!(@fields $name $method($($input),+) $($doc),*);

        impl $crate::graph::builder::GraphBuilder {
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// See [`Self::layer`].
            pub fn $method(
                &mut self,
                name: &str,
                $($input: $crate::graph::NodeId),+
            ) -> $crate::graph::builder::BuildResult {
                self.layer(name, &[$($input),+], &$name {})
            }
        }
    };
    ($(#[doc = $doc:literal])* pub struct $name:ident as $method:ident($($input:ident),+) { $($fields:tt)+ }) => {
        $crate::op_struct! {
            $(#[doc = $doc])*
            pub struct $name { $($fields)+ }
        }

        $crate::layers::rules::layer_struct!(@fields $name $method($($input),+) $($doc),*);
        $crate::layers::rules::layer_struct!(@new $name [] [] $($fields)+);

        impl $crate::graph::builder::GraphBuilder {
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// See [`Self::layer`].
            pub fn $method(
                &mut self,
                name: &str,
                $($input: $crate::graph::NodeId,)+
                layer: &$name,
            ) -> $crate::graph::builder::BuildResult {
                self.layer(name, &[$($input),+], layer)
            }
        }
    };
    // With inputs that may be left out, the method takes them as a list.
    ($(#[doc = $doc:literal])* pub struct $name:ident as $method:ident($($input:ident),+; $($optional:ident),+) {
        $($fields:tt)+
    }) => {
        $crate::op_struct! {
            $(#[doc = $doc])*
            pub struct $name { $($fields)+ }
        }

        impl $crate::layers::rules::LayerFields for $name {
            const NAME: &'static str = stringify!($method);
            const SUMMARY: &'static str = concat!($($doc),*).trim_ascii();
            const INPUTS: &'static [&'static str] = &[$(stringify!($input)),+, $(stringify!($optional)),+];
            const N_OPTIONAL: usize = [$(stringify!($optional)),+].len();
        }

        $crate::layers::rules::layer_struct!(@new $name [] [] $($fields)+);

        impl $crate::graph::builder::GraphBuilder {
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// See [`Self::layer`].
            pub fn $method(
                &mut self,
                name: &str,
                inputs: &[$crate::graph::NodeId],
                layer: &$name,
            ) -> $crate::graph::builder::BuildResult {
                self.layer(name, inputs, layer)
            }
        }
    };
    (@fields $name:ident $method:ident($($input:ident),+) $($doc:literal),*) => {
        impl $crate::layers::rules::LayerFields for $name {
            const NAME: &'static str = stringify!($method);
            const SUMMARY: &'static str = concat!($($doc),*).trim_ascii();
            const INPUTS: &'static [&'static str] = &[$(stringify!($input)),+];
        }
    };
    // One field after another: those without a default become parameters.
    (@new $name:ident [$($param:tt)*] [$($init:tt)*]
        $(#[doc = $doc:literal])* pub $field:ident: $ty:ty $(where $range:ident)?, $($rest:tt)*) => {
        $crate::layers::rules::layer_struct!(
            @new $name [$($param)* $field: $ty,] [$($init)* $field: $field,] $($rest)*
        );
    };
    (@new $name:ident [$($param:tt)*] [$($init:tt)*]
        $(#[doc = $doc:literal])* pub $field:ident: $ty:ty $(where $range:ident)? = $default:expr
        $(=> $meaning:literal)?, $($rest:tt)*) => {
        $crate::layers::rules::layer_struct!(
            @new $name [$($param)*] [$($init)* $field: $default,] $($rest)*
        );
    };
    (@new $name:ident [] [$($init:tt)*]) => {
        impl Default for $name {
            fn default() -> $name {
                $name { $($init)* }
            }
        }
    };
    (@new $name:ident [$($param:tt)+] [$($init:tt)*]) => {
        impl $name {
            /// With the defaults of everything else.
            pub fn new($($param)+) -> $name {
                $name { $($init)* }
            }
        }
    };
}

pub(super) use layer_struct;
