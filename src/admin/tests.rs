//! The pages, and which requests may change something.

use std::sync;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::limits::{
    ADMIN_HEADER_TIMEOUT, MAX_ADMIN_AGE, MAX_ADMIN_CONNECTIONS_PER_ADDRESS, MAX_ADMIN_HEADER_BYTES,
};

/// Pages whose log level may be `debug` or `info`.
fn pages(condition: HealthState) -> Pages {
    let level = Arc::new(sync::Mutex::new(String::from("info")));
    let shown = Arc::clone(&level);
    Pages {
        revocations: None,
        metrics: Box::new(|| "countersign_up 1\n".into()),
        status: Box::new(|| StatusPage { revision: "abc".into(), ..StatusPage::default() }),
        components: Box::new(move || {
            let good = ComponentHealth::new("policies", HealthState::Good, "2 rules");
            vec![good, ComponentHealth::new("keys of corp", condition, "some detail")]
        }),
        log_level: Box::new(move || shown.lock().unwrap().clone()),
        set_log_level: Box::new(move |wanted| {
            if !["debug", "info"].contains(&wanted) {
                return Err(format!("`{wanted}` is not a log level"));
            }
            wanted.clone_into(&mut level.lock().unwrap());
            Ok(())
        }),
        confirm: Box::new(|set| match set {
            "0123" => Ok(()),
            _ => Err("no set is to be confirmed".into()),
        }),
        key_set: Some(Arc::new(|| String::from("{\"keys\":[]}\n"))),
    }
}

/// The status and the body of the answer to one request on a server of its own.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn start(condition: HealthState) -> SocketAddr {
    start_with(pages(condition)).await
}

async fn start_with(pages: Pages) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, pages));
    address
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}

async fn put(address: SocketAddr, headers: &str, level: &str) -> u16 {
    let length = level.len();
    let head = format!("PUT /log-level HTTP/1.1\r\n{headers}content-length: {length}\r\n");
    ask(address, &format!("{head}connection: close\r\n\r\n{level}")).await.0
}

#[tokio::test]
async fn readiness_shows_its_parts() {
    let address = start(HealthState::Degraded).await;
    assert_eq!(get(address, "/livez").await, (200, "ok\n".into()));
    assert_eq!(get(address, "/readyz").await, (200, "ok\n".into()));
    let verbose = "[+] policies: 2 rules\n[~] keys of corp: some detail\nok\n";
    for query in ["verbose", "verbose=1", "a=b&verbose=true"] {
        assert_eq!(get(address, &format!("/readyz?{query}")).await, (200, verbose.into()));
    }
    let address = start(HealthState::NotReady).await;
    let page = "[-] keys of corp: some detail\nnot ready\n";
    assert_eq!(get(address, "/readyz?verbosely").await, (503, page.into()));
    assert_eq!(get(address, "/livez").await.0, 200, "a restart would not help");
}

/// On the one thread of this test, a page that is made there would keep every other answer back.
#[tokio::test]
async fn nothing_waits_for_a_page_that_takes_its_time() {
    let (make, made) = sync::mpsc::channel();
    let made = Arc::new(sync::Mutex::new(made));
    let wait = move || -> String { made.lock().unwrap().recv().unwrap() };
    let (metrics, status) =
        (Box::new(wait.clone()), move || StatusPage { revision: wait(), ..StatusPage::default() });
    let status = Box::new(status);
    let address = start_with(Pages { metrics, status, ..pages(HealthState::Good) }).await;
    let asked = ["/metrics", "/status"].map(|page| tokio::spawn(get(address, page)));
    for _ in &asked {
        assert_eq!(get(address, "/livez").await.0, 200);
        make.send("abc".into()).unwrap();
    }
    for (asked, text) in asked.into_iter().zip(["abc", "\"revision\": \"abc\""]) {
        let (status, page) = asked.await.unwrap();
        assert!(status == 200 && page.contains(text), "{status} {page}");
    }
    drop(make);
    for page in ["/metrics", "/status"] {
        assert_eq!(get(address, page).await.0, 500, "one that cannot be made is an error");
    }
}

#[tokio::test]
async fn the_log_level_is_changed_from_this_machine_and_to_what_it_can_be() {
    let address = start(HealthState::Good).await;
    let local = "host: 127.0.0.1:9002\r\n";
    assert_eq!(put(address, local, "debug\n").await, 200);
    assert_eq!(get(address, "/log-level").await, (200, "debug\n".into()));
    for garbage in ["", "loud", "debug\ninfo", "\u{0}"] {
        assert_eq!(put(address, local, garbage).await, 400, "{garbage:?}");
    }
    assert_eq!(put(address, local, &"x".repeat(2000)).await, 413);
    assert_eq!(get(address, "/log-level").await.1, "debug\n", "garbage changes nothing");
    for host in ["localhost", "localhost:9002", "[::1]:9002"] {
        assert_eq!(put(address, &format!("host: {host}\r\n"), "info").await, 200, "{host}");
    }
}

