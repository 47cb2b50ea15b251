//! Section 5: who is on the wire: the walk from our own proxy outwards, paths to pinned authorities, revocation lists.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, CrlDistributionPoints, CrlNumber, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName,
};

use crate::documents::{Document, duration_of};
use crate::revocation::{self, Shown};
use crate::rules::{Facts, Match};
use crate::value::Value;
use crate::xfcc::{self, Element};
use crate::{Evidence, Judged, Reason, Request, World, outside, path};

/// 5.1 A peer that was verified.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its SPIFFE ID.
    pub spiffe: Option<String>,
    /// The documents that vouch for it, by name.
    pub domains: Vec<String>,
    /// Documents whose authorities issued its certificate and that do not vouch for it.
    pub in_doubt: Vec<String>,
    /// How much was shown.
    pub evidence: Evidence,
    /// DNS names of its certificate.
    pub dns: Vec<String>,
    /// URIs beside its SPIFFE ID.
    pub uris: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// IP addresses.
    pub ips: Vec<String>,
    /// Its subject, as RFC 4514 text.
    pub subject: Option<String>,
    /// The SHA-256 of its certificate.
    pub sha256: Option<[u8; 32]>,
    /// The certificates of the path that was found, its own first, as far as they are known.
    pub path: Vec<Shown>,
}

impl Peer {
    /// 5.2 The trust domain that conditions and templates know: the one that the rule names, else the only one there is.
    pub fn speaking_domain(&self, m: &Match<'_>, facts: &Facts<'_>) -> Option<String> {
        let wanted = m.rule.get("peer").map(|p| facts.world.documents.whole("peers", p));
        let named = wanted.as_ref().and_then(|w| w.text_of("trustDomain")).map(str::to_owned);
        named.or_else(|| if let [only] = self.domains.as_slice() { Some(only.clone()) } else { None })
    }
}

type Walked = Judged<Option<Result<Peer, Reason>>>;

