//! The signature of a token: the algorithm and the key are chosen by us, the token only names them (RFC 8725 section 3.1).

use crate::authn::TokenCheck;
use crate::evidence::CompactJws;
use crate::reason::{Reason, Rejection};
use crate::trust::{Algorithm, Issuer, KeyMiss, KeySet, VerificationKey};

/// Verifies the signature of `jws` with the key of `keys` that it names; that key.
///
/// # Errors
/// `token_alg`, `token_type`, `key_unknown` or `signature_invalid`.
pub(super) fn verify<'a>(
    jws: &CompactJws,
    issuer: &Issuer,
    keys: &'a KeySet,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<&'a VerificationKey, Rejection> {
    let algorithm = allowed_algorithm(jws, issuer)?;
    passed(TokenCheck::Algorithm);
    check_type(jws, issuer)?;
    passed(TokenCheck::Type);
    let key = select(jws, issuer, keys, algorithm)?;
    passed(TokenCheck::Key);
    if !key.verifies(algorithm, jws.signing_input(), &jws.signature) {
        let detail = "token has a signature that is not its issuer's";
        return Err(Reason::SignatureInvalid.because(detail));
    }
    passed(TokenCheck::Signature);
    Ok(key)
}

/// RFC 8725 section 3.1: only what the issuer is configured to use (P48).
fn allowed_algorithm(jws: &CompactJws, issuer: &Issuer) -> Result<Algorithm, Rejection> {
    Algorithm::named(&jws.header.algorithm)
        .filter(|algorithm| issuer.allows_algorithm(*algorithm))
        .ok_or_else(|| {
            let shown = shown(&jws.header.algorithm);
            Reason::TokenAlg.because(format!("algorithm {shown} is not one that the issuer uses"))
        })
}

/// RFC 8725 section 3.11 (P70).
fn check_type(jws: &CompactJws, issuer: &Issuer) -> Result<(), Rejection> {
    let token_type = jws.header.token_type.as_deref();
    if issuer.allows_type(token_type) {
        return Ok(());
    }
    let shown = token_type.map_or_else(|| String::from("absent"), shown);
    Err(Reason::TokenType.because(format!("type {shown} is not one that the issuer uses")))
}

/// RFC 7515 section 4.1.4: the key id is a name to look up, nothing more (P51).
fn select<'a>(
    jws: &CompactJws,
    issuer: &Issuer,
    keys: &'a KeySet,
    algorithm: Algorithm,
) -> Result<&'a VerificationKey, Rejection> {
    let kid = jws.header.key_id.as_deref();
    let shown = || kid.map_or_else(|| String::from("(none)"), shown);
    let key = keys.select(kid, algorithm).map_err(|miss| match miss {
        KeyMiss::Unknown => {
            Reason::KeyUnknown.because(format!("issuer has no key {} for {algorithm}", shown()))
        }
        KeyMiss::OtherAlgorithm => {
            Reason::TokenAlg.because(format!("key {} is not for {algorithm}", shown()))
        }
        KeyMiss::Ambiguous => {
            Reason::KeyUnknown.because("token names no key, and several of the issuer's would fit")
        }
    })?;
    if key.id().is_some_and(|id| issuer.denies_key(id)) {
        return Err(
            Reason::KeyUnknown.because(format!("key {} is denied by configuration", shown()))
        );
    }
    Ok(key)
}

/// A word of a header for a log: as it is where it is plain, else only how long it is.
fn shown(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'/');
    if !word.is_empty() && word.len() <= 64 && word.bytes().all(plain) {
        format!("`{word}`")
    } else {
        format!("({} bytes)", word.len())
    }
}
