//! Servers that answer well, badly, or from where they should not.

use std::io::{self, Write as _};
use std::sync::Mutex;

use base64::Engine as _;
use rcgen::SanType;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::document;
use crate::pdp::{KnownVersions, load_keys};

/// A server that answers every connection with `answer`, as it is, and then closes.
async fn serve(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    port
}

async fn got(url: &str, authorities: Option<&str>) -> Result<Fetched, FetchError> {
    let url = KeyUrl::parse(url, true).unwrap();
    let authorities = authorities.map(|text| text.as_bytes().to_vec());
    let access = Access { authorities, ..access() };
    HttpsFetcher::default().fetch(FetchRequest::keys(&url, &access)).await
}

fn access() -> Access {
    Access::plain(Duration::from_secs(10))
}

async fn fetch(answer: impl Into<Vec<u8>>) -> Result<Fetched, FetchError> {
    let port = serve(answer.into()).await;
    got(&format!("http://127.0.0.1:{port}/jwks?a=b"), None).await
}

/// P594: also the server's time, however long a cache has kept the answer.
#[tokio::test]
async fn the_body_and_its_age_are_got() {
    let answer = "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nage: 60\r\ncache-control: public, max-age=60\r\ncontent-length: 2\r\n\r\n{}";
    let fetched = fetch(answer).await.unwrap();
    assert_eq!(
        fetched,
        Fetched {
            body: Some("{}".into()),
            max_age: Some(Duration::from_secs(60)),
            validators: Validators::default(),
            date: Some(UnixTime::from_secs(784_111_837)),
        }
    );
    let answer = "HTTP/1.1 200 OK\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    assert_eq!(fetch(answer).await.unwrap().max_age, Some(Duration::ZERO));
}

/// P268: the validators of what is at hand are sent, and an answer that it is unchanged has no body.
#[tokio::test]
async fn an_unchanged_text_is_not_sent_again() {
    let answer = "HTTP/1.1 304 Not Modified\r\ncache-control: max-age=60\r\n\r\n";
    let url = format!("http://127.0.0.1:{}/jwks", serve(answer.into()).await);
    let url = KeyUrl::parse(&url, true).unwrap();
    let known = Validators {
        etag: Some(HeaderValue::from_static("\"1\"")),
        modified: Some(HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT")),
    };
    let access = access();
    let ask = FetchRequest { known: Some(&known), ..FetchRequest::keys(&url, &access) };
    let sent = ask.request(RequestCredentials::default()).unwrap();
    assert_eq!(sent.headers().get(IF_NONE_MATCH), known.etag.as_ref());
    assert_eq!(sent.headers().get(IF_MODIFIED_SINCE), known.modified.as_ref());
    let fetched = HttpsFetcher::default().fetch(ask).await.unwrap();
    let max_age = Some(Duration::from_secs(60));
    assert_eq!(fetched, Fetched { max_age, validators: known, ..Fetched::default() });
    let unasked = HttpsFetcher::default().fetch(FetchRequest::keys(&url, &access)).await;
    assert!(matches!(unasked, Err(FetchError::Redirect(304))), "nothing is at hand");
}

/// P262: `Retry-After` in both of its forms.
#[tokio::test]
async fn a_busy_server_says_for_how_long() {
    let busy = async |more: &str| {
        let answer = format!("HTTP/1.1 429 Slow\r\n{more}content-length: 0\r\n\r\n");
        fetch(answer).await.unwrap_err().retry_after().map(|wait| wait.as_secs())
    };
    assert_eq!(busy("").await, None);
    assert_eq!(busy("retry-after: 17\r\n").await, Some(17));
    assert_eq!(busy("retry-after: soon\r\n").await, None);
    let date =
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    assert_eq!(busy(date).await, Some(60));
}

/// P58: redirects, other statuses, encodings and sizes.
#[tokio::test]
async fn what_is_not_a_plain_answer_is_refused() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert!(matches!(fetch(redirect).await, Err(FetchError::Redirect(302))));
    let broken = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    assert!(matches!(fetch(broken).await, Err(FetchError::Status(500))));
    for encoding in ["gzip", "br", "gzip, gzip"] {
        let zipped = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 2\r\n\r\nxx"
        );
        assert!(matches!(fetch(zipped).await, Err(FetchError::Encoding)), "{encoding}");
    }
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\nxx";
    assert!(matches!(fetch(cut).await, Err(FetchError::Http)));
    assert!(matches!(fetch("SSH-2.0-OpenSSH\r\n").await, Err(FetchError::Http)));
    let mut large = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    large.resize(MAX_KEY_SET_BYTES + 100, b' ');
    assert!(matches!(fetch(large).await, Err(FetchError::TooLarge)));
}

