//! Section 5: who is on the wire: the walk from our own proxy outwards, paths to pinned authorities, revocation lists.

use crate::certificate::{check, paths};
use std::collections::BTreeSet;

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

pub(crate) type Walked = Judged<Option<Result<Peer, Reason>>>;

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

pub(crate) fn is_forwarder(world: &World, peer: &Peer) -> bool {
    let Some(id) = &peer.spiffe else { return false };
    let domains = world.documents.of("TrustDomain").iter().filter(|d| peer.domains.contains(&d.name));
    domains.flat_map(|d| d.spec.texts("forwarders")).any(|pattern| path::spiffe_fits(&pattern, id))
}

/// A certificate, if there is one, and the chain with it.
pub(crate) type Presented = (Option<Vec<u8>>, Vec<Vec<u8>>);

/// 5.9 The certificate of an element and its chain, where everything that the element says beside it is in it.
pub(crate) fn certificate_of(element: &Element) -> Judged<Result<Presented, Reason>> {
    let Some(leaf) = element.cert.as_ref().or(element.chain.first()) else { return Ok(Ok((None, Vec::new()))) };
    let agrees = agrees(element, leaf)?;
    Ok(if agrees { Ok((Some(leaf.clone()), element.chain.clone())) } else { Err("xfcc_inconsistent") })
}

/// Whether `source.principal`, where there is one, is a name of a certificate: a URI, a DNS name or the subject.
pub(crate) fn is_named(leaf: &[u8], principal: &str) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let (names, subject) = (names(&certificate)?, certificate.tbs_certificate().subject().to_string());
    Ok(principal.is_empty() || principal == subject || names.uris.iter().chain(&names.dns).any(|n| n == principal))
}

pub(crate) fn agrees(element: &Element, leaf: &[u8]) -> Judged<bool> {
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

/// 5.12 The identity of what was shown: verified at `leaf` and `full`, the proxy's word below.
pub(crate) fn identify(
    world: &World,
    leaf: Option<&[u8]>,
    chain: &[Vec<u8>],
    hash: Option<&str>,
    name: Option<&str>,
) -> Judged<Result<Peer, Reason>> {
    let least = world.sources.least.unwrap_or(Evidence::Leaf);
    let documents = world.documents.of("TrustDomain");
    let Some(leaf) = leaf else {
        let evidence = if hash.is_some() { Evidence::Hash } else { Evidence::Asserted };
        if evidence < least {
            return Ok(Err("evidence_insufficient"));
        }
        let Some((id, domain)) = name.and_then(|n| Some((n, spiffe_domain(n)?))) else {
            return Ok(Err("evidence_insufficient"));
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
