//! Indices that are loaded: machine code against the loop interpreter, on whole arenas, bit for bit.

mod common;

use common::{check, program, ramps};
use graphc_ir::DType;
use graphc_ir::loops::verify;

/// Words of integer buffers are indices: near both ends of their range and beyond, and the same ones again and again.
fn check_by_indices(types: &[&str], body: &str) {
    let program = program(types, body);
    assert_eq!(verify(&program), [], "{body}");
    let mut arena = ramps(&program);
    for buffer in program.buffers.iter().filter(|buffer| buffer.dtype == DType::I32) {
        for at in 0..buffer.len {
            let index = [2, -1, 0, 5, 6, i32::MAX, 2, i32::MIN, 3, 2, 2, 7, 1 << 30][at * 5 % 13];
            arena[buffer.offset + at] = index.cast_unsigned();
        }
    }
    check(&program, &arena).unwrap_or_else(|error| panic!("{error} in\n{body}"));
}

/// Rows of a table, in loops of many lengths and in copies of their bodies; the last buffer also grows where an index
/// says, and what is loaded comes from there.
#[test]
fn rows_at_loaded_indices() {
    for n in [1, 2, 5, 8, 16] {
        for kind in ["for", "unroll"] {
            for row in ["for i3 in 0..1 {", "for i3 in 0..2 {", "unroll i3 in 0..2 {"] {
                let place = "8*i2 + 8*i3 + i0";
                let rows = |inner: &str| {
                    format!(
                        "lanes i0 {{ v9 = f32 0.5 {kind} i1 in 0..{n} {{ i2 = load b0[3*i1 + 2] in 0..6 {row}
                         {inner} }} }} }}"
                    )
                };
                check_by_indices(
                    &["i32", "f32", "f32"],
                    &rows(&format!("v0 = load b1[{place}] v1 = mul v0, v9 store b2[8*i3 + i1 + i0] = v1")),
                );
                let grow = format!(
                    "v0 = load b1[{place}] v1 = load b2[{place}] v2 = fma v1, v9, v0 store b2[{place}] = v2
                     v3 = load b2[i0 + 8] v4 = sub v3, v2 store b2[{place}] = v4
                     v5 = load b2[{place}] store b2[i0 + 40] = v5"
                );
                check_by_indices(&["i32", "f32", "f32"], &rows(&grow));
            }
        }
    }
}

/// Indices that are overwritten in the loop that loads them: every load is of what stands there then.
#[test]
fn indices_that_change() {
    for n in [3, 8, 20] {
        let body = format!(
            "lanes i0 {{ for i1 in 0..{n} {{ i2 = load b1[2*i1 + 1] in 0..7 v0 = load b0[8*i2 + i0]
             store b1[8*i2 + i0] = v0 i3 = load b1[2*i1 + 1] in 0..6 i4 = load b1[i3 + i2] in 0..5
             v1 = load b0[8*i3 + i4 + i0 - i2 + 6] v2 = iadd v0, v1 store b1[8*i4 + i0] = v2 }} }}"
        );
        check_by_indices(&["i32", "i32"], &body);
    }
    let scalar = "for i1 in 0..40 { i2 = load b1[i1] in 0..64 v0 = index 7*i1 - 3 i3 = load b0[i2] in 0..13
        store b1[i2 - ((i2) % 2) + ((i3) / 13)] = v0 for i4 in i3..min(i2, 9) { v1 = load b1[i4] v2 = index i4
        v3 = ixor v1, v2 store b1[i4 + 1] = v3 } }";
    check_by_indices(&["i32", "i32"], scalar);
}

/// Every lane loads a word by an index of its own: multiples of it, with the lane's number, by two indices, and
/// quotients; from outside the loop and within it.
#[test]
fn words_gathered_by_lanes() {
    let indices =
        ["i2", "2*i2 + i3", "8*i2 + i0", "9*i2 - i0 + 7", "40 - 5*i2", "4*i2 + 3*i4 + i0 + i1", "((i2) / 2) + i4"];
    for (number, index) in indices.into_iter().enumerate() {
        for n in [2, 7, 30] {
            let index = if n == 30 { index.replace("+ i1", "+ 5") } else { index.to_owned() };
            let count = "i3 = load b0[9] in 0..4";
            let lanes = "i2 = load b0[2*i0 + 3] in 0..6 i4 = load b0[i2 + i0] in 0..4";
            let word = format!("v0 = load b1[{index}] v3 = load b2[{index}] v4 = fma v0, v9, v3");
            let (before, within) = if number % 2 == 0 { (lanes, "") } else { ("", lanes) };
            let body = format!(
                "lanes i0 {{ v9 = load b1[3] {count} {before} for i1 in 0..{n} {{ {within} {word}
                 store b2[i1 + i0 + 3] = v4 }} }}"
            );
            check_by_indices(&["i32", "f32", "f32"], &body);
            let with_number = format!("= v4 v1 = index {index} v2 = to_f32 v1 store b2[i0 + 56] = v2");
            check_by_indices(&["i32", "f32", "f32"], &body.replace("= v4", &with_number));
        }
    }
}

