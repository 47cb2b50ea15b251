//! A soak: a server that runs for long, whose documents, keys, revocations and neighbours change all the time, and clients that
//! compare each answer with the oracle's. `docs/reliability.md` says what it promises.

#![expect(clippy::disallowed_methods, reason = "a process of its own runs by the clock on the wall")]

mod clients;
mod issuer;
mod server;
mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::clients::{Field, Seen};
use self::issuer::{Issuer, MOODS, Mood};
use self::server::{Done, Server, Usage};
use self::truth::{Bench, Epoch, Truth};
use crate::bytes::documents::{self, ENTRIES, Frame};
use crate::bytes::{asks, filled, pool, wire, yaml};
use crate::random::Random;
use crate::report;

/// The request for a soak.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// For how many minutes.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// The seed of everything that is chosen.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many clients ask at a time.
    #[arg(long, default_value_t = 4)]
    clients: u64,
    /// The countersign to run.
    #[arg(long, value_name = "PATH")]
    countersign: PathBuf,
}

/// The part of the time in which the server is restarted; after it one process stays, whose memory is looked at.
const RESTARTS: f64 = 0.4;

/// The oracle's name of the key set that the server reads from an address.
const KEYS: &str = "corp.jwks";

/// Requests to choose from, allowed and denied, so many of each.
const REQUESTS: usize = 60;

struct Soak {
    field: Arc<Field>,
    server: Server,
    issuer: Issuer,
    random: Random,
    frame: Frame,
    documents: Vec<Value>,
    revoked: Vec<Value>,
    settings: Value,
    done: BTreeMap<&'static str, u64>,
    slowest: BTreeMap<&'static str, Duration>,
}

/// Runs it; the faults that it found.
pub fn run(options: &Options) -> Vec<String> {
    let end = Duration::from_secs_f64(options.minutes * 60.0);
    match Soak::begin(options).and_then(|soak| soak.go(options, end)) {
        Ok(faults) => faults,
        Err(fault) => vec![fault],
    }
}

fn epoch_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// Settings that trust some source of evidence of most callers.
fn settings(random: &mut Random) -> Value {
    loop {
        let settings = documents::settings(random);
        let sources = &settings["peerSources"];
        if sources["xfcc"] == true && matches!(sources["leastEvidence"].as_str(), Some("asserted" | "hash")) {
            return settings;
        }
    }
}

/// The documents as the server has them: the keys of one issuer come from an address.
fn served(documents: &[Value], issuer: &Issuer) -> String {
    let mut documents = documents.to_vec();
    for own in &mut documents {
        if own["kind"] == "TokenIssuer" && own["metadata"]["name"] == "corp" {
            own["spec"]["keys"] = json!({ "url": issuer.url(), "allowPlaintext": true, "refresh": "10s" });
        }
    }
    yaml(&Value::from(documents))
}

/// The documents as the oracle has them: what was revoked while the server runs is a list of its own.
fn judged(documents: &[Value], revoked: &[Value]) -> String {
    let mut documents = documents.to_vec();
    let list = json!({ "apiVersion": "countersign.dev/v1alpha1", "kind": "RevocationList", "metadata": { "name": "running" },
        "spec": { "entries": revoked } });
    documents.push(list);
    yaml(&Value::from(documents))
}

/// The thing that an entry revokes, without its limits.
fn thing(entry: &Value) -> Value {
    let mut thing = entry.clone();
    if let Some(members) = thing.as_object_mut() {
        members.remove("issuedBefore");
    }
    thing
}

impl Soak {
    fn begin(options: &Options) -> Done<Self> {
        pool::set_now(epoch_seconds());
        let mut random = Random::of(options.seed);
        let frame = Frame::lasting();
        let documents = documents::documents(&mut random, &frame);
        let settings = settings(&mut random);
        let files = pool::files().clone();
        let issuer = Issuer::serve(files.get(KEYS).cloned().unwrap_or_default()).map_err(|error| error.to_string())?;
        let program = options.countersign.canonicalize().map_err(|error| format!("{}: {error}", options.countersign.display()))?;
        let mut server = Server::new(program, &files)?;
        server.put_documents(&served(&documents, &issuer))?;
        server.start(&settings)?;
        let truth = Truth::new(Epoch { documents: judged(&documents, &[]), files, settings: settings.clone() });
        truth.end();
        let field = Field { truth, asks: Mutex::default(), seen: Mutex::default(), over: AtomicBool::new(false) };
        let (field, revoked, done) = (Arc::new(field), Vec::new(), BTreeMap::new());
        let mut soak = Self { field, server, issuer, random, frame, documents, revoked, settings, done, slowest: BTreeMap::new() };
        soak.other_requests();
        Ok(soak)
    }

