//! How fast a compiled step is, and why: what `graphc bench`, `graphc profile` and `graphc tune` print.
//!
//! Takes a graph and [`MeasureOptions`], compiles the step and looks at it from outside: at its loops, its phases and
//! the clock. The compiler knows nothing of it.
//!
//! Steps run on random inputs of the graph's own shapes, so no data files are needed. Times stand beside the
//! machine's peaks, measured in between the steps: a percentage of yesterday's clock says nothing.
//!
//! Reading order: `options`, `spread` and `process` (what a measurement is asked for and gives), [`peak`] (what the
//! machine can do at most), `ranges` (of loop variables), [`work`] (arithmetic of a graph and of phases), [`traffic`]
//! (memory a phase touches), `machine` (its peaks, and what limits a phase), `workload` (a step ready to be
//! measured), [`bench`](mod@bench), [`scaling`] (on several numbers of threads), [`profile`](mod@profile), `duel` (two
//! steps against each other), [`tune`](mod@tune).
#![forbid(unsafe_code)]

pub mod bench;
mod duel;
mod machine;
mod options;
pub mod peak;
mod process;
pub mod profile;
mod ranges;
pub mod scaling;
mod spread;
pub mod traffic;
pub mod tune;
pub mod work;
mod workload;

pub use bench::{Bench, bench};
pub use machine::{Limit, MemoryLevel};
pub use options::MeasureOptions;
pub use peak::{Peaks, UnitPeak};
pub use process::peak_memory;
pub use profile::{KernelProfile, Part, PhaseProfile, Profile, Span, profile};
pub use scaling::Scaling;
pub use spread::Spread;
pub use tune::{Change, Tuned, TunedKernel, tune};
pub use workload::prepare;