/// 5.3 Who is on the wire: from the proxy that asks outwards, past forwarders, to the first that is none.
pub fn authenticate(world: &World, request: &Request) -> Walked {
    let sources = &world.sources;
    if sources.client_cert && (!request.lines("client-cert").is_empty() || !request.lines("client-cert-chain").is_empty()) {
        return Err(outside("the headers of RFC 9440"));
    }
    let refuse = |reason: Reason| Ok(Some(Err(reason)));
    let shown = if sources.source_certificate { request.source_certificate.as_str() } else { "" };
    let tls = match shown {
        "" => None,
        // 5.4 A believed source that cannot be read rejects the peer.
        pem => match xfcc::certificates(pem).as_deref() {
            Some([leaf]) => Some(leaf.clone()),
            _ => return refuse("encoding_invalid"),
        },
    };
    let lines = request.lines("x-forwarded-client-cert");
    let mut elements = match lines.as_slice() {
        _ if !sources.xfcc => Vec::new(),
        [] => Vec::new(),
        [line] => match xfcc::read(&String::from_utf8_lossy(line))? {
            Ok(elements) => elements,
            Err(reason) => return refuse(reason),
        },
        _ => return Err(outside("XFCC in several lines")),
    };
    let principal = &request.source_principal;
    if !elements.is_empty() && tls.is_none() && principal.is_empty() && !sources.xfcc_without_tls {
        return refuse("xfcc_untrusted_hop");
    }
    let mut nearest = None;
    if let Some(element) = elements.pop() {
        // 5.5 `By` proves whose element the last one is, or it is the only one.
        let mut own: Vec<&String> = sources.identities.iter().collect();
        own.extend((!request.destination_principal.is_empty()).then_some(&request.destination_principal));
        let mine = |e: &Element| e.by.iter().any(|by| own.contains(&by));
        if own.is_empty() && (!element.by.is_empty() || !elements.is_empty()) {
            return if elements.is_empty() {
                refuse("xfcc_untrusted_hop")
            } else {
                Err(outside("several elements of a proxy without a URI name"))
            };
        }
        if !own.is_empty() && !mine(&element) {
            return refuse("xfcc_untrusted_hop");
        }
        if !own.is_empty() && elements.iter().any(mine) {
            return refuse("xfcc_inconsistent");
        }
        if !principal.is_empty() && element.uri.first().is_some_and(|u| u != principal) {
            return if tls.is_some() { refuse("xfcc_inconsistent") } else { refuse("xfcc_untrusted_hop") };
        }
        if principal.is_empty() && tls.is_none() && element.follows_uri && element.cert.is_none() && element.chain.is_empty() {
            return Err(outside("something behind a URI without a principal"));
        }
        nearest = Some(element);
    }
    let (leaf, chain) = match (&tls, &nearest) {
        (Some(leaf), near) => {
            let chain = near.as_ref().map(|e| e.chain.clone()).unwrap_or_default();
            let beside = match near {
                Some(element) => agrees(element, leaf)?,
                None => true,
            };
            if !beside || !is_named(leaf, principal)? {
                return refuse("xfcc_inconsistent");
            }
            (Some(leaf.clone()), chain)
        }
        (None, Some(element)) => match certificate_of(element)? {
            Ok((Some(leaf), _)) if !is_named(&leaf, principal)? => return refuse("xfcc_untrusted_hop"),
            Ok(found) => found,
            Err(reason) => return refuse(reason),
        },
        (None, None) if sources.principal && !principal.is_empty() => (None, Vec::new()),
        (None, None) => return Ok(None),
    };
    let hash = nearest.as_ref().and_then(|e| e.hash.clone());
    let name = nearest.as_ref().map_or(Some(principal.clone()), |e| e.uri.first().cloned());
    let peer = match identify(world, leaf.as_deref(), &chain, hash.as_deref(), name.as_deref())? {
        Ok(peer) => peer,
        Err(reason) => return refuse(reason),
    };
    if !is_forwarder(world, &peer) {
        return Ok(Some(Ok(peer)));
    }
    // 5.6 A header that the TLS peer passed on counts only where `source.certificate` proves that it is a forwarder.
    if !elements.is_empty() && tls.is_none() {
        return Err(outside("elements behind a forwarder that is a principal alone"));
    }
    let mut behind = peer;
    while let Some(element) = elements.pop() {
        let id = behind.spiffe.clone().unwrap_or_default();
        let its = |e: &Element| e.by.contains(&id);
        // 5.7 Behind a forwarder, of several elements exactly one has its `By`, and none is without.
        let alone = elements.is_empty() && (element.by.is_empty() || its(&element));
        if !alone && (!its(&element) || elements.iter().any(|e| e.by.is_empty())) {
            return refuse("xfcc_untrusted_hop");
        }
        if elements.iter().any(its) {
            return refuse("xfcc_inconsistent");
        }
        let found = match certificate_of(&element)? {
            Ok(found) => found,
            Err(reason) => return refuse(reason),
        };
        let (Some(leaf), chain) = found else { return refuse("evidence_insufficient") };
        match identify(world, Some(&leaf), &chain, None, None)? {
            Err(reason) => return refuse(reason),
            Ok(peer) if is_forwarder(world, &peer) => behind = peer,
            Ok(peer) => return Ok(Some(Ok(peer))),
        }
    }
    // 5.8 A forwarder is never the caller.
    Ok(None)
}

fn is_forwarder(world: &World, peer: &Peer) -> bool {
    let Some(id) = &peer.spiffe else { return false };
    let domains = world.documents.of("TrustDomain").iter().filter(|d| peer.domains.contains(&d.name));
    domains.flat_map(|d| d.spec.texts("forwarders")).any(|pattern| path::spiffe_fits(&pattern, id))
}

/// A certificate, if there is one, and the chain with it.
type Presented = (Option<Vec<u8>>, Vec<Vec<u8>>);

/// 5.9 The certificate of an element and its chain, where everything that the element says beside it is in it.
fn certificate_of(element: &Element) -> Judged<Result<Presented, Reason>> {
    let Some(leaf) = element.cert.as_ref().or(element.chain.first()) else { return Ok(Ok((None, Vec::new()))) };
    let agrees = agrees(element, leaf)?;
    Ok(if agrees { Ok((Some(leaf.clone()), element.chain.clone())) } else { Err("xfcc_inconsistent") })
}

/// Whether `source.principal`, where there is one, is a name of a certificate: a URI, a DNS name or the subject.
fn is_named(leaf: &[u8], principal: &str) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let (names, subject) = (names(&certificate)?, certificate.tbs_certificate().subject().to_string());
    Ok(principal.is_empty() || principal == subject || names.uris.iter().chain(&names.dns).any(|n| n == principal))
}

fn agrees(element: &Element, leaf: &[u8]) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let names = names(&certificate)?;
    let hex: String = Sha256::digest(leaf).iter().map(|b| format!("{b:02x}")).collect();
    let same = element.hash.as_ref().is_none_or(|h| *h == hex)
        && element.cert.as_ref().is_none_or(|c| c == leaf)
        && element.chain.first().is_none_or(|c| c == leaf)
        && element.uri.iter().all(|u| names.uris.contains(u))
        && element.dns.iter().all(|d| d == "-" || names.dns.contains(d));
    if element.subject.as_ref().is_some_and(|s| *s != certificate.tbs_certificate().subject().to_string()) {
        return Err(outside("a subject that is written in another way than RFC 4514 by this library"));
    }
    Ok(same)
}

