//! Certificates against trust domains.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rcgen::{DnType, GeneralSubtree, NameConstraints, date_time_ymd};

use super::*;
use crate::authn::{Credential, PeerSource};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::trust::tests::pki::{Ca, DAY, ca_params, leaf_params, name, store, url_encoded};

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const SPIFFE: &str = "spiffe: prod.example";

fn at_seconds(seconds: i64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

#[test]
fn the_certificate_of_a_workload_gives_its_identity() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE)]);
    let mut params = leaf_params(&[WEB]);
    params.distinguished_name = name("web, \"front\"");
    params.distinguished_name.push(DnType::OrganizationName, "Ünit");
    params.subject_alt_names.push(SanType::DnsName("Web.Example".try_into().unwrap()));
    params.subject_alt_names.push(SanType::Rfc822Name("web@prod.example".try_into().unwrap()));
    params.subject_alt_names.push(SanType::IpAddress("2001:db8:0::7".parse().unwrap()));
    let leaf = ca.sign(&params);
    let peer = Shown::certificate(&leaf).peer(&trust);
    assert_eq!(&peer.trust_domain, "prod");
    assert_eq!((peer.level(), peer.source()), (EvidenceLevel::Leaf, PeerSource::SourceCertificate));
    assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
    assert_eq!(peer.uris, [WEB]);
    assert_eq!(peer.dns, ["web.example"]);
    assert_eq!(peer.emails, ["web@prod.example"]);
    assert_eq!(peer.ips, ["2001:db8::7"]);
    assert_eq!(peer.subject.as_deref(), Some("O=Ünit,CN=web\\, \\\"front\\\""));
    assert_eq!(peer.issuer.as_deref(), Some("CN=root"));
    assert_eq!(peer.serial.as_deref(), Some("c0ffee"));
    assert_eq!(peer.certificate.as_ref(), Some(&Fingerprint::of(&leaf.der)));
    assert!(peer.spki.as_ref().is_some());
    assert_eq!(peer.not_after, Some(at_seconds(NOW.as_secs() + DAY)));
    assert!(peer.forwarders().is_empty());
}

#[test]
fn without_any_evidence_there_is_no_peer() {
    let trust = store(&[("prod", &Ca::root("root"), SPIFFE)]);
    assert!(matches!(Shown::default().verify_at(&trust, NOW), Credential::Absent));
    let named = Shown { principal: Some(WEB.into()), ..Shown::default() };
    assert!(matches!(named.verify_at(&trust, NOW), Credential::Absent));
}

/// P45: the trust domain selects the authorities; another domain's authority is worth nothing.
#[test]
fn the_authorities_are_those_of_the_trust_domain_in_the_spiffe_id() {
    let (prod, lab, plain) = (Ca::root("prod"), Ca::root("lab"), Ca::root("plain"));
    let trust = store(&[
        ("prod", &prod, SPIFFE),
        ("lab", &lab, "spiffe: lab.example"),
        ("plain", &plain, ""),
    ]);
    let reason = |ca: &Ca, uri: &str| Shown::certificate(&ca.workload(uri)).reason(&trust);
    assert_eq!(reason(&lab, WEB), Reason::ChainUntrusted);
    assert_eq!(reason(&plain, WEB), Reason::ChainUntrusted);
    assert_eq!(reason(&Ca::root("prod"), WEB), Reason::ChainUntrusted);
    assert_eq!(reason(&prod, "spiffe://other.example/x"), Reason::TrustDomainUnknown);
    assert_eq!(reason(&prod, "https://prod.example/x"), Reason::ChainUntrusted);
    let uri = Shown::certificate(&plain.workload("https://prod.example/x")).peer(&trust);
    assert_eq!((&*uri.trust_domain, uri.spiffe.as_ref()), ("plain", None));
    let only_spiffe = store(&[("prod", &prod, SPIFFE)]);
    let found = Shown::certificate(&prod.workload("urn:a:b")).reason(&only_spiffe);
    assert_eq!(found, Reason::TrustDomainUnknown);
}

