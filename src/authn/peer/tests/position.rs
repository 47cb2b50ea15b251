//! The beginning of an element, its writer, and the doubt that a proxy without a name of its own leaves.

use super::*;
use crate::authn::PeerSource;
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, leaf_params, name, store};

const ME: &str = "spiffe://prod.example/ns/orders/sa/orders";
const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const VICTIM: &str = "spiffe://prod.example/ns/admin/sa/root";
const GATE: &str = "spiffe://prod.example/gate/a";
const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
const OTHER: &str = "568ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
const SPEC: &str = "spiffe: prod.example, forwarders: ['spiffe://prod.example/gate/*']";

fn prod() -> (Ca, TrustStore) {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPEC)]);
    (ca, trust)
}

fn at(destination: &str, xfcc: impl Into<String>, principal: &str) -> Shown {
    Shown { destination: Some(destination.into()), ..Shown::xfcc(xfcc, principal) }
}

/// P88, P89, P90: the impersonation of item 0. Two DNS names, the first a SPIFFE ID, the second a whole element: the proxy's
/// principal and the rightmost element agree, and neither is in the certificate.
#[test]
fn two_dns_names_do_not_make_a_spiffe_id() {
    let (ca, trust) = prod();
    let cert = ca.workload(VICTIM).encoded();
    let (own, spelled) = ("Hash={OTHER};Subject=\"\";URI=", "x,Hash={HASH};URI={VICTIM}");
    let (own, spelled) = (own.replace("{OTHER}", OTHER), spelled.replace("{HASH}", HASH));
    let spelled = spelled.replace("{VICTIM}", VICTIM);
    for (destination, by) in [("localhost", String::new()), (ME, format!("By={ME};"))] {
        for xfcc in [
            format!("{by}{own};DNS={VICTIM};DNS={spelled}"),
            format!("{by}{own};DNS={spelled};DNS={VICTIM}"),
            format!("{by}{own};DNS=x,{by}Hash={HASH};URI={VICTIM};DNS={VICTIM}"),
            format!("{by}{own};DNS={VICTIM};DNS=x,{by}Hash={HASH};Cert=\"{cert}\";URI={VICTIM}"),
            format!("{by}{own};DNS={VICTIM};DNS=y;URI={VICTIM}"),
            format!("{by}{own};DNS={VICTIM}"),
        ] {
            assert_eq!(
                at(destination, &xfcc, VICTIM).reason(&trust),
                Reason::XfccMalformed,
                "{xfcc}"
            );
        }
    }
}

/// P90: a proxy without a URI name signs nothing, so that the hash of one of several elements proves nothing.
#[test]
fn without_by_only_a_single_element_is_certain() {
    let (ca, trust) = prod();
    let own = format!("Hash={HASH};Subject=\"\";URI={WEB}");
    let one = at("gateway.example", &own, WEB).peer(&trust);
    assert_eq!(one.certificate.as_ref().unwrap().to_hex(), HASH);
    let spelled = format!("{own};DNS=x,Hash={OTHER};URI={WEB}");
    for destination in ["gateway.example", "CN=gateway"] {
        assert_eq!(at(destination, &spelled, WEB).reason(&trust), Reason::XfccUntrustedHop);
        // `By` is nothing that this proxy writes.
        let signed = format!("By={ME};{own}");
        assert_eq!(at(destination, signed, WEB).reason(&trust), Reason::XfccUntrustedHop);
    }
    // A forwarder is known by its principal, and is trusted not to spell anything.
    let web = ca.workload(WEB);
    let certified = format!("By={GATE};Cert=\"{}\";URI={WEB}", web.encoded());
    let passed = format!("{certified},Hash={OTHER};Subject=\"\";URI={GATE}");
    let peer = at("gateway.example", &passed, GATE).peer(&trust);
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    let strict = Shown { least: Some(EvidenceLevel::Hash), ..at("gateway.example", passed, GATE) };
    assert_eq!(strict.reason(&trust), Reason::EvidenceInsufficient);
}

