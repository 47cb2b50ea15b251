//! Which element of XFCC is trusted.

use super::*;
use crate::authn::{Credential, PeerSource};
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, leaf_params, name, store, url_encoded};
use rcgen::{DistinguishedName, DnType};

const ME: &str = "spiffe://prod.example/ns/orders/sa/orders";
const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const VICTIM: &str = "spiffe://prod.example/ns/admin/sa/root";
const INGRESS: &str = "spiffe://prod.example/ns/istio-system/sa/ingress";
const EGRESS: &str = "spiffe://prod.example/ns/istio-system/sa/egress";
const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

const SPEC: &str =
    "spiffe: prod.example, forwarders: ['spiffe://prod.example/ns/istio-system/sa/*']";

/// An element as a sidecar writes it.
fn sidecar(by: &str, uri: &str) -> String {
    format!("By={by};Hash={HASH};Subject=\"\";URI={uri}")
}

/// The same with the certificate, as gateways write it.
fn certified(by: &str, leaf: &Leaf, uri: &str) -> String {
    let hash = Fingerprint::of(&leaf.der).to_hex();
    format!("By={by};Hash={hash};Cert=\"{}\";Subject=\"\";URI={uri}", leaf.encoded())
}

fn prod() -> (Ca, TrustStore) {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPEC)]);
    (ca, trust)
}

#[test]
fn a_sidecar_gives_a_hash_and_a_waypoint_a_name() {
    let (_, trust) = prod();
    let peer = Shown::xfcc(sidecar(ME, WEB), WEB).peer(&trust);
    assert_eq!((peer.level(), peer.source()), (EvidenceLevel::Hash, PeerSource::Xfcc));
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    assert_eq!(peer.certificate.as_ref().unwrap().to_hex(), HASH);
    assert_eq!(&peer.trust_domain, "prod");
    assert_eq!((peer.spki.as_ref(), peer.subject.as_deref(), peer.not_after), (None, None, None));
    let waypoint = Shown {
        without_tls: true,
        principal: None,
        ..Shown::xfcc(format!("By={ME};URI={WEB}"), "")
    };
    assert_eq!(waypoint.peer(&trust).level(), EvidenceLevel::Asserted);
}

/// P30: a forged first element is never the caller, with whatever certificate it comes.
#[test]
fn the_caller_is_the_nearest_element_that_is_no_forwarder() {
    let (ca, trust) = prod();
    let victim = ca.workload(VICTIM);
    let forged = format!(
        "By={EGRESS};Hash={};Cert=\"{}\";URI={VICTIM}",
        Fingerprint::of(&victim.der).to_hex(),
        victim.encoded()
    );
    let genuine = sidecar(ME, WEB);
    let at_me = |xfcc: String, principal: &str| Shown {
        destination: Some(ME.into()),
        ..Shown::xfcc(xfcc, principal)
    };
    let peer = at_me(format!("{forged},{genuine}"), WEB).peer(&trust);
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    let behind = certified(INGRESS, &ca.workload(WEB), WEB);
    let through = format!("{forged},{behind},{}", sidecar(ME, INGRESS));
    let peer = at_me(through, INGRESS).peer(&trust);
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    assert_eq!(peer.forwarders()[0].as_str(), INGRESS);
}

/// P31: what stands left of the caller has no part in its identity. DNS names are none without a certificate (P91).
#[test]
fn nothing_outside_the_walk_is_in_the_identity() {
    let (_, trust) = prod();
    let far = format!("URI={VICTIM};DNS=victim.example");
    let near = format!("By={ME};URI={WEB};DNS=web.example");
    let shown = Shown { destination: Some(ME.into()), ..Shown::xfcc(format!("{far},{near}"), WEB) };
    let peer = shown.peer(&trust);
    assert_eq!((&*peer.uris, &*peer.dns), (&[WEB.to_owned()][..], &[][..]));
}

