//! Section 5: a peer: what its certificate says, and which documents vouch for it.

use crate::certificate::{check, is_for_clients, paths, pem, untimely};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::documents::Document;
use crate::revocation::{self, Shown};
use crate::rules::{Facts, Match};
use crate::value::Value;
use crate::xfcc::{self, Element};
use crate::{Evidence, Judged, Outside, Reason, World, outside, path};

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
    /// By which source.
    pub source: &'static str,
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
    pub(crate) fn by(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    /// 5.2 The trust domain that conditions and templates know: the one that the rule names, else the only
    /// one that vouches, where none is in doubt.
    pub fn speaking_domain(&self, m: &Match<'_>, facts: &Facts<'_>) -> Option<String> {
        let wanted = m.rule.get("peer").map(|p| facts.world.documents.whole("peers", p));
        let named = wanted.as_ref().and_then(|w| w.text_of("trustDomain")).map(str::to_owned);
        let certain = self.in_doubt.is_empty().then_some(&self.domains);
        named.or_else(|| if let Some([only]) = certain.map(Vec::as_slice) { Some(only.clone()) } else { None })
    }
}

/// Why a walk ends without a peer.
pub(crate) enum Stop {
    Refused(Reason),
    Outside(Outside),
}

impl From<Outside> for Stop {
    fn from(outside: Outside) -> Self {
        Self::Outside(outside)
    }
}

pub(crate) const fn refuse<T>(reason: Reason) -> Result<T, Stop> {
    Err(Stop::Refused(reason))
}

pub(crate) fn hash_of(element: &Element) -> Option<[u8; 32]> {
    let hash = element.hash.as_deref()?;
    let bytes = hash.as_bytes().chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

pub(crate) fn is_forwarder(world: &World, peer: &Peer) -> bool {
    let Some(id) = &peer.spiffe else { return false };
    let domains = world.documents.of("TrustDomain").iter().filter(|d| peer.domains.contains(&d.name));
    domains.flat_map(|d| d.spec.texts("forwarders")).any(|pattern| path::spiffe_fits(&pattern, id))
}

/// A certificate, if there is one, and the chain with it.
pub(crate) type Presented = (Option<Vec<u8>>, Option<Vec<Vec<u8>>>);

/// 5.9 The certificate of an element and its chain, which begins with it.
pub(crate) fn presented(element: &Element) -> Result<Presented, Stop> {
    let read = |text: &Option<String>, most: usize| match text.as_deref().map(xfcc::certificates) {
        None => Ok(None),
        Some(Some(list)) if !list.is_empty() && list.len() <= most => Ok(Some(list)),
        _ => refuse("xfcc_malformed"),
    };
    let (cert, chain) = (read(&element.cert, 1)?, read(&element.chain, 10)?);
    let (leaf, first) = (cert.and_then(|mut list| list.pop()), chain.as_ref().and_then(|list| list.first().cloned()));
    match (leaf, first) {
        (Some(leaf), Some(first)) if leaf != first => refuse("xfcc_inconsistent"),
        (leaf, first) => Ok((leaf.or(first), chain)),
    }
}

/// 5.39 The name that Envoy has for a certificate: the first URI, else the first DNS name, else the subject.
pub(crate) fn is_called(leaf: &[u8], principal: &str) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let (names, subject) = (names(&certificate)?, certificate.tbs_certificate().subject().to_string());
    Ok(match (names.uris.first(), names.dns.first()) {
        (Some(uri), _) => uri == principal,
        (None, Some(dns)) => dns.eq_ignore_ascii_case(principal),
        (None, None) => subject == principal,
    })
}

/// 5.9 Whether everything that an element says is in a certificate: the first URI or all, the DNS names all, in their order.
pub(crate) fn agrees(element: &Element, leaf: &[u8]) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let names = names(&certificate)?;
    let hex: String = Sha256::digest(leaf).iter().map(|b| format!("{b:02x}")).collect();
    let subject = certificate.tbs_certificate().subject().to_string();
    // Names that need no escapes are written in one way.
    if element.subject.as_ref().is_some_and(|s| *s != subject && (s.contains('\\') || subject.contains('\\'))) {
        return Err(outside("a subject that is written in another way than RFC 4514 by this library"));
    }
    let uris = match element.uri.as_slice() {
        [] => !element.no_uri || names.uris.is_empty(),
        [first] => names.uris.first() == Some(first),
        all => all == names.uris,
    };
    let lower = |list: &[String]| list.iter().map(|n| n.to_ascii_lowercase()).collect::<Vec<_>>();
    Ok(element.hash.as_ref().is_none_or(|h| *h == hex)
        && element.subject.as_ref().is_none_or(|s| *s == subject)
        && uris
        && (element.dns.is_empty() || lower(&element.dns) == lower(&names.dns)))
}

/// The names of a certificate.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) dns: Vec<String>,
    pub(crate) uris: Vec<String>,
    pub(crate) emails: Vec<String>,
    pub(crate) ips: Vec<Vec<u8>>,
    pub(crate) others: bool,
}