/// Loops within that are counted since their copies would be too long; the index may change in them.
#[test]
fn loaded_indices_before_counted_loops() {
    for n in [10, 45] {
        for from in ["b0", "b3"] {
            let body = format!(
                "lanes i0 {{ for i1 in 0..6 {{ i2 = load {from}[i1 + 2] in 0..6 i4 = load b0[i1 + 20] in 0..6
                 for i3 in 0..{n} {{ v0 = load b1[i2 + i3 + i0] v1 = load b1[i4 + i3 + i0] v2 = mul v0, v1
                 v3 = load b2[i4 + i3 + i0] v4 = add v2, v3
                 store b2[i4 + i3 + i0] = v4 v5 = bits_of v4 store b3[i2 + i3 + i0] = v5 }} }} }}"
            );
            check_by_indices(&["i32", "f32", "f32", "i32"], &body);
        }
    }
}

/// As many rows of a table as there are registers for their pointers, and more.
#[test]
fn many_rows_at_loaded_indices() {
    for n_loads in 2..12 {
        let load = |k: usize| {
            let (value, sum, last) = (2 * k, 2 * k + 1, 2 * k - 1);
            format!("v{value} = load b1[{k}*i1 + {k}*i2 + {k} + i0 - i3 + 1] v{sum} = sub v{value}, v{last} ")
        };
        let loads: String = (1..=n_loads).map(load).collect();
        let last = 2 * n_loads + 1;
        let body = format!(
            "lanes i0 {{ v1 = load b1[i0] for i1 in 0..4 {{ i2 = load b0[2*i1] in 0..2 i3 = load b0[i2 + i1] in 0..2
             {loads} store b2[8*i1 + 8*i2 + i0] = v{last}
             i4 = load b0[5*i1] in 0..5 v40 = load b2[8*i4 + i0] v41 = add v40, v{last} store b2[8*i4 + i0] = v41 }} }}"
        );
        check_by_indices(&["i32", "f32", "f32"], &body);
    }
}

/// The same words again behind a store to some of them.
#[test]
fn gathered_words_that_change() {
    for n in [5, 20] {
        for buffer in ["b2", "b1"] {
            let body = format!(
                "lanes i0 {{ i2 = load b0[2*i0 + 1] in 0..7 for i1 in 0..{n} {{ i3 = load b0[i1 + i0] in 0..6
                 v0 = load b2[8*i2 + i1] v1 = load b2[5*i3 + i2] v2 = fma v0, v1, v0 store {buffer}[2*i1 + i0] = v2
                 v3 = load b2[8*i2 + i1] v4 = load b2[5*i3 + i2] v5 = fma v3, v4, v2 store b2[i1 + i0 + 30] = v5 }} }}"
            );
            let body = if n == 20 { body.replace("8*i2 + i1", "6*i2 + i1") } else { body };
            check_by_indices(&["i32", "f32", "f32"], &body);
        }
    }
}

/// As many gathered vectors as registers hold, and more; what they are gathered by is wanted to the end.
#[test]
fn many_gathered_vectors() {
    for n_loads in 1..24 {
        for index in ["i2 = load b0[i1 + i0] in 0..6", ""] {
            let before = if index.is_empty() { "i2 = load b0[2*i0 + 1] in 0..6" } else { "" };
            let load = |k: usize| format!("v{k} = load b1[{}*i2 + i1 + i0 + {}] ", 1 + k % 9, k % 3);
            let loads: String = (1..=n_loads).map(load).collect();
            let sums: String = (1..=n_loads)
                .rev()
                .map(|k| format!("v{} = fma v{}, v99, v{k} ", 100 + k, if k == n_loads { 99 } else { 101 + k }))
                .collect();
            let body = format!(
                "lanes i0 {{ {before} v98 = load b1[60] for i1 in 0..4 {{ {index} v99 = load b1[i2 + 30] {loads} {sums}
                 v97 = load b2[4*i2 + 3*i0] v96 = add v101, v97 store b2[8*i1 + i0] = v96 }} }}"
            );
            check_by_indices(&["i32", "f32", "f32"], &body);
        }
    }
}

/// A tile reads and stores rows at an index, and its epilogue by another one.
#[test]
fn tiles_at_loaded_indices() {
    for epilogue in [
        "store b3[8*i5 + 8*i1 + i0] = v0",
        "i6 = load b0[i1 + i5] in 0..7 v1 = load b3[8*i6 + i0] v2 = add v0, v1 store b3[8*i6 + i0] = v2",
        "i6 = load b0[i1 + i0] in 0..60 v1 = load b1[i6] v2 = mul v0, v1 store b3[8*i5 + i0] = v2",
    ] {
        let body = format!(
            "lanes i0 {{ for i4 in 0..5 {{ i5 = load b0[i4] in 0..6 tile [i1:2] reds [i2 in 0..i5, i3 in 0..4]
             a=b1[8*i5 + i1 + i2] b=b2[8*i5 + 2*i3 + i0] init=0 -> v0 {{ {epilogue} }} }} }}"
        );
        check_by_indices(&["i32", "f32", "f32", "f32"], &body);
    }
}
