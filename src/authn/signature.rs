//! The signature of a token: the algorithm and the key are chosen by us, the token only names them (RFC 8725 section 3.1).

use serde_json::Value;

use crate::authn::TokenCheck;
use crate::authn::profile;
use crate::authn::shown::of_header as shown;
use crate::document::IssuerProfile;
use crate::evidence::CompactJws;
use crate::limits::MAX_FITTING_KEYS;
use crate::reason::{Reason, Rejection};
use crate::trust::{Algorithm, Issuer, KeyMiss, KeySet, VerificationKey};

/// The key sets of the issuer's document that are at hand: what a key is called in any of them counts (P493).
pub(super) type KeySets<'a> = [&'a KeySet];

/// Verifies the signature of `jws` with the key of `keys`, one of `all`, that it names, or with one of the first few that fit where it
/// names none; that key.
///
/// # Errors
/// `token_alg`, `token_type`, `key_unknown` or `signature_invalid`.
pub(super) fn verify<'a>(
    jws: &CompactJws,
    issuer: &Issuer,
    keys: &'a KeySet,
    all: &KeySets<'_>,
    passed: &mut impl FnMut(TokenCheck),
) -> Result<&'a VerificationKey, Rejection> {
    let algorithm = allowed_algorithm(jws, issuer)?;
    passed(TokenCheck::Algorithm);
    check_type(jws, issuer)?;
    passed(TokenCheck::Type);
    let fitting = select(jws, issuer, keys, all, algorithm)?;
    passed(TokenCheck::Key);
    let verifies =
        |key: &&&VerificationKey| key.verifies(algorithm, jws.signing_input(), &jws.signature);
    if let Some(key) = fitting.iter().take(MAX_FITTING_KEYS).find(verifies) {
        passed(TokenCheck::Signature);
        // It may have a name elsewhere in the set, by which it is revoked.
        let named =
            |own: &&VerificationKey| own.id().is_some() && own.thumbprint() == key.thumbprint();
        let twin = keys.keys().iter().find(named).filter(|_| key.id().is_none());
        return Ok(twin.unwrap_or(key));
    }
    if fitting.len() > MAX_FITTING_KEYS {
        let detail = format!(
            "token names no key, {} of the issuer's fit, and it is by none of the first {MAX_FITTING_KEYS}",
            fitting.len()
        );
        return Err(Reason::KeyUnknown.because(detail));
    }
    Err(Reason::SignatureInvalid.because("token has a signature that is not its issuer's"))
}

/// The refusal of `jws` by `denyKids` alone, whatever else is wrong with the keys (P495): it names a key that is denied, or one signed
/// it.
pub(super) fn denial(jws: &CompactJws, issuer: &Issuer, all: &KeySets<'_>) -> Option<Rejection> {
    let algorithm = allowed_algorithm(jws, issuer).ok().filter(|_| issuer.denies_keys())?;
    check_type(jws, issuer).ok()?;
    let (kid, denied) = (jws.header.key_id.as_deref(), denied(issuer, all));
    let signed_it = |keys: &&KeySet| {
        let fitting = keys.fitting(kid, algorithm).unwrap_or_default().into_iter();
        let fitting = fitting.filter(|key| denied.contains(&key.thumbprint()));
        fitting
            .take(MAX_FITTING_KEYS)
            .any(|key| key.verifies(algorithm, jws.signing_input(), &jws.signature))
    };
    let is_named = kid.is_some_and(|kid| issuer.denies_key(kid));
    (is_named || all.iter().any(signed_it)).then(|| denied_key(kid))
}

/// The keys that are denied under any of their names, also under that of an entry that cannot be used (P448).
fn denied<'a>(issuer: &Issuer, all: &KeySets<'a>) -> Vec<&'a str> {
    let named = all.iter().flat_map(|keys| keys.named());
    named.filter(|(name, _)| issuer.denies_key(name)).map(|(_, key)| key).collect()
}

fn denied_key(kid: Option<&str>) -> Rejection {
    let shown = kid.map_or_else(|| String::from("for the token"), shown);
    Reason::KeyUnknown.because(format!("key {shown} is denied by configuration"))
}

/// Entra ID publishes keys for one tenant alone beside those for all, whose `issuer` has `{tenantid}` (P500). It is that of tokens of
/// version 2.0; those of version 1.0 (`https://sts.windows.net/..`) are by the same keys.
fn is_for_iss(key: &VerificationKey, jws: &CompactJws, issuer: &Issuer) -> bool {
    let claim = |name: &str| jws.claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let (iss, is_old) = (claim("iss"), claim("iss").starts_with("https://sts."));
    let own = key.issuer().filter(|_| issuer.profile == IssuerProfile::Entra);
    own.is_none_or(|own| match own.split_once("{tenantid}") {
        // The profile compares the tenant.
        Some((before, after)) => {
            is_old || iss.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
        None => own == iss || is_old && profile::has_segment(own, claim("tid")),
    })
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

/// RFC 7515 section 4.1.4: the key id is a name to look up, nothing more (P51). Each key is there once, and one that is denied is not
/// tried under another name either.
fn select<'a>(
    jws: &CompactJws,
    issuer: &Issuer,
    keys: &'a KeySet,
    all: &KeySets<'_>,
    algorithm: Algorithm,
) -> Result<Vec<&'a VerificationKey>, Rejection> {
    let kid = jws.header.key_id.as_deref();
    let mut fitting = keys.fitting(kid, algorithm).map_err(|miss| match (miss, kid) {
        (KeyMiss::OtherAlgorithm, Some(kid)) => {
            Reason::TokenAlg.because(format!("key {} is not for {algorithm}", shown(kid)))
        }
        (_, Some(kid)) => Reason::KeyUnknown.because(unknown(kid, keys, algorithm)),
        (_, None) => Reason::KeyUnknown
            .because(format!("token names no key, and its issuer has none for {algorithm}")),
    })?;
    let denied = denied(issuer, all);
    fitting.retain(|key| !denied.contains(&key.thumbprint()));
    if fitting.is_empty() {
        return Err(denied_key(kid));
    }
    fitting.retain(|key| is_for_iss(key, jws, issuer));
    if fitting.is_empty() {
        let shown = kid.map_or_else(|| String::from("for the token"), shown);
        return Err(Reason::KeyUnknown
            .because(format!("key {shown} is published for another `iss` than the token's")));
    }
    let mut tried = Vec::with_capacity(fitting.len());
    fitting.retain(|key| {
        let is_new = !tried.contains(&key.thumbprint());
        tried.push(key.thumbprint());
        is_new
    });
    Ok(fitting)
}

/// A key that the issuer publishes and that is not used is another fault than one that it does not have.
fn unknown(kid: &str, keys: &KeySet, algorithm: Algorithm) -> String {
    let missing = format!("issuer has no key {} for {algorithm}", shown(kid));
    match keys.skipped().iter().find(|own| own.key_id.as_deref() == Some(kid)) {
        Some(own) => {
            format!("{missing}: key {} of its set has this `kid` and {}", own.position, own.fault)
        }
        None => missing,
    }
}
