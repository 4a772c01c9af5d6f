//! A real number with what `f32` may make of it: for telling where engines must agree when values are not tame.
//!
//! [`Approx`] carries the `f64` value, a bound of how far an `f32` result may be from it in any order of summation, and
//! whether all of that is certain. It is uncertain, for this thread and until [`Approx::watch`] starts anew, once
//! * an intermediate value may leave the normal range of `f32`: above its maximum, or below 2^-126 without being 0;
//! * a comparison, a quotient, a root, a logarithm or an integer is of values that may be on either side of the border.
//!
//! NaN and infinities that come from infinite or NaN operands are certain.

use graphc_ir::Real;
use num_traits::{Float, Num, NumCast, One, ToPrimitive, Zero};
use std::cell::Cell;
use std::cmp::Ordering;
use std::num::FpCategory;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

thread_local! {
    static IS_CERTAIN: Cell<bool> = const { Cell::new(true) };
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Approx {
    value: f64,
    /// Greatest distance of an `f32` result.
    radius: f64,
    /// Sum of the magnitudes of the terms that `value` is the sum of: a bound of every partial sum.
    mass: f64,
}

/// Ends of the range of normal `f32` numbers.
const F32_MAX: f64 = f32::MAX as f64;
const F32_MIN_POSITIVE: f64 = f32::MIN_POSITIVE as f64;

/// Relative error of one `f32` operation, with room for another order or expansion of it.
const ROUNDING: f64 = 1e-6;

/// Relative error of an elementary function.
const FUNCTION: f64 = 4e-6;

impl Approx {
    /// Evaluates with a clean slate; also gives whether every value that was computed meanwhile is certain.
    pub fn watch<T>(evaluate: impl FnOnce() -> T) -> (T, bool) {
        IS_CERTAIN.set(true);
        let result = evaluate();
        (result, IS_CERTAIN.get())
    }

    /// Greatest distance of an `f32` result.
    pub fn radius(self) -> f64 {
        self.radius
    }

    fn exact(value: f64) -> Approx {
        Approx { value, radius: 0.0, mass: value.abs() }
    }

    /// A result of finite operands.
    fn new(value: f64, radius: f64, mass: f64) -> Approx {
        // What overflows in f64 does so in f32, but a partial sum may overflow earlier.
        let is_above = mass + radius > F32_MAX;
        let is_below = (value != 0.0 || radius > 0.0) && value.abs() - radius < F32_MIN_POSITIVE;
        // A sum that cancels down to rounding is small in any order, if its terms are normal numbers.
        let is_cancelled = mass > 1e-25 && mass.is_finite();
        if value.is_finite() && (is_above || (is_below && !is_cancelled)) || radius.is_nan() {
            IS_CERTAIN.set(false);
        }
        Approx { value, radius, mass }
    }

    /// The result of an operation on a value that is not finite: as exact as that.
    fn special(value: f64) -> Approx {
        if value.is_finite() && value != 0.0 {
            Approx::new(value, ROUNDING * value.abs(), value.abs())
        } else {
            Approx::exact(value)
        }
    }

    /// `f`, of derivative at most `slope` around the value.
    fn function(self, value: f64, slope: f64) -> Approx {
        if !self.value.is_finite() {
            return Approx::special(value);
        }
        let radius = self.radius * slope + FUNCTION * value.abs() + if self.radius > 0.0 { 1e-30 } else { 0.0 };
        Approx::new(value, radius, value.abs())
    }

    /// Sine or cosine, which engines know with fewer digits beyond `1e6`.
    fn circular(self, f: fn(f64) -> f64) -> Approx {
        match self.value.is_finite() && self.value.abs() > 1e6 {
            true => Approx::uncertain(f(self.value)),
            false => self.function(f(self.value), 1.0),
        }
    }

    fn uncertain(value: f64) -> Approx {
        IS_CERTAIN.set(false);
        Approx::exact(value)
    }

    fn is_exact(self) -> bool {
        self.radius == 0.0
    }
}

impl PartialEq for Approx {
    fn eq(&self, other: &Approx) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Approx {
    fn partial_cmp(&self, other: &Approx) -> Option<Ordering> {
        let is_close = (self.value - other.value).abs() <= self.radius + other.radius;
        if is_close && !(self.is_exact() && other.is_exact()) {
            IS_CERTAIN.set(false);
        }
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Approx {
    type Output = Approx;
    fn add(self, other: Approx) -> Approx {
        let value = self.value + other.value;
        if !(self.value.is_finite() && other.value.is_finite()) {
            return Approx::special(value);
        }
        let mass = self.mass + other.mass;
        // Adding zero rounds nothing.
        let is_neutral = |x: Approx| x.value == 0.0 && x.is_exact();
        if is_neutral(self) || is_neutral(other) {
            return Approx { value, radius: self.radius + other.radius, mass };
        }
        Approx::new(value, self.radius + other.radius + ROUNDING * mass, mass)
    }
}

impl Sub for Approx {
    type Output = Approx;
    fn sub(self, other: Approx) -> Approx {
        self + -other
    }
}

impl Neg for Approx {
    type Output = Approx;
    fn neg(self) -> Approx {
        Approx { value: -self.value, ..self }
    }
}

impl Mul for Approx {
    type Output = Approx;
    fn mul(self, other: Approx) -> Approx {
        let value = self.value * other.value;
        if !(self.value.is_finite() && other.value.is_finite()) {
            // Infinity times what may be zero, or of either sign.
            let is_open = |x: Approx| !x.is_exact() && x.value.abs() <= x.radius;
            return if is_open(self) || is_open(other) { Approx::uncertain(value) } else { Approx::special(value) };
        }
        if (self.value == 0.0 && self.is_exact()) || (other.value == 0.0 && other.is_exact()) {
            return Approx::exact(value);
        }
        let radius = self.value.abs() * other.radius + other.value.abs() * self.radius + self.radius * other.radius;
        // A product of sums is one term: the sums are rounded before it.
        Approx::new(value, radius + ROUNDING * value.abs(), value.abs())
    }
}

impl Div for Approx {
    type Output = Approx;
    fn div(self, other: Approx) -> Approx {
        let value = self.value / other.value;
        if !(self.value.is_finite() && other.value.is_finite()) || (other.value == 0.0 && other.is_exact()) {
            let is_open = |x: Approx| !x.is_exact() && x.value.abs() <= x.radius;
            return if is_open(self) || is_open(other) { Approx::uncertain(value) } else { Approx::special(value) };
        }
        if other.value.abs() <= 2.0 * other.radius {
            return Approx::uncertain(value);
        }
        if self.value == 0.0 && self.is_exact() {
            return Approx::exact(value);
        }
        let least = other.value.abs() - other.radius;
        let radius = (self.radius + value.abs() * other.radius) / least;
        Approx::new(value, radius + ROUNDING * value.abs(), value.abs())
    }
}

impl Rem for Approx {
    type Output = Approx;
    fn rem(self, _: Approx) -> Approx {
        unused()
    }
}

impl Zero for Approx {
    fn zero() -> Approx {
        Approx::exact(0.0)
    }
    fn is_zero(&self) -> bool {
        *self == Approx::zero()
    }
}

impl One for Approx {
    fn one() -> Approx {
        Approx::exact(1.0)
    }
}

impl Num for Approx {
    type FromStrRadixErr = ();
    fn from_str_radix(_: &str, _: u32) -> Result<Approx, ()> {
        Err(())
    }
}

impl ToPrimitive for Approx {
    fn to_i64(&self) -> Option<i64> {
        self.value.to_i64()
    }
    fn to_u64(&self) -> Option<u64> {
        self.value.to_u64()
    }
    fn to_f64(&self) -> Option<f64> {
        Some(self.value)
    }
}

impl NumCast for Approx {
    fn from<T: ToPrimitive>(value: T) -> Option<Approx> {
        value.to_f64().map(Approx::exact)
    }
}

impl Real for Approx {
    fn from_f64(value: f64) -> Approx {
        // Constants of ops, such as the factor of a dropout mask, are rounded.
        let is_rounded = (value as f32).to_f64() != Some(value) && value.is_finite();
        if is_rounded {
            Approx::new(value, ROUNDING * value.abs(), value.abs())
        } else {
            Approx::new(value, 0.0, value.abs())
        }
    }
    fn widen(self) -> f64 {
        self.value
    }
    fn map_f64(self, f: impl Fn(f64) -> f64, steepest: f64) -> Approx {
        self.function(f(self.value), steepest)
    }
    fn steps(self, f: impl Fn(f64) -> f64) -> Approx {
        let [low, high] = [self.value - self.radius, self.value + self.radius].map(&f);
        let value = f(self.value);
        if self.is_exact() || low == high { Approx::exact(value) } else { Approx::uncertain(value) }
    }
}

/// For what no op computes.
fn unused<T>() -> T {
    panic!("no op computes this")
}

macro_rules! unused {
    ($($name:ident($($argument:ident: $ty:ty),*) -> $result:ty;)*) => {
        $(fn $name(self $(, $argument: $ty)*) -> $result {
            $(let _ = $argument;)*
            unused()
        })*
    };
}

impl Float for Approx {
    fn nan() -> Approx {
        Approx::exact(f64::NAN)
    }
    fn infinity() -> Approx {
        Approx::exact(f64::INFINITY)
    }
    fn neg_infinity() -> Approx {
        Approx::exact(f64::NEG_INFINITY)
    }
    fn neg_zero() -> Approx {
        Approx::exact(-0.0)
    }
    fn min_value() -> Approx {
        Approx::exact(f32::MIN.into())
    }
    fn min_positive_value() -> Approx {
        Approx::exact(f32::MIN_POSITIVE.into())
    }
    fn max_value() -> Approx {
        Approx::exact(f32::MAX.into())
    }
    fn is_nan(self) -> bool {
        self.value.is_nan()
    }
    fn is_infinite(self) -> bool {
        self.value.is_infinite()
    }
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    fn abs(self) -> Approx {
        Approx { value: self.value.abs(), ..self }
    }
    fn mul_add(self, a: Approx, b: Approx) -> Approx {
        self * a + b
    }
    fn sqrt(self) -> Approx {
        if self.is_exact() && self.value == 0.0 {
            return self;
        }
        if self.value.is_finite() && self.value.abs() <= 2.0 * self.radius {
            return Approx::uncertain(self.value.sqrt());
        }
        let value = self.value.sqrt();
        self.function(value, 1.0 / value)
    }
    fn exp(self) -> Approx {
        let value = self.value.exp();
        // What is below the range is 0 in f32, and above it infinite.
        if self.value + self.radius < -87.4 {
            return if self.value == f64::NEG_INFINITY { Approx::exact(0.0) } else { Approx::uncertain(value) };
        }
        self.function(value, value * self.radius.min(1.0).exp())
    }
    fn ln(self) -> Approx {
        let value = self.value.ln();
        if self.is_exact() && self.value == 0.0 {
            return Approx::exact(value);
        }
        if self.value.is_finite() && self.value.abs() <= 2.0 * self.radius {
            return Approx::uncertain(value);
        }
        let result = self.function(value, 2.0 / self.value.abs());
        // Around 1 the error is that of 1, not of the small result; 0 itself is exact.
        if value.is_finite() && !(self.is_exact() && self.value == 1.0) {
            return Approx { radius: result.radius + FUNCTION, ..result };
        }
        result
    }
    fn exp_m1(self) -> Approx {
        let value = self.value.exp_m1();
        self.function(value, (value + 1.0) * self.radius.min(1.0).exp())
    }
    fn ln_1p(self) -> Approx {
        let (value, above) = (self.value.ln_1p(), self.value + 1.0);
        if self.is_exact() && above == 0.0 {
            return Approx::exact(value);
        }
        if self.value.is_finite() && above.abs() <= 2.0 * self.radius {
            return Approx::uncertain(value);
        }
        self.function(value, 2.0 / above.abs())
    }
    fn sin(self) -> Approx {
        self.circular(f64::sin)
    }
    fn cos(self) -> Approx {
        self.circular(f64::cos)
    }
    fn tanh(self) -> Approx {
        self.function(self.value.tanh(), 1.0)
    }
    fn is_sign_positive(self) -> bool {
        self.value.is_sign_positive()
    }
    fn is_sign_negative(self) -> bool {
        self.value.is_sign_negative()
    }
    fn max(self, other: Approx) -> Approx {
        if self < other || self.is_nan() { other } else { self }
    }
    fn min(self, other: Approx) -> Approx {
        if self > other || self.is_nan() { other } else { self }
    }
    fn powi(self, n: i32) -> Approx {
        assert_eq!(n, 2, "no op computes other powers");
        self * self
    }
    fn integer_decode(self) -> (u64, i16, i8) {
        unused()
    }
    unused! {
        is_normal() -> bool;
        classify() -> FpCategory;
        floor() -> Approx;
        ceil() -> Approx;
        round() -> Approx;
        trunc() -> Approx;
        fract() -> Approx;
        signum() -> Approx;
        recip() -> Approx;
        powf(n: Approx) -> Approx;
        exp2() -> Approx;
        log(base: Approx) -> Approx;
        log2() -> Approx;
        log10() -> Approx;
        abs_sub(other: Approx) -> Approx;
        cbrt() -> Approx;
        hypot(other: Approx) -> Approx;
        tan() -> Approx;
        asin() -> Approx;
        acos() -> Approx;
        atan() -> Approx;
        atan2(other: Approx) -> Approx;
        sin_cos() -> (Approx, Approx);
        sinh() -> Approx;
        cosh() -> Approx;
        asinh() -> Approx;
        acosh() -> Approx;
        atanh() -> Approx;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(f: impl FnOnce() -> Approx) -> bool {
        Approx::watch(f).1
    }

    fn of(value: f64) -> Approx {
        Approx::from_f64(value)
    }

    #[test]
    fn what_leaves_the_range_of_f32_is_uncertain() {
        assert!(certain(|| of(1e20) * of(1e15)));
        assert!(!certain(|| of(1e20) * of(1e20)));
        // The order (a + b) + c overflows.
        assert!(!certain(|| of(3e38) + (of(-3e38) + of(1e38)) + of(3e38)));
        assert!(!certain(|| of(1e-20) * of(1e-20)));
        assert!(!certain(|| of(1e-40)));
    }

    #[test]
    fn special_values_are_certain() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0] {
            assert!(certain(|| of(value) * of(2.0) + of(1.0)), "{value}");
        }
        assert!(certain(|| of(1.0) / of(0.0)));
        assert!(certain(|| of(f64::NEG_INFINITY).exp()));
    }

    #[test]
    fn cancellation_decides_nothing() {
        let difference = || of(0.1) + of(0.2) - of(0.3);
        assert!(certain(difference));
        assert!(!certain(|| of(1.0) / difference()));
        assert!(!certain(|| if difference() > of(0.0) { of(1.0) } else { of(0.0) }));
        assert!(!certain(|| difference() * of(f64::INFINITY)));
        assert!(difference().radius() > 1e-7);
    }
}