/// P58: metadata services are refused when the connection is made, whatever led there.
#[tokio::test]
async fn metadata_addresses_are_refused() {
    for url in
        ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/"]
    {
        let refused = got(url, None).await.unwrap_err();
        let permission = io::ErrorKind::PermissionDenied;
        assert!(matches!(&refused, FetchError::Connect(e) if e.kind() == permission), "{refused}");
    }
}

/// An authority, and a server with a certificate of it for `localhost`.
async fn serve_tls() -> (u16, String) {
    serve_tls_as(SanType::DnsName("localhost".try_into().unwrap())).await
}

/// The same with a certificate of this name.
async fn serve_tls_as(name: SanType) -> (u16, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::default();
    leaf.subject_alt_names = vec![name];
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, ca.pem())
}

/// P491: a bundle endpoint whose certificate names a workload and no host, known by a bundle.
#[tokio::test]
async fn a_bundle_endpoint_is_a_workload() {
    let id = "spiffe://partner.example/spire/server";
    let (port, ca) = serve_tls_as(SanType::URI(id.try_into().unwrap())).await;
    let url = KeyUrl::parse(&format!("https://localhost:{port}/"), false).unwrap();
    let der = CertificateDer::from_pem_slice(ca.as_bytes()).unwrap();
    let x5c = base64::engine::general_purpose::STANDARD.encode(der);
    let key = serde_json::json!({ "kty": "EC", "use": "x509-svid", "x5c": [x5c] });
    let bundle = serde_json::json!({ "keys": [key] }).to_string();
    for (authorities, spiffe, expected) in [
        (&bundle, Some(id), None),
        (&ca, Some(id), None),
        (
            &bundle,
            Some("spiffe://partner.example/other"),
            Some("names `spiffe://partner.example/spire/server`, expected"),
        ),
        (&bundle, None, Some("not valid for name")),
    ] {
        let spiffe = spiffe.map(|id| id.parse().unwrap());
        let access = Access { authorities: Some(authorities.clone().into()), spiffe, ..access() };
        let fetched = HttpsFetcher::default().fetch(FetchRequest::keys(&url, &access)).await;
        let error = fetched.err().map(|error| error.to_string());
        let same = match (&error, expected) {
            (None, None) => true,
            (Some(error), Some(expected)) => error.contains(expected),
            _ => false,
        };
        assert!(same, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_is_trusted_under_the_chosen_authority_only() {
    let (port, ca) = serve_tls().await;
    let url = format!("https://localhost:{port}/jwks");
    assert_eq!(got(&url, Some(&ca)).await.unwrap().body.unwrap(), "{}");
    let (_, other) = serve_tls().await;
    let refused = got(&url, Some(&other)).await;
    assert!(matches!(refused, Err(FetchError::Tls(_))));
    let by_address = format!("https://127.0.0.1:{port}/jwks");
    let refused = got(&by_address, Some(&ca)).await;
    assert!(matches!(refused, Err(FetchError::Tls(_) | FetchError::Connect(_))));
}

/// A server that gives each request this answer, with TLS or without, and keeps what it saw.
async fn watch(
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: Vec<u8>,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen, acceptor) =
        (Arc::new(Mutex::new(Vec::new())), tls.map(tokio_rustls::TlsAcceptor::from));
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(acceptor) = &acceptor {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let certified = stream.get_ref().1.peer_certificates().is_some();
                answer_one(&mut stream, &answer, &kept, certified).await;
            } else {
                answer_one(&mut stream, &answer, &kept, false).await;
            }
        }
    });
    (port, seen)
}

