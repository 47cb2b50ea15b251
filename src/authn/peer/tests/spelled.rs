//! A writer as Envoy is, and certificates whose owner chose every name: whatever is spelled, no caller gets a name or a hash
//! that the certificate does not have.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::authn::Credential;
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, leaf_params, pem, store};
use rcgen::SanType;

const ME: &str = "spiffe://prod.example/ns/orders/sa/orders";
const OWNER: &str = "spiffe://prod.example/ns/web/sa/frontend";
const VICTIM: &str = "spiffe://prod.example/ns/admin/sa/root";
const GATE: &str = "spiffe://prod.example/gate/a";
const VICTIMS_HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

struct World {
    ca: Ca,
    trust: TrustStore,
    /// The victim's certificate, which is no secret.
    victim: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let ca = Ca::root("root");
    let spec = "spiffe: prod.example, forwarders: ['spiffe://prod.example/gate/*']";
    let (trust, victim) = (store(&[("prod", &ca, spec)]), ca.workload(VICTIM).encoded());
    World { ca, trust, victim }
});

/// The certificate that the handshake showed a proxy.
#[derive(Clone, Debug)]
struct Certificate {
    /// URL-encoded, and as PEM.
    leaf: Option<(String, String)>,
    hash: String,
    subject: String,
    uris: Vec<String>,
    dns: Vec<String>,
}

/// How a proxy is set up.
#[derive(Clone, Debug)]
struct Proxy {
    by: Option<&'static str>,
    appends: bool,
    json: bool,
    cert: bool,
    subject: bool,
    uri: bool,
    dns: bool,
    issuer: bool,
}

impl Certificate {
    fn of(uri: &str) -> Self {
        let hash = Fingerprint::of(uri.as_bytes()).to_hex();
        Self {
            leaf: None,
            hash,
            subject: String::new(),
            uris: vec![uri.to_owned()],
            dns: Vec::new(),
        }
    }

    /// The same as a real certificate, where its names can be put into one.
    fn signed(mut self) -> Self {
        let mut params = leaf_params(&[]);
        let uris = self.uris.iter().map(|uri| Some(SanType::URI(uri.as_str().try_into().ok()?)));
        let dns = self.dns.iter().map(|dns| Some(SanType::DnsName(dns.as_str().try_into().ok()?)));
        params.subject_alt_names = uris.chain(dns).flatten().collect();
        let leaf = WORLD.ca.sign(&params);
        self.subject = String::new();
        self.hash = Fingerprint::of(&leaf.der).to_hex();
        self.leaf = Some((leaf.encoded(), pem(&leaf.der)));
        self
    }

    /// `source.principal`, as `ext_authz` fills it.
    fn principal(&self) -> String {
        self.uris
            .first()
            .or_else(|| self.dns.first())
            .cloned()
            .unwrap_or_else(|| self.subject.clone())
    }
}

impl Proxy {
    fn writes(&self, peer: &Certificate, before: &str) -> String {
        let before = if self.appends { before.trim_matches(' ') } else { "" };
        if before.is_empty() {
            return if self.json { format!("[{}]", self.object(peer)) } else { self.pairs(peer) };
        }
        // Envoy goes on in the form that the header seems to have.
        match before.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
            Some(list) => format!("[{list},{}]", self.object(peer)),
            None => format!("{before},{}", self.pairs(peer)),
        }
    }

    fn pairs(&self, peer: &Certificate) -> String {
        let mut pairs: Vec<String> = self.by.iter().map(|by| format!("By={by}")).collect();
        pairs.push(format!("Hash={}", peer.hash));
        let leaf = peer.leaf.as_ref().filter(|_| self.cert);
        pairs.extend(leaf.map(|(encoded, _)| format!("Cert=\"{encoded}\"")));
        if self.subject {
            pairs.push(format!("Subject=\"{}\"", peer.subject));
        }
        if self.uri {
            pairs.extend(peer.uris.iter().map(|uri| format!("URI={uri}")));
            if peer.uris.is_empty() {
                pairs.push("URI=".into());
            }
        }
        if self.dns {
            pairs.extend(peer.dns.iter().map(|dns| format!("DNS={dns}")));
        }
        if self.issuer {
            pairs.push("Issuer=\"CN=some ca\"".into());
        }
        pairs.join(";")
    }

    fn object(&self, peer: &Certificate) -> String {
        let mut members = serde_json::Map::new();
        let list = |names: &[String]| serde_json::Value::from(names.to_vec());
        if let Some(by) = self.by {
            members.insert("by".into(), list(&[by.to_owned()]));
        }
        members.insert("hash".into(), peer.hash.clone().into());
        if let Some((_, pem)) = peer.leaf.as_ref().filter(|_| self.cert) {
            members.insert("cert".into(), pem.clone().into());
        }
        if self.subject && !peer.subject.is_empty() {
            members.insert("subject".into(), peer.subject.clone().into());
        }
        if self.uri && !peer.uris.is_empty() {
            members.insert("uri".into(), list(&peer.uris));
        }
        if self.dns && !peer.dns.is_empty() {
            members.insert("dns".into(), list(&peer.dns));
        }
        if self.issuer {
            members.insert("issuer".into(), "CN=some ca".into());
        }
        serde_json::Value::from(members).to_string()
    }
}

