//! What machine code is made for; decided once per process.

use crate::CodegenError;
use crate::tile::VectorUnit;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use std::fmt;

/// Which instructions may be used. Results are the same bits with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isa {
    /// The fastest code this crate can make for the host.
    #[default]
    Native,
    /// Tiles assembled with 256-bit vectors in 32 registers (AVX-512VL); the rest as [`Isa::Portable`].
    Avx512,
    /// Tiles assembled with 256-bit vectors in 16 registers; the rest as [`Isa::Portable`].
    Avx2,
    /// Tiles assembled with 128-bit vectors, for processors with FMA but without AVX2.
    Fma,
    /// Cranelift's 128-bit vectors with every feature the host has.
    Portable,
    /// Only what every processor of the host's architecture has. Fused multiply-adds become
    /// calls: slow, but the same bits.
    Baseline,
}

/// Features that decide which tiles there are.
const FEATURES: [&str; 5] = ["avx", "avx2", "fma", "avx512f", "avx512vl"];

/// The host as a target.
pub struct Target {
    isa: OwnedTargetIsa,
    unit: Option<VectorUnit>,
    features: Vec<&'static str>,
}

impl Target {
    /// The machine this process runs on.
    ///
    /// # Errors
    /// If Cranelift does not support it, or it lacks the instructions asked for.
    pub fn host(isa: Isa) -> Result<Target, CodegenError> {
        let builder = cranelift_native::builder_with_options(isa != Isa::Baseline)
            .map_err(|message| CodegenError::Target(message.to_owned()))?;
        let cranelift =
            builder.finish(settings::Flags::new(flags())).map_err(|e| CodegenError::Target(e.to_string()))?;
        let enabled =
            |name: &str| cranelift.isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        let features: Vec<&str> = FEATURES.into_iter().filter(|name| enabled(&format!("has_{name}"))).collect();
        let has = |names: &[&str]| names.iter().all(|name| features.contains(name));
        let require = |unit: VectorUnit, names: &[&str], what: &str| match has(names) {
            true => Ok(Some(unit)),
            false => Err(CodegenError::Target(format!("this processor has no {what}"))),
        };
        let (fma, avx2, avx512) =
            (&["avx", "fma"][..], &["avx", "avx2", "fma"][..], &["avx2", "fma", "avx512f", "avx512vl"][..]);
        let unit = match isa {
            Isa::Native if has(avx512) => Some(VectorUnit::Avx512),
            Isa::Native if has(avx2) => Some(VectorUnit::Avx2),
            Isa::Native if has(fma) => Some(VectorUnit::Fma),
            Isa::Avx512 => require(VectorUnit::Avx512, avx512, "AVX-512F and VL")?,
            Isa::Avx2 => require(VectorUnit::Avx2, avx2, "AVX2 and FMA")?,
            Isa::Fma => require(VectorUnit::Fma, fma, "AVX and FMA")?,
            Isa::Native | Isa::Portable | Isa::Baseline => None,
        };
        Ok(Target { unit, features, isa: cranelift })
    }

    /// What tiles are assembled from, if they are.
    pub(crate) fn vector_unit(&self) -> Option<VectorUnit> {
        self.unit
    }

    /// `f32` lanes of the registers that hold a contraction's accumulators.
    pub fn register_lanes(&self) -> usize {
        self.unit.map_or(4, VectorUnit::lanes)
    }

    /// Number of vector registers.
    pub fn n_registers(&self) -> usize {
        let of_cranelift = if self.isa.name() == "x64" { 16 } else { 32 };
        self.unit.map_or(of_cranelift, VectorUnit::n_registers)
    }

    /// Whether contractions are assembled rather than compiled by Cranelift.
    pub fn assembles_tiles(&self) -> bool {
        self.unit.is_some()
    }

    /// Cranelift's view.
    pub(crate) fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }
}

impl fmt::Display for Target {
    /// For example `x86-64 avx avx2 fma, 256-bit tiles in 16 registers`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.isa.name();
        f.write_str(if name == "x64" { "x86-64" } else { name })?;
        for feature in &self.features {
            write!(f, " {feature}")?;
        }
        match self.unit {
            Some(unit) => write!(f, ", {}-bit tiles in {} registers", 8 * unit.bytes(), unit.n_registers()),
            None => f.write_str(", 128-bit"),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// `opt_level=speed` sinks and spills unrolled multiply-adds (43 to 9 GFLOP/s) and takes seconds
/// on unrolled code; we hoist ourselves.
fn flags() -> settings::Builder {
    let mut flags = settings::builder();
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "none"),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("unwind_info", "false"),
        ("preserve_frame_pointers", "false"),
        ("enable_verifier", verifier),
    ] {
        flags.set(name, value).expect("a flag Cranelift knows");
    }
    flags
}
