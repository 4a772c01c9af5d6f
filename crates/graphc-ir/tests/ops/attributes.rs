//! An op is what its attributes say.

use crate::cases::{cases, f};
use crate::graph_eval::OneOp;
use graphc_ir::attrs::{AttrValue, Attrs};
use graphc_ir::ops::{Dropout, Initializer, Input, Parameter};
use graphc_ir::types::{DType, Shape};
use graphc_ir::{Graph, Op};

#[test]
fn attributes_make_the_same_op() {
    let mut ops: Vec<Op> = cases().into_iter().map(|case| case.op).collect();
    ops.push(Dropout { rate: 0.5, seed: i64::MIN }.into());
    ops.push(Input { dtype: DType::I32, shape: Shape::batched(&[28, 28]) }.into());
    for initializer in [Initializer::Constant(0.1), Initializer::GlorotUniform] {
        ops.push(Parameter { shape: f(&[3, 4]).shape, initializer, trainable: false }.into());
    }
    for op in ops {
        assert_eq!(Op::from_attrs(op.name(), &op.attrs()), Some(Ok(op.clone())));
        let attrs = op.attrs();
        // What is not written has a default.
        let fields = (op.info().fields)().into_iter();
        let fields = fields.filter(|field| attrs.get(field.name).is_some() || field.default.is_none());
        let fields: Vec<&str> = fields.map(|field| field.name).collect();
        let names: Vec<&str> = attrs.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(fields, names, "{op:?}");
    }
}

#[test]
fn text_reads_back() {
    for case in cases() {
        let graph = OneOp::new(&case).graph;
        let text = graph.to_string();
        let read: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(read == graph && read.to_string() == text, "{text}");
    }
}

fn error(op: &str, attrs: &[(&str, AttrValue)]) -> String {
    let attrs = Attrs(attrs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect());
    Op::from_attrs(op, &attrs).expect("a known op").unwrap_err().to_string()
}

#[test]
fn wrong_attributes_are_named() {
    assert_eq!(error("one_hot", &[]), "attribute `depth` is missing");
    assert_eq!(
        error("one_hot", &[("depth", AttrValue::Int(-1))]),
        "attribute `depth` must be an integer of at least 0"
    );
    assert_eq!(
        error("matmul", &[("transpose", AttrValue::Bool(true))]),
        "unknown attribute `transpose`; this op has transpose_a, transpose_b"
    );
    assert_eq!(error("exp", &[("x", AttrValue::Int(1))]), "unknown attribute `x`; this op has none");
    assert_eq!(Op::from_attrs("expp", &Attrs::default()), None);
}
