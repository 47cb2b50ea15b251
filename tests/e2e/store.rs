//! The store on a real Redis: first use across replicas, shared records, TLS with an access control list, a server that is
//! lost, empty, slow or no Redis at all, and a cluster.
//!
//! `redis-server` is found on the PATH (Debian: `apt-get install redis-server`). Where it is missing the tests say so and are
//! skipped; under `CI=true` they fail.

#![cfg(feature = "redis")]
#![expect(clippy::disallowed_methods, reason = "whether this is CI is in the environment")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock as _, SystemClock};
use countersign::store::{FirstUse, Position, Store, StoreError, StoreOptions, StoredRecord};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server of its own for one test. It is killed when this value goes.
struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    fn start(port: u16, folder: &Path, more: &[&str]) -> Option<Self> {
        let text = port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, port }),
            Err(error) => {
                let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!ci, "redis-server cannot be started: {error}");
                use std::io::Write as _;
                let hint = "SKIPPED: install redis-server (Debian: apt-get install redis-server)";
                let _ = writeln!(std::io::stderr(), "{hint}: {error}");
                None
            }
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    crate::testbed::ports::free_port().unwrap()
}

fn options(redis: &Value) -> StoreOptions {
    let options: StoreOptions = serde_json::from_value(json!({ "redis": redis })).unwrap();
    options.check().unwrap();
    options
}

fn store(redis: &Value) -> Arc<Store> {
    Arc::new(Store::start(&options(redis), Arc::new(SystemClock)).unwrap())
}

fn plain(port: u16) -> Value {
    json!({ "url": format!("redis://127.0.0.1:{port}"), "timeout": "500ms" })
}

/// Looks again and again until `holds`.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come to be");
}

async fn up(store: &Store) {
    until("a connection", || store.health().up).await;
}

fn record(id: u8, text: &str) -> StoredRecord {
    StoredRecord { id: [id; 32], bytes: text.into(), expires: None }
}

fn soon() -> countersign::clock::UnixTime {
    SystemClock.now().plus(Duration::from_secs(60))
}

/// P67: of 1,000 uses at a time on three replicas, one is the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_replicas_agree_on_the_first_use() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RedisServer::start(free_port(), folder.path(), &[]) else { return };
    let replicas: Vec<_> = (0..3).map(|_| store(&plain(server.port))).collect();
    for replica in &replicas {
        up(replica).await;
    }
    let uses = (0..1000).map(|n| {
        let replica = Arc::clone(replicas.get(n % 3).unwrap());
        tokio::spawn(async move { replica.first_use(&[7; 32], soon()).await })
    });
    let answers = futures_util::future::join_all(uses).await;
    let count = |wanted: &Result<FirstUse, StoreError>| {
        answers.iter().filter(|answer| answer.as_ref().unwrap() == wanted).count()
    };
    assert_eq!((count(&Ok(FirstUse::First)), count(&Ok(FirstUse::Seen))), (1, 999));
}

/// Losing the server gives what was declared, at once and without a hang; its return heals without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_fails_closed_or_local_and_heals_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(server) = RedisServer::start(port, folder.path(), &[]) else { return };
    let strict = store(&plain(port));
    let mut redis = plain(port);
    redis.as_object_mut().unwrap().insert("onLoss".into(), json!("local"));
    let lenient = store(&redis);
    up(&strict).await;
    up(&lenient).await;
    assert_eq!(lenient.first_use(&[1; 32], soon()).await, Ok(FirstUse::First));

    drop(server);
    until("the loss", || !strict.health().up && !lenient.health().up).await;
    let answer = strict.first_use(&[2; 32], soon()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(lenient.first_use(&[1; 32], soon()).await, Ok(FirstUse::Seen));
    assert_eq!(lenient.first_use(&[2; 32], soon()).await, Ok(FirstUse::First));
    assert_eq!(lenient.first_use(&[2; 32], soon()).await, Ok(FirstUse::Seen));
    assert_eq!(strict.health().losses, 1);

    let Some(_server) = RedisServer::start(port, folder.path(), &[]) else { return };
    up(&strict).await;
    assert_eq!(strict.first_use(&[2; 32], soon()).await, Ok(FirstUse::First));
    assert_eq!(strict.first_use(&[2; 32], soon()).await, Ok(FirstUse::Seen));
}

