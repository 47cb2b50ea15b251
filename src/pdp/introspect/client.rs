//! One question to an introspection endpoint (RFC 7662 section 2.1), over connections that are kept, and who asks it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use serde_json::{Map, Value};

use crate::clock::{Clock, Stopwatch, UnixTime};
use crate::limits::MAX_INTROSPECTION_ANSWER_BYTES;
use crate::pdp::connect::{self, Connection, RequestCredentials};
use crate::pdp::fetch::{self, FetchError};
use crate::pdp::proxy::Proxies;
use crate::secret::{Fingerprint, SealedText, Secret, hex};
use crate::sync::lock;
use crate::trust::{ClientAssertion, ClientAuthentication, Introspection};

/// Asks one endpoint.
pub(super) trait IntrospectionClient: std::fmt::Debug + Send + Sync {
    /// The endpoint's answer about `token`, not yet checked.
    fn ask<'a>(&'a self, token: &'a SealedText) -> BoxFuture<'a, Result<Bytes, FetchError>>;
}

/// Asks over HTTP/1.1 and TLS.
#[derive(Debug)]
pub(super) struct HttpsClient {
    source: Arc<Introspection>,
    clock: Arc<dyn Clock>,
    proxies: Arc<Proxies>,
    /// How TLS is spoken, with the client certificate that it was made for.
    tls: Mutex<Option<(Option<Fingerprint>, Arc<ClientConfig>)>>,
    idle: Mutex<Vec<CachedToken>>,
}

/// A connection that waits for the next question.
#[derive(Debug)]
struct CachedToken {
    connection: Connection,
    opened: Stopwatch,
    since: Stopwatch,
    /// The client certificate that it was opened with.
    stamp: Option<Fingerprint>,
}

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// How long any connection is used, so that new addresses and certificates count.
const OLDEST: Duration = Duration::from_secs(300);

/// How long an assertion is good for: it is used at once.
const ASSERTION_LIFETIME: i64 = 60;

