//! Asking issuers about opaque tokens (RFC 7662): once per token at a time, bounded, and not for longer than the answer counts.

mod breaker;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moka::future::Cache;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::clock::{Clock, UnixTime};
use crate::document::ClientAuthentication;
use crate::evidence::PresentedToken;
use crate::limits::{MAX_INTROSPECTION_ANSWERS, MAX_INTROSPECTIONS_AT_ONCE};
use crate::pdp::fetch::{Fetcher, Form};
use crate::pdp::introspect::breaker::Breaker;
use crate::secret::{Fingerprint, Secret};
use crate::trust::{Introspection, IntrospectionEndpoint, Issuer, KeySource, Material, TrustStore};

/// Asks, and keeps the answers for a while.
pub struct Introspector {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    lines: Mutex<Vec<Arc<Line>>>,
}

/// One endpoint with what it answered. A changed endpoint, or another client secret, is another line (P63).
struct Line {
    endpoint: Arc<IntrospectionEndpoint>,
    /// By the fingerprint of the whole token.
    answers: Cache<Fingerprint, Answer>,
    places: Semaphore,
    breaker: Mutex<Breaker>,
}

/// What was answered, and until when it counts.
#[derive(Clone)]
struct Answer {
    introspection: Introspection,
    until: UnixTime,
}

// === impl Introspector ===

impl Introspector {
    /// Has asked nobody yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self { clock, fetcher, lines: Mutex::default() }
    }

    /// Adds to `material` what issuers say about those of `tokens` that only they understand; waits for `patience` at most.
    /// What is not known by then is missing, and denied for it.
    pub async fn gather(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        patience: Duration,
        material: &mut Material,
    ) {
        let asking = async {
            for token in tokens {
                for (issuer, endpoint) in endpoints(token, trust) {
                    let introspection = self.ask(token, endpoint).await;
                    material.insert_introspection(
                        issuer.name(),
                        token.fingerprint(),
                        introspection,
                    );
                }
            }
        };
        // Running out of patience leaves the rest unknown.
        let _ = tokio::time::timeout(patience, asking).await;
    }

    async fn ask(
        &self,
        token: &PresentedToken,
        endpoint: &Arc<IntrospectionEndpoint>,
    ) -> Introspection {
        let line = self.line(endpoint);
        let print = token.fingerprint();
        if let Some(answer) = line.answers.get(&print).await {
            if answer.counts(self.clock.now(), endpoint) {
                return answer.introspection;
            }
            line.answers.invalidate(&print).await;
        }
        let form = form(endpoint, token);
        let (clock, fetcher) = (Arc::clone(&self.clock), Arc::clone(&self.fetcher));
        // In a task of its own, so that an answer that comes after this request ran out of patience serves the next one.
        let asking = tokio::spawn(async move {
            let fresh = line.fresh(form, clock.as_ref(), fetcher.as_ref());
            line.answers.try_get_with(print, fresh).await
        });
        match asking.await {
            Ok(Ok(answer)) => answer.introspection,
            Ok(Err(why)) => Introspection::Unavailable(*why),
            Err(_) => Introspection::Unavailable("asking failed inside countersign"),
        }
    }

    /// The line to `endpoint`. Lines of endpoints that no snapshot knows any more go.
    fn line(&self, endpoint: &Arc<IntrospectionEndpoint>) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.iter().find(|line| line.endpoint == *endpoint) {
            return Arc::clone(line);
        }
        lines.retain(|line| Arc::strong_count(&line.endpoint) > 1);
        let line = Arc::new(Line::new(endpoint));
        lines.push(Arc::clone(&line));
        line
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").finish_non_exhaustive()
    }
}

/// The issuers that have to be asked about `token`: those it names, or the one of its place where it names none.
fn endpoints<'a>(
    token: &'a PresentedToken,
    trust: &'a TrustStore,
) -> impl Iterator<Item = (&'a Issuer, &'a Arc<IntrospectionEndpoint>)> {
    let opaque = token.jws().is_err().then(|| trust.introspecting_at(token.place())).flatten();
    let named = trust
        .issuers_named(token.claimed_issuer(), token.claimed_subject())
        .filter(|issuer| issuer.places().contains(token.place()));
    opaque.into_iter().chain(named).filter_map(|issuer| match issuer.keys() {
        KeySource::Introspected(endpoint) => Some((issuer, endpoint)),
        KeySource::Local(_) | KeySource::Remote(_) => None,
    })
}

// === impl Line ===

impl Line {
    fn new(endpoint: &Arc<IntrospectionEndpoint>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            answers: Cache::builder().max_capacity(MAX_INTROSPECTION_ANSWERS).build(),
            places: Semaphore::new(MAX_INTROSPECTIONS_AT_ONCE),
            breaker: Mutex::default(),
        }
    }

    /// Asks. Failures are not kept: the next request asks again, unless the endpoint is left alone.
    async fn fresh(
        &self,
        form: Form,
        clock: &dyn Clock,
        fetcher: &dyn Fetcher,
    ) -> Result<Answer, &'static str> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err("too many questions are open at the introspection endpoint");
        };
        if !self.breaker(|breaker| breaker.admits(clock.now())) {
            return Err("the introspection endpoint has failed and is left alone for a moment");
        }
        let endpoint = &self.endpoint;
        let answer = fetcher.post(&endpoint.url, endpoint.authorities.as_deref(), form).await;
        let now = clock.now();
        let introspection = match &answer {
            Ok(answer) => Introspection::parse(&answer.body),
            Err(error) => {
                let origin = &endpoint.url;
                tracing::warn!(%origin, %error, "a token could not be introspected");
                Introspection::Unavailable("the introspection endpoint could not be asked")
            }
        };
        if let Introspection::Unavailable(why) = introspection {
            self.breaker(|breaker| breaker.fail(now));
            return Err(why);
        }
        self.breaker(Breaker::succeed);
        let until = now.plus(endpoint.cache).min(expiry(&introspection).unwrap_or(now));
        Ok(Answer { introspection, until })
    }

    fn breaker<T>(&self, with: impl FnOnce(&mut Breaker) -> T) -> T {
        with(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When the token expires that `introspection` is about; an inactive one stays so for as long as answers are kept.
fn expiry(introspection: &Introspection) -> Option<UnixTime> {
    match introspection {
        Introspection::Active(claims) => {
            claims.get("exp").and_then(Value::as_i64).map(UnixTime::from_secs)
        }
        Introspection::Inactive => Some(UnixTime::from_millis(i64::MAX)),
        Introspection::Unavailable(_) => None,
    }
}

/// RFC 7662 section 2.1, with the client authentication of RFC 6749 section 2.3.1.
fn form(endpoint: &IntrospectionEndpoint, token: &PresentedToken) -> Form {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (id, secret) = (encode(&endpoint.client_id), encode(endpoint.client_secret.expose()));
    let token = encode(token.text().expose());
    let body = format!("token={token}&token_type_hint=access_token");
    match endpoint.client_authentication {
        ClientAuthentication::Basic => {
            let pair = STANDARD.encode(format!("{id}:{secret}"));
            let authorization = Some(Secret::new(format!("Basic {pair}")));
            Form { body: Secret::new(body), authorization }
        }
        ClientAuthentication::Post => {
            let body = format!("{body}&client_id={id}&client_secret={secret}");
            Form { body: Secret::new(body), authorization: None }
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Whether it still counts: not past its end, and not from a time that has not come yet.
    fn counts(&self, now: UnixTime, endpoint: &IntrospectionEndpoint) -> bool {
        now < self.until && self.until.since(now) <= endpoint.cache
    }
}

#[cfg(test)]
mod tests;
