//! A run: worlds from seeds on every core, until there are enough cases or the time is over.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::compare::{Compared, alone, compare};
use crate::coverage::Coverage;
use crate::report;
use crate::shrink::shrink;
use crate::world::World;

/// How many cases each of the three suites of a world has.
const CASES: usize = 70;

/// How many kinds of difference are shrunk and printed.
const PRINTED: usize = 12;

/// What a run is asked for.
pub struct Wanted {
    /// How many cases.
    pub cases: u64,
    /// The seed of the first world; the next has the next number.
    pub seed: u64,
    /// For how long, at most.
    pub time: Option<Duration>,
    /// On how many threads.
    pub threads: usize,
}

/// What a run has seen.
#[derive(Default)]
pub struct Outcome {
    /// Cases that were compared.
    pub cases: u64,
    /// Worlds that they were in.
    pub worlds: u64,
    /// Worlds whose documents countersign refuses, with the first problem of each.
    pub refused: Vec<String>,
    /// What the oracle does not decide, by name.
    pub outside: BTreeMap<String, u64>,
    /// How often each kind of difference was found.
    pub differences: BTreeMap<String, u64>,
    /// What was reached.
    pub coverage: Coverage,
    /// How long it took.
    pub took: Duration,
}

/// Runs.
pub fn run(wanted: &Wanted) -> Outcome {
    let began = Instant::now();
    let next = AtomicU64::new(wanted.seed);
    let done = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome::default());
    thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let world = World::of(seed, CASES);
                    let compared = compare(&world);
                    let enough = outcome.lock().is_ok_and(|mut outcome| {
                        outcome.add(seed, &world, compared);
                        outcome.cases >= wanted.cases
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
    fn add(&mut self, seed: u64, world: &World, compared: Result<Compared, Vec<String>>) {
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
            if new && printed < PRINTED {
                let (small, differences) = shrink(alone(world, &found), &kind);
                report::print(seed, &found.case, &small, &differences);
            }
        }
    }

    /// Whether everything is as it has to be: no difference, nothing that must be reached missing.
    pub fn faults(&self, covered: bool) -> Vec<String> {
        let differences = self.differences.iter().map(|(kind, count)| format!("{count} differ in {kind}"));
        let coverage = covered.then(|| self.coverage.faults()).unwrap_or_default();
        differences.chain(coverage).collect()
    }
}
