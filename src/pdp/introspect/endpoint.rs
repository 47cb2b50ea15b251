//! One introspection endpoint: one question per token at a time, a bounded number of questions, answers that are kept for a
//! while, and a breaker for when it is down.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use moka::sync::Cache;
use tokio::sync::watch;
use tokio::time::timeout;

use super::breaker::{Admission, Breaker, Consequence};
use super::client::IntrospectionClient;
use super::turns::{ClientNetwork, NoTurn, Turn, Turns};
use crate::clock::{Clock, UnixTime, jitter};
use crate::evidence::PresentedToken;
use crate::limits::{INACTIVE_LIFETIME, MAX_INACTIVE_ANSWERS, MAX_INTROSPECTION_CACHE_BYTES};
use crate::pdp::fetch::FetchError;
use crate::reason::{Reason, Rejection};
use crate::secret::{Fingerprint, SealedText, hex};
use crate::sync::lock;
use crate::trust::{Introspection, IntrospectionAnswer};

/// The result of one question.
pub(super) type Introspected = Result<Arc<IntrospectionAnswer>, Rejection>;

/// An endpoint as one configuration describes it. Another configuration is another endpoint with nothing kept, so an answer
/// never outlives the rules and credentials it was got by (P63).
pub(super) struct IntrospectionEndpoint {
    source: Arc<Introspection>,
    clock: Arc<dyn Clock>,
    client: Arc<dyn IntrospectionClient>,
    breaker: Mutex<Breaker>,
    flights: Mutex<HashMap<Fingerprint, watch::Sender<Option<Introspected>>>>,
    turns: Arc<Turns>,
    active: Cache<Fingerprint, CachedAnswer>,
    inactive: Cache<Fingerprint, CachedAnswer>,
}

/// An answer and when it may be used.
#[derive(Clone)]
struct CachedAnswer {
    answer: Arc<IntrospectionAnswer>,
    since: UnixTime,
    until: UnixTime,
    /// From then on it is asked for again, before its end, so that no request waits then.
    renew: UnixTime,
    bytes: usize,
}

/// Ends a flight however it ends: requests that wait for one that panicked must not wait forever, nor the next one.
struct Landing<'a> {
    endpoint: &'a IntrospectionEndpoint,
    token: Fingerprint,
}

/// The part of its life after which an answer is asked for again.
const RENEW_AT: f64 = 0.75;

/// The size of a cached answer beside its text: the parsed form takes several times as much, and the cache needs its own.
const PARSED_FACTOR: usize = 4;
const ENTRY_OVERHEAD: usize = 512;

impl IntrospectionEndpoint {
    pub(super) fn new(
        source: Arc<Introspection>,
        clock: Arc<dyn Clock>,
        client: Arc<dyn IntrospectionClient>,
    ) -> Self {
        let active = Cache::builder()
            .max_capacity(MAX_INTROSPECTION_CACHE_BYTES)
            .weigher(|_, kept: &CachedAnswer| kept.weight())
            .build();
        Self {
            turns: Arc::new(Turns::new(source.max_concurrent)),
            source,
            clock,
            client,
            breaker: Mutex::default(),
            flights: Mutex::default(),
            active,
            inactive: Cache::new(MAX_INACTIVE_ANSWERS),
        }
    }

    pub(super) fn serves(&self, source: &Arc<Introspection>) -> bool {
        Arc::ptr_eq(&self.source, source) || self.source == *source
    }