/// P79: neither a page in an operator's browser nor another machine changes anything.
#[tokio::test]
async fn others_do_not_change_the_log_level() {
    let address = start(HealthState::Good).await;
    for headers in [
        "host: 127.0.0.1\r\nx-forwarded-for: 10.0.0.1\r\n",
        "host: 127.0.0.1\r\nx-envoy-peer-metadata-id: sidecar\r\n",
        "host: rebound.example\r\n",
        "host: 127.0.0.1.nip.example:9002\r\n",
        "host: 127.0.0.1\r\norigin: http://rebound.example\r\n",
    ] {
        assert_eq!(put(address, headers, "debug").await, 403, "{headers}");
    }
    assert_eq!(get(address, "/log-level").await.1, "info\n");

    let state = State(AdminState {
        pages: Arc::new(pages(HealthState::Good)),
        one_at_a_time: Arc::default(),
    });
    let elsewhere =
        ConnectInfo(Ends { local: "127.0.0.1".parse().ok(), peer: [10, 0, 0, 1].into() });
    let mut headers = HeaderMap::new();
    headers.insert("host", "127.0.0.1".parse().unwrap());
    let answer = set_log_level(
        state,
        elsewhere,
        Uri::from_static("/log-level"),
        headers,
        Bytes::from_static(b"debug"),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

/// P166: what comes from 127.0.0.6 came through a sidecar, from anywhere. Real sockets: the address that a connection was accepted
/// on counts.
#[tokio::test]
async fn a_sidecars_pass_through_changes_nothing() {
    let address = start(HealthState::Good).await;
    for (from, path, body, status) in [
        ([127, 0, 0, 6], "/log-level", "debug", 403),
        ([127, 0, 0, 6], "/documents/confirmed", "0123", 403),
        ([127, 0, 0, 1], "/documents/confirmed", "4567", 409),
        ([127, 0, 0, 1], "/documents/confirmed", "0123", 200),
        ([127, 0, 0, 1], "/log-level", "debug", 200),
    ] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "PUT {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{from:?} {path}: {answer}");
    }
}

/// P79: there is nothing else: no profile, no dump, no page that writes.
#[tokio::test]
async fn there_are_no_other_pages() {
    let address = start(HealthState::Good).await;
    for path in ["/", "/debug/pprof", "/config", "/config_dump", "/quitquitquit", "/logging"] {
        assert_eq!(get(address, path).await.0, 404, "{path}");
    }
    let post = "POST /status HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(ask(address, post).await.0, 405);
}

/// Reads to the end, which comes.
async fn ends(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has ended as well.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// P306: however many connections are open and say nothing, there are so many at most, and a probe is answered.
#[tokio::test]
async fn silent_connections_are_bounded_and_keep_no_probe_out() {
    let address = start(HealthState::Good).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_ADMIN_CONNECTIONS_PER_ADDRESS + 20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for displaced in &mut silent[..20] {
        assert_eq!(ends(displaced).await, "");
    }
    assert_eq!(get(address, "/readyz").await.0, 200);
    assert_eq!(ends(&mut silent[20]).await, "", "displaced by the probe");
}

/// P306: a request that never comes, is never complete, or is followed by none, has its end.
#[tokio::test(start_paused = true)]
async fn slow_and_idle_connections_end() {
    let address = start(HealthState::Good).await;
    let whole = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let body = "PUT /log-level HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n";
    for (said, status, most) in [
        ("", None, ADMIN_HEADER_TIMEOUT),
        ("GET /live", None, ADMIN_HEADER_TIMEOUT),
        (whole, Some("200"), ADMIN_HEADER_TIMEOUT),
        (body, None, MAX_ADMIN_AGE + ADMIN_HEADER_TIMEOUT),
    ] {
        let begun = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let answer = ends(&mut stream).await;
        let found = answer.split(' ').nth(1).filter(|found| *found != "408");
        assert_eq!(found, status, "{said:?}: {answer}");
        let elapsed = begun.elapsed();
        assert!(
            elapsed >= ADMIN_HEADER_TIMEOUT && elapsed <= most + ADMIN_HEADER_TIMEOUT,
            "{said:?}: {elapsed:?}"
        );
    }
}

/// P306: a head has a largest size.
#[tokio::test]
async fn a_large_head_is_refused() {
    let address = start(HealthState::Good).await;
    let long = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(MAX_ADMIN_HEADER_BYTES)
    );
    assert_eq!(ask(address, &long).await.0, 431);
}
