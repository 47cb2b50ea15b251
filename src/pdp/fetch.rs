//! One bounded HTTP exchange: encrypted unless allowed otherwise, no redirects, limits on time and size (P58).

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::future::BoxFuture;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AGE, CACHE_CONTROL, CONTENT_ENCODING, DATE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::connect::{self, Connection, RequestCredentials};
pub use super::fetch_error::FetchError;
use super::proxy::Proxies;
use crate::clock::UnixTime;
use crate::limits::{MAX_KEY_SET_BYTES, MAX_REMOTE_FILE_BYTES};
use crate::trust::{Access, KeyUrl};

/// Asks servers.
pub trait Fetcher: fmt::Debug + Send + Sync {
    /// Puts one question, within its bounds on time and size.
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>>;

    /// The proxies that questions go through, for others that ask servers.
    fn proxies(&self) -> Arc<Proxies> {
        Arc::default()
    }
}

/// A question to a server.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// The address.
    pub url: &'a KeyUrl,
    /// How its server is asked.
    pub access: &'a Access,
    /// The version that is at hand: it need not be sent again (RFC 9110 section 13.1).
    pub known: Option<&'a Validators>,
    /// The most bytes that are read.
    pub limit: usize,
    /// How much it is wanted: what is wanted more goes before the others that wait for the same host.
    pub wanted: Option<&'a Arc<AtomicU32>>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The text, or `None` where it is the version that is at hand.
    pub body: Option<Bytes>,
    /// For how long the server says that it may be kept (RFC 9111 section 5.2.2.1).
    pub max_age: Option<Duration>,
    /// The server's names for this version.
    pub validators: Validators,
    /// The server's time (RFC 9110 section 6.6.1), also where a cache has kept the answer for a while.
    pub date: Option<UnixTime>,
}

/// A server's names for a version of a text (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<HeaderValue>,
    /// `Last-Modified`.
    pub modified: Option<HeaderValue>,
}

impl<'a> FetchRequest<'a> {
    /// Asks for keys, for which requests may wait.
    pub const fn keys(url: &'a KeyUrl, access: &'a Access) -> Self {
        Self { url, access, known: None, limit: MAX_KEY_SET_BYTES, wanted: None }
    }

    /// Asks for a file of a document, for which no request waits.
    pub const fn file(url: &'a KeyUrl, access: &'a Access) -> Self {
        Self { limit: MAX_REMOTE_FILE_BYTES, ..Self::keys(url, access) }
    }

    fn request(&self, shown: RequestCredentials) -> Option<Request<Full<Bytes>>> {
        let mut request = connect::request(Method::GET, self.url.uri())?
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(ACCEPT_ENCODING, "gzip")
            .body(Full::default())
            .ok()?;
        let headers = request.headers_mut();
        headers.extend(shown.headers);
        let known = self.known.iter();
        let versions = known
            .flat_map(|known| [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.modified)]);
        headers.extend(versions.filter_map(|(name, value)| Some((name, value.clone()?))));
        Some(request)
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        Self { etag: headers.get(ETAG).cloned(), modified: headers.get(LAST_MODIFIED).cloned() }
    }

    /// These, unless they are empty: then nothing can be unchanged.
    pub fn if_any(&self) -> Option<&Self> {
        (self.etag.is_some() || self.modified.is_some()).then_some(self)
    }
}

/// Fetches over HTTP/1.1 and TLS. A connection is used once: a refresh every few minutes is not worth a pool.
#[derive(Clone, Debug, Default)]
pub struct HttpsFetcher {
    proxies: Arc<Proxies>,
}

impl HttpsFetcher {
    /// Fetches through `proxies`.
    pub fn through(proxies: &Arc<Proxies>) -> Self {
        Self { proxies: Arc::clone(proxies) }
    }
}

impl Fetcher for HttpsFetcher {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let asking = tokio::time::timeout(ask.access.timeout, exchange(ask, &self.proxies));
        Box::pin(async { asking.await.unwrap_or(Err(FetchError::Timeout)) })
    }

    fn proxies(&self) -> Arc<Proxies> {
        Arc::clone(&self.proxies)
    }
}

