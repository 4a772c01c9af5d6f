//! Axes: which numbers they carry, and where a value stands.

/// An axis from its first to its last number.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
    /// Values with their texts, in order.
    pub(super) ticks: Vec<(f64, String)>,
}

/// How values are laid out on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from the smallest to the largest.
    Even,
    /// Evenly, from zero.
    FromZero,
    /// By their logarithms if they are very different, evenly if they are nearly the same, else evenly from zero.
    Fitting,
}

/// Values further apart than by this factor go by their logarithms, and nearer than by the other one need no zero.
const WIDE: f64 = 30.0;
const NARROW: f64 = 1.6;

impl Axis {
    /// For finite values from `low` to `high`.
    pub(super) fn of_values(scale: Scale, low: f64, high: f64) -> Axis {
        match scale {
            Scale::Fitting if low > 0.0 && high / low >= WIDE => Axis::log(low, high),
            Scale::Fitting if low > 0.0 && high > low && high / low <= NARROW => Axis::even(low, high, 5),
            Scale::Fitting | Scale::FromZero if low >= 0.0 => Axis::even(0.0, high, 5),
            // What is always the same is most often a share.
            _ if low == high && (0.0..=1.0).contains(&low) => Axis::even(0.0, 1.0, 5),
            _ => Axis::even(low, high, 5),
        }
    }

    /// Numbers of epochs from 1.
    pub(super) fn of_epochs(last: usize) -> Axis {
        let last = last.max(1);
        // Files may say anything.
        let steps =
            (0..20).flat_map(|power| [1, 2, 5].map(|digit| 10usize.saturating_pow(power).saturating_mul(digit)));
        let step = steps.into_iter().find(|step| last / step <= 8).unwrap_or(last);
        let multiples = (step..=last).step_by(step).filter(|&epoch| epoch > 1);
        // 1 and 2 would touch.
        let first = Some(1).filter(|_| step != 2);
        let ticks = first.into_iter().chain(multiples).map(|epoch| (epoch as f64, epoch.to_string())).collect();
        // A single epoch still needs an axis of some length.
        let (low, high) = if last == 1 { (0.0, 2.0) } else { (1.0, last as f64) };
        Axis { low, high, is_log: false, ticks }
    }

    /// Evenly, with about so many steps of 1, 2 or 5 by a power of ten.
    pub(super) fn even(low: f64, high: f64, n_steps: usize) -> Axis {
        // What is constant still needs an axis of some length.
        let (low, high) = if high > low { (low, high) } else { (low - 0.1 * unit(low), high + 0.1 * unit(low)) };
        let step = step((high - low) / n_steps as f64);
        // So that a value just above a tick does not get another one: a thousandth of a step is not seen.
        let (first, last) = ((low / step + 1e-3).floor(), (high / step - 1e-3).ceil());
        let decimals = (-libm::floor(libm::log10(step) + 1e-9)).clamp(0.0, 12.0) as usize;
        let number = |number: f64| if step >= 1e6 { format!("{number:e}") } else { format!("{number:.decimals$}") };
        let at = |index: usize| first + index as f64;
        let n = (last - first).clamp(1.0, 20.0) as usize;
        let ticks = (0..=n).map(|index| (at(index) * step, number(at(index) * step + 0.0))).collect();
        Axis { low: first * step, high: at(n) * step, is_log: false, ticks }
    }

    fn log(low: f64, high: f64) -> Axis {
        let decade = |value: f64| libm::floor(libm::log10(value)) as i32;
        let (first, last) = (decade(low), decade(high));
        let digits: &[u32] = if last - first > 3 { &[1] } else { &[1, 2, 5] };
        let step = 1 + (last - first) / 7;
        let mut ticks = Vec::new();
        for power in (first..=last + 1).step_by(step as usize) {
            for &digit in digits {
                let value = f64::from(digit) * libm::exp10(power.into());
                if value >= low * 0.999 && value <= high * 1.001 {
                    ticks.push((value, power_text(digit, power)));
                }
            }
        }
        let margin = libm::pow(high / low, 0.04);
        Axis { low: low / margin, high: high * margin, is_log: true, ticks }
    }

    pub(super) fn is_log(&self) -> bool {
        self.is_log
    }

    /// The part of the axis that lies below a value.
    pub(super) fn place(&self, value: f64) -> f64 {
        match self.is_log {
            true => libm::log(value / self.low) / libm::log(self.high / self.low),
            false => (value - self.low) / (self.high - self.low),
        }
    }
}

/// Something of the size of a value.
fn unit(value: f64) -> f64 {
    if value == 0.0 { 10.0 } else { value.abs() }
}

/// The next 1, 2 or 5 by a power of ten.
fn step(least: f64) -> f64 {
    let power = libm::exp10(libm::floor(libm::log10(least)));
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// `0.02`, `500`, `1e-9`.
fn power_text(digit: u32, power: i32) -> String {
    match power {
        0..=5 => format!("{digit}{}", "0".repeat(power as usize)),
        -4..0 => format!("0.{}{digit}", "0".repeat((-power - 1) as usize)),
        _ => format!("{digit}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn round_numbers() {
        assert_eq!(texts(&Axis::of_values(Scale::Fitting, 0.03, 0.61)), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(&Axis::of_values(Scale::Even, 0.941, 0.9912)), ["0.94", "0.96", "0.98", "1.00"]);
        assert_eq!(texts(&Axis::of_values(Scale::Even, -3.0, 12.0)), ["-5", "0", "5", "10", "15"]);
        assert_eq!(texts(&Axis::of_values(Scale::Even, 1.0, 1.0)).last(), Some(&"1.0"));
        assert_eq!(texts(&Axis::of_values(Scale::Even, 50.0, 50.0)), ["44", "46", "48", "50", "52", "54", "56"]);
        assert_eq!(
            texts(&Axis::of_values(Scale::Fitting, 0.024, 0.028)),
            ["0.024", "0.025", "0.026", "0.027", "0.028"]
        );
        let axis = Axis::of_values(Scale::Fitting, 0.002, 0.3);
        assert_eq!(texts(&axis), ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2"]);
        assert!(axis.is_log() && axis.place(0.002) > 0.0 && axis.place(0.3) < 1.0);
        assert_eq!(texts(&Axis::of_values(Scale::Fitting, 1e-9, 3.0)).first(), Some(&"1e-9"));
    }

    #[test]
    fn epochs() {
        assert_eq!(texts(&Axis::of_epochs(30)), ["1", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(texts(&Axis::of_epochs(3)), ["1", "2", "3"]);
        assert_eq!((texts(&Axis::of_epochs(1)), Axis::of_epochs(1).place(1.0)), (vec!["1"], 0.5));
        assert_eq!(texts(&Axis::of_epochs(1000)), ["1", "200", "400", "600", "800", "1000"]);
        assert!((2..10).contains(&texts(&Axis::of_epochs(usize::MAX)).len()));
    }
}
