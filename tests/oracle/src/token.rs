//! Section 5b: tokens: where they are, how they are read, verified and judged, and what ties them to the caller.

use std::collections::BTreeSet;

use hmac::{KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::answer::base64url;
use crate::documents::{Document, duration_of};
use crate::path::{self, Host};
use crate::peer::Peer;
use crate::value::{Number, Value};
use crate::{Evidence, Judged, Reason, Request, World, outside, revocation};

/// 5.40 A token that was verified.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name of its issuer's document.
    pub issuer: String,
    /// The `issuer` of that document.
    pub iss: String,
    /// Its claims.
    pub claims: Value,
    /// What ties it to the caller.
    pub binding: Binding,
    /// Where it was.
    pub place: Place,
    /// What may be used only once.
    pub once: Vec<String>,
}

/// What ties a token to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing.
    None,
    /// The certificate of the peer.
    Certificate,
    /// A key, with a proof.
    Dpop,
}

/// A place of tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The header `Authorization`.
    Authorization,
    /// A header of its own.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the query.
    Query(String),
}

/// 5.41 A token that was refused. A rule may pass over one in a cookie.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The cookie that it was in, where the fault is its own.
    pub cookie: Option<String>,
    /// The issuers whose tokens are in that cookie.
    pub issuers: Vec<String>,
}

impl Token {
    /// 5.42 Its audiences: a text or a list of texts.
    pub fn audiences(&self) -> Vec<String> {
        texts(self.claims.get("aud"))
    }