/// P45, P38: what is wrong with the names is refused with its own reason.
#[test]
fn malformed_names_are_refused() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE), ("plain", &ca, "")]);
    for (uris, reason) in [
        (&["spiffe://prod.example/a", "spiffe://prod.example/b"][..], Reason::SpiffeInvalid),
        (&["https://prod.example/a", "spiffe://prod.example/b"], Reason::SpiffeInvalid),
        (&["spiffe://prod.example"], Reason::SpiffeInvalid),
        (&["spiffe://PROD.example/a"], Reason::SpiffeInvalid),
        (&["SPIFFE://prod.example/a"], Reason::SpiffeInvalid),
        (&["spiffe://prod.example/a/../b"], Reason::SpiffeInvalid),
        (&["spiffe://prod.example/a,URI=spiffe://prod.example/b"], Reason::SpiffeInvalid),
        (&["spiffe://prod.example/a\0b"], Reason::CertSan),
        (&["spiffe://prod.example/a\nb"], Reason::CertSan),
        (&["no scheme"], Reason::CertSan),
    ] {
        let shown = Shown::certificate(&ca.sign(&leaf_params(uris)));
        assert_eq!(shown.reason(&trust), reason, "{uris:?}");
    }
    for san in [
        SanType::DnsName("good.example\0.evil".try_into().unwrap()),
        SanType::DnsName("bad_\n.example".try_into().unwrap()),
        SanType::Rfc822Name("good@prod.example\0.evil".try_into().unwrap()),
    ] {
        let mut params = leaf_params(&[WEB]);
        params.subject_alt_names.push(san.clone());
        let shown = Shown::certificate(&ca.sign(&params));
        assert_eq!(shown.reason(&trust), Reason::CertSan, "{san:?}");
    }
}

/// P45: an SVID of a workload is no authority, and says so.
#[test]
fn an_svid_that_may_sign_certificates_is_refused() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE)]);
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        let mut params = leaf_params(&[WEB]);
        params.key_usages.push(usage);
        let shown = Shown::certificate(&ca.sign(&params));
        assert_eq!(shown.reason(&trust), Reason::SpiffeInvalid, "{usage:?}");
    }
}

/// P39: client authentication is said explicitly; what else will do is asked for by name.
#[test]
fn the_extended_key_usage_must_say_client_authentication() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let ca = Ca::root("root");
    let strict = store(&[("prod", &ca, SPIFFE)]);
    let absent = "spiffe: prod.example, leaf: { extendedKeyUsage: { allowAbsent: true } }";
    let absent = store(&[("prod", &ca, absent)]);
    let any = "spiffe: prod.example, leaf: { extendedKeyUsage: { allowAny: true } }";
    let any = store(&[("prod", &ca, any)]);
    for (purposes, expected) in [
        (&[ClientAuth][..], [true, true, true]),
        (&[ServerAuth, ClientAuth], [true, true, true]),
        (&[ServerAuth], [false, false, false]),
        (&[], [false, true, false]),
        (&[Any], [false, false, true]),
    ] {
        let mut params = leaf_params(&[WEB]);
        params.extended_key_usages = purposes.to_vec();
        let shown = Shown::certificate(&ca.sign(&params));
        for (trust, accepted) in [&strict, &absent, &any].into_iter().zip(expected) {
            match shown.verify_at(trust, NOW) {
                Credential::Verified(_) => assert!(accepted, "{purposes:?}"),
                Credential::Rejected(why) => {
                    assert!(!accepted && why.reason() == Reason::CertEku, "{purposes:?}: {why}");
                }
                Credential::Absent => panic!("{purposes:?}"),
            }
        }
    }
    let mut params = leaf_params(&[WEB]);
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    assert_eq!(Shown::certificate(&ca.sign(&params)).reason(&strict), Reason::CertEku);
}

