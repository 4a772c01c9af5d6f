//! An op is what its attributes say.

use crate::cases::{cases, f};
use crate::graph_eval::OneOp;
use graphc_ir::attrs::{AttrField, AttrValue, Attrs};
use graphc_ir::initializers::{
    Distribution, FanMode, Identity, InitializerInfo, Orthogonal, RandomNormal, RandomUniform, VarianceScaling,
};
use graphc_ir::ops::{Dropout, Initializer, Input, Parameter};
use graphc_ir::types::{DType, Shape};
use graphc_ir::{Graph, Op};

#[test]
fn attributes_make_the_same_op() {
    let mut ops: Vec<Op> = cases().into_iter().map(|case| case.op).collect();
    ops.push(Dropout { rate: 0.5, seed: i64::MIN }.into());
    ops.push(Input { dtype: DType::I32, shape: Shape::batched(&[28, 28]) }.into());
    let of_settings = RandomUniform { limit: 0.25, ..RandomUniform::default() }.into();
    let scaled =
        VarianceScaling { scale: 2.0, mode: FanMode::FanOut, distribution: Distribution::Uniform, seed: Some(3) };
    let initializers = InitializerInfo::ALL.iter().map(|info| (info.from_attrs)(&Attrs::default()).unwrap());
    for initializer in initializers.chain([Initializer::Constant(0.1), of_settings, scaled.into()]) {
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
fn initializers_are_read_with_their_settings() {
    let read = |text: &str| <Initializer as AttrField>::from_attr(&AttrValue::Str(text.into()));
    assert_eq!(read("glorot_uniform"), Some(Initializer::KERNEL));
    assert_eq!(read("random_normal(stddev=0.5)"), Some(RandomNormal { stddev: 0.5, ..RandomNormal::default() }.into()));
    let scaled = VarianceScaling { mode: FanMode::FanAvg, seed: Some(3), ..VarianceScaling::default() };
    assert_eq!(read("variance_scaling(mode=\"fan_avg\",seed=3)"), Some(scaled.into()));
    for wrong in ["variance_scaling(mode=fan_avg)", "variance_scaling(mode=\"fan\")", "he_normal(seed=-1)"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
    for wrong in ["", "glorot", "glorot_uniform(", "glorot_uniform(limit=1)", "random_uniform(limit=0)", "0"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
    let parameter = |limit| {
        let initializer = RandomUniform { limit, ..RandomUniform::default() }.into();
        Op::from(Parameter { shape: f(&[3]).shape, initializer, trainable: true })
    };
    assert!(parameter(1.0).infer(&[]).is_ok());
    let error = parameter(-1.0).infer(&[]).unwrap_err().to_string();
    assert_eq!(error, "random_uniform expects a `limit` greater than 0, got -1");
}

#[test]
fn initializers_know_what_they_are_for() {
    let error = |initializer: Initializer, sizes: &[usize]| {
        let parameter = Op::from(Parameter { shape: Shape::fixed(sizes), initializer, trainable: true });
        parameter.infer(&[]).unwrap_err().to_string()
    };
    let of_vector = error(Orthogonal::default().into(), &[4]);
    assert_eq!(of_vector, "orthogonal expects at least 2 dimensions, got a parameter of shape [4]");
    let of_image = error(Identity::default().into(), &[2, 2, 2]);
    assert_eq!(of_image, "identity expects a matrix, got a parameter of shape [2, 2, 2]");
    let turned = RandomUniform { minval: Some(1.0), ..RandomUniform::default() };
    assert_eq!(error(turned.into(), &[4]), "random_uniform expects a `minval` up to `maxval`, got 1 and 0.05");
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
