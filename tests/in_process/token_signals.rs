//! Deny rules that ask for signals about tokens, from the bytes of requests to decisions, on a fake clock.

use std::sync::Arc;
use std::time::Duration;

use crate::allocations::support::testbed::Folder;
use crate::allocations::support::testbed::mint::{Issuer, Key};
use crate::allocations::support::testbed::pki::{Identity, Pki};
use countersign::clock::{FixedClock, UnixTime};
use countersign::evidence::PeerSources;
use countersign::evidence_level::EvidenceLevel;
use countersign::pdp::{HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, VerificationCacheOptions};
use countersign::policy::Decision;
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, RequestView, Target};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

const NOW: i64 = 1_800_000_000;
const WINDOW: Duration = Duration::from_mins(5);

const POLICY: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example, stock.example] }
  rules:
    - { name: read, effect: allow, token: { issuer: corp } }
    - { name: taken, effect: deny, on: { paths: [/v1/orders] }, token: { issuer: corp, signals: [token_peers] } }
    - { name: shared, effect: deny, on: { paths: [/v1/shared] }, token: { issuer: corp, signals: [token_addresses] } }
";

struct House {
    pki: Pki,
    issuer: Issuer,
    clock: FixedClock,
    pdp: Pdp,
}

impl House {
    fn new(remembers: bool) -> Self {
        countersign::cli::install_crypto();
        let now = UnixTime::from_secs(NOW);
        let (pki, folder) = (Pki::new(now).unwrap(), Folder::temporary().unwrap());
        let issuer = Issuer::new(now).unwrap();
        pki.write(&folder).unwrap();
        folder.write("keys/corp.jwks.json", issuer.key_set().unwrap()).unwrap();
        for (name, text) in [
            ("trust-domain", include_str!("../../src/demo/documents/trust-domain.yaml")),
            ("token-issuer", include_str!("../../src/demo/documents/token-issuer.yaml")),
            ("orders", POLICY),
        ] {
            folder.write(&format!("policies/{name}.yaml"), text).unwrap();
        }
        let load = Load::from_paths(&[folder.join("policies")]);
        let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
        assert!(snapshot.policies().asks_for_signals());
        let clock = FixedClock::at(now);
        let keys = KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default()));
        let peer_sources = PeerSources {
            source_certificate: true,
            least_evidence: EvidenceLevel::Leaf,
            ..PeerSources::default()
        };
        let deadline = Duration::from_secs(10);
        let memory = VerificationCacheOptions::default();
        let options = PdpOptions { peer_sources, deadline, memory };
        let pdp = Pdp::new(snapshot, Arc::new(keys), Arc::new(clock.clone()), options);
        let pdp = if remembers { pdp.remembering_uses(WINDOW) } else { pdp };
        Self { pki, issuer, clock, pdp }
    }

    fn token(&self, id: &str) -> String {
        self.issuer.mint(Key::Ec, &json!({ "jti": id })).unwrap()
    }

    /// `Ok` where the request is allowed, else why not.
    async fn ask(
        &self,
        (host, path): (&str, &str),
        peer: Option<&Identity>,
        (token, address): (&str, &str),
    ) -> Result<(), Reason> {
        let pinned = self.pdp.pin();
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        let encoded = peer.map(|own| utf8_percent_encode(&own.pem(), NON_ALPHANUMERIC).to_string());
        let encoded = encoded.map(|text| text.as_str().into());
        let (headers, credentials) =
            CredentialHeaders::split(headers, pinned.sealed(), encoded, None);
        let nothing = RequestView::unreadable(Reason::HostInvalid.because("nothing is known"));
        let mut view = RequestView {
            method: "GET".into(),
            raw_host: host.into(),
            raw_path: path.into(),
            target: Target::parse(host, path),
            headers,
            ..nothing
        };
        view.source.address = format!("{address}:40000").parse().ok();
        match pinned.decide(&view, credentials).await.decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err(denial.rejection.reason()),
        }
    }

    async fn orders(&self, peer: Option<&Identity>, token: &str) -> Result<(), Reason> {
        self.ask(("orders.example", "/v1/orders"), peer, (token, "10.0.0.1")).await
    }
}

