//! One key (RFC 7517): read strictly, its algorithms fixed by its own type before any token is seen.
//!
//! The library's `from_jwk` accepts keys for encryption, keys whose type and curve contradict each other and
//! symmetric keys, so every member that matters is checked here first.

mod roca;
mod secret;

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurveKeyParameters, Jwk, OctetKeyPairParameters, RSAKeyParameters,
    ThumbprintHash,
};
use serde_json::{Map, Value};

use crate::limits::{MAX_KEY_ID_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::trust::Algorithm;

/// A key that verifies signatures, with the algorithms it is good for: public, but for the secret that an issuer shares.
#[derive(Clone)]
pub struct VerificationKey {
    id: Option<String>,
    thumbprint: String,
    verifiers: Vec<(Algorithm, Verifier)>,
}

#[derive(Clone)]
enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// The purpose of the keys of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPurpose {
    /// JWTs: `use` is `sig`, or absent.
    #[default]
    Jwt,
    /// JWT-SVIDs: `use` may also be `jwt-svid`, as in a SPIFFE bundle (SPIFFE JWT-SVID section 5.2).
    JwtSvid,
}

/// Why a key of a set is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyFault {
    /// Not an object, or a member of the wrong type.
    #[error("is not a well-formed JWK")]
    Malformed,
    /// It has a member of a private key: any reader of the set can sign tokens (P59).
    #[error("holds a private key")]
    Private,
    /// It is symmetric: any verifier can sign (P48).
    #[error("is a symmetric key")]
    Symmetric,
    /// `use` or `key_ops` say that it is for something else (P70).
    #[error("is not for verifying signatures")]
    OtherUse,
    /// A key type, curve or algorithm that is not supported.
    #[error("is of a type, curve or algorithm that is not supported")]
    Unsupported,
    /// `alg` is not an algorithm of the key's type and curve.
    #[error("names an algorithm that its type does not have")]
    Contradiction,
    /// An RSA modulus outside 2048 to 8192 bits (P72).
    #[error("has an RSA modulus outside 2048 to 8192 bits")]
    RsaSize,
    /// An RSA modulus whose private key can be computed (CVE-2017-15361).
    #[error("is weak: its private key can be computed (CVE-2017-15361)")]
    Weak,
    /// The numbers are not those of a public key.
    #[error("is not a valid public key")]
    Invalid,
    /// Another key of the set has the same `kid` and algorithm, so neither is used.
    #[error("shares its `kid` and algorithm with another key of the set")]
    Ambiguous,
    /// The set has more keys than are read.
    #[error("is beyond the number of keys that are read from one set")]
    TooMany,
}

/// Members of private and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

impl VerificationKey {
    /// Reads one member of a key set.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn parse(value: &Value, purpose: KeyPurpose) -> Result<Self, KeyFault> {
        let members = value.as_object().ok_or(KeyFault::Malformed)?;
        let kty = text(members, "kty")?.ok_or(KeyFault::Malformed)?;
        if kty == "oct" || members.contains_key("k") {
            return Err(KeyFault::Symmetric);
        }
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(KeyFault::Private);
        }
        check_use(members, purpose)?;
        let id = text(members, "kid")?;
        if id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(KeyFault::Malformed);
        }
        let algorithms = algorithms(members, kty)?;
        let jwk = public_part(members)?;
        Ok(Self {
            id: id.map(str::to_owned),
            thumbprint: jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyFault::Malformed)?,
            verifiers: verifiers(&jwk.algorithm, &algorithms)?
                .into_iter()
                .map(|(algorithm, key)| (algorithm, Verifier::Public(key)))
                .collect(),
        })
    }

    /// Its `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its thumbprint (RFC 7638) with SHA-256; of a secret another value that distinguishes it from other keys.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether it is a secret, of which nothing can be shown.
    pub fn is_secret(&self) -> bool {
        self.verifiers.iter().any(|(_, key)| matches!(key, Verifier::Secret(_)))
    }

    /// The algorithms it is good for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether `signature` is this key's signature of `message` with `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .find(|(known, _)| *known == algorithm)
            .is_some_and(|(_, key)| key.verifies(message, signature))
    }
}

impl Verifier {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            // In constant time.
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("id", &self.id)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, KeyFault> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(KeyFault::Malformed),
    }
}

/// RFC 7517 sections 4.2 and 4.3: what is said must allow verifying; nothing said allows it.
fn check_use(members: &Map<String, Value>, purpose: KeyPurpose) -> Result<(), KeyFault> {
    match (text(members, "use")?, purpose) {
        (None | Some("sig"), _) | (Some("jwt-svid"), KeyPurpose::JwtSvid) => {}
        (Some(_), _) => return Err(KeyFault::OtherUse),
    }
    let Some(operations) = members.get("key_ops") else { return Ok(()) };
    let operations = operations.as_array().ok_or(KeyFault::Malformed)?;
    if operations.iter().any(|operation| !operation.is_string()) {
        return Err(KeyFault::Malformed);
    }
    let verifies = operations.iter().any(|operation| operation == "verify");
    if verifies { Ok(()) } else { Err(KeyFault::OtherUse) }
}

