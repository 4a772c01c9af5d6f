//! Small loop programs in text form, run and compared with what plain Rust computes.

use graphc_interp::loops::{InterpError, LoopInterp, Memory, run};
use graphc_ir::Tensor;
use graphc_ir::loops::{BufferKind, Program, verify};
use std::time::{Duration, Instant};

/// A program with buffers `b0..`, each of 64 words from word `64 * number`, one kernel and one nest.
/// The last buffer named in `types` is the output.
fn program(types: &[&str], body: &str) -> Program {
    let mut text = format!("program \"test\" (batch=1, arena={}) {{\n", 64 * types.len());
    for (number, dtype) in types.iter().enumerate() {
        let at = 64 * number;
        let kind = if number + 1 == types.len() { "output" } else { "input" };
        text += &format!("buffer b{number}: {dtype} {kind} \"t{number}\" [64] strides=[1] chunk=64 len=64 @{at}\n");
    }
    text += &format!("kernel \"k\" from \"a\" {{ nest \"n\" {{ {body} }} }} }}");
    text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

/// Checks and runs a program whose inputs are `f32` ramps; the words of its output.
fn output(types: &[&str], body: &str) -> Vec<u32> {
    let program = program(types, body);
    assert_eq!(verify(&program), []);
    let mut arena = inputs(types.len());
    run(&program, &mut arena).unwrap_or_else(|error| panic!("{error}"));
    arena[64 * (types.len() - 1)..].to_vec()
}

fn inputs(n_buffers: usize) -> Vec<u32> {
    (0..64 * n_buffers).map(|word| input(word / 64, word % 64).to_bits()).collect()
}

/// Element `at` of input `buffer`: no product of two is exact in `f32`.
fn input(buffer: usize, at: usize) -> f32 {
    (at as f32 - 20.3) / (7.1 + buffer as f32)
}

fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

#[test]
fn scalar_loop_with_accumulator() {
    let body = "v0 = f32 0.0 a0 = v0
        for i0 in 3..9 { v1 = acc a0 v2 = load b0[2*i0 + 1] v3 = fma v2, v2, v1 a0 = v3 }
        v4 = acc a0 store b1[5] = v4";
    let expected = (3..9).fold(0.0f32, |sum, i| input(0, 2 * i + 1).mul_add(input(0, 2 * i + 1), sum));
    assert_eq!(output(&["f32", "f32"], body)[5], expected.to_bits());
}

#[test]
fn lanes_load_by_stride_and_by_division_and_join() {
    let body = "v9 = load b0[3]
        lanes i0 {
          v0 = load b0[i0 + 8] v1 = load b0[63 - 7*i0] v2 = load b0[((i0) / 3) + 4*((i0) % 2)]
          v3 = add v0, v1 v4 = mul v3, v2 v5 = sub v4, v9
          v6 = join add v5 v7 = join max v5
          store b1[8*i0] = v5 store b1[1] = v6 store b1[2] = v7
        }";
    let result = floats(&output(&["f32", "f32"], body));
    let lanes: [f32; 8] =
        std::array::from_fn(|l| (input(0, l + 8) + input(0, 63 - 7 * l)) * input(0, l / 3 + 4 * (l % 2)) - input(0, 3));
    assert!((0..8).all(|l| result[8 * l] == lanes[l]));
    let halves: [f32; 4] = std::array::from_fn(|l| lanes[l] + lanes[l + 4]);
    assert_eq!(result[1], (halves[0] + halves[2]) + (halves[1] + halves[3]));
    assert_eq!(result[2], lanes.iter().copied().fold(f32::MIN, f32::max));
}

/// What stands in an integer buffer of that number: too small and too large numbers, and the same one several times.
fn index_at(at: usize) -> i32 {
    [3, -1, 0, 6, 7, i32::MAX, 3, i32::MIN, 5, 3, 3, 100][at % 12]
}

/// Runs a program whose buffer `b0` holds [`index_at`], `b1` a ramp; the words of the output.
fn by_indices(body: &str) -> Vec<f32> {
    let program = program(&["i32", "f32", "f32"], body);
    assert_eq!(verify(&program), []);
    let mut arena = inputs(3);
    (0..64).for_each(|at| arena[at] = index_at(at).cast_unsigned());
    arena[128..].fill(0);
    run(&program, &mut arena).unwrap_or_else(|error| panic!("{error}"));
    floats(&arena[128..])
}

#[test]
fn rows_are_gathered_by_loaded_indices() {
    let body =
        "lanes i0 { for i1 in 0..8 { i2 = load b0[i1] in 0..7 v0 = load b1[8*i2 + i0] store b2[8*i1 + i0] = v0 } }";
    let result = by_indices(body);
    for (at, &value) in result.iter().enumerate() {
        let row = index_at(at / 8).clamp(0, 6) as usize;
        assert_eq!(value, input(1, 8 * row + at % 8));
    }
}

#[test]
fn every_lane_gathers_its_own_word() {
    let body = "lanes i0 { i1 = load b0[i0 + 1] in 0..7 i2 = load b0[2*i1 + i0] in 0..5 v0 = load b1[9*i2 + i1]
        v1 = index 10*i2 + i1 v2 = to_f32 v1 v3 = load b1[((i1 + i0) % 3)]
        store b2[i0] = v0 store b2[i0 + 8] = v2 store b2[i0 + 16] = v3 }";
    let result = by_indices(body);
    for lane in 0..8 {
        let first = index_at(lane + 1).clamp(0, 6) as usize;
        let second = index_at(2 * first + lane).clamp(0, 4) as usize;
        assert_eq!(result[lane], input(1, 9 * second + first));
        assert_eq!(result[lane + 8], (10 * second + first) as f32);
        assert_eq!(result[lane + 16], input(1, (first + lane) % 3));
    }
}

