//! The coverage: reasons, keys with their results, pairs of keys, levels of evidence. A count that must be reached and is not fails a run.

use std::collections::{BTreeMap, BTreeSet};

use countersign::reason::Reason;
use countersign_oracle::checks::key;
use countersign_oracle::rules::{self, Facts};
use countersign_oracle::suite::Case;
use countersign_oracle::value::{self, Three};
use serde_json::Value;

use crate::answer::Answer;
use crate::{excused, keys};

/// Keys of rules that have no check of their own.
const SILENT: [&str; 8] = ["mode", "annotations", "public", "rejectedCookies", "conditions", "remove", "deny", "inject"];

/// Keys of targets.
const OF_TARGET: [&str; 8] = ["hosts", "anyHost", "anyAuthorityPort", "ports", "hostIsSni", "paths", "tokens", "keep"];

/// The places of checks (docs/semantics.md, 6.23).
const PLACES: [u8; 31] =
    [10, 11, 12, 13, 20, 30, 31, 32, 40, 50, 51, 52, 53, 54, 55, 56, 60, 70, 80, 90, 100, 110, 111, 112, 120, 121, 130, 131, 132, 140, 150];

const LEVELS: [&str; 4] = ["asserted", "hash", "leaf", "full"];

/// Counts of what was reached.
#[derive(Default)]
pub struct Coverage {
    reasons: BTreeMap<String, u64>,
    results: BTreeMap<(String, &'static str), u64>,
    pairs: BTreeMap<(String, String), u64>,
    levels: BTreeMap<(String, String), u64>,
    reached: BTreeMap<String, u64>,
    written: BTreeSet<String>,
}

impl Coverage {
    /// Counts a case and its answer.
    pub fn add(&mut self, case: &Case, answer: &Answer) {
        let reason = answer.get("reason").or(answer.get("decision")).unwrap_or("-");
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
        if !matches!(rules::form(&case.world, &case.request), Ok(Ok(()))) {
            return;
        }
        let Ok(facts) = Facts::of(&case.world, &case.request, &case.identity) else { return };
        for (matched, checks) in rules::judged(&facts).unwrap_or_default() {
            for (place, _, result) in &checks {
                let result = match result {
                    Three::Holds => "holds",
                    Three::Fails => "fails",
                    Three::Unknown => "unknown",
                };
                *self.results.entry((key(*place).to_owned(), result)).or_default() += 1;
            }
            let documents = &case.world.documents;
            let part = |name: &str, kind: &str| matched.rule.get(name).map(|part| documents.whole(kind, part));
            let (peer, token) = (part("peer", "peers"), part("token", "tokens"));
            let keys = keys_of(matched.rule, peer.as_ref(), token.as_ref(), matched.policy.spec.get("target"));
            for (at, one) in keys.iter().enumerate() {
                for other in keys.iter().skip(at + 1) {
                    *self.pairs.entry((one.clone(), other.clone())).or_default() += 1;
                }
            }
            if let (Some(shown), Some(peer)) = (facts.peer(), &peer) {
                let asked = peer.text_of("evidence").unwrap_or("nothing");
                *self.levels.entry((shown.evidence.name().to_owned(), asked.to_owned())).or_default() += 1;
            }
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: Self) {
        fn add<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            from.into_iter().for_each(|(key, count)| *into.entry(key).or_default() += count);
        }
        add(&mut self.reasons, other.reasons);
        add(&mut self.results, other.results);
        add(&mut self.pairs, other.pairs);
        add(&mut self.levels, other.levels);
        add(&mut self.reached, other.reached);
        self.written.extend(other.written);
    }

    /// Counts something by its name.
    pub fn reach(&mut self, name: String) {
        *self.reached.entry(name).or_default() += 1;
    }

    /// Notes which keys and words of the schema documents write.
    pub fn write<'a>(&mut self, documents: impl IntoIterator<Item = &'a Value>) {
        self.written.extend(documents.into_iter().flat_map(keys::written));
    }

    /// The keys and words of the schema that no document wrote, but for those that are excused; and those that are excused and written.
    pub fn unwritten(&self, excuse: impl Fn(&str) -> Option<&'static str>) -> Vec<String> {
        let fault = |name: String| match (self.written.contains(&name), excuse(&name)) {
            (false, None) => Some(format!("no document writes {name}")),
            (true, Some(excuse)) => Some(format!("written, and excused: {name} ({excuse})")),
            _ => None,
        };
        keys::all().into_iter().filter_map(fault).collect()
    }

