//! The form and the signature of a token (docs/semantics.md, the sections that the functions name).

use crate::documents::Document;
use crate::template::base64url;
use crate::value::Value;
use crate::{Judged, Reason, World, outside};
use hmac::{KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::cell::RefCell;
use std::collections::HashMap;

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

/// Strict base64 with padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    let url = bare.replace('+', "-").replace('/', "_");
    (text.len() % 4 == 0 && text.len() - bare.len() < 3 && !bare.contains(['-', '_'])).then(|| from_base64url(&url))?
}

/// 5.55 Reads a compact JWS: three parts, JSON without repeated members, at most 16 levels; no `crit`, `b64`, and no `cty` but a null one.
pub(crate) fn read(text: &str) -> Option<(Value, Value)> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return None };
    from_base64url(signature).filter(|s| !s.is_empty())?;
    let object = |part: &str| Value::json(&from_base64url(part)?, 16).filter(|v| matches!(v, Value::Map(_)));
    let (header, claims) = (object(header)?, object(claims)?);
    header.text_of("alg")?;
    let plain = ["crit", "b64"].iter().all(|n| header.get(n).is_none()) && header.given("cty").is_none();
    let typed = ["kid", "typ"].iter().all(|n| header.given(n).is_none_or(|v| v.text().is_some()));
    (plain && typed).then_some((header, claims))
}

/// 5.56 Algorithm, type, key, signature. Every `kid` of the key that verified it.
pub(crate) fn verify(world: &World, issuer: &Document, text: &str, header: &Value, claims: &Value) -> Judged<Result<Vec<String>, Reason>> {
    let iss = claims.text_of("iss").unwrap_or_default();
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
    // 5.57 `keys`, then each of `moreKeys`, as far as they can be fetched.
    let more = spec.get("moreKeys").and_then(Value::list).unwrap_or_default();
    let sources: Vec<&Value> = spec.get("keys").into_iter().chain(more).collect();
    let tenant = issuer.tenant(iss).flatten();
    let read = |keys: &Value, tenant: Option<&str>| key_set(world, issuer, keys, tenant);
    let sets: Vec<_> = sources.iter().map(|keys| read(keys, tenant.as_deref())).collect::<Judged<_>>()?;
    // 5.58 A key that is denied has the denied name in any set of the document, also in that of another tenant.
    let tenants = spec.texts("tenants");
    let others = sources.iter().flat_map(|keys| tenants.iter().map(|t| read(keys, Some(t))));
    let others: Vec<_> = others.collect::<Judged<_>>()?;
    let is_denied = |kid: &str| spec.texts("denyKids").iter().any(|d| d == kid);
    let everything = sets.iter().chain(&others).flatten().flatten();
    let denied: Vec<_> = everything.filter(|key| key.text_of("kid").is_some_and(is_denied)).map(numbers).collect();
    let mut first = "key_unknown";
    for (at, set) in sets.iter().enumerate() {
        // The reason that says most about keys counts.
        let rank = |reason: Reason| ["key_unknown", "keys_stale", "token_alg", "signature_invalid"].iter().position(|r| *r == reason);
        match with_set(spec, set.as_deref(), &denied, text, header, claims)? {
            Ok(key) => {
                let same = sets.iter().flatten().flatten().filter(|other| numbers(other) == numbers(&key));
                return Ok(Ok(same.filter_map(|k| k.text_of("kid").map(str::to_owned)).collect()));
            }
            Err(why) if at == 0 || rank(first) < rank(why) => first = why,
            Err(_) => {}
        }
    }
    // 5.58 `denyKids` outranks everything about keys.
    let kid = header.text_of("kid");
    let mut by_denied = kid.is_some_and(is_denied);
    for set in sets.iter().flatten().filter(|_| !denied.is_empty()) {
        let fitting = fitting(set, kid, alg).into_iter().filter(|key| denied.contains(&numbers(key))).take(4);
        for key in fitting {
            by_denied |= good(key, alg, text)?;
        }
    }
    Ok(Err(if by_denied { "key_unknown" } else { first }))
}

/// The members that make a key, each number with its one value.
fn numbers(key: &Value) -> Vec<Option<Vec<u8>>> {
    let plain = |t: &str| t.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let number = |t: &str| from_base64url(&plain(t)).map(|n| n.into_iter().skip_while(|b| *b == 0).collect());
    let words = ["kty", "crv"].map(|name| key.text_of(name).map(|t| t.as_bytes().to_vec()));
    words.into_iter().chain(["n", "e", "x", "y", "k"].map(|name| key.text_of(name).and_then(number))).collect()
}

/// 5.57 A set of keys, whole; nothing where it could not be fetched.
fn key_set(world: &World, issuer: &Document, keys: &Value, tenant: Option<&str>) -> Judged<Option<Vec<Value>>> {
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
    if !set.is_empty() {
        return Ok(Some(set));
    }
    // 5.57 With `{tenant}` in the address, or `discovery`, those of the tenant alone.
    let filled = |text: &str| tenant.map_or_else(|| text.to_owned(), |t| text.replace("{tenant}", t));
    let place = ["file", "url"].iter().find_map(|k| keys.text_of(k)).map(filled);
    let place = place.unwrap_or_else(|| format!("discovery:{}", filled(issuer.spec.text_of("issuer").unwrap_or_default())));
    let found = keys.text_of("inline").map(|t| t.as_bytes().to_vec()).or_else(|| world.files.get(&place).cloned());
    let Some(bytes) = found else { return Ok(None) };
    let read = Value::json(&bytes, 16).ok_or_else(|| outside("a key set that is no JSON"))?;
    Ok(Some(read.get("keys").and_then(Value::list).unwrap_or_default().to_vec()))
}