    /// The endpoint's answer about `token`; waits for `patience` at most. The question goes on when its request has given
    /// up, so that the answer is there for the next request.
    pub(super) async fn answer(
        self: &Arc<Self>,
        token: &PresentedToken,
        origin: ClientNetwork,
        patience: Duration,
    ) -> Introspected {
        let print = token.fingerprint;
        if let Some(kept) = self.kept(&print) {
            if kept.renew <= self.clock.now() {
                // Until it is answered the answer that is here counts, to its end.
                let _ = self.board(print, &token.text, origin);
            }
            return Ok(kept.answer);
        }
        let mut flight = self.board(print, &token.text, origin)?;
        let landed = timeout(patience, flight.wait_for(Option::is_some)).await;
        match landed.map(|verdict| verdict.ok().and_then(|verdict| verdict.clone())) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => Err(unavailable("the question was lost")),
            Err(_) => {
                Err(self.unjudged("the endpoint did not answer within the request's deadline"))
            }
        }
    }

    /// Joins the flight for the token, or starts one.
    fn board(
        self: &Arc<Self>,
        print: Fingerprint,
        token: &SealedText,
        origin: ClientNetwork,
    ) -> Result<watch::Receiver<Option<Introspected>>, Rejection> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&print) {
            return Ok(flight.subscribe());
        }
        // A flight keeps its answer before it is taken off the list, so either it is on the list or its answer is here.
        let now = self.clock.now();
        if let Some(kept) = self.kept(&print).filter(|kept| now < kept.renew) {
            return Ok(watch::channel(Some(Ok(kept.answer))).1);
        }
        let admission = lock(&self.breaker).admit(now).ok_or_else(left_alone)?;
        let (sender, receiver) = watch::channel(None);
        flights.insert(print, sender);
        let turn = self.turns.enter(origin);
        tokio::spawn(Arc::clone(self).fly(print, token.clone(), admission, turn));
        Ok(receiver)
    }

    async fn fly(
        self: Arc<Self>,
        print: Fingerprint,
        token: SealedText,
        admission: Admission,
        turn: Turn,
    ) {
        let landing = Landing { endpoint: &self, token: print };
        let mut consequence = Consequence::Settled;
        let verdict = self.ask(&print, &token, admission, turn, &mut consequence).await;
        landing.land(verdict);
        if consequence == Consequence::Doubt {
            self.settle().await;
        }
    }

    async fn ask(
        &self,
        print: &Fingerprint,
        token: &SealedText,
        admission: Admission,
        mut turn: Turn,
        consequence: &mut Consequence,
    ) -> Introspected {
        turn.wait(self.source.access.timeout).await.map_err(|why| match why {
            NoTurn::Late => unavailable("the endpoint is busy with other questions"),
            NoTurn::Displaced => unavailable("too many questions wait for the endpoint").counted(),
        })?;
        if admission == Admission::Ordinary && lock(&self.breaker).is_open() {
            return Err(left_alone());
        }
        let asked_at = self.clock.now();
        let answered = self.exchange(token).await;
        *consequence = self.note(admission, answered.as_ref().err());
        let body = answered.map_err(|error| self.unjudged(&format!("the endpoint {error}")))?;
        self.read(print, &body, asked_at)
    }

    /// A token that an endpoint which is not down has not judged: it counts as a failed attempt of its source, or tokens that are made
    /// up would cost nothing (P451).
    fn unjudged(&self, why: &str) -> Rejection {
        let why = unavailable(why);
        if lock(&self.breaker).is_open() { why } else { why.counted() }
    }

    async fn exchange(&self, token: &SealedText) -> Result<Bytes, FetchError> {
        let answered = timeout(self.source.access.timeout, self.client.ask(token)).await;
        answered.unwrap_or(Err(FetchError::Timeout))
    }

    /// Finds out by a token of our own, which no issuer knows, whether the endpoint answers any question: tokens to which it answers 500
    /// must not keep others out.
    async fn settle(&self) {
        let mut made_up = [0; 16];
        let answered = match aws_lc_rs::rand::fill(&mut made_up) {
            Ok(()) => self.exchange(&SealedText::from(hex(&made_up).as_str())).await,
            Err(_) => return,
        };
        let mut breaker = lock(&self.breaker);
        let was_open = breaker.is_open();
        match answered.as_ref().err().filter(|error| is_down(error)) {
            None => breaker.succeed(),
            Some(_) => breaker.open_at(self.clock.now(), jitter()),
        }
        self.tell(was_open, breaker.is_open(), answered.as_ref().err());
    }

    /// Tells the breaker, and the log where it changes.
    fn note(&self, admission: Admission, error: Option<&FetchError>) -> Consequence {
        let mut breaker = lock(&self.breaker);
        let was_open = breaker.is_open();
        let consequence = match error.filter(|error| is_down(error)) {
            None => {
                breaker.succeed();
                Consequence::Settled
            }
            Some(error) => breaker.fail(admission, self.clock.now(), jitter(), token_may_be(error)),
        };
        self.tell(was_open, breaker.is_open(), error);
        consequence
    }

    fn tell(&self, was_open: bool, is_open: bool, error: Option<&FetchError>) {
        let (issuer, origin) = (self.source.issuer.as_str(), &self.source.url);
        match (was_open, is_open, error) {
            (false, true, Some(error)) => {
                tracing::warn!(issuer, %origin, %error, "introspection endpoint is left alone for a while");
            }
            (true, false, _) => tracing::info!(issuer, %origin, "introspection endpoint is back"),
            (_, _, Some(error)) => tracing::debug!(issuer, %origin, %error, "introspection failed"),
            (_, _, None) => {}
        }
    }

    /// Reads an answer and keeps it, for as long as both the token and our settings let it be used (P64).
    fn read(&self, print: &Fingerprint, body: &Bytes, asked_at: UnixTime) -> Introspected {
        let until = asked_at.plus(self.source.cache_ttl);
        let answer = IntrospectionAnswer::parse(body, until)
            .map(Arc::new)
            .map_err(|error| unavailable(&error.to_string()))?;
        let kept = |until, renew| {
            let answer = Arc::clone(&answer);
            CachedAnswer { answer, since: asked_at, until, renew, bytes: body.len() }
        };
        if answer.claims().is_some() {
            let last = answer.token_end().filter(|end| *end <= until);
            // A token that is over by then needs no new answer.
            let renew =
                last.unwrap_or_else(|| asked_at.plus(self.source.cache_ttl.mul_f64(RENEW_AT)));
            self.active.insert(*print, kept(last.unwrap_or(until), renew));
            self.inactive.invalidate(print);
        } else {
            let end = asked_at.plus(INACTIVE_LIFETIME.min(self.source.cache_ttl));
            self.inactive.insert(*print, kept(end, end));
            // It was active, and is not any more.
            self.active.invalidate(print);
        }
        Ok(answer)
    }

    /// True if there is a kept answer by which the token is active.
    pub(super) fn knows(&self, print: &Fingerprint) -> bool {
        self.kept(print).is_some_and(|kept| kept.answer.claims().is_some())
    }

    fn kept(&self, print: &Fingerprint) -> Option<CachedAnswer> {
        let now = self.clock.now();
        for cache in [&self.active, &self.inactive] {
            match cache.get(print) {
                // A clock that went back would make it last longer (P82).
                Some(kept) if (kept.since..kept.until).contains(&now) => return Some(kept),
                Some(_) => cache.invalidate(print),
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
impl IntrospectionEndpoint {
    pub(super) fn flights(&self) -> usize {
        lock(&self.flights).len()
    }
}

impl fmt::Debug for IntrospectionEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("issuer", &self.source.issuer).finish_non_exhaustive()
    }
}

/// True if this error suggests that the endpoint answers no question. An error that one token may cause does not count:
/// otherwise a caller with such a token could shut every caller out.
const fn is_down(error: &FetchError) -> bool {
    match error {
        FetchError::Timeout
        | FetchError::Connect(_)
        | FetchError::Tls(_)
        | FetchError::Http
        | FetchError::Unanswered
        | FetchError::Proxy(_)
        | FetchError::ProxyStatus(_)
        | FetchError::Credentials(_)
        | FetchError::Redirect(_) => true,
        // RFC 7662 section 2.3: 401 is about our own credentials.
        FetchError::Status(status) | FetchError::Busy(status, _) => {
            matches!(status, 401 | 403 | 408 | 429 | 500..)
        }
        FetchError::Encoding | FetchError::TooLarge => false,
    }
}

/// True if one token may be the cause of this error, such as one that the endpoint cannot look up.
const fn token_may_be(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Timeout
            | FetchError::Http
            | FetchError::Unanswered
            | FetchError::Status(403 | 408 | 500..)
            | FetchError::Busy(403 | 408 | 500.., _)
    )
}

fn unavailable(why: &str) -> Rejection {
    Reason::IntrospectionUnavailable.because(why.to_owned())
}

fn left_alone() -> Rejection {
    unavailable("the endpoint has not answered several times and is left alone for a while")
}

impl CachedAnswer {
    fn weight(&self) -> u32 {
        let bytes = self.bytes.saturating_mul(PARSED_FACTOR).saturating_add(ENTRY_OVERHEAD);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Landing<'_> {
    fn land(self, verdict: Introspected) {
        if let Some(flight) = lock(&self.endpoint.flights).remove(&self.token) {
            flight.send_replace(Some(verdict));
        }
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        lock(&self.endpoint.flights).remove(&self.token);
    }
}