async fn answer_one(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    answer: &[u8],
    seen: &Mutex<Vec<String>>,
    certified: bool,
) {
    let mut request = [0; 4096];
    let size = stream.read(&mut request).await.unwrap();
    let text = std::str::from_utf8(&request[..size]).unwrap().to_ascii_lowercase();
    seen.lock().unwrap().push(if certified { format!("{text}certified") } else { text });
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: GZip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// P404: compressed answers are asked for and read, and a text that is too large is refused however few bytes stand for it.
#[tokio::test]
async fn compressed_answers_are_read_within_the_bound() {
    let (port, seen) = watch(None, zipped(b"{\"keys\":[]}")).await;
    let url = format!("http://localhost:{port}/jwks");
    assert_eq!(got(&url, None).await.unwrap().body.unwrap(), "{\"keys\":[]}");
    assert!(seen.lock().unwrap()[0].contains("accept-encoding: gzip\r\n"));
    let loud = String::from(
        "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\ncontent-length: 2\r\n\r\n{}",
    );
    assert_eq!(fetch(loud).await.unwrap().body.unwrap(), "{}");
    let fits = vec![b' '; MAX_KEY_SET_BYTES];
    assert_eq!(fetch(zipped(&fits)).await.unwrap().body.unwrap().len(), MAX_KEY_SET_BYTES);
    let bomb = zipped(&vec![b' '; 200 * MAX_KEY_SET_BYTES]);
    assert!(bomb.len() < MAX_KEY_SET_BYTES, "{}", bomb.len());
    assert!(matches!(fetch(bomb).await, Err(FetchError::TooLarge)));
    let mut cut = zipped(&fits);
    let end = cut.len() - 4;
    cut[end..].fill(0);
    assert!(matches!(fetch(cut).await, Err(FetchError::Encoding)), "a wrong length");
}

/// P404: a document says how long a server may take.
#[tokio::test]
async fn a_server_has_as_long_as_the_document_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = KeyUrl::parse(&format!("http://127.0.0.1:{port}/"), true).unwrap();
    let access = Access::plain(Duration::from_millis(20));
    let refused = HttpsFetcher::default().fetch(FetchRequest::keys(&url, &access)).await;
    assert!(matches!(refused, Err(FetchError::Timeout)));
}

/// An issuer of `TokenIssuer` that is asked for keys at `url`, with `client`.
fn remote(folder: &std::path::Path, url: &str, more: &str) -> Arc<crate::trust::RemoteKeys> {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: a }}\nspec:\n  issuer: '{url}'\n  audiences: [orders]\n  algorithms: [ES256]\n  keys: {{ discovery: {{}}, allowPlaintext: true, {more} }}\n"
    );
    let (mut problems, mut files) = (Vec::new(), document::Attachments::default());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        files.insert(path.clone(), Ok(std::fs::read(&path).unwrap()));
    }
    let file = document::SourceFile::new(folder.join("a.yaml"), text);
    let documents = document::parse(&file, &mut problems);
    let store = crate::trust::TrustStore::compile(&documents, &files, &mut problems);
    assert_eq!(problems, []);
    let crate::trust::KeySource::Remote(source) = &store.issuers()[0].keys else { panic!("{url}") };
    Arc::clone(source)
}

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn plain(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into()
}

/// P405: credentials are read for each request, and go to the host of the address and those that are named, not to where the
/// metadata leads.
#[tokio::test]
async fn credentials_stay_at_their_host() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "first").unwrap();
    let (keys, seen) = watch(None, plain(KEYS)).await;
    for (named, shown) in [(String::new(), false), (format!("hosts: ['localhost:{keys}'], "), true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let metadata =
            format!(r#"{{"issuer":"{issuer}","jwks_uri":"http://localhost:{keys}/jwks"}}"#);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                answer_one(&mut stream, &plain(&metadata), &kept, false).await;
            }
        });
        let more = format!(
            "client: {{ {named}bearer: {{ file: token }}, headers: {{ x-tenant: {{ inline: acme }} }} }}"
        );
        let source = remote(folder.path(), &issuer, &more);
        for token in ["first", "second"] {
            std::fs::write(&secret, format!("{token}\n")).unwrap();
            let (mut known, fetcher) = (KnownVersions::default(), HttpsFetcher::default());
            load_keys(&source, &fetcher, &mut known, None).await.unwrap();
            let of_issuer = asked.lock().unwrap().pop().unwrap();
            let header = format!("authorization: bearer {token}\r\n");
            assert!(of_issuer.contains(&header) && of_issuer.contains("x-tenant: acme"));
            let of_keys = seen.lock().unwrap().pop().unwrap();
            assert_eq!((of_keys.contains(&header), of_keys.contains("acme")), (shown, shown));
        }
        std::fs::remove_file(&secret).unwrap();
        let refused =
            load_keys(&source, &HttpsFetcher::default(), &mut KnownVersions::default(), None).await;
        assert!(refused.unwrap_err().to_string().contains("/token` cannot be read"));
        std::fs::write(&secret, "first").unwrap();
    }
}

