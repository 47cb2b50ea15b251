//! Real endpoints over TLS: what they see of each way to authenticate, and what becomes of answers that are none.

use std::convert::Infallible;
use std::sync::Mutex;

use http::header::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{DecodingKey, Validation};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

mod connections;

use super::*;
use crate::clock::FixedClock;
use crate::document::{self, Attachments, Diagnostic, SourceFile};
use crate::trust::{KeySource, TrustStore};

const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA==";
const CANARY: &str = "7Fjf p%=:+&canary";

/// One request as an endpoint saw it.
#[derive(Clone, Debug, Default)]
struct Seen {
    path: String,
    headers: HeaderMap,
    authorization: Option<String>,
    content_type: Option<String>,
    accept: Option<String>,
    form: String,
    certified: bool,
}

/// An authority with a server certificate for `localhost` and a client certificate, and a folder with the files of a client.
struct Pki {
    folder: TempDir,
    ca: String,
    server: (CertificateDer<'static>, KeyPair),
    client: (String, String),
}

impl Pki {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = rcgen::Issuer::from_params(&params, &key);
        let leaf = |usage| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = leaf(ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = leaf(ExtendedKeyUsagePurpose::ClientAuth);
        Self {
            folder: tempfile::tempdir().unwrap(),
            ca,
            server: (server.der().clone(), server_key),
            client: (client.pem(), client_key.serialize_pem()),
        }
    }

    fn server_config(&self, ask_for_certificate: bool) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if ask_for_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(self.server.1.serialize_der()).unwrap();
        Arc::new(builder.with_single_cert(vec![self.server.0.clone()], key).unwrap())
    }
}

/// Starts an endpoint that gives every question this answer, and keeps what it saw.
async fn serve(
    config: Arc<rustls::ServerConfig>,
    status: u16,
    body: impl Into<Bytes>,
) -> (u16, Arc<Mutex<Vec<Seen>>>) {
    let (seen, body) = (Arc::new(Mutex::new(Vec::new())), body.into());
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, kept) = (tokio_rustls::TlsAcceptor::from(config), Arc::clone(&seen));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let certified = stream.get_ref().1.peer_certificates().is_some();
            let (seen, body) = (Arc::clone(&kept), body.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, body) = (Arc::clone(&seen), body.clone());
                async move {
                    let request = look_at(request, certified).await;
                    seen.lock().unwrap().push(request);
                    let mut response = Response::new(Full::new(body));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    if status == 302 {
                        let elsewhere = HeaderValue::from_static("https://127.0.0.1:1/");
                        response.headers_mut().insert("location", elsewhere);
                    }
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (port, seen)
}

async fn look_at(request: Request<Incoming>, certified: bool) -> Seen {
    let header = |name| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let mut seen = Seen {
        path: request.uri().to_string(),
        headers: request.headers().clone(),
        authorization: header(AUTHORIZATION),
        content_type: header(CONTENT_TYPE),
        accept: header(ACCEPT),
        certified,
        ..Seen::default()
    };
    assert_eq!(request.method(), "POST");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    seen.form = String::from_utf8(body.to_vec()).unwrap();
    seen
}

/// A document whose client authenticates as `client` says.
fn source(url: &str, client: &str, pki: &Pki) -> Result<Arc<Introspection>, Vec<Diagnostic>> {
    let known = client.starts_with("id:") || client.contains("none:");
    let client = if known { client.to_owned() } else { format!("id: 's6Bh:d/Rk qt3', {client}") };
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: a }}\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  introspection:\n    url: '{url}'\n    ca: {{ file: ca.pem }}\n    client: {{ {client} }}\n"
    );
    let mut files = Attachments::default();
    let folder = pki.folder.path();
    let mut file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        files.insert(folder.join(name), Ok(text.as_bytes().to_vec()));
    };
    file("ca.pem", &pki.ca);
    file("secret", &format!("{CANARY}\n"));
    file("two-lines", &format!("{CANARY}\n{CANARY}\n"));
    file("empty", "\n");
    file("client.pem", &pki.client.0);
    file("client.key", &pki.client.1);
    file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new(folder.join("a.yaml"), text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    problems.retain(|problem| problem.code != document::Code::SlowIntrospection);
    if !problems.is_empty() {
        return Err(problems);
    }
    let KeySource::Introspected(source) = &store.issuers()[0].keys else { panic!("{url}") };
    Ok(Arc::clone(source))
}

fn client(source: &Arc<Introspection>) -> HttpsClient {
    let clock = FixedClock::at(UnixTime::from_secs(1_800_000_000));
    HttpsClient::new(Arc::clone(source), Arc::new(clock), Arc::default())
}

fn token() -> SealedText {
    SealedText::from(TOKEN)
}

