//! Attributes of an op: the one ordered map that carries its fields to and from text and JSON.

use crate::range::Range;
use crate::text::shown;
use crate::types::{DType, Dim, Shape, TypeError};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// Attributes of an op; implemented by [`crate::op_struct!`].
pub trait OpAttrs: Sized {
    /// The fields, in order.
    fn attrs(&self) -> Attrs;
    /// The fields as words.
    fn words(&self) -> AttrWords;
    /// What is known of each field, in order.
    fn fields() -> Vec<FieldInfo>;
    /// Whether every number is in the range of its field; `op` is the mnemonic.
    ///
    /// # Errors
    /// Names the first that is not.
    fn check_ranges(&self, op: &str) -> Result<(), TypeError>;
    /// The op with these fields.
    ///
    /// # Errors
    /// If a field is missing, unknown, or of the wrong kind.
    fn from_attrs(attrs: &Attrs) -> Result<Self, AttrError>;
}

/// What is known of a field, whatever its value.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is, for those who write a network.
    pub doc: &'static str,
    /// What its values look like.
    pub expected: &'static str,
    /// What its values are.
    pub kind: AttrKind,
    /// Where a number must lie.
    pub range: Range,
    /// The value that is not written; none if every value is.
    pub default: Option<AttrValue>,
    /// What the default stands for, if that is no value: the size of something else, say.
    pub meaning: Option<&'static str>,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrKind {
    /// An integer.
    Int,
    /// An integer of 32 bits, as tensors hold them.
    Int32,
    /// An integer of at least 0: a size, a dimension's number.
    Size,
    /// A real number.
    Float,
    /// `true` or `false`.
    Bool,
    /// Sizes, if they are positive; otherwise numbers of dimensions.
    Sizes,
    /// So many sizes.
    SizesOf(usize),
    /// Any number of real numbers.
    Numbers,
    /// A string.
    Text,
    /// A shape.
    Shape,
    /// A shape with a size that may follow from the others ([`crate::layers::NewShape`]).
    NewShape,
    /// An element type.
    DType,
    /// What is added around an image ([`crate::layers::Padding`]).
    Padding,
    /// A function applied to a result ([`crate::layers::Activation`]).
    Activation,
    /// What a parameter begins with ([`crate::initializers::Initializer`]).
    Initializer,
    /// One of these words ([`crate::choice!`]).
    Choice(&'static [&'static str]),
    /// Something else.
    Other,
}

/// Value of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrValue {
    /// An integer.
    Int(i64),
    /// A real number; prints so that it reads back exactly.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A quoted string.
    Str(String),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of real numbers, each of which prints as one.
    Floats(Numbers),
    /// A shape, which may contain `N`.
    Shape(Shape),
    /// An element type.
    DType(DType),
    /// Nothing: what a field is that may be left out, and is.
    Absent,
}

impl fmt::Display for AttrValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttrValue::Int(value) => write!(f, "{value}"),
            AttrValue::Float(value) => write!(f, "{value:?}"),
            AttrValue::Bool(value) => write!(f, "{value}"),
            AttrValue::Str(value) => write!(f, "{value:?}"),
            AttrValue::Ints(values) => {
                let text: Vec<String> = values.iter().map(i64::to_string).collect();
                write!(f, "[{}]", text.join(","))
            }
            AttrValue::Floats(Numbers(values)) => {
                let text: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                write!(f, "[{}]", text.join(","))
            }
            AttrValue::Shape(shape) => write!(f, "{shape}"),
            AttrValue::DType(dtype) => write!(f, "{dtype}"),
            AttrValue::Absent => f.write_str("none"),
        }
    }
}

/// Attributes by name, in the order of the op's fields.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Attrs(pub Vec<(String, AttrValue)>);

impl Attrs {
    /// Those of an op with these values of its fields: the ones that are no defaults.
    pub fn written(fields: Vec<FieldInfo>, values: Vec<AttrValue>) -> Attrs {
        let all = fields.into_iter().zip(values).filter(|(field, value)| field.default.as_ref() != Some(value));
        Attrs(all.map(|(field, value)| (field.name.to_string(), value)).collect())
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&AttrValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
}

/// The attributes of an op as words: the same for two of a kind if and only if all attributes are, to the bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct AttrWords(SmallVec<[u64; 6]>);

impl AttrWords {
    /// With another attribute.
    #[must_use]
    pub fn with(mut self, field: &impl AttrField) -> AttrWords {
        field.write_words(&mut self);
        self
    }

