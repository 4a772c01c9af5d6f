//! The page of `graphc report`: what run folders say, drawn as one HTML file that needs no script, no network and no
//! other file.
//!
//! The same runs give the same bytes. Every text from outside goes through [`html::text`]. The page is well-formed XML,
//! so that a strict parser can check it.
//!
//! Reading order: `run` (a folder to [`run::Run`]), `mistakes` (what its weights do with its data), `judge` and
//! `sample` (one prediction, one sample), then the
//! page: `page` (its order and its head), `summary`, `curves`, `settings`, `classes`, `worst`, `receipt`, `html`,
//! `png`.

mod classes;
mod curves;
mod html;
mod judge;
mod mistakes;
mod page;
mod png;
mod receipt;
mod run;
mod sample;
mod settings;
mod summary;
mod worst;

pub(crate) use page::page;
pub(crate) use run::{Run, read_record};
