//! One question to an introspection endpoint (RFC 7662 section 2.1), over connections that are kept, and who asks it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::clock::{Clock, UnixTime};
use crate::limits::MAX_INTROSPECTION_ANSWER_BYTES;
use crate::pdp::dial;
use crate::pdp::fetch::{self, ClientIdentity, FetchError};
use crate::secret::{SealedText, Secret, hex};
use crate::trust::{ClientAssertion, ClientAuthentication, Introspection};

/// Asks one endpoint.
pub(super) trait Ask: std::fmt::Debug + Send + Sync {
    /// The endpoint's answer about `token`, not yet checked.
    fn ask<'a>(&'a self, token: &'a SealedText) -> BoxFuture<'a, Result<Bytes, FetchError>>;
}

/// Asks over HTTP/1.1 and TLS.
#[derive(Debug)]
pub(super) struct HttpsClient {
    source: Arc<Introspection>,
    clock: Arc<dyn Clock>,
    /// Made for the first question, since the system's authorities are read from files.
    http: OnceCell<Client<HttpsConnector<Dialer>, Full<Bytes>>>,
}

/// Connects where it is permitted to (P58).
#[derive(Clone, Copy, Debug)]
struct Dialer;

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// How long an assertion is good for: it is used at once.
const ASSERTION_LIFETIME: i64 = 60;

/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The characters that `application/x-www-form-urlencoded` leaves as they are in the URL standard.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

impl HttpsClient {
    pub(super) fn new(source: Arc<Introspection>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, http: OnceCell::new() }
    }

    async fn connect(&self) -> Result<Client<HttpsConnector<Dialer>, Full<Bytes>>, FetchError> {
        let identity = match &self.source.authentication {
            ClientAuthentication::MutualTls { certificates, key } => {
                Some(identity(certificates, key)?)
            }
            ClientAuthentication::Basic(_)
            | ClientAuthentication::Post(_)
            | ClientAuthentication::PrivateKeyJwt(_) => None,
        };
        let config = fetch::client_config(self.source.authorities.clone(), identity).await?;
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let builder = if self.source.url.is_plaintext() {
            builder.https_or_http()
        } else {
            builder.https_only()
        };
        Ok(Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.source.max_concurrent)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(builder.enable_http1().wrap_connector(Dialer)))
    }

    async fn exchange(&self, token: &SealedText) -> Result<Bytes, FetchError> {
        let http = self.http.get_or_try_init(|| self.connect()).await?;
        let request = request(&self.source, token, self.clock.now()).ok_or(FetchError::Http)?;
        let response = http.request(request).await.map_err(|error| {
            if error.is_connect() {
                FetchError::Connect(root_cause(&error))
            } else {
                FetchError::Http
            }
        })?;
        fetch::read(response, MAX_INTROSPECTION_ANSWER_BYTES).await?.body.ok_or(FetchError::Http)
    }
}

impl Ask for HttpsClient {
    fn ask<'a>(&'a self, token: &'a SealedText) -> BoxFuture<'a, Result<Bytes, FetchError>> {
        Box::pin(self.exchange(token))
    }
}

fn identity(certificates: &[u8], key: &Secret<Vec<u8>>) -> Result<ClientIdentity, FetchError> {
    let unusable = || FetchError::Tls(String::from("the client certificate cannot be used"));
    let chain = CertificateDer::pem_slice_iter(certificates).filter_map(Result::ok).collect();
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| unusable())?;
    Ok((chain, key))
}

/// The message of the operating system or the TLS library, without the layers around it.
fn root_cause(error: &(dyn Error + 'static)) -> io::Error {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let kind = cause.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, cause.to_string())
}

fn request(
    source: &Introspection,
    token: &SealedText,
    now: UnixTime,
) -> Option<Request<Full<Bytes>>> {
    let mut form = Secret::new(format!(
        "token={}&token_type_hint=access_token",
        encode(token.expose()).expose()
    ));
    let mut authorization = None;
    match &source.authentication {
        ClientAuthentication::Basic(secret) => {
            authorization = Some(basic(&source.client_id, secret)?);
        }
        ClientAuthentication::Post(secret) => {
            append(&mut form, "client_id", &source.client_id);
            append(&mut form, "client_secret", secret.expose());
        }
        ClientAuthentication::PrivateKeyJwt(assertion) => {
            append(&mut form, "client_id", &source.client_id);
            append(&mut form, "client_assertion_type", JWT_BEARER);
            let signed = sign(assertion, &source.client_id, now)?;
            append(&mut form, "client_assertion", signed.expose());
        }
        // RFC 8705 section 2: the certificate proves what the id says.
        ClientAuthentication::MutualTls { .. } => append(&mut form, "client_id", &source.client_id),
    }
    let mut request = Request::post(source.url.uri().clone())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::copy_from_slice(form.expose().as_bytes())))
        .ok()?;
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value);
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

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let plaintext = uri.scheme() == Some(&http::uri::Scheme::HTTP);
            let port = uri.port_u16().unwrap_or(if plaintext { 80 } else { 443 });
            dial::connect(uri.host().unwrap_or_default(), port).await.map(TokioIo::new)
        })
    }
}

#[cfg(test)]
mod tests;