/// The names of a certificate.
#[derive(Default)]
struct Names {
    dns: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
    ips: Vec<Vec<u8>>,
    others: bool,
}

fn names(certificate: &Certificate) -> Judged<Names> {
    let found: Option<(bool, SubjectAltName)> =
        certificate.tbs_certificate().get_extension().map_err(|_| outside("a subjectAltName that cannot be read, or is there twice"))?;
    let mut names = Names::default();
    for name in found.map(|(_, s)| s.0).unwrap_or_default() {
        match name {
            GeneralName::DnsName(n) => names.dns.push(n.to_string()),
            GeneralName::UniformResourceIdentifier(n) => names.uris.push(n.to_string()),
            GeneralName::Rfc822Name(n) => names.emails.push(n.to_string()),
            GeneralName::IpAddress(n) => names.ips.push(n.as_bytes().to_vec()),
            _ => names.others = true,
        }
    }
    Ok(names)
}

/// 5.11 The strict grammar of a SPIFFE ID: its trust domain, where it has a path.
pub fn spiffe_domain(id: &str) -> Option<&str> {
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    let of_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let of_path = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let segments = path.split('/').all(|s| !s.is_empty() && s != "." && s != ".." && s.bytes().all(of_path));
    (!domain.is_empty() && domain.len() <= 255 && domain.bytes().all(of_domain) && segments && id.len() <= 2048).then_some(domain)
}

