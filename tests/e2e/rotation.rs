//! The rotation drill with everything real but the time: an HTTPS server of keys, the gRPC listener, Envoy, mutual TLS.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::{Connection, Request};
use crate::testbed::pki::HOST;
use crate::testbed::upstream::Upstream;
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, FixedClock, SystemClock};
use countersign::envoy::{CheckService, Listener, ListenerOptions, Server};
use countersign::evidence::PeerSources;
use countersign::pdp::{
    HttpsFetcher, KeyCache, Load, Observer, Outcome, Pdp, PdpOptions, VerificationCacheOptions,
};
use countersign::policy::Decision;
use countersign::reason::Reason;
use countersign::request::RequestView;
use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

use crate::drill::{Issuer, MINUTE, Mood, serve};
use crate::envoy;

const POLICY: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: drill }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - name: web
      effect: allow
      on: { methods: [GET], paths: [\"/v1/orders\"] }
      peer: { spiffe: [\"spiffe://prod.example/ns/web/sa/*\"], evidence: leaf }
      token: { issuer: corp }
";

const STEP: i64 = 30;

/// Remembers why each check was denied, by its decision id.
#[derive(Debug, Default)]
struct Reasons(Mutex<BTreeMap<String, Reason>>);

impl Observer for Reasons {
    fn observe(&self, _: &RequestView, outcome: &Outcome) {
        if let Decision::Deny(denial) = &outcome.decision {
            let reason = denial.rejection.reason();
            self.0.lock().unwrap().insert(outcome.id.to_string(), reason);
        }
    }
}

struct Drill {
    issuer: Arc<Issuer>,
    clock: FixedClock,
    start: i64,
    keys: Arc<KeyCache>,
    reasons: Arc<Reasons>,
    connections: Vec<Connection<TlsStream<TcpStream>>>,
    envoy: Envoy,
    /// Stop with the drill.
    _upstream: Upstream,
}

impl Drill {
    async fn new(binary: &crate::testbed::envoy_binary::EnvoyBinary, folder: &Folder) -> Self {
        countersign::cli::install_crypto();
        let start = SystemClock.now();
        let clock = FixedClock::at(start);
        let ids = ["a", "b", "c", "attacker"];
        let issuer = Arc::new(Issuer::new(&ids, Mood::Publishing(vec!["a"]), &clock));
        let pki = Pki::new(start).unwrap();
        pki.write(folder).unwrap();
        let domain = include_str!("../../src/demo/documents/trust-domain.yaml");
        folder.write("policies/trust-domain.yaml", domain).unwrap();
        folder.write("policies/issuer.yaml", serve(Arc::clone(&issuer)).await).unwrap();
        folder.write("policies/policy.yaml", POLICY).unwrap();
        let load = Load::from_paths(&[folder.join("policies")]);
        let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));

        let keys =
            Arc::new(KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default())));
        let options = PdpOptions {
            peer_sources: PeerSources { source_certificate: true, ..PeerSources::default() },
            deadline: Duration::from_secs(5),
            memory: VerificationCacheOptions::default(),
        };
        let pdp = Pdp::new(snapshot, Arc::clone(&keys), Arc::new(clock.clone()), options);
        keys.settled().await;
        let reasons = Arc::new(Reasons::default());
        let service = CheckService::new(Arc::new(pdp), vec![Arc::<Reasons>::clone(&reasons)]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let checks = listener.local_addr().unwrap();
        let (listener, options) = (Listener::Tcp(listener), ListenerOptions::default());
        let server = Server { listener, tls: None, service, options };
        tokio::spawn(server.serve(std::future::pending()));

        let upstream = Upstream::start().await.unwrap();
        let bootstrap = Bootstrap::sidecar_mtls(folder, checks, upstream.address())
            .vary(" timeout: 0.25s", " timeout: 30s");
        let envoy = Envoy::start(binary, &bootstrap, folder).await.unwrap();
        let client = Client::new(envoy.listener(), pki.ca().der(), Some(&pki.frontend)).unwrap();
        let mut connections = Vec::new();
        for _ in 0..4 {
            connections.push(client.connect().await.unwrap());
        }
        let start = start.as_secs();
        Self { issuer, clock, start, keys, reasons, connections, envoy, _upstream: upstream }
    }

    /// Sends tokens at once on all connections: for each, whether it was allowed, or why not.
    async fn judge(&mut self, tokens: &[String]) -> Vec<Result<(), Reason>> {
        let share = tokens.len().div_ceil(self.connections.len());
        let reasons = &self.reasons;
        let sent = self.connections.iter_mut().zip(tokens.chunks(share)).map(
            async |(connection, tokens)| {
                let mut judged = Vec::new();
                for token in tokens {
                    let request = Request::get(HOST, "/v1/orders").bearer(token);
                    let answer = connection.send(&request).await.unwrap();
                    let id = answer.header("x-decision-id").unwrap_or_default();
                    let reason = reasons.0.lock().unwrap().remove(id);
                    judged.push(match (answer.status, reason) {
                        (200, None) => Ok(()),
                        (401 | 403 | 503, Some(reason)) => Err(reason),
                        other => panic!("{other:?}"),
                    });
                }
                judged
            },
        );
        join_all(sent).await.into_iter().flatten().collect()
    }

    /// Tokens of `good` must be allowed, tokens of `gone` and with made-up key ids must not.
    async fn check(&mut self, good: &[&str], gone: &[&str], made_up: Range<usize>) {
        let at = self.clock.now().as_secs() - self.start;
        let mut cases = Vec::new();
        for n in made_up {
            let token = self.issuer.token("attacker", &format!("{at}-{n}"));
            cases.push((token, Err(Reason::KeyUnknown), "made up"));
        }
        for kid in good {
            cases.push((self.issuer.token(kid, kid), Ok(()), *kid));
        }
        for kid in gone {
            cases.push((self.issuer.token(kid, kid), Err(Reason::KeyUnknown), *kid));
        }
        let tokens: Vec<_> = cases.iter().map(|(token, ..)| token.clone()).collect();
        let judged = self.judge(&tokens).await;
        for ((_, expected, name), judged) in cases.iter().zip(judged) {
            // Others may have used up what asks for keys.
            let pending = expected.is_err() && judged == Err(Reason::KeysPending);
            assert!(judged == *expected || pending, "`{name}` at {at} s: {judged:?}");
        }
    }

    /// Lets `seconds` pass, in steps, with checks at each: while the server is being asked, and after it was.
    async fn pass(&mut self, seconds: i64, good: &[&str], gone: &[&str]) {
        for _ in 0..seconds / STEP {
            self.clock.advance(Duration::from_secs(STEP.unsigned_abs()));
            self.keys.recheck();
            self.let_fetches_end().await;
            self.check(good, gone, 0..4).await;
        }
    }

    /// Simulated time must not run ahead of a real fetch.
    async fn let_fetches_end(&self) {
        while self.keys.status().iter().any(|status| status.next_fetch <= self.clock.now()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// P61, P62, and section 3 of issue 4: over an hour and a half, zero wrong denials while keys are inside `maxStale`, zero
/// wrong allows, and no more fetches a minute than their budgets have, whatever is asked of Envoy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_and_fail_behind_envoy_without_a_wrong_decision() {
    let Some(binary) = envoy::find() else { return };
    let folder = Folder::temporary().unwrap();
    let mut drill = Drill::new(&binary, &folder).await;
    let issuer = Arc::clone(&drill.issuer);
    drill.pass(MINUTE, &["a"], &[]).await;
    // With overlap: published, then used, then the old one withdrawn.
    issuer.set(Mood::Publishing(vec!["a", "b"]));
    drill.pass(5 * MINUTE, &["a"], &[]).await;
    drill.pass(MINUTE, &["a", "b"], &[]).await;
    issuer.set(Mood::Publishing(vec!["b"]));
    drill.pass(MINUTE, &["b"], &[]).await;
    drill.pass(5 * MINUTE, &["b"], &["a"]).await;
    // Half an hour of outages of every kind.
    issuer.set(Mood::Down);
    drill.pass(20 * MINUTE, &["b"], &["a"]).await;
    issuer.set(Mood::Garbage);
    drill.pass(5 * MINUTE, &["b"], &["a"]).await;
    issuer.set(Mood::Redirecting);
    drill.pass(5 * MINUTE, &["b"], &["a"]).await;
    // A server that does not answer delays no token whose key is known.
    issuer.set(Mood::Stalling);
    drill.clock.advance(Duration::from_secs(30));
    drill.keys.recheck();
    drill.check(&["b", "b", "b", "b"], &[], 0..0).await;
    drill.let_fetches_end().await;
    // Back with other keys, without overlap: they work at once.
    issuer.set(Mood::Publishing(vec!["c"]));
    drill.pass(5 * MINUTE, &["c"], &["a", "b"]).await;
    assert!(issuer.busiest_minute() <= 27, "{} fetches in a minute", issuer.busiest_minute());

    // A flood within one second: the good ones among it are allowed, and it costs a few fetches.
    drill.clock.advance(Duration::from_secs(30));
    let before = issuer.fetches();
    for round in 0..5 {
        let made_up = round * 200..(round + 1) * 200;
        drill.check(&["c", "c", "c"], &["a", "b"], made_up).await;
    }
    assert!(issuer.fetches() - before <= 3);

    // P265: another key under the same name works with its first token.
    issuer.set(Mood::Replaced("b", "c"));
    let replaced = [issuer.token("b", "c")];
    assert_eq!(drill.judge(&replaced).await, [Ok(())]);

    // Beyond `maxStale` nothing is trusted, and the first fetch that works heals.
    issuer.set(Mood::Down);
    drill.clock.advance(Duration::from_secs(3601));
    drill.keys.recheck();
    drill.let_fetches_end().await;
    let tokens = [issuer.token("c", "c")];
    assert_eq!(drill.judge(&tokens).await, [Err(Reason::KeysStale)]);
    issuer.set(Mood::Publishing(vec!["c"]));
    drill.pass(STEP, &["c"], &["a"]).await;
    drill.envoy.stop().await.unwrap();
}
