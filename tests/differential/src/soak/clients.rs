//! Clients that ask all the time, and compare each answer with the oracle's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_oracle::Request;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

use super::truth::{Bench, Truth, Window, same};
use crate::answer::Answer;
use crate::bytes::{program, wire};
use crate::random::Random;

/// Most differences that are kept with their texts.
const KEPT: usize = 20;

/// The answers that clients have seen.
#[derive(Default)]
pub struct Seen {
    /// Answers by decision and reason.
    pub answers: BTreeMap<String, u64>,
    /// Requests that the oracle does not decide.
    pub outside: u64,
    /// Requests without an answer while the server was away.
    pub away: u64,
    /// Answers that are no oracle's, and requests without an answer at any other time.
    pub wrong: u64,
    /// The first of them.
    pub texts: Vec<String>,
}

/// The state that clients share.
pub struct Field {
    /// The oracle's side.
    pub truth: Truth,
    /// The requests to ask, which change with the documents.
    pub asks: Mutex<Arc<Vec<Value>>>,
    /// The observations.
    pub seen: Mutex<Seen>,
    /// True if it is over.
    pub over: AtomicBool,
}

impl Field {
    /// Counts.
    pub fn see(&self, count: impl FnOnce(&mut Seen)) {
        count(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Asks until the soak is over.
pub fn run(field: &Field, checks: SocketAddr, seed: u64) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let mut random = Random::of(seed);
    let mut bench = Bench::default();
    let client = runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{checks}")).ok()?;
        Some(AuthorizationClient::new(endpoint.timeout(Duration::from_secs(30)).connect_lazy()))
    });
    let Some(mut client) = client else { return };
    while !field.over.load(Ordering::Relaxed) {
        let asks = Arc::clone(&field.asks.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(ask) = (!asks.is_empty()).then(|| random.between(0, asks.len() - 1)).and_then(|at| asks.get(at)) else { return };
        one(field, &runtime, (&mut client, &mut bench), ask);
    }
}

fn one(field: &Field, runtime: &tokio::runtime::Runtime, with: (&mut AuthorizationClient<Channel>, &mut Bench), ask: &Value) {
    let (client, bench) = with;
    let request = wire::request(ask);
    let (before, asked) = (field.truth.window(), now());
    let answer = runtime.block_on(client.check(wire::message(&request)));
    let (after, answered) = (field.truth.window(), now());
    let answer = match answer {
        Ok(response) => program::answer(response.into_inner(), &request),
        Err(_) if before.away || after.away => {
            std::thread::sleep(Duration::from_millis(20));
            return field.see(|seen| seen.away += 1);
        }
        Err(status) => return field.see(|seen| wrong(seen, format!("no answer: {status}\n{ask}"))),
    };
    match judged(&field.truth, bench, &request, (before, after), asked..=answered, &answer) {
        Err(_) => field.see(|seen| seen.outside += 1),
        Ok(None) => field.see(|seen| {
            let word = |part: &str| answer.get(part).unwrap_or_default();
            *seen.answers.entry(format!("{} {}", word("decision"), word("reason"))).or_default() += 1;
        }),
        Ok(Some(differs)) => field.see(|seen| wrong(seen, format!("{differs}\nepochs {before:?} to {after:?}\n{ask}"))),
    }
}

fn wrong(seen: &mut Seen, text: String) {
    seen.wrong += 1;
    if seen.texts.len() < KEPT {
        seen.texts.push(text);
    }
}

/// How an answer differs from each that may be right; nothing where it is one of them.
fn judged(
    truth: &Truth,
    bench: &mut Bench,
    request: &Request,
    (before, after): (Window, Window),
    moments: std::ops::RangeInclusive<i64>,
    answer: &Answer,
) -> Result<Option<String>, String> {
    let mut differs = String::new();
    for number in (before.first..=after.last).rev() {
        for moment in moments.clone() {
            let oracle = bench.answer(truth, number, request, moment)?;
            if same(answer, &oracle) || pending(answer, &oracle) {
                return Ok(None);
            }
            let differences = answer.differences(&oracle);
            differs = differences.iter().map(|own| format!("{own}\n")).collect();
        }
    }
    Ok(Some(differs))
}

/// A key that the set in force has not: countersign asks the issuer, and while that does not answer it cannot tell (docs/tokens.md). The
/// oracle has every key at once, and calls the token bad.
fn pending(answer: &Answer, oracle: &Answer) -> bool {
    let failing = answer.get("reason") == Some("key_unknown") && answer.get("status") == Some("503");
    let pending = answer.get("reason") == Some("keys_pending");
    let unknown = oracle.get("reason") == Some("key_unknown");
    oracle.get("decision") == Some("deny") && (pending || (failing && unknown))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
