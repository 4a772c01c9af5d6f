//! Elementary functions as polynomials in loop IR, so that every engine computes the same bits.
//!
//! The polynomials of `exp`, `log`, `tanh`, `sin` and `cos` are those of Cephes (S. Moshier, single precision), that of
//! `erf` is N. Juffa's, that of `ndtr` was fitted for it: relative errors of 1e-7 to 4e-7 over the normal range.

use crate::write::builder::Builder;
use graphc_ir::loops::{Expr, ValueId};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// The function `op` of `x`; none if it is an operation of the loop IR.
pub(crate) fn function(b: &mut Builder, op: UnaryOp, x: ValueId) -> Option<ValueId> {
    let function = match op {
        UnaryOp::Exp => exp,
        UnaryOp::Log => log,
        UnaryOp::Tanh => tanh,
        UnaryOp::Erf => erf,
        UnaryOp::Ndtr => ndtr,
        UnaryOp::Sin => sin,
        UnaryOp::Cos => cos,
        UnaryOp::Expm1 => expm1,
        UnaryOp::Log1p => log1p,
        UnaryOp::ToI32 => to_i32,
        UnaryOp::Neg
        | UnaryOp::Abs
        | UnaryOp::Sqrt
        | UnaryOp::Floor
        | UnaryOp::Ceil
        | UnaryOp::Round
        | UnaryOp::Trunc
        | UnaryOp::ToF32
        | UnaryOp::BitsOf
        | UnaryOp::FromBits => return None,
    };
    Some(function(b, x))
}

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
fn exp(b: &mut Builder, x: ValueId) -> ValueId {
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

/// `e^x - 1`, which loses no digits near 0: -1 far below it, infinity above 88.73, NaN for NaN.
fn expm1(b: &mut Builder, x: ValueId) -> ValueId {
    let (low, high) = (b.f32(-30.0), b.f32(88.73));
    let clamped = b.binary(BinaryOp::Max, low, x);
    let clamped = b.binary(BinaryOp::Min, high, clamped);
    // Half of it, since 2^n may be greater than any number.
    let Power { n, less_one } = power(b, clamped, 126);
    let (places, half) = (b.i32(23), b.f32(0.5));
    let scale = b.binary(BinaryOp::IShl, n, places);
    let scale = b.unary(UnaryOp::FromBits, scale);
    let scale_less = b.sub(scale, half);
    let y = b.fma(less_one, scale, scale_less);
    let y = b.add(y, y);
    signed_as(b, y, x)
}

/// `y` with the sign of `x`, also that of a zero.
fn signed_as(b: &mut Builder, y: ValueId, x: ValueId) -> ValueId {
    let size = b.unary(UnaryOp::Abs, y);
    turned(b, size, x)
}

/// Natural logarithm: minus infinity at 0, as which subnormal numbers count, and NaN below.
fn log(b: &mut Builder, x: ValueId) -> ValueId {
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
    let root_half = b.f32(FRAC_1_SQRT_2);
    let is_small = b.value(Expr::Cmp(CmpOp::Lt, m, root_half));
    let [more, less] = [m, one].map(|number| b.value(Expr::Select(is_small, number, zero)));
    let centred = b.add(m, more);
    let e = b.sub(e, less);
    let r = b.sub(centred, one);
    let y = log_near(b, r, e);
    or_special(b, y, [x, zero])
}

/// The logarithm of `(1 + r) * 2^e` with `1 + r` between the roots of 1/2 and 2.
fn log_near(b: &mut Builder, r: ValueId, e: ValueId) -> ValueId {
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
    b.fma(e, ln2_high, y)
}

/// `log(1 + x)`, which loses no digits near 0: minus infinity at -1, NaN below.
fn log1p(b: &mut Builder, x: ValueId) -> ValueId {
    let (one, zero, least) = (b.f32(1.0), b.f32(0.0), b.f32(-1.0 + f32::EPSILON / 2.0));
    let near = b.binary(BinaryOp::Max, least, x);
    let sum = b.add(near, one);
    // 1 + x = m * 2^e with m between the roots of 1/2 and 2. Then m - 1 = x * 2^-e + (2^-e - 1), where the sum's own
    // rounding is not seen.
    let (bits, near) = (b.unary(UnaryOp::BitsOf, sum), b.unary(UnaryOp::BitsOf, near));
    let (root_half, exponents) = (b.i32(FRAC_1_SQRT_2.to_bits().cast_signed()), b.i32(-1 << 23));
    let above = b.binary(BinaryOp::ISub, bits, root_half);
    let exponent = b.binary(BinaryOp::IAnd, above, exponents);
    // Four times 2^-e, since e may be 128.
    let four = b.i32(4.0_f32.to_bits().cast_signed());
    let [scaled, scale] = [near, four].map(|bits| b.binary(BinaryOp::ISub, bits, exponent));
    let [scaled, scale] = [scaled, scale].map(|bits| b.unary(UnaryOp::FromBits, bits));
    let (quarter, minus_one) = (b.f32(0.25), b.f32(-1.0));
    let rest = b.fma(scale, quarter, minus_one);
    let r = b.add(scaled, rest);
    let (e, unit) = (b.unary(UnaryOp::ToF32, exponent), b.f32(1.0 / 8_388_608.0));
    let e = b.mul(e, unit);
    let y = log_near(b, r, e);
    let sum = b.add(x, one);
    let y = or_special(b, y, [sum, zero]);
    signed_as(b, y, x)
}

/// The logarithm `y` of `x`; where the bits of `x` mean something else (0, negative numbers, infinity, NaN), `y` is a
/// number, and what is added to it is none: minus infinity, NaN, or `x` itself.
fn or_special(b: &mut Builder, y: ValueId, [x, zero]: [ValueId; 2]) -> ValueId {
    let (minus_infinity, nan, infinity) = (b.f32(f32::NEG_INFINITY), b.f32(f32::NAN), b.f32(f32::INFINITY));
    let at_zero = b.select(CmpOp::Eq, [x, zero], minus_infinity, zero);
    let below = b.select(CmpOp::Lt, [x, zero], nan, zero);
    let above = b.select(CmpOp::Lt, [x, infinity], zero, x);
    let special = b.add(at_zero, below);
    let special = b.add(special, above);
    b.add(y, special)
}

/// Hyperbolic tangent.
fn tanh(b: &mut Builder, x: ValueId) -> ValueId {
    let size = b.unary(UnaryOp::Abs, x);
    // Near 0 an odd polynomial of |x|; elsewhere 1 - 2 / (e^(2|x|) + 1). Then the sign of x, also that of zero.
    let z = b.mul(size, size);
    let p = polynomial(b, z, &[-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let p = b.mul(p, z);
    let near = b.fma(p, size, size);
    let double = b.add(size, size);
    // Where e^(2|x|) is that of 40, or more, the result is 1.
    let most = b.f32(40.0);
    let double = b.binary(BinaryOp::Min, most, double);
    let e = exp_within(b, double);
    let (one, two) = (b.f32(1.0), b.f32(2.0));
    let denominator = b.add(e, one);
    let quotient = b.div(two, denominator);
    let far = b.sub(one, quotient);
    let limit = b.f32(0.625);
    let y = b.select(CmpOp::Lt, [size, limit], near, far);
    turned(b, y, x)
}

/// `e^x` of a number between -87 and 88.
fn exp_within(b: &mut Builder, x: ValueId) -> ValueId {
    let Power { n, less_one } = power(b, x, 127);
    // The exponent bits are those of 2^n.
    let bits = b.i32(23);
    let scale = b.binary(BinaryOp::IShl, n, bits);
    let scale = b.unary(UnaryOp::FromBits, scale);
    b.fma(less_one, scale, scale)
}

/// `y`, its sign turned where that of `x` is set, also that of a zero.
fn turned(b: &mut Builder, y: ValueId, x: ValueId) -> ValueId {
    let (sign, bits, y) = (b.i32(i32::MIN), b.unary(UnaryOp::BitsOf, x), b.unary(UnaryOp::BitsOf, y));
    let sign = b.binary(BinaryOp::IAnd, bits, sign);
    let y = b.binary(BinaryOp::IXor, y, sign);
    b.unary(UnaryOp::FromBits, y)
}

/// The error function.
fn erf(b: &mut Builder, x: ValueId) -> ValueId {
    let (size, most) = (b.unary(UnaryOp::Abs, x), b.f32(4.0));
    // Near 0 an odd polynomial of |x|; elsewhere 1 - e^(q(|x|)), which is 1 from 4 on. Then the sign of x.
    let z = b.mul(size, size);
    let near = polynomial(
        b,
        z,
        &[-5.967_617e-4, 4.991_192e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let near = b.fma(near, size, size);
    let t = b.binary(BinaryOp::Min, most, size);
    let q = polynomial(
        b,
        t,
        &[
            -1.728_534_7e-5,
            3.831_971_3e-4,
            -3.883_964_4e-3,
            2.425_462_2e-2,
            -1.067_778_8e-1,
            -6.348_467e-1,
            -1.287_175_1e-1,
        ],
    );
    let minus_t = b.unary(UnaryOp::Neg, t);
    let q = b.fma(q, t, minus_t);
    let (rest, one, limit) = (exp_within(b, q), b.f32(1.0), b.f32(0.927_734_4));
    let far = b.sub(one, rest);
    let y = b.select(CmpOp::Lt, [size, limit], near, far);
    turned(b, y, x)
}

/// The share of a standard normal distribution below `x`. Small shares have all their digits, too.
fn ndtr(b: &mut Builder, x: ValueId) -> ValueId {
    // With a = |x|, what lies beyond is e^(-a^2 / 2) * t * p(t) where t = 1 / (a + 3), and below 2^-126 from 13.25 on.
    let (size, most, three, one) = (b.unary(UnaryOp::Abs, x), b.f32(13.25), b.f32(3.0), b.f32(1.0));
    let a = b.binary(BinaryOp::Min, most, size);
    let shifted = b.add(a, three);
    let t = b.div(one, shifted);
    // From -1 to 1, so that terms do not cancel.
    let (scale, centre) = (b.f32(7.358_490_5), b.f32(-1.452_830_2));
    let u = b.fma(t, scale, centre);
    let p = polynomial(
        b,
        u,
        &[
            -5.326_328_8e-5,
            1.220_707_6e-4,
            5.866_039_4e-4,
            -1.866_835_9e-3,
            -7.137_31e-3,
            2.023_486_5e-2,
            1.686_304_5e-1,
            4.882_458e-1,
            8.312_377e-1,
        ],
    );
    let ratio = b.mul(p, t);
    // The square's rounding would cost digits of its power: e^-(s + r)/2 = e^(-s/2) * (1 - r/2).
    let (square, minus_half) = (b.mul(a, a), b.f32(-0.5));
    let minus_square = b.unary(UnaryOp::Neg, square);
    let rest = b.fma(a, a, minus_square);
    let (exponent, rest) = (b.mul(square, minus_half), b.mul(rest, minus_half));
    let e = exp(b, exponent);
    let e = b.fma(e, rest, e);
    let beyond = b.mul(e, ratio);
    let (zero, below) = (b.f32(0.0), b.sub(one, beyond));
    b.select(CmpOp::Gt, [x, zero], below, beyond)
}

/// Sine of radians.
fn sin(b: &mut Builder, x: ValueId) -> ValueId {
    let Turned { n, sine, cosine } = turned_back(b, x);
    let y = odd_or_even(b, n, [cosine, sine]);
    // Half a turn turns the sign, and that of the angle does.
    let (bits, places) = (b.unary(UnaryOp::BitsOf, x), b.i32(30));
    let half = b.binary(BinaryOp::IShl, n, places);
    let sign = b.binary(BinaryOp::IXor, half, bits);
    let sign = b.unary(UnaryOp::FromBits, sign);
    turned(b, y, sign)
}

/// Cosine of radians.
fn cos(b: &mut Builder, x: ValueId) -> ValueId {
    let Turned { n, sine, cosine } = turned_back(b, x);
    let y = odd_or_even(b, n, [sine, cosine]);
    // Two of four quarters have the other sign: those before and behind half a turn.
    let (one, places) = (b.i32(1), b.i32(30));
    let next = b.binary(BinaryOp::IAdd, n, one);
    let sign = b.binary(BinaryOp::IShl, next, places);
    let sign = b.unary(UnaryOp::FromBits, sign);
    turned(b, y, sign)
}

/// Sine and cosine of what an angle is more than `n` quarters of a turn.
struct Turned {
    /// An integer whose lowest two bits are those of n.
    n: ValueId,
    sine: ValueId,
    cosine: ValueId,
}

/// An angle without its sign. Up to 1e6 what is left has all its digits and is hardly more than an eighth of a turn; up
/// to 1e7 it may be half as much again, for which the polynomials were not made. Of greater angles it is any number of
/// that range, and of an infinite one NaN.
fn turned_back(b: &mut Builder, x: ValueId) -> Turned {
    // Adding 2^23 rounds to an integer and leaves it in the low bits.
    let (size, magic, quarters) = (b.unary(UnaryOp::Abs, x), b.f32(8_388_608.0), b.f32(FRAC_2_PI));
    let shifted = b.fma(size, quarters, magic);
    let count = b.sub(shifted, magic);
    // The quarter in three numbers: products with the count are exact (W. Cody and W. Waite).
    let parts = [-1.570_796_4, 4.371_139e-8, 1.715_124_5e-15];
    let rest = parts.into_iter().fold(size, |rest, part| {
        let part = b.f32(part);
        b.fma(count, part, rest)
    });
    let (least, most) = (b.f32(-1.25), b.f32(1.25));
    let rest = b.binary(BinaryOp::Max, least, rest);
    let rest = b.binary(BinaryOp::Min, most, rest);
    let z = b.mul(rest, rest);
    let p = polynomial(b, z, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let p = b.mul(p, z);
    let sine = b.fma(p, rest, rest);
    let q = polynomial(b, z, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5, 1.0]);
    Turned { n: b.unary(UnaryOp::BitsOf, shifted), sine, cosine: q }
}

/// The first of two for an odd number, the second for an even one.
fn odd_or_even(b: &mut Builder, n: ValueId, [odd, even]: [ValueId; 2]) -> ValueId {
    let (one, zero) = (b.i32(1), b.i32(0));
    let lowest = b.binary(BinaryOp::IAnd, n, one);
    b.select(CmpOp::Ne, [lowest, zero], odd, even)
}

/// The integer next to a number in the direction of 0, the nearest of those that there are; 0 for NaN.
fn to_i32(b: &mut Builder, x: ValueId) -> ValueId {
    let (least, most, zero) = (b.f32(i32::MIN as f32), b.f32(2_147_483_520.0), b.f32(0.0));
    let number = b.select(CmpOp::Eq, [x, x], x, zero);
    let within = b.binary(BinaryOp::Max, least, number);
    let within = b.binary(BinaryOp::Min, most, within);
    let whole = b.unary(UnaryOp::Trunc, within);
    // As high * 2^16 + low: 1.5 * 2^23 and an integer of less than 23 bits have that integer in their low bits.
    let (unit, units) = (b.f32(1.0 / 65_536.0), b.f32(-65_536.0));
    let high = b.mul(whole, unit);
    let high = b.unary(UnaryOp::Floor, high);
    let low = b.fma(high, units, whole);
    let magic = b.f32(12_582_912.0);
    let [high, low] = [high, low].map(|half| {
        let shifted = b.add(half, magic);
        b.unary(UnaryOp::BitsOf, shifted)
    });
    let (places, bits) = (b.i32(16), b.i32(12_582_912.0_f32.to_bits().cast_signed()));
    let high = b.binary(BinaryOp::IShl, high, places);
    let low = b.binary(BinaryOp::ISub, low, bits);
    b.binary(BinaryOp::IAdd, high, low)
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