/// Records reach every replica by their position; a server that comes back empty is distinguished from one that knows nothing new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_reach_the_other_replica_and_a_new_life_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(server) = RedisServer::start(port, folder.path(), &[]) else { return };
    let (writer, reader) = (store(&plain(port)), store(&plain(port)));
    up(&writer).await;
    up(&reader).await;
    let position = reader.position();
    for id in 1..=5 {
        writer.publish(&record(id, "a"), 1).await.unwrap();
    }
    let last = writer.publish(&record(2, "b"), 2).await.unwrap();
    // P232: what arrives late replaces nothing that is later.
    assert_eq!(writer.publish(&record(2, "a"), 1).await, Ok(last));
    until("the news", || *position.borrow() == last).await;
    let mut page = reader.records_after(Position::default(), 2).await.unwrap();
    let mut read = page.records.clone();
    while page.more {
        page = reader.records_after(page.position, 2).await.unwrap();
        read.extend(page.records.clone());
    }
    let expected: Vec<_> = [1, 3, 4, 5].map(|id| record(id, "a")).into_iter().collect();
    assert_eq!(read, [expected, vec![record(2, "b")]].concat());
    assert_eq!(page.position, last);
    assert!(!page.restarted);

    drop(server);
    until("the loss", || !reader.health().up).await;
    let Some(_server) = RedisServer::start(port, folder.path(), &[]) else { return };
    up(&reader).await;
    until("the new life", || position.borrow().epoch != last.epoch).await;
    let page = reader.records_after(last, 10).await.unwrap();
    assert!(page.restarted && page.records.is_empty());
}

/// TLS with a chosen authority, a user of the access control list, a password from a file; without any of them, nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_user_and_password_are_needed_where_the_server_asks_for_them() {
    countersign::cli::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let (ca, ca_key, own, own_key) = certificates();
    for (name, text) in [("ca.pem", &ca), ("own.pem", &own), ("own.key", &own_key)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    drop(ca_key);
    std::fs::write(folder.path().join("password"), "s3cret\n").unwrap();
    std::fs::write(folder.path().join("wrong"), "other\n").unwrap();
    let port = free_port();
    let tls = port.to_string();
    let users = "user default off\nuser countersign on >s3cret ~countersign:* ~{countersign}:* -@all +info +get +set +hsetnx +hmget +eval +hget +hset +time +zadd +zrem +zrangebyscore +hdel\n";
    std::fs::write(folder.path().join("users.acl"), users).unwrap();
    let Some(_server) = RedisServer::start(
        0,
        folder.path(),
        &[
            "--tls-port",
            &tls,
            "--tls-cert-file",
            "own.pem",
            "--tls-key-file",
            "own.key",
            "--tls-ca-cert-file",
            "ca.pem",
            "--tls-auth-clients",
            "no",
            "--aclfile",
            "users.acl",
        ],
    ) else {
        return;
    };
    let path = |name: &str| folder.path().join(name);
    let with = |password: &str, ca: bool| {
        let mut redis = json!({
            "url": format!("rediss://localhost:{port}"), "timeout": "500ms",
            "username": "countersign", "password": { "file": path(password) },
        });
        if ca {
            redis.as_object_mut().unwrap().insert("ca".into(), json!(path("ca.pem")));
        }
        store(&redis)
    };
    let good = with("password", true);
    until("a connection, or why not", || good.health().why != "not connected yet").await;
    assert!(good.health().up || good.health().why.contains("refused"), "{:?}", good.health());
    up(&good).await;
    assert_eq!(good.first_use(&[1; 32], soon()).await, Ok(FirstUse::First));
    assert!(good.publish(&record(1, "a"), 1).await.is_ok());
    assert_eq!(good.records_after(Position::default(), 9).await.unwrap().records.len(), 1);
    let attempt = || good.count_attempt(&[3; 32], Duration::from_mins(1), 1);
    assert_eq!(attempt().await, Ok(None));
    assert!(attempt().await.unwrap().is_some_and(|wait| wait > Duration::from_secs(50)));
    for (store, word) in
        [(with("wrong", true), "authentication failed"), (with("password", false), "ertificate")]
    {
        until("a reason", || store.health().why != "not connected yet").await;
        assert!(store.health().why.contains(word), "{}", store.health().why);
        assert!(!store.health().up && !store.health().why.contains("s3cret"));
        assert!(store.first_use(&[2; 32], soon()).await.is_err());
    }
}