/// Rows are added one after another, the same one several times.
#[test]
fn scattered_rows_are_added_in_order() {
    let body = "lanes i0 { for i1 in 0..12 { i2 = load b0[i1] in 0..7 v0 = load b1[3*i1 + i0]
        v1 = load b2[8*i2 + i0] v2 = add v1, v0 store b2[8*i2 + i0] = v2 } }";
    let mut expected = [0.0f32; 64];
    for i in 0..12 {
        let row = index_at(i).clamp(0, 6) as usize;
        (0..8).for_each(|lane| expected[8 * row + lane] += input(1, 3 * i + lane));
    }
    assert_eq!(by_indices(body), expected);
    let scalar = "for i1 in 0..12 { i2 = load b0[i1] in 0..7 v0 = load b1[i1] v1 = load b2[i2] v2 = add v1, v0
        store b2[i2] = v2 }";
    let mut sums = [0.0f32; 7];
    (0..12).for_each(|i| sums[index_at(i).clamp(0, 6) as usize] += input(1, i));
    assert_eq!(by_indices(scalar)[..7], sums);
}

#[test]
fn select_masks_a_ragged_chunk() {
    let body = "lanes i0 {
        v0 = index i0 v1 = i32 5 v2 = cmp lt v0, v1
        v3 = load b0[i0] v4 = f32 0.0 v5 = select v2, v3, v4
        store b1[i0] = v5 v6 = f32 -inf_ v7 = select v2, v3, v6 v8 = join max v7 store b1[8] = v8
    }"
    .replace("-inf_", "0xff800000");
    let result = floats(&output(&["f32", "f32"], &body));
    for (l, &value) in result[..8].iter().enumerate() {
        assert_eq!(value, if l < 5 { input(0, l) } else { 0.0 });
    }
    assert_eq!(result[8], input(0, 4));
}

#[test]
fn integers_wrap_and_bits_convert() {
    let body = "lanes i0 {
        v0 = index 1000003*i0 + 17 v1 = i32 -1640531527 v2 = imul v0, v1 v3 = i32 15 v4 = ishr v2, v3
        v5 = ixor v2, v4 v6 = i32 7 v7 = ishl v5, v6 v8 = iadd v7, v5 v9 = isub v8, v0
        v10 = i32 1073741823 v11 = iand v9, v10 v12 = from_bits v11 v13 = to_f32 v9 v14 = bits_of v13
        store b0[i0] = v9 store b0[i0 + 8] = v14 v15 = bits_of v12 store b0[i0 + 16] = v15
    }";
    let result = output(&["i32"], body);
    for l in 0..8u32 {
        let start = 1_000_003 * l + 17;
        let product = start.wrapping_mul(-1_640_531_527i32 as u32);
        let mixed = product ^ (product >> 15);
        let last = (mixed << 7).wrapping_add(mixed).wrapping_sub(start);
        assert_eq!(result[l as usize], last);
        assert_eq!(result[l as usize + 8], (last as i32 as f32).to_bits());
        assert_eq!(result[l as usize + 16], last & 0x3fff_ffff);
    }
}

