//! Subnormal numbers in machine code: each operation of the loop IR against `graphc_ir::scalar::flushed` on millions of
//! operands, and the processor's mode outside machine code.

use graphc_codegen::{CodegenError, CodegenOptions, Isa, Target, compile};
use graphc_ir::DType;
use graphc_ir::loops::{Program, verify};
use graphc_ir::scalar::flushed::{canonical, fma};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp, join_lanes, maximum};
use graphc_runtime::{Executable, Team};
use graphc_testing::counts::count;
use std::hint::black_box;

/// Words of a buffer.
const N: usize = 2048;

/// One operation: its statements, which make `v9` of the operands `v0`, `v1` and `v2`, and what it should be.
struct Case {
    stmt: String,
    value: Box<dyn Fn([f32; 3]) -> f32>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |stmt: String, value: Box<dyn Fn([f32; 3]) -> f32>| cases.push(Case { stmt, value });
    for op in BinaryOp::ALL.into_iter().filter(|op| !op.is_integer()) {
        add(format!("v9 = {} v0, v1", op.name()), Box::new(move |[a, b, _]| op.eval_f32(a, b)));
    }
    let is_of_numbers = |op: &UnaryOp| op.types() == [DType::F32; 2] && !op.is_function();
    for op in UnaryOp::ALL.into_iter().filter(is_of_numbers) {
        let value = move |[a, ..]: [f32; 3]| f32::from_bits(op.eval_word(a.to_bits()));
        add(format!("v9 = {} v0", op.name()), Box::new(value));
    }
    for op in CmpOp::ALL {
        // What is selected keeps its bits, also where operands are selected by their own comparison.
        for [then, otherwise] in [[2, 0], [0, 1], [1, 0]] {
            let stmt = format!("v3 = cmp {} v0, v1 v9 = select v3, v{then}, v{otherwise}", op.name());
            let value = move |all: [f32; 3]| if op.eval_f32(all[0], all[1]) { all[then] } else { all[otherwise] };
            add(stmt, Box::new(value));
        }
    }
    add("v9 = fma v0, v1, v2".to_owned(), Box::new(|[a, b, c]| fma(a, b, c)));
    cases
}

/// `b3 = op(b0, b1, b2)`: with lanes, with lanes in a loop that the assembler does not know, and word by word.
fn program_of(case: &Case) -> Program {
    let mut text = format!("program \"op\" (batch=1, arena={}) {{\n", 4 * N);
    for number in 0..4 {
        let kind = if number == 3 { "output" } else { "input" };
        let at = number * N;
        text += &format!("buffer b{number}: f32 {kind} \"t{number}\" [{N}] strides=[1] chunk={N} len={N} @{at}\n");
    }
    let (quarter, half) = (N / 4, N / 2);
    // Values have other numbers in every nest.
    let body = |nest: usize, index: &str, more: &str| {
        let loads: Vec<String> = (0..3).map(|number| format!("v{number} = load b{number}[{index}]")).collect();
        let text = format!("{} {} {more} store b3[{index}] = v9", loads.join(" "), case.stmt);
        text.replace(" v", &format!(" v{nest}")).replacen('v', &format!("v{nest}"), 1)
    };
    text += &format!(
        "kernel \"k\" from \"a\" {{
         nest \"lanes\" {{ lanes i0 {{ for i1 in 0..{} {{ {} }} }} }}
         nest \"mixed\" {{ lanes i0 {{ for i1 in {}..{} {{ {} }} }} }}
         nest \"scalar\" {{ for i1 in {half}..{N} {{ {} }} }} }} }}",
        quarter / 8,
        body(1, "i0 + 8*i1", ""),
        quarter / 8,
        half / 8,
        body(2, "i0 + 8*i1", "v7 = index i0 v8 = iadd v7, v7"),
        body(3, "i1", ""),
    );
    let program: Program = text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"));
    assert_eq!(verify(&program), []);
    program
}