    /// 5.43 Its scopes: `scope`, else `scp`; a text with spaces, or a list. A scope is a whole word.
    pub fn scopes(&self) -> Vec<String> {
        let found = self.claims.get("scope").or_else(|| self.claims.get("scp"));
        texts(found).iter().flat_map(|t| t.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// 5.44 Its client: `client_id`, else `azp`.
    pub fn client(&self) -> Option<String> {
        self.claims.text_of("client_id").or_else(|| self.claims.text_of("azp")).map(str::to_owned)
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(list)) => list.iter().filter_map(|v| v.text().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

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
        _ => peer.uris.iter().chain(&peer.spiffe).cloned().collect(),
    };
    let pointer = bind.text_of("claim").unwrap_or_default();
    let found = if pointer.starts_with('/') { claims.at(pointer) } else { claims.get(pointer) };
    let named = found.and_then(Value::text).and_then(|claim| bound_name(bind, claim, to == "peer.dns"));
    let fits = named.is_some_and(|name| names.contains(&name));
    (!fits).then_some("identity_token_mismatch")
}

/// 5.47 The name that a claim stands for: `form` takes it apart, `map` puts the name together. A piece is letters, digits, `.`, `-` and `_`
/// (for DNS names lower-case letters, digits and `-`), never empty, never `.` or `..`.
fn bound_name(bind: &Value, claim: &str, dns: bool) -> Option<String> {
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

/// 5.48 The issuers whose tokens count at a host, where every policy about it ignores the others; none where tokens of others are refused.
pub fn counting(world: &World, request: &Request) -> Option<BTreeSet<String>> {
    let host = Host::read(&request.host)?;
    let mut counting = BTreeSet::new();
    let mut any = false;
    for policy in world.documents.of("Policy") {
        let target = policy.spec.get("target")?;
        if path::target_fits(target, &host, true).is_none() {
            continue;
        }
        any = true;
        let tokens = target.get("tokens").filter(|t| t.text_of("others") == Some("ignored"))?;
        counting.extend(tokens.texts("issuers"));
    }
    any.then_some(counting)
}

/// The places of an issuer's tokens.
fn places(issuer: &Document) -> Vec<Place> {
    let Some(list) = issuer.spec.get("tokens").and_then(Value::list) else { return vec![Place::Authorization] };
    let place = |v: &Value| {
        let named = |key: &str| v.text_of(key).map(str::to_owned);
        named("header").map(Place::Header).or(named("cookie").map(Place::Cookie)).or(named("query").map(Place::Query))
    };
    list.iter().map(|v| place(v).unwrap_or(Place::Authorization)).collect()
}

/// 5.49 What is in a place: the credentials, and whether they came with the scheme `DPoP`.
fn found(request: &Request, place: &Place) -> Judged<Vec<(String, bool)>> {
    let lines = |name: &str| request.lines(name).into_iter().map(|l| String::from_utf8_lossy(l).trim().to_owned()).collect::<Vec<_>>();
    Ok(match place {
        Place::Authorization => {
            let mut out = Vec::new();
            for line in lines("authorization") {
                for (i, one) in line.split(',').map(str::trim).enumerate() {
                    match one.split_once(' ') {
                        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => out.push((token.trim().to_owned(), false)),
                        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => out.push((token.trim().to_owned(), true)),
                        _ if i > 0 => out.push((one.to_owned(), false)),
                        _ => return Err(outside("another scheme of Authorization than Bearer and DPoP")),
                    }
                }
            }
            out
        }
        Place::Header(name) => {
            lines(name).iter().flat_map(|l| l.split(',').map(|t| (t.trim().to_owned(), false)).collect::<Vec<_>>()).collect()
        }
        Place::Cookie(name) => {
            let all = lines("cookie");
            let pairs = all.iter().flat_map(|l| l.split(';')).filter_map(|p| p.split_once('='));
            pairs.filter(|(n, _)| n.trim() == name).map(|(_, v)| (v.trim().to_owned(), false)).collect()
        }
        Place::Query(name) => {
            let pairs = request.split_path().1.split('&').map(|p| p.split_once('=').unwrap_or((p, "")));
            let named = pairs.filter(|(n, _)| path::decode(n).as_deref() == Some(name));
            named.map(|(_, v)| (path::decode(v).unwrap_or_else(|| v.to_owned()), false)).collect()
        }
    })
}

type Authenticated = (Vec<Token>, Vec<Refused>, Vec<Reason>);

/// 5.50 Every token in every place of every issuer.
pub fn authenticate(world: &World, request: &Request, peer: Option<&Peer>) -> Judged<Authenticated> {
    let issuers = world.documents.of("TokenIssuer");
    let counting = counting(world, request);
    let counts = |name: &str| counting.as_ref().is_none_or(|c| c.contains(name));
    let (mut tokens, mut refused, mut ignored): Authenticated = Default::default();
    let all: BTreeSet<Place> = issuers.iter().flat_map(places).collect();
    for place in all {
        let here: Vec<&Document> = issuers.iter().filter(|i| places(i).contains(&place) && counts(&i.name)).collect();
        let cookie = if let Place::Cookie(name) = &place { Some(name.clone()) } else { None };
        let names: Vec<String> = issuers.iter().filter(|i| places(i).contains(&place)).map(|i| i.name.clone()).collect();
        let credentials = found(request, &place)?;
        let refuse = |reason: Reason, own: bool| Refused { reason, cookie: cookie.clone().filter(|_| own), issuers: names.clone() };
        if credentials.iter().any(|(t, _)| t.is_empty()) {
            return Err(outside("an empty credential"));
        }
        match credentials.as_slice() {
            [] => {}
            _ if here.is_empty() => ignored.push("issuer_unknown"),
            [(text, dpop)] => match one(world, request, peer, &here, &place, text, *dpop, counting.is_some())? {
                Ok(token) if tokens.iter().any(|t: &Token| t.issuer == token.issuer) => {
                    refused.push(Refused { cookie: None, ..refuse("token_multiple", false) })
                }
                Ok(token) => tokens.push(token),
                Err((reason, true)) => ignored.push(reason),
                Err((reason, false)) => refused.push(refuse(reason, !reason.starts_with("dpop"))),
            },
            _ => refused.push(refuse("token_multiple", true)),
        }
    }
    Ok((tokens, refused, ignored))
}

type Checked<T> = Result<T, (Reason, bool)>;

/// 5.51 One token, through every check in its order. A failure says whether it is passed over.
#[expect(clippy::too_many_arguments, reason = "the steps are one list, and this is what they look at")]
fn one(
    world: &World,
    request: &Request,
    peer: Option<&Peer>,
    here: &[&Document],
    place: &Place,
    text: &str,
    dpop_scheme: bool,
    ignoring: bool,
) -> Judged<Checked<Token>> {
    let fail = |reason: Reason| Ok(Err((reason, false)));
    if text.len() > 16 * 1024 {
        return fail("token_malformed");
    }
    let (issuer, header, claims, answered) = if text.starts_with("eyJ") {
        let Some((header, claims)) = read(text) else { return fail("token_malformed") };
        // 5.52 `iss` chooses whose rules and keys apply; JWT-SVIDs are known by the trust domain of `sub`.
        let iss = claims.get("iss");
        let of_domain = |i: &Document| {
            claims.text_of("sub").is_some_and(|s| s.starts_with(&format!("{}/", i.spec.text_of("issuer").unwrap_or_default())))
        };
        let svid = |i: &Document| i.spec.text_of("profile") == Some("jwtSvid");
        let its = |i: &&&Document| if svid(i) { of_domain(i) } else { i.spec.text_of("issuer") == iss.and_then(Value::text) };
        let Some(issuer) = here.iter().find(its) else {
            // 5.53 It is passed over where it names another issuer for certain: by more than case and a final `/`.
            let plain = |t: &str| t.to_lowercase().trim_end_matches('/').to_owned();
            let other =
                iss.and_then(Value::text).is_some_and(|iss| here.iter().all(|i| i.spec.text_of("issuer").map(plain) != Some(plain(iss))));
            return Ok(Err(("issuer_unknown", ignoring && other)));
        };
        (*issuer, header, claims, false)
    } else {
        // 5.54 An opaque token is asked about in the place of an issuer that introspects; elsewhere it is no token of anyone.
        let Some(issuer) = here.iter().find(|i| i.spec.get("introspection").is_some()) else {
            return Ok(Err(("token_malformed", ignoring)));
        };
        let Some(claims) = world.introspection.get(text) else { return fail("introspection_unavailable") };
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return fail("introspection_inactive"),
            _ => return fail("introspection_unavailable"),
        }
        if claims.get("iss").is_some_and(|i| i.text() != issuer.spec.text_of("issuer")) {
            return fail("issuer_unknown");
        }
        (*issuer, Value::Map(Vec::new()), claims.clone(), true)
    };
    if !answered {
        if issuer.spec.get("introspection").is_some() {
            return Err(outside("a JWT at an issuer that introspects"));
        }
        if let Err(reason) = verify(world, issuer, text, &header)? {
            return fail(reason);
        }
    }
    if let Err(reason) = kind(&issuer.spec, &header, &claims) {
        return fail(reason);
    }
    if let Err(reason) = judge(&issuer.spec, &claims, world.now, answered)? {
        return fail(reason);
    }
    let (binding, mut once) = match binding(world, request, peer, issuer, text, place, &claims, dpop_scheme)? {
        Ok(found) => found,
        Err(reason) => return fail(reason),
    };
    if let Some(reason) = issuer.spec.get("bind").and_then(|b| bind(b, &claims, peer)) {
        return fail(reason);
    }
    let iss = issuer.spec.text_of("issuer").unwrap_or_default().to_owned();
    if revocation::token(world, issuer, &iss, header.text_of("kid"), &claims) {
        return fail("token_revoked");
    }
    if issuer.spec.text_of("use") == Some("once") {
        let Some(jti) = claims.text_of("jti") else { return fail("token_malformed") };
        once.push(format!("{iss} {jti}"));
    }
    Ok(Ok(Token { issuer: issuer.name.clone(), iss, claims, binding, place: place.clone(), once }))
}

/// Strict base64url without padding.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let digit = |b: u8| match b {
            b'A'..=b'Z' => Some(u32::from(b - b'A')),
            b'a'..=b'z' => Some(u32::from(b - b'a') + 26),
            b'0'..=b'9' => Some(u32::from(b - b'0') + 52),
            b'-' => Some(62),
            b'_' => Some(63),
            _ => None,
        };
        let bits = chunk.iter().try_fold(0, |sum, b| Some(sum << 6 | digit(*b)?))? << (6 * (4 - chunk.len()));
        let bytes = bits.to_be_bytes();
        out.extend(bytes.get(1..chunk.len())?);
    }
    (base64url(&out) == text).then_some(out)
}

