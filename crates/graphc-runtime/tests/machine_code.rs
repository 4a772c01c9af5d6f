//! Machine code against the loop interpreter, on whole arenas, bit for bit.

mod common;

use common::{build, check, kernel, program, ramps};
use graphc_codegen::{CodegenError, CodegenOptions, Isa, Machine, Target, compile, listing, select};
use graphc_interp::loops;
use graphc_ir::loops::{BufferKind, Program, verify};
use graphc_runtime::{Executable, RuntimeError, Team};
use graphc_testing::cases;
use graphc_testing::programs::programs;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(40, 150)))]

    #[test]
    fn random_programs_give_the_interpreters_bits(case in programs()) {
        check(&case.program, &case.arena).map_err(TestCaseError::fail)?;
    }
}

fn check_body(types: &[&str], body: &str) {
    for program in [program(types, body), kernel(types, body)] {
        assert_eq!(verify(&program), [], "{body}");
        check(&program, &ramps(&program)).unwrap_or_else(|error| panic!("{error} in\n{body}"));
    }
}

#[test]
fn special_values() {
    let specials = [
        "0x7fc00000",
        "0x7f800000",
        "0xff800000",
        "0.0",
        "-0.0",
        "1.0",
        "-2.5",
        "0x00000001",
        "0x807fffff",
        "0x00800000",
    ];
    for a in specials {
        for b in specials {
            for lane in ["0.0", "1.0"] {
                // The second operand has lanes if the lane's number is mixed in.
                let body = format!(
                    "lanes i0 {{ v0 = f32 {a} v1 = index i0 v2 = i32 4 v3 = cmp lt v1, v2 v4 = f32 {b} v5 = f32 {lane}
                     v6 = select v3, v4, v5 v7 = max v0, v6 v8 = max v6, v0 v9 = min v0, v6 v10 = min v6, v0
                     v11 = cmp eq v0, v6 v12 = cmp ne v0, v6 v13 = cmp lt v0, v6 v14 = cmp le v0, v6 v15 = cmp gt v0, v6
                     v16 = cmp ge v0, v6 v17 = f32 3.0 v18 = f32 0.0 v19 = select v11, v17, v18 v20 = select v12, v18, v17
                     v21 = select v13, v6, v0 v22 = select v14, v17, v6 v23 = select v15, v17, v18 v24 = select v16, v0, v17
                     v30 = max v0, v4 v31 = min v0, v4 v32 = cmp lt v0, v4 v33 = select v32, v6, v17
                     v34 = select v32, v0, v4 store b0[i0] = v7 store b0[i0 + 8] = v8 store b0[i0 + 16] = v9
                     store b0[i0 + 24] = v10 store b0[i0 + 32] = v19 store b0[i0 + 40] = v20 store b0[i0 + 48] = v21
                     store b1[i0] = v22 store b1[i0 + 8] = v23 store b1[i0 + 16] = v24 store b1[i0 + 24] = v33
                     store b1[32] = v30 store b1[33] = v31 store b1[34] = v34 v40 = neg v6 v41 = abs v6
                     store b1[i0 + 40] = v40 store b1[i0 + 48] = v41 }}"
                );
                check_body(&["f32", "f32"], &body);
            }
        }
    }
}

/// Masks and integers in loops: made of the lane's number, of loops around and of loops' own numbers, compared with
/// each other, with constants and with loaded integers.
#[test]
fn masks_and_integers() {
    let indices = ["i0", "8*i1 + i0", "16*i1 + i0 + 8", "i2", "3*i2 - i0", "40 - 5*i2 + 16*i1", "7", "i2 + 2*i3 - i1"];
    for (number, index) in indices.into_iter().enumerate() {
        for (limit, op) in [("i32 19", "lt"), ("index 8*i1", "ge"), ("load b0[i0 + 5]", "ne"), ("index i2 + i0", "le")]
        {
            let (before, op_last) = if number % 2 == 0 { ("", "eq") } else { ("v20 = cmp gt v10, v11", "gt") };
            let last = if before.is_empty() { "v20 = cmp eq v1, v2" } else { "" };
            let body = format!(
                "for i1 in 0..2 {{ lanes i0 {{ v10 = index i0 v11 = i32 5 {before} for i2 in 0..6 {{ for i3 in 0..2 {{
                 v1 = index {index} v2 = {limit} v3 = cmp {op} v1, v2 v4 = load b1[i0 + 3*i2 + 4*i3] v5 = f32 0.0
                 v6 = select v3, v4, v5 v7 = select v3, v5, v4 v8 = load b1[i0 + 16*i1 + i2] v9 = select v3, v4, v8
                 {last} v12 = cmp {op_last} v11, v10 v13 = select v20, v6, v9 v14 = select v12, v13, v7 v15 = add v14, v6
                 v16 = to_f32 v1 v17 = add v15, v16 v18 = iadd v1, v2
                 store b2[i0 + 8*i2 + 5*i3] = v17 store b3[i0 + 24*i1 + 4*i2 + i3] = v18 }} }} }} }}"
            );
            check_body(&["i32", "f32", "f32", "i32"], &body);
        }
    }
}

