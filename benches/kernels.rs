//! Speed of single register tiles, in programs built by hand: those that LeNet-5 needs, and other grids for the same
//! work.
//!
//! `cargo bench -p graphc-measure --bench kernels`; "elements" are floating-point operations, so Gelem/s are GFLOP/s.
//! Every tile runs as the assembler's and as Cranelift's (`portable`) code. In `cargo test` each runs once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graphc_codegen::{CodegenOptions, Isa, Target, compile};
use graphc_ir::DType;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::*;
use graphc_runtime::Executable;
use std::time::Duration;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = tiles
}
criterion_main!(benches);

/// A program, and its floating-point operations.
struct Case {
    name: String,
    program: Program,
    flops: usize,
}

/// Chunks of 16 samples in a step.
const CHUNKS: usize = 4;

fn tiles(criterion: &mut Criterion) {
    for (name, isa) in [("native", Isa::Native), ("portable", Isa::Portable)] {
        let target = Target::host(isa).expect("a supported host");
        let mut group = criterion.benchmark_group(format!("tiles/{name}"));
        for case in cases() {
            group.throughput(Throughput::Elements(case.flops as u64));
            group.bench_function(&case.name, |bencher| {
                let mut executable = ready(&case.program, &target);
                bencher.iter(|| executable.step().expect("unchecked code cannot fail"));
            });
        }
        group.finish();
    }
}

/// A convolution with 5 x 5 taps.
#[derive(Clone, Copy)]
struct Convolution {
    name: &'static str,
    channels: usize,
    /// Pixels of a side.
    size: usize,
    filters: usize,
}

const CONV1: Convolution = Convolution { name: "conv1", channels: 1, size: 28, filters: 6 };
const CONV2: Convolution = Convolution { name: "conv2", channels: 6, size: 12, filters: 16 };

/// Grids of channels or features by halves of a chunk, as the schedule makes them, and of channels by pixels.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for grid in [(2, 1), (4, 1), (6, 1), (2, 4)] {
        cases.push(conv_forward(&CONV1, grid));
    }
    for (k, q) in [(2, 1), (4, 1), (6, 1), (4, 2)] {
        cases.push(conv_forward(&Convolution { filters: 16 / k * k, ..CONV2 }, (k, q)));
    }
    for (c, w) in [(3, 1), (6, 1), (3, 2)] {
        cases.push(input_gradient(c, w));
    }
    for grid in [(5, 1), (3, 2), (2, 3)] {
        cases.push(kernel_gradient(&CONV1, grid));
        cases.push(kernel_gradient(&CONV2, grid));
    }
    for units in [2, 4, 6] {
        cases.push(dense(units));
    }
    cases
}

/// The program with its code, and numbers between 0 and 1 in its memory.
fn ready(program: &Program, target: &Target) -> Executable {
    let code = compile(program, target, &CodegenOptions::default()).expect("a valid program");
    let mut executable = Executable::new(program.clone(), code).expect("code of this program");
    for (i, word) in executable.arena_mut().iter_mut().enumerate() {
        *word = ((i * 7919 % 1000) as f32 / 1000.0).to_bits();
    }
    executable
}

/// `sum(coefficient * var) + offset`
fn affine(terms: &[(Var, usize)], offset: i64) -> Affine {
    terms.iter().fold(Affine::constant(offset), |sum, &(var, c)| sum.add_scaled(&Affine::var(var), c as i64))
}

fn access(buffer: u32, terms: &[(Var, usize)], offset: i64) -> Access {
    Access { buffer: BufId(buffer), index: affine(terms, offset) }
}

fn serial(var: Var, extent: usize, body: Vec<Stmt>) -> Stmt {
    Stmt::For { range: Range::new(var, extent), kind: LoopKind::Serial, body }
}

