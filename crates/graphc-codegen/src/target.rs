//! What machine code is made for: this machine, or another one by name.

use crate::asm::assembler::{Assembler, InstructionSet};
use crate::asm::instruction_set;
use crate::asm::unit::{ShapeKind, VectorUnit};
use crate::error::CodegenError;
use crate::peak;
use cranelift_codegen::isa::{self, Builder, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use std::fmt;
use std::str::FromStr;

/// Which instructions of this machine may be used. Results are the same bits with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isa {
    /// The fastest code this crate can make for the host: of the vector units it has, the widest one that is measured
    /// to be faster than those before it.
    #[default]
    Native,
    /// Tiles and straight-line code assembled with 512-bit vectors, for processors with AVX-512 F, DQ and VL; the
    /// rest as [`Isa::Avx2`].
    Avx512,
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

/// A machine that code can be made for. Code for another machine than this one is made to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machine {
    /// The one this process runs on.
    #[default]
    Host,
    /// x86-64 with AVX-512 F, DQ and VL: 512-bit vectors.
    X86Avx512,
    /// x86-64 with AVX2 and FMA: 256-bit vectors.
    X86Avx2,
    /// x86-64 with AVX and FMA: tiles of 128-bit vectors.
    X86Fma,
    /// x86-64 with AVX2 and FMA, but nothing is assembled.
    X86Portable,
    /// Any x86-64.
    X86Baseline,
}

/// Features of x86-64 processors, as Cranelift calls them, that came before AVX.
const BEFORE_AVX: [&str; 6] = ["has_cmpxchg16b", "has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"];

/// What came with FMA, and with AVX2.
const FMA: [&str; 2] = ["has_avx", "has_fma"];
const AVX2: [&str; 4] = ["has_avx2", "has_bmi1", "has_bmi2", "has_lzcnt"];

/// What 512-bit vectors need, with those of 256 bits.
const AVX512: [&str; 3] = ["has_avx512f", "has_avx512dq", "has_avx512vl"];

impl Machine {
    /// The machine that tests of code use, so that their expectations are the same on every host.
    pub const REFERENCE: Machine = Machine::X86Avx2;

    /// Every machine.
    pub const ALL: [Machine; 6] = [
        Machine::Host,
        Machine::X86Avx512,
        Machine::X86Avx2,
        Machine::X86Fma,
        Machine::X86Portable,
        Machine::X86Baseline,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Host => "host",
            Machine::X86Avx512 => "x86-64-avx512",
            Machine::X86Avx2 => "x86-64-avx2",
            Machine::X86Fma => "x86-64-fma",
            Machine::X86Portable => "x86-64-portable",
            Machine::X86Baseline => "x86-64-baseline",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Machine::Host => "This machine",
            Machine::X86Avx512 => "x86-64 with AVX-512 F, DQ and VL: contractions with 512-bit vectors",
            Machine::X86Avx2 => "x86-64 with AVX2 and FMA: 256-bit vectors",
            Machine::X86Fma => "x86-64 with AVX and FMA: contractions with 128-bit vectors",
            Machine::X86Portable => "x86-64 with AVX2 and FMA, by Cranelift alone",
            Machine::X86Baseline => "Any x86-64; slow",
        }
    }

    /// Cranelift's features of a machine with a name.
    fn features(self) -> Vec<&'static str> {
        let before: &[&str] = if self == Machine::X86Baseline { &[] } else { &BEFORE_AVX };
        let fma: &[&str] = if self == Machine::X86Baseline { &[] } else { &FMA };
        let has_avx2 = matches!(self, Machine::X86Avx512 | Machine::X86Avx2 | Machine::X86Portable);
        let avx2: &[&str] = if has_avx2 { &AVX2 } else { &[] };
        let avx512: &[&str] = if self == Machine::X86Avx512 { &AVX512 } else { &[] };
        [before, fma, avx2, avx512].concat()
    }
}

impl FromStr for Machine {
    type Err = CodegenError;

    fn from_str(name: &str) -> Result<Machine, CodegenError> {
        Machine::ALL.into_iter().find(|machine| machine.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Machine::ALL.iter().map(|machine| machine.name()).collect();
            CodegenError::Target(format!("there is no machine `{name}`; there are {}", known.join(", ")))
        })
    }
}

/// A machine, with what is used of it.
pub struct Target {
    machine: Machine,
    isa: OwnedTargetIsa,
    assembler: Option<&'static dyn Assembler>,
    features: Vec<&'static str>,
}

impl Target {
    /// The machine this process runs on.
    ///
    /// # Errors
    /// If Cranelift does not support it, or it lacks the instructions asked for.
    pub fn host(isa: Isa) -> Result<Target, CodegenError> {
        let builder = cranelift_native::builder_with_options(isa != Isa::Baseline);
        let mut target =
            Target::of(Machine::Host, builder.map_err(|message| CodegenError::Target(message.to_owned()))?)?;
        let with_lanes = |lanes: usize, what: &str| {
            let found = target.assemblers().into_iter().find(|assembler| assembler.unit().lanes == lanes);
            found.ok_or_else(|| CodegenError::Target(format!("this processor has no {what}")))
        };
        target.assembler = match isa {
            Isa::Native => {
                let fastest = peak::fastest_lanes();
                target.assemblers().into_iter().find(|assembler| assembler.unit().lanes <= fastest)
            }
            Isa::Avx512 => Some(with_lanes(16, "AVX-512 F, DQ and VL")?),
            Isa::Avx2 => Some(with_lanes(8, "AVX2 and FMA")?),
            Isa::Fma => Some(with_lanes(4, "AVX and FMA")?),
            Isa::Portable | Isa::Baseline => None,
        };
        Ok(target)
    }

