//! One key (RFC 7517): its algorithms are fixed by its own type before any token is seen.
//!
//! Real issuers write `null` for an absent member, pad base64, put a zero before a number or take the zeros off it: a key has one
//! meaning all the same, and is read. Whatever else is odd about it is a fault that names the member.

mod roca;
mod secret;

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json::type_name;
use crate::limits::{MAX_KEY_ID_BYTES, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::secret::Fingerprint;
use crate::trust::Algorithm;

/// A key that verifies signatures, with the algorithms it is good for: public, but for the secret that an issuer shares.
#[derive(Clone)]
pub struct VerificationKey {
    id: Option<String>,
    issuer: Option<String>,
    thumbprint: String,
    verifiers: Vec<(Algorithm, KeyVerifier)>,
}

#[derive(Clone)]
enum KeyVerifier {
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
    /// Not an object.
    #[error("is {0}, expected a JSON object")]
    NotAnObject(&'static str),
    /// A member that such a key has is absent.
    #[error("has no `{0}`")]
    Missing(&'static str),
    /// A member of another type than it should have.
    #[error("has a member `{member}` that is {found}, expected {expected}")]
    Type {
        /// The member.
        member: &'static str,
        /// Its type.
        found: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// A number in another form than base64url.
    #[error("has a member `{0}` that is not base64url")]
    Encoding(&'static str),
    /// A `kid` that no token can name.
    #[error("has a `kid` of more than {MAX_KEY_ID_BYTES} bytes")]
    LongId,
    /// It has a member of a private key: any reader of the set can sign tokens (P59).
    #[error("holds a private key, in its member `{0}`")]
    Private(&'static str),
    /// It is symmetric: any verifier can sign (P48).
    #[error("is a symmetric key")]
    Symmetric,
    /// `use` or `key_ops` say that it is for something else (P70).
    #[error("is not for verifying signatures, by its `{0}`")]
    OtherUse(&'static str),
    /// A key type, curve or algorithm that is not supported.
    #[error("has a `{0}` that is not supported")]
    Unsupported(&'static str),
    /// `alg` is not an algorithm of the key's type and curve.
    #[error("has an `alg` that its type and curve do not have")]
    Contradiction,
    /// An RSA modulus outside 2048 to 8192 bits (P72).
    #[error("has an RSA modulus of {0} bits in `n`, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}")]
    RsaSize(usize),
    /// An RSA modulus whose private key can be computed (CVE-2017-15361).
    #[error("is weak: its private key can be computed (CVE-2017-15361)")]
    Weak,
    /// A number of another length than the curve has.
    #[error("has a member `{member}` of {found} bytes, expected {expected}")]
    Length {
        /// The member.
        member: &'static str,
        /// Its length.
        found: usize,
        /// The length of the curve's numbers.
        expected: usize,
    },
    /// A number that no public key has there.
    #[error("has a value in {0} that no public key has")]
    Invalid(&'static str),
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
        let members = value.as_object().ok_or_else(|| KeyFault::NotAnObject(type_name(value)))?;
        let kty = needed(members, "kty")?;
        if kty == "oct" || given(members, "k").is_some() {
            return Err(KeyFault::Symmetric);
        }
        if let Some(name) = PRIVATE_MEMBERS.into_iter().find(|name| given(members, name).is_some())
        {
            return Err(KeyFault::Private(name));
        }
        check_use(members, purpose)?;
        let id = text(members, "kid")?;
        if id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(KeyFault::LongId);
        }
        let algorithms = algorithms(members, kty)?;
        let (numbers, verifiers) = match kty {
            "RSA" => rsa_key(members, &algorithms)?,
            "EC" => ec_key(members, &algorithms)?,
            _ => ed25519_key(members, &algorithms)?,
        };
        let issuer =
            given(members, "issuer").map(|own| own.as_str().unwrap_or_default().to_owned());
        Ok(Self {
            id: id.map(str::to_owned),
            issuer,
            thumbprint: thumbprint(kty, members, &numbers),
            verifiers,
        })
    }

    /// The thumbprint of a key that may be unfit for use, where it has the members for one.
    pub(in crate::trust) fn thumbprint_of(value: &Value) -> Option<String> {
        let members = value.as_object()?;
        let kty = members.get("kty")?.as_str()?;
        let (names, length): (&[&'static str], usize) =
            match (kty, members.get("crv").and_then(Value::as_str)) {
                ("RSA", _) => (&["n", "e"], 0),
                ("EC", Some("P-256")) => (&["x", "y"], 32),
                ("EC", Some("P-384")) => (&["x", "y"], 48),
                ("EC", Some("P-521")) => (&["x", "y"], 66),
                ("OKP", Some(_)) => (&["x"], 32),
                _ => return None,
            };
        let read = |name: &&'static str| Some((*name, padded(number(members, name).ok()?, length)));
        let numbers: Option<Vec<_>> = names.iter().map(read).collect();
        Some(thumbprint(kty, members, &numbers?))
    }

    /// Its `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its member `issuer`, which Entra ID writes; empty where it is no text.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Its thumbprint (RFC 7638) with SHA-256; of a secret another value that distinguishes it from other keys.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// True if it is a secret, of which nothing can be shown.
    pub fn is_secret(&self) -> bool {
        self.verifiers.iter().any(|(_, key)| matches!(key, KeyVerifier::Secret(_)))
    }

    /// The algorithms it is good for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// True if `signature` is this key's signature of `message` with `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .find(|(known, _)| *known == algorithm)
            .is_some_and(|(_, key)| key.verifies(message, signature))
    }
}

impl KeyVerifier {
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

impl KeyFault {
    /// True if a secret is published: that concerns everyone who reads the set.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Private(_) | Self::Symmetric)
    }
}

/// A member; `null` is an absent one.
fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn text<'a>(
    members: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<&'a str>, KeyFault> {
    let Some(value) = given(members, member) else { return Ok(None) };
    let (found, expected) = (type_name(value), "a string");
    value.as_str().map(Some).ok_or(KeyFault::Type { member, found, expected })
}

fn needed<'a>(members: &'a Map<String, Value>, member: &'static str) -> Result<&'a str, KeyFault> {
    text(members, member)?.ok_or(KeyFault::Missing(member))
}

/// RFC 7517 sections 4.2 and 4.3: what is said must allow verifying; nothing said allows it.
fn check_use(members: &Map<String, Value>, purpose: KeyPurpose) -> Result<(), KeyFault> {
    match (text(members, "use")?, purpose) {
        (None | Some("sig"), _) | (Some("jwt-svid"), KeyPurpose::JwtSvid) => {}
        (Some(_), _) => return Err(KeyFault::OtherUse("use")),
    }
    let (member, expected) = ("key_ops", "an array of strings");
    let Some(given) = given(members, member) else { return Ok(()) };
    let wrong = |value: &Value| KeyFault::Type { member, found: type_name(value), expected };
    let operations = given.as_array().ok_or_else(|| wrong(given))?;
    if operations.iter().any(|operation| !operation.is_string()) {
        return Err(wrong(given));
    }
    let verifies = operations.iter().any(|operation| operation == "verify");
    if verifies { Ok(()) } else { Err(KeyFault::OtherUse(member)) }
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
        ("EC" | "OKP", None) => return Err(KeyFault::Missing("crv")),
        ("RSA" | "EC" | "OKP", Some(_)) => return Err(KeyFault::Unsupported("crv")),
        _ => return Err(KeyFault::Unsupported("kty")),
    };
    let Some(name) = text(members, "alg")? else { return Ok(possible.to_vec()) };
    let named = Algorithm::named(name).ok_or(KeyFault::Unsupported("alg"))?;
    if possible.contains(&named) { Ok(vec![named]) } else { Err(KeyFault::Contradiction) }
}

/// The numbers of a key in the form of RFC 7518, by their members, with what verifies.
type Read = (Vec<(&'static str, Vec<u8>)>, Vec<(Algorithm, KeyVerifier)>);

fn parsed(
    algorithms: &[Algorithm],
    parse: impl Fn(Algorithm) -> Result<ParsedPublicKey, KeyFault>,
) -> Result<Vec<(Algorithm, KeyVerifier)>, KeyFault> {
    algorithms.iter().map(|own| Ok((*own, KeyVerifier::Public(parse(*own)?)))).collect()
}

/// The modulus and the exponent (RFC 7518 section 6.3.1).
fn rsa_key(members: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Read, KeyFault> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    let unused = n.first().map_or(0, |first| first.leading_zeros());
    let unused = usize::try_from(unused).unwrap_or_default();
    let bits = n.len().saturating_mul(8).saturating_sub(unused);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyFault::RsaSize(bits));
    }
    // An exponent of 1 makes every signature its own message; even numbers are no RSA key at all.
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(&n) {
        return Err(KeyFault::Invalid("`n`"));
    }
    if !odd(&e) || e == [1] || e.len() > 4 {
        return Err(KeyFault::Invalid("`e`"));
    }
    if roca::has_mark(&n) {
        return Err(KeyFault::Weak);
    }
    let components = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
    let verifiers = parsed(algorithms, |algorithm| {
        let parameters = rsa_parameters(algorithm).ok_or(KeyFault::Contradiction)?;
        components.to_parsed_public_key(parameters).map_err(|_| KeyFault::Invalid("`n` and `e`"))
    })?;
    Ok((vec![("n", n), ("e", e)], verifiers))
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

/// Both coordinates get the full length of the field (RFC 7518 section 6.2.1.2).
fn ec_key(members: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Read, KeyFault> {
    let (parameters, expected): (&'static EcdsaVerificationAlgorithm, usize) = match algorithms {
        [Algorithm::Es256] => (&signature::ECDSA_P256_SHA256_FIXED, 32),
        [Algorithm::Es384] => (&signature::ECDSA_P384_SHA384_FIXED, 48),
        [Algorithm::Es512] => (&signature::ECDSA_P521_SHA512_FIXED, 66),
        _ => return Err(KeyFault::Contradiction),
    };
    let coordinate = |member| {
        let bytes = number(members, member)?;
        if bytes.len() > expected {
            return Err(KeyFault::Length { member, found: bytes.len(), expected });
        }
        Ok(padded(bytes, expected))
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    // SEC 1 section 2.3.4: an uncompressed point. The library checks that it is on the curve.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let verifiers = parsed(algorithms, |_| {
        ParsedPublicKey::new(parameters, &point).map_err(|_| KeyFault::Invalid("`x` and `y`"))
    })?;
    Ok((vec![("x", x), ("y", y)], verifiers))
}

/// A string of bytes, not a number (RFC 8037 section 2).
fn ed25519_key(members: &Map<String, Value>, algorithms: &[Algorithm]) -> Result<Read, KeyFault> {
    let (member, expected) = ("x", 32);
    let x = bytes(members, member)?;
    if x.len() != expected {
        return Err(KeyFault::Length { member, found: x.len(), expected });
    }
    let verifiers = parsed(algorithms, |_| {
        ParsedPublicKey::new(&signature::ED25519, &x).map_err(|_| KeyFault::Invalid("`x`"))
    })?;
    Ok((vec![("x", x)], verifiers))
}

/// A number without zeros before it.
fn number(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let mut bytes = bytes(members, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}

/// A number with zeros before it, up to `length`.
fn padded(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    let missing = length.saturating_sub(bytes.len());
    bytes.splice(..0, std::iter::repeat_n(0, missing));
    bytes
}

/// Base64url. With padding, or in the other alphabet, a text stands for the same bytes.
fn bytes(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = needed(members, name)?.trim_end_matches('=');
    let text = text.replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Encoding(name))
}

/// The thumbprint (RFC 7638 section 3), which is that of the numbers, however they were written.
fn thumbprint(kty: &str, members: &Map<String, Value>, numbers: &[(&str, Vec<u8>)]) -> String {
    let numbers = numbers.iter().map(|(name, bytes)| (*name, URL_SAFE_NO_PAD.encode(bytes)));
    let curve = members.get("crv").and_then(Value::as_str).map(|crv| ("crv", crv.to_owned()));
    let named = numbers.chain(curve).chain([("kty", kty.to_owned())]);
    // In the order of their names, and none of them has a character that JSON escapes.
    let named: std::collections::BTreeMap<_, _> = named.collect();
    let members: Vec<_> =
        named.iter().map(|(name, text)| format!("\"{name}\":\"{text}\"")).collect();
    let json = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(Fingerprint::of(json.as_bytes()).as_bytes())
}

#[cfg(test)]
mod tests;