/// The nest for every chunk, on buffers of these lengths.
fn program(sizes: &[usize], nest: Vec<Stmt>) -> Program {
    let mut offset = 0;
    let mut buffers = Vec::new();
    for (i, &size) in sizes.iter().enumerate() {
        let layout = Layout { shape: vec![size], batch_axis: None, strides: vec![1], chunk_stride: size };
        let (name, len) = (format!("buffer{i}"), size);
        buffers.push(Buffer { name, kind: BufferKind::Temp, dtype: DType::F32, layout, len, offset, words: None });
        // Three lines apart, so that buffers do not alias in the cache.
        offset += size.div_ceil(16) * 16 + 48;
    }
    let nest = Stmt::Nest { name: "tile".to_owned(), nodes: Vec::new(), body: nest };
    let body = Stmt::For { range: Range::new(CHUNK, CHUNKS), kind: LoopKind::Parallel, body: vec![nest] };
    let kernel = Kernel { name: "kernel".to_owned(), role: KernelRole::Step, sources: Vec::new(), body: vec![body] };
    Program {
        name: "tiles".to_owned(),
        batch: 16 * CHUNKS,
        buffers,
        kernels: vec![kernel],
        arena_words: offset,
        member_words: 0,
    }
}

/// Variables: the chunk, the half of it, the lane, and the others.
const CHUNK: Var = Var(0);
const HALF: Var = Var(1);
const LANE: Var = Var(2);
const I: [Var; 10] = [Var(10), Var(11), Var(12), Var(13), Var(14), Var(15), Var(16), Var(17), Var(18), Var(19)];

fn lanes_tile(tile: Tile) -> Stmt {
    Stmt::Lanes { var: LANE, body: vec![Stmt::Tile(Box::new(tile))] }
}

/// A tile over both halves of a chunk: in the grid if there is no other `vectors` axis in it, else one after the
/// other.
fn halves_tile(features: (Var, usize), vectors: (Var, usize), tile: Tile) -> Stmt {
    if vectors.1 > 1 {
        return serial(HALF, 2, vec![lanes_tile(Tile { grid: vec![features, vectors], ..tile })]);
    }
    let without =
        |access: Access| Access { index: access.index.substitute(&|var| only_zero(var, vectors.0)), ..access };
    let epilogue = tile.epilogue.into_iter().map(|stmt| match stmt {
        Stmt::Store { to, value } => Stmt::Store { to: without(to), value },
        other => other,
    });
    let epilogue = epilogue.collect();
    lanes_tile(Tile { grid: vec![features, (HALF, 2)], a: without(tile.a), epilogue, ..tile })
}

/// The variable, or 0 if it is `zero`.
fn only_zero(var: Var, zero: Var) -> Affine {
    if var == zero { Affine::constant(0) } else { Affine::var(var) }
}

fn store(to: Access) -> Vec<Stmt> {
    vec![Stmt::Store { to, value: ValueId(0) }]
}

/// `y[k,p,q] = sum_{c,r,s} x[c,p+r,q+s] w[c,r,s,k]`
fn conv_forward(convolution: &Convolution, (tile_k, tile_q): (usize, usize)) -> Case {
    let Convolution { name, channels, size, filters } = *convolution;
    let out = size - 4;
    let out_tiled = out / tile_q * tile_q;
    let (x_plane, y_plane) = (size * size * 16 + 16, out * out * 16 + 16);
    let [kb, p, qb, c, r, s, k, q, ..] = I;
    let tile = Tile {
        grid: Vec::new(),
        reds: vec![Range::new(c, channels), Range::new(r, 5), Range::new(s, 5)],
        runs: None,
        a: access(
            0,
            &[
                (CHUNK, channels * x_plane),
                (c, x_plane),
                (p, size * 16),
                (r, size * 16),
                (qb, 16 * tile_q),
                (q, 16),
                (s, 16),
                (HALF, 8),
                (LANE, 1),
            ],
            0,
        ),
        b: access(1, &[(c, 25 * filters), (r, 5 * filters), (s, filters), (kb, tile_k), (k, 1)], 0),
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: store(access(
            2,
            &[
                (CHUNK, filters * y_plane),
                (kb, tile_k * y_plane),
                (k, y_plane),
                (p, out * 16),
                (qb, tile_q * 16),
                (q, 16),
                (HALF, 8),
                (LANE, 1),
            ],
            0,
        )),
    };
    let nest = serial(
        kb,
        filters / tile_k,
        vec![serial(p, out, vec![serial(qb, out / tile_q, vec![halves_tile((k, tile_k), (q, tile_q), tile)])])],
    );
    let sizes = [CHUNKS * channels * x_plane, channels * 25 * filters, CHUNKS * filters * y_plane];
    Case {
        name: format!("{name} forward k{tile_k} q{tile_q}"),
        program: program(&sizes, vec![nest]),
        flops: 2 * 16 * CHUNKS * out * out_tiled * (filters / tile_k * tile_k) * channels * 25,
    }
}

