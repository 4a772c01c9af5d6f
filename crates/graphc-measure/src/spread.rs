//! Order statistics of measurements.

/// A set of measurements in order statistics, in the unit of the measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// A quarter lies below.
    pub lower_quartile: f64,
    /// Half lies below.
    pub median: f64,
    /// A quarter lies above.
    pub upper_quartile: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one measurement; between two measurements a quantile is interpolated.
    ///
    /// # Panics
    /// If there is no measurement.
    pub fn of(mut values: Vec<f64>) -> Spread {
        assert!(!values.is_empty(), "a spread of no measurements");
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let position = share * (values.len() - 1) as f64;
            let (below, above) = (values[position.floor() as usize], values[position.ceil() as usize]);
            below + (above - below) * position.fract()
        };
        Spread { min: at(0.0), lower_quartile: at(0.25), median: at(0.5), upper_quartile: at(0.75), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0, 2.0]);
        let expected = Spread { min: 1.0, lower_quartile: 1.75, median: 2.5, upper_quartile: 3.5, max: 5.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(vec![7.0]).upper_quartile, 7.0);
    }
}