/// The algorithms that the key's type and curve have, narrowed by its own `alg`.
fn algorithms(members: &Map<String, Value>, kty: &str) -> Result<Vec<Algorithm>, KeyFault> {
    use Algorithm::{
        Ed25519, EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
    };
    let possible: &[Algorithm] = match (kty, text(members, "crv")?) {
        ("RSA", None) => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
        ("EC", Some("P-256")) => &[Es256],
        ("EC", Some("P-384")) => &[Es384],
        ("EC", Some("P-521")) => &[Es512],
        ("OKP", Some("Ed25519")) => &[EdDsa, Ed25519],
        _ => return Err(KeyFault::Unsupported),
    };
    let Some(name) = text(members, "alg")? else { return Ok(possible.to_vec()) };
    let named = Algorithm::named(name).ok_or(KeyFault::Unsupported)?;
    if possible.contains(&named) { Ok(vec![named]) } else { Err(KeyFault::Contradiction) }
}

/// The members that make the public key, and only those: the others (certificates, say) are never used, so they cannot
/// make a key unreadable either.
fn public_part(members: &Map<String, Value>) -> Result<Jwk, KeyFault> {
    let part = ["kty", "crv", "n", "e", "x", "y"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), members.get(name)?.clone())))
        .collect();
    serde_json::from_value(Value::Object(part)).map_err(|_| KeyFault::Malformed)
}

fn verifiers(
    key: &AlgorithmParameters,
    algorithms: &[Algorithm],
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, KeyFault> {
    let parse: Box<dyn Fn(Algorithm) -> Result<ParsedPublicKey, KeyFault>> = match key {
        AlgorithmParameters::RSA(key) => {
            let (n, e) = rsa_numbers(key)?;
            Box::new(move |algorithm| {
                let components = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                let parameters = rsa_parameters(algorithm).ok_or(KeyFault::Contradiction)?;
                components.to_parsed_public_key(parameters).map_err(|_| KeyFault::Invalid)
            })
        }
        AlgorithmParameters::EllipticCurve(key) => Box::new(|algorithm| ec_key(algorithm, key)),
        AlgorithmParameters::OctetKeyPair(key) => Box::new(|_| ed25519_key(key)),
        AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_) | _ => {
            return Err(KeyFault::Malformed);
        }
    };
    algorithms.iter().map(|algorithm| Ok((*algorithm, parse(*algorithm)?))).collect()
}

/// The modulus and the exponent (RFC 7518 section 6.3.1).
fn rsa_numbers(key: &RSAKeyParameters) -> Result<(Vec<u8>, Vec<u8>), KeyFault> {
    let (n, e) = (decode(&key.n)?, decode(&key.e)?);
    let bits = match n.first() {
        Some(0) | None => return Err(KeyFault::Invalid),
        Some(first) => {
            let unused = usize::try_from(first.leading_zeros()).unwrap_or_default();
            n.len().saturating_mul(8).saturating_sub(unused)
        }
    };
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyFault::RsaSize);
    }
    // An exponent of 1 makes every signature its own message; even numbers are no RSA key at all.
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(&n) || !odd(&e) || e == [1] || e.first() == Some(&0) || e.len() > 4 {
        return Err(KeyFault::Invalid);
    }
    if roca::has_mark(&n) {
        return Err(KeyFault::Weak);
    }
    Ok((n, e))
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Ed25519
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => None,
    }
}

/// Both coordinates have the full length of the field (RFC 7518 section 6.2.1.2).
fn ec_key(
    algorithm: Algorithm,
    key: &EllipticCurveKeyParameters,
) -> Result<ParsedPublicKey, KeyFault> {
    let (parameters, length): (&'static EcdsaVerificationAlgorithm, usize) = match algorithm {
        Algorithm::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, 32),
        Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, 48),
        Algorithm::Es512 => (&signature::ECDSA_P521_SHA512_FIXED, 66),
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::EdDsa
        | Algorithm::Ed25519
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => return Err(KeyFault::Contradiction),
    };
    let (x, y) = (decode(&key.x)?, decode(&key.y)?);
    if x.len() != length || y.len() != length {
        return Err(KeyFault::Invalid);
    }
    // SEC 1 section 2.3.4: an uncompressed point. The library checks that it is on the curve.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(parameters, point).map_err(|_| KeyFault::Invalid)
}

fn ed25519_key(key: &OctetKeyPairParameters) -> Result<ParsedPublicKey, KeyFault> {
    let x = decode(&key.x)?;
    if x.len() != 32 {
        return Err(KeyFault::Invalid);
    }
    ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyFault::Invalid)
}

fn decode(text: &str) -> Result<Vec<u8>, KeyFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Malformed)
}

#[cfg(test)]
mod tests;