/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The characters that `application/x-www-form-urlencoded` leaves as they are in the URL standard.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// An endpoint says so of a token that it does not know where it answers by status.
const INACTIVE: Bytes = Bytes::from_static(br#"{"active":false}"#);

impl HttpsClient {
    pub(super) fn new(
        source: Arc<Introspection>,
        clock: Arc<dyn Clock>,
        proxies: Arc<Proxies>,
    ) -> Self {
        let (tls, idle) = (Mutex::default(), Mutex::default());
        Self { source, clock, proxies, tls, idle }
    }

    async fn exchange(&self, token: &SealedText) -> Result<Bytes, FetchError> {
        let shown = RequestCredentials::read(&self.source.access.client).await?;
        let request = || {
            let request = request(&self.source, token, self.clock.now(), &shown);
            request.ok_or(FetchError::Http)
        };
        // A server may close a connection that it has kept at any moment. Asking again is harmless.
        if let Some(mut kept) = self.kept(shown.stamp()).await {
            match kept.connection.send(request()?).await {
                Err(FetchError::Unanswered) => {}
                answered => return self.read(answered?, kept).await,
            }
        }
        let (opened, config) = (Stopwatch::start(), self.config(&shown).await?);
        let connection = Connection::open(&self.source.url, &self.proxies, config.as_ref()).await?;
        let mut fresh = CachedToken { connection, opened, since: opened, stamp: shown.stamp() };
        let answered = fresh.connection.send(request()?).await?;
        self.read(answered, fresh).await
    }

    async fn read(&self, answered: Answered, used: CachedToken) -> Result<Bytes, FetchError> {
        if self.source.inactive_statuses.contains(&answered.status().as_u16()) {
            return Ok(INACTIVE);
        }
        let read = fetch::read(answered, MAX_INTROSPECTION_ANSWER_BYTES).await?;
        let mut idle = lock(&self.idle);
        if idle.len() < self.source.max_concurrent && used.opened.elapsed() < OLDEST {
            idle.push(CachedToken { since: Stopwatch::start(), ..used });
        }
        drop(idle);
        read.body.ok_or(FetchError::Http)
    }

    /// The connection that was used last, if it can be used again. One with a client certificate that was replaced is not.
    async fn kept(&self, stamp: Option<Fingerprint>) -> Option<CachedToken> {
        loop {
            let mut kept = {
                let mut idle = lock(&self.idle);
                idle.retain(|kept| kept.since.elapsed() < IDLE && kept.stamp == stamp);
                idle.pop()?
            };
            if kept.connection.is_ready().await {
                return Some(kept);
            }
        }
    }

    /// How TLS is spoken with the endpoint, unless its address is `http`. Made again for another client certificate alone, since the
    /// system's authorities are read from files.
    async fn config(
        &self,
        shown: &RequestCredentials,
    ) -> Result<Option<Arc<ClientConfig>>, FetchError> {
        if self.source.url.is_plaintext() {
            return Ok(None);
        }
        let stamp = shown.stamp();
        if let Some((_, made)) = lock(&self.tls).as_ref().filter(|(own, _)| *own == stamp) {
            return Ok(Some(Arc::clone(made)));
        }
        let made = connect::tls(self.source.access.authorities.as_deref(), None, shown).await?;
        *lock(&self.tls) = Some((stamp, Arc::clone(&made)));
        Ok(Some(made))
    }
}

type Answered = http::Response<hyper::body::Incoming>;

impl IntrospectionClient for HttpsClient {
    fn ask<'a>(&'a self, token: &'a SealedText) -> BoxFuture<'a, Result<Bytes, FetchError>> {
        Box::pin(self.exchange(token))
    }
}

fn request(
    source: &Introspection,
    token: &SealedText,
    now: UnixTime,
    shown: &RequestCredentials,
) -> Option<Request<Full<Bytes>>> {
    let mut form = Secret::new(format!(
        "token={}&token_type_hint=access_token",
        encode(token.expose()).expose()
    ));
    let id = source.client_id.as_deref();
    if let Some(id) =
        id.filter(|_| !matches!(source.authentication, ClientAuthentication::Basic(_)))
    {
        append(&mut form, "client_id", id);
    }
    let mut authorization = None;
    match &source.authentication {
        ClientAuthentication::Basic(secret) => authorization = Some(basic(id?, secret)?),
        ClientAuthentication::Post(secret) => append(&mut form, "client_secret", secret.expose()),
        ClientAuthentication::PrivateKeyJwt(assertion) => {
            append(&mut form, "client_assertion_type", JWT_BEARER);
            append(&mut form, "client_assertion", sign(assertion, id?, now)?.expose());
        }
        // RFC 8705 section 2: a certificate proves what the id says.
        ClientAuthentication::Shown => {}
    }
    let mut request = connect::request(Method::POST, source.url.uri())?
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::copy_from_slice(form.expose().as_bytes())))
        .ok()?;
    let headers = request.headers_mut();
    headers.extend(shown.headers.clone());
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value);
    }
    Some(request)
}

/// RFC 6749 section 2.3.1: both are form-encoded before they become a user name and a password.
fn basic(id: &str, secret: &Secret<String>) -> Option<HeaderValue> {
    let pair = Secret::new(format!("{}:{}", encode(id).expose(), encode(secret.expose()).expose()));
    let value = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
    let mut value = HeaderValue::from_str(value.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// RFC 7523 section 3: from and about the client, for one endpoint, once, and soon over.
fn sign(assertion: &ClientAssertion, id: &str, now: UnixTime) -> Option<Secret<String>> {
    let mut unique = [0; 16];
    aws_lc_rs::rand::fill(&mut unique).ok()?;
    let now = now.as_secs();
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", Value::from(id)),
        ("sub", Value::from(id)),
        ("aud", Value::from(assertion.audience.as_str())),
        ("jti", Value::from(hex(&unique))),
        ("iat", Value::from(now)),
        ("exp", Value::from(now.saturating_add(ASSERTION_LIFETIME))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    assertion.sign(&claims)
}

fn append(form: &mut Secret<String>, name: &str, value: &str) {
    let value = encode(value);
    *form = Secret::new(format!("{}&{name}={}", form.expose(), value.expose()));
}

fn encode(text: &str) -> Secret<String> {
    let encoded = Secret::new(utf8_percent_encode(text, FORM).to_string());
    Secret::new(encoded.expose().replace("%20", "+"))
}

#[cfg(test)]
mod tests;