/// Long chains side by side, some of which read what others store.
#[test]
fn long_chains() {
    let roots: String = (1..14).map(|number| format!("v{number} = fma v{0}, v31, v30\n", number - 1)).collect();
    for to in ["b1[i0 + 8*i3 + 16*i2]", "b0[i0 + 8*i3 + 16*i2]", "b0[i0 + 8*i3 + 16*i2 + 4]", "b0[i0 + 8*i2 + 8]"] {
        for n_copies in [2, 3] {
            let body = format!(
                "lanes i0 {{ v30 = f32 0.25 v31 = f32 -0.75 for i2 in 0..2 {{ unroll i3 in 0..{n_copies} {{
                 v0 = load b0[i0 + 8*i3 + 16*i2] {roots} store {to} = v13 }} }} }}"
            );
            // Few iterations are no loop; the same twice.
            check_body(&["f32", "f32"], &body);
            let again = body.replace("for i2", "for i5 in 0..4 { for i2").replace("v13 }", "v13 } }");
            check_body(&["f32", "f32"], &again);
        }
    }
}

/// Without AVX, operands in memory must lie on a boundary of 16 bytes: vectors that are compared where they lie, or
/// chosen, do not.
#[test]
fn vectors_off_their_boundaries() {
    for op in ["eq", "ne", "lt", "le", "gt", "ge"] {
        let compared = |a: &str, b: &str| {
            format!(
                "lanes i0 {{ v0 = f32 0.5 v1 = load b0[i0 + 1] v2 = cmp {op} {a}, {b} v3 = f32 2.0 v4 = f32 3.0 v5 = select v2, v3, v4
                 store b1[i0 + 3] = v5 }}"
            )
        };
        check_body(&["f32", "f32"], &compared("v0", "v1"));
        check_body(&["f32", "f32"], &compared("v1", "v0"));
    }
    for op in ["add", "sub", "mul", "div", "min", "max"] {
        let combined = |a: &str, b: &str| {
            format!("lanes i0 {{ v0 = f32 0.5 v1 = load b0[i0 + 1] v2 = {op} {a}, {b} store b1[i0 + 3] = v2 }}")
        };
        check_body(&["f32", "f32"], &combined("v0", "v1"));
        check_body(&["f32", "f32"], &combined("v1", "v0"));
    }
}

