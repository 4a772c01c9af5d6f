//! What machine code is made for; decided once per process.

use crate::CodegenError;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use std::fmt;

/// Which instructions may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isa {
    /// Cranelift's 128-bit vectors with every feature the host has.
    Portable,
    /// The fastest code this crate can make for the host. The same as [`Isa::Portable`] as long
    /// as there is no wider path.
    #[default]
    Native,
    /// Only what every processor of the host's architecture has. Fused multiply-adds become
    /// calls: slow, but the same bits.
    Baseline,
}

/// The host as a target.
pub struct Target {
    isa: OwnedTargetIsa,
    /// Registers that can hold vectors.
    pub vector_registers: usize,
    /// `f32` lanes of one register.
    pub register_lanes: usize,
    /// Whether fused multiply-add is an instruction.
    pub has_fma: bool,
    features: Vec<&'static str>,
}

impl Target {
    /// The machine this process runs on.
    ///
    /// # Errors
    /// If Cranelift does not support it.
    pub fn host(isa: Isa) -> Result<Target, CodegenError> {
        let infer_features = isa != Isa::Baseline;
        let builder = cranelift_native::builder_with_options(infer_features)
            .map_err(|message| CodegenError::Target(message.to_owned()))?;
        let isa = builder.finish(settings::Flags::new(flags())).map_err(|e| CodegenError::Target(e.to_string()))?;
        let enabled = |name: &str| isa.isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        let is_x86 = isa.name() == "x64";
        let features: Vec<&str> = ["avx2", "fma"].into_iter().filter(|name| enabled(&format!("has_{name}"))).collect();
        let has_fma = !is_x86 || enabled("has_fma");
        let vector_registers = if is_x86 { 16 } else { 32 };
        Ok(Target { vector_registers, register_lanes: 4, has_fma, features, isa })
    }

    /// Cranelift's view.
    pub(crate) fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }
}

impl fmt::Display for Target {
    /// For example `x86-64 avx2 fma, 128-bit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.isa.name();
        f.write_str(if name == "x64" { "x86-64" } else { name })?;
        for feature in &self.features {
            write!(f, " {feature}")?;
        }
        write!(f, ", {}-bit", 32 * self.register_lanes)
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
