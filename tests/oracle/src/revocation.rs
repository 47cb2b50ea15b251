//! Section 5c: what is revoked, by documents and while servers run.

use crate::documents::{Document, moment};
use crate::peer::Peer;
use crate::value::Value;
use crate::{Judged, World, outside};

/// 5.80 The entries in force: those of documents and those made while servers run, until they expire.
fn entries(world: &World) -> Vec<&Value> {
    let lists = world.documents.of("RevocationList").iter();
    let written = lists.filter_map(|d| d.spec.get("entries").and_then(Value::list)).flatten();
    let all = written.chain(&world.revoked);
    all.filter(|e| e.text_of("expires").and_then(moment).is_none_or(|end| world.now < end)).collect()
}

/// True if a list is too old to know what is revoked.
pub fn stale(world: &World) -> Judged<bool> {
    match world.documents.of("RevocationList").iter().any(|d| d.spec.get("from").is_some()) {
        true => Err(outside("lists that are read from a place beside the documents")),
        false => Ok(false),
    }
}

/// 5.82 With `issuedBefore` only what was issued earlier; what does not say when it was issued is refused.
fn in_time(entry: &Value, issued: Option<i64>) -> bool {
    entry.text_of("issuedBefore").and_then(moment).is_none_or(|before| issued.is_none_or(|at| at < before))
}

/// 5.83 Whether a token is revoked: by itself, its subject, session, client, key, issuer, or as the JWT-SVID of a workload.
pub fn token(world: &World, document: &Document, iss: &str, kids: &[String], claims: &Value) -> bool {
    let issued = claims.get("iat").and_then(|v| if let Value::Number(n) = v { n.thousandths() } else { None });
    let issued = issued.map(|ms| ms.div_euclid(1000));
    let svid = document.spec.text_of("profile") == Some("jwtSvid");
    entries(world).into_iter().any(|entry| {
        if svid && entry.text_of("spiffe").is_some() {
            return entry.text_of("spiffe") == claims.text_of("sub") && in_time(entry, issued);
        }
        // 5.83 By the `issuer` of a document with tenants: of every one.
        let every = document.spec.get("tenants").and_then(|_| document.spec.text_of("issuer"));
        if entry.text_of("issuer") != Some(iss) && (every.is_none() || entry.text_of("issuer") != every) {
            return false;
        }
        let is = |key: &str, found: Option<&str>| entry.text_of(key).is_some_and(|wanted| Some(wanted) == found);
        let named = ["jti", "sub", "sid", "client", "kid"].iter().any(|k| entry.get(k).is_some());
        let own = document.spec.text_of("clientClaim");
        let client = ["client_id", "azp", "cid", "appid"].into_iter().chain(own).any(|name| is("client", claims.text_of(name)));
        let by_name = ["jti", "sub", "sid"].iter().any(|k| is(k, claims.text_of(k)));
        (!named || by_name || client || kids.iter().any(|kid| is("kid", Some(kid)))) && in_time(entry, issued)
    })
}

/// 5.84 A fingerprint in hexadecimal (colons ignored) or base64, as hexadecimal.
pub fn fingerprint(text: &str) -> String {
    let bare: String = text.chars().filter(|c| *c != ':').collect();
    if bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
        return bare.to_lowercase();
    }
    let url = bare.replace('+', "-").replace('/', "_");
    let bytes = crate::signature::from_base64url(url.trim_end_matches('=')).unwrap_or_default();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// 5.85 A serial number: hexadecimal with or without colons, `0x` and leading zeros.
fn serial(text: &str) -> String {
    let bare: String = text.to_lowercase().chars().filter(|c| *c != ':').collect();
    bare.trim_start_matches("0x").trim_start_matches('0').to_owned()
}

/// The subject of an entry: a certificate on the path, or what is known of one.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The SHA-256 of the certificate, in hexadecimal.
    pub sha256: Option<String>,
    /// Of the SubjectPublicKeyInfo.
    pub spki: Option<String>,
    /// The serial number, in hexadecimal without leading zeros.
    pub serial: Option<String>,
    /// The issuer's name, as RFC 4514 text.
    pub issuer: Option<String>,
    /// When it was issued.
    pub not_before: Option<i64>,
}

/// 5.86 Whether a peer is revoked: its certificate, a CA on the path that was found, or its SPIFFE ID. Forwarders count as the caller does.
pub fn peer(world: &World, peer: &Peer) -> Judged<bool> {
    for entry in entries(world) {
        if let Some(id) = entry.text_of("spiffe") {
            let issued = peer.path.first().and_then(|s| s.not_before);
            if peer.spiffe.as_deref() == Some(id) && in_time(entry, issued) {
                return Ok(true);
            }
        }
        for shown in &peer.path {
            let is = |key: &str, found: &Option<String>| entry.text_of(key).is_some_and(|e| Some(fingerprint(e)) == *found);
            if is("certificate", &shown.sha256) || (is("spki", &shown.spki) && in_time(entry, shown.not_before)) {
                return Ok(true);
            }
            if entry.text_of("serial").map(serial).is_some_and(|s| Some(s) == shown.serial) {
                // 5.87 Names of CAs compare as RFC 5280 section 7.1 says, their parts in any order.
                let parts = |name: &str| {
                    let mut parts: Vec<String> = name
                        .split(',')
                        .map(|p| p.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").replace(" =", "=").replace("= ", "="))
                        .collect();
                    parts.sort();
                    parts
                };
                let (wanted, found) = (entry.text_of("certificateIssuer").unwrap_or_default(), shown.issuer.clone().unwrap_or_default());
                if [wanted, &found].iter().any(|n| n.contains(['\\', '+', '#', '"'])) {
                    return Err(outside("a CA's name with escapes"));
                }
                if parts(wanted) == parts(&found) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
