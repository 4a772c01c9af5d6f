//! Single precision arithmetic in which subnormal numbers count as zero: what machine code and the loop interpreter
//! compute.
//!
//! Arithmetic reads a subnormal operand as the zero of its sign. A result that, rounded to 24 bits as if exponents
//! had no end, is smaller than 2^-126 is the zero of its sign; everything else is as in IEEE 754, to the last bit.
//! That is what x86 processors do when told to (FTZ and DAZ): they flush after rounding, so `(1 - 2^-24) * 2^-126`
//! becomes 0 and not 2^-126, while `(1 - 2^-46) * 2^-126` is 2^-126.
//!
//! The bits do not depend on the mode of the processor that runs these functions: what they make on the way is normal
//! in `f64`, or zero.

const SIGN: u32 = 1 << 31;
const EXPONENT: u32 = 0x7f80_0000;

/// The smallest number that rounds to 2^-126 when it is rounded to 24 bits: half a unit below it.
const LEAST: f64 = (1.0 - 1.0 / 33_554_432.0) * f32::MIN_POSITIVE as f64;

/// A zero of the same sign for a subnormal number, else the number.
#[inline(always)]
pub fn flush(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(if bits & EXPONENT == 0 { bits & SIGN } else { bits })
}

/// One NaN for all: which bits an operation gives depends on the processor, and they mean nothing.
pub fn canonical(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(0x7fc0_0000) } else { x }
}

/// `a + b`
#[inline(always)]
pub fn add(a: f32, b: f32) -> f32 {
    // A sum of normal numbers is a multiple of 2^-149: exact where it is subnormal.
    flush(flush(a) + flush(b))
}

/// `a - b`
#[inline(always)]
pub fn sub(a: f32, b: f32) -> f32 {
    flush(flush(a) - flush(b))
}

/// `a * b`
#[inline(always)]
pub fn mul(a: f32, b: f32) -> f32 {
    // 48 bits hold the product.
    narrow(wide(a) * wide(b))
}

/// `a / b`
#[inline(always)]
pub fn div(a: f32, b: f32) -> f32 {
    // The quotient of numbers of 24 bits is at least 2^-49 of itself away from any number of 25 bits that it does not
    // equal, so rounding it to 53 bits first changes nothing.
    narrow(wide(a) / wide(b))
}

/// Square root: never subnormal itself.
#[inline(always)]
pub fn sqrt(a: f32) -> f32 {
    flush(a).sqrt()
}

/// `a * b + c`, rounded once.
#[inline(always)]
pub fn fma(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (wide(a) * wide(b), wide(c));
    let sum = product + c;
    if is_halfway(sum) { narrow(nudged(product, c, sum)) } else { narrow(sum) }
}

/// [`fma`] in every lane.
#[inline(always)]
pub fn fma_lanes<const W: usize>(a: [f32; W], b: [f32; W], c: [f32; W]) -> [f32; W] {
    let sums: [f64; W] = std::array::from_fn(|l| wide(a[l]) * wide(b[l]) + wide(c[l]));
    // Without a branch for each lane; halfway sums are rare.
    if sums.iter().fold(false, |any, &sum| any | is_halfway(sum)) {
        return std::array::from_fn(|l| fma(a[l], b[l], c[l]));
    }
    sums.map(narrow)
}

/// [`fma_lanes`] for processors with fused multiply-adds. They round once, but results below 2^-126 to fewer bits: what
/// comes out smaller than that is flushed either way, and 2^-126 itself may be a smaller number rounded up.
#[inline(always)]
pub fn fma_lanes_fused<const W: usize>(a: [f32; W], b: [f32; W], c: [f32; W]) -> [f32; W] {
    let sums: [f32; W] = std::array::from_fn(|l| flush(a[l]).mul_add(flush(b[l]), flush(c[l])));
    if sums.iter().fold(false, |any, sum| any | (sum.abs() == f32::MIN_POSITIVE)) {
        return std::array::from_fn(|l| fma(a[l], b[l], c[l]));
    }
    sums.map(flush)
}

#[inline(always)]
fn wide(x: f32) -> f64 {
    f64::from(flush(x))
}

/// Rounds to 24 bits; `x` has been rounded to 53 in a way that does not matter.
#[inline(always)]
fn narrow(x: f64) -> f32 {
    let rounded = x as f32;
    if x.abs() < LEAST { f32::from_bits(rounded.to_bits() & SIGN) } else { rounded }
}

/// Whether a number lies in the middle between two of 24 bits ([`LEAST`] does): only there does it matter how it was
/// rounded to 53 bits.
#[inline(always)]
fn is_halfway(x: f64) -> bool {
    x.to_bits() & 0x1fff_ffff == 0x1000_0000
}

