//! Section 5: who is on the wire: the walk from our own proxy outwards, paths to pinned authorities, revocation lists.

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
use crate::{Evidence, Judged, Outside, Reason, Request, World, outside, path};

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
    fn by(self, source: &'static str) -> Self {
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

const fn refuse<T>(reason: Reason) -> Result<T, Stop> {
    Err(Stop::Refused(reason))
}

/// 5.3 Who is on the wire: from the proxy that asks outwards, past forwarders, to the first that is none.
pub fn authenticate(world: &World, request: &Request) -> Judged<Option<Result<Peer, Reason>>> {
    match walk(world, request) {
        Ok(peer) => Ok(peer.map(Ok)),
        Err(Stop::Refused(reason)) => Ok(Some(Err(reason))),
        Err(Stop::Outside(outside)) => Err(outside),
    }
}

/// 5.4 The certificate of the connection.
fn source_certificate(text: &str) -> Result<Vec<u8>, Stop> {
    let read = path::decode(text).and_then(|pem| xfcc::certificates(&pem));
    match read.as_deref() {
        Some([leaf]) => Ok(leaf.clone()),
        _ => refuse("encoding_invalid"),
    }
}

/// 5.4 Envoy writes one line of XFCC.
fn elements(world: &World, request: &Request) -> Result<xfcc::Header, Stop> {
    let lines = request.lines("x-forwarded-client-cert");
    let line = match lines.as_slice() {
        _ if !world.sources.xfcc => return Ok(Default::default()),
        [] => return Ok(Default::default()),
        [line] => String::from_utf8_lossy(line),
        _ => return refuse("xfcc_malformed"),
    };
    xfcc::read(&line).map_or_else(|| refuse("xfcc_malformed"), Ok)
}

/// 5.32 `client-cert` is on one line, and `client-cert-chain` comes with it: the first, and the items of the second.
type ClientCert = (String, Option<String>);

fn client_cert(world: &World, request: &Request) -> Result<Option<ClientCert>, Stop> {
    let lines = |name: &str| request.lines(name).into_iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect::<Vec<_>>();
    let chain = Some(lines("client-cert-chain")).filter(|lines| !lines.is_empty());
    match lines("client-cert").as_slice() {
        _ if !world.sources.client_cert => Ok(None),
        [] if chain.is_none() => Ok(None),
        [] => refuse("encoding_invalid"),
        [line] => Ok(Some((line.clone(), chain.map(|lines| lines.join(","))))),
        _ => refuse("header_duplicate"),
    }
}

/// 5.32 Who `client-cert` names: byte sequences of RFC 9651, the chain without the leaf.
fn named_by_client_cert(world: &World, (leaf, chain): &ClientCert) -> Result<Peer, Stop> {
    let sequence = |item: &str| crate::signature::from_base64(item.trim_matches([' ', '\t']).strip_prefix(':')?.strip_suffix(':')?);
    let read: Option<Vec<Vec<u8>>> = [leaf.as_str()].into_iter().chain(chain.iter().flat_map(|c| c.split(','))).map(sequence).collect();
    let Some(all) = read else { return refuse("encoding_invalid") };
    let Some(leaf) = all.first() else { return refuse("encoding_invalid") };
    Ok(identify(world, leaf, chain.is_some().then_some(&all))?.by("client-cert"))
}

/// Our own proxy's names, as far as they are URIs (5.5).
struct Own<'a> {
    names: Vec<&'a String>,
    /// Whether it has a URI name; none where its name is not known.
    writes_by: Option<bool>,
}

impl<'a> Own<'a> {
    fn of(world: &'a World, request: &'a Request) -> Self {
        let (told, identities) = (&request.destination_principal, &world.sources.identities);
        let is_uri = |name: &String| xfcc::is_name("uri", name);
        let writes_by = match told.is_empty() {
            false => Some(is_uri(told)),
            true => identities.iter().any(is_uri).then_some(true),
        };
        Self { names: identities.iter().chain([told]).collect(), writes_by }
    }

    fn signs(&self, element: &Element) -> bool {
        element.by.iter().any(|by| self.names.contains(&by))
    }

    /// 5.5 Whether the last element of a header can be our proxy's: certainly, or it or another one (`false`).
    fn check(&self, element: &Element, before: &[Element], json: bool, known: bool) -> Result<bool, Stop> {
        match self.writes_by {
            Some(true) if !self.signs(element) => refuse("xfcc_untrusted_hop"),
            Some(true) if !json && before.iter().any(|e| self.signs(e)) => refuse("xfcc_inconsistent"),
            // `identities` are the names of several proxies, of which one may have no URI name.
            Some(true) => Ok(json || known || before.iter().all(|e| !e.by.is_empty())),
            Some(false) if !element.by.is_empty() => refuse("xfcc_untrusted_hop"),
            Some(false) | None => Ok(json || before.is_empty()),
        }
    }
}

