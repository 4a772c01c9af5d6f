//! Assemblers: machine code for the shapes that [`select`](mod@crate::select) finds, with vectors that Cranelift
//! lacks.
//!
//! A *shape* ([`tile`], [`straight_line`], [`transpose`]) says what a function does, without addresses, so that equal
//! parts of a program share one function. What it takes of a [`unit`](unit::VectorUnit)'s registers is decided here
//! for every instruction set alike ([`tile_sums`], [`tile_registers`], [`pairs`], [`straight_line_registers`]); a
//! folder per instruction set writes the instructions. A new instruction set is a folder, and a line in
//! [`instruction_set`].
//!
//! Reading order: [`unit`], [`tile`], [`tile_sums`], [`tile_registers`], [`straight_line`], [`order`], [`pairs`],
//! [`masks`], [`straight_line_registers`], [`transpose`], [`assembler`], `x86`, `aarch64`.

pub(crate) mod unit;

pub(crate) mod tile;
pub(crate) mod tile_registers;
pub(crate) mod tile_sums;

pub(crate) mod straight_line;

pub(crate) mod order;
pub(crate) mod pairs;

pub(crate) mod masks;
pub(crate) mod straight_line_registers;

pub(crate) mod transpose;

pub(crate) mod assembler;

mod aarch64;
mod x86;

use assembler::InstructionSet;

/// The instruction set that Cranelift calls so, if something is known of it beyond what Cranelift emits.
pub(crate) fn instruction_set(name: &str) -> Option<&'static dyn InstructionSet> {
    let known: [&dyn InstructionSet; 2] = [&x86::X86_64, &aarch64::Aarch64];
    known.into_iter().find(|set| set.name() == name)
}
