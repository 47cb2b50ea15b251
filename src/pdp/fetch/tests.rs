//! Servers that answer well, badly, or from where they should not.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

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
    HttpsFetcher.fetch(Ask::keys(&url, authorities.map(str::as_bytes))).await
}

async fn fetch(answer: impl Into<Vec<u8>>) -> Result<Fetched, FetchError> {
    let port = serve(answer.into()).await;
    got(&format!("http://127.0.0.1:{port}/jwks?a=b"), None).await
}

#[tokio::test]
async fn the_body_and_its_age_are_got() {
    let answer =
        "HTTP/1.1 200 OK\r\ncache-control: public, max-age=60\r\ncontent-length: 2\r\n\r\n{}";
    let fetched = fetch(answer).await.unwrap();
    assert_eq!(
        fetched,
        Fetched {
            body: Some("{}".into()),
            max_age: Some(Duration::from_secs(60)),
            validators: Validators::default()
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
    let ask = Ask { known: Some(&known), ..Ask::keys(&url, None) };
    let sent = ask.request().unwrap();
    assert_eq!(sent.headers().get(IF_NONE_MATCH), known.etag.as_ref());
    assert_eq!(sent.headers().get(IF_MODIFIED_SINCE), known.modified.as_ref());
    let fetched = HttpsFetcher.fetch(ask).await.unwrap();
    let max_age = Some(Duration::from_secs(60));
    assert_eq!(fetched, Fetched { body: None, max_age, validators: known });
    let unasked = HttpsFetcher.fetch(Ask::keys(&url, None)).await;
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
    let zipped = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx";
    assert!(matches!(fetch(zipped).await, Err(FetchError::Encoding)));
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
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
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

#[tokio::test]
async fn a_server_is_believed_under_the_chosen_authority_only() {
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
