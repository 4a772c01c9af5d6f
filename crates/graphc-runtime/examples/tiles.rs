//! Speed of the tiles that LeNet-5 needs, by hand-built programs: `cargo run --release --example tiles`.
//! A first argument prints the assembly of the kernels whose name contains it, a second one skips all others.

#![allow(clippy::print_stdout, reason = "a report")]

use graphc_codegen::{CodegenOptions, Isa, Target, compile};
use graphc_ir::DType;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::*;
use graphc_runtime::Executable;
use std::time::Instant;

/// A program, and its floating-point operations.
struct Case {
    name: String,
    program: Program,
    flops: f64,
}

const CHUNKS: usize = 4;

fn main() {
    let shown = std::env::args().nth(1);
    let target = Target::host(Isa::Native).expect("a supported host");
    println!("{target}");
    let mut cases = Vec::new();
    for k in [1, 2, 3, 4, 5, 6] {
        cases.push(conv_forward("conv1", 1, 28, 6, k, 1));
    }
    for (k, q) in [(1, 4), (1, 6), (2, 2), (2, 3), (3, 2)] {
        cases.push(conv_forward("conv1", 1, 28, 6, k, q));
    }
    for k in [1, 2, 4, 5, 6] {
        cases.push(conv_forward("conv2", 6, 12, if k == 5 { 15 } else { 16 } / k * k, k, 1));
    }
    for (k, q) in [(1, 4), (2, 2), (2, 4), (4, 2)] {
        cases.push(conv_forward("conv2", 6, 12, 16, k, q));
    }
    for (c, q) in [(1, 1), (2, 1), (3, 1), (6, 1), (2, 2), (3, 2), (2, 3)] {
        cases.push(input_gradient(c, q));
    }
    for (taps, k) in [(5, 1), (3, 2), (2, 2), (2, 3), (1, 4), (1, 5)] {
        cases.push(kernel_gradient("conv2 dw", 6, 12, 16, taps, k));
        cases.push(kernel_gradient("conv1 dw", 1, 28, 6, taps, k));
    }
    for units in [1, 2, 4, 5, 6] {
        cases.push(dense(units));
    }
    for case in &cases {
        if std::env::args().nth(2).is_some_and(|only| !case.name.contains(&only)) {
            continue;
        }
        if let Some(shown) = &shown
            && case.name.contains(shown.as_str())
        {
            let code = compile(&case.program, &target, &CodegenOptions { checked: false, keep_text: true });
            for text in code.expect("a valid program").texts() {
                println!("{}\n{}\n{}", text.name, text.clif, text.asm);
            }
        }
        measure(case, &target);
    }
}

