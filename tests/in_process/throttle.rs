//! Throttling of failed attempts, on a fake clock: who is throttled, and who is not.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::allocations::support::testbed::Folder;
use crate::allocations::support::testbed::mint::{Issuer, Key};
use crate::allocations::support::testbed::pki::{Identity, Pki};
use crate::introspection::view;
use countersign::clock::{FixedClock, UnixTime};
use countersign::evidence::PeerSources;
use countersign::evidence_level::EvidenceLevel;
use countersign::limits::THROTTLED_VERIFICATIONS;
use countersign::pdp::{
    HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, ThrottleMode, ThrottleOptions,
    VerificationCacheOptions,
};
use countersign::policy::{Answer, Decision, Denial};
use countersign::reason::{ClientAnswer, Reason};
use countersign::request::{Client, CredentialHeaders, HeaderValue, Headers, RequestView, Target};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

const NOW: i64 = 1_800_000_000;

/// As many failed attempts as are answered as ever.
const LIMIT: u32 = 3;

const POLICY: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example] }
  deny: { status: 404, headers: { x-hidden: here }, body: { text: No such page. } }
  rules:
    - { name: read, effect: allow, on: { methods: [GET], paths: [/v1/orders] }, token: { issuer: corp } }
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: sessions }
spec:
  issuer: https://sessions.example.com
  audiences: [orders]
  keys: { file: ../keys/corp.jwks.json }
  algorithms: [ES256]
  tokens: [{ cookie: session }]
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: pages }
spec:
  target: { hosts: [pages.example] }
  rules:
    - { name: open, effect: allow, on: { methods: [GET] }, public: true, rejectedCookies: ignored }
";

/// The credentials of a caller, and its address.
#[derive(Clone, Copy, Default)]
struct Shown<'a> {
    at: Option<&'a str>,
    client: Option<&'a str>,
    certificate: Option<&'a Identity>,
    token: Option<&'a str>,
}

struct House {
    pki: Pki,
    issuer: Issuer,
    stranger: Issuer,
    clock: FixedClock,
    pdp: Pdp,
}

impl<'a> Shown<'a> {
    fn with(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }
}

const A: &str = "203.0.113.7:40000";
const B: &str = "203.0.113.8:40000";

fn options(mode: ThrottleMode) -> ThrottleOptions {
    let failures = NonZeroU32::new(LIMIT).unwrap();
    ThrottleOptions { mode, failures, ..ThrottleOptions::default() }
}

impl House {
    fn new(options: ThrottleOptions) -> Self {
        countersign::cli::install_crypto();
        let now = UnixTime::from_secs(NOW);
        let (pki, folder) = (Pki::new(now).unwrap(), Folder::temporary().unwrap());
        let (issuer, stranger) = (Issuer::new(now).unwrap(), Issuer::new(now).unwrap());
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
        let clock = FixedClock::at(now);
        let keys = KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default()));
        let peer_sources = PeerSources {
            source_certificate: true,
            least_evidence: EvidenceLevel::Leaf,
            ..PeerSources::default()
        };
        let deadline = Duration::from_secs(10);
        let own =
            PdpOptions { peer_sources, deadline, memory: VerificationCacheOptions::default() };
        let pdp = Pdp::new(snapshot, Arc::new(keys), Arc::new(clock.clone()), own);
        Self { pki, issuer, stranger, clock, pdp: pdp.throttling(options) }
    }

    fn enforcing() -> Self {
        Self::new(options(ThrottleMode::Enforce))
    }

    /// A new token of the issuer.
    fn good(&self, number: usize) -> String {
        self.issuer.mint(Key::Ec, &json!({ "jti": number.to_string() })).unwrap()
    }

    /// A token that says the same, signed by someone else.
    fn forged(&self, number: usize) -> String {
        self.stranger.mint(Key::Ec, &json!({ "jti": number.to_string() })).unwrap()
    }

    fn past(&self) -> String {
        self.issuer.mint(Key::Ec, &json!({ "iat": NOW - 3600, "exp": NOW - 1800 })).unwrap()
    }

    async fn ask(&self, shown: Shown<'_>) -> (RequestView, Decision) {
        let pinned = self.pdp.pin();
        let mut headers = Headers::default();
        if let Some(token) = shown.token {
            headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        }
        let encoded =
            |own: &Identity| utf8_percent_encode(&own.pem(), NON_ALPHANUMERIC).to_string();
        let certificate = shown.certificate.map(|own| encoded(own).as_str().into());
        let (headers, credentials) =
            CredentialHeaders::split(headers, pinned.sealed(), certificate, None);
        let mut view = view("GET", headers);
        view.source.address = shown.at.map(|at| at.parse().unwrap());
        view.client = match shown.client {
            None => Client::Connection,
            Some(ip) => ip.parse::<IpAddr>().map_or(Client::Unknown, Client::At),
        };
        let outcome = pinned.decide(&view, credentials).await;
        (view, outcome.decision)
    }

    /// `Ok` where the request is allowed, else why not.
    async fn decide(&self, shown: Shown<'_>) -> Result<(), Reason> {
        match self.ask(shown).await.1 {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err(denial.rejection.reason()),
        }
    }

    async fn denied(&self, shown: Shown<'_>) -> (Denial, Answer) {
        let (view, decision) = self.ask(shown).await;
        let Decision::Deny(denial) = decision else { panic!("it is allowed") };
        let answer = denial.answer(&view, "id");
        (denial, answer)
    }

    /// Fails from `shown` until it is over its limit.
    async fn use_up(&self, shown: Shown<'_>) {
        let forged = self.forged(0);
        for _ in 0..LIMIT {
            let shown = Shown { token: Some(&forged), ..shown };
            assert_eq!(self.decide(shown).await, Err(Reason::SignatureInvalid));
        }
        let shown = Shown { token: Some(&forged), ..shown };
        assert_eq!(self.decide(shown).await, Err(Reason::Throttled));
    }
}

