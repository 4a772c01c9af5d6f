//! `reshape`: the same elements under another shape, one size of which may follow from the others.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::{AttrField, AttrKind, AttrValue, OpAttrs};
use crate::graph::builder::BuildResult;
use crate::ops;
use crate::ops::facts::Usage;
use crate::types::{DType, Dim, Shape, TypeError};

/// A shape with a size that follows from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct NewShape(pub Vec<Option<Dim>>);

impl From<Shape> for NewShape {
    fn from(shape: Shape) -> NewShape {
        NewShape(shape.0.into_iter().map(Some).collect())
    }
}

impl AttrField for NewShape {
    const EXPECTED: &'static str = "a shape such as [N,7,-1]";
    const KIND: AttrKind = AttrKind::NewShape;

    /// What follows from the others is 0, which no size is.
    fn to_attr(&self) -> AttrValue {
        AttrValue::Shape(Shape(self.0.iter().map(|dim| dim.unwrap_or(Dim::Fixed(0))).collect()))
    }

    fn from_attr(value: &AttrValue) -> Option<NewShape> {
        let Shape(dims) = Shape::from_attr(value)?;
        Some(NewShape(dims.into_iter().map(|dim| Some(dim).filter(|&dim| dim != Dim::Fixed(0))).collect()))
    }
}

layer_struct! {
    /// The same elements in row-major order under another shape; the batch keeps its place.
    pub struct Reshape as reshape(x) {
        /// The new shape; a size of -1 is what the others leave.
        pub shape: NewShape,
    }
}

impl LayerRules for Reshape {
    const USAGE: Usage = Usage {
        purpose: "Gives values another shape, such as a vector that of a picture. The number of elements of \
                  a sample stays.",
        node: "picture",
        reads: &[("x", DType::F32, &[784])],
        attributes: || Reshape::new(NewShape(vec![Some(Dim::Batch), Some(28.into()), Some(28.into()), None])).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let (x, dims) = (cx.inputs[0], &self.shape.0);
        let from = cx.ty(x).shape;
        if dims.iter().filter(|dim| dim.is_none()).count() > 1 {
            return cx.fail(TypeError::new(format!("{} expects at most one size of -1", Self::NAME)));
        }
        let given = dims.iter().flatten().fold(1_usize, |len, dim| match dim {
            Dim::Batch => len,
            Dim::Fixed(size) => len.saturating_mul(*size),
        });
        let rest = from.fixed_len() / given.max(1);
        let shape = Shape(dims.iter().map(|dim| dim.unwrap_or(Dim::Fixed(rest))).collect());
        if dims.contains(&None) && rest.saturating_mul(given) != from.fixed_len() {
            let message = format!("cannot reshape {from}: {} elements are no multiple of {given}", from.fixed_len());
            return cx.fail(TypeError::operand(0, message));
        }
        cx.add(ops::Reshape { shape }, &[x])
    }
}
