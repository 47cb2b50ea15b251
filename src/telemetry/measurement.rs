//! Values that a part of the server keeps itself and the metrics page shows.

use super::instruments::Instrument;

/// The values of one instrument at one moment.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The instrument.
    pub instrument: &'static Instrument,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// One value, with the value of the instrument's label, where it has one.
pub type Sample = (String, Number);

/// A number that a metric shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count, a level, a flag or a moment.
    Whole(i64),
    /// Seconds with a fraction.
    Fraction(f64),
}

impl Instrument {
    /// A measurement of an instrument without labels.
    pub fn shows(&'static self, number: impl Into<Number>) -> Measurement {
        Measurement { instrument: self, samples: vec![(String::new(), number.into())] }
    }

    /// A measurement with one value for each value of the label.
    pub fn shows_each<N: Into<Number>>(
        &'static self,
        samples: impl IntoIterator<Item = (String, N)>,
    ) -> Measurement {
        let samples = samples.into_iter().map(|(label, number)| (label, number.into()));
        Measurement { instrument: self, samples: samples.collect() }
    }
}

impl Number {
    pub(super) fn level(self) -> i64 {
        match self {
            Self::Whole(whole) => whole,
            Self::Fraction(_) => 0,
        }
    }

    pub(super) fn count(self) -> u64 {
        u64::try_from(self.level()).unwrap_or(0)
    }

    pub(super) const fn fraction(self) -> f64 {
        match self {
            Self::Whole(_) => 0.0,
            Self::Fraction(fraction) => fraction,
        }
    }
}

macro_rules! whole {
    ($($number:ty),+) => {
        $(impl From<$number> for Number {
            fn from(number: $number) -> Self {
                Self::Whole(number.try_into().unwrap_or(i64::MAX))
            }
        })+
    };
}

whole!(bool, i64, u64, usize);

impl From<f64> for Number {
    fn from(seconds: f64) -> Self {
        Self::Fraction(seconds)
    }
}