/// Machine code for every set of instructions that this processor has.
fn executables(program: &Program) -> Vec<(Isa, Executable)> {
    [Isa::Native, Isa::Avx512, Isa::Avx2, Isa::Fma, Isa::Portable, Isa::Baseline]
        .into_iter()
        .filter_map(|isa| {
            let target = match Target::host(isa) {
                Err(CodegenError::Target(_)) => return None,
                target => target.expect("a target"),
            };
            let code = compile(program, &target, &CodegenOptions::default()).expect("it compiles");
            Some((isa, Executable::new(program.clone(), code).expect("code of this program")))
        })
        .collect()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }

    /// A number with an exponent; its last bits are often all zeros or all ones.
    fn with_exponent(&mut self, exponent: i32) -> f32 {
        let mantissa = match self.below(4) {
            0 => self.next() & 0x7f_ffff,
            1 => 0x7f_ffff - self.below(4),
            2 => self.below(4),
            _ => (self.next() & 0x7f_ffff) & (0x7f_ffff << self.below(24)),
        };
        let sign = self.next() & 1 << 31;
        f32::from_bits(sign | ((exponent + 127).clamp(0, 254) as u32) << 23 | mantissa)
    }

    /// Operands whose product, quotient, sum or multiply-add lies near 2^-126 more often than not.
    fn operands(&mut self) -> [f32; 3] {
        if self.below(8) == 0 {
            const SPECIAL: [u32; 12] = [
                0,
                1,
                0x007f_ffff,
                0x0080_0000,
                0x0080_0001,
                0x00ff_ffff,
                0x3f80_0000,
                0x3f7f_ffff,
                0x7f7f_ffff,
                0x7f80_0000,
                0x7fc0_0000,
                0x2000_0000,
            ];
            return std::array::from_fn(|_| f32::from_bits(SPECIAL[self.below(12) as usize] | self.next() & 1 << 31));
        }
        let exponent = self.below(254) as i32 - 126;
        let near = |this: &mut Self| this.below(5) as i32 - 3;
        let a = self.with_exponent(exponent);
        let shift = near(self);
        // Products: exponents add up to about -126; quotients: their difference is that; sums: both are.
        let b = match self.below(3) {
            0 => self.with_exponent(-126 - exponent + shift),
            1 => self.with_exponent(exponent + 126 + shift),
            _ => self.with_exponent(exponent + shift),
        };
        let c = match self.below(4) {
            0 => {
                let exponent = -126 + self.below(30) as i32;
                self.with_exponent(exponent)
            }
            // The product is cancelled up to what its rounding left.
            1 => -(a * b),
            2 => f32::from_bits((-(a * b)).to_bits().wrapping_add(self.below(3)).wrapping_sub(1)),
            _ => self.with_exponent(-127),
        };
        [a, b, c]
    }
}

#[test]
fn operations_give_the_bits_of_the_definition() {
    let mut random = Random(1);
    for case in cases() {
        let mut executables = executables(&program_of(&case));
        // 160,000 operands of each operation, or 800,000; `GRAPHC_ROUNDS=10000` for 20 million.
        let rounds = count("GRAPHC_ROUNDS", 80, 400);
        for _ in 0..rounds {
            let operands: Vec<[f32; 3]> = (0..N).map(|_| random.operands()).collect();
            let expected: Vec<u32> =
                operands.iter().map(|&operands| canonical((case.value)(operands)).to_bits()).collect();
            for (isa, executable) in &mut executables {
                let arena = executable.arena_mut();
                for (number, buffer) in arena[..3 * N].chunks_mut(N).enumerate() {
                    buffer.iter_mut().zip(&operands).for_each(|(word, operands)| *word = operands[number].to_bits());
                }
                executable.step().expect("unchecked code cannot fail");
                for (at, (&found, &expected)) in executable.arena()[3 * N..4 * N].iter().zip(&expected).enumerate() {
                    let found = canonical(f32::from_bits(found)).to_bits();
                    assert!(
                        found == expected,
                        "{isa:?}, word {at}: {} of {:x?} is {found:#x}, expected {expected:#x}",
                        case.stmt,
                        operands[at].map(f32::to_bits)
                    );
                }
            }
        }
    }
}

/// Lanes are joined as numbers are added: subnormal ones as zeros, subnormal sums to zeros.
#[test]
fn tiles_and_joins() {
    let text = "program \"t\" (batch=1, arena=256) {
        buffer b0: f32 input \"a\" [64] strides=[1] chunk=64 len=64 @0
        buffer b1: f32 input \"b\" [64] strides=[1] chunk=64 len=64 @64
        buffer b2: f32 output \"y\" [128] strides=[1] chunk=128 len=128 @128
        kernel \"k\" from \"a\" { nest \"n\" { lanes i0 {
          tile [i1:4] reds [i2 in 0..3] a=b0[i1 + i2] b=b1[8*i2 + i0] init=0 -> v0 { v1 = join add v0 v2 = join max v0
            store b2[8*i1 + i0] = v0 store b2[i1 + 64] = v1 store b2[i1 + 72] = v2 }
          tile [i3:2] reds [i4 in 0..2] a=b0[i0 + i4] b=b1[i3 + i4] init=b0[i0] -> v3 { store b2[8*i3 + i0 + 32] = v3 }
          tile [i5:1] reds [i6 in 0..0] a=b0[i0] b=b1[i0] init=b0[i0] -> v4 { store b2[i0 + 48] = v4 } } } } }";
    let program: Program = text.parse().expect("a program");
    assert_eq!(verify(&program), []);
    let mut random = Random(2);
    let mut executables = executables(&program);
    for _ in 0..count("GRAPHC_ROUNDS", 1_000, 5_000) {
        let words: Vec<u32> = (0..128).map(|at| random.operands()[at % 2].to_bits()).collect();
        let number = |at: usize| f32::from_bits(words[at]);
        let mut expected = vec![0_u32; 128];
        let mut set = |at: usize, value: f32| expected[at] = canonical(value).to_bits();
        for i1 in 0..4 {
            let lanes: [f32; 8] = std::array::from_fn(|i0| {
                (0..3).fold(0.0, |sum, i2| fma(number(i1 + i2), number(64 + 8 * i2 + i0), sum))
            });
            lanes.iter().enumerate().for_each(|(i0, &lane)| set(8 * i1 + i0, lane));
            set(i1 + 64, join_lanes(lanes, |a, b| BinaryOp::Add.eval_f32(a, b)));
            set(i1 + 72, join_lanes(lanes, maximum));
        }
        for (i3, i0) in (0..16).map(|at| (at / 8, at % 8)) {
            let sum = (0..2).fold(number(i0), |sum, i4| fma(number(i0 + i4), number(64 + i3 + i4), sum));
            set(8 * i3 + i0 + 32, sum);
            // A sum of nothing is what it started from.
            set(i0 + 48, number(i0));
        }
        for (isa, executable) in &mut executables {
            executable.arena_mut()[..128].copy_from_slice(&words);
            executable.step().expect("unchecked code cannot fail");
            for (at, &expected) in expected.iter().enumerate() {
                let found = canonical(f32::from_bits(executable.arena()[128 + at])).to_bits();
                assert!(found == expected, "{isa:?}, word {at} is {found:#x}, expected {expected:#x}");
            }
        }
    }
}