async fn exchange(ask: FetchRequest<'_>, proxies: &Proxies) -> Result<Fetched, FetchError> {
    let FetchRequest { url, access, known, limit, .. } = ask;
    let shown = RequestCredentials::read(&access.client).await?;
    let config = match url.is_plaintext() {
        true => None,
        false => {
            Some(connect::tls(access.authorities.as_deref(), access.spiffe.as_ref(), &shown).await?)
        }
    };
    let request = ask.request(shown).ok_or(FetchError::Http)?;
    let mut connection = Connection::open(url, proxies, config.as_ref()).await?;
    let response = connection.send(request).await?;
    if let Some(known) = known.filter(|_| response.status() == http::StatusCode::NOT_MODIFIED) {
        let (max_age, validators) = (max_age(response.headers()), known.clone());
        return Ok(Fetched { max_age, validators, ..Fetched::default() });
    }
    read(response, limit).await
}

/// The body of an answer that is one, of at most `limit` bytes.
pub(super) async fn read(
    response: Response<Incoming>,
    limit: usize,
) -> Result<Fetched, FetchError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect(status.as_u16()));
    }
    if status != http::StatusCode::OK {
        let status = status.as_u16();
        return Err(match retry_after(response.headers()) {
            Some(wait) => FetchError::Busy(status, wait),
            None => FetchError::Status(status),
        });
    }
    // RFC 9110 section 8.4.1: in any case of letters.
    let encoding = response.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let is = |name: &str| encoding.is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()));
    let zipped = is("gzip") || is("x-gzip");
    if !zipped && encoding.is_some() && !is("identity") {
        return Err(FetchError::Encoding);
    }
    let max_age = max_age(response.headers());
    let validators = Validators::of(response.headers());
    let date = date(response.headers());
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(FetchError::TooLarge),
        Err(_) => return Err(FetchError::Http),
    };
    let body = if zipped { unzip(body, limit).await? } else { body };
    Ok(Fetched { body: Some(body), max_age, validators, date })
}

/// The text in `zipped`, which may have `limit` bytes: a few bytes can stand for very many. On a thread that no request waits for,
/// since a large text takes a while.
async fn unzip(zipped: Bytes, limit: usize) -> Result<Bytes, FetchError> {
    let unzip = move || {
        let (mut text, one_more) = (Vec::new(), u64::try_from(limit).unwrap_or(u64::MAX));
        let read = MultiGzDecoder::new(&*zipped).take(one_more.saturating_add(1));
        { read }.read_to_end(&mut text).map_err(|_| FetchError::Encoding)?;
        if text.len() > limit { Err(FetchError::TooLarge) } else { Ok(text.into()) }
    };
    tokio::task::spawn_blocking(unzip).await.unwrap_or(Err(FetchError::Encoding))
}

/// RFC 9110 section 10.2.3: seconds, or a date, which counts by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (at, now) = (UnixTime::from_http_date(value)?, UnixTime::from_http_date(text(DATE)?)?);
    (at >= now).then(|| at.since(now))
}

/// `Date`, and the `Age` that the answer has since (RFC 9111 section 5.1).
fn date(headers: &HeaderMap) -> Option<UnixTime> {
    let text = |name| headers.get(name)?.to_str().ok();
    let age = text(AGE).and_then(|age| age.parse().ok()).unwrap_or_default();
    Some(UnixTime::from_http_date(text(DATE)?)?.plus(Duration::from_secs(age)))
}

/// RFC 9111 section 5.2.2: `no-store` and `no-cache` mean not at all.
fn max_age(headers: &HeaderMap<HeaderValue>) -> Option<Duration> {
    let mut found = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in line.to_str().ok()?.split(',').map(str::trim) {
            if directive.eq_ignore_ascii_case("no-store")
                || directive.eq_ignore_ascii_case("no-cache")
            {
                return Some(Duration::ZERO);
            }
            let Some((name, value)) = directive.split_once('=') else { continue };
            if name.eq_ignore_ascii_case("max-age") {
                found = value.trim_matches('"').parse().ok().map(Duration::from_secs).or(found);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
