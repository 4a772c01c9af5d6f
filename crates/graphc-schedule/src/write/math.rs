//! Elementary functions as polynomials in loop IR, so that every engine computes the same bits.
//!
//! The polynomials are those of Cephes (S. Moshier, single precision `expf`, `logf`, `tanhf`):
//! relative errors about 1e-7 over the normal range.

use crate::write::builder::Builder;
use graphc_ir::loops::{Expr, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};

/// `sum(coefficients[i] * x^(n-1-i))` by Horner's rule.
fn polynomial(b: &mut Builder, x: ValueId, coefficients: &[f32]) -> ValueId {
    let mut sum = b.f32(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        let c = b.f32(coefficient);
        sum = b.fma(sum, x, c);
    }
    sum
}

/// `e^x`: 0 where that is below 2^-126 (`x < -87.3366`), infinity above 88.73, NaN for NaN.
pub(crate) fn exp(b: &mut Builder, x: ValueId) -> ValueId {
    let (low, high) = (b.f32(-88.0), b.f32(88.73));
    let clamped = b.binary(BinaryOp::Max, low, x);
    let clamped = b.binary(BinaryOp::Min, high, clamped);
    let Power { n, less_one } = power(b, clamped, 254);
    // 2^n in two factors that are normal numbers, though n may be 128 or -127: their exponent bits, m + 127 for 2^m,
    // are half of n + 254, rounded down, and the rest. A product below 2^-126 counts as zero, as everywhere.
    let (places, exponent_bits) = (b.i32(22), b.i32(0x7f80_0000));
    let with_remainder = b.binary(BinaryOp::IShl, n, places);
    let half = b.binary(BinaryOp::IAnd, with_remainder, exponent_bits);
    let all = b.binary(BinaryOp::IAdd, with_remainder, with_remainder);
    let rest = b.binary(BinaryOp::ISub, all, half);
    let [half, rest] = [half, rest].map(|factor| b.unary(UnaryOp::FromBits, factor));
    let y = b.fma(less_one, half, half);
    b.mul(y, rest)
}

/// `e^x = 2^n * (less_one + 1)`.
struct Power {
    /// An integer of whose bits the lowest nine are those of n and a number that was asked for, added. Those above
    /// vanish where it is moved to the left by 22 places.
    n: ValueId,
    /// Rounded; the 1 is to be added, which one multiplication and addition does in any scale.
    less_one: ValueId,
}