/// Asks twice; the endpoint's view of the last question.
async fn ask(authentication: &str, ask_for_certificate: bool) -> Seen {
    let pki = Pki::new();
    let (port, seen) = serve(pki.server_config(ask_for_certificate), 200, "{}").await;
    let url = format!("https://localhost:{port}/introspect?tenant=a");
    let client = client(&source(&url, authentication, &pki).unwrap());
    for _ in 0..2 {
        assert_eq!(client.ask(&token()).await.unwrap(), "{}");
    }
    let seen = seen.lock().unwrap().last().unwrap().clone();
    assert_eq!(seen.path, "/introspect?tenant=a");
    assert_eq!(seen.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.accept.as_deref(), Some("application/json"));
    assert!(
        seen.form.starts_with("token=2YotnFZFEjr1zCsicMWpAA%3D%3D&token_type_hint=access_token")
    );
    seen
}

/// RFC 6749 section 2.3.1: encoded before it is joined, so that a `:` in the id is no end of it.
#[tokio::test]
async fn a_secret_is_sent_in_the_header() {
    let seen = ask("basic: { file: secret }", false).await;
    let encoded = seen.authorization.unwrap();
    let pair = STANDARD.decode(encoded.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(pair, b"s6Bh%3Ad%2FRk+qt3:7Fjf+p%25%3D%3A%2B%26canary");
    assert!(!seen.form.contains("client"), "one way at a time");
}

#[tokio::test]
async fn a_secret_is_sent_in_the_body() {
    let seen = ask("post: { file: secret }", false).await;
    let sent = "&client_id=s6Bh%3Ad%2FRk+qt3&client_secret=7Fjf+p%25%3D%3A%2B%26canary";
    assert!(seen.form.ends_with(sent), "{}", seen.form);
    assert_eq!(seen.authorization, None);
}

/// RFC 7523 section 3.
#[tokio::test]
async fn an_assertion_is_signed_for_the_endpoint() {
    let key = KeyPair::generate().unwrap();
    let assertion = ClientAssertion {
        key: Secret::new(key.serialize_pem().into_bytes()),
        algorithm: crate::trust::Algorithm::Es256,
        key_id: Some("k".into()),
        audience: "https://a.example/introspect".into(),
    };
    let now = UnixTime::from_secs(1_800_000_000);
    let public = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["https://a.example/introspect"]);
    validation.set_issuer(&["us"]);
    validation.validate_exp = false;
    let decode = || {
        let signed = sign(&assertion, "us", now).unwrap();
        jsonwebtoken::decode::<Map<String, Value>>(signed.expose(), &public, &validation).unwrap()
    };
    let (first, second) = (decode(), decode());
    assert_eq!(first.header.kid.as_deref(), Some("k"));
    assert_eq!(
        (&first.claims["sub"], &first.claims["iss"]),
        (&Value::from("us"), &Value::from("us"))
    );
    assert_eq!(first.claims["exp"], 1_800_000_060);
    assert_ne!(first.claims["jti"], second.claims["jti"], "each is used once");
    let seen = ask("privateKeyJwt: { key: { file: client.key }, algorithm: ES256 }", false).await;
    assert!(seen.form.contains("&client_id=s6Bh%3Ad%2FRk+qt3&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ"));
    assert!(!seen.form.contains("client_secret") && seen.authorization.is_none());
}

/// RFC 8705 section 2.
#[tokio::test]
async fn a_certificate_is_shown() {
    let tls = "mutualTls: { certificate: { file: client.pem }, key: { file: client.key } }";
    let seen = ask(tls, true).await;
    assert!(seen.certified && seen.form.ends_with("&client_id=s6Bh%3Ad%2FRk+qt3"));
    let pki = Pki::new();
    let (port, _) = serve(pki.server_config(true), 200, "{}").await;
    let url = format!("https://localhost:{port}/");
    let refused =
        client(&source(&url, "basic: { file: secret }", &pki).unwrap()).ask(&token()).await;
    assert!(refused.is_err(), "without a certificate the endpoint refuses");
}

/// P58, P66: answers that are not introspection answers are refused, and messages about them hold neither secret nor token.
#[tokio::test]
async fn what_is_no_plain_answer_is_refused() {
    let pki = Pki::new();
    let large = vec![b' '; MAX_INTROSPECTION_ANSWER_BYTES + 1];
    for (status, body, expected) in [
        (302, Bytes::new(), "answered 302, and redirects are not followed"),
        (401, Bytes::from(CANARY), "answered 401, expected 200"),
        (500, Bytes::from(CANARY), "answered 500, expected 200"),
        (204, Bytes::new(), "answered 204, expected 200"),
        (200, Bytes::from(large), "answered more than may be read"),
    ] {
        let (port, _) = serve(pki.server_config(false), status, body).await;
        let url = format!("https://localhost:{port}/");
        let client = client(&source(&url, "basic: { file: secret }", &pki).unwrap());
        assert_eq!(client.ask(&token()).await.unwrap_err().to_string(), expected);
        let shown = format!("{client:?}");
        assert!(!shown.contains("canary") && !shown.contains(TOKEN), "{shown}");
    }
}

