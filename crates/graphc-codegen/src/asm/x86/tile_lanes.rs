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
//! That takes 3 instructions for two registers. One without another is added to itself with its lanes swapped, which
//! takes 2, and every sum stands there twice. Which operand of an addition comes first makes no difference.

use super::register::{Width, memory, xmm};
use super::tile::{Assembler, OUT};
use graphc_ir::types::WORD_BYTES;
use iced_x86::{Code, IcedError, Instruction};

/// Words of 128 bits.
const HALF: usize = 4;

/// Codes for 128 and 256 bits, and which lanes of two registers they take.
type Shuffle = (Code, Code, u32);

/// How the operands of a level's additions are brought into two registers.
struct Level {
    /// From two registers.
    both: [Shuffle; 2],
    /// From one into another beside it.
    alone: Shuffle,
}

const fn blend(lanes: u32) -> Shuffle {
    (Code::VEX_Vblendps_xmm_xmm_xmmm128_imm8, Code::VEX_Vblendps_ymm_ymm_ymmm256_imm8, lanes)
}

/// Only 256-bit vectors have two halves.
const fn halves(lanes: u32) -> Shuffle {
    (Code::INVALID, Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, lanes)
}

const fn pairs(lanes: u32) -> Shuffle {
    (Code::VEX_Vshufpd_xmm_xmm_xmmm128_imm8, Code::VEX_Vshufpd_ymm_ymm_ymmm256_imm8, lanes)
}

const fn words(lanes: u32) -> Shuffle {
    (Code::VEX_Vshufps_xmm_xmm_xmmm128_imm8, Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8, lanes)
}

const HALVES: Level = Level { both: [blend(0xf0), halves(0x21)], alone: halves(0x01) };
const PAIRS: Level = Level { both: [blend(0xcc), pairs(0b0101)], alone: pairs(0b0101) };
const WORDS: Level = Level { both: [words(0x88), words(0xdd)], alone: words(0xb1) };

/// Consecutive cells whose sums stand in one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) first: usize,
    n: usize,
    /// How many of them stand in the lower half; the others in the upper.
    n_low: usize,
}

impl Joined {
    /// All cells of a tile, in as few registers as hold them.
    fn all(n_cells: usize, width: Width) -> Vec<Joined> {
        let n_halves = match width {
            Width::Xmm => 1,
            Width::Ymm => 2,
        };
        let of = |first: usize| {
            let n = (n_cells - first).min(n_halves * HALF);
            Joined { first, n, n_low: n.div_ceil(n_halves) }
        };
        (0..n_cells).step_by(n_halves * HALF).map(of).collect()
    }

    /// The cells of a half, with their lanes in it.
    fn half(self, half: usize) -> impl Iterator<Item = (usize, usize)> {
        let spacing = if self.n_low <= HALF / 2 { 2 } else { 1 };
        let cells = half * self.n_low..((half + 1) * self.n_low).min(self.n);
        cells.enumerate().map(move |(place, cell)| (self.first + cell, spacing * place))
    }
}

impl Assembler<'_> {
    /// The cells as [`Self::join_lanes`] leaves them.
    pub(super) fn joined(&self) -> Vec<Joined> {
        Joined::all(self.shape.out.len(), self.width)
    }

    /// Adds the lanes of every cell. The sums of [`Joined`] cells are in the register of the first.
    pub(super) fn join_lanes(&mut self) -> Result<(), IcedError> {
        self.joined().into_iter().try_for_each(|joined| self.join(joined))
    }

    fn join(&mut self, joined: Joined) -> Result<(), IcedError> {
        let Joined { first, n, n_low } = joined;
        let mut left: Vec<usize> = (first..first + n_low).map(|cell| cell * self.n_parts()).collect();
        for (place, &register) in left.iter().enumerate() {
            match self.width {
                Width::Xmm => self.add_registers(register, register + 1)?,
                Width::Ymm => self.level(&HALVES, register, (n_low + place < n).then_some(register + n_low))?,
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

    fn shuffle(&mut self, (of_xmm, of_ymm, lanes): Shuffle, registers: [usize; 3]) -> Result<(), IcedError> {
        let [to, first, second] = registers.map(|register| self.vector(register));
        self.add(Instruction::with4(self.code(of_xmm, of_ymm), to, first, second, lanes)?)
    }

    fn add_registers(&mut self, to: usize, other: usize) -> Result<(), IcedError> {
        let code = self.code(Code::VEX_Vaddps_xmm_xmm_xmmm128, Code::VEX_Vaddps_ymm_ymm_ymmm256);
        let [to, other] = [to, other].map(|register| self.vector(register));
        self.add(Instruction::with3(code, to, to, other)?)
    }

    /// Stores the sum of every cell.
    pub(super) fn put_sums(&mut self) -> Result<(), IcedError> {
        for joined in self.joined() {
            let register = joined.first * self.n_parts();
            self.put_half(register, joined.half(0).collect())?;
            let upper: Vec<_> = joined.half(1).collect();
            if !upper.is_empty() {
                let (code, temp) = (Code::VEX_Vextractf128_xmmm128_ymm_imm8, self.first_temp());
                self.add(Instruction::with3(code, xmm(temp), self.vector(register), 1)?)?;
                self.put_half(temp, upper)?;
            }
        }
        Ok(())
    }

    /// Stores sums that are in the lower half of a register: cells with their lanes.
    fn put_half(&mut self, register: usize, cells: Vec<(usize, usize)>) -> Result<(), IcedError> {
        let from = xmm(register);
        let places: Vec<i32> = cells.iter().map(|&(cell, _)| self.shape.out[cell]).collect();
        let are_neighbours = places.windows(2).all(|two| two[1] - two[0] == WORD_BYTES as i32);
        if places.len() == HALF && are_neighbours {
            return self.add(Instruction::with2(Code::VEX_Vmovups_xmmm128_xmm, memory(OUT, places[0]), from)?);
        }
        for ((_, lane), place) in cells.into_iter().zip(places) {
            let to = memory(OUT, place);
            self.add(match lane {
                0 => Instruction::with2(Code::VEX_Vmovss_m32_xmm, to, from)?,
                lane => Instruction::with3(Code::VEX_Vextractps_rm32_xmm_imm8, to, from, lane as u32)?,
            })?;
        }
        Ok(())
    }

    /// A register that holds nothing once the reduction is done.
    fn first_temp(&self) -> usize {
        self.shape.out.len() * self.n_parts()
    }
}