/// 5.55 Reads a compact JWS: three parts, JSON without repeated members, at most 16 levels; no `crit`, `b64`, `cty`.
fn read(text: &str) -> Option<(Value, Value)> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return None };
    from_base64url(signature).filter(|s| !s.is_empty())?;
    let object = |part: &str| Value::json(&from_base64url(part)?, 16).filter(|v| matches!(v, Value::Map(_)));
    let (header, claims) = (object(header)?, object(claims)?);
    let plain = ["crit", "b64", "cty"].iter().all(|n| header.get(n).is_none());
    let typed = ["kid", "typ", "alg"].iter().all(|n| header.get(n).is_none_or(|v| v.text().is_some()));
    (plain && typed).then_some((header, claims))
}

/// 5.56 Algorithm, type, key, signature.
fn verify(world: &World, issuer: &Document, text: &str, header: &Value) -> Judged<Result<(), Reason>> {
    let spec = &issuer.spec;
    let alg = header.text_of("alg").unwrap_or_default();
    if !spec.texts("algorithms").iter().any(|a| a == alg) {
        return Ok(Err("token_alg"));
    }
    let types = match (spec.get("types").is_some(), spec.text_of("profile")) {
        (true, _) => spec.texts("types"),
        (_, Some("jwtSvid")) => vec!["JWT".to_owned(), "JOSE".to_owned()],
        (_, Some("kubernetes")) => vec!["JWT".to_owned()],
        _ => vec!["JWT".to_owned(), "at+jwt".to_owned()],
    };
    let bare = |t: &str| t.to_ascii_lowercase().trim_start_matches("application/").to_owned();
    if !types.iter().any(|t| bare(t) == bare(header.text_of("typ").unwrap_or("JWT"))) {
        return Ok(Err("token_type"));
    }
    let keys = spec.get("keys").cloned().unwrap_or(Value::Null);
    let kid = header.text_of("kid");
    if kid.is_some_and(|k| spec.texts("denyKids").iter().any(|d| d == k)) {
        return Ok(Err("key_unknown"));
    }
    let mut set: Vec<Value> = Vec::new();
    for secret in keys.get("secrets").and_then(Value::list).unwrap_or_default() {
        let mut bytes = world.files.get(secret.text_of("file").unwrap_or_default()).cloned().unwrap_or_default();
        if bytes.is_ascii() && bytes.ends_with(b"\n") {
            bytes.pop();
            bytes.pop_if(|b| *b == b'\r');
        }
        let mut members = vec![("kty".to_owned(), Value::of("oct")), ("k".to_owned(), Value::Text(base64url(&bytes)))];
        members.extend(secret.get("keyId").map(|k| ("kid".to_owned(), k.clone())));
        set.push(Value::Map(members));
    }
    if set.is_empty() {
        let place = ["file", "url"].iter().find_map(|k| keys.text_of(k)).map(str::to_owned);
        let place = place.unwrap_or_else(|| format!("discovery:{}", spec.text_of("issuer").unwrap_or_default()));
        let found = keys.text_of("inline").map(|t| t.as_bytes().to_vec()).or_else(|| world.files.get(&place).cloned());
        let Some(bytes) = found else { return Ok(Err("keys_stale")) };
        let read = Value::json(&bytes, 16).ok_or_else(|| outside("a key set that is no JSON"))?;
        set = read.get("keys").and_then(Value::list).unwrap_or_default().to_vec();
    }
    // 5.57 By `kid`; a token without one needs exactly one key that fits (a secret without `keyId` is for tokens without `kid`).
    let secret = |k: &&Value| k.text_of("kty") == Some("oct");
    let named: Vec<&Value> = match kid {
        Some(kid) => set.iter().filter(|k| k.text_of("kid") == Some(kid)).collect(),
        None => set.iter().filter(|k| good_for(k, alg) && (!secret(k) || k.get("kid").is_none())).collect(),
    };
    match named.as_slice() {
        [key] if good_for(key, alg) => {
            let (input, signature) = text.rsplit_once('.').unwrap_or((text, ""));
            let signature = from_base64url(signature).unwrap_or_default();
            Ok(if signed(key, alg, input.as_bytes(), &signature)? { Ok(()) } else { Err("signature_invalid") })
        }
        [_] => Ok(Err("token_alg")),
        _ => Ok(Err("key_unknown")),
    }
}