    fn go(mut self, options: &Options, end: Duration) -> Done<Vec<String>> {
        let (begun, checks) = (Instant::now(), self.server.checks);
        let seeds = (0..options.clients).map(|number| options.seed.wrapping_add(1000 + number));
        let clients: Vec<_> = seeds
            .map(|seed| {
                let field = Arc::clone(&self.field);
                thread::spawn(move || clients::run(&field, checks, seed))
            })
            .collect();
        let outcome = self.changes(begun, end);
        self.field.over.store(true, Ordering::Relaxed);
        let ended = clients.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
        let usage = outcome.as_deref().unwrap_or_default().to_vec();
        let seen = std::mem::take(&mut *self.field.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.report(&seen, &usage, begun.elapsed());
        let mut faults = outcome.map_or_else(|fault| vec![fault], |usage| flat(&usage));
        faults.extend((seen.wrong > 0).then(|| format!("{} answers that are not the oracle's", seen.wrong)));
        faults.extend((ended > 0).then(|| format!("{ended} clients ended early")));
        faults.extend((seen.answers.len() < 10).then(|| "too few kinds of answers: the soak did not run".to_owned()));
        Ok(faults)
    }

    /// One change after the other; what the last process had in use, second by second.
    fn changes(&mut self, begun: Instant, end: Duration) -> Done<Vec<Usage>> {
        let (mut usage, mut said) = (Vec::new(), Instant::now());
        while begun.elapsed() < end {
            let restarts = begun.elapsed() < end.mul_f64(RESTARTS);
            let (began, done) = (Instant::now(), self.done.clone());
            match self.random.between(0, if restarts { 10 } else { 9 }) {
                0..=3 => self.reload()?,
                4 => self.rotate()?,
                5 => self.mood(),
                6 | 7 => self.revoke()?,
                8 => self.broken()?,
                9 => self.other_requests(),
                _ => self.restart()?,
            }
            let took = began.elapsed();
            for (what, _) in self.done.iter().filter(|(what, times)| done.get(*what) != Some(times)) {
                let slowest = self.slowest.entry(what).or_default();
                *slowest = took.max(*slowest);
            }
            thread::sleep(Duration::from_millis(500));
            if !restarts {
                usage.extend(self.server.usage());
            }
            if said.elapsed() > Duration::from_secs(20) {
                said = Instant::now();
                let seen = self.field.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let answers: u64 = seen.answers.values().sum();
                report::line(&format!("{} s: {answers} answers compared, {} wrong", begun.elapsed().as_secs(), seen.wrong));
            }
        }
        Ok(usage)
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Requests of which half are allowed, as the oracle sees it now, where the documents allow any.
    fn other_requests(&mut self) {
        self.count("other requests");
        pool::set_now(epoch_seconds());
        let mut bench = Bench::default();
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for number in 0..20 * REQUESTS {
            let Some(ask) = asks::asks(&mut self.random, number, false, &self.settings, &[]).into_iter().next() else { continue };
            let newest = self.field.truth.window().last;
            let answer = bench.answer(&self.field.truth, newest, &wire::request(&ask), epoch_seconds());
            let kept = if answer.is_ok_and(|answer| answer.get("decision") == Some("allow")) { &mut allowed } else { &mut denied };
            if kept.len() < REQUESTS {
                kept.push(ask);
            }
            if allowed.len().min(denied.len()) == REQUESTS {
                break;
            }
        }
        allowed.append(&mut denied);
        *self.field.asks.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(allowed);
    }

    fn reload(&mut self) -> Done<()> {
        pool::set_now(epoch_seconds());
        let before = self.server.revision();
        let changed = documents::changed(&mut self.random, &self.frame, &self.documents);
        // The same documents again are no reload.
        if changed == self.documents {
            return Ok(());
        }
        self.count("reloads");
        self.documents = changed;
        let documents = judged(&self.documents, &self.revoked);
        self.field.truth.begin(|epoch| epoch.documents = documents);
        self.server.put_documents(&served(&self.documents, &self.issuer))?;
        self.server.until("in force", |server| {
            server.confirm();
            server.revision().is_some_and(|now| Some(now) != before)
        })?;
        self.field.truth.end();
        Ok(())
    }

    fn rotate(&mut self) -> Done<()> {
        self.count("rotations");
        let Some(newest) = self.field.truth.newest() else { return Ok(()) };
        let files = pool::files();
        let (corp, other) = (files.get(KEYS).cloned().unwrap_or_default(), files.get("corp-rotated.jwks").cloned().unwrap_or_default());
        let next = if newest.files.get(KEYS) == Some(&corp) { other } else { corp };
        self.issuer.set_mood(Mood::Good);
        self.field.truth.begin(|epoch| drop(epoch.files.insert(KEYS.to_owned(), next.clone())));
        self.issuer.publish(next);
        let issuer = self.issuer.clone();
        self.server.until("asking for keys", |_| issuer.was_read())?;
        // It has them; they come into force within a moment.
        thread::sleep(Duration::from_millis(500));
        self.field.truth.end();
        Ok(())
    }

    fn mood(&mut self) {
        self.count("moods of the issuer");
        self.issuer.set_mood(self.random.pick(&MOODS));
    }

    /// An entry that lasts: one that is over would revoke nothing, and the server says so.
    fn entry(&mut self) -> Value {
        let lasting: Vec<&str> = ENTRIES.into_iter().filter(|entry| !entry.contains("expires")).collect();
        filled(&serde_json::from_str(self.random.pick(&lasting)).unwrap_or(Value::Null))
    }

    /// Revokes something, or takes it back.
    fn revoke(&mut self) -> Done<()> {
        let back = !self.revoked.is_empty() && self.random.percent(60);
        let entry = match back {
            true => self.revoked.swap_remove(self.random.between(0, self.revoked.len() - 1)),
            false => self.entry(),
        };
        // Taking back is about all entries of a thing.
        if !back && self.revoked.iter().any(|own| thing(own) == thing(&entry)) {
            return Ok(());
        }
        self.count(if back { "revocations taken back" } else { "revocations" });
        if !back {
            self.revoked.push(entry.clone());
        }
        let documents = judged(&self.documents, &self.revoked);
        self.field.truth.begin(|epoch| epoch.documents = documents);
        self.server.revoke(&entry, back)?;
        self.field.truth.end();
        Ok(())
    }

    /// Documents that cannot be read, and then the same as before.
    fn broken(&mut self) -> Done<()> {
        self.count("broken documents");
        let text = served(&self.documents, &self.issuer);
        let cut = self.random.between(1, text.len() - 1);
        let cut = text.get(..cut).unwrap_or_default();
        self.server.break_documents(cut)?;
        thread::sleep(Duration::from_millis(1500));
        self.server.put_documents(&text)
    }

    fn restart(&mut self) -> Done<()> {
        let killed = self.random.percent(50);
        self.count(if killed { "kills" } else { "restarts" });
        self.settings = settings(&mut self.random);
        let settings = self.settings.clone();
        self.field.truth.away(true);
        self.server.stop(killed)?;
        self.field.truth.begin(|epoch| epoch.settings = settings.clone());
        self.issuer.set_mood(self.random.pick(&MOODS));
        self.server.start(&settings)?;
        self.field.truth.end();
        self.other_requests();
        Ok(())
    }

    fn report(&self, seen: &Seen, usage: &[Usage], took: Duration) {
        let answers: u64 = seen.answers.values().sum();
        report::line(&format!("{answers} answers compared in {} s, {} wrong, {} outside", took.as_secs(), seen.wrong, seen.outside));
        for (what, times) in &self.done {
            let slowest = self.slowest.get(what).copied().unwrap_or_default();
            report::line(&format!("{times:>8} {what}, the slowest in {slowest:.1?}"));
        }
        seen.answers.iter().for_each(|(what, times)| report::line(&format!("{times:>8} {what}")));
        if let (Some(first), Some(last)) = (usage.first(), usage.last()) {
            report::line(&format!(
                "memory {} KiB at first, {} at last; descriptors {}, {}",
                first.memory, last.memory, first.descriptors, last.descriptors
            ));
        }
        seen.texts.iter().for_each(|text| report::line(&format!("---\n{text}")));
    }
}

/// Fewest looks at memory that say whether it grows.
const LOOKS: usize = 9;

/// The growth: the highest of the last third is compared with the highest of the second third, when caches are full.
fn flat(usage: &[Usage]) -> Vec<String> {
    if usage.len() < LOOKS {
        return vec![format!("memory was looked at {} times, which says nothing: soak for longer", usage.len())];
    }
    let third = usage.len() / 3;
    let highest = |part: &[Usage], of: fn(&Usage) -> u64| part.iter().map(of).max().unwrap_or_default();
    let (Some(middle), Some(end)) = (usage.get(third..2 * third), usage.get(2 * third..)) else { return Vec::new() };
    let grew = |of: fn(&Usage) -> u64, more: u64| {
        let (before, after) = (highest(middle, of), highest(end, of));
        (after > before + before / 10 + more).then_some((before, after))
    };
    let memory = grew(|own| own.memory, 8192).map(|(before, after)| format!("memory grew from {before} to {after} KiB"));
    let files = grew(|own| own.descriptors, 4).map(|(before, after)| format!("descriptors grew from {before} to {after}"));
    memory.into_iter().chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_descriptors_that_grow_are_faults() {
        let all = |memory: fn(u64) -> u64, descriptors: fn(u64) -> u64| -> Vec<Usage> {
            (0..90).map(|at| Usage { memory: memory(at), descriptors: descriptors(at) }).collect()
        };
        assert_eq!(flat(&all(|at| 10_000 + at.min(30) * 1000, |_| 20)), Vec::<String>::new(), "caches fill");
        assert_eq!(flat(&all(|at| 10_000 + at * 1000, |_| 20)), ["memory grew from 69000 to 99000 KiB"]);
        assert_eq!(flat(&all(|_| 10_000, |at| 20 + at)), ["descriptors grew from 79 to 109"]);
        assert_eq!(flat(&[]).len(), 1);
    }
}
