//! Loops of the interpreters, compiled for the vectors of the processor at hand as well as for any of its family.
//!
//! What such a loop computes is the same with and without them; a fused multiply-add is one instruction in place of a
//! call.

use pulp::Arch;

/// Runs a loop with vectors: of 256 bits on x86-64, as 512-bit ones would double the code once more and gain little.
/// What the loop calls uses them where it is inlined.
pub fn with_vectors<T>(run: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    return match pulp::x86::V3::try_new() {
        Some(simd) => simd.vectorize(run),
        None => run(),
    };
    #[cfg(not(target_arch = "x86_64"))]
    Arch::new().dispatch(run)
}

/// Whether loops run by [`with_vectors`] have fused multiply-adds.
pub fn have_fma() -> bool {
    !matches!(Arch::new(), Arch::Scalar)
}