#[test]
fn accumulators_and_uniform_values() {
    for body in [
        // An accumulator that gets lanes late in a loop, and one that stays uniform.
        "lanes i0 { v0 = f32 1.5 a0 = v0 a1 = v0 for i1 in 0..9 {
           v1 = acc a0 v2 = load b0[i1] v3 = add v1, v2 v4 = load b0[i0 + 3*i1] v5 = mul v3, v4 a0 = v5
           v6 = acc a1 v7 = fma v6, v2, v0 a1 = v7 }
         v8 = acc a0 v9 = acc a1 v10 = sub v8, v9 store b1[i0] = v10 store b1[20] = v9
         v11 = join max v8 v12 = div v10, v11 store b1[i0 + 8] = v12 }",
        // Scalars outside a region, used inside.
        "v0 = load b0[5] v1 = f32 0.0 a0 = v1 for i1 in 2..7 { v2 = acc a0 v3 = load b0[2*i1] v4 = fma v3, v0, v2
         a0 = v4 lanes i0 { v5 = load b0[i0 + i1] v6 = mul v5, v4 store b1[8*i1 + i0] = v6 } }
         v7 = acc a0 store b1[1] = v7 v8 = sqrt v0 v9 = abs v0 store b1[2] = v9",
        // Loops that run not at all, once, backwards from a bound, and copied.
        "for i1 in 0..5 { for i2 in max(i1 - 2, 1)..min(i1 + 2, 4) { v0 = load b0[7*i2 + i1] store b1[8*i1 + i2] = v0 } }
         for i3 in 4..4 { v1 = f32 1.0 store b1[0] = v1 } unroll i4 in 0..3 { i5 = ((7*i4 + 2) / 3)
         v2 = index 5*i5 - i4 v3 = to_f32 v2 store b1[40 + i5] = v3 }",
        // Division in indices, dynamic and by lane.
        "for i0 in 0..20 { i1 = ((i0) / 7) i2 = ((i0) % 8) i6 = ((3*i0 + 2) % 5) v0 = load b0[i0 + i1 + 8*i6]
         store b1[8*i1 + i2] = v0 v4 = load b0[i6] store b1[i1 + 50] = v4 }
         lanes i3 { v1 = index ((i3 + 3) / 2) + 2 v2 = to_f32 v1 store b1[((i3) % 4) + 4*((i3) / 4) + 32] = v2
         v3 = load b0[3*i3 + 1] store b1[60 - 2*i3] = v3 }",
    ] {
        check_body(&["f32", "f32"], body);
    }
}

/// One, two or three loops are counted, with an accumulator through them all. What is loaded before an inner loop may
/// be overwritten in it.
#[test]
fn loops_within_straight_line_loops() {
    let body = |n_steps: usize, scale: &str| {
        let steps: String = (4..4 + n_steps).map(|i| format!("v{i} = fma v{}, v1, v2 ", i - 1)).collect();
        let last = 3 + n_steps;
        format!(
            "lanes i0 {{ v0 = f32 0.5 a0 = v0 for i1 in 0..2 {{ v1 = load {scale}
             for i2 in 1..3 {{ for i3 in 0..2 {{
             v2 = load b0[32*i1 + 16*i2 + 8*i3 + i0 - 16] v3 = acc a0 {steps} a0 = v{last}
             store b2[32*i1 + 16*i2 + 8*i3 + i0 - 16] = v{last} }} }} }}
             v{0} = acc a0 store b2[i0] = v{0} }}",
            last + 1
        )
    };
    for n_steps in [10, 70, 140] {
        check_body(&["f32"; 3], &body(n_steps, "b1[i1]"));
        check_body(&["f32"; 3], &body(n_steps, "b2[32*i1 + i0]"));
    }
}

/// As many streams of words as there are registers for, and more.
#[test]
fn many_pointers() {
    for n_loads in 6..13 {
        let load =
            |k: usize| format!("v{0} = load b0[{k}*i1 + {k}] v{1} = sub v{0}, v{2} ", 2 * k, 2 * k + 1, 2 * k - 1);
        let loads: String = (1..=n_loads).map(load).collect();
        let last = 2 * n_loads + 1;
        let body = format!(
            "lanes i0 {{ v1 = load b0[i0] for i1 in 0..4 {{ {loads} store b1[8*i1 + i0] = v{last} }} v40 = load b0[i0 + 1]
             store b1[i0 + 56] = v40 }}"
        );
        check_body(&["f32", "f32"], &body);
    }
}