/// P36: a CA is never a peer, whether it is the pinned one or another.
#[test]
fn a_ca_is_never_a_peer() {
    let ca = Ca::root("root");
    let trust = store(&[("plain", &ca, "leaf: { extendedKeyUsage: { allowAbsent: true } }")]);
    let mut params = ca_params("intermediate");
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    let intermediate = ca.intermediate(params);
    for der in [&ca.der, &intermediate.der] {
        let shown = Shown::certificate(&Leaf { der: der.clone() });
        assert_eq!(shown.reason(&trust), Reason::CertEku);
    }
    let mut params = leaf_params(&[]);
    params.is_ca = IsCa::ExplicitNoCa;
    assert!(Shown::certificate(&ca.sign(&params)).verify_at(&trust, NOW).verified().is_some());
}

/// P41: validity is checked to the second, at both ends, for every certificate of the path.
#[test]
fn validity_is_checked_for_leaf_intermediate_and_authority() {
    let (noon, day) = (NOW.as_secs(), DAY);
    let root = Ca::root("root");
    let mut params = ca_params("intermediate");
    params.not_after = date_time_ymd(2026, 6, 15);
    let short = root.intermediate(params.clone());
    params = ca_params("short root");
    params.not_after = date_time_ymd(2026, 6, 15);
    let short_root = Ca::self_signed(params);
    let trust = store(&[("prod", &root, SPIFFE), ("lab", &short_root, "spiffe: lab.example")]);
    let direct = Shown::certificate(&root.workload(WEB));
    let leaf = short.workload(WEB);
    let chain = url_encoded(&[&leaf.der, &short.der]);
    let through = Shown::xfcc(format!("Chain=\"{chain}\""), WEB);
    let under = Shown::certificate(&short_root.workload("spiffe://lab.example/a"));
    for (shown, at, expected) in [
        (&direct, noon - day - 1, Some(Reason::CertNotYetValid)),
        (&direct, noon - day, None),
        (&direct, noon + day, None),
        (&direct, noon + day + 1, Some(Reason::CertExpired)),
        (&direct, -1, Some(Reason::CertNotYetValid)),
        (&through, noon, None),
        (&through, noon + 1, Some(Reason::CertExpired)),
        (&under, noon, None),
        (&under, noon + 1, Some(Reason::CertExpired)),
    ] {
        let found = shown.verify_at(&trust, at_seconds(at));
        assert_eq!(found.rejection().map(Rejection::reason), expected, "at {at}: {found:?}");
    }
}

#[test]
fn the_lifetime_is_bounded_and_some_of_it_must_be_left() {
    let ca = Ca::root("root");
    let leaf = Shown::certificate(&ca.workload(WEB));
    let at = |spec: &str, now: i64| {
        let trust = store(&[("prod", &ca, &format!("{SPIFFE}, leaf: {{ {spec} }}"))]);
        leaf.verify_at(&trust, at_seconds(now)).rejection().map(Rejection::reason)
    };
    let (now, end) = (NOW.as_secs(), NOW.as_secs() + DAY);
    assert_eq!(at("maxLifetime: 2d", now), None);
    assert_eq!(at("maxLifetime: 47h", now), Some(Reason::CertLifetime));
    assert_eq!(at("minRemaining: 1h", end - 3600), None);
    assert_eq!(at("minRemaining: 1h", end - 3599), Some(Reason::CertLifetime));
    assert_eq!(at("minRemaining: 1h", end + 1), Some(Reason::CertExpired));
}

#[test]
fn a_pin_of_the_key_or_of_the_certificate_must_match() {
    let ca = Ca::root("root");
    let leaf = ca.workload(WEB);
    let open = store(&[("prod", &ca, SPIFFE)]);
    let spki = Shown::certificate(&leaf).peer(&open).spki.as_ref().unwrap().to_hex();
    let certificate = Fingerprint::of(&leaf.der).to_hex();
    let other = Fingerprint::of(b"other").to_hex();
    for (pins, expected) in [
        (format!("[{{ spki: '{spki}' }}]"), true),
        (format!("[{{ certificate: '{certificate}' }}]"), true),
        (format!("[{{ spki: '{other}' }}, {{ certificate: '{certificate}' }}]"), true),
        (format!("[{{ spki: '{certificate}' }}]"), false),
        (format!("[{{ certificate: '{spki}' }}]"), false),
    ] {
        let trust = store(&[("prod", &ca, &format!("{SPIFFE}, leaf: {{ pins: {pins} }}"))]);
        let found = Shown::certificate(&leaf).verify_at(&trust, NOW);
        assert_eq!(found.verified().is_some(), expected, "{pins}");
        assert!(expected || found.rejection().unwrap().reason() == Reason::CertPin, "{pins}");
    }
}

