//! Connections to servers: where it is permitted to, through a proxy where there is one, encrypted unless the address is `http`, and
//! with the credentials that the server is to see.

use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::dial;
use super::fetch_error::FetchError;
use super::proxy::{Proxies, Proxy};
use super::spiffe_server::WorkloadVerifier;
use crate::json;
use crate::limits::MAX_CREDENTIAL_BYTES;
use crate::secret::{Fingerprint, Secret};
use crate::spiffe::SpiffeId;
use crate::trust::{
    ClientCredentials, HeaderText, KeyUrl, bundle_authorities, client_certificate, secret_line,
};
use crate::words::of_system;

/// A connection, over which requests go one after the other.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection. Whether a part of an answer had arrived that was not read.
    ended: JoinHandle<bool>,
    /// For a proxy that forwards requests instead of connecting.
    forwarded: Option<(Uri, Option<HeaderValue>)>,
}

/// The credentials for one request, as they are now.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestCredentials {
    pub(super) headers: HeaderMap,
    certificate: Option<(Fingerprint, Arc<CertifiedKey>)>,
}

/// Bytes that come and go.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

const REFUSED_BY_PROXY: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

impl RequestCredentials {
    /// Reads the files of `client`.
    pub(super) async fn read(client: &ClientCredentials) -> Result<Self, FetchError> {
        if client.is_empty() {
            return Ok(Self::default());
        }
        let client = client.clone();
        let read = tokio::task::spawn_blocking(move || Self::read_files(&client)).await;
        read.map_err(|_| FetchError::Credentials(String::from("reading them failed")))?
    }

    fn read_files(client: &ClientCredentials) -> Result<Self, FetchError> {
        let mut headers = HeaderMap::new();
        for (name, text) in &client.headers {
            let mut value = match text {
                HeaderText::Inline(text) => text.clone(),
                HeaderText::File(path) => line("", path)?,
                HeaderText::Bearer(path) => line("Bearer ", path)?,
            };
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let certificate = client.certificate.as_ref().map(|(certificates, path)| {
            let (certificates, key) = (bytes(certificates)?, bytes(path)?);
            let stamp = Fingerprint::of(certificates.expose());
            let certified = client_certificate(certificates.expose(), key.expose());
            certified.map(|own| (stamp, own)).map_err(|why| unusable(path, why))
        });
        Ok(Self { headers, certificate: certificate.transpose()? })
    }

    /// Changes with the certificate.
    pub(super) fn stamp(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(|(stamp, _)| *stamp)
    }
}

fn line(before: &str, path: &Path) -> Result<HeaderValue, FetchError> {
    let bytes = bytes(path)?;
    let line = secret_line(bytes.expose());
    let text = line.map(|line| Secret::new(format!("{before}{}", line.expose())));
    let value = text.and_then(|text| HeaderValue::from_str(text.expose()).ok());
    value.ok_or_else(|| unusable(path, "does not hold one line of printable ASCII"))
}

fn bytes(path: &Path) -> Result<Secret<Vec<u8>>, FetchError> {
    let mut bytes = Vec::new();
    let file = File::open(path)
        .map_err(|error| unusable(path, &format!("cannot be read: {}", of_system(&error))))?;
    let read = file.take(MAX_CREDENTIAL_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| unusable(path, &format!("cannot be read: {}", of_system(&error))))?;
    Ok(Secret::new(bytes))
}

fn unusable(path: &Path, why: &str) -> FetchError {
    FetchError::Credentials(format!("`{}` {why}", path.display()))
}

/// How TLS is spoken with a server. The system's authorities are read again each time, so that a change of them counts without a
/// restart.
pub(super) async fn tls(
    authorities: Option<&[u8]>,
    workload: Option<&SpiffeId>,
    shown: &RequestCredentials,
) -> Result<Arc<ClientConfig>, FetchError> {
    let failed = |message: &str| FetchError::Tls(message.to_owned());
    let authorities = authorities.map(<[u8]>::to_vec);
    let roots = tokio::task::spawn_blocking(move || roots(authorities.as_deref()))
        .await
        .map_err(|_| failed("the authorities could not be read"))?;
    if roots.is_empty() {
        return Err(failed("there are no authorities to verify the server with"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error.to_string()))?;
    let config = match workload.cloned() {
        None => config.with_root_certificates(roots),
        Some(id) => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(WorkloadVerifier { id, roots, algorithms })),
    };
    Ok(Arc::new(match &shown.certificate {
        None => config.with_no_client_auth(),
        Some((_, own)) => {
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(own))))
        }
    }))
}

/// The given authorities and no others, in PEM or as a SPIFFE bundle; or the system's.
fn roots(authorities: Option<&[u8]>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(text) if is_json(text) => roots.add_parsable_certificates(bundle_authorities(text)),
        Some(pem) => roots
            .add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok)),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    roots
}

