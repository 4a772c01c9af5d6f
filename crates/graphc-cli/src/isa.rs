//! `--isa`.

use clap::ValueEnum;
use graphc_driver::Isa;

/// [`Isa`] on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsaArg {
    /// The fastest that this processor can do.
    #[default]
    Native,
    /// Contractions with 512-bit vectors (x86-64 with AVX-512 F, DQ and VL).
    Avx512,
    /// Contractions with 256-bit vectors (x86-64 with AVX2 and FMA).
    Avx2,
    /// Contractions with 128-bit vectors (x86-64 with AVX and FMA).
    Fma,
    /// 128-bit vectors by Cranelift alone.
    Portable,
    /// What every processor of this architecture has; slow.
    Baseline,
}

impl IsaArg {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            IsaArg::Native => "native",
            IsaArg::Avx512 => "avx512",
            IsaArg::Avx2 => "avx2",
            IsaArg::Fma => "fma",
            IsaArg::Portable => "portable",
            IsaArg::Baseline => "baseline",
        }
    }
}

impl From<IsaArg> for Isa {
    fn from(isa: IsaArg) -> Isa {
        match isa {
            IsaArg::Native => Isa::Native,
            IsaArg::Avx512 => Isa::Avx512,
            IsaArg::Avx2 => Isa::Avx2,
            IsaArg::Fma => Isa::Fma,
            IsaArg::Portable => Isa::Portable,
            IsaArg::Baseline => Isa::Baseline,
        }
    }
}