#[test]
fn keys_of_other_kinds_and_short_rsa_keys_are_refused() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE)]);
    let strict = store(&[("prod", &ca, "spiffe: prod.example, leaf: { minRsaBits: 3072 }")]);
    let params = leaf_params(&[WEB]);
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        assert!(
            Shown::certificate(&ca.sign_key(&params, &key)).peer(&trust).spiffe.as_ref().is_some()
        );
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let rsa = Shown::certificate(&ca.sign_key(&params, &key));
    assert!(rsa.peer(&trust).spiffe.as_ref().is_some());
    assert_eq!(rsa.reason(&strict), Reason::CertKey);
}

/// The public half of an RSA key of 1024 bits; the private half was thrown away.
struct ShortKey;

impl rcgen::PublicKeyData for ShortKey {
    fn der_bytes(&self) -> &[u8] {
        const MODULUS: [u8; 128] = [0xc5; 128];
        static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let head = [0x30, 0x81, 0x89, 2, 0x81, 0x81, 0];
            [&head[..], &MODULUS, &[2, 3, 1, 0, 1]].concat()
        });
        &DER
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// A weak key has its own reason, in every certificate: webpki says of an issuer's only that a signature does not verify.
#[test]
fn a_weak_key_is_named_whether_it_is_the_peers_or_an_issuers() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, SPIFFE)]);
    let weak = |params: &rcgen::CertificateParams| {
        params.signed_by(&ShortKey, &root.issuer).unwrap().der().clone()
    };
    let leaf = Leaf { der: weak(&leaf_params(&[WEB])) };
    assert_eq!(Shown::certificate(&leaf).reason(&trust), Reason::CertKey);
    let middle = weak(&ca_params("middle"));
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let issuer = rcgen::Issuer::new(ca_params("middle"), key);
    let peer = leaf_params(&[WEB]).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let chain = url_encoded(&[peer.der(), &middle]);
    let shown = Shown::xfcc(format!("Chain=\"{chain}\""), WEB);
    let rejection = shown.rejection_at(&trust, NOW);
    assert_eq!(rejection.reason(), Reason::CertKey);
    assert!(rejection.detail().contains("1024 bits"), "{rejection}");
    // The same with a good key of the intermediate's name is a signature that does not verify.
    let other = root.intermediate(ca_params("middle"));
    let chain = url_encoded(&[peer.der(), &other.der]);
    let shown = Shown::xfcc(format!("Chain=\"{chain}\""), WEB);
    assert_eq!(shown.reason(&trust), Reason::ChainUntrusted);
}

/// SHA-1 was good for signatures once.
#[test]
fn a_signature_of_an_old_algorithm_is_named() {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = ca_params("root");
    let der = params.self_signed(&key).unwrap().der().clone();
    let ca = Ca { issuer: rcgen::Issuer::new(params, key), der };
    let trust = store(&[("prod", &ca, SPIFFE)]);
    let mut der = ca.workload(WEB).der.to_vec();
    let sha256_with_rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b];
    for at in 0..der.len() - sha256_with_rsa.len() {
        if der[at..].starts_with(&sha256_with_rsa) {
            der[at + 8] = 5;
        }
    }
    let rejection = Shown::certificate(&Leaf { der: der.into() }).rejection_at(&trust, NOW);
    assert_eq!(rejection.reason(), Reason::CertKey, "{rejection}");
}