/// 5.58 Whether a key is good for an algorithm by its type, curve, `alg`, `use` and `key_ops`.
fn good_for(key: &Value, alg: &str) -> bool {
    let (kty, crv) = (key.text_of("kty").unwrap_or_default(), key.text_of("crv").unwrap_or_default());
    let kind = match alg {
        "ES256" => kty == "EC" && crv == "P-256",
        "ES384" => kty == "EC" && crv == "P-384",
        "ES512" => kty == "EC" && crv == "P-521",
        "EdDSA" | "Ed25519" => kty == "OKP" && crv == "Ed25519",
        _ if alg.starts_with("HS") => kty == "oct",
        _ => (alg.starts_with("RS") || alg.starts_with("PS")) && kty == "RSA",
    };
    let same = |a: &str| a == alg || (["EdDSA", "Ed25519"].contains(&a) && ["EdDSA", "Ed25519"].contains(&alg));
    let usage = key.text_of("use").is_none_or(|u| u == "sig" || u == "jwt-svid");
    let ops = key.get("key_ops").is_none_or(|_| key.texts("key_ops").iter().any(|o| o == "verify"));
    kind && key.text_of("alg").is_none_or(same) && usage && ops
}

/// 5.59 Whether a signature verifies (RFC 7518, RFC 8037).
fn signed(key: &Value, alg: &str, input: &[u8], signature: &[u8]) -> Judged<bool> {
    use p256::ecdsa::signature::Verifier;
    let part = |name: &str| key.text_of(name).and_then(from_base64url).unwrap_or_default();
    let point = |width: usize| {
        let coordinate = |name| Some(part(name)).filter(|c| c.len() == width);
        Some([vec![4], coordinate("x")?, coordinate("y")?].concat())
    };
    macro_rules! ecdsa {
        ($curve:ident, $width:expr) => {{
            let key = point($width).and_then(|p| $curve::ecdsa::VerifyingKey::from_sec1_bytes(&p).ok());
            let signature = $curve::ecdsa::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(k, s)| k.verify(input, &s).is_ok())
        }};
    }
    macro_rules! rsa {
        ($scheme:ident, $hash:ty) => {{
            let number = |name| rsa::BoxedUint::from_be_slice_vartime(&part(name));
            let key = rsa::PublicKey::new(number("n"), number("e")).map_err(|e| outside(format!("an RSA key: {e}")))?;
            let key = rsa::$scheme::VerifyingKey::<$hash>::new(key);
            rsa::$scheme::Signature::try_from(signature).is_ok_and(|s| key.verify(input, &s).is_ok())
        }};
    }
    macro_rules! hmac {
        ($hash:ty) => {{
            let mac = hmac::Hmac::<$hash>::new_from_slice(&part("k")).map_err(|e| outside(format!("a secret: {e}")))?;
            mac.chain_update(input).verify_slice(signature).is_ok()
        }};
    }
    Ok(match alg {
        "ES256" => ecdsa!(p256, 32),
        "ES384" => ecdsa!(p384, 48),
        "ES512" => ecdsa!(p521, 66),
        "EdDSA" | "Ed25519" => {
            let key = <[u8; 32]>::try_from(part("x")).ok().and_then(|x| ed25519_dalek::VerifyingKey::from_bytes(&x).ok());
            let signature = ed25519_dalek::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(k, s)| k.verify_strict(input, &s).is_ok())
        }
        "RS256" => rsa!(pkcs1v15, Sha256),
        "RS384" => rsa!(pkcs1v15, Sha384),
        "RS512" => rsa!(pkcs1v15, Sha512),
        "PS256" => rsa!(pss, Sha256),
        "PS384" => rsa!(pss, Sha384),
        "PS512" => rsa!(pss, Sha512),
        "HS256" => hmac!(Sha256),
        "HS384" => hmac!(Sha384),
        "HS512" => hmac!(Sha512),
        other => return Err(outside(format!("the algorithm {other}"))),
    })
}