/// P406: a proxy connects to servers with TLS and forwards other requests, with its own credentials, which the server does not see;
/// this host is asked directly.
#[tokio::test]
async fn servers_are_asked_through_a_proxy() {
    let (port, ca) = serve_tls().await;
    let (plain_port, seen) = watch(None, plain("{}")).await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy(Arc::clone(&heads), port, plain_port).await;
    let secret = |text: String| Some(crate::secret::Secret::new(text));
    let address = format!("http://us:pass%3Aword@127.0.0.1:{proxy}");
    let proxies = Proxies::new(secret(address.clone()), secret(address), &[]).unwrap();
    let fetcher = HttpsFetcher::through(&Arc::new(proxies));
    let access = Access { authorities: Some(ca.into()), ..access() };
    // No name of a test leads anywhere but to the proxy.
    let url = KeyUrl::parse("https://issuer.invalid/jwks", false).unwrap();
    let refused = fetcher.fetch(FetchRequest::keys(&url, &access)).await;
    assert!(matches!(refused, Err(FetchError::Tls(_))), "the certificate is for localhost");
    let url = KeyUrl::parse("http://issuer.invalid/jwks?a=b", true).unwrap();
    assert_eq!(fetcher.fetch(FetchRequest::keys(&url, &access)).await.unwrap().body.unwrap(), "{}");
    let heads = heads.lock().unwrap().clone();
    let authorization = "proxy-authorization: basic dxm6cgfzczp3b3jk";
    assert!(heads[0].starts_with("connect issuer.invalid:443 http/1.1\r\n"), "{heads:?}");
    assert!(heads[1].starts_with("get http://issuer.invalid/jwks?a=b http/1.1\r\n"), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains(authorization)), "{heads:?}");
    assert_eq!(seen.lock().unwrap().len(), 1);
    let own = KeyUrl::parse(&format!("https://localhost:{port}/jwks"), false).unwrap();
    assert_eq!(fetcher.fetch(FetchRequest::keys(&own, &access)).await.unwrap().body.unwrap(), "{}");
    let metadata = KeyUrl::parse("https://169.254.169.254/", false).unwrap();
    let refused = fetcher.fetch(FetchRequest::keys(&metadata, &access)).await.unwrap_err();
    assert!(
        matches!(&refused, FetchError::Connect(e) if e.kind() == io::ErrorKind::PermissionDenied)
    );
    let shown = format!("{fetcher:?} {refused}");
    assert!(!shown.contains("pass") && !shown.contains("us:"), "{shown}");
}

/// A proxy that leads everything to two servers of the test, but for `refused.invalid`.
async fn proxy(heads: Arc<Mutex<Vec<String>>>, tls: u16, plain: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let size = client.read(&mut head).await.unwrap();
            let text = std::str::from_utf8(&head[..size]).unwrap().to_ascii_lowercase();
            heads.lock().unwrap().push(text.clone());
            if text.contains("refused.invalid") {
                let _ = client.write_all(b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n").await;
                continue;
            }
            let connects = text.starts_with("connect");
            let to = ("localhost", if connects { tls } else { plain });
            let mut server = tokio::net::TcpStream::connect(to).await.unwrap();
            if connects {
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            } else {
                server.write_all(&head[..size]).await.unwrap();
            }
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// P406: a proxy that is away, or that refuses, is named as the cause.
#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let refusing = proxy(Arc::default(), 1, 1).await;
    for (port, expected) in
        [(refusing, "the proxy answered 407"), (1, "no connection to the proxy")]
    {
        let text = crate::secret::Secret::new(format!("127.0.0.1:{port}"));
        let proxies = Proxies::new(None, Some(text), &[]).unwrap();
        let url = KeyUrl::parse("https://refused.invalid/", false).unwrap();
        let (ca, fetcher) = (serve_tls().await.1, HttpsFetcher::through(&Arc::new(proxies)));
        let access = Access { authorities: Some(ca.into()), ..access() };
        let error = fetcher.fetch(FetchRequest::keys(&url, &access)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // P450: also where it forwards, and the answer looks like the server's.
    let text = crate::secret::Secret::new(format!("127.0.0.1:{refusing}"));
    let fetcher = HttpsFetcher::through(&Arc::new(Proxies::new(Some(text), None, &[]).unwrap()));
    let url = KeyUrl::parse("http://refused.invalid/", true).unwrap();
    let error = fetcher.fetch(FetchRequest::keys(&url, &access())).await.unwrap_err();
    assert!(matches!(error, FetchError::ProxyStatus(407)), "{error}");
}
