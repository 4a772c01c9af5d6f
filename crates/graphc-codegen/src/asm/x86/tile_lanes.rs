//! Sums of lanes, of several cells of a tile at once.
//!
//! The tree of every cell is that of [`graphc_ir::scalar::join_lanes`]: lanes `j` and `j + 4`, of these `j` and
//! `j + 2`, of these both. Every level needs half of the lanes of the one before, so two registers become one, and the
//! sums of eight cells end in one register. With 256-bit vectors, and cells `a` to `h`:
//!
//! ```text
//! halves   a0 a1 a2 a3 | e0 e1 e2 e3     and b with f, c with g, d with h
//! pairs    a0 a1 b0 b1 | e0 e1 f0 f1     and c with d, g with h
//! words    a  b  c  d  | e  f  g  h
//! ```
//!
//! A register of 512 bits has two cells, and after the first level one in each of its quarters.
//!
//! A level takes 3 instructions for two registers. One without another is added to itself with its lanes swapped,
//! which takes 2, and every sum stands there twice. Which operand of an addition comes first makes no difference.

use super::register::{Width, memory, xmm};
use super::tile::{Assembler, OUT};
use graphc_ir::types::WORD_BYTES;
use iced_x86::{Code, IcedError, Instruction};

/// Words of 128 bits.
const QUARTER: usize = 4;

/// Codes for 128, 256 and 512 bits, and which lanes of two registers each takes.
type Shuffle = [(Code, u32); 3];

/// How the operands of a level's additions are brought into two registers.
struct Level {
    /// From two registers.
    both: [Shuffle; 2],
    /// From one into another beside it.
    alone: Shuffle,
}

const PAIRS_OF: [Code; 3] = [
    Code::VEX_Vshufpd_xmm_xmm_xmmm128_imm8,
    Code::VEX_Vshufpd_ymm_ymm_ymmm256_imm8,
    Code::EVEX_Vshufpd_zmm_k1z_zmm_zmmm512b64_imm8,
];

const WORDS_OF: [Code; 3] = [
    Code::VEX_Vshufps_xmm_xmm_xmmm128_imm8,
    Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8,
    Code::EVEX_Vshufps_zmm_k1z_zmm_zmmm512b32_imm8,
];

/// There is no such instruction, and it is not asked for.
const NONE: (Code, u32) = (Code::INVALID, 0);

const fn blend(lanes: u32) -> [(Code, u32); 2] {
    [(Code::VEX_Vblendps_xmm_xmm_xmmm128_imm8, lanes), (Code::VEX_Vblendps_ymm_ymm_ymmm256_imm8, lanes)]
}

const fn halves(lanes: u32) -> (Code, u32) {
    (Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, lanes)
}

const fn quarters(lanes: u32) -> (Code, u32) {
    (Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, lanes)
}

const fn pairs(lanes: u32) -> Shuffle {
    [(PAIRS_OF[0], lanes), (PAIRS_OF[1], lanes), (PAIRS_OF[2], lanes)]
}

const fn words(lanes: u32) -> Shuffle {
    [(WORDS_OF[0], lanes), (WORDS_OF[1], lanes), (WORDS_OF[2], lanes)]
}

const HALVES: Level = Level {
    both: [[NONE, blend(0xf0)[1], quarters(0x88)], [NONE, halves(0x21), quarters(0xdd)]],
    alone: [NONE, halves(0x01), NONE],
};

/// A blend takes less than a shuffle, but for 512 bits there is none that takes its lanes with it.
const PAIRS: Level = Level {
    both: [
        [blend(0xcc)[0], blend(0xcc)[1], (PAIRS_OF[2], 0)],
        [(PAIRS_OF[0], 0b0101), (PAIRS_OF[1], 0b0101), (PAIRS_OF[2], 0xff)],
    ],
    alone: pairs(0b0101_0101),
};
const WORDS: Level = Level { both: [words(0x88), words(0xdd)], alone: words(0xb1) };

/// Consecutive registers (pairs of them where a cell takes two) whose sums stand in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The register of the sums.
    pub(super) first: usize,
    /// Position of the first whole cell.
    begin: usize,
    n: usize,
    /// How many of them stand in the lower half; the others in the upper.
    n_low: usize,
}