/// 5.12 At least so much is shown of everyone on the way.
fn enough(world: &World, peer: &Peer) -> Result<(), Stop> {
    if peer.evidence < world.sources.least.unwrap_or(Evidence::Leaf) { refuse("evidence_insufficient") } else { Ok(()) }
}

fn walk(world: &World, request: &Request) -> Result<Option<Peer>, Stop> {
    let (sources, principal) = (&world.sources, &request.source_principal);
    let (mut elements, json) = elements(world, request)?;
    let client_cert = client_cert(world, request)?;
    let own = Own::of(world, request);
    let connected = !principal.is_empty();
    let of_header = if json { "xfcc JSON" } else { "xfcc text" };
    let tls = if sources.source_certificate { request.source_certificate.as_str() } else { "" };
    let peer = if !tls.is_empty() {
        // 5.35 The certificate of the connection, and what else speaks of it.
        let leaf = source_certificate(tls)?;
        let shown = elements.last().map(presented).transpose()?;
        let other = shown.as_ref().and_then(|(leaf, _)| leaf.as_ref()).is_some_and(|own| *own != leaf);
        let chain = shown.and_then(|(_, chain)| chain).filter(|_| !other);
        let peer = identify(world, &leaf, chain.as_ref())?.by("sourceCertificate");
        if connected && !is_called(&leaf, principal)? {
            return refuse("xfcc_inconsistent");
        }
        enough(world, &peer)?;
        if let Some((element, before)) = elements.split_last() {
            let same = element.cert.is_some() || element.chain.is_some();
            let speaks = (same && !other) || hash_of(element) == peer.sha256 && element.hash.is_some() || is_uri_of(element, &peer);
            // 5.6 What a forwarder passed on, and our proxy added nothing to, is the forwarder's.
            let ours = match own.writes_by {
                Some(true) => own.signs(element),
                Some(false) => element.by.is_empty() && speaks,
                None => speaks,
            };
            if !is_forwarder(world, &peer) || ours {
                if other || !agrees(element, &leaf)? {
                    return refuse("xfcc_inconsistent");
                }
                own.check(element, before, json, !request.destination_principal.is_empty())?;
                elements.pop();
            }
        }
        peer
    } else if let Some(element) = elements.pop() {
        // 5.36 Our own proxy's element, and what it calls the peer outside of the header.
        if !connected && !sources.xfcc_without_tls {
            return refuse("xfcc_untrusted_hop");
        }
        let certain = own.check(&element, &elements, json, !request.destination_principal.is_empty())?;
        let (peer, leaf) = told(world, &element)?;
        let peer = peer.by(of_header);
        let called = match &leaf {
            Some(leaf) => is_called(leaf, principal)?,
            None => element.uri.first() == Some(principal),
        };
        if connected && !called {
            return refuse("xfcc_untrusted_hop");
        }
        // 5.37 Nothing says where a URI ends that a longer one could spell.
        if !connected && !json && leaf.is_none() && element.follows_uri {
            return refuse("evidence_insufficient");
        }
        // 5.38 Where another element may be our proxy's, a forwarder that the principal names counts as asserted, and nothing else.
        if !certain && !(is_forwarder(world, &peer) && connected) {
            return refuse("xfcc_untrusted_hop");
        }
        let peer = if certain { peer } else { Peer { evidence: Evidence::Asserted, ..peer } };
        enough(world, &peer)?;
        peer
    } else if let Some(shown) = client_cert {
        // 5.33 `client-cert` is the word of a forwarder that is proved, or of the network.
        if connected || !sources.client_cert_without_tls {
            return refuse("xfcc_untrusted_hop");
        }
        let peer = named_by_client_cert(world, &shown)?;
        enough(world, &peer)?;
        return Ok(Some(peer).filter(|peer| !is_forwarder(world, peer)));
    } else if sources.principal && connected {
        let peer = named(world, std::slice::from_ref(principal), None)?.by("principal");
        enough(world, &peer)?;
        return Ok(Some(peer).filter(|peer| !is_forwarder(world, peer)));
    } else {
        return Ok(None);
    };
    if !is_forwarder(world, &peer) {
        return Ok(Some(peer));
    }
    let mut way = vec![peer];
    while let (Some(element), Some(forwarder)) = (elements.pop(), way.last()) {
        // 5.7 Behind a forwarder, of several elements exactly one has its `By`, and none is without.
        let id = forwarder.spiffe.clone().unwrap_or_default();
        let its = |e: &Element| e.by.contains(&id);
        if !element.by.is_empty() && !its(&element) {
            return refuse("xfcc_untrusted_hop");
        }
        if !json && elements.iter().any(its) {
            return refuse("xfcc_inconsistent");
        }
        if !json && !elements.is_empty() && (element.by.is_empty() || elements.iter().any(|e| e.by.is_empty())) {
            return refuse("xfcc_untrusted_hop");
        }
        if !json && element.cert.is_none() && element.chain.is_none() {
            return refuse("evidence_insufficient");
        }
        let peer = told(world, &element)?.0.by(of_header);
        enough(world, &peer)?;
        if !is_forwarder(world, &peer) {
            // 5.34 `client-cert` beside it names the same, or a forwarder on the way.
            if let Some(shown) = &client_cert {
                let other = named_by_client_cert(world, shown)?;
                let same =
                    if peer.sha256.is_some() { other.sha256 == peer.sha256 } else { other.spiffe.is_some() && other.spiffe == peer.spiffe };
                if !same && (other.spiffe.is_none() || way.iter().all(|p| p.spiffe != other.spiffe)) {
                    return refuse("xfcc_inconsistent");
                }
            }
            return Ok(Some(peer));
        }
        way.push(peer);
    }
    // 5.8 A forwarder is never the caller.
    let Some(shown) = client_cert else { return Ok(None) };
    let peer = named_by_client_cert(world, &shown)?;
    enough(world, &peer)?;
    Ok(Some(peer).filter(|peer| !is_forwarder(world, peer)))
}