/// `sum`, which is `a + b` rounded, moved one step towards the exact sum if it is not exact.
fn nudged(a: f64, b: f64, sum: f64) -> f64 {
    // D. Knuth's exact error of a sum: no matter which operand is larger.
    let of_b = sum - a;
    let error = (a - (sum - of_b)) + (b - of_b);
    if error == 0.0 {
        sum
    } else if (error > 0.0) == (sum > 0.0) {
        f64::from_bits(sum.to_bits() + 1)
    } else {
        f64::from_bits(sum.to_bits() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: f32 = f32::MIN_POSITIVE;
    /// The numbers next to 1.
    const ABOVE: f32 = 1.0 + f32::EPSILON;
    const BELOW: f32 = 1.0 - f32::EPSILON / 2.0;

    fn bits(x: f32, expected: f32) {
        assert_eq!(x.to_bits(), expected.to_bits(), "{x:e}, expected {expected:e}");
    }

    /// The fused multiply-add, which all ways of computing it agree on.
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        let [once, in_lanes, fused] =
            [super::fma(a, b, c), fma_lanes([a; 2], [b; 2], [c; 2])[1], fma_lanes_fused([a; 2], [b; 2], [c; 2])[1]];
        bits(canonical(in_lanes), canonical(once));
        bits(canonical(fused), canonical(once));
        once
    }

    #[test]
    fn results_are_flushed_after_rounding() {
        // (1 - 2^-24) * 2^-126 has 24 bits; (1 - 2^-46) * 2^-126 rounds to 2^-126.
        bits(mul(MIN, BELOW), 0.0);
        bits(mul(-MIN, BELOW), -0.0);
        bits(mul(MIN * ABOVE, 1.0 - f32::EPSILON), MIN);
        bits(div(MIN, ABOVE), 0.0);
        bits(div(-MIN * 3.0, 3.0), -MIN);
        bits(add(1.5 * MIN, -MIN), 0.0);
        bits(sub(-1.5 * MIN, -MIN), -0.0);
        bits(fma(MIN, BELOW, 0.0), 0.0);
        bits(fma(MIN * ABOVE, 1.0 - f32::EPSILON, 0.0), MIN);
        // Halfway between the two, 2^-126 - 2^-151; below by a step of 53 bits; below and above by less than that.
        let half = -f32::EPSILON / 4.0;
        bits(fma(MIN, half, MIN), MIN);
        bits(fma(MIN, half * ABOVE, MIN), 0.0);
        bits(fma(-MIN, half * ABOVE, -MIN), -0.0);
        let (more, less) = (1.0 + 2896.0 * f32::EPSILON, 1.0 - 2895.0 * f32::EPSILON);
        assert!(f64::from(more) * f64::from(less) > 1.0);
        bits(fma(MIN * more, half * less, MIN), 0.0);
        bits(fma(MIN * ABOVE, half * (1.0 - f32::EPSILON), MIN), MIN);
    }

    #[test]
    fn operands_are_read_as_zeros() {
        let tiny = f32::from_bits(0x007f_ffff);
        bits(add(tiny, 1.0), 1.0);
        bits(add(-tiny, -0.0), -0.0);
        bits(mul(tiny, -1e30), -0.0);
        bits(div(-1.0, tiny), f32::NEG_INFINITY);
        bits(sqrt(-tiny), -0.0);
        bits(fma(1e30, tiny, 2.0), 2.0);
        bits(fma(1.0, 2.0, tiny), 2.0);
        assert!(mul(tiny, f32::INFINITY).is_nan() && div(tiny, tiny).is_nan());
    }

    /// Away from subnormal numbers everything is as in IEEE 754.
    #[test]
    fn normal_numbers_are_rounded_once() {
        let mut state = 1_u64;
        let mut next = move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            // Few bits, so that halfway results are frequent.
            let mantissa = (state >> 40) as u32 & [0x7f_ffff, 0x7f_f000, 0x00_000f][(state >> 20) as usize % 3];
            f32::from_bits(((state >> 33) as u32 & SIGN) | (100 + (state >> 13) as u32 % 50) << 23 | mantissa)
        };
        for _ in 0..1_000_000 {
            let (a, b, c) = (next(), next(), next());
            bits(add(a, b), a + b);
            bits(sub(a, b), a - b);
            bits(mul(a, b), a * b);
            bits(div(a, b), a / b);
            bits(fma(a, b, c), a.mul_add(b, c));
            bits(fma(a, b, -a * b), a.mul_add(b, -a * b));
            // Halfway between two numbers but for c.
            let half = f32::from_bits(a.to_bits() & EXPONENT) * f32::EPSILON / 2.0;
            bits(fma(half, 1.0, a), half + a);
            bits(fma_lanes([half, a], [1.0 + c * 1e-30, b], [a, c])[1], a.mul_add(b, c));
            let b = 1.0 + b.signum() * f32::EPSILON;
            bits(fma(half, b, a), half.mul_add(b, a));
        }
        for special in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 4.0] {
            for other in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -3.0] {
                for (found, expected) in [
                    (add(special, other), special + other),
                    (mul(special, other), special * other),
                    (div(special, other), special / other),
                    (fma(special, other, special), special.mul_add(other, special)),
                ] {
                    bits(canonical(found), canonical(expected));
                }
            }
        }
    }
}