/// As docs/deploying.md says: Redis knows both passwords while the file changes. Open connections stay, new ones bring the new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_replaced_while_it_runs() {
    countersign::cli::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(_server) = RedisServer::start(port, folder.path(), &[]) else { return };
    until_answer(port, "PING", "+PONG").await;
    let user = "ACL SETUSER countersign on >first ~* &* +@all";
    until_answer(port, user, "+OK").await;
    let password = folder.path().join("password");
    std::fs::write(&password, "first\n").unwrap();
    let mut redis = plain(port);
    redis["username"] = json!("countersign");
    redis["password"] = json!({ "file": password });
    let store = store(&redis);
    up(&store).await;

    until_answer(port, "ACL SETUSER countersign >second", "+OK").await;
    std::fs::write(&password, "second\n").unwrap();
    until_answer(port, "ACL SETUSER countersign <first", "+OK").await;
    assert_eq!(store.first_use(&[1; 32], soon()).await, Ok(FirstUse::First), "the open one stays");
    let before = store.health().losses;
    until_answer(port, "CLIENT KILL USER countersign", ":").await;
    // The next use of the broken connection fails; then a new one is made.
    for id in 2..200 {
        if store.health().losses > before {
            break;
        }
        let _ = store.first_use(&[id; 32], soon()).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    up(&store).await;
    assert_eq!(store.first_use(&[1; 32], soon()).await, Ok(FirstUse::Seen));
}