/// Intermediates come from the chain that was presented or from configuration.
#[test]
fn a_path_is_found_with_intermediates_of_the_chain_or_of_the_configuration() {
    let root = Ca::root("root");
    let middle = root.intermediate(ca_params("middle"));
    let leaf = middle.workload(WEB);
    let bare = store(&[("prod", &root, SPIFFE)]);
    let inline = middle.pem().replace('\n', "\\n");
    let more = format!("{SPIFFE}, intermediates: [{{ inline: \"{inline}\" }}]");
    let configured = store(&[("prod", &root, &more)]);
    assert_eq!(Shown::certificate(&leaf).reason(&bare), Reason::ChainUntrusted);
    assert!(Shown::certificate(&leaf).peer(&configured).spiffe.as_ref().is_some());
    for chain in [&[&leaf.der, &middle.der][..], &[&leaf.der, &middle.der, &root.der]] {
        let xfcc = format!("Cert=\"{}\";Chain=\"{}\"", leaf.encoded(), url_encoded(chain));
        let peer = Shown::xfcc(xfcc, WEB).peer(&bare);
        assert_eq!((peer.level(), peer.source()), (EvidenceLevel::Full, PeerSource::Xfcc));
    }
    // P36: in the wrong order the first certificate is a CA, and is not taken for the peer.
    let shuffled = url_encoded(&[&middle.der, &leaf.der, &root.der]);
    let shuffled = Shown::xfcc(format!("Chain=\"{shuffled}\""), WEB).reason(&bare);
    assert!(matches!(shuffled, Reason::TrustDomainUnknown | Reason::CertEku), "{shuffled}");
}

#[test]
fn an_issuer_that_may_not_sign_and_one_that_is_no_ca_are_not_trusted() {
    let root = Ca::root("root");
    let trust = store(&[("prod", &root, SPIFFE)]);
    let mut silent = ca_params("may not sign");
    silent.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut leaf = leaf_params(&["spiffe://prod.example/ns/web/sa/victim"]);
    leaf.key_usages.clear();
    let mut server = ca_params("for servers");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for (params, expected) in [
        (silent, Reason::ChainUntrusted),
        (leaf, Reason::ChainUntrusted),
        (server, Reason::CertEku),
    ] {
        let middle = root.intermediate(params);
        let peer = middle.workload(WEB);
        let chain = url_encoded(&[&peer.der, &middle.der]);
        let reason = Shown::xfcc(format!("Chain=\"{chain}\""), WEB).reason(&trust);
        assert_eq!(reason, expected);
    }
}

/// P44: names that an issuer does not permit are refused; constraints that are not understood refuse all names of their
/// kind.
#[test]
fn name_constraints_are_kept() {
    let root = Ca::root("root");
    let trust = store(&[("plain", &root, "")]);
    let constrained = |permitted: GeneralSubtree| {
        let mut params = ca_params("constrained");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![permitted],
            excluded_subtrees: Vec::new(),
        });
        root.intermediate(params)
    };
    let middle = constrained(GeneralSubtree::DnsName("prod.example".into()));
    for (host, permitted) in [("a.prod.example", true), ("a.prod.example.evil", false)] {
        let mut params = leaf_params(&[]);
        params.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
        let leaf = middle.sign(&params);
        let chain = url_encoded(&[&leaf.der, &middle.der]);
        let found = Shown::xfcc(format!("Chain=\"{chain}\""), host).verify_at(&trust, NOW);
        assert_eq!(found.verified().is_some(), permitted, "{host}");
        assert!(permitted || found.rejection().unwrap().reason() == Reason::CertSan);
    }
}

#[test]
fn an_unknown_critical_extension_is_refused() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE)]);
    let mut params = leaf_params(&[WEB]);
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
    assert_eq!(Shown::certificate(&ca.sign(&params)).reason(&trust), Reason::ChainUntrusted);
}

#[test]
fn bytes_that_are_no_certificate_are_refused() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, SPIFFE)]);
    let whole = ca.workload(WEB).der.to_vec();
    let mut tampered = whole.clone();
    *tampered.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], &[0]].concat();
    for (bytes, reason) in [
        (whole[..100].to_vec(), Reason::EncodingInvalid),
        (longer, Reason::EncodingInvalid),
        (vec![0x30, 0x80], Reason::EncodingInvalid),
        (tampered, Reason::ChainUntrusted),
    ] {
        assert_eq!(Shown::certificate(&Leaf { der: bytes.into() }).reason(&trust), reason);
    }
}
