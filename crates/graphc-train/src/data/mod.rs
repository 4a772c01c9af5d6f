//! Data sets: from files of many formats to the words that a network reads.
//!
//! ```text
//! Source ── Loader::read ──▶ Columns ── fit, or apply Fitted ──▶ Dataset ── batches ──▶ the network's inputs
//! ```
//!
//! A [`Source`] says where samples come from. Reading checks headers against what the network takes before anything
//! large is read, and gives every input a column of elements as the file has them. What is learnt from training samples
//! (mean and deviation, categories, what stands for missing values) is [`Fitted`]; it is kept with the weights and
//! applied to all other data. A [`Dataset`] has elements in the form from which batches are packed.
//!
//! Reading order: `values`, `rows` (of a function), `source`, the formats (`array`, `table`, `images`, `cifar`,
//! `text` with its `vocabulary`, `synthetic`), `one_by_one` (samples that are not in memory), `preprocess`,
//! `pictures` (to the size of the input), `split`, `augment`, `windows` (samples of a text), `store` (elements as
//! batches are packed from them), `dataset`, `text_columns`, `columns` (elements as a source has them), `given` (by
//! the program), `loader`. A new format is a file here, a variant of `Source` and an arm of [`Loader::read`].

pub(crate) mod array;
pub(crate) mod augment;
pub(crate) mod cifar;
pub(crate) mod columns;
pub(crate) mod dataset;
pub(crate) mod given;
pub(crate) mod images;
pub(crate) mod loader;
pub(crate) mod one_by_one;
pub(crate) mod pictures;
pub(crate) mod preprocess;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod split;
pub(crate) mod store;
pub(crate) mod synthetic;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod text_columns;
pub(crate) mod values;
pub(crate) mod vocabulary;
pub(crate) mod windows;

pub use array::{Array, ArrayFormat, read_array_bytes};
pub use augment::{
    Augment, Augmentation, Brightness, Contrast, Crop, Erase, Fill, Flip, Mixup, Noise, Rotate, Shift, Transform, Zoom,
};
pub use cifar::CifarKind;
pub use columns::{Columns, Validation};
pub use dataset::Dataset;
pub use loader::Loader;
pub use preprocess::{Affine, ColumnFit, Fitted, InputFit, Preprocess, Standard};
pub use rows::{ReadRow, Row, Rows};
pub use source::{ArraySource, Source};
pub use split::Split;
pub use synthetic::{MOST_BYTES, Part, Synthetic};
pub use table::{FieldContent, Missing, Table, TableField, Unknown};
pub(crate) use text::character_text;
pub use text::{Text, TextLevel, TextPart};
pub use values::Values;
pub use vocabulary::{Alphabet, Vocabulary};
