//! [`Clipping`]: gradients that are not to be larger than something, for any optimizer.

use super::update::UpdateCx;
use crate::graph::{Graph, NodeId};
use crate::narrow::narrow;
use crate::ops::{Clip, Maximum, Sqrt, ZeroIfFinite};

/// What every gradient is made of before the optimizer sees it, as Keras's optimizers say it. Norms are the root of the
/// sum of squares of all elements; they are sums in a fixed order: of a parameter first over all dimensions but the
/// last, then over that; of all parameters in the order of the graph.
///
/// A gradient whose norm is at most the bound keeps its bits. A norm that is NaN or infinite, be it that its squares
/// are too large for `f32`, makes every gradient NaN that it would have scaled, so that it does not pass unnoticed.
/// `clipvalue` bounds infinities, and NaN stays what it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// `g * c / max(norm(g), c)`, for every parameter by itself.
    Norm(f64),
    /// `min(max(g, -c), c)`.
    Value(f64),
    /// `g * c / max(norm, c)`, with the norm of the gradients of all parameters together.
    GlobalNorm(f64),
}

impl Clipping {
    /// What they are called, in graph files and in text.
    pub const NAMES: [&str; 3] = ["clipnorm", "clipvalue", "global_clipnorm"];

    /// The one of that name.
    pub fn of_name(name: &str, bound: f64) -> Option<Clipping> {
        Some(match name {
            "clipnorm" => Clipping::Norm(bound),
            "clipvalue" => Clipping::Value(bound),
            "global_clipnorm" => Clipping::GlobalNorm(bound),
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let [norm, value, global_norm] = Clipping::NAMES;
        match self {
            Clipping::Norm(_) => norm,
            Clipping::Value(_) => value,
            Clipping::GlobalNorm(_) => global_norm,
        }
    }

    /// The largest norm or value.
    pub fn bound(self) -> f64 {
        match self {
            Clipping::Norm(bound) | Clipping::Value(bound) | Clipping::GlobalNorm(bound) => bound,
        }
    }

    /// Whether the bound is one.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn check(self) -> Result<(), String> {
        match narrow(self.bound()) {
            Ok(bound) if bound > 0.0 && bound.is_finite() => Ok(()),
            _ => Err(format!("`{}` must be a finite number greater than 0, got {:e}", self.name(), self.bound())),
        }
    }

    /// Parameters with gradients that are clipped.
    pub fn write(self, graph: &mut Graph, gradients: &[(NodeId, NodeId)]) -> Vec<(NodeId, NodeId)> {
        let Some(&(any, _)) = gradients.first() else { return Vec::new() };
        let mut cx = UpdateCx::new(graph, any);
        let factor = match self {
            Clipping::GlobalNorm(bound) => Some(global_factor(&mut cx, gradients, bound)),
            Clipping::Norm(_) | Clipping::Value(_) => None,
        };
        let clip = |&(parameter, gradient): &(NodeId, NodeId)| {
            let clipped = cx.of_parameter(parameter, |cx| match (self, factor) {
                (Clipping::Value(bound), _) => cx.add(Clip { x_min: -bound, x_max: bound }, &[gradient]),
                (_, Some(factor)) => cx.times(gradient, factor),
                (_, None) => {
                    let norm = cx.norm(gradient);
                    let factor = factor_of(cx, norm, self.bound());
                    cx.times(gradient, factor)
                }
            });
            (parameter, clipped)
        };
        gradients.iter().map(clip).collect()
    }
}

/// The factor of all gradients.
fn global_factor(cx: &mut UpdateCx<'_>, gradients: &[(NodeId, NodeId)], bound: f64) -> NodeId {
    let mut sum = None;
    for &(parameter, gradient) in gradients {
        let square = cx.of_parameter(parameter, |cx| cx.sum_of_squares(gradient));
        sum = Some(sum.map_or(square, |sum| cx.plus(sum, square)));
    }
    let norm = cx.add(Sqrt {}, &[sum.expect("there is a gradient")]);
    factor_of(cx, norm, bound)
}

/// `c / max(norm, c)`, exactly 1 for norms up to `c`; NaN if the norm is not finite.
fn factor_of(cx: &mut UpdateCx<'_>, norm: NodeId, bound: f64) -> NodeId {
    let bound = cx.constant(bound);
    let larger = cx.add(Maximum {}, &[norm, bound]);
    let factor = cx.over(bound, larger);
    let hidden = cx.add(ZeroIfFinite {}, &[norm]);
    cx.plus(factor, hidden)
}