#[test]
fn max_min_and_comparisons_of_nan_and_zeros() {
    let body = "v0 = f32 0x7fc00000 v1 = f32 2.0 v2 = max v0, v1 v3 = max v1, v0 v4 = min v0, v1
        v5 = f32 0.0 v6 = f32 -0.0 v7 = max v5, v6 v8 = cmp ne v0, v0 v9 = cmp eq v0, v0
        v10 = select v8, v1, v5 v11 = select v9, v1, v5 v12 = neg v5 v13 = abs v12 v14 = sqrt v1 v15 = div v1, v14
        store b0[0] = v2 store b0[1] = v3 store b0[2] = v4 store b0[3] = v7 store b0[4] = v10
        store b0[5] = v11 store b0[6] = v12 store b0[7] = v13 store b0[8] = v15";
    let result = output(&["f32"], body);
    let root = 2f32.sqrt();
    let expected = [2.0, f32::NAN, 2.0, -0.0, 2.0, 0.0, -0.0, 0.0, 2.0 / root];
    assert_eq!(result[..9], expected.map(f32::to_bits));
}

#[test]
fn let_index_divides_merged_loops() {
    let body = "for i0 in 0..12 { i1 = ((i0) / 4) i2 = ((i0) % 4) v0 = load b0[i0] store b1[8*i2 + i1] = v0 }";
    let result = floats(&output(&["f32", "f32"], body));
    assert!((0..12).all(|i| result[8 * (i % 4) + i / 4] == input(0, i)));
}

#[test]
fn tile_of_splats_and_vectors() {
    // Two output channels x two pixels, three taps; the bias starts the sums.
    let body = "lanes i9 { tile [i0:2, i1:2] reds [i2 in 0..3] a=b0[3*i0 + i2] b=b1[8*i1 + 8*i2 + i9] init=b0[i0 + 40]
        -> v0 { v1 = f32 0.0 v2 = max v0, v1 store b2[16*i0 + 8*i1 + i9] = v2 } }";
    let result = floats(&output(&["f32", "f32", "f32"], body));
    for (k, p, l) in (0..32).map(|i| (i / 16, i / 8 % 2, i % 8)) {
        let sum = (0..3).fold(input(0, k + 40), |sum, r| input(0, 3 * k + r).mul_add(input(1, 8 * p + 8 * r + l), sum));
        assert_eq!(result[16 * k + 8 * p + l], sum.max(0.0), "channel {k}, pixel {p}, lane {l}");
    }
}

#[test]
fn tile_of_vectors_reduces_in_order_and_joins_lanes() {
    let body = "lanes i9 { tile [i0:2] reds [i1 in 0..2, i2 in 0..2] a=b0[16*i1 + 8*i2 + i9] b=b1[8*i0 + 8*i1 + 3*i9]
        init=0 -> v0 { v1 = join add v0 store b2[i0] = v1 } }";
    let result = floats(&output(&["f32", "f32", "f32"], body));
    for (cell, &sum) in result[..2].iter().enumerate() {
        let lanes: [f32; 8] = std::array::from_fn(|l| {
            let taps = [(0, 0), (0, 1), (1, 0), (1, 1)];
            taps.iter()
                .fold(0.0, |sum, (i, j)| input(0, 16 * i + 8 * j + l).mul_add(input(1, 8 * cell + 8 * i + 3 * l), sum))
        });
        assert_eq!(sum, graphc_ir::scalar::join_lanes(lanes, |a, b| a + b));
    }
}

#[test]
fn tile_with_padding_reads_inside_only() {
    // A convolution of 5 pixels with 3 taps and padding 1, outside lanes; an empty reduction leaves the start value.
    let body = "for i0 in 0..5 {
        tile [i3:1] reds [i1 in max(0, 1 - i0)..min(3, 6 - i0)] a=b0[i0 + i1 - 1] b=b1[i1] init=0
        -> v0 { store b2[i0] = v0 }
        tile [] reds [i1 in 0..i0 - 4] a=b0[i1] b=b1[i1] init=b1[7] -> v1 { store b2[i0 + 8] = v1 } }";
    let result = floats(&output(&["f32", "f32", "f32"], body));
    for p in 0..5 {
        let taps = (0..3).filter(|r| (1..=5).contains(&(p + r)));
        assert_eq!(result[p], taps.fold(0.0, |sum, r| input(0, p + r - 1).mul_add(input(1, r), sum)));
        assert_eq!(result[p + 8], input(1, 7));
    }
}

