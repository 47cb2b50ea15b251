//! The binding of a token to its presenter: the confirmation claim (RFC 7800), checked.
//!
//! A token that names a key to be confirmed is never accepted as if it named none (P69).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::authn::once::OneTimeUse;
use crate::document::BindingFloor;
use crate::evidence::TokenScheme;
use crate::json::type_name;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::words::words;

words! {
    /// The binding of a token to its presenter.
    pub enum Binding {
        /// None: any holder can use the token.
        None "none",
        /// The peer's certificate (RFC 8705 section 3), checked.
        Certificate "certificate",
        /// A proof of possession (RFC 9449), checked.
        Dpop "dpop",
    }
}

/// The binding that a token claims.
enum Method {
    None,
    Certificate([u8; 32]),
    Key([u8; 32]),
}

/// Checks the binding of a token with these `claims`. `certificate` is the fingerprint of the peer's verified certificate,
/// as far as it is known; from XFCC `Hash` alone it is. `prove` checks the proof of the key with a thumbprint.
///
/// # Errors
/// `binding_unavailable`, `binding_mismatch`, `dpop_invalid`, `dpop_nonce` or `token_malformed`.
pub(super) fn check(
    claims: &Map<String, Value>,
    scheme: TokenScheme,
    certificate: Option<&Fingerprint>,
    floor: BindingFloor,
    prove: impl FnOnce(&[u8; 32]) -> Result<OneTimeUse, Rejection>,
) -> Result<(Binding, Option<OneTimeUse>), Rejection> {
    let method = match claims.get("cnf") {
        None => Method::None,
        Some(Value::Object(confirmation)) => Method::read(confirmation)?,
        Some(other) => {
            let found = type_name(other);
            let detail = format!("token has a claim `cnf` that is {found}, expected an object");
            return Err(Reason::TokenMalformed.because(detail));
        }
    };
    let (binding, proof) = match (method, scheme) {
        (Method::Key(thumbprint), TokenScheme::Dpop) => (Binding::Dpop, Some(prove(&thumbprint)?)),
        // RFC 9449 section 7.2: to ignore the proof would make it a bearer token.
        (Method::Key(_), TokenScheme::Bearer) => {
            let detail = "token is bound to a DPoP key, but was sent as a bearer token";
            return Err(Reason::DpopInvalid.because(detail));
        }
        // Section 7.1: the scheme is for tokens that are bound to a key, and a proof of any other says nothing.
        (Method::None | Method::Certificate(_), TokenScheme::Dpop) => {
            let detail = "token was sent with the scheme `DPoP`, but is not bound to a DPoP key";
            return Err(Reason::DpopInvalid.because(detail));
        }
        (Method::Certificate(thumbprint), TokenScheme::Bearer) => {
            confirm(&thumbprint, certificate)?;
            (Binding::Certificate, None)
        }
        (Method::None, TokenScheme::Bearer) => (Binding::None, None),
    };
    if meets(binding, floor) {
        return Ok((binding, proof));
    }
    let detail = "token does not have the binding that its issuer requires";
    Err(Reason::BindingUnavailable.because(detail))
}

fn meets(binding: Binding, floor: BindingFloor) -> bool {
    match floor {
        BindingFloor::None => true,
        BindingFloor::Certificate => binding == Binding::Certificate,
        BindingFloor::Dpop => binding == Binding::Dpop,
        BindingFloor::Any => binding != Binding::None,
    }
}

fn confirm(thumbprint: &[u8; 32], certificate: Option<&Fingerprint>) -> Result<(), Rejection> {
    let Some(certificate) = certificate else {
        let detail = "token is bound to a certificate, but the peer's certificate is not known";
        return Err(Reason::BindingUnavailable.because(detail));
    };
    if thumbprint.ct_eq(certificate.as_bytes()).into() {
        return Ok(());
    }
    Err(Reason::BindingMismatch.because("token is bound to another certificate than the peer's"))
}

impl Method {
    /// RFC 7800 section 3.1: members that are not understood are ignored, such as Keycloak's `kc-jkt-type`, and there is one key. A
    /// confirmation in which nothing is understood binds the token to something that cannot be checked.
    fn read(confirmation: &Map<String, Value>) -> Result<Self, Rejection> {
        let given = |name| confirmation.get(name).filter(|value| !value.is_null());
        let detail = match (given("x5t#S256"), given("jkt")) {
            (Some(value), None) => {
                return thumbprint_bytes(value, "x5t#S256").map(Self::Certificate);
            }
            (None, Some(value)) => return thumbprint_bytes(value, "jkt").map(Self::Key),
            (Some(_), Some(_)) => {
                "token is bound to a certificate and to a key, of which one is supported"
            }
            (None, None) => "token is bound by a confirmation method that is not supported",
        };
        Err(Reason::BindingUnavailable.because(detail))
    }
}

