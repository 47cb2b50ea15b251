//! The binding of a token: to its presenter, a certificate, a key (docs/semantics.md, the sections that the functions name).

use crate::documents::{Document, duration_of};
use crate::peer::Peer;
use crate::signature::{from_base64url, good_for, read, signed};
use crate::template::base64url;
use crate::token::Binding;
use crate::value::Value;
use crate::{Evidence, Judged, Once, Reason, Request, World, outside};
use sha2::{Digest, Sha256};

/// 5.45 `bind`: one of its claims names the peer. The reason why it does not.
pub fn bind(bind: &Value, claims: &Value, peer: Option<&Peer>) -> Option<Reason> {
    let least = bind.text_of("evidence").and_then(Evidence::named).unwrap_or(Evidence::Hash);
    let to = bind.text_of("to").unwrap_or_default();
    // 5.46 Other names than the SPIFFE ID are known from `leaf` up.
    let known = |p: &&Peer| p.evidence >= least && (to == "peer.spiffe" || p.evidence >= Evidence::Leaf);
    let Some(peer) = peer.filter(known) else { return Some("binding_unavailable") };
    let names: Vec<String> = match to {
        "peer.spiffe" => peer.spiffe.iter().cloned().collect(),
        "peer.dns" => peer.dns.clone(),
        _ => peer.uris.clone(),
    };
    let pointer = bind.text_of("claim").unwrap_or_default();
    let found = if pointer.starts_with('/') { claims.at(pointer) } else { claims.get(pointer) };
    let named = found.and_then(Value::text).and_then(|claim| bound_name(bind, claim, to == "peer.dns"));
    let fits = named.is_some_and(|name| names.contains(&name));
    (!fits).then_some("identity_token_mismatch")
}

/// 5.47 The name that a claim stands for: `form` takes it apart, `map` puts the name together. A piece is letters, digits, `.`, `-` and `_`
/// (for DNS names lower-case letters, digits and `-`), never empty, never `.` or `..`.
pub(crate) fn bound_name(bind: &Value, claim: &str, dns: bool) -> Option<String> {
    let Some(map) = bind.text_of("map") else { return Some(claim.to_owned()) };
    let piece = |p: &str| {
        let of_dns = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let of_all = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        !p.is_empty() && p != "." && p != ".." && p.bytes().all(|b| if dns { of_dns(b) } else { of_all(b) })
    };
    let mut pieces: Vec<(String, String)> = Vec::new();
    match bind.text_of("form") {
        None => {
            let name = map.split_once('{')?.1.split_once('}')?.0;
            pieces.push((name.to_owned(), claim.to_owned()));
        }
        Some(form) => {
            let (mut form, mut rest) = (form, claim);
            while let Some((literal, after)) = form.split_once('{') {
                rest = rest.strip_prefix(literal)?;
                let (name, next) = after.split_once('}')?;
                let end = next.chars().next().map_or(rest.len(), |stop| rest.find(stop).unwrap_or(rest.len()));
                pieces.push((name.to_owned(), rest.get(..end)?.to_owned()));
                (rest, form) = (rest.get(end..)?, next);
            }
            (rest == form).then_some(())?;
        }
    }
    pieces.iter().all(|(_, p)| piece(p)).then_some(())?;
    Some(pieces.iter().fold(map.to_owned(), |map, (name, piece)| map.replace(&format!("{{{name}}}"), piece)))
}

pub(crate) type Bound = (Binding, Vec<Once>);

/// 5.66 `cnf`: such a token is never a plain bearer token. Then the floor of its issuer.
#[expect(clippy::too_many_arguments, reason = "a proof is about all of this")]
pub(crate) fn binding(
    world: &World,
    request: &Request,
    peer: Option<&Peer>,
    issuer: &Document,
    text: &str,
    claims: &Value,
    dpop_scheme: bool,
) -> Judged<Result<Bound, Reason>> {
    let Some(cnf) = claims.get("cnf") else {
        if dpop_scheme {
            return Ok(Err("dpop_invalid"));
        }
        let floor = matches!(issuer.spec.text_of("binding"), Some("certificate" | "dpop" | "any"));
        return Ok(if floor { Err("binding_unavailable") } else { Ok((Binding::None, Vec::new())) });
    };
    let Value::Map(members) = cnf else { return Ok(Err("token_malformed")) };
    // Members that are not understood say nothing (RFC 7800 section 3.1), and exactly one that is understood has to be there.
    let understood = |(method, value): &&(String, Value)| ["x5t#S256", "jkt"].contains(&method.as_str()) && *value != Value::Null;
    let members: Vec<&(String, Value)> = members.iter().filter(understood).collect();
    if members.len() != 1 {
        return Ok(Err("binding_unavailable"));
    }
    if dpop_scheme && cnf.given("jkt").is_none() {
        return Ok(Err("dpop_invalid"));
    }
    let (mut certificate, mut key) = (false, false);
    let mut once = Vec::new();
    for (method, value) in members {
        match (method.as_str(), value.text()) {
            ("x5t#S256", Some(hash)) => match peer.and_then(|p| p.sha256) {
                None => return Ok(Err("binding_unavailable")),
                Some(known) if base64url(&known) != hash => return Ok(Err("binding_mismatch")),
                Some(_) => certificate = true,
            },
            ("jkt", Some(jkt)) => {
                if !dpop_scheme {
                    return Ok(Err("dpop_invalid"));
                }
                match proof(world, request, issuer, text, jkt)? {
                    Err(reason) => return Ok(Err(reason)),
                    Ok(id) => once.push(id),
                }
                key = true;
            }
            _ => return Ok(Err("token_malformed")),
        }
    }
    let enough = match issuer.spec.text_of("binding") {
        Some("certificate") => certificate,
        Some("dpop") => key,
        _ => certificate || key,
    };
    Ok(if enough { Ok((if key { Binding::Dpop } else { Binding::Certificate }, once)) } else { Err("binding_unavailable") })
}

