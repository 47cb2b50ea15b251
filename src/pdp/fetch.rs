//! One bounded HTTP exchange: encrypted unless allowed otherwise, no redirects, limits on time and size (P58).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HOST, IF_NONE_MATCH, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
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
    /// Gets the text at `url`, within the bounds on time and size, from a server that leads to `authorities` (PEM), or to the
    /// system's where there are none.
    fn fetch<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>>;

    /// Gets the file at `url`, within the bounds for files, which no check waits for.
    fn fetch_file<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        self.fetch(url, authorities)
    }

    /// Gets the file at `url`, likewise, of at most `limit` bytes, unless it is still the one that the server calls `etag`
    /// (RFC 9110 section 13.1.2): then `None`.
    fn fetch_if_changed<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
        _etag: Option<&'a HeaderValue>,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Option<Fetched>, FetchError>> {
        Box::pin(async move { self.fetch_file(url, authorities).await.map(Some) })
    }
}

/// A fetched response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The text.
    pub body: Bytes,
    /// For how long the server says that it may be kept (RFC 9111 section 5.2.2.1).
    pub max_age: Option<Duration>,
    /// The server's name for this version (`ETag`).
    pub etag: Option<HeaderValue>,
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
    fn fetch<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let asking = ask(url, authorities, get(url.uri()), MAX_KEY_SET_BYTES);
        Box::pin(within(KEY_FETCH_TIMEOUT, asking))
    }

    fn fetch_file<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let asking = ask(url, authorities, get(url.uri()), MAX_REMOTE_FILE_BYTES);
        Box::pin(within(REMOTE_FILE_TIMEOUT, asking))
    }

    fn fetch_if_changed<'a>(
        &'a self,
        url: &'a KeyUrl,
        authorities: Option<&'a [u8]>,
        etag: Option<&'a HeaderValue>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Option<Fetched>, FetchError>> {
        let mut request = get(url.uri());
        if let (Some(request), Some(etag)) = (&mut request, etag) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
        }
        let asking = async move {
            match within(REVOCATION_LIST_TIMEOUT, ask(url, authorities, request, limit)).await {
                Ok(fetched) => Ok(Some(fetched)),
                // Only an answer to our question: without an etag nothing can be unchanged.
                Err(FetchError::Redirect(304)) if etag.is_some() => Ok(None),
                Err(error) => Err(error),
            }
        };
        Box::pin(asking)
    }
}

async fn within(
    time: Duration,
    asking: impl Future<Output = Result<Fetched, FetchError>>,
) -> Result<Fetched, FetchError> {
    tokio::time::timeout(time, asking).await.unwrap_or(Err(FetchError::Timeout))
}

async fn ask(
    url: &KeyUrl,
    authorities: Option<&[u8]>,
    request: Option<Request<Full<Bytes>>>,
    limit: usize,
) -> Result<Fetched, FetchError> {
    let request = request.ok_or(FetchError::Http)?;
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
        return Err(FetchError::Status(status.as_u16()));
    }
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(FetchError::Encoding);
    }
    let max_age = max_age(response.headers());
    let etag = response.headers().get(ETAG).cloned();
    let body = Limited::new(response.into_body(), limit).collect().await;
    match body {
        Ok(body) => Ok(Fetched { body: body.to_bytes(), max_age, etag }),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
        Err(_) => Err(FetchError::Http),
    }
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