    /// Adds words. What has different numbers of them says how many.
    pub fn extend(&mut self, words: impl IntoIterator<Item = u64>) {
        self.0.extend(words);
    }
}

/// Why a set of attributes does not describe an op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttrError {
    /// No attribute of that name, and it has no default.
    Missing(&'static str),
    /// The op has no such attribute; the fields it has are listed.
    Unknown(String, Vec<&'static str>),
    /// The value has the wrong kind.
    Kind {
        /// Attribute.
        name: &'static str,
        /// What is accepted, such as "an integer of at least 0".
        expected: &'static str,
    },
}

impl fmt::Display for AttrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttrError::Missing(name) => write!(f, "attribute `{name}` is missing"),
            AttrError::Unknown(name, known) if known.is_empty() => {
                write!(f, "unknown attribute `{}`; this op has none", shown(name))
            }
            AttrError::Unknown(name, known) => {
                write!(f, "unknown attribute `{}`; this op has {}", shown(name), known.join(", "))
            }
            AttrError::Kind { name, expected } => write!(f, "attribute `{name}` must be {expected}"),
        }
    }
}

impl std::error::Error for AttrError {}

/// A Rust type that can be the field of an op.
pub trait AttrField: Sized {
    /// What a value of this type looks like, for messages.
    const EXPECTED: &'static str;
    /// What it is.
    const KIND: AttrKind = AttrKind::Other;
    /// As attribute.
    fn to_attr(&self) -> AttrValue;
    /// From an attribute; `None` if it has the wrong kind.
    fn from_attr(value: &AttrValue) -> Option<Self>;
    /// Adds its words to those of an op; those of the attribute's text, unless there is something shorter.
    fn write_words(&self, words: &mut AttrWords) {
        self.to_attr().to_string().write_words(words);
    }
    /// The numbers that it is or consists of.
    fn numbers(&self) -> Vec<f64> {
        Vec::new()
    }
}

impl AttrField for usize {
    const EXPECTED: &'static str = "an integer of at least 0";
    const KIND: AttrKind = AttrKind::Size;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Int(*self as i64)
    }
    fn from_attr(value: &AttrValue) -> Option<usize> {
        match value {
            AttrValue::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([*self as u64]);
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }
}

impl AttrField for i64 {
    const EXPECTED: &'static str = "an integer";
    const KIND: AttrKind = AttrKind::Int;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Int(*self)
    }
    fn from_attr(value: &AttrValue) -> Option<i64> {
        match value {
            AttrValue::Int(value) => Some(*value),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([self.cast_unsigned()]);
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }
}

impl AttrField for i32 {
    const EXPECTED: &'static str = "an integer of 32 bits";
    const KIND: AttrKind = AttrKind::Int32;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Int((*self).into())
    }
    fn from_attr(value: &AttrValue) -> Option<i32> {
        match value {
            AttrValue::Int(value) => i32::try_from(*value).ok(),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([u64::from(self.cast_unsigned())]);
    }
    fn numbers(&self) -> Vec<f64> {
        vec![(*self).into()]
    }
}

impl AttrField for f64 {
    const EXPECTED: &'static str = "a number";
    const KIND: AttrKind = AttrKind::Float;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Float(*self)
    }
    fn from_attr(value: &AttrValue) -> Option<f64> {
        match value {
            AttrValue::Float(value) => Some(*value),
            AttrValue::Int(value) => Some(*value as f64),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([self.to_bits()]);
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self]
    }
}

impl AttrField for bool {
    const EXPECTED: &'static str = "true or false";
    const KIND: AttrKind = AttrKind::Bool;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Bool(*self)
    }
    fn from_attr(value: &AttrValue) -> Option<bool> {
        match value {
            AttrValue::Bool(value) => Some(*value),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([u64::from(*self)]);
    }
}

impl AttrField for String {
    const EXPECTED: &'static str = "a string";
    const KIND: AttrKind = AttrKind::Text;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Str(self.clone())
    }
    fn from_attr(value: &AttrValue) -> Option<String> {
        match value {
            AttrValue::Str(value) => Some(value.clone()),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([self.len() as u64]);
        words.extend(self.bytes().map(u64::from));
    }
}

impl AttrField for Vec<usize> {
    const EXPECTED: &'static str = "a list of integers of at least 0";
    const KIND: AttrKind = AttrKind::Sizes;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Ints(self.iter().map(|&x| x as i64).collect())
    }
    fn from_attr(value: &AttrValue) -> Option<Vec<usize>> {
        match value {
            AttrValue::Ints(values) => values.iter().map(|&x| usize::try_from(x).ok()).collect(),
            AttrValue::Shape(shape) if shape.batch_axis().is_none() => Some(shape.sizes(None)),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([self.len() as u64]);
        words.extend(self.iter().map(|&x| x as u64));
    }
    fn numbers(&self) -> Vec<f64> {
        self.iter().map(|&x| x as f64).collect()
    }
}

