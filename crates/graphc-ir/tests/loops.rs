//! The text form of loop programs, and every rule of their verifier.

use graphc_ir::loops::{Program, parse, verify};

/// A program with four `f32` buffers and an `i32` buffer `b4`, of 64 words each, and a kernel.
fn text(kernel: &str) -> String {
    let kinds = ["f32 input", "f32 state", "f32 output", "f32 temp", "i32 output"];
    let mut text = "program \"test\" (batch=1, arena=320) {\n".to_owned();
    for (number, kind) in kinds.iter().enumerate() {
        let at = 64 * number;
        text += &format!("buffer b{number}: {kind} \"t{number}\" [64] strides=[1] chunk=64 len=64 @{at}\n");
    }
    text + kernel + "\n}"
}

fn read(text: &str) -> Program {
    parse(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// The messages about a kernel.
fn findings(kernel: &str) -> Vec<String> {
    verify(&read(&text(kernel))).iter().map(ToString::to_string).collect()
}

/// The messages about the statements of a nest, without the place.
fn in_nest(body: &str) -> Vec<String> {
    let findings = verify(&read(&text(&format!("kernel \"k\" {{ nest \"n\" {{ {body} }} }}"))));
    assert!(findings.iter().all(|finding| finding.kernel == "k" && finding.nest == "n" && !finding.line.is_empty()));
    findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn prints_as_written() {
    let text = r#"program "le\"net\\" (batch=64, arena=50432) {
  buffer b0: f32 input "image" [64,28,28,1] batch=0 strides=[0,448,16,16] chunk=12544 len=50176 @0
  buffer b1: f32 state "w" [] strides=[] chunk=1 len=16 @50176
  buffer b2: i32 temp "t" [3,4] strides=[4,1] chunk=12 len=16 @50192
  buffer b3: f32 output "y" [200] strides=[1] chunk=200 len=208 @50208
  buffer b4: f32 constant "c" [2] strides=[1] chunk=2 len=4 @50416 words=[0x3f800000,0x7fc00001,0xffffffff,0x00000000]
  buffer b5: i32 constant "d" [2] strides=[1] chunk=2 len=3 @50432 words=[-2147483648,0,7]
  kernel "k0" from "conv1" "bn1 statistics" {
    parallel i0 in 0..4 {
      nest "conv1" of %3, %12 {
        for i1 in max(0, -i0 + 3)..min(6, i0 + 2) {
          unroll i2 in 0..2 {
            i9 = i0 + 3*((4*i1 + 2) / 4) - 2*((i1) % 3) - 1
            lanes i3 {
              v0 = load b0[12544*i0 + 16*i1 + i3]
              v1 = f32 0.1
              v2 = mul v0, v1
              v3 = cmp gt v0, v1
              v4 = select v3, v0, v2
              a0 = v4
              v5 = acc a0
              v6 = f32 -0.0
              v7 = f32 0x7fc00001
              v8 = f32 0xff800000
              v9 = f32 1e-45
              i16 = load b2[i3 + 4] in 0..50000
              v10 = i32 -2147483648
              v11 = index 2*i3 + 1
              v12 = fma v5, v6, v7
              v13 = bits_of v12
              v14 = ixor v13, v10
              v15 = join max v9
              store b3[i3 + 8*i2] = v12
              store b3[-1*i0 + 5] = v15
              tile [i5:4, i6:2] reds [i7 in 0..5, i8 in max(0, i1)..5] a=b0[i5 + i7] b=b0[i3 + 16*i6 + 8*i8] init=0 -> v20 {
                store b3[i3 + 8*i5 + 32*i6] = v20
              }
              tile [] reds [] a=b1[0] b=b0[i3] init=b3[3] -> v21 {}
            }
          }
        }
      }
    }
  }
  kernel "empty" {
  }
}
"#;
    let with_members = text.replace("arena=50432)", "arena=50432, member=64)");
    assert_eq!(read(&with_members).member_words, 64);
    let printed = read(text).to_string();
    assert_eq!(read(&with_members).to_string(), printed.replace("arena=50432)", "arena=50432, member=64)"));
    assert_eq!(printed, text.replace("b3[-1*i0 + 5]", "b3[-i0 + 5]").replace("i3 + 8*i2", "8*i2 + i3"));
    assert_eq!(read(&printed).to_string(), printed);
}

#[test]
fn comments_and_spacing_do_not_matter() {
    let kernel = "kernel \"k\" {nest\"n\"{v0=f32 1.0;x } v9\n;\n store b2[ - 1 + 2 ]=v0}}";
    let spaced = "kernel \"k\" { nest \"n\" { v0 = f32 1.0 store b2[1] = v0 } }";
    assert_eq!(read(&text(kernel)), read(&text(spaced)));
}

#[test]
fn text_errors_point_at_the_place() {
    let cases = [
        ("prog", "line 1, column 1: expected `program`, found `prog`"),
        ("program x", "line 1, column 9: expected a name in quotes, found `x`"),
        ("program \"x", "line 1, column 9: a name without its closing quote"),
        ("program \"\\n\"", "line 1, column 9: a name knows only the escapes \\\", \\\\ and \\u{…}"),
        ("program \"\\u{d800}\"", "line 1, column 9: a malformed \\u{…} in a name"),
        ("program \"x\" (batch=1, arena=1) {\n  #", "line 2, column 3: unexpected character '#'"),
        (
            "program \"x\" (batch=1, arena=1) {\n",
            "line 2, column 1: expected `buffer`, `kernel` or `}`, found the end of the text",
        ),
        ("program \"x\" (batch=1, arena=1) { } é", "line 1, column 36: unexpected character 'é'"),
        ("program \"é\" (batch=1, arena=1) { } }", "line 1, column 36: expected the end of the text, found `}`"),
        (
            "program \"x\" (batch=99999999999999999999",
            "line 1, column 20: expected a number, found `99999999999999999999`",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b1: f32",
            "line 1, column 41: buffers are numbered in order: expected `b0`, found `b1`",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b0: f64",
            "line 1, column 45: `f64` is not supported yet: elements are f32 or i32, 4 bytes wide",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b0: f32 temp \"t\" [2] strides=[] chunk=2",
            "line 1, column 73: 0 strides for rank 1",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b0: i32 constant \"t\" [] strides=[] chunk=1 len=1 @0 words=[0x100000000]",
            "line 1, column 100: expected a word of 32 bits, found `0x100000000`",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b0: i32 constant \"t\" [] strides=[] chunk=1 len=1 @0 words=[1,2147483648]",
            "line 1, column 102: 2147483648 is not an i32",
        ),
        (
            "program \"x\" (batch=1, arena=1) { buffer b0: f32 temp \"t\" [2] batch=1 strides=[0] chunk=2",
            "line 1, column 70: the batch dimension of a buffer of rank 1",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(parse(text).expect_err(text).to_string(), message, "{text}");
    }
}

#[test]
fn errors_in_statements_point_at_the_place() {
    let statements = [
        ("w0 = f32 1", "line 8, column 1: expected a statement or `}`, found `w0`"),
        ("v = f32 1", "line 8, column 1: expected a name such as `v0`, found `v`"),
        ("v0 = f31 1", "line 8, column 6: expected an operation, found `f31`"),
        ("v0 = f32 x", "line 8, column 10: expected a number, found `x`"),
        ("v0 = f32 1e39", "line 8, column 10: expected an f32, found `1e39`"),
        ("v0 = i32 2147483648", "line 8, column 10: 2147483648 is not an i32"),
        ("v0 = load b0[i0 * 2]", "line 8, column 17: expected `]`, found `*`"),
        ("v0 = load b0[((i0) / 0)]", "line 8, column 22: expected a positive divisor, found `0`"),
        ("v0 = load b0[((i0) + 2)]", "line 8, column 20: expected `/` or `%`, found `+`"),
        ("v0 = load b0[9223372036854775807 + 1]", "line 8, column 36: an index that does not fit into 64 bits"),
        ("v0 = cmp ge", "line 9, column 1: expected a name such as `v0`, found `}`"),
        ("for i0 in 0.5 { }", "line 8, column 11: expected a whole number, found `0.5`"),
        ("i0 = load b4[0] in 1..9", "line 8, column 20: expected `0`, found `1`"),
        ("i0 = load b4[0]", "line 9, column 1: expected `in`, found `}`"),
        ("join add v0", "line 8, column 1: expected a statement or `}`, found `join`"),
    ];
    for (statement, message) in statements {
        let error = parse(&text(&format!("kernel \"k\" {{\n{statement}\n}}"))).expect_err(statement);
        assert_eq!(error.to_string(), message);
    }
    let deep = text(&format!("kernel \"k\" {}", "{ lanes i0 ".repeat(200)));
    assert!(parse(&deep).expect_err("too deep").message.starts_with("more than 100 blocks"));
}

#[test]
fn valid_kernels_have_no_findings() {
    let bodies = [
        // Padding: the bounds keep the index inside.
        "for i0 in 0..64 { tile [] reds [i1 in max(0, -i0 + 1)..min(3, -i0 + 65)] a=b0[i0 + i1 - 1] b=b1[i1] init=0
           -> v0 { store b2[i0] = v0 } }",
        // A merged loop, split by division.
        "for i0 in 0..64 { i1 = ((i0) / 8) i2 = ((i0) % 8) v0 = load b0[8*i2 + i1] store b2[i0] = v0 }",
        "for i0 in 0..64 { v0 = load b0[i0 - 4*((i0) / 4) + 60] }",
        // Loops that never run.
        "for i0 in 3..3 { v0 = load b0[i0 + 90] } for i0 in 0..i9_ { v1 = load b0[70] }",
        // A scalar from outside is the same in every lane; sums that are joined are too.
        "v0 = f32 1.0 a0 = v0 lanes i0 { v1 = acc a0 store b2[3] = v1 v2 = load b0[i0] v3 = join add v2 a1 = v3
           for i1 in 0..4 { v4 = acc a1 v5 = add v4, v3 a1 = v5 } v6 = acc a1 store b2[4] = v6 }",
        // Names of variables may be used again side by side.
        "for i0 in 0..2 { v0 = load b0[i0] } for i0 in 0..2 { v1 = load b0[i0] }",
        "v0 = i32 5 v1 = i32 31 v2 = ishl v0, v1 store b4[0] = v2",
        // An index that is loaded for all lanes stands anywhere.
        "i0 = load b4[1] in 0..8 for i1 in 0..i0 { i2 = load b4[i1 + i0] in 0..5 i3 = ((i2) / 2) fetch b0[i2] lines=1
         lanes i4 { v0 = load b0[8*i0 + i4] store b2[8*i2 + i4] = v0 store b3[i3] = v1
         tile [] reds [i5 in 0..i2] a=b0[8*i2 + i4] b=b1[i5] init=0 -> v2 { } } }",
        // One that every lane loads for itself, in loads; its name is free behind its block.
        "lanes i0 { for i1 in 0..2 { i2 = load b4[i0] in 0..4 i3 = load b4[8*i2 + i0] in 0..7 v0 = load b0[9*i3 + i2]
         v1 = index i3 v2 = load b0[((i3) % 4)] } for i2 in 0..2 { v3 = f32 1.0 store b2[8*i2 + i0] = v3 } }",
    ];
    for body in bodies {
        let body = body.replace("i9_", "0").replace("store b3[i3] = v1", "v1 = f32 1.0 store b3[i3] = v1");
        assert_eq!(in_nest(&body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn rules_for_values() {
    let cases = [
        ("v0 = neg v1", "v1 is not defined here"),
        ("v0 = f32 1.0 v0 = f32 2.0", "v0 is defined twice"),
        ("for i0 in 0..2 { v0 = f32 1.0 } v1 = neg v0", "v0 is not defined here"),
        ("lanes i0 { v0 = f32 1.0 } store b2[0] = v0", "v0 is not defined here"),
        ("v0 = acc a0", "a0 is read before it is set"),
        ("for i0 in 0..2 { v0 = f32 1.0 a0 = v0 } v1 = acc a0", "a0 is read before it is set"),
        (
            "v0 = f32 1.0 for i0 in 0..2 { a0 = v0 } for i0 in 0..2 { a0 = v0 }",
            "a0 was declared in a block that has ended",
        ),
        ("v0 = f32 1.0 a0 = v0 lanes i0 { a0 = v0 }", "a0 is declared outside the lanes region"),
        ("v0 = f32 1.0 a0 = v0 v1 = i32 1 a0 = v1", "v1 is i32, expected f32"),
        ("v0 = f32 1.0 v1 = i32 1 v2 = mul v0, v1", "v1 is i32, expected f32"),
        ("v0 = f32 1.0 v1 = i32 1 v2 = ixor v0, v1", "v0 is f32, expected i32"),
        ("v0 = f32 1.0 v1 = to_f32 v0", "v0 is f32, expected i32"),
        ("v0 = f32 1.0 v1 = i32 1 v2 = cmp lt v0, v1", "v1 is i32, expected f32"),
        ("v0 = f32 1.0 v1 = cmp lt v0, v0 v2 = cmp eq v1, v1", "conditions are compared"),
        ("v0 = f32 1.0 v1 = select v0, v0, v0", "v0 is f32, expected a condition"),
        ("v0 = f32 1.0 v1 = cmp lt v0, v0 v2 = i32 1 v3 = select v1, v0, v2", "v2 is i32, expected f32"),
        ("v0 = f32 1.0 v1 = cmp lt v0, v0 store b2[0] = v1", "v1 is a condition, expected f32"),
        ("v0 = f32 1.0 store b4[0] = v0", "v0 is f32, expected i32"),
        ("v0 = load b4[0] v1 = neg v0", "v0 is i32, expected f32"),
        ("v0 = f32 1.0 v1 = exp v0", "exp is not part of the loop IR"),
        ("v0 = i32 1 v1 = i32 32 v2 = ishl v0, v1", "the shift count v1 is not a constant in 0..32"),
        ("v0 = i32 1 v1 = load b4[0] v2 = ishr v0, v1", "the shift count v1 is not a constant in 0..32"),
        ("v0 = f32 1.0 v1 = join add v0", "lanes are joined outside a lanes region"),
        ("lanes i0 { v0 = load b0[i0] store b2[0] = v0 }", "v0 may differ from lane to lane, but the index does not"),
        // The scalar differs between lanes from the second turn of the loop on.
        (
            "lanes i0 { v0 = f32 1.0 a0 = v0 v1 = load b0[i0] for i1 in 0..2 { v2 = acc a0 store b2[0] = v2 a0 = v1 } }",
            "v2 may differ from lane to lane, but the index does not",
        ),
        ("v0 = load b9[0]", "there is no buffer b9"),
    ];
    for (body, message) in cases {
        assert_eq!(in_nest(body), [message], "{body}");
    }
}

#[test]
fn rules_for_variables_and_structure() {
    let cases = [
        ("v0 = load b0[i0]", "i0 is not in scope"),
        ("for i0 in 0..2 { } v0 = load b0[i0]", "i0 is not in scope"),
        ("for i0 in 0..2 { for i0 in 0..2 { } }", "i0 hides another variable"),
        ("for i0 in 0..i0 { }", "i0 is not in scope"),
        ("lanes i0 { for i1 in 0..i0 { } }", "i0 depends on the lane"),
        ("lanes i0 { i1 = ((i0) / 2) }", "((i0) / 2) depends on the lane"),
        ("lanes i0 { lanes i1 { } }", "a lanes region inside another"),
        ("for i0 in 0..4 { unroll i1 in 0..i0 { } }", "an unrolled loop needs constant bounds"),
        ("for i0 in 0..2 { parallel i1 in 0..2 { } }", "a parallel loop inside another statement"),
        ("v0 = index 2147483648", "a divisor that is not positive or a number of 2^31 or more in 2147483648"),
        ("tile [i0:0] reds [] a=b0[0] b=b0[0] init=0 -> v0 { }", "i0 has extent 0"),
        ("tile [i0:2] reds [i1 in 0..i0] a=b0[0] b=b0[0] init=0 -> v0 { }", "i0 is not in scope"),
        ("tile [] reds [i0 in 0..2] a=b0[i0] b=b0[0] init=b1[i0] -> v0 { }", "i0 is not in scope"),
        ("tile [] reds [] a=b4[0] b=b0[0] init=0 -> v0 { }", "a tile reads b4, which holds integers"),
        (
            "for i0 in 0..2 { tile [] reds [] a=b0[((i0) / 2)] b=b0[0] init=0 -> v0 { } }",
            "the index ((i0) / 2) of a tile contains a division",
        ),
        ("i0 = load b0[3] in 0..4", "i0 is loaded from b0, which holds no integers"),
        ("i0 = load b4[3] in 0..0", "i0 has 0 values"),
        ("i0 = load b4[3] in 0..2147483648", "i0 has 2147483648 values"),
        ("for i0 in 0..4 { i0 = load b4[3] in 0..4 }", "i0 hides another variable"),
        ("for i0 in 0..4 { i1 = load b4[3] in 0..4 } v0 = index i1", "i1 is not in scope"),
        ("i0 = load b9[3] in 0..4", "there is no buffer b9"),
    ];
    for (body, message) in cases {
        assert_eq!(in_nest(body), [message], "{body}");
    }
    let kernels = [
        ("kernel \"\" { }", "`kernel \"\"`: the kernel has no name"),
        ("kernel \"k\" { } kernel \"k\" { }", "kernel \"k\": `kernel \"k\"`: another kernel has that name"),
        (
            "kernel \"k\" { nest \"n\" of %3, %3 { } }",
            "kernel \"k\": `nest \"n\" of %3, %3`: the nodes of a nest ascend",
        ),
        ("kernel \"k\" { nest \"\" { } }", "kernel \"k\": `nest \"\"`: the nest has no name"),
        (
            "kernel \"k\" { nest \"a\" { nest \"b\" { } } }",
            "kernel \"k\": nest \"a\": `nest \"b\"`: a nest inside another",
        ),
        ("kernel \"k\" { lanes i0 { nest \"b\" { } } }", "kernel \"k\": `nest \"b\"`: a nest inside a lanes region"),
        (
            "kernel \"k\" { v0 = f32 1.0 nest \"b\" { v1 = neg v0 } }",
            "kernel \"k\": nest \"b\": `v1 = neg v0`: v0 is not defined here",
        ),
    ];
    for (kernel, message) in kernels {
        assert_eq!(findings(kernel), [message], "{kernel}");
    }
}

/// What differs from lane to lane because it is loaded stands in loads, and nowhere else.
#[test]
fn rules_for_what_every_lane_loads() {
    let cases = [
        ("v0 = f32 1.0 store b2[i1] = v0", "a store"),
        ("v0 = f32 1.0 store b2[8*i2 + i0] = v0", "a store"),
        ("for i3 in i1..9 { }", "a bound"),
        ("for i3 in 0..min(i2, 4) { }", "a bound"),
        ("i3 = ((i1) / 2)", "the value of an index"),
        ("fetch b0[i1 + 5] lines=1", "a hint"),
        ("tile [] reds [] a=b0[i1] b=b0[i0] init=0 -> v0 { }", "a tile"),
        ("tile [] reds [] a=b0[i0] b=b0[2*i2] init=0 -> v0 { }", "a tile"),
        ("tile [] reds [] a=b0[i0] b=b0[0] init=b0[i1] -> v0 { }", "a tile"),
        ("tile [] reds [i3 in 0..i1] a=b0[i0] b=b0[0] init=0 -> v0 { }", "a bound"),
    ];
    for (body, place) in cases {
        let var = if body.contains("i1") { "i1" } else { "i2" };
        let body = format!("lanes i0 {{ i1 = load b4[2*i0] in 0..4 i2 = load b4[i1] in 0..4 {body} }}");
        assert_eq!(
            in_nest(&body),
            [format!("{var} is loaded for every lane by itself and stands in {place}")],
            "{body}"
        );
    }
    // What it loads is not the same in every lane.
    let uniform = "lanes i0 { i1 = load b4[i0] in 0..4 v0 = load b0[i1] store b2[0] = v0 }";
    assert_eq!(in_nest(uniform), ["v0 may differ from lane to lane, but the index does not"]);
}

#[test]
fn indices_outside_buffers_are_found() {
    let cases = [
        (
            "i0 = load b4[0] in 0..9 lanes i1 { v0 = load b0[8*i0 + i1] }",
            "b0[8*i0 + i1] is outside the 64 words of the buffer: it runs from 0 to 71",
        ),
        (
            "lanes i1 { i0 = load b4[i1] in 0..9 v0 = load b0[8*i0 - 1] }",
            "b0[8*i0 - 1] is outside the 64 words of the buffer: it runs from -1 to 63",
        ),
        (
            "lanes i0 { i1 = load b4[8*i0 + 9] in 0..4 }",
            "b4[8*i0 + 9] is outside the 64 words of the buffer: it runs from 9 to 65",
        ),
        ("v0 = load b0[64]", "b0[64] is outside the 64 words of the buffer: it runs from 64 to 64"),
        (
            "for i0 in 0..8 { lanes i1 { v0 = load b0[8*i0 + i1 + 1] } }",
            "b0[8*i0 + i1 + 1] is outside the 64 words of the buffer: it runs from 1 to 64",
        ),
        (
            "for i0 in 0..4 { v0 = f32 1.0 store b2[-i0 + 2] = v0 }",
            "b2[-i0 + 2] is outside the 64 words of the buffer: it runs from -1 to 2",
        ),
        // One tap too many at the right edge.
        (
            "for i0 in 0..64 { for i1 in max(0, -i0 + 1)..3 { v0 = load b0[i0 + i1 - 1] } }",
            "b0[i0 + i1 - 1] is outside the 64 words of the buffer: it is 64 at i0 = 63, i1 = 2",
        ),
        (
            "for i0 in 0..9 { i1 = 4*((i0) / 2) v0 = load b0[5*i1] }",
            "b0[5*i1] is outside the 64 words of the buffer: it is 80 at i0 = 8, i1 = 16",
        ),
        (
            "tile [i0:2] reds [i1 in 0..8] a=b0[8*i1 + i0 + 7] b=b0[0] init=0 -> v0 { }",
            "b0[i0 + 8*i1 + 7] is outside the 64 words of the buffer: it runs from 7 to 64",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(in_nest(body), [message], "{body}");
    }
}

#[test]
fn rules_for_buffers() {
    let header = "program \"test\" (batch=17, arena=128) {\n";
    let first = "f32 state \"w\" [16] strides=[1] chunk=16 len=16 @0";
    let cases = [
        ("f32 state \"w\" [16] strides=[1] chunk=16 len=16 @16", "another state has that name"),
        ("f32 state \"v\" [16] strides=[1] chunk=16 len=16 @24", "does not start at a multiple of 16"),
        ("f32 state \"v\" [16] strides=[1] chunk=16 len=17 @112", "ends outside the arena of 128 words"),
        ("f32 temp \"v\" [17] strides=[1] chunk=17 len=16 @16", "is shorter than its tensor"),
        ("f32 temp \"v\" [2,17] batch=1 strides=[16,0] chunk=32 len=63 @16", "is shorter than its tensor"),
        ("f32 temp \"w\" [1] strides=[1] chunk=1 len=16 @0", "shares words with b0, and they are not both temporary"),
    ];
    for (buffer, message) in cases {
        let findings = verify(&read(&format!("{header}buffer b0: {first}\nbuffer b1: {buffer}\n}}")));
        let found: Vec<_> = findings.iter().map(|finding| (finding.line.as_str(), finding.message.as_str())).collect();
        assert_eq!(found, [(format!("buffer b1: {buffer}").as_str(), message)]);
    }
    let temps = "buffer b0: f32 temp \"a\" [16] strides=[1] chunk=16 len=16 @0
        buffer b1: f32 temp \"a\" [16] strides=[1] chunk=16 len=16 @0 }";
    assert_eq!(verify(&read(&format!("{header}{temps}"))), []);
}

#[test]
fn rules_for_constants() {
    let findings = |buffer: &str, kernel: &str| {
        let text = format!(
            "program \"m\" (batch=1, arena=32) {{
             buffer b0: f32 output \"y\" [2] strides=[1] chunk=2 len=16 @0
             buffer b1: {buffer} kernel \"p\" role=prologue {{ nest \"n\" {{ {kernel} }} }} }}"
        );
        let program = read(&text);
        assert_eq!(read(&program.to_string()), program);
        verify(&program).into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    let constant = "f32 constant \"c\" [2] strides=[1] chunk=2 len=2 @16 words=[0x3f800000,0]";
    assert_eq!(findings(constant, "v0 = load b1[1] store b0[0] = v0"), Vec::<String>::new());
    assert_eq!(findings(constant, "v0 = f32 1.0 store b1[0] = v0"), ["b1 is a constant"]);
    let cases = [
        (constant.replace(",0]", "]"), "1 words are given for 2"),
        (constant.replace("words=[0x3f800000,0]", ""), "a constant without words"),
        (constant.replace("constant", "temp"), "has words and is no constant"),
        (constant.replace("@16", "@0"), "shares words with b0, and they are not both temporary"),
    ];
    for (buffer, message) in cases {
        assert_eq!(findings(&buffer, ""), [message], "{buffer}");
    }
}

/// The messages about a prologue and the step behind it, in statements on the buffers of [`text`].
fn prologue_findings(prologue: &str, step: &str) -> Vec<String> {
    let prologue = format!("kernel \"p\" role=prologue {{ nest \"n\" {{ {prologue} }} }}");
    let program = read(&text(&format!("{prologue} kernel \"k\" {{ nest \"n\" {{ {step} }} }}")));
    assert_eq!(program.prologue().len(), 1);
    assert_eq!(read(&program.to_string()), program, "the prologue is printed");
    verify(&program).into_iter().map(|finding| finding.message).collect()
}

#[test]
fn a_prologue_depends_on_state_alone() {
    let step = "v0 = load b3[0] v1 = load b0[0] v2 = add v0, v1 store b2[0] = v2";
    assert!(prologue_findings("v0 = load b1[0] store b3[0] = v0 v1 = load b3[0] store b3[1] = v1", step).is_empty());
    let cases = [
        ("v0 = load b0[0] store b3[0] = v0", step, "the prologue reads the input b0"),
        ("v0 = load b2[0] store b3[0] = v0", step, "the prologue reads what it does not write: b2"),
        ("v0 = load b1[0] store b1[1] = v0", "", "the prologue writes to the caller's b1"),
        (
            "v0 = load b1[0] store b3[0] = v0",
            "v0 = load b0[0] store b1[0] = v0",
            "the prologue reads what a step changes: b1",
        ),
        (
            "v0 = load b1[0] store b3[0] = v0",
            "v0 = load b0[0] store b3[0] = v0",
            "a step overwrites what the prologue leaves in b3",
        ),
    ];
    for (prologue, step, message) in cases {
        assert_eq!(prologue_findings(prologue, step), [message], "{prologue}");
    }
}

#[test]
fn a_prologue_shares_no_words() {
    let program = |role: &str| {
        read(&text(&format!(
            "buffer b5: f32 temp \"t5\" [64] strides=[1] chunk=64 len=64 @192
            kernel \"p\" {role} {{ nest \"n\" {{ v0 = load b1[0] store b3[0] = v0 }} }}"
        )))
    };
    assert!(verify(&program("")).is_empty());
    let messages: Vec<String> = verify(&program("role=prologue")).into_iter().map(|f| f.message).collect();
    assert_eq!(messages, ["another buffer shares the words of the prologue's b3"]);
}

#[test]
fn roles_have_an_order_and_updates_write_state() {
    let kernel = |name: &str, role: &str, to: &str| {
        format!("kernel \"{name}\" role={role} {{ nest \"n\" {{ v0 = load b1[0] store {to}[0] = v0 }} }} ")
    };
    let step = kernel("k", "step", "b3");
    assert!(findings(&(step.clone() + &kernel("u", "update", "b1"))).is_empty());
    let program = read(&text(&(step.clone() + &kernel("u", "update", "b1"))));
    assert_eq!(program.kernels.iter().map(|kernel| kernel.role.name()).collect::<Vec<_>>(), ["step", "update"]);
    assert_eq!(read(&program.to_string()), program);
    let cases = [
        (kernel("u", "update", "b2"), "kernel \"u\": `kernel \"u\"`: an update writes what is no state: b2"),
        (kernel("u", "update", "b1") + &step, "kernel \"k\": `kernel \"k\"`: the role step behind the role update"),
        (
            step.clone() + &kernel("p", "prologue", "b2"),
            "kernel \"p\": `kernel \"p\"`: the role prologue behind the role step",
        ),
    ];
    for (kernels, message) in cases {
        assert_eq!(findings(&kernels), [message], "{kernels}");
    }
}

#[test]
fn rules_for_buffers_of_members() {
    let findings = |kernel: &str, head: &str| {
        let text = format!(
            "program \"m\" (batch=1, arena=64, member=48) {{
  buffer b0: f32 output \"y\" [64] strides=[1] chunk=64 len=64 @0
  buffer b1: f32 member \"t\" [16] strides=[1] chunk=16 len=16 @32
{head}  kernel \"k\" {{\n{kernel}  }}\n}}\n"
        );
        verify(&read(&text)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let store = "nest \"a\" { v0 = f32 1.0 store b1[0] = v0 }";
    let load = "nest \"b\" { v1 = load b1[0] store b0[i0] = v1 }";
    let shared = |body: &str| format!("parallel i0 in 0..4 {{ {body} }} ");
    // It shares words with others of members alone.
    let other = "  buffer b2: f32 member \"u\" [16] strides=[1] chunk=16 len=16 @32\n";
    assert_eq!(findings(&shared(&format!("{store} {load}")), other), Vec::<String>::new());
    let about = |message: &str| {
        format!(
            "kernel \"k\": `buffer b1: f32 member \"t\" [16] strides=[1] chunk=16 len=16 @32`: a member's buffer {message}"
        )
    };
    let outside = about("is touched outside parallel loops");
    assert_eq!(findings(&format!("for i0 in 0..4 {{ {store} {load} }}"), ""), [outside]);
    let phases = format!("{} {}", shared(&format!("{store} {load}")), shared(&store.replace("v0", "v2")));
    assert_eq!(findings(&phases, ""), [about("is touched in more than one phase")]);
    assert_eq!(findings(&shared(&format!("{load} {store}")), ""), [about("is loaded before anything is stored to it")]);
    let long = "  buffer b2: f32 member \"u\" [16] strides=[1] chunk=16 len=32 @32\n";
    assert_eq!(
        findings("", long),
        [
            "`buffer b2: f32 member \"u\" [16] strides=[1] chunk=16 len=32 @32`: ends outside a member's memory of 48 words"
        ]
    );
}