/// 5.12 The identity of what was shown: verified at `leaf` and `full`, the proxy's word below.
fn identify(world: &World, leaf: Option<&[u8]>, chain: &[Vec<u8>], hash: Option<&str>, name: Option<&str>) -> Judged<Result<Peer, Reason>> {
    let least = world.sources.least.unwrap_or(Evidence::Leaf);
    let documents = world.documents.of("TrustDomain");
    let Some(leaf) = leaf else {
        let evidence = if hash.is_some() { Evidence::Hash } else { Evidence::Asserted };
        if evidence < least {
            return Ok(Err("evidence_insufficient"));
        }
        let Some((id, domain)) = name.and_then(|n| Some((n, spiffe_domain(n)?))) else {
            return Err(outside("evidence below leaf without a SPIFFE ID"));
        };
        let Some(document) = documents.iter().find(|d| d.spec.text_of("spiffe") == Some(domain)) else {
            return Ok(Err("trust_domain_unknown"));
        };
        // 5.13 A trust domain with pins takes such a peer only where one is the hash that was shown.
        let pins = document.spec.get("leaf").and_then(|l| l.get("pins")).and_then(Value::list);
        let pinned = |p: &Value| p.text_of("certificate").map(revocation::fingerprint).as_deref() == hash && hash.is_some();
        if pins.is_some_and(|pins| !pins.iter().any(pinned)) {
            return Ok(Err("evidence_insufficient"));
        }
        let sha256 = hash.and_then(|h| {
            h.as_bytes().chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok()).collect::<Option<Vec<u8>>>()
        });
        let peer = Peer {
            spiffe: Some(id.to_owned()),
            domains: vec![document.name.clone()],
            in_doubt: Vec::new(),
            evidence,
            dns: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
            ips: Vec::new(),
            subject: None,
            sha256: sha256.and_then(|h| h.try_into().ok()),
            path: vec![Shown { sha256: hash.map(str::to_owned), ..Shown::default() }],
        };
        return Ok(if revocation::peer(world, &peer)? { Err("cert_revoked") } else { Ok(peer) });
    };
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let names = names(&certificate)?;
    let spiffe: Vec<&String> = names.uris.iter().filter(|u| u.to_lowercase().starts_with("spiffe:")).collect();
    let id = spiffe.first().copied().cloned();
    // 5.14 SPIFFE: exactly one URI, the strict grammar, with a path.
    if id.is_some() && (names.uris.len() != 1 || id.as_deref().and_then(spiffe_domain).is_none()) {
        return Ok(Err("spiffe_invalid"));
    }
    let domain = id.as_deref().and_then(spiffe_domain);
    let judges: Vec<&Document> = documents.iter().filter(|d| d.spec.text_of("spiffe") == domain).collect();
    if judges.is_empty() {
        return Ok(Err("trust_domain_unknown"));
    }
    let (mut vouching, mut in_doubt, mut faults) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut found_path = Vec::new();
    for document in judges {
        let paths = paths(world, document, leaf, chain)?;
        let judged: Vec<BTreeSet<Reason>> = paths.iter().map(|p| check(world, document, p, &names)).collect::<Judged<_>>()?;
        match judged.iter().position(BTreeSet::is_empty) {
            Some(at) => {
                vouching.push(document.name.clone());
                if found_path.is_empty() {
                    found_path = paths.get(at).cloned().unwrap_or_default();
                }
            }
            None => {
                let of_domain: BTreeSet<Reason> = judged.iter().flatten().copied().collect();
                // 5.15 Pins say which certificates are of a domain: one that they exclude is not.
                if !paths.is_empty() && !of_domain.contains("cert_pin") {
                    in_doubt.push(document.name.clone());
                }
                faults.extend(of_domain);
                if paths.is_empty() {
                    faults.insert("chain_untrusted");
                    faults.extend(check(world, document, &[leaf.to_vec()], &names)?);
                }
            }
        }
    }
    // 5.16 Revoked is revoked everywhere.
    if faults.contains("cert_revoked") {
        (vouching, faults) = (Vec::new(), BTreeSet::from(["cert_revoked"]));
    }
    if vouching.is_empty() {
        return match faults.iter().collect::<Vec<_>>().as_slice() {
            [only] => Ok(Err(only)),
            several => Err(outside(format!("which of several faults counts: {several:?}"))),
        };
    }
    let shown = |der: &Vec<u8>| {
        let read = Certificate::from_der(der).map_err(|e| outside(format!("a certificate: {e}")))?;
        let tbs = read.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().unwrap_or_default();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        Ok(Shown {
            sha256: Some(hex(&Sha256::digest(der))),
            spki: Some(hex(&Sha256::digest(&spki))),
            serial: Some(hex(tbs.serial_number().as_bytes()).trim_start_matches('0').to_owned()),
            issuer: Some(tbs.issuer().to_string()),
            not_before: i64::try_from(tbs.validity().not_before.to_unix_duration().as_secs()).ok(),
        })
    };
    let ip = |bytes: &Vec<u8>| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes.as_slice()).map(|b| std::net::IpAddr::from(b).to_string()).unwrap_or_default(),
        _ => <[u8; 16]>::try_from(bytes.as_slice()).map(|b| std::net::IpAddr::from(b).to_string()).unwrap_or_default(),
    };
    let peer = Peer {
        uris: names.uris.iter().filter(|u| Some(*u) != id.as_ref()).cloned().collect(),
        spiffe: id,
        domains: vouching,
        in_doubt,
        evidence: if chain.is_empty() { Evidence::Leaf } else { Evidence::Full },
        dns: names.dns.clone(),
        emails: names.emails.clone(),
        ips: names.ips.iter().map(ip).collect(),
        subject: Some(certificate.tbs_certificate().subject().to_string()),
        sha256: Some(Sha256::digest(leaf).into()),
        path: found_path.iter().map(shown).collect::<Judged<_>>()?,
    };
    if peer.evidence < least {
        return Ok(Err("evidence_insufficient"));
    }
    Ok(if revocation::peer(world, &peer)? { Err("cert_revoked") } else { Ok(peer) })
}

fn pem(world: &World, places: &[Value]) -> Judged<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    for place in places {
        let name = place.text_of("file").or(place.get("remote").and_then(|r| r.text_of("url")));
        let bytes = match (place.text_of("inline"), name) {
            (Some(text), _) => text.as_bytes(),
            (_, Some(name)) => world.files.get(name).ok_or_else(|| outside(format!("the file {name}")))?,
            _ => continue,
        };
        let read = Certificate::load_pem_chain(bytes).map_err(|e| outside(format!("authorities that cannot be read: {e}")))?;
        out.extend(read.iter().filter_map(|c| c.to_der().ok()));
    }
    Ok(out)
}