/// P58: metadata services and servers of another authority.
#[tokio::test]
async fn only_a_permitted_and_trusted_server_is_asked() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (port, seen) = serve(other.server_config(false), 200, "{}").await;
    for (url, expected) in [
        (format!("https://localhost:{port}/"), "invalid peer certificate"),
        ("https://169.254.169.254/latest".into(), "link-local or metadata address"),
        ("https://[::ffff:169.254.169.254]/".into(), "link-local or metadata address"),
    ] {
        let client = client(&source(&url, "basic: { file: secret }", &pki).unwrap());
        let refused = format!("{:?}", client.ask(&token()).await);
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// P66: a message about a wrong client does not show what its files hold.
#[test]
fn a_client_that_cannot_work_is_refused_at_load() {
    let pki = Pki::new();
    let url = "https://a.example/introspect";
    let mutual = |key: &str| {
        format!("mutualTls: {{ certificate: {{ file: client.pem }}, key: {{ file: {key} }} }}")
    };
    for (url, client, code) in [
        (
            "https://us:canary@a.example/",
            "id: us, basic: { file: secret }",
            "invalid-introspection-url",
        ),
        ("http://a.example/", "basic: { file: secret }", "invalid-introspection-url"),
        (url, "", "introspection-client"),
        (url, "basic: { file: secret }, post: { file: secret }", "introspection-client"),
        (url, "basic: { inline: canary }", "unknown-field"),
        (url, "basic: { file: nowhere }", "unreadable-file"),
        (url, "basic: { file: empty }", "introspection-client"),
        (url, "post: { file: two-lines }", "introspection-client"),
        (url, "privateKeyJwt: { key: { file: secret }, algorithm: ES256 }", "introspection-client"),
        (
            url,
            "privateKeyJwt: { key: { file: client.key }, algorithm: RS256 }",
            "introspection-client",
        ),
        (
            url,
            "privateKeyJwt: { key: { file: client.key }, algorithm: HS256 }",
            "introspection-client",
        ),
        (url, &mutual("other.key"), "client-credentials"),
        (url, &mutual("secret"), "client-credentials"),
    ] {
        let problems = source(url, client, &pki).map(|_| ()).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [code], "{client}");
        let shown: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
        assert!(!shown.concat().contains("canary"), "{shown:?}");
    }
    assert!(source(url, &mutual("client.key"), &pki).is_ok());
}

/// P402: a bearer token, a header and a client certificate are read for each question, so that they may rotate.
#[tokio::test]
async fn credentials_in_files_rotate() {
    let pki = Pki::new();
    let (port, seen) = serve(pki.server_config(true), 200, "{}").await;
    let url = format!("https://localhost:{port}/introspect");
    let more = "bearer: { file: secret }, headers: { x-api-key: { file: secret }, x-tenant: { inline: acme } }, mutualTls: { certificate: { file: client.pem }, key: { file: client.key } }";
    let client = client(&source(&url, &format!("id: us, {more}"), &pki).unwrap());
    for secret in [CANARY, "a.second-one"] {
        std::fs::write(pki.folder.path().join("secret"), secret).unwrap();
        assert_eq!(client.ask(&token()).await.unwrap(), "{}");
        let seen = seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.authorization, Some(format!("Bearer {secret}")));
        assert_eq!(
            (&seen.headers["x-api-key"], &seen.headers["x-tenant"]),
            (&HeaderValue::from_str(secret).unwrap(), &HeaderValue::from_static("acme"))
        );
        assert!(seen.certified && seen.form.ends_with("&client_id=us"));
        let shown = format!("{client:?}");
        assert!(!shown.contains("canary") && !shown.contains("second-one"), "{shown}");
    }
    std::fs::remove_file(pki.folder.path().join("secret")).unwrap();
    let error = client.ask(&token()).await.unwrap_err().to_string();
    assert!(error.contains("/secret` cannot be read"), "{error}");
}

/// An endpoint may want no proof, and that has to be said.
#[tokio::test]
async fn no_proof_is_sent_where_none_is_wanted() {
    let seen = ask("none: {}", false).await;
    assert!(seen.authorization.is_none() && !seen.form.contains("client"), "{seen:?}");
    let seen = ask("id: us, none: {}", false).await;
    assert!(seen.form.ends_with("&client_id=us"), "{}", seen.form);
}

/// P403: an endpoint that answers 404 about a token that it does not know says that it is not active, where that is set.
#[tokio::test]
async fn a_status_may_say_that_a_token_is_not_active() {
    let pki = Pki::new();
    for (status, meant) in [(404, true), (400, true), (500, false), (401, false), (410, false)] {
        let (port, _) = serve(pki.server_config(false), status, "{\"active\":true}").await;
        let url = format!(
            "https://localhost:{port}/'\n    inactiveStatuses: [400, 404]\n    cacheTtl: '30s"
        );
        let client = client(&source(&url, "none: {}", &pki).unwrap());
        match client.ask(&token()).await {
            Ok(answer) => assert!(meant && answer == "{\"active\":false}", "{status}"),
            Err(error) => assert!(!meant && matches!(error, FetchError::Status(_)), "{status}"),
        }
    }
}
