//! One signing key: read from PEM or JWK, or made.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

use crate::limits::MAX_KEY_ID_BYTES;
use crate::secret::{Fingerprint, Secret};

/// A private key with its public half as a JWK.
pub(super) struct SigningKey {
    id: String,
    pair: SigningPair,
    public: Value,
}

enum SigningPair {
    /// `ES256` (RFC 7518 section 3.4).
    Ec(EcdsaKeyPair),
    /// `EdDSA` (RFC 8037).
    Ed(Ed25519KeyPair),
}

/// Why a key cannot be used; never what is in it.
const UNUSABLE: &str = "it holds no private key that can be used: expected an EC key on P-256 or an \
                        Ed25519 key, as PEM (PKCS#8 or SEC 1) or as a JWK";

impl SigningKey {
    /// A new key on P-256; `None` where there is no randomness.
    pub(super) fn generate() -> Option<Self> {
        Self::new(
            SigningPair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?),
            None,
        )
    }

    /// Reads a PEM file or a JWK.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        let key = if is_json { Self::from_jwk(bytes) } else { Self::from_pem(bytes) };
        key.ok_or(UNUSABLE)
    }

    fn from_pem(bytes: &[u8]) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(bytes).ok()?;
        let der = der.secret_der();
        let ec = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok();
        let pair = match ec {
            Some(pair) => SigningPair::Ec(pair),
            None => SigningPair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?),
        };
        Self::new(pair, None)
    }

    /// RFC 7518 section 6.2 and RFC 8037 section 2.
    fn from_jwk(bytes: &[u8]) -> Option<Self> {
        let jwk: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let member = |name: &str| {
            text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).map(Secret::new)
        };
        let private = member("d")?;
        let pair = match (text("kty")?, text("crv")?) {
            ("EC", "P-256") => {
                let point = [&[4][..], member("x")?.expose(), member("y")?.expose()].concat();
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let private = private.expose();
                SigningPair::Ec(
                    EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, &point)
                        .ok()?,
                )
            }
            ("OKP", "Ed25519") => SigningPair::Ed(
                Ed25519KeyPair::from_seed_and_public_key(private.expose(), member("x")?.expose())
                    .ok()?,
            ),
            _ => return None,
        };
        let id = text("kid").filter(|id| !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES);
        Self::new(pair, id.map(str::to_owned))
    }

    fn new(pair: SigningPair, id: Option<String>) -> Option<Self> {
        let mut public = pair.public()?;
        // RFC 7638: the required members in the order of their names, which is how they are written.
        let thumbprint = Fingerprint::of(Value::Object(public.clone()).to_string().as_bytes());
        let id = id.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(thumbprint.as_bytes()));
        for (name, value) in [("kid", id.as_str()), ("use", "sig"), ("alg", pair.algorithm())] {
            public.insert(name.to_owned(), json!(value));
        }
        Some(Self { id, pair, public: Value::Object(public) })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn public(&self) -> &Value {
        &self.public
    }

    /// A compact JWS (RFC 7515 section 3.1). The type is the plain one: stock libraries refuse others.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Option<Secret<String>> {
        let header = json!({ "alg": self.pair.algorithm(), "kid": self.id, "typ": "JWT" });
        let payload = serde_json::to_vec(claims).ok()?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(Secret::new(token))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningPair {
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ec(pair) => {
                Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec())
            }
            Self::Ed(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }

    /// The members that a public JWK of the type must have.
    fn public(&self) -> Option<Map<String, Value>> {
        let text = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
        let members = match self {
            Self::Ec(pair) => {
                // An uncompressed point: 4, then both coordinates.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                vec![("crv", json!("P-256")), ("kty", json!("EC")), ("x", text(x)), ("y", text(y))]
            }
            Self::Ed(pair) => vec![
                ("crv", json!("Ed25519")),
                ("kty", json!("OKP")),
                ("x", text(pair.public_key().as_ref())),
            ],
        };
        Some(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