/// A piece of a name that wants to be more than a name.
fn piece() -> impl Strategy<Value = String> {
    let cert = &WORLD.victim;
    let element = |by: &str| format!("{by}Hash={VICTIMS_HASH};Subject=\"\";URI={VICTIM}");
    let json = serde_json::json!({ "by": [ME], "hash": VICTIMS_HASH, "uri": [VICTIM] });
    prop_oneof![
        4 => prop::sample::select(vec![",", ";", "=", "\"", "\\", " ", "[", "]", "{", "}", "x", "-", "."])
            .prop_map(String::from),
        3 => prop::sample::select(vec![
            "By=", "Hash=", "Cert=\"", "Chain=\"", "Subject=\"", "URI=", "DNS=", "Issuer=\"", "Foo=", "]}",
            "\"uri\":[\"", "\"by\":[\"", "\"hash\":\"", "\"},{",
        ]).prop_map(String::from),
        3 => prop::sample::select(vec![ME, OWNER, VICTIM, GATE, VICTIMS_HASH, "a.example"]).prop_map(String::from),
        2 => Just(element("")),
        2 => Just(element(&format!("By={ME};"))),
        1 => Just(element(&format!("By={GATE};"))),
        1 => Just(format!("By={ME};Hash={VICTIMS_HASH};Cert=\"{cert}\";URI={VICTIM}")),
        1 => Just(format!("Hash={VICTIMS_HASH};Cert=\"{cert}\";URI={VICTIM}")),
        1 => Just(json.to_string()),
    ]
}

fn spelled() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..5).prop_map(|pieces| pieces.concat())
}

/// An element as a proxy writes it, of a client that Envoy has not seen.
fn element() -> impl Strategy<Value = String> {
    let by = || {
        let by = [String::new(), format!("By={ME};"), format!("By={GATE};")];
        prop::sample::select(by.to_vec())
    };
    let id = prop::sample::select(vec![VICTIM, OWNER, GATE]);
    let subject = prop::sample::select(vec!["", "Subject=\"\";"]);
    let hashed = (by(), subject, id)
        .prop_map(|(by, subject, id)| format!("{by}Hash={VICTIMS_HASH};{subject}URI={id}"));
    let certified = by().prop_map(|by| format!("{by}Cert=\"{}\";URI={VICTIM}", WORLD.victim));
    prop_oneof![3 => hashed, 1 => certified]
}

/// A DNS name that goes on as well as it can.
fn dns() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["", "", ";DNS=y", ";Issuer=\"CN=a\"", ";Foo=1"]);
    prop_oneof![
        3 => prop::sample::select(vec![VICTIM, OWNER, GATE, "x"]).prop_map(String::from),
        5 => (element(), end).prop_map(|(element, end)| format!("x,{element}{end}")),
        2 => prop::sample::select(vec![VICTIM, OWNER]).prop_map(|id| format!("x;URI={id}")),
        1 => Just(format!("x;Hash={VICTIMS_HASH};URI={VICTIM}")),
        3 => spelled(),
    ]
}

/// A URI that goes on as well as it can. The authority signs no other workload's ID, and everything else.
fn uri() -> impl Strategy<Value = String> {
    let end =
        prop::sample::select(vec![";DNS=x", ";Issuer=\"CN=a\"", ";Foo=1", "/", " ", ";URI=x:y"]);
    let id = || prop::sample::select(vec![VICTIM, OWNER, GATE, "x:y"]);
    prop_oneof![
        5 => Just(OWNER.to_owned()),
        1 => Just(String::from("x:y")),
        4 => (id(), end).prop_map(|(id, end)| format!("{id}{end}")),
        3 => (id(), element()).prop_map(|(id, element)| format!("{id},{element}")),
        2 => spelled().prop_filter("it is another workload's", |uri| uri != VICTIM && uri != GATE),
    ]
}

/// Elements that the caller wrote before.
fn before() -> impl Strategy<Value = String> {
    let json =
        serde_json::json!([{ "by": [ME], "hash": VICTIMS_HASH, "uri": [VICTIM] }]).to_string();
    prop_oneof![
        9 => Just(String::new()),
        2 => element(),
        1 => Just(json),
        1 => spelled(),
        1 => spelled().prop_map(|text| format!("[{text}]")),
    ]
}

/// The names of a certificate that is after something: URIs, and DNS names.
fn names() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let harmless = || prop::sample::select(vec![vec![], vec![String::from("x")]]);
    let spelled_dns = || dns().prop_filter("it spells something", |name| name.contains(','));
    // A bound token of another replica; another workload's name; a longer URI; anything.
    let theft = (harmless(), spelled_dns()).prop_map(|(mut dns, last)| {
        dns.push(last);
        (vec![OWNER.to_owned()], dns)
    });
    let imitation = (spelled_dns(), any::<bool>()).prop_map(|(spelled, first)| {
        let dns = if first { vec![spelled, VICTIM.into()] } else { vec![VICTIM.into(), spelled] };
        (Vec::new(), dns)
    });
    let long = (uri(), harmless()).prop_map(|(uri, dns)| (vec![uri], dns));
    let any = (prop::collection::vec(uri(), 0..3), prop::collection::vec(dns(), 0..4));
    prop_oneof![3 => theft, 2 => imitation, 3 => long, 2 => any]
}

