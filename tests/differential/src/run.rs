//! A run: worlds from seeds on every core, until there are enough cases or the time is over.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{Compared, Found};
use crate::coverage::Coverage;
use crate::report;
use crate::shrink::shrink;

/// How many kinds of difference are shrunk and printed.
const PRINTED: usize = 60;

/// The beginning of a case: identities that it states, or Envoy's bytes. A world is one value, so that shrinking needs to know
/// nothing of it.
pub struct Tier {
    /// Its name.
    pub name: &'static str,
    /// The world of a seed.
    pub world: fn(u64) -> Value,
    /// Puts every case of a world to both.
    pub compare: fn(&Value) -> Result<Compared, Vec<String>>,
    /// A world with one case alone.
    pub alone: fn(&Value, &Found) -> Value,
    /// The text of a world for people.
    pub text: fn(&Value) -> String,
    /// The counts of what was reached, as a table.
    pub table: fn(&Coverage) -> String,
    /// The counts that must be reached and were not.
    pub faults: fn(&Coverage) -> Vec<String>,
}

/// The request for a run.
pub struct Wanted {
    /// How many cases.
    pub cases: u64,
    /// The seed of the first world; the next has the next number.
    pub seed: u64,
    /// For how long, at most.
    pub time: Option<Duration>,
    /// On how many threads.
    pub threads: usize,
    /// True if to end at the first world with a difference, which is not shrunk.
    pub first: bool,
}

/// The results of a run.
#[derive(Default)]
pub struct Outcome {
    /// Cases that were compared.
    pub cases: u64,
    /// Worlds that they were in.
    pub worlds: u64,
    /// Worlds whose documents countersign refuses, with the first problem of each.
    pub refused: Vec<String>,
    /// Cases that the oracle does not decide, by name.
    pub outside: BTreeMap<String, u64>,
    /// How often each kind of difference was found.
    pub differences: BTreeMap<String, u64>,
    /// The coverage.
    pub coverage: Coverage,
    /// How long it took.
    pub took: Duration,
}

/// Runs.
#[expect(clippy::disallowed_methods, reason = "a run lasts by the clock on the wall")]
pub fn run(tier: &Tier, wanted: &Wanted) -> Outcome {
    let began = Instant::now();
    let next = AtomicU64::new(wanted.seed);
    let done = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome::default());
    thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let world = (tier.world)(seed);
                    let compared = (tier.compare)(&world);
                    let enough = outcome.lock().is_ok_and(|mut outcome| {
                        outcome.add(tier, seed, &world, compared, !wanted.first);
                        outcome.cases >= wanted.cases || (wanted.first && !outcome.differences.is_empty())
                    });
                    if enough || wanted.time.is_some_and(|time| began.elapsed() >= time) {
                        done.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let outcome = outcome.into_inner().unwrap_or_default();
    Outcome { took: began.elapsed(), ..outcome }
}

impl Outcome {
    fn add(&mut self, tier: &Tier, seed: u64, world: &Value, compared: Result<Compared, Vec<String>>, shrinks: bool) {
        self.worlds += 1;
        let compared = match compared {
            Ok(compared) => compared,
            Err(problems) => return self.refused.push(format!("seed {seed}: {}", problems.join("\n"))),
        };
        self.cases += compared.cases;
        compared.outside.into_iter().for_each(|name| *self.outside.entry(name).or_default() += 1);
        self.coverage.merge(compared.coverage);
        for found in compared.found {
            let Some(first) = found.differences.first() else { continue };
            let kind = first.signature();
            let (new, printed) = (!self.differences.contains_key(&kind), self.differences.len());
            *self.differences.entry(kind.clone()).or_default() += 1;
            if new && shrinks && printed < PRINTED {
                let (small, differences) = shrink(tier, world, &found, &kind);
                report::print(seed, &found.case, &(tier.text)(&small), &differences);
            }
        }
    }

    /// True if everything is as it has to be: no difference, nothing that must be reached missing.
    pub fn faults(&self, tier: &Tier, covered: bool) -> Vec<String> {
        let differences = self.differences.iter().map(|(kind, count)| format!("{count} differ in {kind}"));
        let coverage = if covered { (tier.faults)(&self.coverage) } else { Vec::new() };
        differences.chain(coverage).collect()
    }
}