pub(crate) fn names(certificate: &Certificate) -> Judged<Names> {
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

/// 5.12 The proxy's word for a SPIFFE ID, with the hash of the certificate or without.
pub(crate) fn named(world: &World, uris: &[String], hash: Option<&str>) -> Result<Peer, Stop> {
    if !uris.iter().any(|u| u.to_lowercase().starts_with("spiffe:")) {
        return refuse("evidence_insufficient");
    }
    let [id] = uris else { return refuse("spiffe_invalid") };
    let Some(domain) = spiffe_domain(id) else { return refuse("spiffe_invalid") };
    let documents = world.documents.of("TrustDomain");
    let Some(document) = documents.iter().find(|d| d.spec.text_of("spiffe") == Some(domain)) else {
        return refuse("trust_domain_unknown");
    };
    // 5.13 A trust domain with pins takes such a peer only where one is the hash that was shown.
    let pins = document.spec.get("leaf").and_then(|l| l.get("pins")).and_then(Value::list).filter(|pins| !pins.is_empty());
    let pinned = |p: &Value| p.text_of("certificate").map(revocation::fingerprint).as_deref() == hash && hash.is_some();
    if pins.is_some_and(|pins| !pins.iter().any(pinned)) {
        return refuse("evidence_insufficient");
    }
    let element = Element { hash: hash.map(str::to_owned), ..Element::default() };
    let peer = Peer {
        spiffe: Some(id.clone()),
        domains: vec![document.name.clone()],
        in_doubt: Vec::new(),
        evidence: if hash.is_some() { Evidence::Hash } else { Evidence::Asserted },
        source: "",
        dns: Vec::new(),
        uris: Vec::new(),
        emails: Vec::new(),
        ips: Vec::new(),
        subject: None,
        sha256: hash_of(&element),
        path: vec![Shown { sha256: hash.map(str::to_owned), ..Shown::default() }],
    };
    if revocation::peer(world, &peer)? { refuse("cert_revoked") } else { Ok(peer) }
}

/// 5.12 The identity of a certificate that was shown, with its chain or without.
pub(crate) fn identify(world: &World, leaf: &[u8], shown: Option<&Vec<Vec<u8>>>) -> Result<Peer, Stop> {
    let documents = world.documents.of("TrustDomain");
    let chain = shown.map(Vec::as_slice).unwrap_or_default();
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let names = names(&certificate)?;
    let spiffe: Vec<&String> = names.uris.iter().filter(|u| u.to_lowercase().starts_with("spiffe:")).collect();
    let id = spiffe.first().copied().cloned();
    // 5.14 SPIFFE: exactly one URI, the strict grammar, with a path.
    let unnamed = |reason: Reason| {
        let malformed = !crate::certificate::well_formed(&names)?;
        refuse(one_of(&[Some(reason), malformed.then_some("cert_san")].into_iter().flatten().collect()))
    };
    if id.is_some() && (names.uris.len() != 1 || id.as_deref().and_then(spiffe_domain).is_none()) {
        return unnamed("spiffe_invalid");
    }
    let domain = id.as_deref().and_then(spiffe_domain);
    let judges: Vec<&Document> = documents.iter().filter(|d| d.spec.text_of("spiffe") == domain).collect();
    if judges.is_empty() {
        return unnamed("trust_domain_unknown");
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
                    // 5.18 An issuer that could not be used may be the reason.
                    let configured = pem(world, document.spec.get("intermediates").and_then(Value::list).unwrap_or_default())?;
                    for der in chain.iter().skip(1).chain(&configured) {
                        faults.extend((!is_for_clients(der)).then_some("cert_eku"));
                        faults.extend(Certificate::from_der(der).ok().and_then(|issuer| untimely(world, &issuer)));
                    }
                    faults.extend(check(world, document, &[leaf.to_vec()], &names)?);
                }
            }
        }
    }
    // 5.16 Revoked is revoked everywhere.
    if faults.contains("cert_revoked") {
        faults = if vouching.is_empty() { faults } else { BTreeSet::from(["cert_revoked"]) };
        vouching.clear();
    }
    if vouching.is_empty() {
        return refuse(one_of(&faults));
    }
    let of_path = |der: &Vec<u8>| {
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
        uris: names.uris.clone(),
        spiffe: id,
        domains: vouching,
        in_doubt,
        evidence: if shown.is_none() { Evidence::Leaf } else { Evidence::Full },
        source: "",
        dns: names.dns.clone(),
        emails: names.emails.clone(),
        ips: names.ips.iter().map(ip).collect(),
        subject: Some(certificate.tbs_certificate().subject().to_string()),
        sha256: Some(Sha256::digest(leaf).into()),
        path: found_path.iter().map(of_path).collect::<Judged<_>>()?,
    };
    if revocation::peer(world, &peer)? { refuse("cert_revoked") } else { Ok(peer) }
}

/// 5.19 The reason of several faults of which this page does not say which counts: all of them, with `|` between.
fn one_of(faults: &BTreeSet<Reason>) -> Reason {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let text = faults.iter().copied().collect::<Vec<_>>().join("|");
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = known.get(text.as_str()) {
        return own;
    }
    // There are as many as there are combinations of a dozen faults that occur.
    let own: &'static str = text.leak();
    known.insert(own);
    own
}