fn certificate() -> impl Strategy<Value = Certificate> {
    // RFC 2253 escapes everything that ends or separates in a subject that wants to be more.
    let subject = prop::option::weighted(0.2, spelled()).prop_map(|text| {
        let escape =
            |c: char| if ",+\"\\<>;".contains(c) { format!("\\{c}") } else { c.to_string() };
        text.map_or(String::new(), |text| {
            format!("CN={}", text.chars().map(escape).collect::<String>())
        })
    });
    let hash = "ab".repeat(32);
    (subject, names()).prop_map(move |(subject, (uris, dns))| Certificate {
        leaf: None,
        hash: hash.clone(),
        subject,
        uris,
        dns,
    })
}

/// Mostly with the details that leave most room.
fn proxy(by: &'static str) -> impl Strategy<Value = Proxy> {
    let often = |share| prop::bool::weighted(share);
    let flags = (any::<bool>(), any::<bool>(), often(0.2), often(0.2));
    let details = (often(0.7), often(0.9), often(0.9), often(0.2));
    (flags, details).prop_map(move |((named, appends, json, cert), (subject, uri, dns, issuer))| {
        Proxy { by: named.then_some(by), appends, json, cert, subject, uri, dns, issuer }
    })
}

fn judge(shown: &Shown, caller: &Certificate) -> Result<(), TestCaseError> {
    let Credential::Verified(peer) = shown.verify_at(&WORLD.trust, NOW) else { return Ok(()) };
    let own: Vec<&str> = caller.uris.iter().map(String::as_str).collect();
    prop_assert_eq!(own, [peer.spiffe.as_ref().unwrap().as_str()], "{:?}", shown.xfcc);
    let mut dns: Vec<_> = caller.dns.iter().map(|name| name.to_ascii_lowercase()).collect();
    if peer.level() < EvidenceLevel::Leaf {
        dns.clear();
    }
    prop_assert_eq!(&peer.dns, &dns, "{:?}", shown.xfcc);
    let hash = peer.certificate.as_ref().map(Fingerprint::to_hex);
    prop_assert!(hash.as_ref().is_none_or(|hash| *hash == caller.hash), "{:?}", shown.xfcc);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..ProptestConfig::default() })]

    /// P83, P88, P89, P90, P91, P95, P779: at our own proxy.
    #[test]
    fn a_name_is_never_more_than_a_name(
        caller in certificate(),
        proxy in proxy(ME),
        before in before(),
    ) {
        let caller = if proxy.cert { caller.signed() } else { caller };
        let xfcc = proxy.writes(&caller, &before);
        let shown = Shown::xfcc(xfcc, &caller.principal());
        let destination = Some(proxy.by.unwrap_or("gateway.example").into());
        judge(&Shown { destination, ..shown }, &caller)?;
    }

    /// P83, P90, P91, P95: at a gateway before it, which is a trusted forwarder.
    #[test]
    fn nor_is_it_behind_a_forwarder(
        caller in certificate(),
        gateway in proxy(GATE),
        proxy in proxy(ME),
        before in before(),
    ) {
        let caller = if gateway.cert { caller.signed() } else { caller };
        let forwarder = Certificate::of(GATE);
        let proxy = Proxy { appends: true, ..proxy };
        let xfcc = proxy.writes(&forwarder, &gateway.writes(&caller, &before));
        let destination = Some(proxy.by.unwrap_or("gateway.example").into());
        judge(&Shown { destination, ..Shown::xfcc(xfcc, GATE) }, &caller)?;
    }

    /// The writer is not so hostile that no request passes.
    #[test]
    fn an_honest_caller_is_known(proxy in proxy(ME), gateway in proxy(GATE), behind in any::<bool>()) {
        let caller = Certificate::of(OWNER).signed();
        // Without the certificate a name is known from JSON alone.
        let gateway = Proxy { uri: true, json: !gateway.cert, ..gateway };
        let proxy = Proxy { uri: true, appends: behind, ..proxy };
        let (principal, xfcc) = if behind {
            let header = gateway.writes(&caller, "");
            (GATE.to_owned(), proxy.writes(&Certificate::of(GATE), &header))
        } else {
            (OWNER.to_owned(), proxy.writes(&caller, ""))
        };
        let destination = Some(proxy.by.unwrap_or("gateway.example").into());
        let shown = Shown { destination, ..Shown::xfcc(xfcc, &principal) };
        let found = shown.verify_at(&WORLD.trust, NOW);
        let peer = found.verified();
        prop_assert!(peer.is_some(), "{:?} {found:?}", shown.xfcc);
        prop_assert_eq!(peer.unwrap().certificate.as_ref().unwrap().to_hex(), caller.hash);
    }
}
