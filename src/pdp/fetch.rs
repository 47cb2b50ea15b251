//! One bounded HTTP exchange: encrypted unless allowed otherwise, no redirects, limits on time and size (P58).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, DATE, ETAG, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::limits::{
    KEY_FETCH_TIMEOUT, MAX_KEY_SET_BYTES, MAX_REMOTE_FILE_BYTES, REMOTE_FILE_TIMEOUT,
    REVOCATION_LIST_TIMEOUT,
};
use crate::pdp::dial;
use crate::trust::KeyUrl;

/// Asks servers.
pub trait Fetcher: fmt::Debug + Send + Sync {
    /// Puts one question, within its bounds on time and size.
    fn fetch<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>>;
}

/// A question to a server.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The address.
    pub url: &'a KeyUrl,
    /// Authorities (PEM) that the server's certificate must lead to; the system's where there are none.
    pub authorities: Option<&'a [u8]>,
    /// The version that is at hand: it need not be sent again (RFC 9110 section 13.1).
    pub known: Option<&'a Validators>,
    /// The most bytes that are read.
    pub limit: usize,
    /// The longest wait.
    pub timeout: Duration,
    /// Whether a request waits for it: then it goes before the others that wait for the same host.
    pub urgent: bool,
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
}

/// A server's names for a version of a text (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<HeaderValue>,
    /// `Last-Modified`.
    pub modified: Option<HeaderValue>,
}

impl<'a> Ask<'a> {
    /// Asks for keys, for which requests may wait.
    pub const fn keys(url: &'a KeyUrl, authorities: Option<&'a [u8]>) -> Self {
        let (limit, timeout) = (MAX_KEY_SET_BYTES, KEY_FETCH_TIMEOUT);
        Self { url, authorities, known: None, limit, timeout, urgent: false }
    }

    /// Asks for a file of a document, for which no request waits.
    pub const fn file(url: &'a KeyUrl, authorities: Option<&'a [u8]>) -> Self {
        let (limit, timeout) = (MAX_REMOTE_FILE_BYTES, REMOTE_FILE_TIMEOUT);
        Self { limit, timeout, ..Self::keys(url, authorities) }
    }

    /// Asks for a revocation list or its signature, of at most `limit` bytes.
    pub const fn list(url: &'a KeyUrl, authorities: Option<&'a [u8]>, limit: usize) -> Self {
        Self { limit, timeout: REVOCATION_LIST_TIMEOUT, ..Self::keys(url, authorities) }
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut request = get(self.url.uri())?;
        if let Some(Validators { etag, modified }) = self.known {
            for (name, value) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, modified)] {
                value.iter().for_each(|value| {
                    drop(request.headers_mut().insert(name.clone(), (*value).clone()))
                });
            }
        }
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

/// Why nothing was got. Never holds a part of the address or of the answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It took longer than the bound.
    #[error("took too long")]
    Timeout,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No trusted connection.
    #[error("cannot establish TLS: {0}")]
    Tls(String),
    /// The other side does not speak HTTP.
    #[error("broken HTTP exchange")]
    Http,
    /// The answer leads elsewhere.
    #[error("answered {0}, and redirects are not followed")]
    Redirect(u16),
    /// Another status than 200.
    #[error("answered {0}, expected 200")]
    Status(u16),
    /// Another status than 200, and not to be asked again before a while has passed (RFC 9110 section 10.2.3).
    #[error("answered {0}, expected 200, and asks to be left alone for {1:?}")]
    Busy(u16, Duration),
    /// A compressed answer, which was not asked for.
    #[error("answered in an encoding that was not asked for")]
    Encoding,
    /// More than the bound.
    #[error("answered more than may be read")]
    TooLarge,
}

/// A client certificate with its intermediates, and its key.
pub(super) type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Fetches over HTTP/1.1 and TLS. A connection is used once: a refresh every few minutes is not worth a pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpsFetcher;

impl Fetcher for HttpsFetcher {
    fn fetch<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let asking = tokio::time::timeout(ask.timeout, exchange_one(ask));
        Box::pin(async { asking.await.unwrap_or(Err(FetchError::Timeout)) })
    }
}

impl FetchError {
    /// For how long the server asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(_, wait) => Some(*wait),
            Self::Timeout
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Http
            | Self::Redirect(_)
            | Self::Status(_)
            | Self::Encoding
            | Self::TooLarge => None,
        }
    }
}

async fn exchange_one(ask: Ask<'_>) -> Result<Fetched, FetchError> {
    let Ask { url, authorities, known, limit, .. } = ask;
    let request = ask.request().ok_or(FetchError::Http)?;
    let uri = url.uri();
    let host = uri.host().unwrap_or_default();
    let plaintext = url.is_plaintext();
    let port = uri.port_u16().unwrap_or(if plaintext { 80 } else { 443 });
    let stream = dial::connect(host, port).await.map_err(FetchError::Connect)?;
    let response = if plaintext {
        exchange(stream, request).await?
    } else {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name)
            .map_err(|_| FetchError::Tls(String::from("the host is not a server name")))?;
        let config = client_config(authorities.map(<[u8]>::to_vec), None).await?;
        let tls = TlsConnector::from(Arc::new(config));
        let stream =
            tls.connect(name, stream).await.map_err(|error| FetchError::Tls(error.to_string()))?;
        exchange(stream, request).await?
    };
    if let Some(known) = known.filter(|_| response.status() == http::StatusCode::NOT_MODIFIED) {
        let (max_age, validators) = (max_age(response.headers()), known.clone());
        return Ok(Fetched { body: None, max_age, validators });
    }
    read(response, limit).await
}

/// The roots are read again for each fetch, so that a change of the system store counts without a restart.
pub(super) async fn client_config(
    authorities: Option<Vec<u8>>,
    identity: Option<ClientIdentity>,
) -> Result<ClientConfig, FetchError> {
    let failed = |message: String| FetchError::Tls(message);
    let roots = tokio::task::spawn_blocking(move || roots(authorities.as_deref()))
        .await
        .map_err(|_| failed(String::from("the authorities could not be read")))?;
    if roots.is_empty() {
        return Err(failed(String::from("there are no authorities to verify the server with")));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    match identity {
        None => Ok(config.with_no_client_auth()),
        Some((chain, key)) => {
            config.with_client_auth_cert(chain, key).map_err(|error| failed(error.to_string()))
        }
    }
}

/// The given authorities and no others, or the system's.
fn roots(authorities: Option<&[u8]>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => roots
            .add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok)),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    roots
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Http)?;
    // Ends when the sender or the response's body is dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|_| FetchError::Http)
}

fn get(uri: &Uri) -> Option<Request<Full<Bytes>>> {
    request(Method::GET, uri)?.body(Full::default()).ok()
}

fn request(method: Method, uri: &Uri) -> Option<http::request::Builder> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, uri.authority()?.as_str())
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")));
    Some(request)
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
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(FetchError::Encoding);
    }
    let max_age = max_age(response.headers());
    let validators = Validators::of(response.headers());
    let body = Limited::new(response.into_body(), limit).collect().await;
    match body {
        Ok(body) => Ok(Fetched { body: Some(body.to_bytes()), max_age, validators }),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
        Err(_) => Err(FetchError::Http),
    }
}

/// RFC 9110 section 10.2.3: seconds, or a date, which counts by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let value = text(RETRY_AFTER)?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| OffsetDateTime::parse(text, &Rfc2822).ok();
    Duration::try_from(date(value)? - date(text(DATE)?)?).ok()
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