fn at(at: &str) -> Shown<'_> {
    Shown { at: Some(at), ..Shown::default() }
}

/// P422: over the limit what fails is answered 429 with the time to wait, and nothing else changes for anyone at that address.
#[tokio::test]
async fn only_what_fails_is_throttled() {
    let house = House::enforcing();
    let (forged, good, past) = (house.forged(0), house.good(0), house.past());
    assert_eq!(house.decide(at(A).with(&good)).await, Ok(()));
    house.use_up(at(A)).await;
    let (denial, answer) = house.denied(at(A).with(&forged)).await;
    // One of three attempts in a minute comes back every 20 s.
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("20")));
    let throttling = denial.throttling.unwrap();
    assert_eq!((throttling.source.as_str(), throttling.enforced), ("203.0.113.7/32", true));
    assert_eq!(throttling.failed, Some(Reason::SignatureInvalid));
    assert!(denial.rejection.detail().contains("signature_invalid: "), "{}", denial.rejection);

    assert_eq!(house.decide(at(A).with(&good)).await, Ok(()), "known");
    assert_eq!(house.decide(at(A).with(&house.good(1))).await, Ok(()), "new");
    for _ in 0..10 {
        assert_eq!(house.decide(at(A)).await, Err(Reason::TokenMissing), "it is asked for one");
        assert_eq!(
            house.decide(at(A).with(&past)).await,
            Err(Reason::TokenExpired),
            "to be renewed"
        );
    }
    assert_eq!(
        house.decide(Shown { token: Some(&forged), ..at(B) }).await,
        Err(Reason::SignatureInvalid)
    );
    let (_, answer) = house.denied(Shown { token: Some(&past), ..at(A) }).await;
    assert_eq!(answer.header("retry-after"), None);

    house.clock.advance(Duration::from_secs(20));
    assert_eq!(house.decide(at(A).with(&forged)).await, Err(Reason::SignatureInvalid));
    assert_eq!(house.decide(at(A).with(&forged)).await, Err(Reason::Throttled));
}

/// P423: what is counted belongs to where it came from, never to the one that an unverified credential names.
#[tokio::test]
async fn forging_a_name_locks_no_one_out() {
    let house = House::enforcing();
    let (forged, good) = (house.forged(0), house.good(0));
    let impostor = Shown { certificate: Some(&house.pki.impostor), ..at(A) };
    for number in 0..10 {
        let expected = if number < LIMIT { Reason::ChainUntrusted } else { Reason::Throttled };
        let shown = Shown { token: Some(&forged), ..impostor };
        assert_eq!(house.decide(shown).await, Err(expected), "{number}");
    }
    // The workload that the impostor names, at the same address and at another one.
    for place in [A, B] {
        let own = Shown { certificate: Some(&house.pki.frontend), ..at(place) };
        let bad = Shown { token: Some(&forged), ..own };
        assert_eq!(house.decide(bad).await, Err(Reason::SignatureInvalid), "{place}");
        assert_eq!(house.decide(Shown { token: Some(&good), ..own }).await, Ok(()));
    }
}

