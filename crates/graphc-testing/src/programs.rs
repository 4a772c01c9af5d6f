//! Random loop programs: valid, in bounds and deterministic, with every statement and operation.
//!
//! They are for proving that two executors agree bit for bit, so nothing in them depends on what the loop IR leaves
//! open:
//!
//! * two programs in three are tame, so that a wrong number is not lost among infinities: a bound of every value is
//!   followed, what grows is clamped, roots get positive operands and divisors are at least 0.5. Infinities and NaNs
//!   are compared and clamped with only;
//! * the third is wild: anything may become infinite or NaN. The bits of a NaN are not defined, so nothing asks for
//!   them, and executors are compared by what is NaN;
//! * iterations of a parallel loop write rows of their own, and read what others write only in their own row;
//! * every index comes from expressions of known range.
//!
//! A program is made from a list of numbers that decide one choice each; a list that ends early goes on as zeros, the
//! simplest choice. So proptest shrinks programs by shrinking lists.
//!
//! Reading order: [`programs`], `index` (what can stand in an index), `scope`, `body` (statements), `values`
//! (operations).

mod body;
mod choices;
mod index;
mod scope;
mod values;

use body::Body;
use choices::Choices;
use graphc_ir::index::Affine;
use graphc_ir::loops::{Buffer, BufferKind, Kernel, KernelRole, Layout, LoopKind, Program, Range, Stmt};
use graphc_ir::{DType, NodeId};
use index::{Known, Window};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use std::fmt;

/// A program and the arena it starts from.
#[derive(Clone)]
pub struct TestProgram {
    /// Verified to be valid by the tests of this crate.
    pub program: Program,
    /// Words of every buffer: any integers; reals from -4 to 4, among them zeros, subnormal numbers and numbers whose
    /// products are subnormal. In a wild program also infinite and huge ones and NaNs.
    pub arena: Vec<u32>,
    /// Whether numbers may become infinite or NaN.
    pub wild: bool,
}

impl fmt::Debug for TestProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.program)
    }
}

/// Random programs.
pub fn programs() -> impl Strategy<Value = TestProgram> {
    vec(any::<u32>(), 0..1200).prop_map(|choices| program_from(&choices))
}

/// The program that a list of choices gives.
pub fn program_from(choices: &[u32]) -> TestProgram {
    let mut choices = Choices::new(choices);
    let mut buffers = buffers(&mut choices);
    let arena_words = buffers.iter().map(|buffer| buffer.offset + buffer.len).max().unwrap_or(0);
    let n_kernels = 1 + choices.pick(3);
    let wild = choices.rarely(3);
    let kernels = (0..n_kernels).map(|number| kernel(&mut choices, &buffers, number, wild)).collect();
    let arena = arena(&buffers, arena_words, wild);
    for buffer in buffers.iter_mut().filter(|buffer| buffer.kind == BufferKind::Constant) {
        buffer.words = Some(arena[buffer.offset..buffer.offset + buffer.len].into());
    }
    let name = "random".to_owned();
    TestProgram { wild, program: Program { name, batch: 1, buffers, kernels, arena_words, member_words: 0 }, arena }
}

/// One buffer of every kind and type that kernels write to, and one or two more.
fn buffers(choices: &mut Choices<'_>) -> Vec<Buffer> {
    let mut roster = vec![
        ("x", BufferKind::Input, DType::F32),
        ("label", BufferKind::Input, DType::I32),
        ("w", BufferKind::State, DType::F32),
        ("count", BufferKind::State, DType::I32),
        ("y", BufferKind::Output, DType::F32),
        ("bits", BufferKind::Output, DType::I32),
        ("table", BufferKind::Constant, DType::F32),
        ("order", BufferKind::Constant, DType::I32),
    ];
    let temps = [("t0", BufferKind::Temp, DType::F32), ("t1", BufferKind::Temp, DType::F32)];
    roster.extend(&temps[..choices.pick(3)]);
    let mut offset = 0;
    let mut buffers = Vec::new();
    for (name, kind, dtype) in roster {
        let len = [128, 64, 208, 512][choices.pick(4)];
        let layout = Layout { shape: vec![len], batch_axis: None, strides: vec![1], chunk_stride: len };
        buffers.push(Buffer { name: name.to_owned(), kind, dtype, layout, len, offset, words: None });
        offset += len;
    }
    buffers
}

