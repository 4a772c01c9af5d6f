//! Attributes that are one of several words.

/// Declares an enum that is an attribute: each variant with the word that stands for it in text and in graph files.
///
/// ```
/// use graphc_ir::attrs::{AttrField, AttrValue};
///
/// graphc_ir::choice! {
///     /// Which end.
///     pub enum End { First = "first", Last = "last" }
/// }
///
/// assert_eq!(End::from_attr(&AttrValue::Str("last".into())), Some(End::Last));
/// assert_eq!(End::EXPECTED, "one of \"first\", \"last\"");
/// ```
#[macro_export]
macro_rules! choice {
    ($(#[doc = $doc:literal])* pub enum $name:ident {
        $(#[doc = $first_doc:literal])* $first:ident = $first_word:literal,
        $($(#[doc = $other_doc:literal])* $other:ident = $word:literal),+ $(,)?
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $first_doc])* #[doc = concat!("`\"", $first_word, "\"`")] $first,
            $($(#[doc = $other_doc])* #[doc = concat!("`\"", $word, "\"`")] $other,)+
        }

        impl $crate::attrs::AttrField for $name {
            const EXPECTED: &'static str = concat!("one of \"", $first_word, "\"" $(, ", \"", $word, "\"")+);
            const KIND: $crate::attrs::AttrKind = $crate::attrs::AttrKind::Choice(&[$first_word, $($word),+]);

            fn to_attr(&self) -> $crate::attrs::AttrValue {
                let word = match self {
                    $name::$first => $first_word,
                    $($name::$other => $word,)+
                };
                $crate::attrs::AttrValue::Str(word.to_string())
            }

            fn from_attr(value: &$crate::attrs::AttrValue) -> Option<$name> {
                match value {
                    $crate::attrs::AttrValue::Str(word) => match word.as_str() {
                        $first_word => Some($name::$first),
                        $($word => Some($name::$other),)+
                        _ => None,
                    },
                    _ => None,
                }
            }

            fn write_words(&self, words: &mut $crate::attrs::AttrWords) {
                words.extend([*self as u64]);
            }
        }
    };
}
