use super::*;

const NET: &str = r#"graph "le net"(batch=64, mode=train) {
  %0: f32[N,28,28,1] = input() {dtype=f32, shape=[N,28,28,1]} "image" @ image, line 3
  %1: f32[5,5,1,6] = parameter() {shape=[5,5,1,6], initializer="glorot_uniform", trainable=true} "conv1.kernel" @ conv1, line 5
  %2: f32[N,24,24,6] = conv2d(%0, %1) {strides=[1,1], padding=[0,0,0,0]} "conv1" @ conv1, line 5
  %3: f32[N,24,24,6] = relu(%2) @ "a \"quoted\" layer"
  %4: f32[] = constant() {value=0.1, shape=[]} @ loss of gradient
  %5: f32[N,24,24,6] = mul(%3, %4) @ gradient of of, line 9
  %6: f32[] = reduce_sum(%5) {axes=[0,1,2,3], keep_dims=false}
  %7: f32[5,5,1,6] = neg(%1) @ update of conv1
  optimizer adam {learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-7, weight_decay=0.0}
  loss %6
  output loss = %6
  output "grad.a b" = %7
  update %1 = %7
}
"#;

#[test]
fn text_reads_back_and_prints_the_same() {
    let graph = parse(NET).unwrap();
    assert_eq!(graph.to_string(), NET);
    assert_eq!(parse(&graph.to_string()).unwrap(), graph);
    assert_eq!(graph.node(NodeId(5)).origin, Origin { layer: "of".into(), line: 9, role: Role::Gradient });
    assert_eq!(graph.node(NodeId(4)).origin, Origin { layer: "gradient".into(), line: 0, role: Role::Loss });
}

#[test]
fn ids_of_the_text_are_renumbered() {
    let text = "graph g { ; comment\n %7: f32[] = constant() {value=1, shape=[]}\n %3: f32[] = neg(%7)\n loss %3 }";
    let graph = parse(text).unwrap();
    assert_eq!((graph.ids(), graph.loss), (vec![NodeId(0), NodeId(1)], Some(NodeId(1))));
}

#[test]
fn floats_read_back_exactly() {
    for value in [0.1, 1e-320, f64::MAX, -0.0, 1.0 / 3.0, f64::INFINITY, f64::NEG_INFINITY, 5e20] {
        let mut graph = Graph::new("g");
        graph.add(crate::ops::Constant { value, shape: Shape::scalar() }, &[], "", Origin::layer("", 0)).unwrap();
        let Op::Constant(constant) = parse(&graph.to_string()).unwrap().op(NodeId(0)).clone() else { panic!() };
        assert_eq!(constant.value.to_bits(), value.to_bits(), "{value}");
    }
}

#[test]
fn optimizers_read_back() {
    for name in Optimizer::NAMES {
        let optimizer = Optimizer::by_name(name).unwrap();
        let mut graph = Graph::new("g");
        graph.optimizer = Some(optimizer);
        assert_eq!(parse(&graph.to_string()).unwrap(), graph);
    }
}

#[test]
fn errors_say_where_and_what() {
    let constant = "%0: f32[] = constant() {value=1.0, shape=[]}";
    for (text, expected) in [
        ("grph g {}", "line 1, column 1: expected `graph`, found `grph`"),
        (
            "graph g {",
            "line 1, column 10: expected a node, `optimizer`, `settings`, `clipping`, `accumulation`, `averaging`, `loss`, `output`, `update` or `}`, found the end of the text",
        ),
        ("graph g {} x", "line 1, column 12: expected the end of the text, found `x`"),
        ("graph g(batch=0) {}", "line 1, column 15: expected a batch size of at least 1, found `0`"),
        ("graph g(mode=both) {}", "line 1, column 14: expected `train` or `infer`, found `both`"),
        ("graph g(batch=2 mode=train) {}", "line 1, column 17: expected `,` or `)`, found `mode`"),
        ("graph g { loss %3 }", "line 1, column 16: expected a node defined above, found `%3`"),
        ("graph g {\n  %0: f32[2] = frob() }", "line 2, column 16: expected an operation, found `frob`"),
        ("graph g {\n  %0: f32[2] = relu() }", "line 2, column 16: relu: relu takes 1 operands, got 0"),
        (
            "graph g {\n  %0: f32[2] = constant() {value=1.0, shape=[3]} }",
            "line 2, column 7: expected the type f32[3] that constant gives, found f32[2]",
        ),
        ("graph g { %0: f32[] = constant() {value=1.0} }", "line 1, column 23: constant: attribute `shape` is missing"),
        (
            "graph g { %0: f32[] = constant() {value=1.0, value=2.0} }",
            "line 1, column 46: attribute `value` is given twice",
        ),
        (
            "graph g { %0: f64[] = constant() }",
            "line 1, column 15: `f64` is not supported yet: elements are f32 or i32, 4 bytes wide",
        ),
        ("graph g { %0: f32[5.0] = constant() }", "line 1, column 18: expected sizes, found [5.0]"),
        ("graph g { %0: f32[0] = constant() }", "line 1, column 18: expected sizes of at least 1, found [0]"),
        (
            "graph g { %0: f32[99999999,99999999] = constant() }",
            "line 1, column 18: the sizes of this list multiply to more than 1099511627776",
        ),
        (&format!("graph g {{ {constant}\n{constant} }}"), "line 2, column 1: %0 is defined twice"),
        (
            &format!("graph g {{ {constant} @ b of x }}"),
            "line 1, column 58: expected a role such as `gradient`, found `b`",
        ),
        (
            "graph g { optimizer adamw {} }",
            &format!("line 1, column 11: expected the optimizer {}, found `adamw`", text_names()),
        ),
        (
            "graph g { optimizer adam {momentum=1.0} }",
            "line 1, column 11: optimizer adam: unknown attribute `momentum`; this op has learning_rate, beta1, beta2, epsilon, weight_decay",
        ),
    ] {
        assert_eq!(
            parse(text).map(|graph| graph.to_string()).map_err(|error| error.to_string()),
            Err(expected.to_string())
        );
    }
}

/// Cut or altered anywhere, a text gives an error or a graph, never a panic.
#[test]
fn damaged_texts_do_not_panic() {
    for (at, _) in NET.char_indices() {
        let _ = parse(&NET[..at]);
        for c in ["%", "\"", "[", "9", "-", "N", "}"] {
            let _ = parse(&format!("{}{c}{}", &NET[..at], &NET[at + 1..]));
        }
    }
}