#[test]
fn tiles() {
    for (grid, reds) in [("i1:4", "i3 in 0..6, i4 in 0..3"), ("i1:2, i2:3", "i3 in 0..2"), ("i2:1", "i3 in 0..100")] {
        for init in ["0", "b0[i1 + i2 + 2]", "b0[i1 + i0 + 3]", "b1[5]"] {
            for (a, b) in
                [("i1 + i3", "8*i2 + i0 + 2*i4"), ("i1 + 2*i0 + i3", "i2 + i0 + i4"), ("i1 + i0", "30 - i2 - i0")]
            {
                let drop = |text: &str| {
                    let mut text = text.to_owned();
                    for (var, declared) in [("i1", grid.contains("i1")), ("i2", grid.contains("i2"))] {
                        if !declared {
                            text = text.replace(var, "i6");
                        }
                    }
                    let text = if reds.contains("i4") { text } else { text.replace("i4", "i5") };
                    if reds.contains("100") { text.replace("i3", "i7") } else { text }
                };
                let reds = if reds.contains("100") { "i7 in 0..17, i8 in max(i5, 1)..min(3, i6 + 3)" } else { reds };
                let cell = ["i1", "i2"].map(|var| if grid.contains(var) { var } else { "0" });
                let body = format!(
                    "for i5 in 0..2 {{ for i6 in 0..2 {{ lanes i0 {{
                     tile [{grid}] reds [{reds}] a=b0[{}] b=b1[{}] init={} -> v0 {{
                       v1 = join add v0 store b2[16*{} + 8*{} + i0] = v0 store b2[62 + i6] = v1 }} }} }} }}",
                    drop(a),
                    drop(b),
                    drop(init),
                    cell[0],
                    cell[1]
                );
                check_body(
                    &["f32", "f32", "f32"],
                    &body.replace("16*0 + 8*0 + ", "").replace("16*0 + ", "").replace("8*0 + ", ""),
                );
            }
        }
    }
    let scalar = "for i0 in 0..5 { tile [i3:2] reds [i1 in max(0, 1 - i0)..min(3, 6 - i0), i2 in 0..5]
        a=b0[i0 + i1 - 1 + 5*i2] b=b1[i1 + 3*i3] init=b0[i3] -> v0 { store b2[2*i0 + i3] = v0 } }";
    check_body(&["f32", "f32", "f32"], scalar);
}

/// Sums of lanes of as many cells as registers hold and more, of one run and of several, stored side by side or apart.
#[test]
fn joined_lanes() {
    let ways = ["", "runs=1 join", "runs=2 join", "runs=5 join"];
    for n_cells in 1..=16 {
        let mut tiles = String::new();
        for (number, (runs, place)) in ways.into_iter().flat_map(|runs| [(runs, "i1"), (runs, "3*i1")]).enumerate() {
            let acc = 10 * number;
            let (sum, join) = match runs {
                "" => (acc + 1, format!("v{} = join add v{acc}", acc + 1)),
                _ => (acc, String::new()),
            };
            tiles += &format!(
                "tile [i1:{n_cells}] reds [i2 in 0..7, i3 in i4..2] {runs}
                 a=b0[i0 + 2*i1 + 3*i2 + i3] b=b1[i0 + 5*i2 + 2*i3] init=0 -> v{acc}
                 {{ {join} store b{}[{place} + 15*i4] = v{sum} }} ",
                number + 2
            );
        }
        check_body(&["f32"; 10], &format!("lanes i0 {{ for i4 in 0..2 {{ {tiles} }} }}"));
    }
}

/// Tiles that do more than store: with biases, a comparison, a second result, constants beyond the registers, and a sum
/// that is not theirs.
#[test]
fn epilogues_of_tiles() {
    let epilogues = [
        "v1 = load b1[i1] v2 = add v0, v1 v3 = f32 0.0 v4 = cmp gt v2, v3 v5 = select v4, v2, v3 store b2[CELL] = v5",
        "v1 = load b1[i1] v2 = load b1[i0 + i1] v3 = fma v1, v0, v2 v4 = sub v3, v9 v5 = min v4, v0 store b2[CELL] = v5",
        "v1 = load b0[CELL] v2 = mul v1, v0 v3 = div v2, v8 v4 = sqrt v3 v5 = neg v4 v6 = abs v5 v7 = add v6, v5 store b2[CELL] = v2
         store b2[CELL] = v7",
        "v1 = f32 1.5 v2 = f32 -2.0 v3 = f32 3.25 v4 = mul v0, v1 v5 = add v4, v2 v6 = fma v5, v3, v0 v7 = fma v8, v9, v6
         v10 = max v7, v4 v11 = cmp le v5, v10 v12 = select v11, v9, v5 store b2[CELL] = v12",
        "v1 = acc a0 v2 = add v1, v0 a0 = v2 store b2[CELL] = v2",
    ];
    for (grid, cell) in [("i1:6", "8*i1 + i0"), ("i1:3, i2:2", "16*i1 + 8*i2 + i0"), ("i1:1", "8*i1 + i0 + 8")] {
        for epilogue in epilogues {
            let b = if grid.contains("i2") { "8*i2 + i0 + i4" } else { "i0 + i4" };
            let body = format!(
                "lanes i0 {{ v8 = f32 0.75 v9 = load b1[3] v20 = f32 0.5 a0 = v20
                 for i5 in 0..2 {{ tile [{grid}] reds [i3 in 0..3, i4 in 0..5] a=b0[i1 + i3 + 7*i4 + i5] b=b1[{b}] init=0 -> v0 {{ {} }} }}
                 v30 = acc a0 store b2[i0 + 56] = v30 }}",
                epilogue.replace("CELL", cell)
            );
            check_body(&["f32", "f32", "f32"], &body);
        }
    }
}

