//! Signals that something is odd: for people and alarms. No decision depends on them. They are found beside the answers: what is seen waits in a
//! bounded queue, and where that is full it is not looked at. Every memory is bounded, and begins empty with the process.

mod firsts;
mod lifetimes;
mod seen;
mod shares;
mod signal;
mod spread;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc::{self, Receiver, Sender};

use self::firsts::Firsts;
use self::lifetimes::Lifetimes;
use self::seen::ProvenDecision;
use self::shares::FamilyShares;
pub use self::signal::{Anomaly, Signal};
use self::spread::Spread;
use crate::document::HumanDuration;
use crate::limits::{MAX_ANOMALY_QUEUE, MAX_USE_WINDOW};
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;
use crate::sync::lock;

/// The settings of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AnomalyOptions {
    /// Also report other keys of an identity (`certificate_key`): only where each identity is one workload with one key at a time.
    pub keys: bool,
    /// How long a use of a token counts for the rules that ask for signals (`token.signals`); at most `24h`.
    pub window: HumanDuration,
}

impl Default for AnomalyOptions {
    fn default() -> Self {
        Self { keys: false, window: HumanDuration::new(Duration::from_hours(1)) }
    }
}

impl AnomalyOptions {
    /// True if the settings can be used.
    ///
    /// # Errors
    /// An option that cannot.
    pub fn check(&self) -> Result<(), String> {
        let window = self.window.get();
        if !window.is_zero() && window <= MAX_USE_WINDOW {
            return Ok(());
        }
        let (own, most) = (self.window, HumanDuration::new(MAX_USE_WINDOW));
        Err(format!("`anomalies.window` is {own}, expected more than 0 and at most {most}"))
    }
}

/// Looks for signals in decisions.
#[derive(Debug)]
pub struct Anomalies {
    queue: Sender<ProvenDecision>,
    tally: Arc<AnomalyCounts>,
}

/// How many signals there were, and the last ones.
#[derive(Debug, Default)]
pub struct AnomalyCounts {
    counts: [AtomicU64; Signal::ALL.len()],
    dropped: AtomicU64,
    last: Mutex<VecDeque<Anomaly>>,
}

/// Writes a signal to where people look.
type Tell = Box<dyn Fn(&Anomaly) + Send>;

#[derive(Default)]
struct Families {
    firsts: Firsts,
    spread: Spread,
    shares: FamilyShares,
    lifetimes: Lifetimes,
}

/// So many are kept for `/status`.
const LAST: usize = 16;

impl Anomalies {
    /// Begins to look, and to `tell`. Call it within a tokio runtime; it ends when this is dropped.
    pub fn start(options: AnomalyOptions, tell: Tell) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_ANOMALY_QUEUE);
        let tally = Arc::<AnomalyCounts>::default();
        tokio::spawn(run(options, waiting, Arc::clone(&tally), tell));
        Self { queue, tally }
    }

    /// The signals that were found until now.
    pub const fn tally(&self) -> &Arc<AnomalyCounts> {
        &self.tally
    }

    fn offer(&self, seen: ProvenDecision) {
        if self.queue.try_send(seen).is_err() {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observer for Anomalies {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        if let Some(seen) = ProvenDecision::of(view, outcome) {
            self.offer(seen);
        }
    }
}

async fn run(
    options: AnomalyOptions,
    mut waiting: Receiver<ProvenDecision>,
    tally: Arc<AnomalyCounts>,
    tell: Tell,
) {
    let mut families = Families::default();
    while let Some(seen) = waiting.recv().await {
        families.look(&seen, |signal, about, detail| {
            if signal == Signal::CertificateKey && !options.keys {
                return;
            }
            let about = about.to_owned();
            let anomaly = Anomaly { signal, at: seen.at, decision: seen.decision, about, detail };
            tell(&anomaly);
            tally.add(anomaly);
        });
    }
}

impl Families {
    fn look(&mut self, seen: &ProvenDecision, mut found: impl FnMut(Signal, &str, String)) {
        self.firsts.look(seen, &mut found);
        self.lifetimes.look(seen, &mut found);
        self.spread.look(seen, &mut found);
        self.shares.look(seen, &mut found);
    }
}

impl AnomalyCounts {
    fn add(&self, anomaly: Anomaly) {
        let counts = Signal::ALL.iter().zip(&self.counts);
        let own = counts.filter(|(signal, _)| **signal == anomaly.signal);
        own.for_each(|(_, count)| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let mut last = lock(&self.last);
        last.push_back(anomaly);
        if last.len() > LAST {
            last.pop_front();
        }
    }

    /// How often each signal was found.
    pub fn counts(&self) -> impl Iterator<Item = (Signal, u64)> {
        let counts = Signal::ALL.into_iter().zip(&self.counts);
        counts.map(|(signal, count)| (signal, count.load(Ordering::Relaxed)))
    }

    /// Decisions that were not looked at.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The last few, the newest last.
    pub fn last(&self) -> Vec<Anomaly> {
        lock(&self.last).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
