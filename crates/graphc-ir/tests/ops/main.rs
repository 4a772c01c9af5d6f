//! Every op's rules against each other: the loop form computes what `eval` means, expansions equal
//! the composite, gradients equal finite differences, attributes survive the text form, and
//! shapes that do not fit are refused with a readable message.

mod attributes;
mod cases;
mod compute_eval;
mod convolutions;
mod docs;
mod expansion;
mod facts;
mod gradients;
mod graph_eval;
mod losses;
mod lowering;
mod shapes;
mod special;