/// Vectors become rows: whole squares, a last one that overlaps the one before, too few for one, and what is no such
/// copy.
#[test]
fn transposed_copies() {
    for (n, stride, row) in [(8, 8, 8), (7, 8, 7), (13, 2, 16), (16, 3, 17), (20, 2, 20), (9, 1, 9)] {
        let mut program = kernel(
            &["f32", "f32"],
            &format!(
                "parallel i3 in 0..2 {{ nest \"n\" {{ lanes i0 {{ for i1 in 0..{n} {{ v0 = load b0[i0 + {stride}*i1 + i3]
                 store b1[{row}*i0 + i1 + 320*i3] = v0 }} }} }} }}"
            ),
        );
        // Buffers long enough for the rows.
        let len = 640;
        for (number, buffer) in program.buffers.iter_mut().enumerate() {
            (buffer.len, buffer.offset) = (len, number * len);
            (buffer.layout.shape, buffer.layout.chunk_stride) = (vec![len], len);
        }
        program.arena_words = 2 * len;
        assert_eq!(verify(&program), []);
        check(&program, &ramps(&program)).unwrap_or_else(|error| panic!("{n} {stride} {row}: {error}"));
    }
    for body in [
        // Onto itself, in another order, of integers, with a factor.
        "lanes i0 { for i1 in 0..8 { v0 = load b0[i0 + i1] store b0[2*i0 + i1] = v0 } }",
        "lanes i0 { for i1 in 0..16 { v0 = load b0[i0 + 2*i1] store b1[4*i0 + 2*i1] = v0 } }",
        "lanes i0 { for i1 in 0..8 { v0 = load b0[i0 + 2*i1] v1 = add v0, v0 store b1[8*i0 + i1] = v1 } }",
    ] {
        check_body(&["f32", "f32"], body);
    }
    check_body(&["i32", "i32"], "lanes i0 { for i1 in 0..8 { v0 = load b0[i0 + 8*i1] store b1[8*i0 + i1] = v0 } }");
}

/// Hints change nothing, wherever they point.
#[test]
fn hints() {
    let body = "fetch b0[-100000] lines=3 for i1 in 0..6 { fetch b1[900*i1] lines=1 fetch b0[5] lines=70 lanes i0 {
        fetch b0[i1 + 40] lines=2 for i2 in 0..5 { fetch b0[8*i2 + 4096] lines=2 v0 = load b0[i0 + 8*i2 + i1] store b1[i0 + 8*i2] = v0 } } }";
    check_body(&["f32", "f32"], body);
}

/// Nests are functions whose parameters are the loop variables around them.
#[test]
fn nests_in_loops() {
    let body = "parallel i0 in 0..3 { i1 = 8*i0 for i2 in i0..4 {
        nest \"a\" { v0 = load b0[i1 + i2] store b1[i1 + i2] = v0 }
        nest \"b\" { lanes i3 { v1 = load b0[i1 + i3] v2 = load b0[4*i2] v3 = mul v1, v2 store b1[i1 + i3 + 32] = v3 } } } }
        nest \"c\" { for i4 in 0..5 { v4 = load b1[i4] store b1[i4 + 58] = v4 } }";
    let program = kernel(&["f32", "f32"], body);
    assert_eq!(verify(&program), []);
    check(&program, &ramps(&program)).unwrap_or_else(|error| panic!("{error}"));
}