/// `dx[c,h,w] = sum_{k,r,s} dy[k,h-r,w-s] w[k,r,s,c]`, reduced where `dy` is.
fn input_gradient(tile_c: usize, tile_w: usize) -> Case {
    let (channels, size, filters, out) = (6, 12, 16, 8);
    let (x_plane, y_plane) = (size * size * 16 + 16, (out + 8) * (out + 8) * 16 + 16);
    let [cb, h, wb, k, r, s, c, w, ..] = I;
    // With several pixels in the grid, `dy` is padded by 4 on every side and `s` is free.
    let padded = tile_w > 1;
    let tap = |at: Var, tap: Var| Range {
        var: tap,
        low: Bound(vec![Affine::constant(0), Affine::var(at).plus_constant(1 - out as i64)]),
        high: Bound(vec![Affine::constant(5), Affine::var(at).plus_constant(1)]),
    };
    let s_range = if padded { Range::new(s, 5) } else { tap(wb, s) };
    let row = (out + 8) * 16;
    let mut a = affine(
        &[(CHUNK, filters * y_plane), (k, y_plane), (h, row), (wb, 16 * tile_w), (w, 16), (HALF, 8), (LANE, 1)],
        (4 * row + 4 * 16) as i64,
    );
    a = a.add_scaled(&Affine::var(r), -(row as i64)).add_scaled(&Affine::var(s), -16);
    let tile = Tile {
        grid: Vec::new(),
        reds: vec![tap(h, r), s_range, Range::new(k, filters)],
        runs: None,
        a: Access { buffer: BufId(0), index: a },
        b: access(1, &[(k, 25 * channels), (r, 5 * channels), (s, channels), (cb, tile_c), (c, 1)], 0),
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: store(access(
            2,
            &[
                (CHUNK, channels * x_plane),
                (cb, tile_c * x_plane),
                (c, x_plane),
                (h, size * 16),
                (wb, 16 * tile_w),
                (w, 16),
                (HALF, 8),
                (LANE, 1),
            ],
            0,
        )),
    };
    let nest = serial(
        cb,
        channels / tile_c,
        vec![serial(h, size, vec![serial(wb, size / tile_w, vec![halves_tile((c, tile_c), (w, tile_w), tile)])])],
    );
    let sizes = [CHUNKS * filters * y_plane, filters * 25 * channels, CHUNKS * channels * x_plane];
    // Useful work: every pair of an output pixel and a tap.
    let flops = 2 * 16 * CHUNKS * out * out * 25 * filters * channels;
    let name = format!("conv2 input gradient c{tile_c} w{tile_w}{}", if padded { " padded" } else { "" });
    Case { name, program: program(&sizes, vec![nest]), flops }
}

