//! From loop IR to shapes: which code every loop, tile and hint becomes, decided before any is made.
//!
//! The walk goes through a program in the order in which code is made of it, copies of unrolled bodies included, and
//! leaves a [`Selection`]: the functions of every kernel, and in each a tree of choices that runs beside the tree of
//! statements. What `asm` has a shape for is a call of an assembled function; everything else is
//! *plain*, that is Cranelift's, and says why ([`Reason`]). Code generation asks no such question again. Nothing here
//! needs the machine to be this one: a [`VectorUnit`](crate::VectorUnit) is data.
//!
//! Reading order: `selection` (the result), `reason`, `shapes`, `mentions`, `uniform`, `values`, `known` (what is
//! known of a kernel), `context`, `walk` (functions, blocks, loops), `tile`, `loaded`, `regions`, `moving`,
//! `straight_line`, `place`, `loaded_index`, `transpose`, `fetch`, `counts`, `print`.

pub(crate) mod selection;

pub(crate) mod reason;

pub(crate) mod shapes;

pub(crate) mod mentions;
pub(crate) mod uniform;
pub(crate) mod values;

mod known;

mod context;
mod walk;

pub(crate) mod tile;

mod fetch;
mod loaded;
mod loaded_index;
mod moving;
mod place;
mod regions;
mod straight_line;
mod transpose;

pub(crate) mod counts;
mod print;

pub use counts::{Counts, Tally};
pub use reason::Reason;
pub use selection::Selection;
pub use walk::{count_phases, is_shared, phases, select};