/// Every member has memory of its own, however many there are, and in functions of nests and phases alike.
#[test]
fn members_have_memory_of_their_own() {
    let text = "program \"m\" (batch=1, arena=640, member=64) {
        buffer b0: f32 input \"x\" [320] strides=[1] chunk=320 len=320 @0
        buffer b1: f32 output \"y\" [320] strides=[1] chunk=320 len=320 @320
        buffer b2: f32 member \"square\" [16] strides=[1] chunk=16 len=16 @0
        buffer b3: f32 member \"sum\" [16] strides=[1] chunk=16 len=16 @48
        kernel \"k\" { parallel i0 in 0..20 {
          nest \"square\" { lanes i1 { for i2 in 0..2 { v0 = load b0[16*i0 + 8*i2 + i1] v1 = mul v0, v0
            store b2[8*i2 + i1] = v1 } } }
          for i3 in 0..3 { nest \"sum\" { lanes i1 { for i2 in 0..2 {
            tile [] reds [i4 in 0..4] a=b2[8*i2 + i1] b=b0[16*i0 + i3 + i4] init=0 -> v2 { store b3[8*i2 + i1] = v2 } } } } }
          nest \"out\" { lanes i1 { for i2 in 0..2 { v3 = load b3[8*i2 + i1] v4 = load b2[15] v5 = add v3, v4
            store b1[16*i0 + 8*i2 + i1] = v5 } } } } } }";
    let program: Program = text.parse().expect("the program reads");
    assert_eq!(verify(&program), []);
    check(&program, &ramps(&program)).unwrap_or_else(|error| panic!("{error}"));
    let arena = ramps(&program);
    let mut executable = build(&program, Isa::Native, true).expect("the program compiles");
    let mut results = Vec::new();
    for n_members in [1, 2, 7, 3, 20, 30] {
        executable.arena_mut().copy_from_slice(&arena);
        executable.step_on(&mut Team::new(n_members).expect("a small team")).expect("nothing is outside");
        results.push(executable.arena().to_vec());
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    let named = executable.get(BufferKind::Member, "sum").expect_err("no tensor of the step");
    assert!(named.to_string().contains("no member named \"sum\""), "{named}");
}

/// Checked code fails just where the interpreter does.
#[test]
fn accesses_outside_buffers_are_errors() {
    for body in [
        "for i0 in 60..70 { v0 = load b0[i0] store b1[0] = v0 }",
        "lanes i0 { v0 = load b0[i0 + 60] }",
        "lanes i0 { v0 = load b0[9*i0 + 2] }",
        "v0 = f32 1.0 store b0[-1] = v0",
        "tile [i0:4] reds [i1 in 0..10] a=b0[0] b=b0[i0 + 7*i1] init=0 -> v0 {}",
        "tile [] reds [] a=b0[0] b=b0[0] init=b0[64] -> v0 {}",
        "i0 = load b1[0] in 0..90 v0 = load b0[i0 + 64]",
        "lanes i0 { i1 = load b1[i0] in 0..8 v0 = load b0[2*i1 + 64 + i0] }",
        "lanes i1 { tile [i0:4] reds [i2 in 0..10] a=b0[i1 + i2] b=b0[i0 + 7*i2] init=0 -> v0 {} }",
    ] {
        let program = program(&["f32", "i32"], &body.replace("b1[0] = v0", "b0[0] = v0"));
        loops::run(&program, &mut ramps(&program)).expect_err(body);
        let mut executable = build(&program, Isa::Native, true).expect("the program compiles");
        let error = executable.step().expect_err(body).to_string();
        let start = "access outside its buffer: kernel \"k\", nest \"n\": index ";
        assert!(error.starts_with(start) && error.ends_with("of buffer b0 \"t0\" is not below 64"), "{error}");
    }
}