/// Numbers of which copies are one.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers(pub Arc<[f64]>);

impl<T: Into<Arc<[f64]>>> From<T> for Numbers {
    fn from(numbers: T) -> Numbers {
        Numbers(numbers.into())
    }
}

impl AttrField for Numbers {
    const EXPECTED: &'static str = "a list of numbers";
    const KIND: AttrKind = AttrKind::Numbers;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Floats(self.clone())
    }
    fn from_attr(value: &AttrValue) -> Option<Numbers> {
        match value {
            AttrValue::Floats(values) => Some(values.clone()),
            AttrValue::Ints(values) => Some(Numbers(values.iter().map(|&value| value as f64).collect())),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([self.0.len() as u64]);
        words.extend(self.0.iter().map(|value| value.to_bits()));
    }
}

impl<const LEN: usize> AttrField for [usize; LEN] {
    const EXPECTED: &'static str = match LEN {
        2 => "a list of 2 integers of at least 0",
        4 => "a list of 4 integers of at least 0",
        _ => "a list of integers of at least 0",
    };
    const KIND: AttrKind = AttrKind::SizesOf(LEN);
    fn to_attr(&self) -> AttrValue {
        self.to_vec().to_attr()
    }
    fn from_attr(value: &AttrValue) -> Option<[usize; LEN]> {
        Vec::<usize>::from_attr(value)?.try_into().ok()
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend(self.iter().map(|&x| x as u64));
    }
    fn numbers(&self) -> Vec<f64> {
        self.iter().map(|&x| x as f64).collect()
    }
}

impl<T: AttrField> AttrField for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const KIND: AttrKind = T::KIND;
    fn to_attr(&self) -> AttrValue {
        self.as_ref().map_or(AttrValue::Absent, T::to_attr)
    }
    fn from_attr(value: &AttrValue) -> Option<Option<T>> {
        match value {
            AttrValue::Absent => Some(None),
            value => T::from_attr(value).map(Some),
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([u64::from(self.is_some())]);
        self.iter().for_each(|value| value.write_words(words));
    }
    fn numbers(&self) -> Vec<f64> {
        self.iter().flat_map(T::numbers).collect()
    }
}

