//! Section 5: who is on the wire: the walk from our own proxy outwards, past forwarders, to the caller.

use crate::peer::{Peer, Stop, agrees, hash_of, identify, is_called, is_forwarder, named, presented, refuse};
use crate::xfcc::{self, Element};
use crate::{Evidence, Judged, Reason, Request, World, path};

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
    /// True if it has a URI name; none where its name is not known.
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
        let shown = elements.last().map(presented).transpose()?;
        let leaf = source_certificate(tls)?;
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