/// The failure does not depend on who comes first: it is the one of the lowest iteration of the first failing phase.
#[test]
fn a_team_fails_where_one_thread_does() {
    let body = "parallel i0 in 0..8 { nest \"fits\" { v0 = load b0[i0] store b1[i0] = v0 } }
        parallel i1 in 0..8 { nest \"fails\" { v1 = load b0[16*i1] store b1[8*i1] = v1 v2 = load b0[40*i1] } }
        parallel i2 in 0..8 { nest \"never\" { v3 = load b0[i2 + 70] store b1[i2 + 1] = v3 } }";
    let program = kernel(&["f32", "f32"], body);
    let mut executable = build(&program, Isa::Native, true).expect("the program compiles");
    // Iteration 2 fails in its second access, iterations from 4 on in their first.
    let expected = executable.step().expect_err("the second phase");
    assert!(expected.to_string().contains("nest \"fails\": index 40*i1 "), "{expected}");
    for n_members in [2, 3, 8, 11] {
        let mut team = Team::new(n_members).expect("a small team");
        for _ in 0..50 {
            executable.arena_mut().fill(0);
            assert_eq!(executable.step_on(&mut team), Err(expected.clone()));
            assert_eq!(executable.arena()[65..72], [0; 7], "no phase runs after the one that failed");
        }
    }
}

#[test]
fn programs_that_break_rules_are_refused() {
    for (body, message) in [
        ("v0 = load b0[i7]", "i7 is not defined"),
        ("v0 = add v1, v2", "v1 is not defined"),
        ("v0 = acc a0", "a0 is read before it is set"),
        ("v0 = f32 1.0 v1 = exp v0", "exp is not part of the loop IR"),
        ("v0 = f32 1.0 v1 = i32 1 v2 = add v0, v1", "v1 is I32 where F32 is expected"),
        ("lanes i0 { lanes i1 { } }", "a lanes region inside another"),
        ("lanes i0 { i1 = i0 }", "i1 depends on the lane"),
        ("i0 = load b0[0] in 0..3", "i0 is loaded from b0, which holds no integers"),
        ("v0 = f32 1.0 v1 = join add v0", "lanes are joined outside a lanes region"),
        (
            "v0 = i32 1 v1 = load b0[3] v2 = bits_of v1 v3 = ishl v0, v2",
            "the distance of a shift is not a constant below 32",
        ),
    ] {
        let error = build(&program(&["f32"], body), Isa::Native, false).expect_err(body);
        assert_eq!(error, CodegenError::Program { kernel: "k".to_owned(), message: message.to_owned() });
    }
}

#[test]
fn text_is_deterministic_and_names_what_is_called() {
    let program = kernel(&["f32"], "parallel i0 in 0..4 { nest \"conv1\" { v0 = load b0[i0] store b0[i0 + 8] = v0 } }");
    let options = CodegenOptions::default();
    for machine in Machine::ALL {
        let target = Target::machine(machine).expect("a supported machine");
        let selection = select(&program, &target, &options);
        let text = || listing(&selection).expect("it compiles");
        let first = text();
        assert_eq!(first, text());
        let names: Vec<&str> = first.iter().map(|text| text.name.as_str()).collect();
        assert_eq!(names[..2], ["k0.phase0", "k0.nest0.conv1"]);
        assert!(first[1].clif.contains("load.f32") && !first[1].asm.is_empty());
        if target.name() != "host" || cfg!(target_arch = "x86_64") {
            assert!(first[0].asm.contains("call k0.nest0.conv1\n"), "{}", first[0].asm);
        }
    }
    let target = Target::host(Isa::Native).expect("a supported host");
    let compiled = compile(&program, &target, &options).expect("it compiles");
    assert_eq!(compiled.kernels()[0].phases[0].parallel, Some(0..4));
}

#[test]
fn code_for_another_machine_is_not_run() {
    let program = program(&["f32"], "v0 = f32 1.0 store b0[0] = v0");
    let target = Target::named("x86-64-fma").expect("a machine with a name");
    assert_eq!(
        compile(&program, &target, &CodegenOptions::default()).unwrap_err().to_string(),
        "target: code for x86-64-fma can be looked at, but runs only if it is made for `host`"
    );
}

#[test]
fn tensors_by_name() {
    let text = "program \"m\" (batch=17, arena=128) {
        buffer b0: i32 input \"label\" [17] batch=0 strides=[0] chunk=16 len=32 @0
        buffer b1: f32 output \"y\" [2,17] batch=1 strides=[16,0] chunk=32 len=64 @64
        kernel \"k\" { nest \"n\" { for i0 in 0..2 { for i1 in 0..2 { for i2 in 0..2 { lanes i3 {
          v0 = load b0[16*i0 + 8*i1 + i3] v1 = to_f32 v0 v2 = index i2 v3 = to_f32 v2 v4 = add v1, v3
          store b1[32*i0 + 16*i2 + 8*i1 + i3] = v4 } } } } } } }";
    let program: Program = text.parse().expect("the program reads");
    let mut executable = build(&program, Isa::Native, false).expect("the program compiles");
    let labels: Vec<i32> = (0..17).map(|i| i - 3).collect();
    executable.set_i32(BufferKind::Input, "label", &labels).expect("the label is bound");
    executable.step().expect("unchecked code cannot fail");
    let y = executable.get(BufferKind::Output, "y").expect("there is y");
    assert_eq!(y.shape, [2, 17]);
    assert!((0..34).all(|i| y.data[i] == (i % 17) as f32 - 3.0 + (i / 17) as f32));
    let message = |result: Result<(), RuntimeError>| result.expect_err("a mistake").to_string();
    assert_eq!(
        message(executable.set_i32(BufferKind::Input, "lable", &labels)),
        "there is no input named \"lable\"; known: label"
    );
    assert_eq!(
        message(executable.set_i32(BufferKind::Input, "label", &labels[..16])),
        "\"label\" has shape [17], 17 elements, but 16 were given"
    );
    assert_eq!(message(executable.set(BufferKind::Input, "label", &[0.0; 17])), "\"label\" holds i32 elements");
    let (buffer, words) = executable.words_mut(BufferKind::Input, "label").expect("there is a label");
    assert_eq!(buffer.layout.unpack(words), labels.iter().map(|label| label.cast_unsigned()).collect::<Vec<u32>>());
    assert!(words[17..].iter().all(|&word| word == 0) && words.len() == 32);
    words[0] = 41;
    executable.step().expect("unchecked code cannot fail");
    assert_eq!(executable.get(BufferKind::Output, "y").expect("there is y").data[17], 42.0);
}