/// `dw[c,r,s,k] = sum_{p,q,n} x[c,p+r,q+s] dy[k,p,q]`, one partial sum per chunk.
fn kernel_gradient(convolution: &Convolution, (taps, tile_k): (usize, usize)) -> Case {
    let Convolution { name, channels, size, filters } = *convolution;
    let out = size - 4;
    let (x_plane, y_plane) = (size * size * 16 + 16, out * out * 16 + 16);
    let [c, r, sb, kb, ..] = I;
    let blocks = 5usize.div_ceil(taps);
    let weights = channels * 25 * filters;
    let tile = kernel_gradient_tile(convolution, (taps, tile_k));
    let over_k = serial(kb, filters / tile_k, vec![lanes_tile(tile)]);
    let nest = serial(c, channels, vec![serial(r, 5, vec![serial(sb, blocks, vec![over_k])])]);
    let sizes = [CHUNKS * channels * x_plane + 64, CHUNKS * filters * y_plane, CHUNKS * weights * 2];
    let done = channels * 5 * blocks * taps * (filters / tile_k * tile_k);
    Case {
        name: format!("{name} kernel gradient s{taps} k{tile_k}"),
        program: program(&sizes, vec![nest]),
        flops: 2 * 16 * CHUNKS * out * out * done,
    }
}

fn kernel_gradient_tile(convolution: &Convolution, (taps, tile_k): (usize, usize)) -> Tile {
    let Convolution { channels, size, filters, .. } = *convolution;
    let out = size - 4;
    let (x_plane, y_plane) = (size * size * 16 + 16, out * out * 16 + 16);
    let [c, r, sb, kb, p, q, half, s, k, _] = I;
    let images = access(
        0,
        &[
            (CHUNK, channels * x_plane),
            (c, x_plane),
            (p, size * 16),
            (r, size * 16),
            (q, 16),
            (sb, 16 * taps),
            (s, 16),
            (half, 8),
            (LANE, 1),
        ],
        0,
    );
    let gradients = access(
        1,
        &[
            (CHUNK, filters * y_plane),
            (kb, tile_k * y_plane),
            (k, y_plane),
            (p, out * 16),
            (q, 16),
            (half, 8),
            (LANE, 1),
        ],
        0,
    );
    let result = access(
        2,
        &[
            (CHUNK, 2 * channels * 25 * filters),
            (c, 25 * filters),
            (r, 5 * filters),
            (sb, taps * filters),
            (s, filters),
            (kb, tile_k),
            (k, 1),
        ],
        0,
    );
    let sum = Stmt::Let { value: ValueId(1), expr: Expr::JoinLanes(Join::Add, ValueId(0)) };
    Tile {
        grid: vec![(s, taps), (k, tile_k)],
        reds: vec![Range::new(p, out), Range::new(q, out), Range::new(half, 2)],
        runs: None,
        a: images,
        b: gradients,
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: vec![sum, Stmt::Store { to: result, value: ValueId(1) }],
    }
}

/// `y[u,n] = sum_i x[i,n] w[i,u]`: 256 inputs, 120 units.
fn dense(tile_u: usize) -> Case {
    let (inputs, units) = (256, 120);
    let [ub, i, u, ..] = I;
    let tile = Tile {
        grid: vec![(u, tile_u), (HALF, 2)],
        reds: vec![Range::new(i, inputs)],
        runs: None,
        a: access(0, &[(CHUNK, inputs * 16), (i, 16), (HALF, 8), (LANE, 1)], 0),
        b: access(1, &[(i, units), (ub, tile_u), (u, 1)], 0),
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: store(access(2, &[(CHUNK, units * 16), (ub, tile_u * 16), (u, 16), (HALF, 8), (LANE, 1)], 0)),
    };
    let nest = serial(ub, units / tile_u, vec![lanes_tile(tile)]);
    let sizes = [CHUNKS * inputs * 16, inputs * units, CHUNKS * units * 16];
    Case {
        name: format!("dense 256x120 u{tile_u}"),
        program: program(&sizes, vec![nest]),
        flops: 2 * 16 * CHUNKS * inputs * units,
    }
}