/// 5.57 The keys of a set that a token may mean: by `kid`; a token without one is tried with those that fit (a secret without `keyId` is
/// for tokens without `kid`). A key for something else is no key of the issuer.
fn fitting<'a>(set: &'a [Value], kid: Option<&str>, alg: &str) -> Vec<&'a Value> {
    named(set, kid, alg).into_iter().filter(|k| good_for(k, alg)).collect()
}

fn named<'a>(set: &'a [Value], kid: Option<&str>, alg: &str) -> Vec<&'a Value> {
    let usable = |key: &&Value| {
        let usage = key.text_of("use").is_none_or(|u| u == "sig" || u == "jwt-svid");
        usage && key.given("key_ops").is_none_or(|_| key.texts("key_ops").iter().any(|o| o == "verify"))
    };
    let secret = |k: &Value| k.text_of("kty") == Some("oct");
    let means = |k: &&Value| match kid {
        Some(kid) => k.text_of("kid") == Some(kid),
        None => good_for(k, alg) && (!secret(k) || k.get("kid").is_none()),
    };
    set.iter().filter(usable).filter(means).collect()
}

fn good(key: &Value, alg: &str, text: &str) -> Judged<bool> {
    let (input, signature) = text.rsplit_once('.').unwrap_or((text, ""));
    signed(key, alg, input.as_bytes(), &from_base64url(signature).unwrap_or_default())
}

/// The key of a set that verifies a token.
fn with_set(
    spec: &Value,
    set: Option<&[Value]>,
    denied: &[Vec<Option<Vec<u8>>>],
    text: &str,
    header: &Value,
    claims: &Value,
) -> Judged<Result<Value, Reason>> {
    let (alg, kid) = (header.text_of("alg").unwrap_or_default(), header.text_of("kid"));
    let Some(set) = set else { return Ok(Err("keys_stale")) };
    if named(set, kid, alg).is_empty() {
        return Ok(Err("key_unknown"));
    }
    let mut fitting = fitting(set, kid, alg);
    if fitting.is_empty() {
        return Ok(Err("token_alg"));
    }
    // 5.58 A key that is never used, whatever the issuer publishes, and one of Entra ID for another `iss`.
    let own = |name: &str| claims.text_of(name).unwrap_or_default();
    let old = own("iss").starts_with("https://sts.");
    let is_iss = |i: &str| match i.split_once("{tenantid}") {
        Some((before, after)) => old || own("iss").starts_with(before) && own("iss").len() >= i.len() - 10 && own("iss").ends_with(after),
        None => i == own("iss") || old && i.split('/').skip(3).any(|segment| segment == own("tid")),
    };
    let for_iss = |key: &Value| key.given("issuer").is_none_or(|i| i.text().is_some_and(is_iss));
    let entra = spec.text_of("profile") == Some("entra");
    fitting.retain(|key| !denied.contains(&numbers(key)) && (!entra || for_iss(key)));
    if fitting.is_empty() {
        return Ok(Err("key_unknown"));
    }
    for key in fitting.iter().take(4) {
        if good(key, alg, text)? {
            return Ok(Ok((*key).clone()));
        }
    }
    Ok(Err(if fitting.len() > 4 { "key_unknown" } else { "signature_invalid" }))
}

/// 5.58 Whether a key is good for an algorithm by its type, curve, `alg`, `use` and `key_ops`.
pub(crate) fn good_for(key: &Value, alg: &str) -> bool {
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
    let ops = key.given("key_ops").is_none_or(|_| key.texts("key_ops").iter().any(|o| o == "verify"));
    kind && key.text_of("alg").is_none_or(same) && usage && ops
}

/// 5.59 Whether a signature verifies (RFC 7518, RFC 8037).
pub(crate) fn signed(key: &Value, alg: &str, input: &[u8], signature: &[u8]) -> Judged<bool> {
    remembered(&[format!("{key:?} {alg}").as_bytes(), input, signature], || verifies(key, alg, input, signature))
}

/// The same question about a signature is asked again and again, so that answers are remembered by all that was asked.
pub(crate) fn remembered(question: &[&[u8]], answer: impl FnOnce() -> Judged<bool>) -> Judged<bool> {
    thread_local!(static KNOWN: RefCell<HashMap<[u8; 32], bool>> = RefCell::default());
    let hash = question.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part.len().to_be_bytes()).chain_update(part));
    let hash: [u8; 32] = hash.finalize().into();
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&hash).copied()) {
        return Ok(known);
    }
    let found = answer()?;
    KNOWN.with_borrow_mut(|known| known.insert(hash, found));
    Ok(found)
}

fn verifies(key: &Value, alg: &str, input: &[u8], signature: &[u8]) -> Judged<bool> {
    use p256::ecdsa::signature::Verifier;
    // 5.57 A number has one value, however it is written.
    let plain = |t: &str| t.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let part = |name: &str| key.text_of(name).and_then(|t| from_base64url(&plain(t))).unwrap_or_default();
    let point = |width: usize| {
        let coordinate = |name| {
            let digits: Vec<u8> = part(name).into_iter().skip_while(|b| *b == 0).collect();
            Some([vec![0; width.checked_sub(digits.len())?], digits].concat())
        };
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