/// Best time of many runs.
fn measure(case: &Case, target: &Target) {
    let start = Instant::now();
    let code = compile(&case.program, target, &CodegenOptions::default()).expect("a valid program");
    let compile_us = start.elapsed().as_secs_f64() * 1e6;
    let mut executable = Executable::new(case.program.clone(), code).expect("code of this program");
    for (i, word) in executable.arena_mut().iter_mut().enumerate() {
        *word = ((i * 7919 % 1000) as f32 / 1000.0).to_bits();
    }
    let mut best = f64::INFINITY;
    for _ in 0..400 {
        let start = Instant::now();
        executable.step().expect("unchecked code cannot fail");
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (gflops, us) = (case.flops / best / 1e9, best * 1e6);
    println!("{:28} {gflops:6.1} GFLOP/s {us:8.1} us, compiled in {compile_us:6.0} us", case.name);
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

fn program(sizes: &[usize], nest: Vec<Stmt>, chunk: Option<Var>) -> Program {
    let mut offset = 0;
    let mut buffers = Vec::new();
    for (i, &size) in sizes.iter().enumerate() {
        let layout = Layout { shape: vec![size], batch_axis: None, strides: vec![1], chunk_stride: size };
        let (name, len) = (format!("buffer{i}"), size);
        buffers.push(Buffer { name, kind: BufferKind::Temp, dtype: DType::F32, layout, len, offset });
        // Three lines apart, so that buffers do not alias in the cache.
        offset += size.div_ceil(16) * 16 + 48;
    }
    let nest = Stmt::Nest { name: "tile".to_owned(), body: nest };
    let body = match chunk {
        Some(var) => Stmt::For { range: Range::new(var, CHUNKS), kind: LoopKind::Parallel, body: vec![nest] },
        None => nest,
    };
    let kernel = Kernel { name: "kernel".to_owned(), sources: Vec::new(), body: vec![body] };
    Program {
        name: "tiles".to_owned(),
        batch: 16 * CHUNKS,
        buffers,
        kernels: vec![kernel],
        n_prologue: 0,
        arena_words: offset,
    }
}

const CHUNK: Var = Var(0);
const HALF: Var = Var(1);
const LANE: Var = Var(2);
const I: [Var; 10] = [Var(10), Var(11), Var(12), Var(13), Var(14), Var(15), Var(16), Var(17), Var(18), Var(19)];

fn lanes_tile(half: bool, tile: Tile) -> Stmt {
    let lanes = Stmt::Lanes { var: LANE, body: vec![Stmt::Tile(tile)] };
    if half { serial(HALF, 2, vec![lanes]) } else { lanes }
}

fn store(to: Access) -> Vec<Stmt> {
    vec![Stmt::Store { to, value: ValueId(0) }]
}

/// `y[k,p,q] = sum_{c,r,s} x[c,p+r,q+s] w[c,r,s,k]`
fn conv_forward(name: &str, channels: usize, size: usize, filters: usize, tile_k: usize, tile_q: usize) -> Case {
    let out = size - 4;
    let out_tiled = out / tile_q * tile_q;
    let (x_plane, y_plane) = (size * size * 16 + 16, out * out * 16 + 16);
    let [kb, p, qb, c, r, s, k, q, ..] = I;
    let tile = Tile {
        grid: vec![(k, tile_k), (q, tile_q)],
        reds: vec![Range::new(c, channels), Range::new(r, 5), Range::new(s, 5)],
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
        vec![serial(p, out, vec![serial(qb, out / tile_q, vec![lanes_tile(true, tile)])])],
    );
    let sizes = [CHUNKS * channels * x_plane, channels * 25 * filters, CHUNKS * filters * y_plane];
    Case {
        name: format!("{name} fwd k{tile_k} q{tile_q}"),
        program: program(&sizes, vec![nest], Some(CHUNK)),
        flops: (2 * 16 * CHUNKS * out * out_tiled * (filters / tile_k * tile_k) * channels * 25) as f64,
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
        grid: vec![(c, tile_c), (w, tile_w)],
        reds: vec![tap(h, r), s_range, Range::new(k, filters)],
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
        vec![serial(h, size, vec![serial(wb, size / tile_w, vec![lanes_tile(true, tile)])])],
    );
    let sizes = [CHUNKS * filters * y_plane, filters * 25 * channels, CHUNKS * channels * x_plane];
    // Useful work: every pair of an output pixel and a tap.
    let flops = (2 * 16 * CHUNKS * out * out * 25 * filters * channels) as f64;
    let name = format!("conv2 dx c{tile_c} w{tile_w}{}", if padded { " (columns padded)" } else { "" });
    Case { name, program: program(&sizes, vec![nest], Some(CHUNK)), flops }
}

/// `dw[c,r,s,k] = sum_{p,q,n} x[c,p+r,q+s] dy[k,p,q]`, one partial sum per chunk.
fn kernel_gradient(name: &str, channels: usize, size: usize, filters: usize, taps: usize, tile_k: usize) -> Case {
    let out = size - 4;
    let (x_plane, y_plane) = (size * size * 16 + 16, out * out * 16 + 16);
    let [c, r, sb, kb, p, q, half, s, k, _] = I;
    let blocks = 5usize.div_ceil(taps);
    let weights = channels * 25 * filters;
    let tile = Tile {
        grid: vec![(s, taps), (k, tile_k)],
        reds: vec![Range::new(p, out), Range::new(q, out), Range::new(half, 2)],
        a: access(
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
        ),
        b: access(
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
        ),
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: vec![
            Stmt::Let { value: ValueId(1), expr: Expr::JoinLanes(Join::Add, ValueId(0)) },
            Stmt::Store {
                to: access(
                    2,
                    &[
                        (CHUNK, weights * 2),
                        (c, 25 * filters),
                        (r, 5 * filters),
                        (sb, taps * filters),
                        (s, filters),
                        (kb, tile_k),
                        (k, 1),
                    ],
                    0,
                ),
                value: ValueId(1),
            },
        ],
    };
    let over_k = serial(kb, filters / tile_k, vec![lanes_tile(false, tile)]);
    let nest = serial(c, channels, vec![serial(r, 5, vec![serial(sb, blocks, vec![over_k])])]);
    let sizes = [CHUNKS * channels * x_plane + 64, CHUNKS * filters * y_plane, CHUNKS * weights * 2];
    let done = channels * 5 * blocks * taps * (filters / tile_k * tile_k);
    Case {
        name: format!("{name} s{taps} k{tile_k}"),
        program: program(&sizes, vec![nest], Some(CHUNK)),
        flops: (2 * 16 * CHUNKS * out * out * done) as f64,
    }
}

/// `y[u,n] = sum_i x[i,n] w[i,u]`: 256 inputs, 120 units.
fn dense(tile_u: usize) -> Case {
    let (inputs, units) = (256, 120);
    let [ub, i, u, ..] = I;
    let tile = Tile {
        grid: vec![(u, tile_u)],
        reds: vec![Range::new(i, inputs)],
        a: access(0, &[(CHUNK, inputs * 16), (i, 16), (HALF, 8), (LANE, 1)], 0),
        b: access(1, &[(i, units), (ub, tile_u), (u, 1)], 0),
        ahead: [0, 0],
        init: TileInit::Zero,
        acc: ValueId(0),
        epilogue: store(access(2, &[(CHUNK, units * 16), (ub, tile_u * 16), (u, 16), (HALF, 8), (LANE, 1)], 0)),
    };
    let nest = serial(ub, units / tile_u, vec![lanes_tile(true, tile)]);
    let sizes = [CHUNKS * inputs * 16, inputs * units, CHUNKS * units * 16];
    Case {
        name: format!("dense 256x120 u{tile_u}"),
        program: program(&sizes, vec![nest], Some(CHUNK)),
        flops: (2 * 16 * CHUNKS * inputs * units) as f64,
    }
}