impl AttrField for Shape {
    const EXPECTED: &'static str = "a shape such as [N,28,28,1]";
    const KIND: AttrKind = AttrKind::Shape;
    fn to_attr(&self) -> AttrValue {
        AttrValue::Shape(self.clone())
    }
    fn from_attr(value: &AttrValue) -> Option<Shape> {
        match value {
            AttrValue::Shape(shape) => Some(shape.clone()),
            AttrValue::Ints(_) => Some(Shape::fixed(&Vec::<usize>::from_attr(value)?)),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        let size = |dim: &Dim| match dim {
            Dim::Batch => u64::MAX,
            Dim::Fixed(size) => *size as u64,
        };
        words.extend([self.rank() as u64]);
        words.extend(self.0.iter().map(size));
    }
}

impl AttrField for DType {
    const EXPECTED: &'static str = "f32 or i32";
    const KIND: AttrKind = AttrKind::DType;
    fn to_attr(&self) -> AttrValue {
        AttrValue::DType(*self)
    }
    fn from_attr(value: &AttrValue) -> Option<DType> {
        match value {
            AttrValue::DType(dtype) => Some(*dtype),
            _ => None,
        }
    }
    fn write_words(&self, words: &mut AttrWords) {
        words.extend([*self as u64]);
    }
}

/// Reads a field.
///
/// # Errors
/// If it is missing or of the wrong kind.
pub fn read_field<T: AttrField>(attrs: &Attrs, name: &'static str) -> Result<T, AttrError> {
    let value = attrs.get(name).ok_or(AttrError::Missing(name))?;
    T::from_attr(value).ok_or(AttrError::Kind { name, expected: T::EXPECTED })
}

/// Reads a field that may be left out.
///
/// # Errors
/// If it is of the wrong kind.
pub fn read_field_or<T: AttrField>(attrs: &Attrs, name: &'static str, default: T) -> Result<T, AttrError> {
    if attrs.get(name).is_some() { read_field(attrs, name) } else { Ok(default) }
}

/// Refuses a number that is not finite, or out of its range.
///
/// # Errors
/// Says what the op expects.
pub fn check_range(op: &str, name: &str, range: Range, value: &impl AttrField) -> Result<(), TypeError> {
    match value.numbers().into_iter().find(|&value| !(value.is_finite() && range.contains(value))) {
        Some(value) => Err(TypeError::new(format!("{op} expects a `{name}`{}, got {value}", range.in_words()))),
        None => Ok(()),
    }
}

/// Refuses attributes that are not among `known`.
///
/// # Errors
/// Names the first unknown attribute.
pub fn refuse_unknown(attrs: &Attrs, known: &[&'static str]) -> Result<(), AttrError> {
    match attrs.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(AttrError::Unknown(name.clone(), known.to_vec())),
        None => Ok(()),
    }
}

/// Declares the struct of an op; its fields are its attributes, and their documentation is that of the guide. A field
/// with a default is written only if it has another value; behind `where` stands the [`Range`] of a number, behind `=>`
/// what a default stands for that is no value.
///
/// ```
/// use graphc_ir::attrs::OpAttrs;
///
/// graphc_ir::op_struct! {
///     /// Sum over `axes`.
///     pub struct Sum {
///         /// Reduced axes.
///         pub axes: Vec<usize>,
///         /// Keep them as 1.
///         pub keep_dims: bool = false,
///         /// What the sum is multiplied with.
///         pub factor: f64 where Positive = 1.0,
///         /// Terms in a group.
///         pub terms: Option<usize> = None => "all of them",
///     }
/// }
///
/// let sum = Sum { axes: vec![0, 1], keep_dims: true, factor: 1.0, terms: Some(2) };
/// assert_eq!(Sum::from_attrs(&sum.attrs()), Ok(sum.clone()));
/// assert_eq!(Sum { keep_dims: false, terms: None, ..sum.clone() }.attrs().0.len(), 1);
/// assert!(Sum { factor: 0.0, ..sum }.check_ranges("sum").is_err());
/// ```
#[macro_export]
macro_rules! op_struct {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[doc = $field_doc:literal])* pub $field:ident : $ty:ty $(where $range:ident)?
            $(= $default:expr $(=> $meaning:literal)?)?),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[doc = $field_doc])* pub $field: $ty,)* }

        impl $crate::attrs::OpAttrs for $name {
            fn attrs(&self) -> $crate::attrs::Attrs {
                let values = vec![$($crate::attrs::AttrField::to_attr(&self.$field),)*];
                $crate::attrs::Attrs::written(<$name as $crate::attrs::OpAttrs>::fields(), values)
            }

            fn words(&self) -> $crate::attrs::AttrWords {
                $crate::attrs::AttrWords::default()$(.with(&self.$field))*
            }

            fn fields() -> Vec<$crate::attrs::FieldInfo> {
                vec![$($crate::attrs::FieldInfo {
                    name: stringify!($field),
                    doc: const { concat!($($field_doc),*).trim_ascii() },
                    expected: <$ty as $crate::attrs::AttrField>::EXPECTED,
                    kind: <$ty as $crate::attrs::AttrField>::KIND,
                    range: $crate::op_struct!(@range $($range)?),
                    default: $crate::op_struct!(@default $ty $(, $default)?),
                    meaning: $crate::op_struct!(@meaning $($($meaning)?)?),
                },)*]
            }

            fn check_ranges(&self, _op: &str) -> Result<(), $crate::types::TypeError> {
                $($(
                    let range = $crate::range::Range::$range;
                    $crate::attrs::check_range(_op, stringify!($field), range, &self.$field)?;
                )?)*
                Ok(())
            }

            fn from_attrs(attrs: &$crate::attrs::Attrs) -> Result<Self, $crate::attrs::AttrError> {
                $crate::attrs::refuse_unknown(attrs, &[$(stringify!($field)),*])?;
                Ok($name { $($field: $crate::op_struct!(@read attrs, $field $(, $default)?)?,)* })
            }
        }
    };
    (@range) => { $crate::range::Range::Any };
    (@range $range:ident) => { $crate::range::Range::$range };
    (@meaning) => { None };
    (@meaning $meaning:literal) => { Some($meaning) };
    (@default $ty:ty) => { None };
    (@default $ty:ty, $default:expr) => { Some(<$ty as $crate::attrs::AttrField>::to_attr(&$default)) };
    (@read $attrs:ident, $field:ident) => { $crate::attrs::read_field($attrs, stringify!($field)) };
    (@read $attrs:ident, $field:ident, $default:expr) => {
        $crate::attrs::read_field_or($attrs, stringify!($field), $default)
    };
}