/// P730: the second peer of a token is denied at once, and so is the first from then on, until only one of them counts.
#[tokio::test]
async fn a_token_of_two_peers_is_denied_from_the_second_one_on() {
    let house = House::new(true);
    let (front, reports) = (Some(&house.pki.frontend), Some(&house.pki.reports));
    let token = house.token("a");
    assert_eq!(house.orders(front, &token).await, Ok(()));
    assert_eq!(house.orders(reports, &token).await, Err(Reason::RuleDenied));
    assert_eq!(house.orders(front, &token).await, Err(Reason::RuleDenied));
    let other = house.token("b");
    assert_eq!(house.orders(front, &other).await, Ok(()), "a new token of the same subject");
    assert_eq!(house.orders(None, &other).await, Err(Reason::RuleDenied), "no certificate");
    house.clock.advance(WINDOW + Duration::from_secs(1));
    assert_eq!(house.orders(front, &token).await, Ok(()));
}

/// P730: a service that passes its caller's token on asks another host. At the host of the rule, each path is a use.
#[tokio::test]
async fn a_token_that_is_passed_on_is_used_at_another_host() {
    let house = House::new(true);
    let (front, reports) = (Some(&house.pki.frontend), Some(&house.pki.reports));
    let token = house.token("a");
    assert_eq!(house.orders(front, &token).await, Ok(()));
    let stock = house.ask(("stock.example", "/v1/orders"), reports, (&token, "10.0.0.2"));
    assert_eq!(stock.await, Ok(()));
    assert_eq!(house.orders(front, &token).await, Ok(()));
    let elsewhere = house.ask(("orders.example", "/v1/items"), reports, (&token, "10.0.0.2"));
    assert_eq!(elsewhere.await, Ok(()));
    assert_eq!(house.orders(front, &token).await, Err(Reason::RuleDenied));
}

/// P732: a token that was not verified, and a peer that was not, raise nothing about what they name.
#[tokio::test]
async fn what_is_not_verified_raises_nothing() {
    let house = House::new(true);
    let front = Some(&house.pki.frontend);
    let token = house.token("a");
    assert_eq!(house.orders(front, &token).await, Ok(()));
    let impostor = house.orders(Some(&house.pki.impostor), &token).await;
    assert_eq!(impostor, Err(Reason::ChainUntrusted));
    let forger = Issuer::new(UnixTime::from_secs(NOW)).unwrap();
    let forged = forger.mint(Key::Ec, &json!({ "jti": "a" })).unwrap();
    let reports = house.orders(Some(&house.pki.reports), &forged).await;
    assert_eq!(reports, Err(Reason::SignatureInvalid));
    assert_eq!(house.orders(front, &token).await, Ok(()));
}

#[tokio::test]
async fn a_token_from_many_networks_is_denied() {
    let house = House::new(true);
    let front = Some(&house.pki.frontend);
    let token = house.token("a");
    for last in 0..12 {
        let address = format!("10.0.1.{last}");
        let shared = house.ask(("orders.example", "/v1/shared"), front, (&token, &address)).await;
        let expected = if last < 8 { Ok(()) } else { Err(Reason::RuleDenied) };
        assert_eq!(shared, expected, "{address}");
    }
}

/// P731: where nothing is remembered, a rule that asks for signals denies, and others decide as ever.
#[tokio::test]
async fn without_a_memory_such_a_rule_denies() {
    let house = House::new(false);
    let front = Some(&house.pki.frontend);
    let token = house.token("a");
    assert_eq!(house.orders(front, &token).await, Err(Reason::EvalError));
    let other = house.ask(("orders.example", "/v1/items"), front, (&token, "10.0.0.1"));
    assert_eq!(other.await, Ok(()));
}