/// P90: elements behind a forwarder are its own: `By` is its name, and it writes one.
#[test]
fn by_of_an_element_behind_a_forwarder_is_that_forwarder() {
    let (ca, trust) = prod();
    let last = format!("By={ME};Hash={OTHER};Subject=\"\";URI={GATE}");
    let caller = format!("Cert=\"{}\";URI={WEB}", ca.workload(WEB).encoded());
    let reason = |behind: String| {
        let shown = at(ME, format!("{behind},{last}"), GATE);
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    assert_eq!(reason(format!("By={GATE};{caller}")), None);
    assert_eq!(reason(caller.clone()), None, "a gateway with a public certificate writes no `By`");
    assert_eq!(reason(format!("By={ME};{caller}")), Some(Reason::XfccInconsistent));
    assert_eq!(reason(format!("By={WEB};{caller}")), Some(Reason::XfccUntrustedHop));
    assert_eq!(reason(format!("{caller},{caller}")), Some(Reason::XfccUntrustedHop));
    let twice = format!("By={GATE};{caller},By={GATE};Hash={OTHER};URI={VICTIM}");
    assert_eq!(reason(twice), Some(Reason::XfccInconsistent));
    let forged = format!("By={WEB};Hash={OTHER};URI={VICTIM},By={GATE};{caller}");
    assert_eq!(reason(forged), None, "what the gateway's client wrote has no say");
    // A gateway with a public certificate wrote the first, and a URI of its client the second.
    let spelled = format!("Hash={OTHER};Subject=\"\";URI={VICTIM},By={GATE};{caller}");
    assert_eq!(reason(spelled), Some(Reason::XfccUntrustedHop));
    // The same at a proxy that does not tell its name.
    let configured = |xfcc: String| {
        let shown = Shown { identities: vec![ME.into()], ..Shown::xfcc(xfcc, WEB) };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    assert_eq!(configured(format!("By={WEB};{caller},By={ME};{caller}")), None);
    let unsigned = format!("{caller};DNS=x,By={ME};{caller}");
    assert_eq!(configured(unsigned), Some(Reason::XfccUntrustedHop));
    // The same where `source.certificate` proves the forwarder.
    let certificate = Some(ca.workload(GATE).encoded());
    let other = Shown { certificate, ..at(ME, format!("By={WEB};{caller}"), GATE) };
    assert_eq!(other.reason(&trust), Reason::XfccUntrustedHop);
}

/// P91: behind a forwarder nothing tells where a URI ends: names after it can be a part of it, and a space at its end is lost
/// on the way from one proxy to the next.
#[test]
fn a_uri_that_can_go_on_is_no_name_without_the_certificate() {
    let (ca, trust) = prod();
    let last = format!("By={ME};Hash={OTHER};Subject=\"\";URI={GATE}");
    let behind = |rest: &str| at(ME, format!("By={GATE};Hash={HASH};{rest},{last}"), GATE);
    for open in ["", ";DNS=web.example", ";Issuer=\"CN=ca\"", ";Future=1"] {
        let shown = behind(&format!("Subject=\"\";URI={WEB}{open}"));
        assert_eq!(shown.reason(&trust), Reason::EvidenceInsufficient, "{open}");
    }
    let web = ca.workload(WEB);
    let hash = Fingerprint::of(&web.der).to_hex();
    let certified = format!("By={GATE};Hash={hash};Cert=\"{}\";URI={WEB}", web.encoded());
    let certified = at(ME, format!("{certified};Issuer=\"CN=ca\",{last}"), GATE).peer(&trust);
    assert_eq!(certified.level(), EvidenceLevel::Leaf);
    // At our own proxy the principal is exactly the first URI.
    let own = format!("By={ME};Hash={HASH};Subject=\"\";URI={WEB};DNS=a.example;DNS=b.example");
    let peer = at(ME, own, WEB).peer(&trust);
    assert_eq!((peer.spiffe.as_ref().unwrap().as_str(), &*peer.dns), (WEB, &[][..]));
    // If it names no TLS peer, as a waypoint, the URI ends where the element does.
    let waypoint =
        |xfcc: String| Shown { without_tls: true, principal: None, ..Shown::xfcc(xfcc, "") };
    let peer = waypoint(format!("By={ME};URI={WEB}")).peer(&trust);
    assert_eq!(peer.level(), EvidenceLevel::Asserted);
    let open = waypoint(format!("By={ME};URI={WEB};DNS=a.example"));
    assert_eq!(open.reason(&trust), Reason::EvidenceInsufficient);
}

/// P94: the least evidence counts for the caller and for every forwarder on the way.
#[test]
fn less_than_the_least_evidence_is_no_peer() {
    let (ca, trust) = prod();
    let (web, gate) = (ca.workload(WEB), ca.workload(GATE));
    let print = |leaf: &Leaf| Fingerprint::of(&leaf.der).to_hex();
    let element = |by: &str, leaf: &Leaf, id: &str, cert: bool| {
        let cert = if cert { format!("Cert=\"{}\";", leaf.encoded()) } else { String::new() };
        format!("By={by};Hash={};{cert}Subject=\"\";URI={id}", print(leaf))
    };
    let level = |shown: &Shown, least| {
        let shown = Shown { least: Some(least), ..shown.clone() };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    use EvidenceLevel::{Asserted, Full, Hash, Leaf as WithLeaf};
    let little = Some(Reason::EvidenceInsufficient);
    let name = at(ME, format!("By={ME};URI={WEB}"), WEB);
    let hash = at(ME, element(ME, &web, WEB, false), WEB);
    let leaf = at(ME, element(ME, &web, WEB, true), WEB);
    for (shown, least, expected) in [
        (&name, Asserted, None),
        (&name, Hash, little),
        (&hash, Hash, None),
        (&hash, WithLeaf, little),
        (&leaf, WithLeaf, None),
        (&leaf, Full, little),
    ] {
        assert_eq!(level(shown, least), expected, "{least}");
    }
    // A forwarder that the proxy shows by its hash alone can be any client with any certificate.
    let caller = element(GATE, &web, WEB, true);
    let behind = |cert| at(ME, format!("{caller},{}", element(ME, &gate, GATE, cert)), GATE);
    assert_eq!(level(&behind(true), WithLeaf), None);
    assert_eq!(level(&behind(false), WithLeaf), little);
    assert_eq!(PeerSources::default().least_evidence, WithLeaf);
}

/// P93: what our proxy says in XFCC is what the certificate beside it says, whichever of the two wins.
#[test]
fn two_sources_that_contradict_each_other_are_refused() {
    let (ca, trust) = prod();
    let mut params = leaf_params(&[WEB]);
    params.distinguished_name = name("web");
    params.subject_alt_names.push(rcgen::SanType::DnsName("web.example".try_into().unwrap()));
    let (leaf, other) = (ca.sign(&params), ca.workload(VICTIM));
    let (cert, strange) = (leaf.encoded(), other.encoded());
    let hash = Fingerprint::of(&leaf.der).to_hex();
    let whole = [
        format!("By={ME}"),
        format!("Hash={hash}"),
        format!("Cert=\"{cert}\""),
        format!("Chain=\"{cert}\""),
        String::from("Subject=\"CN=web\""),
        format!("URI={WEB}"),
        String::from("DNS=web.example"),
    ];
    let found = |pairs: &[String], principal: &str| {
        let shown = at(ME, pairs.join(";"), principal);
        let shown = Shown { certificate: Some(leaf.encoded()), ..shown };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    assert_eq!(found(&whole, WEB), None);
    for missing in 1..whole.len() {
        let mut pairs = whole.to_vec();
        pairs.remove(missing);
        assert_eq!(found(&pairs, WEB), None, "a detail that is off: {missing}");
    }
    for (at, other) in [
        (0, format!("By={VICTIM}")),
        (1, format!("Hash={HASH}")),
        (2, format!("Cert=\"{strange}\"")),
        (3, format!("Chain=\"{strange}\"")),
        (3, format!("Chain=\"{strange}{cert}\"")),
        (4, String::from("Subject=\"CN=victim\"")),
        (4, String::from("Subject=\"\"")),
        (5, format!("URI={VICTIM}")),
        (5, String::from("URI=")),
        (5, format!("URI={WEB};URI={VICTIM}")),
        (5, format!("URI={WEB} ")),
        (6, String::from("DNS=victim.example")),
        (6, String::from("DNS=web.example;DNS=victim.example")),
    ] {
        let mut pairs = whole.to_vec();
        pairs[at] = other.clone();
        assert!(found(&pairs, WEB).is_some(), "{other}");
        // Without the certificate in the header the names have to agree all the same.
        if at != 2 && at != 3 {
            pairs.drain(2..4);
            assert!(found(&pairs, WEB).is_some(), "{other}, without the certificate");
        }
    }
    assert_eq!(found(&whole, VICTIM), Some(Reason::XfccInconsistent), "the principal");
    let mut swapped = whole.to_vec();
    swapped.swap(4, 5);
    assert_eq!(found(&swapped, WEB), Some(Reason::XfccMalformed));
    let gone = Shown { certificate: Some(leaf.encoded()), ..at(ME, format!("URI={WEB}"), WEB) };
    assert_eq!(gone.reason(&trust), Reason::XfccUntrustedHop, "`By` is gone");
}

/// P95: the same from JSON, in which an element ends where its object ends.
#[test]
fn json_is_walked_as_text_is() {
    let (ca, trust) = prod();
    let web = ca.workload(WEB);
    let pem = web.encoded();
    let pem = percent_encoding::percent_decode_str(&pem).decode_utf8().unwrap().into_owned();
    let hash = Fingerprint::of(&web.der).to_hex();
    let element = |by: &str, uri: &str| serde_json::json!({ "by": [by], "hash": HASH, "uri": [uri], "dns": ["a.example"] });
    let shown =
        |elements: serde_json::Value, principal: &str| at(ME, elements.to_string(), principal);
    let peer = shown(serde_json::json!([element(ME, WEB)]), WEB).peer(&trust);
    assert_eq!((peer.level(), &*peer.dns), (EvidenceLevel::Hash, &[][..]));
    let whole = serde_json::json!([{ "by": [ME], "hash": hash, "cert": pem, "chain": [pem], "uri": [WEB] }]);
    assert_eq!(shown(whole.clone(), WEB).peer(&trust).level(), EvidenceLevel::Full);
    let both = Shown { certificate: Some(web.encoded()), ..shown(whole, WEB) };
    assert_eq!(both.peer(&trust).source(), PeerSource::SourceCertificate);
    // Names end where they seem to, so that a forwarder may write them without the certificate, and elements too.
    let behind = serde_json::json!([element(ME, VICTIM), element(GATE, WEB), element(ME, GATE)]);
    assert_eq!(shown(behind, GATE).peer(&trust).spiffe.as_ref().unwrap().as_str(), WEB);
    let foreign = serde_json::json!([element(WEB, WEB), element(ME, GATE)]);
    assert_eq!(shown(foreign, GATE).reason(&trust), Reason::XfccUntrustedHop);
    let unsigned = serde_json::json!([{ "hash": HASH, "uri": [WEB] }]);
    assert_eq!(shown(unsigned, WEB).reason(&trust), Reason::XfccUntrustedHop);
}