async fn until_answer(port: u16, command: &str, wanted: &str) {
    for _ in 0..500 {
        if ask(port, command).await.starts_with(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{command}` was not answered by `{wanted}`: {}", ask(port, command).await);
}

fn certificates() -> (String, String, String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let issuer = rcgen::Issuer::new(params, &ca_key);
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    (ca.pem(), ca_key.serialize_pem(), leaf.pem(), key.serialize_pem())
}

/// A server that accepts and never answers, and one that answers with garbage: never up, never a first use, never a hang.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_and_a_babbling_one_are_not_trusted() {
    for garbage in [None, Some(&b"$5\r\nHTTP/1.1 200 OK\r\n\r\n+OK\r\n:1\r\n"[..])] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(garbage) = garbage {
                    let mut asked = [0; 64];
                    let _ = stream.read(&mut asked).await;
                    let _ = stream.write_all(garbage).await;
                }
                open.push(stream);
            }
        });
        let store = store(&plain(port));
        until("a reason", || store.health().why != "not connected yet").await;
        let answer = store.first_use(&[1; 32], soon()).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        assert!(!store.health().up);
    }
}

/// P347: a server that evicts keys lets a used one-time token work again with everything green. What it is set to is read when
/// it is connected to; `forgetful` says what follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_forget_is_shown_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let servers = [
        (vec!["--appendonly", "yes", "--appenddirname", "keeps"], None),
        (
            vec!["--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes"],
            Some("allkeys-lru"),
        ),
        (vec!["--maxmemory-policy", "volatile-ttl", "--appendonly", "yes"], Some("volatile-ttl")),
        (vec![], Some("`appendonly` is off")),
        (vec!["--appendonly", "yes", "--rename-command", "INFO", ""], Some("permit `+info`")),
    ];
    for (more, why) in servers {
        let Some(server) = RedisServer::start(free_port(), folder.path(), &more) else { return };
        let with = |word: &str| {
            let mut redis = plain(server.port);
            redis.as_object_mut().unwrap().insert("forgetful".into(), json!(word));
            store(&redis)
        };
        let (warned, refused, accepted) = (with("warn"), with("refuse"), with("accept"));
        for store in [&warned, &accepted] {
            up(store).await;
            let found = store.health().forgetful;
            assert_eq!(found.is_some(), why.is_some(), "{more:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(why.unwrap_or_default()), "{more:?}");
        }
        assert!(accepted.health().accepted && !warned.health().accepted);
        let Some(why) = why else {
            up(&refused).await;
            continue;
        };
        until("the refusal", || refused.health().why.contains(why)).await;
        assert!(!refused.health().up);
        assert!(refused.first_use(&[9; 32], soon()).await.is_err());
    }
}

/// Three Sentinels name the primary; when it is lost they name another one, which is used without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_name_the_server_also_after_a_failover() {
    let folder = tempfile::tempdir().unwrap();
    let (port, other) = (free_port(), free_port());
    let Some(primary) =
        RedisServer::start(port, folder.path(), &["--requirepass", "s", "--masterauth", "s"])
    else {
        return;
    };
    let of = port.to_string();
    let replica = [
        "--replicaof",
        "127.0.0.1",
        &of,
        "--requirepass",
        "s",
        "--masterauth",
        "s",
        "--repl-diskless-sync-delay",
        "0",
    ];
    let Some(_replica) = RedisServer::start(other, folder.path(), &replica) else { return };
    let ports = [free_port(), free_port(), free_port()];
    let sentinels: Vec<_> = ports.iter().map(|own| sentinel(*own, port, folder.path())).collect();
    std::fs::write(folder.path().join("password"), "s\n").unwrap();
    std::fs::write(folder.path().join("sentinel"), "t\n").unwrap();
    let urls = ports.map(|own| format!("redis://127.0.0.1:{own}"));
    let store = store(&json!({
        "sentinel": { "urls": urls, "master": "uses", "password": { "file": folder.path().join("sentinel") } },
        "password": { "file": folder.path().join("password") },
        "timeout": "500ms",
    }));
    up(&store).await;
    assert_eq!(store.first_use(&[1; 32], soon()).await, Ok(FirstUse::First));
    for own in ports {
        until_contains(
            own,
            "AUTH t\r\nINFO sentinel",
            "status=ok,address=127.0.0.1",
            "slaves=1,sentinels=3",
        )
        .await;
    }
    // The replica has what was written: replication is later than the answer.
    until_contains(other, "AUTH s\r\nINFO replication", "master_link_status:up", "").await;
    until_contains(port, "AUTH s\r\nWAIT 1 1000", "+OK\r\n:1", "").await;
    drop(primary);
    until("the failover", || store.health().losses == 1 && store.health().up).await;
    assert_eq!(store.first_use(&[1; 32], soon()).await, Ok(FirstUse::Seen));
    assert_eq!(store.first_use(&[2; 32], soon()).await, Ok(FirstUse::First));
    drop(sentinels);
}

fn sentinel(own: u16, port: u16, folder: &Path) -> RedisServer {
    let settings = format!(
        "port {own}\nbind 127.0.0.1\nrequirepass t\nsentinel monitor uses 127.0.0.1 {port} 2\nsentinel auth-pass uses s\n\
         sentinel down-after-milliseconds uses 300\nsentinel failover-timeout uses 3000\n"
    );
    let file = folder.join(format!("sentinel-{own}.conf"));
    std::fs::write(&file, settings).unwrap();
    let child = Command::new("redis-server")
        .arg(file)
        .arg("--sentinel")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    RedisServer { child, port: own }
}

/// Asks until the answer has both texts.
async fn until_contains(port: u16, command: &str, first: &str, second: &str) {
    let mut told = String::new();
    for _ in 0..1500 {
        told = ask(port, command).await;
        if told.contains(first) && told.contains(second) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{told}");
}

/// A cluster of one node that has all the slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_used_by_its_slots() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    // The port of the cluster's own bus is 10,000 above, unless it is said.
    let bus = free_port().to_string();
    let more = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let Some(_server) = RedisServer::start(port, folder.path(), &more) else { return };
    let mut told = String::new();
    for _ in 0..500 {
        told = ask(port, "CLUSTER ADDSLOTSRANGE 0 16383").await;
        if told.starts_with("+OK") || told.contains("already busy") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told.starts_with("+OK"), "{told}");
    let redis = json!({ "cluster": [format!("redis://127.0.0.1:{port}")], "timeout": "500ms" });
    let store = store(&redis);
    up(&store).await;
    for id in 0..20 {
        assert_eq!(store.first_use(&[id; 32], soon()).await, Ok(FirstUse::First));
        assert_eq!(store.first_use(&[id; 32], soon()).await, Ok(FirstUse::Seen));
    }
    store.publish(&record(1, "a"), 1).await.unwrap();
    let page = store.records_after(Position::default(), 9).await.unwrap();
    assert_eq!(page.records, [record(1, "a")]);
}

async fn ask(port: u16, command: &str) -> String {
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else {
        return String::from("not there yet");
    };
    let mut answer = [0; 1024];
    let _ = stream.write_all(format!("{command}\r\n").as_bytes()).await;
    let length = stream.read(&mut answer).await.unwrap_or_default();
    String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned()
}