/// The power of a number between -88 and 88.73.
fn power(b: &mut Builder, x: ValueId, plus: u16) -> Power {
    // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds x / ln 2 to the integer n and leaves n in the low
    // bits; what it is more than that is added there, too.
    const MAGIC: f32 = 12_582_912.0;
    let (magic, log2_e) = (b.f32(MAGIC + f32::from(plus)), b.f32(std::f32::consts::LOG2_E));
    let shifted = b.fma(x, log2_e, magic);
    let n = b.sub(shifted, magic);
    let (ln2_high, ln2_low) = (b.f32(-0.693_359_4), b.f32(2.121_944_4e-4));
    let r = b.fma(n, ln2_high, x);
    let r = b.fma(n, ln2_low, r);
    let p = polynomial(b, r, &[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let r2 = b.mul(r, r);
    Power { n: b.unary(UnaryOp::BitsOf, shifted), less_one: b.fma(p, r2, r) }
}

/// Natural logarithm: minus infinity at 0, as which subnormal numbers count, and NaN below.
pub(crate) fn log(b: &mut Builder, x: ValueId) -> ValueId {
    let (one, zero) = (b.f32(1.0), b.f32(0.0));
    // x = m * 2^e with 0.5 <= m < 1.
    let bits = b.unary(UnaryOp::BitsOf, x);
    let shift = b.i32(23);
    let biased = b.binary(BinaryOp::IShr, bits, shift);
    let bias = b.i32(126);
    let e = b.binary(BinaryOp::ISub, biased, bias);
    let e = b.unary(UnaryOp::ToF32, e);
    let mantissa_mask = b.i32(0x007f_ffff);
    let mantissa = b.binary(BinaryOp::IAnd, bits, mantissa_mask);
    let half_bits = b.i32(0x3f00_0000);
    let mantissa = b.binary(BinaryOp::IAdd, mantissa, half_bits);
    let m = b.unary(UnaryOp::FromBits, mantissa);
    // Move m into [sqrt(1/2), sqrt(2)) and subtract 1.
    let root_half = b.f32(std::f32::consts::FRAC_1_SQRT_2);
    let is_small = b.value(Expr::Cmp(CmpOp::Lt, m, root_half));
    let [more, less] = [m, one].map(|number| b.value(Expr::Select(is_small, number, zero)));
    let centred = b.add(m, more);
    let e = b.sub(e, less);
    let r = b.sub(centred, one);
    let p = polynomial(
        b,
        r,
        &[
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let r2 = b.mul(r, r);
    let p = b.mul(p, r);
    let p = b.mul(p, r2);
    let (ln2_low, minus_half, ln2_high) = (b.f32(-2.121_944_4e-4), b.f32(-0.5), b.f32(0.693_359_4));
    let y = b.fma(e, ln2_low, p);
    let y = b.fma(r2, minus_half, y);
    let y = b.add(r, y);
    let y = b.fma(e, ln2_high, y);
    // Where the bits mean something else (0, negative numbers, infinity, NaN) y is a number, and what is added to it is
    // none: minus infinity, NaN, or x itself.
    let (minus_infinity, nan, infinity) = (b.f32(f32::NEG_INFINITY), b.f32(f32::NAN), b.f32(f32::INFINITY));
    let at_zero = b.select(CmpOp::Eq, [x, zero], minus_infinity, zero);
    let below = b.select(CmpOp::Lt, [x, zero], nan, zero);
    let above = b.select(CmpOp::Lt, [x, infinity], zero, x);
    let special = b.add(at_zero, below);
    let special = b.add(special, above);
    b.add(y, special)
}

/// Hyperbolic tangent.
pub(crate) fn tanh(b: &mut Builder, x: ValueId) -> ValueId {
    let size = b.unary(UnaryOp::Abs, x);
    // Near 0 an odd polynomial of |x|; elsewhere 1 - 2 / (e^(2|x|) + 1). Then the sign of x, also that of zero.
    let z = b.mul(size, size);
    let p = polynomial(b, z, &[-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let p = b.mul(p, z);
    let near = b.fma(p, size, size);
    let double = b.add(size, size);
    // Where e^(2|x|) is that of 40, or more, the result is 1. Its exponent bits are those of 2^n.
    let most = b.f32(40.0);
    let double = b.binary(BinaryOp::Min, most, double);
    let Power { n, less_one } = power(b, double, 127);
    let bits = b.i32(23);
    let scale = b.binary(BinaryOp::IShl, n, bits);
    let scale = b.unary(UnaryOp::FromBits, scale);
    let e = b.fma(less_one, scale, scale);
    let (one, two) = (b.f32(1.0), b.f32(2.0));
    let denominator = b.add(e, one);
    let quotient = b.div(two, denominator);
    let far = b.sub(one, quotient);
    let limit = b.f32(0.625);
    let y = b.select(CmpOp::Lt, [size, limit], near, far);
    let (sign, bits, y) = (b.i32(i32::MIN), b.unary(UnaryOp::BitsOf, x), b.unary(UnaryOp::BitsOf, y));
    let sign = b.binary(BinaryOp::IAnd, bits, sign);
    let y = b.binary(BinaryOp::IXor, y, sign);
    b.unary(UnaryOp::FromBits, y)
}

/// [`graphc_ir::compute::uniform`], operation by operation.
pub(crate) fn uniform(b: &mut Builder, counter: ValueId, key: ValueId) -> ValueId {
    let mixed = b.binary(BinaryOp::IXor, counter, key);
    let mixed = mix(b, mixed);
    let mixed = b.binary(BinaryOp::IAdd, mixed, key);
    let mixed = mix(b, mixed);
    let shift = b.i32(8);
    let bits = b.binary(BinaryOp::IShr, mixed, shift);
    let bits = b.unary(UnaryOp::ToF32, bits);
    let scale = b.f32(1.0 / 16_777_216.0);
    b.mul(bits, scale)
}

/// The integer hash `lowbias32`.
fn mix(b: &mut Builder, x: ValueId) -> ValueId {
    let mut x = x;
    for (shift, factor) in [(16, Some(0x7feb_352d_u32)), (15, Some(0x846c_a68b)), (16, None)] {
        let amount = b.i32(shift);
        let shifted = b.binary(BinaryOp::IShr, x, amount);
        x = b.binary(BinaryOp::IXor, x, shifted);
        if let Some(factor) = factor {
            let factor = b.i32(factor as i32);
            x = b.binary(BinaryOp::IMul, x, factor);
        }
    }
    x
}