#[test]
fn constants_are_written_once() {
    let text = "program \"m\" (batch=1, arena=64) {
        buffer b0: f32 output \"y\" [2] strides=[1] chunk=2 len=16 @0
        buffer b1: i32 constant \"order\" [2] strides=[1] chunk=2 len=3 @16 words=[1,-7,9]
        buffer b2: f32 constant \"c\" [2] strides=[1] chunk=2 len=16 @32
        words=[0x3f800000,0x40000000,0,0,0,0,0,0,0,0,0,0,0,0,0,5]
        kernel \"k\" { nest \"n\" { for i0 in 0..2 { i1 = load b1[i0] in 0..2 v0 = load b2[i1] v1 = load b0[i0]
          v2 = add v0, v1 store b0[i0] = v2 } } } }";
    let program: Program = text.parse().expect("the program reads");
    assert_eq!(verify(&program), []);
    let mut executable = build(&program, Isa::Native, false).expect("the program compiles");
    for n in [1.0, 2.0] {
        executable.step().expect("unchecked code cannot fail");
        assert_eq!(executable.get(BufferKind::Output, "y").expect("there is y").data, [2.0 * n, n]);
    }
    assert_eq!((executable.arena()[18], executable.arena()[19], executable.arena()[47]), (9, 0, 5));
    let refused = executable.set(BufferKind::Constant, "c", &[0.0; 2]).expect_err("a constant stays");
    assert!(refused.to_string().starts_with("there is no constant named \"c\""), "{refused}");
    let mut short = program;
    short.buffers[1].words = Some([1, 2].into());
    let code = compile(&short, &Target::host(Isa::Native).unwrap(), &CodegenOptions::default()).expect("it compiles");
    assert!(Executable::new(short, code).is_err());
}

#[test]
fn scalars_by_name() {
    let text = "program \"m\" (batch=1, arena=64) {
        buffer b0: i32 input \"n\" [] strides=[] chunk=1 len=1 @0
        buffer b1: f32 output \"x\" [] strides=[] chunk=1 len=1 @16
        buffer b2: f32 input \"pair\" [2] strides=[1] chunk=2 len=2 @32
        kernel \"k\" { nest \"n\" { v0 = load b0[0] v1 = to_f32 v0 store b1[0] = v1 } } }";
    let program: Program = text.parse().expect("the program reads");
    let mut executable = build(&program, Isa::Native, false).expect("the program compiles");
    executable.set_i32(BufferKind::Input, "n", &[-3]).expect("n is bound");
    executable.step().expect("unchecked code cannot fail");
    assert_eq!(executable.scalar(BufferKind::Output, "x"), Ok(-3.0));
    let message = |result: Result<f32, RuntimeError>| result.expect_err("a mistake").to_string();
    assert_eq!(message(executable.scalar(BufferKind::Input, "n")), "\"n\" holds i32 elements");
    assert_eq!(
        message(executable.scalar(BufferKind::Input, "pair")),
        "\"pair\" has shape [2], 2 elements, but 1 were given"
    );
}