/// P30, P47: without a TLS peer the whole header is the caller's own writing.
#[test]
fn a_header_over_a_connection_without_a_tls_peer_names_no_peer() {
    let (ca, trust) = prod();
    let victim = ca.workload(VICTIM);
    for xfcc in [sidecar(ME, VICTIM), format!("Cert=\"{}\"", victim.encoded())] {
        let shown = Shown { principal: None, ..Shown::xfcc(xfcc, "") };
        assert_eq!(shown.reason(&trust), Reason::XfccUntrustedHop);
    }
}

/// P30: a proxy that forwards without appending passes on what its client wrote.
#[test]
fn the_nearest_element_is_that_of_the_tls_peer_or_was_passed_on_by_a_forwarder() {
    let (ca, trust) = prod();
    let victim = ca.workload(VICTIM);
    let certificate = format!("Cert=\"{}\"", victim.encoded());
    for xfcc in [sidecar(ME, VICTIM), certificate.clone()] {
        assert_eq!(Shown::xfcc(&xfcc, WEB).reason(&trust), Reason::XfccUntrustedHop, "{xfcc}");
        assert_eq!(Shown::xfcc(&xfcc, "CN=web").reason(&trust), Reason::XfccUntrustedHop);
    }
    // P92: a principal is no proof that the TLS peer is the forwarder; its certificate is.
    assert_eq!(Shown::xfcc(&certificate, INGRESS).reason(&trust), Reason::XfccUntrustedHop);
    let ingress = Some(ca.workload(INGRESS).encoded());
    let passed_on = Shown { certificate: ingress, ..Shown::xfcc(certificate, INGRESS) };
    assert_eq!(passed_on.peer(&trust).spiffe.as_ref().unwrap().as_str(), VICTIM);
}