/// Words that look random; the same for the same sizes.
fn arena(buffers: &[Buffer], words: usize, wild: bool) -> Vec<u32> {
    let mut arena = vec![0; words];
    for buffer in buffers {
        for (at, word) in arena.iter_mut().enumerate().skip(buffer.offset).take(buffer.len) {
            let mixed = (at as u32 + 1).wrapping_mul(0x9e37_79b9);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b);
            let mixed = mixed ^ (mixed >> 13);
            *word = match buffer.dtype {
                // Some are indices of other buffers.
                DType::I32 if !mixed.is_multiple_of(4) => (mixed >> 8) % 72,
                DType::I32 => mixed,
                DType::F32 => real(mixed, wild).to_bits(),
            };
        }
    }
    arena
}

/// A real number made of random bits.
fn real(bits: u32, wild: bool) -> f32 {
    let (sign, fraction) = (bits & 1 << 31, bits >> 8 & 0x7f_ffff);
    let signed = |magnitude: u32| f32::from_bits(sign | magnitude);
    match bits % 16 {
        0 => signed(0),
        1 => signed(fraction),
        // Neighbours of the smallest normal number, and of 1.
        2 => signed(0x0080_0000 - 2 + fraction % 5),
        3 => signed(0x3f80_0000 - 2 + fraction % 5),
        // Their products are subnormal, or nearly so; and small normal numbers.
        4 => signed((63 + fraction % 2) << 23 | fraction),
        5 => signed((1 + fraction % 24) << 23 | fraction),
        6 if wild => signed([0x7f80_0000, 0x7fc0_0000, 0x7f7f_ffff, 0x7e00_0000 | fraction][fraction as usize % 4]),
        _ => (bits as f32) / (u32::MAX as f32) * 8.0 - 4.0,
    }
}

fn kernel(choices: &mut Choices<'_>, buffers: &[Buffer], number: usize, wild: bool) -> Kernel {
    let mut body = Body::new(choices, buffers);
    body.wild = wild;
    let n_phases = 1 + body.choices.pick(3);
    let phases = (0..n_phases).map(|phase| self::phase(&mut body, buffers, phase)).collect();
    let (name, sources) = (format!("k{number}"), vec!["random \"code\"".to_owned(); number]);
    Kernel { name, role: KernelRole::Step, sources, body: phases }
}

/// A top-level statement: a parallel or serial loop over nests, or a nest.
fn phase(body: &mut Body<'_, '_>, buffers: &[Buffer], number: usize) -> Stmt {
    body.windows = buffers.iter().map(Window::whole).collect();
    let kind = match body.choices.pick(4) {
        0 | 1 => LoopKind::Parallel,
        2 => LoopKind::Serial,
        _ => return nest(body, number),
    };
    let extent = 1 + body.choices.pick(6);
    let var = body.fresh_var();
    if kind == LoopKind::Parallel {
        let writable: Vec<usize> = (0..buffers.len()).filter(|&buffer| body.windows[buffer].writable).collect();
        let first = body.choices.pick(writable.len());
        for (position, &buffer) in writable.iter().enumerate() {
            let written = position == first || body.choices.pick(2) == 1;
            let window = &mut body.windows[buffer];
            window.writable = written;
            if written {
                window.len = buffers[buffer].len / extent;
                window.start = Affine::var(var).times(window.len as i64);
            }
        }
    }
    body.known = vec![Known::counted(var, 0, extent as i64 - 1)];
    let n_nests = 1 + body.choices.pick(2);
    let nests = (0..n_nests).map(|nest| self::nest(body, 10 * number + nest)).collect();
    body.known.clear();
    Stmt::For { range: Range::new(var, extent), kind, body: nests }
}

fn nest(body: &mut Body<'_, '_>, number: usize) -> Stmt {
    let (name, first) = (format!("n{number}"), number as u32);
    let nodes = (first..first + first % 3).map(NodeId).collect();
    Stmt::Nest { name, nodes, body: body.nest() }
}
