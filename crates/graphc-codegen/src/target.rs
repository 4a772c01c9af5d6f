//! What machine code is made for; decided once per process.

use crate::CodegenError;
use crate::tile::Width;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use std::fmt;

/// Which instructions may be used. Results are the same bits with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isa {
    /// The fastest code this crate can make for the host.
    #[default]
    Native,
    /// Tiles assembled with 256-bit vectors; the rest as [`Isa::Portable`].
    Avx2,
    /// Tiles assembled with 128-bit vectors, for processors with FMA but without AVX2.
    Fma,
    /// Cranelift's 128-bit vectors with every feature the host has.
    Portable,
    /// Only what every processor of the host's architecture has. Fused multiply-adds become
    /// calls: slow, but the same bits.
    Baseline,
}

/// The host as a target.
pub struct Target {
    isa: OwnedTargetIsa,
    tile_width: Option<Width>,
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
        let features: Vec<&str> =
            ["avx", "avx2", "fma"].into_iter().filter(|name| enabled(&format!("has_{name}"))).collect();
        let has = |names: &[&str]| names.iter().all(|name| features.contains(name));
        let widest = match (has(&["avx", "fma"]), has(&["avx2"])) {
            (true, true) => Some(Width::Eight),
            (true, false) => Some(Width::Four),
            (false, _) => None,
        };
        let missing = |what: &str| CodegenError::Target(format!("this processor has no {what}"));
        let tile_width = match isa {
            Isa::Native => widest,
            Isa::Avx2 => Some(widest.filter(|&width| width == Width::Eight).ok_or_else(|| missing("AVX2 and FMA"))?),
            Isa::Fma => Some(widest.map(|_| Width::Four).ok_or_else(|| missing("AVX and FMA"))?),
            Isa::Portable | Isa::Baseline => None,
        };
        Ok(Target { tile_width, features, isa: cranelift })
    }

    /// Vector registers of the assembler of tiles, if there is one.
    pub(crate) fn tile_width(&self) -> Option<Width> {
        self.tile_width
    }

    /// `f32` lanes of the registers that hold a contraction's accumulators.
    pub fn register_lanes(&self) -> usize {
        if self.tile_width == Some(Width::Eight) { 8 } else { 4 }
    }

    /// Number of vector registers.
    pub fn n_registers(&self) -> usize {
        if self.isa.name() == "x64" { 16 } else { 32 }
    }

    /// Whether contractions are assembled rather than compiled by Cranelift.
    pub fn assembles_tiles(&self) -> bool {
        self.tile_width.is_some()
    }

    /// Cranelift's view.
    pub(crate) fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }
}

impl fmt::Display for Target {
    /// For example `x86-64 avx avx2 fma, 256-bit tiles`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.isa.name();
        f.write_str(if name == "x64" { "x86-64" } else { name })?;
        for feature in &self.features {
            write!(f, " {feature}")?;
        }
        match self.tile_width {
            Some(Width::Eight) => f.write_str(", 256-bit tiles"),
            Some(Width::Four) => f.write_str(", 128-bit tiles"),
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