/// RFC 8705 section 3.1, RFC 9449 section 6.1: a SHA-256 in base64url without padding.
fn thumbprint_bytes(value: &Value, name: &str) -> Result<[u8; 32], Rejection> {
    value
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            Reason::TokenMalformed
                .because(format!("token has a `{name}` that is not a SHA-256 in base64url"))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8705 section 3.1, figure 3.
    const THUMBPRINT: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";

    fn ours() -> Fingerprint {
        // The figure's last character has stray bits, which strict base64url refuses.
        Fingerprint::of(b"certificate")
    }

    fn text_of(print: &Fingerprint) -> String {
        URL_SAFE_NO_PAD.encode(print.as_bytes())
    }

    fn checked(
        cnf: Value,
        certificate: Option<&Fingerprint>,
        floor: BindingFloor,
    ) -> Result<Binding, Reason> {
        let mut claims = Map::new();
        if cnf != json!("absent") {
            claims.insert("cnf".into(), cnf);
        }
        let no_proof = |_: &[u8; 32]| panic!("nothing is proved to a bearer token");
        check(&claims, TokenScheme::Bearer, certificate, floor, no_proof)
            .map(|(binding, _)| binding)
            .map_err(|r| r.reason())
    }

    /// P69, P410: certificate-bound, with every kind of evidence and every confirmation that is not quite one.
    #[test]
    fn a_bound_token_needs_the_certificate_it_is_bound_to() {
        use BindingFloor::{Certificate, None as Any};
        let (ours, other) = (ours(), Fingerprint::of(b"other"));
        let bound = json!({ "x5t#S256": text_of(&ours) });
        let hex = json!({ "x5t#S256": ours.to_hex() });
        let padded = json!({ "x5t#S256": format!("{}=", text_of(&ours)) });
        let both = json!({ "x5t#S256": text_of(&ours), "jkt": "x" });
        let more = json!({ "x5t#S256": text_of(&ours), "kid": "x" });
        let beside_null = json!({ "x5t#S256": text_of(&ours), "jkt": null });
        for (cnf, certificate, floor, expected) in [
            (bound.clone(), Some(&ours), Any, Ok(Binding::Certificate)),
            (bound.clone(), Some(&ours), Certificate, Ok(Binding::Certificate)),
            (bound.clone(), Some(&other), Any, Err(Reason::BindingMismatch)),
            (bound.clone(), None, Any, Err(Reason::BindingUnavailable)),
            (json!("absent"), Some(&ours), Any, Ok(Binding::None)),
            (json!("absent"), None, Any, Ok(Binding::None)),
            (json!("absent"), Some(&ours), Certificate, Err(Reason::BindingUnavailable)),
            (json!({}), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (json!({ "jkt": "x" }), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!({ "jkt": text_of(&ours) }), Some(&ours), Any, Err(Reason::DpopInvalid)),
            (both, Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (more.clone(), Some(&ours), Any, Ok(Binding::Certificate)),
            (more.clone(), Some(&other), Any, Err(Reason::BindingMismatch)),
            (more, None, Any, Err(Reason::BindingUnavailable)),
            (json!({ "jkt": null }), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (json!({ "kc-jkt-type": "x" }), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (beside_null, Some(&ours), Certificate, Ok(Binding::Certificate)),
            (json!({ "jwk": {} }), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (json!({ "x5t": text_of(&ours) }), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (json!(null), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!("x5t#S256"), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!([bound]), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (hex, Some(&ours), Any, Err(Reason::TokenMalformed)),
            (padded, Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!({ "x5t#S256": "" }), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!({ "x5t#S256": THUMBPRINT }), Some(&ours), Any, Err(Reason::TokenMalformed)),
            (json!({ "x5t#S256": 1 }), Some(&ours), Any, Err(Reason::TokenMalformed)),
        ] {
            let shown = cnf.to_string();
            assert_eq!(checked(cnf, certificate, floor), expected, "{shown} {certificate:?}");
        }
    }

    /// RFC 9449 section 7.1: the scheme and the binding belong together; and a floor says which binding.
    #[test]
    fn a_token_with_a_proof_is_bound_to_a_key() {
        use BindingFloor::{Any, Certificate, Dpop, None as Free};
        let ours = ours();
        let key = json!({ "cnf": { "jkt": text_of(&ours), "kc-jkt-type": "dpop" } });
        let certificate = json!({ "cnf": { "x5t#S256": text_of(&ours) } });
        let end = crate::clock::UnixTime::from_secs(1);
        for (claims, floor, expected) in [
            (&key, Free, Ok(Binding::Dpop)),
            (&key, Dpop, Ok(Binding::Dpop)),
            (&key, Any, Ok(Binding::Dpop)),
            (&key, Certificate, Err(Reason::BindingUnavailable)),
            (&certificate, Any, Err(Reason::DpopInvalid)),
            (&json!({}), Free, Err(Reason::DpopInvalid)),
        ] {
            let prove = |key: &[u8; 32]| Ok(OneTimeUse::proof(key, "id", end));
            let claims = claims.as_object().unwrap();
            let found = check(claims, TokenScheme::Dpop, Some(&ours), floor, prove);
            assert_eq!(found.map(|(binding, _)| binding).map_err(|r| r.reason()), expected);
        }
        for (cnf, floor, expected) in [
            (json!("absent"), Any, Err(Reason::BindingUnavailable)),
            (json!("absent"), Dpop, Err(Reason::BindingUnavailable)),
            (certificate["cnf"].clone(), Any, Ok(Binding::Certificate)),
            (certificate["cnf"].clone(), Dpop, Err(Reason::BindingUnavailable)),
        ] {
            assert_eq!(checked(cnf, Some(&ours), floor), expected);
        }
    }
}