    /// The counts of what was reached by name.
    pub const fn reached(&self) -> &BTreeMap<String, u64> {
        &self.reached
    }

    /// The counts that must be reached and are not, and those that are reached although it is excused that they are not.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |name: String, count: u64, excuse: Option<&str>| match (count, excuse) {
            (0, None) => faults.push(format!("never reached: {name}")),
            (1.., Some(excuse)) => faults.push(format!("reached {count} times, and excused: {name} ({excuse})")),
            _ => {}
        };
        for reason in Reason::ALL.iter().map(|reason| reason.as_str()).chain(["allow"]) {
            check(format!("reason {reason}"), self.reasons.get(reason).copied().unwrap_or(0), excused::reason(reason));
        }
        for place in PLACES {
            for result in ["holds", "fails", "unknown"] {
                let count = self.results.get(&(key(place).to_owned(), result)).copied().unwrap_or(0);
                check(format!("{} {result}", key(place)), count, excused::result(key(place), result));
            }
        }
        for (one, other) in all_pairs() {
            let count = self.pairs.get(&(one.clone(), other.clone())).copied().unwrap_or(0);
            check(format!("{one} with {other}"), count, excused::pair(&one, &other));
        }
        for level in LEVELS {
            for asked in LEVELS.into_iter().chain(["nothing"]) {
                let count = self.levels.get(&(level.to_owned(), asked.to_owned())).copied().unwrap_or(0);
                check(format!("evidence {level} where {asked} is asked for"), count, None);
            }
        }
        faults.extend(self.unwritten(excused::key_of_stated));
        faults
    }

    /// The counts as a table.
    pub fn table(&self) -> String {
        let mut lines = vec!["reasons".to_owned()];
        lines.extend(self.reasons.iter().map(|(reason, count)| format!("  {reason:<32}{count:>10}")));
        lines.push(format!("{:<34}{:>10}{:>16}{:>16}", "checks of rules", "holds", "fails", "unknown"));
        for place in PLACES {
            let of = |result| self.results.get(&(key(place).to_owned(), result)).copied().unwrap_or(0);
            lines.push(format!("  {:<32}{:>10}{:>16}{:>16}", key(place), of("holds"), of("fails"), of("unknown")));
        }
        lines.push("evidence shown, and asked for".to_owned());
        lines.extend(self.levels.iter().map(|((shown, asked), count)| format!("  {shown:<12}{asked:<20}{count:>10}")));
        let least = self.pairs.iter().min_by_key(|(_, count)| **count);
        let least = least.map(|((one, other), count)| format!(", the rarest {one} with {other} ({count})"));
        lines.push(format!("pairs of keys: {} of {}{}", self.pairs.len(), all_pairs().len(), least.unwrap_or_default()));
        lines.join("\n")
    }
}

/// The keys of a rule and of its target, in order.
fn keys_of(rule: &value::Value, peer: Option<&value::Value>, token: Option<&value::Value>, target: Option<&value::Value>) -> Vec<String> {
    let members = |value: Option<&value::Value>, prefix: &str| -> Vec<String> {
        match value {
            Some(value::Value::Map(members)) => members.iter().map(|(name, _)| format!("{prefix}{name}")).collect(),
            _ => Vec::new(),
        }
    };
    let mut keys = members(Some(rule), "");
    keys.retain(|key| !matches!(key.as_str(), "name" | "effect" | "on" | "peer" | "token"));
    keys.extend(members(rule.get("on"), "on."));
    keys.extend(members(peer, "peer."));
    keys.extend(members(token, "token."));
    keys.extend(members(target, "target."));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Every pair of keys, each in order.
fn all_pairs() -> Vec<(String, String)> {
    let mut keys: Vec<String> = SILENT.iter().map(ToString::to_string).collect();
    let own = PLACES.iter().map(|place| key(*place)).filter(|key| !matches!(*key, "peer" | "token" | "inject" | "target.hostIsSni"));
    keys.extend(own.map(str::to_owned));
    keys.extend(["on.methods", "on.paths", "on.grpc", "peer.any", "token.issuer"].map(str::to_owned));
    keys.extend(OF_TARGET.iter().map(|key| format!("target.{key}")));
    keys.sort_unstable();
    let pairs = keys.iter().enumerate().flat_map(|(at, one)| keys.iter().skip(at + 1).map(move |other| (one.clone(), other.clone())));
    pairs.collect()
}