    /// A machine by its name: `host`, or one of the other names in [`Machine::ALL`].
    ///
    /// # Errors
    /// If there is no machine of that name, or Cranelift does not support it.
    pub fn named(name: &str) -> Result<Target, CodegenError> {
        Target::machine(name.parse()?)
    }

    /// A machine with all that it has.
    ///
    /// # Errors
    /// If Cranelift does not support it.
    pub fn machine(machine: Machine) -> Result<Target, CodegenError> {
        if machine == Machine::Host {
            return Target::host(Isa::Native);
        }
        let unsupported =
            |error: isa::LookupError| CodegenError::Target(format!("{}, in this program: {error}", machine.name()));
        let mut builder = isa::lookup_by_name("x86_64-unknown-linux-gnu").map_err(unsupported)?;
        for feature in machine.features() {
            builder.enable(feature).expect("a feature Cranelift knows");
        }
        let mut target = Target::of(machine, builder)?;
        if machine == Machine::X86Portable {
            target.assembler = None;
        }
        Ok(target)
    }

    fn of(machine: Machine, builder: Builder) -> Result<Target, CodegenError> {
        let isa = builder.finish(settings::Flags::new(flags())).map_err(|e| CodegenError::Target(e.to_string()))?;
        let enabled = |name: &str| isa.isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
        let known: [(&str, &[&str]); 4] =
            [("avx", &["has_avx"]), ("avx2", &["has_avx2"]), ("fma", &["has_fma"]), ("avx512", &AVX512)];
        let has_all = |flags: &[&str]| flags.iter().all(|flag| enabled(flag));
        let features = known.into_iter().filter(|(_, flags)| has_all(flags)).map(|(name, _)| name).collect();
        let mut target = Target { machine, isa, assembler: None, features };
        target.assembler = target.assemblers().into_iter().next();
        Ok(target)
    }

    /// Whether code for it can run in this process.
    pub fn is_host(&self) -> bool {
        self.machine == Machine::Host
    }

    /// The machine.
    pub fn name(&self) -> &'static str {
        self.machine.name()
    }

    /// Number of vector registers.
    pub fn n_registers(&self) -> usize {
        self.unit().map_or(if self.isa.name() == "x64" { 16 } else { 32 }, |unit| unit.n_registers)
    }

    /// `f32` lanes of the registers that hold a contraction's accumulators.
    pub fn register_lanes(&self) -> usize {
        self.unit().map_or(4, |unit| unit.lanes)
    }

    /// Whether contractions are assembled rather than compiled by Cranelift.
    pub fn assembles_tiles(&self) -> bool {
        self.unit().is_some_and(|unit| unit.assembles(ShapeKind::Tile))
    }

    /// The vector unit that code is assembled for, if any is.
    pub fn unit(&self) -> Option<&'static VectorUnit> {
        self.assembler.map(Assembler::unit)
    }

    /// The assembler for that unit.
    pub(crate) fn assembler(&self) -> Option<&'static dyn Assembler> {
        self.assembler
    }

    /// What is known of the instruction set.
    pub(crate) fn instruction_set(&self) -> Option<&'static dyn InstructionSet> {
        instruction_set(self.isa.name())
    }

    /// Cranelift's view.
    pub(crate) fn isa(&self) -> &OwnedTargetIsa {
        &self.isa
    }

    fn assemblers(&self) -> Vec<&'static dyn Assembler> {
        self.instruction_set().map_or_else(Vec::new, |set| set.assemblers(&self.features))
    }
}

impl fmt::Display for Target {
    /// For example `x86-64 avx avx2 fma, 256-bit tiles`. What is tuned is tuned for this text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.isa.name();
        f.write_str(if name == "x64" { "x86-64" } else { name })?;
        for feature in &self.features {
            write!(f, " {feature}")?;
        }
        match self.unit() {
            Some(unit) => write!(f, ", {}-bit tiles", 32 * unit.lanes),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_names() {
        for machine in Machine::ALL {
            assert_eq!(machine.name().parse(), Ok(machine));
        }
        assert_eq!(
            "avx9".parse::<Machine>().unwrap_err().to_string(),
            "target: there is no machine `avx9`; \
             there are host, x86-64-avx512, x86-64-avx2, x86-64-fma, x86-64-portable, x86-64-baseline"
        );
    }

    #[test]
    fn named_machines_are_what_their_names_say() {
        let texts = Machine::ALL[1..].iter().map(|machine| Target::named(machine.name()).unwrap().to_string());
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                "x86-64 avx avx2 fma avx512, 512-bit tiles",
                "x86-64 avx avx2 fma, 256-bit tiles",
                "x86-64 avx fma, 128-bit tiles",
                "x86-64 avx avx2 fma, 128-bit",
                "x86-64, 128-bit"
            ]
        );
    }
}
