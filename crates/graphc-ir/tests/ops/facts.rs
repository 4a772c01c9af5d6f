//! What an op says of itself is so.

use crate::cases::cases;
use graphc_ir::attrs::Attrs;
use graphc_ir::layers::Activation;
use graphc_ir::ops::Lowering;
use graphc_ir::types::{Shape, TensorType};
use graphc_ir::{DType, Dim, Op};

#[test]
fn elementwise_ops_have_the_broadcast_shape_and_no_sums() {
    let mut n_checked = 0;
    for case in cases() {
        let Some(nature) = case.op.elementwise() else { continue };
        assert_eq!(nature.domains.len(), case.operands.len(), "{case}: a domain for each operand");
        let shapes = case.operands.iter().map(|ty| ty.shape.clone());
        let shape = shapes.reduce(|a, b| a.broadcast(&b).expect("a case fits")).expect("at least one operand");
        let out = case.result();
        assert_eq!(out, TensorType { dtype: DType::F32, shape }, "{case}");
        match case.op.lower(&case.operands.iter().collect::<Vec<_>>(), &out) {
            Lowering::Compute(compute) => assert!(compute.reds.is_empty(), "{case}"),
            Lowering::Composite(_) => {}
            other => panic!("{case} lowers to {other:?}"),
        }
        n_checked += 1;
    }
    assert!(n_checked >= 60, "only {n_checked} cases");
}

#[test]
fn activations_need_a_name_alone() {
    for &name in Op::ACTIVATIONS {
        let info = Op::named(name).expect("an op");
        assert_eq!((info.arity, info.n_optional), (1, 0), "{name}");
        let op = (info.from_attrs)(&Attrs::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Activation::from_name(name), Some(Activation::of(op)));
    }
    assert!(Op::ACTIVATIONS.contains(&"relu") && !Op::ACTIVATIONS.contains(&"exp"));
    assert_eq!(Activation::from_name("exp"), None);
    assert_eq!(Activation::from_name("relu"), Some(Activation::Relu));
}

/// The example is read by the front end, too, with what it leaves out.
#[test]
fn examples_of_usage_type_check() {
    for info in Op::ALL {
        let Some(usage) = info.usage else { continue };
        assert!(!usage.purpose.is_empty() && !usage.node.is_empty(), "{}", info.name);
        assert!((info.fields)().iter().all(|field| !field.doc.is_empty()), "{}", info.name);
        let op = (info.from_attrs)(&(usage.attributes)()).unwrap_or_else(|error| panic!("{}: {error}", info.name));
        let shape = |sizes: &[usize]| {
            let sizes = sizes.iter().map(|&size| Dim::Fixed(size));
            Shape([Dim::Batch].into_iter().chain(sizes).collect())
        };
        let operand = |&(_, dtype, sizes): &(&str, DType, &[usize])| TensorType { dtype, shape: shape(sizes) };
        let operands: Vec<TensorType> = usage.reads.iter().map(operand).collect();
        op.infer(&operands.iter().collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{}: {error}", info.name));
        for (name, value) in usage.optional {
            let field = (info.fields)().into_iter().find(|field| field.name == *name);
            assert!(field.is_some_and(|field| field.default.is_none()), "{}: {name} {value}", info.name);
        }
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let error = |op: Op| op.infer(&[&crate::cases::b(&[3])]).unwrap_err().to_string();
    let clamp = |limit| Op::from(graphc_ir::ops::Clamp { limit });
    assert_eq!(error(clamp(0.0)), "clamp expects a `limit` greater than 0, got 0");
    assert_eq!(error(clamp(f64::NAN)), "clamp expects a `limit` greater than 0, got NaN");
    assert_eq!(error(clamp(f64::INFINITY)), "clamp expects a `limit` greater than 0, got inf");
}
