//! Tokens and proofs with real signatures, from what a case says of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::pool;

/// A key pair that signs tokens or proofs.
enum Key {
    Curve(EcdsaKeyPair, &'static str, usize),
    Edwards(Ed25519KeyPair),
}

/// The secret of the issuer that shares one; 32 bytes.
const SECRET: &[u8] = b"a secret that the issuer shares ";

static KEYS: LazyLock<Mutex<BTreeMap<String, &'static Key>>> = LazyLock::new(Mutex::default);

/// The key of a name: `..-ed` is of Ed25519, `..-384` of P-384, any other of P-256.
fn key(name: &str) -> Option<&'static Key> {
    let mut keys = KEYS.lock().ok()?;
    if let Some(known) = keys.get(name) {
        return Some(known);
    }
    let new = match name.rsplit('-').next() {
        Some("ed") => Key::Edwards(Ed25519KeyPair::generate().ok()?),
        Some("384") => Key::Curve(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).ok()?, "P-384", 48),
        _ => Key::Curve(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?, "P-256", 32),
    };
    // A handful in a process, which live as long as it does.
    let new: &'static Key = Box::leak(Box::new(new));
    keys.insert(name.to_owned(), new);
    Some(new)
}

impl Key {
    fn jwk(&self) -> Value {
        match self {
            Self::Curve(pair, curve, width) => {
                let (x, y) = pair.public_key().as_ref().get(1..).unwrap_or_default().split_at(*width);
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Self::Edwards(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }),
        }
    }

    fn sign(&self, input: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Curve(pair, ..) => Some(pair.sign(&SystemRandom::new(), input).ok()?.as_ref().to_vec()),
            Self::Edwards(pair) => Some(pair.sign(input).as_ref().to_vec()),
        }
    }

    /// RFC 7638: the members that count, in the order of their names.
    fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let members = jwk.as_object().into_iter().flatten().filter(|(name, _)| ["crv", "kty", "x", "y"].contains(&name.as_str()));
        let sorted: BTreeMap<&String, &Value> = members.collect();
        encode(digest(&SHA256, serde_json::to_string(&sorted).unwrap_or_default().as_bytes()))
    }
}

/// base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key sets of the issuers, and the secret of the one that shares it, by the names of their files.
pub fn key_sets() -> Vec<(String, Vec<u8>)> {
    let one = |name: &str, more: Value| {
        let mut jwk = key(name).map(Key::jwk).unwrap_or_default();
        for (member, value) in more.as_object().into_iter().flatten() {
            jwk[member] = value.clone();
        }
        jwk
    };
    // As some issuers write numbers: with a zero before them, and padded.
    let odd = |mut jwk: Value| {
        let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap_or_default()).unwrap_or_default();
        jwk["x"] = STANDARD.encode([&[0], x.as_slice()].concat()).into();
        jwk
    };
    let corp = [
        one("corp-1", json!({ "kid": "k1", "alg": "ES256", "use": "sig" })),
        one("corp-2", json!({ "kid": "k2", "use": null, "alg": null })),
        one("corp-ed", json!({ "kid": "k3", "key_ops": ["verify"] })),
        one("corp-enc", json!({ "kid": "k4", "use": "enc" })),
        odd(one("corp-384", json!({ "kid": "k5" }))),
    ];
    // The same with a key that is gone, and another one that has its id.
    let rotated = [one("corp-3", json!({ "kid": "k1", "alg": "ES256", "use": "sig" })), corp[2].clone(), corp[4].clone()];
    // As Entra ID has them: a key for each tenant, one for a tenant, one for all. Others have the same key under another name, and
    // another key under the same name.
    let cloud = [
        one("cloud-1", json!({ "kid": "c1", "issuer": "https://cloud.example.com/{tenantid}/v2" })),
        one("cloud-2", json!({ "kid": "c2", "issuer": "https://cloud.example.com/acme/v2" })),
        one("cloud-3", json!({ "kid": "c3" })),
    ];
    let more = [one("cloud-4", json!({ "kid": "c4" })), one("cloud-1", json!({ "kid": "m1" }))];
    let last = [one("cloud-5", json!({ "kid": "c1" })), one("cloud-2", json!({ "kid": "c5" }))];
    let mesh = [one("mesh-1", json!({ "kid": "m1", "use": "jwt-svid" }))];
    let set = |name: &str, keys: &[Value]| (format!("{name}.jwks"), json!({ "keys": keys }).to_string().into_bytes());
    let secret = ("shared.secret".to_owned(), SECRET.to_vec());
    vec![
        set("corp", &corp),
        set("corp-rotated", &rotated),
        set("sessions", &[one("sessions-1", json!({}))]),
        set("mesh", &mesh),
        set("cloud", &cloud),
        set("cloud-more", &more),
        set("cloud-last", &last),
        secret,
    ]
}