/// 5.67 The proof of possession (RFC 9449 section 4.3): what is used once, or why it is refused.
pub(crate) fn proof(world: &World, request: &Request, issuer: &Document, token: &str, jkt: &str) -> Judged<Result<Once, Reason>> {
    let wrong = Ok(Err("dpop_invalid"));
    let none = Value::Null;
    let settings = issuer.spec.get("dpop").unwrap_or(&none);
    if settings.get("nonce").is_some() {
        return Err(outside("DPoP nonces"));
    }
    let lines = request.lines("dpop");
    let [line] = lines.as_slice() else { return wrong };
    let text = String::from_utf8_lossy(line).trim().to_owned();
    let Some((header, claims)) = read(&text) else { return wrong };
    let alg = header.text_of("alg").unwrap_or_default();
    let allowed = settings.get("algorithms").is_none() || settings.texts("algorithms").iter().any(|a| a == alg);
    let key = header.get("jwk").cloned().unwrap_or(Value::Null);
    let private = ["d", "p", "q", "dp", "dq", "qi", "k"].iter().any(|n| key.get(n).is_some());
    let typ = header.text_of("typ").unwrap_or_default().to_ascii_lowercase();
    if typ.trim_start_matches("application/") != "dpop+jwt" || !allowed || alg.starts_with("HS") || private || !good_for(&key, alg) {
        return wrong;
    }
    let (input, signature) = text.rsplit_once('.').unwrap_or_default();
    if !signed(&key, alg, input.as_bytes(), &from_base64url(signature).unwrap_or_default())? {
        return wrong;
    }
    // 5.68 The thumbprint of RFC 7638.
    let members: &[&str] = match key.text_of("kty") {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("RSA") => &["e", "kty", "n"],
        _ => &["crv", "kty", "x"],
    };
    let json: Vec<String> = members.iter().map(|m| format!("\"{m}\":\"{}\"", key.text_of(m).unwrap_or_default())).collect();
    let thumbprint = base64url(&Sha256::digest(format!("{{{}}}", json.join(","))));
    let origins = settings.texts("origins");
    let (raw_path, _) = request.split_path();
    let told = format!("{}://{}", request.scheme.to_lowercase(), request.host.to_lowercase());
    let url = |origin: &String| format!("{}{raw_path}", origin.trim_end_matches('/'));
    let urls: Vec<String> = if origins.is_empty() { vec![url(&told)] } else { origins.iter().map(url).collect() };
    let htu = claims.text_of("htu").unwrap_or_default().split(['?', '#']).next().unwrap_or_default().to_owned();
    let ath = base64url(&Sha256::digest(token));
    if thumbprint != jkt || claims.text_of("htm") != Some(&request.method) || claims.text_of("ath") != Some(&ath) {
        return wrong;
    }
    if !urls.contains(&htu) {
        // 5.69 URLs are compared in the normal form of RFC 3986, which is not made here.
        let same = |u: &String| {
            u.to_lowercase().replace(":443/", "/").replace(":80/", "/") == htu.to_lowercase().replace(":443/", "/").replace(":80/", "/")
        };
        return if urls.iter().any(same) || htu.contains('%') { Err(outside("the normal form of a URL in a proof")) } else { wrong };
    }
    let skew = duration_of(&issuer.spec, "clockSkew").unwrap_or(30_000);
    let most = duration_of(settings, "maxAge").unwrap_or(60_000);
    let made = match claims.get("iat") {
        Some(Value::Number(n)) => n.thousandths(),
        _ => None,
    };
    let now = world.now * 1000;
    let (Some(made), Some(jti)) = (made, claims.text_of("jti")) else { return wrong };
    if made > now + skew || now - made >= most + skew {
        return wrong;
    }
    Ok(Ok(Once { id: format!("dpop {jkt} {jti}"), ends: made + most + skew }))
}