/// 5.60 The kind of a token, by what its claims (and `typ` of its header) say. Access tokens are accepted, ID tokens by `kinds`.
fn kind(spec: &Value, header: &Value, claims: &Value) -> Result<(), Reason> {
    let kinds = if spec.get("kinds").is_some() { spec.texts("kinds") } else { vec!["access".to_owned()] };
    let marks: Vec<String> = spec.texts("accessMarks").iter().map(|m| m.to_lowercase()).collect();
    let (mut access, mut id) = (false, false);
    for name in ["typ", "token_use", "token_type"] {
        let Some(found) = claims.get(name) else { continue };
        match found.text().map(str::to_lowercase).as_deref() {
            Some("bearer" | "access" | "access_token" | "at+jwt") => access = true,
            Some("id" | "id_token") => id = true,
            Some("jwt") => {}
            Some("dpop") if claims.at("/cnf/jkt").is_some() => access = true,
            Some(word) if marks.iter().any(|m| m == word) => access = true,
            _ => return Err("token_type"),
        }
    }
    let plain = |t: &str| t.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    if let Value::Map(members) = claims {
        for (name, value) in members {
            // 5.61 Words of issuers, in any spelling; other words there say nothing.
            if !["type", "use", "tokentype", "tokenname", "purpose"].contains(&plain(name).as_str()) || name == "token_type" {
                continue;
            }
            match value.text().map(plain).as_deref() {
                Some("refresh" | "refreshtoken" | "offline" | "offlinetoken" | "logout" | "logouttoken") => return Err("token_type"),
                Some("id" | "idtoken") => id = true,
                Some("access" | "accesstoken") => access = true,
                _ => {}
            }
        }
    }
    let has = |name: &str| claims.get(name).is_some();
    let another = has("events") || has("token_introspection") || (has("htm") && has("htu")) || has("response_type");
    if another || (has("code") && has("state")) || has("access_token") {
        return Err("token_type");
    }
    id |= has("at_hash") || has("c_hash") || has("s_hash");
    // 5.62 A `nonce` makes an ID token, unless something else is that of an access token.
    let at_jwt = header.text_of("typ").is_some_and(|t| t.to_lowercase().ends_with("at+jwt"));
    id |= has("nonce") && !(access || at_jwt || has("scope") || has("scp") || has("cid"));
    let kind = if id { "id" } else { "access" };
    if kinds.iter().any(|k| k == kind) || (!id && !access && kinds.iter().any(|k| k == "id")) { Ok(()) } else { Err("token_type") }
}