#[test]
fn every_epilogue_runs_after_all_sums() {
    let body = "tile [i0:4] reds [i1 in 0..2] a=b0[4*i1] b=b0[i0] init=b0[i0 + 1] -> v0 { store b0[i0 + 1] = v0 }";
    let result = floats(&output(&["f32"], body));
    for i in 0..4 {
        let sum = input(0, 0).mul_add(input(0, i), input(0, i + 1));
        assert_eq!(result[i + 1], input(0, 4).mul_add(input(0, i), sum));
    }
}

#[test]
fn accesses_outside_buffers_are_errors_that_name_the_place() {
    let cases = [
        ("for i0 in 60..70 { v0 = load b0[i0] store b1[0] = v0 }", 64),
        ("lanes i0 { v0 = load b0[i0 + 60] }", 67),
        ("lanes i0 { v0 = load b0[9*i0 + 2] }", 65),
        ("v0 = f32 1.0 store b0[-1] = v0", -1),
        ("tile [i0:4] reds [i1 in 0..10] a=b0[0] b=b0[i0 + 7*i1] init=0 -> v0 {}", 66),
        ("tile [] reds [] a=b0[0] b=b0[0] init=b0[64] -> v0 {}", 64),
    ];
    for (body, index) in cases {
        let program = program(&["f32", "f32"], body);
        let error = run(&program, &mut inputs(2)).expect_err(body);
        let message = format!("kernel \"k\", nest \"n\": index {index} of buffer b0 \"t0\" with 64 words");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn programs_that_break_rules_are_refused() {
    let cases = [
        ("v0 = load b0[i7]", "i7 is not defined"),
        ("v0 = add v1, v2", "v1 is not defined"),
        ("v0 = acc a0", "a0 is read before it is set"),
        ("v0 = f32 1.0 v1 = exp v0", "exp is not part of the loop IR"),
        ("v0 = f32 1.0 v1 = i32 1 v2 = add v0, v1", "v1 is I32, expected F32"),
        ("lanes i0 { lanes i1 { } }", "a lanes region inside another"),
        ("lanes i0 { i1 = i0 }", "i1 depends on the lane"),
        ("i0 = load b0[0] in 0..3", "i0 is F32, expected I32"),
        ("v0 = f32 1.0 v1 = join add v0", "lanes are joined outside a lanes region"),
    ];
    for (body, message) in cases {
        let error = LoopInterp::new(&program(&["f32"], body)).expect_err(body);
        assert_eq!(error, InterpError::Invalid { kernel: "k".to_owned(), message: message.to_owned() });
    }
    let mut short = vec![0; 63];
    let error = run(&program(&["f32"], ""), &mut short).expect_err("the arena is too short");
    assert_eq!(error.to_string(), "an arena of 63 words for a program of 64");
}

#[test]
fn memory_binds_tensors_by_name() {
    let text = "program \"m\" (batch=17, arena=128) {
        buffer b0: i32 input \"label\" [17] batch=0 strides=[0] chunk=16 len=32 @0
        buffer b1: f32 output \"y\" [2,17] batch=1 strides=[16,0] chunk=32 len=64 @64
        kernel \"k\" { nest \"n\" { for i0 in 0..2 { for i1 in 0..2 { for i2 in 0..2 { lanes i3 {
          v0 = load b0[16*i0 + 8*i1 + i3] v1 = to_f32 v0 v2 = index i2 v3 = to_f32 v2 v4 = add v1, v3
          store b1[32*i0 + 16*i2 + 8*i1 + i3] = v4 } } } } } } }";
    let program: Program = text.parse().expect("the program reads");
    assert_eq!(verify(&program), []);
    let mut memory = Memory::new(&program);
    let labels = Tensor::from_fn(&[17], |index| index[0] as f32 - 3.0);
    memory.set(&program, BufferKind::Input, "label", &labels).expect("the label is bound");
    memory.run(&LoopInterp::new(&program).expect("the program is valid")).expect("the program runs");
    assert_eq!(memory.get(&program, BufferKind::Input, "label"), Ok(labels));
    let expected = Tensor::from_fn(&[2, 17], |index| index[1] as f32 - 3.0 + index[0] as f32);
    assert_eq!(memory.get(&program, BufferKind::Output, "y"), Ok(expected));
    let missing = memory.get(&program, BufferKind::State, "y").expect_err("y is an output");
    assert_eq!(missing.to_string(), "there is no state buffer \"y\"");
    let wrong = memory.set(&program, BufferKind::Input, "label", &Tensor::full(&[16], 0.0));
    assert_eq!(
        wrong.expect_err("the shape is another").to_string(),
        "\"label\" has shape [17], but the tensor has [16]"
    );
}

