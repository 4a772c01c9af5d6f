//! x86-64: 128-bit vectors for processors with AVX and FMA, 256-bit ones where there is AVX2, 512-bit ones (but
//! for transposes) where there is AVX-512.
//!
//! Reading order: `register`, `tile`, `tile_runs`, `tile_lanes`, `straight_line`,
//! `straight_line_steps`, `straight_line_pairs`, `transpose`, `mode`, `disassemble`.

mod register;

mod tile;

mod tile_runs;

mod tile_lanes;

mod straight_line;

mod straight_line_steps;

mod straight_line_pairs;

mod transpose;

mod mode;

mod disassemble;

use super::assembler::{Assembled, Assembler, InstructionSet, Line, Mode};
use super::straight_line::StraightLine;
use super::straight_line_registers::StraightLinePlan;
use super::tile::TileShape;
use super::tile_registers::TilePlan;
use super::transpose::TransposeShape;
use super::unit::{ShapeKind, VectorUnit};
use register::Width;
use std::collections::BTreeMap;

/// The instruction set.
pub(super) struct X86_64;

/// The assembler of one of its vector units.
struct AvxAssembler {
    width: Width,
    unit: VectorUnit,
}

static XMM: AvxAssembler = AvxAssembler {
    width: Width::Xmm,
    unit: VectorUnit { name: "xmm", lanes: 4, assembles: &[ShapeKind::Tile], ..YMM.unit },
};

static YMM: AvxAssembler = AvxAssembler {
    width: Width::Ymm,
    unit: VectorUnit {
        name: "ymm",
        lanes: 8,
        n_registers: 16,
        n_line_registers: 16,
        n_masks: 0,
        splats_memory: false,
        assembles: &[ShapeKind::Tile, ShapeKind::StraightLine, ShapeKind::Transpose],
        n_pointers: straight_line::N_POINTERS,
        n_inner_loops: straight_line::N_INNER_LOOPS,
        n_reductions: tile::N_REDUCTIONS,
        n_counts: tile::N_COUNTS,
    },
};

/// Transposes have 256-bit vectors.
static ZMM: AvxAssembler = AvxAssembler {
    width: Width::Zmm,
    unit: VectorUnit {
        name: "zmm",
        lanes: 16,
        n_registers: 32,
        n_masks: straight_line::N_MASKS,
        splats_memory: true,
        ..YMM.unit
    },
};

impl InstructionSet for X86_64 {
    fn name(&self) -> &'static str {
        "x64"
    }

    fn assemblers(&self, features: &[&str]) -> Vec<&'static dyn Assembler> {
        let has = |names: &[&str]| names.iter().all(|name| features.contains(name));
        let all: [(&[&str], &'static dyn Assembler); 3] =
            [(&["avx", "avx2", "fma", "avx512"], &ZMM), (&["avx", "avx2", "fma"], &YMM), (&["avx", "fma"], &XMM)];
        all.into_iter().filter(|(needed, _)| has(needed)).map(|(_, assembler)| assembler).collect()
    }

    fn mode(&self) -> Mode {
        mode::mode()
    }

    fn disassemble(&self, code: &[u8], calls: &BTreeMap<usize, String>) -> Option<Vec<Line>> {
        Some(disassemble::lines(code, calls))
    }
}

impl Assembler for AvxAssembler {
    fn unit(&self) -> &'static VectorUnit {
        match self.width {
            Width::Xmm => &XMM.unit,
            Width::Ymm => &YMM.unit,
            Width::Zmm => &ZMM.unit,
        }
    }

    fn tile(&self, shape: &TileShape, plan: &TilePlan) -> Assembled {
        tile::assemble(shape, plan, self.width).map_err(|error| error.to_string())
    }

    fn straight_line(&self, shape: &StraightLine, plan: &StraightLinePlan) -> Assembled {
        straight_line::assemble(shape, plan).map_err(|error| error.to_string())
    }

    fn transpose(&self, shape: TransposeShape) -> Assembled {
        transpose::assemble(shape).map_err(|error| error.to_string())
    }
}