/// 5.63 The claims: their types, then times, lifetime, age, audience, required claims. Both ends have the clock skew.
fn judge(spec: &Value, claims: &Value, now: i64, answered: bool) -> Judged<Result<(), Reason>> {
    let is_text = |name: &str| claims.get(name).is_none_or(|v| v.text().is_some());
    let texts_only = |v: &Value| v.text().is_some() || v.list().is_some_and(|l| l.iter().all(|e| e.text().is_some()));
    let lists = ["aud", "scope", "scp"].iter().all(|n| claims.get(n).is_none_or(texts_only));
    if !["iss", "sub", "jti", "client_id", "azp"].iter().all(|n| is_text(n)) || !lists {
        return Ok(Err("token_malformed"));
    }
    let mut times = [None; 3];
    for (time, name) in times.iter_mut().zip(["exp", "nbf", "iat"]) {
        *time = match claims.get(name) {
            None => None,
            Some(Value::Number(n)) if n.known() => Some(n.thousandths().filter(|t| *t >= 0).ok_or_else(|| outside("a time out of reach"))?),
            Some(_) => return Ok(Err("token_malformed")),
        };
    }
    let [exp, nbf, iat] = times;
    let now = now * 1000;
    let skew = duration_of(spec, "clockSkew").unwrap_or(30_000);
    // 5.64 An answer about an opaque token without `exp` ends with the answer.
    let Some(exp) =
        exp.or(answered.then(|| now + duration_of(spec.get("introspection").unwrap_or(&Value::Null), "cacheTtl").unwrap_or(30_000)))
    else {
        return Ok(Err("token_lifetime"));
    };
    if now >= exp + skew {
        return Ok(Err("token_expired"));
    }
    if nbf.is_some_and(|t| t > now + skew) || iat.is_some_and(|t| t > now + skew) {
        return Ok(Err("token_not_yet_valid"));
    }
    if exp - iat.or(nbf).unwrap_or(now) > duration_of(spec, "maxLifetime").unwrap_or(86_400_000) {
        return Ok(Err("token_lifetime"));
    }
    if let Some(most) = duration_of(spec, "maxAge") {
        // 5.65 `maxAge` needs `iat`.
        match iat {
            Some(iat) if now - iat <= most => {}
            Some(iat) if now - iat <= most + skew => return Err(outside("maxAge within the clock skew")),
            _ => return Ok(Err("token_lifetime")),
        }
    }
    let audiences = texts(claims.get("aud"));
    if !spec.texts("audiences").iter().any(|a| audiences.contains(a)) {
        return Ok(Err("audience"));
    }
    if spec.texts("requiredClaims").iter().any(|p| claims.at(p).is_none()) {
        return Ok(Err("claim_mismatch"));
    }
    if spec.text_of("profile") == Some("kubernetes") {
        let named = claims.text_of("sub").and_then(|s| s.strip_prefix("system:serviceaccount:")).and_then(|s| s.split_once(':'));
        let at = |p: &str| claims.at(p).and_then(Value::text);
        if named.is_none() || named != at("/kubernetes.io/namespace").zip(at("/kubernetes.io/serviceaccount/name")) {
            return Err(outside("the reason for a service account that is not the one of its claim"));
        }
    }
    Ok(Ok(()))
}