/// 5.17 Every path from a certificate to an authority of a document, by names and signatures, through what was shown or is configured.
fn paths(world: &World, document: &Document, leaf: &[u8], chain: &[Vec<u8>]) -> Judged<Vec<Vec<Vec<u8>>>> {
    if document.spec.get("bundle").is_some() {
        return Err(outside("authorities of a SPIFFE bundle"));
    }
    let list = |key: &str| document.spec.get(key).and_then(Value::list).unwrap_or_default();
    let usable = |der: &Vec<u8>, authority: bool| is_issuer(der, authority);
    let authorities: Vec<Vec<u8>> = pem(world, list("authorities"))?.into_iter().filter(|d| usable(d, true)).collect();
    let between: Vec<Vec<u8>> = pem(world, list("intermediates"))?.into_iter().chain(chain.iter().skip(1).cloned()).collect();
    let between: Vec<Vec<u8>> = between.into_iter().filter(|d| usable(d, false)).collect();
    let mut done = Vec::new();
    let mut open = vec![vec![leaf.to_vec()]];
    while let Some(path) = open.pop() {
        let Some(Ok(last)) = path.last().map(|d| Certificate::from_der(d)) else { continue };
        for (pool, is_end) in [(&authorities, true), (&between, false)] {
            for issuer in pool.iter().filter(|i| !path.contains(i)) {
                let Ok(read) = Certificate::from_der(issuer) else { continue };
                let tbs = read.tbs_certificate();
                if tbs.subject() != last.tbs_certificate().issuer() || !verifies(&last, tbs.subject_public_key_info())? {
                    continue;
                }
                let longer = [path.clone(), vec![issuer.clone()]].concat();
                if is_end {
                    done.push(longer);
                } else if longer.len() < 8 {
                    open.push(longer);
                }
            }
        }
    }
    Ok(done)
}

/// 5.18 What makes an authority, or an intermediate, be used at all: no critical extension that is not processed, none twice, no extended key
/// usage without `clientAuth`; of an authority also a subject.
fn is_issuer(der: &[u8], authority: bool) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    let tbs = certificate.tbs_certificate();
    let eku: Option<Option<(bool, ExtendedKeyUsage)>> = tbs.get_extension().ok();
    let client = eku.is_some_and(|e| e.is_none_or(|(_, e)| e.0.iter().any(|o| is_client_auth(&o.to_string()) || o.to_string() == ANY_EKU)));
    client && extensions_processed(&certificate) && (!authority || !tbs.subject().is_empty())
}

const ANY_EKU: &str = "2.5.29.37.0";

fn is_client_auth(oid: &str) -> bool {
    oid == "1.3.6.1.5.5.7.3.2"
}

fn extensions_processed(certificate: &Certificate) -> bool {
    let extensions = certificate.tbs_certificate().extensions().cloned().unwrap_or_default();
    let known = [
        KeyUsage::OID,
        SubjectAltName::OID,
        BasicConstraints::OID,
        NameConstraints::OID,
        CrlDistributionPoints::OID,
        ExtendedKeyUsage::OID,
    ];
    let once = extensions.iter().map(|e| e.extn_id).collect::<BTreeSet<_>>().len() == extensions.len();
    once && extensions.iter().all(|e| !e.critical || known.contains(&e.extn_id))
}

/// Whether a certificate's signature is by a key. Weak hashes are `cert_key`, told elsewhere.
fn verifies(certificate: &Certificate, key: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Judged<bool> {
    let input = certificate.tbs_certificate().to_der().map_err(|e| outside(format!("a certificate: {e}")))?;
    signature(&certificate.signature_algorithm().oid.to_string(), key, &input, certificate.signature().raw_bytes())
}

fn signature(oid: &str, key: &x509_cert::spki::SubjectPublicKeyInfoOwned, input: &[u8], signature: &[u8]) -> Judged<bool> {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use rsa::pkcs1::DecodeRsaPublicKey;
    use rsa::signature::Verifier;
    let bits = key.subject_public_key.raw_bytes();
    macro_rules! ecdsa {
        ($hash:ty) => {{
            let hash = <$hash>::digest(input);
            macro_rules! on {
                ($curve:ident) => {{
                    let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok();
                    let signature = $curve::ecdsa::Signature::from_der(signature).ok();
                    key.zip(signature).is_some_and(|(k, s)| k.verify_prehash(&hash, &s).is_ok())
                }};
            }
            match bits.len() {
                65 => on!(p256),
                97 => on!(p384),
                133 => on!(p521),
                _ => return Err(outside("a compressed point, or another curve")),
            }
        }};
    }
    macro_rules! rsa {
        ($hash:ty) => {{
            let key = rsa::PublicKey::from_pkcs1_der(bits).map_err(|e| outside(format!("an RSA key: {e}")))?;
            let key = rsa::pkcs1v15::VerifyingKey::<$hash>::new(key);
            rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|s| key.verify(input, &s).is_ok())
        }};
    }
    Ok(match oid {
        "1.2.840.10045.4.3.2" => ecdsa!(Sha256),
        "1.2.840.10045.4.3.3" => ecdsa!(Sha384),
        "1.2.840.10045.4.3.4" => ecdsa!(Sha512),
        "1.2.840.113549.1.1.11" => rsa!(Sha256),
        "1.2.840.113549.1.1.12" => rsa!(Sha384),
        "1.2.840.113549.1.1.13" => rsa!(Sha512),
        "1.3.101.112" => {
            let key = <[u8; 32]>::try_from(bits).ok().and_then(|b| ed25519_dalek::VerifyingKey::from_bytes(&b).ok());
            let signature = ed25519_dalek::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(k, s)| k.verify_strict(input, &s).is_ok())
        }
        other => return Err(outside(format!("the signature algorithm {other}"))),
    })
}

