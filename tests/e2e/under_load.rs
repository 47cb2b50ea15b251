//! Everything that an operator changes is changed while requests come in, and no request fails.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::testbed::Folder;
use crate::testbed::http1::{Connection, Request, Response};
use crate::testbed::pki::{COUNTERSIGN, ENVOY, HOST, Usage};
use countersign::clock::{Clock as _, Stopwatch, SystemClock};
use rcgen::SanType;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::envoy;
use crate::listeners::over_tls;
use crate::load::Load;
use crate::stopping::signal;

const RESIDENT_KIB: u64 = 96 * 1024;

async fn ask(admin: SocketAddr, request: &Request) -> Response {
    let stream = TcpStream::connect(admin).await.unwrap();
    Connection::new(stream).send(request).await.unwrap()
}

async fn status(admin: SocketAddr) -> Value {
    let answer = ask(admin, &Request::get("admin", "/status")).await;
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until `/status` has another value at `pointer` than `before`.
async fn changed(admin: SocketAddr, pointer: &str, before: &Value) -> Value {
    let watch = Stopwatch::start();
    loop {
        let status = status(admin).await;
        if status.pointer(pointer).unwrap() != before {
            return status;
        }
        assert!(watch.elapsed() < Duration::from_secs(40), "{pointer} stays {before}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn resident_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// P81: the audit log is a pipe without a reader, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_policies_and_log_level_change_while_the_audit_sink_stalls() {
    let Some(mut props) = over_tls(ENVOY) else { return };
    props.files[0].1 =
        props.files[0].1.replace("{ file: ./audit.jsonl }", "{ file: ./audit.jsonl, queue: 64 }");
    let folder = Folder::temporary().unwrap();
    let pipe = folder.join("audit.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Held open and never read: what the pipe holds fills up, and then nothing more is taken.
    let held = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();

    let mut stage = envoy::raise(&props, &folder).await;
    let (admin, id) = (stage.addresses().admin, stage.server_id().unwrap());
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let load = Load::start(&client, &request);
    let before = status(admin).await;
    let at = |pointer: &str| before.pointer(pointer).unwrap().clone();
    changed(admin, "/audit/file/dropped", &Value::from(0)).await;

    let names = vec![
        SanType::DnsName("countersign".try_into().unwrap()),
        SanType::URI(COUNTERSIGN.try_into().unwrap()),
    ];
    let later = SystemClock.now().plus(Duration::from_secs(30));
    let renewed = stage.pki.ca().issue("countersign", names, Usage::Server, later).unwrap();
    renewed.write(&folder, "tls").unwrap();

    let orders = std::fs::read_to_string(folder.join("policies/orders.yaml")).unwrap();
    folder.write("policies/orders.yaml", format!("{orders}# edited\n")).unwrap();
    changed(admin, "/revision", &at("/revision")).await;

    for (level, code) in [("trace", 200), ("loud", 400), ("info", 200)] {
        let answer = ask(admin, &Request::new("PUT", "127.0.0.1", "/log-level").body(level)).await;
        assert_eq!(answer.status, code, "{}", answer.text());
    }

    let now = changed(admin, "/listener/tls/not_after", &at("/listener/tls/not_after")).await;
    // New connections are met with the new certificate, while the old ones go on.
    assert_eq!(client.send(&request).await.unwrap().status, 200);
    let resident = resident_kib(id);
    assert!(resident < RESIDENT_KIB, "{resident} KiB are resident");
    let waiting = now.pointer("/audit/file/waiting").unwrap().as_u64().unwrap();
    // The queue, one batch in the writer's hands, and one check on each connection of the load.
    assert!(waiting <= 64 + 512 + 4, "{waiting} records wait");
    let readiness = ask(admin, &Request::get("admin", "/readyz?verbose")).await;
    assert_eq!(readiness.status, 200, "{}", readiness.text());
    assert!(readiness.text().contains("[~] audit log to file: "), "{}", readiness.text());

    let (sent, failed) = load.stop().await;
    assert_eq!(failed, [0u16; 0], "of {sent} requests");

    // A sink that stalls does not keep the process either.
    let server = stage.take_server().unwrap();
    signal("INT", id);
    assert_eq!(server.ended().await.unwrap().code(), Some(0));
    let log = std::fs::read_to_string(folder.join("countersign.log")).unwrap();
    assert!(log.contains("the audit log's sink stalls"), "{log}");
    // P80: neither at its lowest level nor while it was changed did the log show a credential.
    for (name, token) in stage.tokens.named() {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!log.contains(signature), "the token `{name}` is in the log");
    }
    assert!(log.contains("the log level was changed"), "{log}");
    drop(held);
    stage.strike().await.unwrap();
}