type Bound = (Binding, Vec<String>);

/// 5.66 `cnf`: such a token is never a plain bearer token. Then the floor of its issuer.
#[expect(clippy::too_many_arguments, reason = "a proof is about all of this")]
fn binding(
    world: &World,
    request: &Request,
    peer: Option<&Peer>,
    issuer: &Document,
    text: &str,
    place: &Place,
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
                if *place == Place::Authorization && !dpop_scheme {
                    return Ok(Err("dpop_invalid"));
                }
                match proof(world, request, issuer, text, jkt)? {
                    Err(reason) => return Ok(Err(reason)),
                    Ok(id) => once.push(id),
                }
                key = true;
            }
            _ => return Ok(Err("binding_unavailable")),
        }
    }
    if dpop_scheme && !key {
        return Ok(Err("dpop_invalid"));
    }
    let enough = match issuer.spec.text_of("binding") {
        Some("certificate") => certificate,
        Some("dpop") => key,
        _ => certificate || key,
    };
    if certificate && key {
        return Err(outside("a token that is bound to a certificate and to a key"));
    }
    Ok(if enough { Ok((if key { Binding::Dpop } else { Binding::Certificate }, once)) } else { Err("binding_unavailable") })
}

/// 5.67 The proof of possession (RFC 9449 section 4.3): what is used once, or why it is refused.
fn proof(world: &World, request: &Request, issuer: &Document, token: &str, jkt: &str) -> Judged<Result<String, Reason>> {
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
    if header.text_of("typ") != Some("dpop+jwt") || !allowed || alg.starts_with("HS") || private || !good_for(&key, alg) {
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
    if made > now + skew || now - made > most + skew {
        return wrong;
    }
    Ok(Ok(format!("dpop {jkt} {jti}")))
}

/// A whole number as a value.
pub fn whole(n: i64) -> Value {
    Value::Number(Number::whole(n))
}