/// 5.19 Everything that is wrong with a path, its own certificate first and the pinned authority last.
fn check(world: &World, document: &Document, path: &[Vec<u8>], names: &Names) -> Judged<BTreeSet<Reason>> {
    let mut faults = BTreeSet::new();
    let none = Value::Null;
    let leaf_spec = document.spec.get("leaf").unwrap_or(&none);
    let read: Vec<Certificate> =
        path.iter().map(|d| Certificate::from_der(d).map_err(|e| outside(format!("a certificate: {e}")))).collect::<Judged<_>>()?;
    let Some(leaf) = read.first() else { return Ok(faults) };
    let odd = |what: &str| outside(format!("{what} that cannot be read, or is there twice"));
    let seconds = |t: &x509_cert::time::Time| i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    for (i, certificate) in read.iter().enumerate() {
        let tbs = certificate.tbs_certificate();
        if world.now > seconds(&tbs.validity().not_after) {
            faults.insert("cert_expired");
        }
        if world.now < seconds(&tbs.validity().not_before) {
            faults.insert("cert_not_yet_valid");
        }
        let policies = ["2.5.29.36", "2.5.29.54", "2.5.29.33"];
        if tbs.extensions().is_some_and(|all| all.iter().any(|e| policies.contains(&e.extn_id.to_string().as_str()))) {
            return Err(outside("certificate policies"));
        }
        let bits = tbs.subject_public_key_info().subject_public_key.raw_bytes();
        let kind = tbs.subject_public_key_info().algorithm.oid.to_string();
        let curve = ["1.2.840.10045.2.1", "1.3.101.112"].contains(&kind.as_str()) && [32, 65, 97, 133].contains(&bits.len());
        if !curve && kind != "1.2.840.113549.1.1.1" {
            return Err(outside("another kind of key than RSA, P-256, P-384, P-521 and Ed25519"));
        }
        if kind == "1.2.840.113549.1.1.1" {
            use rsa::pkcs1::DecodeRsaPublicKey;
            use rsa::traits::PublicKeyParts;
            let key = rsa::PublicKey::from_pkcs1_der(bits).map_err(|e| outside(format!("an RSA key: {e}")))?;
            let least = match leaf_spec.get("minRsaBits") {
                Some(Value::Number(n)) if i == 0 => n.as_whole().and_then(|n| u32::try_from(n).ok()).unwrap_or(2048),
                _ => 2048,
            };
            if key.n().bit_width() < least || key.n().bit_width() > 8192 {
                faults.insert("cert_key");
            }
        }
        if i == 0 {
            continue;
        }
        // Of every issuer: it is a CA, may sign certificates, and permits as many below it.
        let basic: Option<(bool, BasicConstraints)> = tbs.get_extension().map_err(|_| odd("basicConstraints"))?;
        let usage: Option<(bool, KeyUsage)> = tbs.get_extension().map_err(|_| odd("keyUsage"))?;
        let long = basic.as_ref().and_then(|(_, b)| b.path_len_constraint).is_some_and(|most| i - 1 > usize::from(most));
        if !basic.is_some_and(|(_, b)| b.ca) || usage.is_some_and(|(_, u)| !u.key_cert_sign()) || long {
            faults.insert("chain_untrusted");
        }
        let constraints: Option<(bool, NameConstraints)> = tbs.get_extension().map_err(|_| odd("nameConstraints"))?;
        for below in read.iter().take(i) {
            if let Some((_, constraints)) = &constraints
                && !permitted(constraints, below)?
            {
                faults.insert("cert_san");
            }
        }
    }
    if !extensions_processed(leaf) {
        faults.insert("chain_untrusted");
    }
    let tbs = leaf.tbs_certificate();
    let basic: Option<(bool, BasicConstraints)> = tbs.get_extension().map_err(|_| odd("basicConstraints"))?;
    let usage: Option<(bool, KeyUsage)> = tbs.get_extension().map_err(|_| odd("keyUsage"))?;
    let eku: Option<(bool, ExtendedKeyUsage)> = tbs.get_extension().map_err(|_| odd("extKeyUsage"))?;
    let asks = |key: &str| leaf_spec.get("extendedKeyUsage").is_some_and(|e| e.is_true(key));
    let client = match eku {
        None => asks("allowAbsent"),
        Some((_, e)) => {
            e.0.iter().any(|o| is_client_auth(&o.to_string())) || (asks("allowAny") && e.0.iter().any(|o| o.to_string() == ANY_EKU))
        }
    };
    let signs = usage.as_ref().is_some_and(|(_, u)| u.key_cert_sign());
    if signs && !names.uris.is_empty() {
        faults.insert("spiffe_invalid");
    }
    if basic.is_some_and(|(_, b)| b.ca) || (signs && names.uris.is_empty()) || usage.is_some_and(|(_, u)| !u.digital_signature()) || !client
    {
        faults.insert("cert_eku");
    }
    let dns = |n: &String| {
        n.trim_start_matches("*.").split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
    };
    let mapped = |ip: &Vec<u8>| ip.len() == 16 && ip.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let ips = names.ips.iter().all(|ip| (ip.len() == 4 || ip.len() == 16) && !mapped(ip));
    if names.others || names.emails.iter().any(|e| e.matches('@').count() != 1) || names.uris.iter().any(|u| !u.contains(':')) {
        return Err(outside("the form of a name"));
    }
    if !names.dns.iter().all(dns) || !ips || names.dns.len() + names.uris.len() + names.emails.len() + names.ips.len() > 256 {
        faults.insert("cert_san");
    }
    let (from, until) = (seconds(&tbs.validity().not_before), seconds(&tbs.validity().not_after));
    let lives = duration_of(leaf_spec, "maxLifetime").is_some_and(|most| (until - from) * 1000 > most);
    let ends = duration_of(leaf_spec, "minRemaining").is_some_and(|least| (until - world.now) * 1000 < least);
    if lives || (ends && world.now <= until) {
        faults.insert("cert_lifetime");
    }
    if let Some(pins) = leaf_spec.get("pins").and_then(Value::list) {
        let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let spki = hex(&tbs.subject_public_key_info().to_der().unwrap_or_default());
        let whole = hex(path.first().map(Vec::as_slice).unwrap_or_default());
        let is = |p: &Value, key: &str, found: &str| p.text_of(key).is_some_and(|t| revocation::fingerprint(t) == found);
        if !pins.iter().any(|p| is(p, "spki", &spki) || is(p, "certificate", &whole)) {
            faults.insert("cert_pin");
        }
    }
    faults.extend(lists(world, document, &read)?);
    Ok(faults)
}