/// Callers behind one address that are told apart by what they proved are sources of their own.
#[tokio::test]
async fn verified_peers_at_one_address_are_apart() {
    let house = House::enforcing();
    let forged = house.forged(0);
    let front = Shown { certificate: Some(&house.pki.frontend), ..at(A) };
    house.use_up(front).await;
    let (denial, _) = house.denied(Shown { token: Some(&forged), ..front }).await;
    let source = denial.throttling.unwrap().source;
    assert_eq!(source, "spiffe://prod.example/ns/web/sa/frontend at 203.0.113.7/32");
    for other in [at(A), Shown { certificate: Some(&house.pki.reports), ..at(A) }] {
        let other = Shown { token: Some(&forged), ..other };
        assert_eq!(house.decide(other).await, Err(Reason::SignatureInvalid));
    }
}

/// P424: behind proxies the source is the client that the settings find, by its network; where it is unknown, the proxy.
#[tokio::test]
async fn the_source_is_the_network_of_the_client() {
    let house = House::new(ThrottleOptions { ipv4_prefix: 24, ..options(ThrottleMode::Enforce) });
    let forged = house.forged(0);
    let proxy = |client| Shown { client: Some(client), token: Some(&forged), ..at("10.0.0.1:1") };
    for (one, same, other) in [
        ("198.51.100.1", "198.51.100.200", "198.51.101.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "192.0.2.99", "192.0.3.1"),
        ("nowhere", "nowhere", "192.0.4.1"),
    ] {
        house.use_up(proxy(one)).await;
        assert_eq!(house.decide(proxy(same)).await, Err(Reason::Throttled), "{same}");
        assert_eq!(house.decide(proxy(other)).await, Err(Reason::SignatureInvalid), "{other}");
    }
    let direct = Shown { token: Some(&forged), ..at("10.0.0.99:1") };
    assert_eq!(house.decide(direct).await, Err(Reason::Throttled), "the unknown client's proxy");
    for _ in 0..10 {
        let nowhere = Shown { token: Some(&forged), ..Shown::default() };
        assert_eq!(house.decide(nowhere).await, Err(Reason::SignatureInvalid), "no source");
    }
}

/// P425: a flood costs no more verifications than its budget, and those that were let in before, or are told apart, do not
/// notice.
#[tokio::test]
async fn a_flood_is_refused_without_verifying_it() {
    let house = House::enforcing();
    let (budget, ..) = THROTTLED_VERIFICATIONS;
    let (known, late) = (house.good(0), house.good(1));
    let forged: Vec<_> = (0..20).map(|number| house.forged(number)).collect();
    let front = Shown { certificate: Some(&house.pki.frontend), ..at(A) };
    assert_eq!(house.decide(at(A).with(&known)).await, Ok(()));
    assert_eq!(house.decide(Shown { token: Some(&known), ..front }).await, Ok(()));
    let mut verified = 0;
    for token in forged.iter().cycle().take(500) {
        let (denial, answer) = house.denied(at(A).with(token)).await;
        verified += u32::from(denial.throttling.is_none_or(|own| own.failed.is_some()));
        assert_eq!(answer.status == 429, verified > LIMIT);
    }
    // The one that finds the budget used up was verified, too.
    assert_eq!(verified, LIMIT + budget + 1);
    let (denial, answer) = house.denied(at(A).with(&late)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(denial.throttling.unwrap().failed, None);
    let impostor = Shown { certificate: Some(&house.pki.impostor), ..at(A) };
    assert_eq!(house.decide(impostor).await, Err(Reason::Throttled), "nor are certificates");

    assert_eq!(house.decide(at(A).with(&known)).await, Ok(()));
    assert_eq!(house.decide(Shown { token: Some(&known), ..front }).await, Ok(()));
    assert_eq!(house.decide(Shown { token: Some(&late), ..front }).await, Ok(()), "told apart");
    assert_eq!(house.decide(at(A)).await, Err(Reason::TokenMissing));
    let status = house.pdp.throttle().unwrap().status();
    assert_eq!(status.attempts[2], ("unverified", 500 - u64::from(verified) + 2));

    house.clock.advance(Duration::from_millis(5));
    assert_eq!(house.decide(at(A).with(&house.good(2))).await, Ok(()), "one comes back every 5 ms");
}

/// P426: neither words of a document nor the path tell a throttled caller anything.
#[tokio::test]
async fn a_throttled_answer_is_the_same_everywhere() {
    let house = House::enforcing();
    let forged = house.forged(0);
    let shown = Shown { token: Some(&forged), ..at(A) };
    let (_, answer) = house.denied(shown).await;
    assert_eq!((answer.status, answer.header("x-hidden")), (404, Some("here")));
    for _ in 1..LIMIT {
        house.denied(shown).await;
    }
    let (denial, answer) = house.denied(shown).await;
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["cache-control", "x-decision-id", "retry-after", "content-type"]);
    assert_eq!(answer.body, "{\"decision_id\":\"id\",\"error\":\"throttled\"}\n");
    assert_eq!(denial.rejection.client_answer(), ClientAnswer::Throttled);
    assert!(denial.rule.is_none() && denial.custom.is_none() && denial.needs == Default::default());
}

#[tokio::test]
async fn watching_changes_no_answer() {
    let house = House::new(options(ThrottleMode::Watch));
    let forged = house.forged(0);
    for number in 0..500 {
        let (denial, answer) = house.denied(Shown { token: Some(&forged), ..at(A) }).await;
        assert_eq!(denial.rejection.reason(), Reason::SignatureInvalid);
        assert_eq!((answer.status, answer.header("retry-after")), (404, None));
        let throttling = denial.throttling.map(|own| (own.enforced, own.failed));
        let expected = (number >= LIMIT).then_some((false, Some(Reason::SignatureInvalid)));
        assert_eq!(throttling, expected);
    }
    let status = house.pdp.throttle().unwrap().status();
    let within = u64::from(LIMIT);
    assert_eq!(status.attempts, [("within", within), ("over", 500 - within), ("unverified", 0)]);
    assert_eq!(status.sources, 1);
    let house = House::new(options(ThrottleMode::Disabled));
    assert!(house.pdp.throttle().is_none());
    for _ in 0..10 {
        assert!(house.denied(Shown { token: Some(&forged), ..at(A) }).await.0.throttling.is_none());
    }
}

/// Other refusals than those of credentials do not count, whatever was shown; and a bad credential counts whatever else is wrong.
#[tokio::test]
async fn what_counts_is_the_credential() {
    let house = House::enforcing();
    let past = house.past();
    for _ in 0..10 {
        let shown = Shown { token: Some(&past), ..at(A) };
        assert_eq!(house.decide(shown).await, Err(Reason::TokenExpired));
    }
    assert_eq!(house.pdp.throttle().unwrap().status().sources, 0);
}

/// P425: forged cookies are counted where a rule allows without them, and the caller who has one is allowed all the same.
#[tokio::test]
async fn a_cookie_that_a_rule_ignores_is_counted() {
    let house = House::enforcing();
    let claims = json!({ "iss": "https://sessions.example.com" });
    let forged = house.stranger.mint(Key::Ec, &claims).unwrap();
    let pinned = house.pdp.pin();
    let mut asked = 0u64;
    for _ in 0..LIMIT + 2 {
        let mut headers = Headers::default();
        headers.push("cookie", HeaderValue::new(format!("session={forged}").into_bytes()));
        let (headers, credentials) = CredentialHeaders::split(headers, pinned.sealed(), None, None);
        let mut view = view("GET", headers);
        view.source.address = Some(A.parse().unwrap());
        view.target = Target::parse("pages.example", "/");
        let outcome = pinned.decide(&view, credentials).await;
        assert!(matches!(outcome.decision, Decision::Allow(_)), "{:?}", outcome.decision);
        asked += 1;
    }
    let attempts = house.pdp.throttle().unwrap().status().attempts;
    assert_eq!(attempts.iter().map(|(_, count)| count).sum::<u64>(), asked);
    // Later denials of the same source are over its limit.
    let forged = house.forged(1);
    assert_eq!(house.decide(at(A).with(&forged)).await, Err(Reason::Throttled));
}