/// P30: of a certificate with a subject alone, the proxy tells the subject. Another one's element is not the TLS peer's.
#[test]
fn a_peer_that_has_a_subject_alone_cannot_show_another_ones_certificate() {
    let ca = Ca::root("root");
    let trust = store(&[("plain", &ca, "")]);
    let named = |name: DistinguishedName| {
        let mut params = leaf_params(&[]);
        params.distinguished_name = name;
        format!("Cert=\"{}\"", ca.sign(&params).encoded())
    };
    let victim = named(name("victim, \"1\""));
    assert_eq!(Shown::xfcc(&victim, "CN=attacker").reason(&trust), Reason::XfccUntrustedHop);
    assert_eq!(Shown::xfcc(&victim, "victim").reason(&trust), Reason::XfccUntrustedHop);
    let peer = Shown::xfcc(&victim, r#"CN=victim\, \"1\""#).peer(&trust);
    assert_eq!(peer.subject.as_deref(), Some(r#"CN=victim\, \"1\""#));
    // A kind of attribute whose text depends on the proxy's TLS library.
    let mut odd = name("odd");
    odd.push(DnType::CustomDnType(vec![2, 5, 4, 9]), "street");
    let odd = named(odd);
    assert_eq!(Shown::xfcc(&odd, "street=street,CN=odd").reason(&trust), Reason::XfccUntrustedHop);
}

#[test]
fn several_forwarders_are_walked_past_and_forwarders_alone_are_no_caller() {
    let (ca, trust) = prod();
    let (web, egress) = (ca.workload(WEB), ca.workload(EGRESS));
    let behind = [certified(EGRESS, &web, WEB), certified(INGRESS, &egress, EGRESS)].join(",");
    let xfcc = format!("{behind},{}", sidecar(ME, INGRESS));
    let peer = Shown::xfcc(xfcc, INGRESS).peer(&trust);
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    let forwarders: Vec<_> = peer.forwarders().iter().map(SpiffeId::as_str).collect();
    assert_eq!(forwarders, [INGRESS, EGRESS]);
    let alone = Shown::xfcc(sidecar(ME, INGRESS), INGRESS);
    assert!(matches!(alone.verify_at(&trust, NOW), Credential::Absent));
}

/// P35: an element that was written for another workload is not trusted.
#[test]
fn by_must_be_the_proxy_that_asks() {
    let (_, trust) = prod();
    let other = "spiffe://prod.example/ns/other/sa/other";
    let at = |xfcc: &str, principal: &str| {
        let shown = Shown { destination: Some(ME.into()), ..Shown::xfcc(xfcc, principal) };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    let hop = Some(Reason::XfccUntrustedHop);
    assert_eq!(at(&sidecar(ME, WEB), WEB), None);
    assert_eq!(at(&format!("By={other};{}", sidecar(ME, WEB)), WEB), None);
    assert_eq!(at(&format!("URI={WEB}"), WEB), hop, "a proxy with a URI name writes `By`");
    assert_eq!(at(&sidecar(other, WEB), WEB), hop);
    assert_eq!(at(&sidecar(INGRESS, WEB), WEB), hop);
    assert_eq!(at(&sidecar(INGRESS, WEB), INGRESS), hop, "our proxy writes the last element");
    assert_eq!(at(&sidecar(other, WEB), INGRESS), hop);
}

/// P35: where the proxy does not tell its name, the configured ones count.
#[test]
fn by_may_be_a_configured_name_of_the_proxy() {
    let (_, trust) = prod();
    let other = "spiffe://prod.example/ns/other/sa/other";
    let at = |by: &str, destination: Option<&str>| {
        let shown = Shown {
            destination: destination.map(Into::into),
            ..Shown::xfcc(sidecar(by, WEB), WEB)
        };
        let shown = Shown { identities: vec![ME.into()], ..shown };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    assert_eq!(at(ME, None), None);
    assert_eq!(at(other, None), Some(Reason::XfccUntrustedHop));
    assert_eq!(at(other, Some(other)), None);
    assert_eq!(at(ME, Some(other)), None);
}

/// P34: everything that an element says beside the certificate must be in it.
#[test]
fn parts_of_an_element_that_contradict_the_certificate_are_refused() {
    let (ca, trust) = prod();
    let mut params = leaf_params(&[WEB]);
    params.distinguished_name = name("wéb \"1\"");
    params.subject_alt_names.push(rcgen::SanType::DnsName("Web.example".try_into().unwrap()));
    let leaf = ca.sign(&params);
    let (cert, hash) = (leaf.encoded(), Fingerprint::of(&leaf.der).to_hex());
    let subject = r#"CN=w\C3\A9b \"1\""#;
    let reason = |before: &str, after: &str| {
        let xfcc = format!("{before}Cert=\"{cert}\"{after}");
        Shown::xfcc(xfcc, WEB).verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    let all = format!(";Subject=\"{subject}\";URI={WEB};DNS=Web.example");
    assert_eq!(reason(&format!("Hash={hash};"), &all), None);
    for (before, after) in [
        (format!("Hash={HASH};"), String::new()),
        (String::new(), format!(";URI={VICTIM}")),
        (String::new(), format!(";URI={WEB};URI={VICTIM}")),
        (String::new(), String::from(";URI=")),
        (String::new(), String::from(";DNS=victim.example")),
        (String::new(), String::from(";DNS=web.example;DNS=victim.example")),
        (String::new(), String::from(";Subject=\"CN=victim\"")),
        (String::new(), String::from(";Subject=\"\"")),
        (String::new(), format!(";Chain=\"{}\"", ca.workload(WEB).encoded())),
    ] {
        assert_eq!(reason(&before, &after), Some(Reason::XfccInconsistent), "{before} {after}");
    }
}

/// P83: a URI name that spells a second element never yields the forged identity, at any level of evidence.
#[test]
fn a_name_that_spells_an_element_is_not_trusted() {
    let (ca, trust) = prod();
    let victim = ca.workload(VICTIM);
    let spelled = format!("spiffe://prod.example/x,By={ME};Hash={HASH};Subject=\"\";URI={VICTIM}");
    let hostile = ca.sign(&leaf_params(&[&spelled]));
    // The element that Envoy would write, and its name for the TLS peer.
    let with_hash = sidecar(ME, &spelled);
    let (cert, stolen) = (hostile.encoded(), victim.encoded());
    let spelled_cert = format!("spiffe://prod.example/x,Cert=\"{stolen}\";URI={VICTIM}");
    for shown in [
        Shown::xfcc(with_hash, &spelled),
        Shown::xfcc(format!("Cert=\"{cert}\";URI={spelled}"), &spelled),
        Shown::xfcc(format!("Hash={HASH};URI={spelled_cert}"), &spelled_cert),
        Shown { certificate: Some(cert), ..Shown::xfcc(sidecar(ME, &spelled), &spelled) },
    ] {
        let found = shown.verify_at(&trust, NOW);
        assert!(found.rejection().is_some(), "{found:?}");
    }
}

/// P83: where the principal does not tell, the writer does: no proxy writes of one caller twice.
#[test]
fn a_name_that_spells_an_element_leaves_two_by_one_proxy() {
    let (_, trust) = prod();
    let other_hash = HASH.replace('4', "5");
    let at = |xfcc: &str, principal: &str| {
        let shown = Shown { destination: Some(ME.into()), ..Shown::xfcc(xfcc, principal) };
        shown.verify_at(&trust, NOW).rejection().map(Rejection::reason)
    };
    // A DNS name of the caller spells its own element again, with the hash that a stolen token is bound to.
    for (by, reason) in
        [(format!("By={ME};"), Reason::XfccInconsistent), (String::new(), Reason::XfccUntrustedHop)]
    {
        let spelled = format!("{};DNS=x,{by}Hash={other_hash};URI={WEB}", sidecar(ME, WEB));
        assert_eq!(at(&spelled, WEB), Some(reason));
    }
    // A name of the caller spells a victim's element at a gateway, whose principal is the gateway.
    for (by, reason) in [
        (format!("By={INGRESS};"), Reason::XfccInconsistent),
        (String::new(), Reason::XfccInconsistent),
    ] {
        let caller = sidecar(INGRESS, "spiffe://prod.example/ns/evil/sa/x");
        let spelled = format!("{caller},{by}Hash={HASH};URI={VICTIM},{}", sidecar(ME, INGRESS));
        assert_eq!(at(&spelled, INGRESS), Some(reason));
    }
    // The caller may have written the first of these itself. Another replica of it through another proxy is no contradiction.
    assert_eq!(at(&format!("{0},{0}", sidecar(ME, WEB)), WEB), Some(Reason::XfccInconsistent));
    let elsewhere = sidecar(EGRESS, WEB).replace(HASH, &other_hash);
    assert_eq!(at(&format!("{elsewhere},{}", sidecar(ME, WEB)), WEB), None);
}

/// P84: a quote that the caller leaves open swallows the element that Envoy appends; the whole header is refused.
#[test]
fn an_open_quote_leaves_no_peer() {
    let (_, trust) = prod();
    let xfcc = format!("Subject=\"x,{}", sidecar(ME, WEB));
    assert_eq!(Shown::xfcc(xfcc, WEB).reason(&trust), Reason::XfccMalformed);
}

/// P46: a principal is text. Alone it is no identity, and a subject that spells a SPIFFE ID is no SPIFFE ID.
#[test]
fn a_principal_is_not_an_identity() {
    let (ca, trust) = prod();
    let alone = Shown { principal: Some(VICTIM.into()), ..Shown::default() };
    assert!(matches!(alone.verify_at(&trust, NOW), Credential::Absent));
    let mut params = leaf_params(&[]);
    params.distinguished_name = name(VICTIM);
    let xfcc = format!("Cert=\"{}\"", ca.sign(&params).encoded());
    assert_eq!(Shown::xfcc(xfcc, VICTIM).reason(&trust), Reason::TrustDomainUnknown);
}

#[test]
fn a_name_without_a_certificate_must_be_a_spiffe_id_of_a_known_domain() {
    let (_, trust) = prod();
    for (xfcc, reason) in [
        (format!("Hash={HASH}"), Reason::EvidenceInsufficient),
        (format!("Hash={HASH};Subject=\"CN=a\";DNS=a.example"), Reason::EvidenceInsufficient),
        ("URI=https://a.example/".into(), Reason::EvidenceInsufficient),
        ("URI=spiffe://other.example/a".into(), Reason::TrustDomainUnknown),
        (format!("URI={WEB};URI={VICTIM}"), Reason::SpiffeInvalid),
        ("URI=spiffe://prod.example/a/../b".into(), Reason::SpiffeInvalid),
        ("URI=spiffe://prod.example".into(), Reason::SpiffeInvalid),
        (format!("URI=\"{WEB},x\""), Reason::XfccMalformed),
        (format!("URI={WEB};DNS=\"a,b\""), Reason::XfccMalformed),
    ] {
        assert_eq!(Shown::xfcc(&xfcc, WEB).reason(&trust), reason, "{xfcc}");
    }
}

#[test]
fn pins_need_the_hash_or_the_certificate() {
    let ca = Ca::root("root");
    let pinned = |pin: &str| store(&[("prod", &ca, &format!("{SPEC}, leaf: {{ pins: [{pin}] }}"))]);
    let by_hash = pinned(&format!("{{ certificate: '{HASH}' }}"));
    let by_key = pinned(&format!("{{ spki: '{HASH}' }}"));
    let hash = Shown::xfcc(sidecar(ME, WEB), WEB);
    assert_eq!(hash.peer(&by_hash).level(), EvidenceLevel::Hash);
    assert_eq!(hash.reason(&by_key), Reason::EvidenceInsufficient);
    let named = Shown::xfcc(format!("URI={WEB}"), WEB);
    assert_eq!(named.reason(&by_hash), Reason::EvidenceInsufficient);
}

/// The certificate that Envoy saw wins over the header, which must agree with it (P93); where it is a forwarder's, the walk
/// goes on in the header.
#[test]
fn the_source_certificate_wins_over_the_header() {
    let (ca, trust) = prod();
    let (web, ingress) = (ca.workload(WEB), ca.workload(INGRESS));
    let behind = certified(INGRESS, &web, WEB);
    let shown = |leaf: &Leaf, xfcc: String| Shown {
        certificate: Some(leaf.encoded()),
        ..Shown::xfcc(xfcc, "")
    };
    let account = |leaf: &Leaf, id: &str| {
        format!("By={ME};Hash={};URI={id}", Fingerprint::of(&leaf.der).to_hex())
    };
    assert_eq!(shown(&web, sidecar(ME, VICTIM)).reason(&trust), Reason::XfccInconsistent);
    let peer = shown(&web, account(&web, WEB)).peer(&trust);
    assert_eq!((peer.spiffe.as_ref().unwrap().as_str(), peer.level()), (WEB, EvidenceLevel::Leaf));
    assert_eq!(peer.source(), PeerSource::SourceCertificate);
    let own = format!("Hash={}", Fingerprint::of(&ingress.der).to_hex());
    for xfcc in [
        format!("{},{own}", behind),
        format!("{},{}", behind, account(&ingress, INGRESS)),
        behind.clone(),
    ] {
        let peer = shown(&ingress, xfcc).peer(&trust);
        assert_eq!(
            (peer.spiffe.as_ref().unwrap().as_str(), peer.level()),
            (WEB, EvidenceLevel::Leaf)
        );
        assert_eq!(peer.forwarders().iter().map(SpiffeId::as_str).collect::<Vec<_>>(), [INGRESS]);
    }
    let wrong = format!("{},{}", behind, sidecar(ME, INGRESS));
    assert_eq!(shown(&ingress, wrong).reason(&trust), Reason::XfccInconsistent);
    assert!(matches!(shown(&ingress, own).verify_at(&trust, NOW), Credential::Absent));
    // A forwarder that shows no caller is none itself, whether by a header or without one.
    let alone = Shown::certificate(&ingress);
    assert!(matches!(alone.verify_at(&trust, NOW), Credential::Absent));
}

/// P42: a forwarder is matched whole; a workload whose name only begins or ends like one is the caller.
#[test]
fn a_forwarder_is_matched_whole() {
    let (_, trust) = prod();
    for near in [format!("{INGRESS}/x"), INGRESS.replace("istio-system", "istio-systemx")] {
        let xfcc = format!("{},{}", sidecar(INGRESS, VICTIM), sidecar(ME, &near));
        let shown = Shown { destination: Some(ME.into()), ..Shown::xfcc(xfcc, &near) };
        assert_eq!(shown.peer(&trust).spiffe.as_ref().unwrap().as_str(), near);
    }
}

/// A forwarder's certificate is verified like any other before the walk goes past it.
#[test]
fn a_forwarder_that_does_not_verify_is_not_walked_past() {
    let (_, trust) = prod();
    let ingress = Ca::root("root").workload(INGRESS);
    let chain = url_encoded(&[&ingress.der]);
    let xfcc = format!("{},Chain=\"{chain}\"", sidecar(INGRESS, WEB));
    assert_eq!(Shown::xfcc(xfcc, INGRESS).reason(&trust), Reason::ChainUntrusted);
}

/// A byte sequence of a structured field.
fn field(leaf: &Leaf) -> String {
    use base64::Engine as _;
    format!(":{}:", base64::engine::general_purpose::STANDARD.encode(&leaf.der))
}

/// RFC 9440: `client-cert` is a forwarder's word, and comes after everything that is nearer.
#[test]
fn client_cert_is_trusted_from_a_forwarder_only() {
    let (ca, trust) = prod();
    let (web, ingress) = (ca.workload(WEB), ca.workload(INGRESS));
    let base = Shown { client_cert: Some(field(&web)), ..Shown::default() };
    let from = |principal: &str| Shown { principal: Some(principal.into()), ..base.clone() };
    // P92: a DNS name can spell the forwarder's ID, which then is the principal.
    assert_eq!(from(INGRESS).reason(&trust), Reason::XfccUntrustedHop);
    assert_eq!(from(VICTIM).reason(&trust), Reason::XfccUntrustedHop);
    assert_eq!(base.reason(&trust), Reason::XfccUntrustedHop);
    let plain = Shown { without_tls: true, ..base.clone() };
    assert_eq!(plain.peer(&trust).spiffe.as_ref().unwrap().as_str(), WEB);
    let direct = Shown { certificate: Some(ingress.encoded()), ..base.clone() };
    let peer = direct.peer(&trust);
    assert_eq!((peer.spiffe.as_ref().unwrap().as_str(), peer.level()), (WEB, EvidenceLevel::Leaf));
    assert_eq!(peer.source(), PeerSource::ClientCert);
    let nearer = Shown { certificate: Some(ca.workload(VICTIM).encoded()), ..base.clone() };
    assert_eq!(nearer.peer(&trust).spiffe.as_ref().unwrap().as_str(), VICTIM);
    let walked = Shown { xfcc: Some(sidecar(ME, INGRESS)), ..from(INGRESS) };
    let peer = walked.peer(&trust);
    assert_eq!((peer.source(), peer.forwarders().len()), (PeerSource::ClientCert, 1));
    let overtaken = Shown { xfcc: Some(sidecar(ME, VICTIM)), ..from(VICTIM) };
    assert_eq!(overtaken.peer(&trust).spiffe.as_ref().unwrap().as_str(), VICTIM);
}

/// P170: a forwarder is never the caller, whichever source shows it.
#[test]
fn a_forwarder_in_client_cert_is_not_the_caller() {
    let (ca, trust) = prod();
    let ingress = ca.workload(INGRESS);
    let base = Shown { client_cert: Some(field(&ingress)), ..Shown::default() };
    let direct = Shown { certificate: Some(ingress.encoded()), ..base.clone() };
    let walked =
        Shown { xfcc: Some(sidecar(ME, INGRESS)), principal: Some(INGRESS.into()), ..base.clone() };
    let plain = Shown { without_tls: true, ..base };
    for shown in [direct, walked, plain] {
        assert!(matches!(shown.verify_at(&trust, NOW), Credential::Absent));
    }
}

/// P171: behind a forwarder, XFCC and `client-cert` are both its word, or one of them is its client's.
#[test]
fn client_cert_and_xfcc_behind_a_forwarder_name_one_caller() {
    let (ca, trust) = prod();
    let (web, victim, ingress) = (ca.workload(WEB), ca.workload(VICTIM), ca.workload(INGRESS));
    let shown = |forged: &Leaf, own: &Leaf| Shown {
        certificate: Some(ingress.encoded()),
        xfcc: Some(format!("Cert=\"{}\"", forged.encoded())),
        client_cert: Some(field(own)),
        ..Shown::default()
    };
    assert_eq!(shown(&victim, &web).reason(&trust), Reason::XfccInconsistent);
    let renewed = ca.workload(WEB);
    assert_eq!(shown(&renewed, &web).reason(&trust), Reason::XfccInconsistent);
    assert_eq!(shown(&web, &web).peer(&trust).spiffe.as_ref().unwrap().as_str(), WEB);
    // A nearer proxy may have written of the forwarder before it.
    assert_eq!(shown(&web, &ingress).peer(&trust).spiffe.as_ref().unwrap().as_str(), WEB);
    let other = Ca::root("other").workload(WEB);
    assert_eq!(shown(&web, &other).reason(&trust), Reason::ChainUntrusted);
}

/// P46: where the principal may be an identity, it is one only as a SPIFFE ID, and the weakest there is.
#[test]
fn a_principal_that_is_trusted_is_a_name_and_no_more() {
    let (ca, trust) = prod();
    let named = |principal: &str| Shown {
        principal: Some(principal.into()),
        principal_trusted: true,
        ..Shown::default()
    };
    let peer = named(WEB).peer(&trust);
    assert_eq!((peer.level(), peer.source()), (EvidenceLevel::Asserted, PeerSource::Principal));
    assert_eq!(peer.certificate.as_ref(), None);
    assert!(matches!(named(INGRESS).verify_at(&trust, NOW), Credential::Absent), "a forwarder");
    let by_default = Shown { least: Some(EvidenceLevel::Leaf), ..named(WEB) };
    assert_eq!(by_default.reason(&trust), Reason::EvidenceInsufficient);
    for (principal, reason) in [
        ("web.prod.example", Reason::EvidenceInsufficient),
        ("CN=spiffe://prod.example/ns/web/sa/frontend", Reason::EvidenceInsufficient),
        ("spiffe://prod.example/a,URI=spiffe://prod.example/b", Reason::SpiffeInvalid),
        ("spiffe://other.example/a", Reason::TrustDomainUnknown),
    ] {
        assert_eq!(named(principal).reason(&trust), reason, "{principal}");
    }
    let better = Shown { certificate: Some(ca.workload(WEB).encoded()), ..named(WEB) };
    assert_eq!(better.peer(&trust).level(), EvidenceLevel::Leaf);
}

/// `source.certificate` comes without its chain; the chain in the nearest element counts if it is of that very leaf.
#[test]
fn the_source_certificate_is_completed_by_the_chain_of_the_same_leaf() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, SPEC)]);
    let middle = root.intermediate(crate::trust::tests::pki::ca_params("middle"));
    let (web, other) = (middle.workload(WEB), middle.workload(WEB));
    let shown = |xfcc: String| Shown { certificate: Some(web.encoded()), ..Shown::xfcc(xfcc, WEB) };
    let chain = |leaf: &Leaf| format!("Chain=\"{}\"", url_encoded(&[&leaf.der, &middle.der]));
    let peer = shown(chain(&web)).peer(&trust);
    assert_eq!((peer.level(), peer.source()), (EvidenceLevel::Full, PeerSource::SourceCertificate));
    assert_eq!(shown(chain(&other)).reason(&trust), Reason::ChainUntrusted);
    assert_eq!(shown(format!("{},URI={WEB}", chain(&web))).reason(&trust), Reason::ChainUntrusted);
}