impl Assembler<'_> {
    /// The cells as [`Self::join_lanes`] leaves them: all, in as few registers as hold them.
    pub(super) fn joined(&self) -> Vec<Joined> {
        let n_parts = self.n_parts();
        let n_wholes = self.plan.sums.len() / n_parts;
        let n_halves = self.width.of([1, 2, 2]);
        let of = |begin: usize| {
            let n = (n_wholes - begin).min(n_halves * QUARTER);
            Joined { first: begin * n_parts, begin, n, n_low: n.div_ceil(n_halves) }
        };
        (0..n_wholes).step_by(n_halves * QUARTER).map(of).collect()
    }

    /// Adds the lanes of every cell. The sums of [`Joined`] cells are in the register of the first.
    pub(super) fn join_lanes(&mut self) -> Result<(), IcedError> {
        self.joined().into_iter().try_for_each(|joined| self.join(joined))
    }

    fn join(&mut self, Joined { begin, n, n_low, .. }: Joined) -> Result<(), IcedError> {
        let mut left: Vec<usize> = (begin..begin + n_low).map(|whole| whole * self.n_parts()).collect();
        for (place, &register) in left.iter().enumerate() {
            let other = (n_low + place < n).then_some(register + n_low);
            match self.width {
                Width::Xmm => self.add_registers(register, register + 1)?,
                Width::Ymm => self.level(&HALVES, register, other)?,
                // Its two cells need two quarters.
                Width::Zmm => self.level(&HALVES, register, other.or(Some(register)))?,
            }
        }
        for level in [PAIRS, WORDS] {
            for two in left.chunks(2) {
                self.level(&level, two[0], two.get(1).copied())?;
            }
            left = left.into_iter().step_by(2).collect();
        }
        Ok(())
    }

    /// The additions of a level, for one or two registers; the sums are left in the first.
    fn level(&mut self, level: &Level, first: usize, second: Option<usize>) -> Result<(), IcedError> {
        let temp = self.first_temp();
        match second {
            Some(second) => {
                self.shuffle(level.both[1], [temp, first, second])?;
                self.shuffle(level.both[0], [first, first, second])?;
            }
            None => self.shuffle(level.alone, [temp, first, first])?,
        }
        self.add_registers(first, temp)
    }

    fn shuffle(&mut self, shuffle: Shuffle, registers: [usize; 3]) -> Result<(), IcedError> {
        let [to, first, second] = registers.map(|register| self.vector(register));
        let (code, lanes) = self.width.of(shuffle);
        self.add(Instruction::with4(code, to, first, second, lanes)?)
    }

    fn add_registers(&mut self, to: usize, other: usize) -> Result<(), IcedError> {
        let [to, other] = [to, other].map(|register| self.vector(register));
        self.add(Instruction::with3(self.add_code(), to, to, other)?)
    }

    /// Stores the sum of every cell.
    pub(super) fn put_sums(&mut self) -> Result<(), IcedError> {
        for joined in self.joined() {
            for quarter in 0..self.width.of([1, 2, 4]) {
                let cells = self.cells_in(joined, quarter);
                if cells.is_empty() {
                    continue;
                }
                let register = if quarter == 0 { joined.first } else { self.first_temp() };
                if quarter > 0 {
                    let code = self.width.of([
                        Code::INVALID,
                        Code::VEX_Vextractf128_xmmm128_ymm_imm8,
                        Code::EVEX_Vextractf32x4_xmmm128_k1z_zmm_imm8,
                    ]);
                    let from = self.vector(joined.first);
                    self.add(Instruction::with3(code, xmm(register), from, quarter as u32)?)?;
                }
                self.put_quarter(register, &cells)?;
            }
        }
        Ok(())
    }

    /// The cells whose sums stand in a quarter, with their lanes in it.
    fn cells_in(&self, joined: Joined, quarter: usize) -> Vec<(usize, usize)> {
        let Joined { begin, n, n_low, .. } = joined;
        let n_in_register = self.n_cells_per_register();
        let (half, side) = (quarter / n_in_register, quarter % n_in_register);
        let spacing = if n_low <= QUARTER / 2 { 2 } else { 1 };
        let wholes = begin + half * n_low..(begin + (half + 1) * n_low).min(begin + n);
        let cell = |whole: usize| {
            let sums = self.plan.sums[whole * self.n_parts()];
            if side == 0 { Some(sums.cell) } else { sums.upper.filter(|&upper| upper != sums.cell) }
        };
        let places = wholes.enumerate();
        places.filter_map(|(place, whole)| cell(whole).map(|cell| (cell, spacing * place))).collect()
    }

    /// Stores sums that are in the lowest quarter of a register: cells with their lanes.
    fn put_quarter(&mut self, register: usize, cells: &[(usize, usize)]) -> Result<(), IcedError> {
        let from = xmm(register);
        let places: Vec<i32> = cells.iter().map(|&(cell, _)| self.shape.out[cell]).collect();
        let are_neighbours = places.windows(2).all(|two| two[1] - two[0] == WORD_BYTES as i32);
        let [whole, first, other] = match self.width {
            Width::Xmm | Width::Ymm => {
                [Code::VEX_Vmovups_xmmm128_xmm, Code::VEX_Vmovss_m32_xmm, Code::VEX_Vextractps_rm32_xmm_imm8]
            }
            Width::Zmm => {
                [Code::EVEX_Vmovups_xmmm128_k1z_xmm, Code::EVEX_Vmovss_m32_k1_xmm, Code::EVEX_Vextractps_rm32_xmm_imm8]
            }
        };
        if places.len() == QUARTER && are_neighbours {
            return self.add(Instruction::with2(whole, memory(OUT, places[0]), from)?);
        }
        for (&(_, lane), place) in cells.iter().zip(places) {
            let to = memory(OUT, place);
            self.add(match lane {
                0 => Instruction::with2(first, to, from)?,
                lane => Instruction::with3(other, to, from, lane as u32)?,
            })?;
        }
        Ok(())
    }

    /// A register that holds nothing once the reduction is done.
    fn first_temp(&self) -> usize {
        self.plan.sums.len()
    }
}
