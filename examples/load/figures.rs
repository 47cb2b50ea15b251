//! Turns made into figures: medians, and ratios between contenders of the same round.

use crate::drive::Turn;

/// The figures of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// Processor microseconds of the servers for one answer.
    pub(crate) processor: f64,
    /// The part of the time in which the servers' core worked: below one, the clients were the limit.
    pub(crate) busy: f64,
    /// Microseconds.
    pub(crate) latency: Latency,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) longest: f64,
}

/// The figures of all turns of one contender in one kind of loop.
#[derive(Debug, Default)]
pub(crate) struct Series(Vec<Figures>);

// === impl Figures ===

impl Figures {
    /// The figures of a turn in which the servers used `processor_seconds`.
    ///
    /// # Panics
    /// An answer was wrong: a fast server that decides wrongly has no speed.
    pub(crate) fn of(name: &str, turn: &Turn, processor_seconds: f64) -> Self {
        let Turn { answers, wrong, seconds, latency } = turn;
        assert!(*answers > 0, "{name}: no answers");
        assert!(*wrong == 0, "{name}: {wrong} of {answers} answers are wrong");
        let answers = f64::from(*answers);
        // Nanoseconds of less than a minute.
        let micros = |nanos: u64| f64::from(u32::try_from(nanos / 10).unwrap_or(u32::MAX)) / 100.0;
        let at = |quantile| micros(latency.value_at_quantile(quantile));
        Self {
            per_second: answers / seconds,
            processor: processor_seconds * 1e6 / answers,
            busy: processor_seconds / seconds,
            latency: Latency {
                p50: at(0.5),
                p99: at(0.99),
                p999: at(0.999),
                longest: micros(latency.max()),
            },
        }
    }
}

// === impl Series ===

impl Series {
    pub(crate) fn take(&mut self, figures: Figures) {
        self.0.push(figures);
    }

    pub(crate) fn median(&self, of: impl Fn(&Figures) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }

    /// The median of the ratios of each round to the same round of `other`: what slows a whole round slows both.
    pub(crate) fn ratio(&self, other: &Self, of: impl Fn(&Figures) -> f64) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(own, other)| of(own) / of(other)).collect())
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