fn is_json(text: &[u8]) -> bool {
    json::unmarked(text).trim_ascii_start().first() == Some(&b'{')
}

impl Connection {
    /// Connects to the server of `url`, which speaks TLS by `config` unless the address is `http`.
    pub(super) async fn open(
        url: &KeyUrl,
        proxies: &Proxies,
        config: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, FetchError> {
        let (host, port) = (url.uri().host().unwrap_or_default(), url.port());
        let proxy = proxies.for_address(url);
        let stream: Box<dyn Stream> = match &proxy {
            None => Box::new(dial::connect(host, port).await.map_err(FetchError::Connect)?),
            Some(proxy) => {
                dial::judge_literal(host).map_err(FetchError::Connect)?;
                let stream = reach(proxy).await?;
                if config.is_some() { tunnel(proxy, stream, url).await? } else { stream }
            }
        };
        let (stream, forwarded) = match config {
            Some(config) => (encrypt(host, config, stream).await?, None),
            None => (stream, proxy.map(|proxy| (url.uri().clone(), proxy.authorization))),
        };
        let (sender, mut connection) =
            handshake(TokioIo::new(stream)).await.map_err(|_| FetchError::Http)?;
        let ended = tokio::spawn(async move {
            // The sender hears of an error, too.
            let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
            let parts = connection.into_parts();
            let mut stream = parts.io.into_inner();
            tokio::spawn(async move { stream.shutdown().await });
            !parts.read_buf.is_empty()
        });
        Ok(Self { sender, ended, forwarded })
    }

    /// Sends one request, whose address has no host.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, FetchError> {
        if let Some((uri, authorization)) = &self.forwarded {
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            authorization
                .iter()
                .for_each(|own| drop(headers.insert(PROXY_AUTHORIZATION, own.clone())));
        }
        let is_forwarded = self.forwarded.is_some();
        match self.sender.send_request(request).await {
            // RFC 9110 section 15.5.8: only a proxy answers so.
            Ok(response) if is_forwarded && response.status() == REFUSED_BY_PROXY => {
                Err(FetchError::ProxyStatus(REFUSED_BY_PROXY.as_u16()))
            }
            Ok(response) => Ok(response),
            // A task that panicked tells nothing.
            Err(_) if (&mut self.ended).await.unwrap_or(true) => Err(FetchError::Http),
            Err(_) => Err(FetchError::Unanswered),
        }
    }

    /// True if another request can be sent, once the answer to the last one was read.
    pub(super) async fn is_ready(&mut self) -> bool {
        // Twice, so that bytes that no question was asked for are seen, and end the connection.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        self.sender.ready().await.is_ok() && !self.ended.is_finished()
    }
}

/// Connects to a proxy.
async fn reach(proxy: &Proxy) -> Result<Box<dyn Stream>, FetchError> {
    let (host, port) = (proxy.host.as_str(), proxy.port);
    let stream = dial::connect(host, port).await.map_err(FetchError::Proxy)?;
    if !proxy.encrypted {
        return Ok(Box::new(stream));
    }
    let config = tls(None, None, &RequestCredentials::default()).await?;
    encrypt(host, &config, Box::new(stream)).await
}

/// Has a proxy connect to the server of `url` (RFC 9110 section 9.3.6).
async fn tunnel(
    proxy: &Proxy,
    stream: Box<dyn Stream>,
    url: &KeyUrl,
) -> Result<Box<dyn Stream>, FetchError> {
    let authority = format!("{}:{}", url.uri().host().unwrap_or_default(), url.port());
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(HOST, &authority)
        .header(USER_AGENT, AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Http)?;
    let headers = request.headers_mut();
    proxy
        .authorization
        .iter()
        .for_each(|own| drop(headers.insert(PROXY_AUTHORIZATION, own.clone())));
    let broken = |error: hyper::Error| FetchError::Proxy(io::Error::other(error));
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(broken)?;
    if !response.status().is_success() {
        return Err(FetchError::ProxyStatus(response.status().as_u16()));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

async fn encrypt(
    host: &str,
    config: &Arc<ClientConfig>,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, FetchError> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name)
        .map_err(|_| FetchError::Tls(String::from("the host is not a server name")))?;
    let connector = TlsConnector::from(Arc::clone(config));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(FetchError::Tls(root_cause(&error).to_string())),
    }
}

/// The innermost of errors within errors.
fn root_cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// The name that servers and proxies know us by.
const AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));

/// A request for the path of `uri`.
pub(super) fn request(method: Method, uri: &Uri) -> Option<http::request::Builder> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request =
        Request::builder().method(method).uri(path).header(HOST, uri.authority()?.as_str());
    Some(request.header(USER_AGENT, AGENT))
}