/// 5.30 Name constraints on DNS names and IP addresses; below any other kind no name of that kind is permitted.
fn permitted(constraints: &NameConstraints, certificate: &Certificate) -> Judged<bool> {
    let names = names(certificate)?;
    let trees = |list: &Option<Vec<_>>| list.clone().unwrap_or_default();
    let (permitted, excluded) = (trees(&constraints.permitted_subtrees), trees(&constraints.excluded_subtrees));
    let within = |name: &str, base: &str| {
        let (name, base) = (name.to_lowercase(), base.to_lowercase());
        base.is_empty() || name == base || name.ends_with(&format!(".{}", base.trim_start_matches('.')))
    };
    let masked = |ip: &[u8], base: &[u8]| {
        base.len() == 2 * ip.len()
            && (0..ip.len()).all(|i| ip.get(i).zip(base.get(i)).zip(base.get(i + ip.len())).is_some_and(|((a, b), m)| a & m == b & m))
    };
    if names.dns.iter().any(|n| n.contains('*')) {
        return Err(outside("a wildcard below a name constraint"));
    }
    for tree in permitted.iter().chain(&excluded) {
        let refused = match &tree.base {
            GeneralName::DnsName(_) | GeneralName::IpAddress(_) => false,
            GeneralName::UniformResourceIdentifier(_) => !names.uris.is_empty(),
            GeneralName::DirectoryName(_) => !certificate.tbs_certificate().subject().is_empty(),
            GeneralName::Rfc822Name(_) => !names.emails.is_empty(),
            _ => return Err(outside("a name constraint of another kind")),
        };
        if refused {
            return Ok(false);
        }
    }
    let dns = |list: &[x509_cert::ext::pkix::constraints::name::GeneralSubtree], n: &str| {
        list.iter().any(|t| matches!(&t.base, GeneralName::DnsName(b) if within(n, b.as_str())))
    };
    let ip = |list: &[x509_cert::ext::pkix::constraints::name::GeneralSubtree], n: &[u8]| {
        list.iter().any(|t| matches!(&t.base, GeneralName::IpAddress(b) if masked(n, b.as_bytes())))
    };
    let dns_asked = permitted.iter().any(|t| matches!(t.base, GeneralName::DnsName(_)));
    let ip_asked = permitted.iter().any(|t| matches!(t.base, GeneralName::IpAddress(_)));
    Ok(names.dns.iter().all(|n| !dns(&excluded, n) && (!dns_asked || dns(&permitted, n)))
        && names.ips.iter().all(|n| !ip(&excluded, n) && (!ip_asked || ip(&permitted, n))))
}