thread_local! {
    /// Signatures are not the same twice, and a token that is shown again has to be.
    static SIGNED: RefCell<HashMap<String, String>> = RefCell::default();
}

/// Forgets what was signed: each run of a world begins with tokens of its own.
pub fn forget() {
    SIGNED.with_borrow_mut(HashMap::clear);
}

/// A token, or a proof, as it is sent: `{ key, header, claims, edit }`, or `{ text }`. `token` is the one that a proof is for.
pub fn token(spec: &Value, token: &str) -> String {
    if let Some(text) = spec["text"].as_str() {
        return text.to_owned();
    }
    let name = format!("{spec}{token}");
    if let Some(known) = SIGNED.with_borrow(|signed| signed.get(&name).cloned()) {
        return known;
    }
    let new = sign(spec, token);
    SIGNED.with_borrow_mut(|signed| signed.insert(name, new.clone()));
    new
}

fn sign(spec: &Value, token: &str) -> String {
    let part = |name: &str| filled(&spec[name], token).to_string();
    let (header, mut claims) = (part("header"), part("claims"));
    let edit = spec["edit"].as_str().unwrap_or_default();
    if edit == "repeat" {
        claims = claims.replacen('{', "{\"sub\":\"root\",", 1);
    }
    let input = format!("{}.{}", encode(header), encode(&claims));
    let name = spec["key"].as_str().unwrap_or_default();
    let mut signature = match name {
        "secret" => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), input.as_bytes()).as_ref().to_vec(),
        // The public key as a secret: RFC 8725 section 2.1.
        "public" => {
            let public = key("corp-1").map(|key| key.jwk().to_string()).unwrap_or_default();
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes()), input.as_bytes()).as_ref().to_vec()
        }
        name => key(name).and_then(|key| key.sign(input.as_bytes())).unwrap_or_default(),
    };
    match edit {
        "flip" => signature.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        "claims" => {
            let forged = encode(claims.replacen('{', "{\"admin\":true,", 1));
            let header = input.split('.').next().unwrap_or_default();
            return format!("{header}.{forged}.{}", encode(signature));
        }
        "unsigned" => return format!("{input}."),
        "two" => return input,
        "padded" => return format!("{input}.{}=", encode(signature)),
        "zero" => signature.fill(0),
        _ => {}
    }
    format!("{input}.{}", encode(signature))
}

/// The value with what stands for another thing filled in: `@x5t:CERTIFICATE`, `@jkt:KEY`, `@jwk:KEY`, `@ath`.
fn filled(value: &Value, token: &str) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@').map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some(("x5t", name)) => pool::certificate(name).map(|own| encode(own.sha256())).into(),
            Some(("jkt", name)) => key(name).map(Key::thumbprint).into(),
            Some(("jwk", name)) => key(name).map(Key::jwk).into(),
            // A member that is null; a change to null takes it away.
            Some(("null", _)) => Value::Null,
            Some(("ath", _)) => encode(digest(&SHA256, token.as_bytes())).into(),
            _ => value.clone(),
        },
        Value::Array(list) => list.iter().map(|value| filled(value, token)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), filled(value, token))).collect(),
        other => other.clone(),
    }
}