/// Half of the smallest normal number, unless the processor flushes.
fn half_of_smallest() -> f32 {
    black_box(f32::MIN_POSITIVE) * black_box(0.5)
}

/// The control word that is in force.
#[cfg(target_arch = "x86_64")]
fn control_word() -> u32 {
    let mut word = 0_u32;
    // SAFETY: stores the register's four bytes in `word`; changes nothing else.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
    // But for the flags of exceptions, which every operation may raise.
    word & !0x3f
}

/// The mode is in force in phases alone: not behind a step, nor in a caller's own work on other threads, nor behind one
/// that failed.
#[test]
fn the_mode_ends_with_the_phase() {
    let text = "program \"p\" (batch=1, arena=128) {
        buffer b0: f32 state \"x\" [64] strides=[1] chunk=64 len=64 @0
        buffer b1: f32 output \"y\" [64] strides=[1] chunk=64 len=64 @64
        kernel \"k\" from \"a\" {
          parallel i0 in 0..8 { nest \"n\" { lanes i1 { v0 = load b0[8*i0 + i1] v1 = f32 0.5 v2 = mul v0, v1 store b1[8*i0 + i1] = v2 } } }
          nest \"last\" { for i2 in 0..END { v3 = load b0[i2] store b1[0] = v3 } } } }";
    let program: Program = text.replace("END", "64").parse().expect("a program");
    let failing: Program = text.replace("END", "65").parse().expect("a program");
    #[cfg(target_arch = "x86_64")]
    let before = control_word();
    for isa in [Isa::Native, Isa::Baseline] {
        for n_members in [1, 2, 5] {
            let mut team = Team::new(n_members).expect("a small team");
            let target = Target::host(isa).expect("a target");
            for (program, checked) in [(&program, false), (&program, true), (&failing, true)] {
                let options = CodegenOptions { checked };
                let code = compile(program, &target, &options).expect("it compiles");
                let mut executable = Executable::new(program.clone(), code).expect("code of this program");
                executable.arena_mut()[..64].fill(f32::MIN_POSITIVE.to_bits());
                for _ in 0..20 {
                    let result = executable.step_on(&mut team);
                    assert_eq!(result.is_err(), std::ptr::eq(program, &raw const failing));
                    assert_eq!(executable.arena()[65..128], [0; 63], "flushed inside");
                    assert_eq!(half_of_smallest().to_bits(), 0x0040_0000, "{isa:?}, {n_members} members");
                    let mut words = vec![0; 40];
                    team.for_each_part(&mut words, 1, &|_, part| part[0] = half_of_smallest().to_bits());
                    assert_eq!(words, [0x0040_0000; 40], "{isa:?}, {n_members} members");
                    #[cfg(target_arch = "x86_64")]
                    assert_eq!(control_word(), before);
                }
            }
        }
    }
}

/// Whatever leaves the machine has one NaN.
#[test]
fn one_nan_leaves_the_machine() {
    let text = "program \"p\" (batch=1, arena=64) {
        buffer b0: f32 state \"x\" [4] strides=[1] chunk=4 len=4 @0
        buffer b1: f32 output \"y\" [] strides=[] chunk=1 len=1 @16
        kernel \"k\" from \"a\" { nest \"n\" { v0 = load b0[0] v1 = f32 0.0 v2 = div v1, v1 v3 = add v0, v2 store b1[0] = v3 } } }";
    use graphc_ir::loops::BufferKind::{Output, State};
    for (_, mut executable) in executables(&text.parse().expect("a program")) {
        let nans = [0x7fc0_1234, 0xffc0_0000, 0x7f80_0001, 0x7fff_ffff].map(f32::from_bits);
        executable.set(State, "x", &nans).expect("x is there");
        executable.step().expect("unchecked code cannot fail");
        let bits = |kind, name| {
            executable.get(kind, name).expect("a tensor").data.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(State, "x"), [0x7fc0_0000; 4]);
        assert_eq!(bits(Output, "y"), [0x7fc0_0000]);
        assert_eq!(executable.scalar(Output, "y").expect("y is there").to_bits(), 0x7fc0_0000);
    }
}