fn hash_of(element: &Element) -> Option<[u8; 32]> {
    let hash = element.hash.as_deref()?;
    let bytes = hash.as_bytes().chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn is_uri_of(element: &Element, peer: &Peer) -> bool {
    matches!((element.uri.as_slice(), &peer.spiffe), ([only], Some(id)) if only == id)
}

/// Who an element speaks of, and the certificate in it.
fn told(world: &World, element: &Element) -> Result<(Peer, Option<Vec<u8>>), Stop> {
    let (leaf, chain) = presented(element)?;
    let Some(leaf) = leaf else { return Ok((named(world, &element.uri, element.hash.as_deref())?, None)) };
    let peer = identify(world, &leaf, chain.as_ref())?;
    if agrees(element, &leaf)? { Ok((peer, Some(leaf))) } else { refuse("xfcc_inconsistent") }
}

pub(crate) fn is_forwarder(world: &World, peer: &Peer) -> bool {
    let Some(id) = &peer.spiffe else { return false };
    let domains = world.documents.of("TrustDomain").iter().filter(|d| peer.domains.contains(&d.name));
    domains.flat_map(|d| d.spec.texts("forwarders")).any(|pattern| path::spiffe_fits(&pattern, id))
}

/// A certificate, if there is one, and the chain with it.
type Presented = (Option<Vec<u8>>, Option<Vec<Vec<u8>>>);

/// 5.9 The certificate of an element and its chain, which begins with it.
fn presented(element: &Element) -> Result<Presented, Stop> {
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
fn is_called(leaf: &[u8], principal: &str) -> Judged<bool> {
    let certificate = Certificate::from_der(leaf).map_err(|e| outside(format!("a certificate that cannot be read: {e}")))?;
    let (names, subject) = (names(&certificate)?, certificate.tbs_certificate().subject().to_string());
    Ok(match (names.uris.first(), names.dns.first()) {
        (Some(uri), _) => uri == principal,
        (None, Some(dns)) => dns.eq_ignore_ascii_case(principal),
        (None, None) => subject == principal,
    })
}

/// 5.9 Whether everything that an element says is in a certificate: the first URI or all, the DNS names all, in their order.
fn agrees(element: &Element, leaf: &[u8]) -> Judged<bool> {
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
fn named(world: &World, uris: &[String], hash: Option<&str>) -> Result<Peer, Stop> {
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
fn identify(world: &World, leaf: &[u8], shown: Option<&Vec<Vec<u8>>>) -> Result<Peer, Stop> {
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
        uris: names.uris.iter().filter(|u| Some(*u) != id.as_ref()).cloned().collect(),
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