/// 5.31 Revocation lists: those of this document for its demands, and those of every document for what they revoke.
fn lists(world: &World, document: &Document, path: &[Certificate]) -> Judged<BTreeSet<Reason>> {
    use x509_cert::crl::CertificateList;
    let mut faults = BTreeSet::new();
    for other in world.documents.of("TrustDomain") {
        let Some(spec) = other.spec.get("revocation") else { continue };
        let chain = spec.text_of("depth") == Some("chain");
        let mut read: Vec<CertificateList> = Vec::new();
        for place in spec.get("crls").and_then(Value::list).unwrap_or_default() {
            let name = place.text_of("file").or(place.get("remote").and_then(|r| r.text_of("url"))).unwrap_or_default();
            let bytes = place.text_of("inline").map(|t| t.as_bytes().to_vec()).or_else(|| world.files.get(name).cloned());
            let bytes = bytes.ok_or_else(|| outside(format!("the list {name}")))?;
            let der = if bytes.starts_with(b"-----") {
                x509_cert::der::pem::decode_vec(&bytes).map_err(|e| outside(format!("a list: {e}")))?.1
            } else {
                bytes
            };
            read.push(CertificateList::from_der(&der).map_err(|e| outside(format!("a list: {e}")))?);
        }
        for (i, certificate) in path.iter().enumerate().take(path.len() - 1).take(if chain { usize::MAX } else { 1 }) {
            let Some(issuer) = path.get(i + 1).map(Certificate::tbs_certificate) else { continue };
            let serial = certificate.tbs_certificate().serial_number();
            let (mut covered, mut fresh) = (0, false);
            for list in &read {
                let tbs = &list.tbs_cert_list;
                let input = tbs.to_der().map_err(|e| outside(format!("a list: {e}")))?;
                let oid = list.signature_algorithm.oid.to_string();
                if tbs.issuer != *issuer.subject()
                    || !signature(&oid, issuer.subject_public_key_info(), &input, list.signature.raw_bytes())?
                {
                    continue;
                }
                let scoped = |oid: &str| oid != CrlNumber::OID.to_string() && oid != "2.5.29.35";
                if tbs.crl_extensions.iter().flatten().any(|e| scoped(&e.extn_id.to_string())) {
                    return Err(outside("a list with a scope, or another extension than its number"));
                }
                covered += 1;
                if tbs.revoked_certificates.iter().flatten().any(|r| r.serial_number == *serial) {
                    faults.insert("cert_revoked");
                }
                let seconds = |t: &x509_cert::time::Time| i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
                let grace = spec.get("onStale").and_then(|s| duration_of(s, "grace")).unwrap_or(0) / 1000;
                let next = tbs.next_update.as_ref().map(seconds).ok_or_else(|| outside("a list without nextUpdate"))?;
                fresh |= world.now >= seconds(&tbs.this_update) && world.now <= next.saturating_add(grace);
            }
            if other.name != document.name {
                continue;
            }
            let points: Option<(bool, CrlDistributionPoints)> =
                certificate.tbs_certificate().get_extension().map_err(|_| outside("distribution points that cannot be read"))?;
            if points.is_some_and(|(_, p)| p.0.iter().any(|p| p.crl_issuer.is_some() || p.reasons.is_some())) {
                return Err(outside("distribution points of other issuers, or of some reasons"));
            }
            match covered {
                0 if spec.text_of("onMissing") != Some("allow") => drop(faults.insert("crl_missing")),
                0 => {}
                1 if !fresh => drop(faults.insert("crl_stale")),
                1 => {}
                _ => return Err(outside("several lists of one issuer")),
            }
        }
    }
    Ok(faults)
}
