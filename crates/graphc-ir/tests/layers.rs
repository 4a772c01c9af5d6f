//! What a layer says of itself is so.

use graphc_ir::attrs::{AttrValue, Attrs, OpAttrs};
use graphc_ir::graph::builder::{BuildResult, GraphBuilder};
use graphc_ir::initializers::{Initializer, RandomUniform};
use graphc_ir::layers::*;
use graphc_ir::ops::facts::Usage;
use graphc_ir::ops::{MatMul, OneHot};
use graphc_ir::{DType, Op, Shape};

/// A layer adds its parameters and nodes in its own name, the last of them without more.
#[test]
fn examples_are_built() {
    for layer in LayerInfo::ALL {
        let (name, usage) = (layer.name, &layer.usage);
        assert!(!layer.summary.is_empty() && !usage.purpose.is_empty(), "{name}");
        assert!((layer.fields)().iter().all(|field| !field.doc.is_empty()), "{name}");
        assert_eq!(layer.inputs.len(), usage.reads.len(), "{name}");
        let mut net = GraphBuilder::new(name);
        let input =
            |&(name, dtype, sizes): &(&str, _, &[usize])| net.input(name, dtype, Shape::batched(sizes)).unwrap();
        let inputs: Vec<_> = usage.reads.iter().map(input).collect();
        let n_inputs = net.graph().len();
        let result = (layer.build)(&mut net, usage.node, &inputs, &(usage.attributes)());
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let added = net.graph().ids().split_off(n_inputs);
        assert_eq!(added.last(), Some(&result), "{name}");
        // The input that counts steps has a name of its own.
        for id in added.into_iter().filter(|&id| !matches!(net.graph().op(id), Op::Input(_))) {
            let node = net.graph().node(id);
            let part = node.name.strip_prefix(usage.node).unwrap_or_else(|| panic!("{name} adds {}", node.name));
            assert!(if id == result { part.is_empty() } else { part.starts_with('.') }, "{name} adds {}", node.name);
        }
    }
}

#[test]
fn fields_make_the_same_layer() {
    fn check<L: OpAttrs + PartialEq + std::fmt::Debug>(layer: &L) {
        assert_eq!(L::from_attrs(&layer.attrs()).as_ref(), Ok(layer));
    }
    check(&Dense { activation: Some(Activation::Tanh), ..Dense::new(3) });
    check(&Conv2d { padding: Padding::Explicit([1, 0, 2, 0]), ..Conv2d::new(3, [2, 3]) });
    check(&Conv2d { padding: Padding::Same, use_bias: false, ..Conv2d::new(3, [2, 3]) });
    check(&Dropout { rate: 0.25, seed: Some(3) });
    check(&MaxPool2d { strides: Some([1, 2]), ..MaxPool2d::new([2, 2]) });
    check(&Flatten {});
    let slope = Activation::of(graphc_ir::ops::LeakyRelu { negative_slope: 0.5 });
    let written = Dense { activation: Some(slope), ..Dense::new(3) }.attrs();
    assert_eq!(
        Dense::from_attrs(&written).unwrap_err().to_string(),
        "attribute `activation` must be the name of an activation"
    );
}

/// Given by name, as a graph file does: what is wrong is told in the node's name.
#[test]
fn wrong_fields_are_named() {
    let dense = LayerInfo::ALL.iter().find(|layer| layer.name == "dense").unwrap();
    let mut net = GraphBuilder::new("net");
    let x = net.input("x", DType::F32, Shape::batched(&[3])).unwrap();
    let error = (dense.build)(&mut net, "d", &[x], &Attrs::default()).unwrap_err();
    assert_eq!(error.to_string(), "`d`: attribute `units` is missing");
}

/// Without a seed, every dropout has another mask; a place in a file is as good as one in a program.
#[test]
fn a_seed_is_the_position_of_the_layer() {
    let mut net = GraphBuilder::new("net");
    let x = net.input("x", DType::F32, Shape::batched(&[3])).unwrap();
    let x = net.dropout("first", x, &Dropout::new(0.5)).unwrap();
    let x = net.dense("dense", x, &Dense::new(3)).unwrap();
    let x = net.dropout("third", x, &Dropout::new(0.5)).unwrap();
    net.set_position(9);
    let x = net.dropout("ninth", x, &Dropout::new(0.5)).unwrap();
    net.dropout("given", x, &Dropout { rate: 0.5, seed: Some(1) }).unwrap();
    let graph = net.finish();
    let seeds = graph.ids().into_iter().filter_map(|id| match graph.op(id) {
        Op::Dropout(dropout) => Some(dropout.seed),
        _ => None,
    });
    assert_eq!(seeds.collect::<Vec<_>>(), [0, 2, 9, 1]);
}

graphc_ir::op_struct! {
    /// A row of a table for each number.
    pub struct Rows {
        /// Rows of the table.
        pub vocabulary: usize where Positive,
        /// Numbers in a row.
        pub units: usize where Positive,
        /// What the table begins with.
        pub initializer: Initializer = RandomUniform::default().into(),
    }
}

impl LayerFields for Rows {
    const NAME: &'static str = "rows";
    const SUMMARY: &'static str = "A row of a table for each number.";
    const INPUTS: &'static [&'static str] = &["numbers"];
}

impl LayerRules for Rows {
    const USAGE: Usage = Usage::PLAIN;

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let (vocabulary, units) = (self.vocabulary, self.units);
        let table = cx.weight("table", &[vocabulary, units], self.initializer.clone())?;
        let chosen = cx.part("chosen", OneHot { depth: vocabulary }, cx.inputs)?;
        cx.add(MatMul { transpose_a: false, transpose_b: false }, &[chosen, table])
    }
}

/// A layer of a program's own, of numbers of classes, with a table that begins with small random numbers.
#[test]
fn programs_have_layers_of_their_own() {
    let mut net = GraphBuilder::new("net");
    let numbers = net.input("numbers", DType::I32, Shape::batched(&[])).unwrap();
    let rows =
        Rows::from_attrs(&Attrs(vec![("vocabulary".into(), AttrValue::Int(9)), ("units".into(), AttrValue::Int(4))]));
    let rows = rows.unwrap();
    let y = net.layer("rows1", &[numbers], &rows).unwrap();
    assert_eq!(net.ty(y).to_string(), "f32[N,4]");
    let wrong = net.layer("rows2", &[y], &rows).unwrap_err().to_string();
    assert!(wrong.starts_with("`rows2`: ") && wrong.contains("i32"), "{wrong}");
    let wrong = net.layer("rows3", &[numbers], &Rows { units: 0, ..rows }).unwrap_err().to_string();
    assert_eq!(wrong, "`rows3`: rows expects a `units` greater than 0, got 0");
    let graph = net.finish();
    let table = graph.op(graph.find("rows1.table").unwrap());
    assert_eq!(table.attrs().get("initializer"), Some(&AttrValue::Str("random_uniform".into())));
}
