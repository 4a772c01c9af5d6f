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
    // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds x / ln 2 to the integer n and
    // leaves n in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let (low, high, zero) = (b.f32(-88.0), b.f32(88.73), b.f32(0.0));
    let clamped = b.binary(BinaryOp::Max, low, x);
    let clamped = b.binary(BinaryOp::Min, high, clamped);
    let (magic, log2_e) = (b.f32(MAGIC), b.f32(std::f32::consts::LOG2_E));
    let shifted = b.fma(clamped, log2_e, magic);
    let n = b.sub(shifted, magic);
    let (ln2_high, ln2_low) = (b.f32(-0.693_359_4), b.f32(2.121_944_4e-4));
    let r = b.fma(n, ln2_high, clamped);
    let r = b.fma(n, ln2_low, r);
    let p = polynomial(b, r, &[1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let r2 = b.mul(r, r);
    let p = b.fma(p, r2, r);
    let one = b.f32(1.0);
    let p = b.add(p, one);
    // 2^n in two factors that are normal numbers, though n may be 128 or -127: for positive x 2^(n-1) and 2, else
    // 2^(n+24) and 2^-24. The exponent bits of 2^m are (m + 127) << 23.
    let bits = b.unary(UnaryOp::BitsOf, shifted);
    let [above, below] = [126, 151].map(|bias| b.i32(bias - MAGIC.to_bits() as i32));
    let is_negative = b.value(Expr::Cmp(CmpOp::Lt, clamped, zero));
    let bias = b.value(Expr::Select(is_negative, below, above));
    let exponent = b.binary(BinaryOp::IAdd, bits, bias);
    let shift = b.i32(23);
    let exponent = b.binary(BinaryOp::IShl, exponent, shift);
    let scale = b.unary(UnaryOp::FromBits, exponent);
    let [two, tiny] = [2.0, 2.0_f32.powi(-24)].map(|factor| b.f32(factor));
    let rest = b.value(Expr::Select(is_negative, tiny, two));
    let y = b.mul(p, scale);
    // A product below 2^-126 counts as zero, as everywhere.
    b.mul(y, rest)
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
    let doubled = b.add(m, m);
    let centred = b.select(CmpOp::Lt, [m, root_half], doubled, m);
    let e_less = b.sub(e, one);
    let e = b.select(CmpOp::Lt, [m, root_half], e_less, e);
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
    // Where the bits mean something else: 0, negative numbers, infinity, NaN.
    let (minus_infinity, nan, infinity) = (b.f32(f32::NEG_INFINITY), b.f32(f32::NAN), b.f32(f32::INFINITY));
    let y = b.select(CmpOp::Eq, [x, zero], minus_infinity, y);
    let y = b.select(CmpOp::Lt, [x, zero], nan, y);
    let y = b.select(CmpOp::Eq, [x, infinity], infinity, y);
    b.select(CmpOp::Ne, [x, x], x, y)
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
    let e = exp(b, double);
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