#[test]
fn constants_are_there_from_the_start() {
    let text = "program \"m\" (batch=1, arena=48) {
        buffer b0: f32 constant \"c\" [3] strides=[1] chunk=3 len=4 @16 words=[0x3f800000,0x40000000,0xc0400000,0]
        buffer b1: i32 constant \"d\" [2] strides=[1] chunk=2 len=2 @32 words=[2,-7]
        buffer b2: f32 output \"y\" [2] strides=[1] chunk=2 len=16 @0
        kernel \"k\" { nest \"n\" { for i0 in 0..2 { i1 = load b1[i0] in 0..3 v0 = load b0[i1] store b2[i0] = v0 } } } }";
    let program: Program = text.parse().expect("the program reads");
    assert_eq!(verify(&program), []);
    let mut memory = Memory::new(&program);
    memory.run(&LoopInterp::new(&program).expect("the program is valid")).expect("the program runs");
    assert_eq!(memory.get(&program, BufferKind::Output, "y").expect("there is y").data, [-3.0, 1.0]);
    let refused = memory.set(&program, BufferKind::Constant, "c", &Tensor::full(&[3], 0.0));
    assert_eq!(refused.expect_err("a constant stays").to_string(), "there is no constant buffer \"c\"");
}

#[test]
fn a_training_step_worth_of_tiles_is_quick() {
    let body = "for i0 in 0..13021 { lanes i9 {
        tile [i1:4, i2:2] reds [i3 in 0..6, i4 in 0..10] a=b0[i1 + 4*i3 + i4] b=b1[8*i2 + 4*i4 + i9] init=0
        -> v0 { store b2[8*i1 + 8*i2 + i9] = v0 } } }";
    let program = program(&["f32", "f32", "f32"], body);
    let interp = LoopInterp::new(&program).expect("the program is valid");
    let start = Instant::now();
    interp.run(&mut inputs(3)).expect("the program runs");
    // 6.25 million steps of 8 lanes; the bound leaves room for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// What a task reads of what another has left is a NaN, or absurd; the order of tasks shows in nothing else.
#[test]
fn tasks_find_poison_in_their_memory() {
    let run = |kernel: &str, order: Option<u64>| {
        let text = format!(
            "program \"m\" (batch=1, arena=32, member=16) {{
            buffer b0: f32 output \"y\" [32] strides=[1] chunk=32 len=32 @0
            buffer b1: f32 member \"t\" [1] strides=[1] chunk=1 len=16 @0
            kernel \"k\" {{ {kernel} }} }}"
        );
        let program: Program = text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"));
        let interp = LoopInterp::new(&program).expect("the program is valid");
        let interp = match order {
            Some(seed) => interp.in_random_order(seed),
            None => interp,
        };
        let mut memory = Memory::new(&program);
        memory.run(&interp).expect("the program runs");
        memory.get(&program, BufferKind::Output, "y").expect("there is y").data
    };
    let write = "i1 = ((i0 + 7) / 8) v0 = index i0 v1 = to_f32 v0";
    let good = format!(
        "parallel i0 in 0..32 {{ nest \"n\" {{ {write} store b1[0] = v1 v2 = load b1[0] store b0[i0] = v2 }} }}"
    );
    for order in [None, Some(1), Some(2)] {
        assert_eq!(run(&good, order), (0..32).map(|i| i as f32).collect::<Vec<f32>>());
    }
    // Only tasks with odd numbers write.
    let bad = format!(
        "parallel i0 in 0..32 {{ nest \"n\" {{ {write} for i2 in 0..((i0) % 2) {{ store b1[0] = v1 }} v2 = load b1[0]
         store b0[i0] = v2 }} }}"
    );
    let found = run(&bad, None);
    assert!((0..32).all(|i| found[i].is_nan() == (i % 2 == 0)), "{found:?}");
    // A loop whose iterations are not independent.
    let carried =
        "parallel i0 in 0..31 { nest \"n\" { v0 = load b0[i0] v1 = f32 1.0 v2 = add v0, v1 store b0[i0 + 1] = v2 } }";
    assert_ne!(run(carried, None), run(carried, Some(1)));
}
