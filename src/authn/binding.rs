//! What ties a token to the one who presents it: the confirmation claim (RFC 7800), checked.
//!
//! A token that names a key to be confirmed is never accepted as if it named none (P69).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::document::BindingFloor;
use crate::evidence::TokenScheme;
use crate::json::type_name;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;

/// What ties a token to the one who presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// Nothing: whoever holds it can use it.
    None,
    /// The peer's certificate (RFC 8705 section 3), checked.
    Certificate,
    /// A proof of possession (RFC 9449), checked.
    Dpop,
}

/// Checks the binding of a token with these `claims`. `certificate` is the fingerprint of the peer's verified certificate,
/// as far as it is known; from XFCC `Hash` alone it is.
///
/// # Errors
/// `binding_unavailable`, `binding_mismatch`, `dpop_invalid`, or `token_malformed`.
pub(super) fn check(
    claims: &Map<String, Value>,
    scheme: TokenScheme,
    certificate: Option<&Fingerprint>,
    floor: BindingFloor,
) -> Result<Binding, Rejection> {
    if scheme == TokenScheme::Dpop {
        return Err(Reason::DpopInvalid.because("tokens with a DPoP proof are not supported"));
    }
    let binding = match claims.get("cnf") {
        None => Binding::None,
        Some(Value::Object(confirmation)) => confirm(confirmation, certificate)?,
        Some(other) => {
            let found = type_name(other);
            let detail = format!("token has a claim `cnf` that is {found}, expected an object");
            return Err(Reason::TokenMalformed.because(detail));
        }
    };
    match (floor, binding) {
        (BindingFloor::Certificate, Binding::None) => Err(Reason::BindingUnavailable
            .because("token is bound to no certificate, and its issuer's tokens must be")),
        (BindingFloor::None | BindingFloor::Certificate, _) => Ok(binding),
    }
}

/// RFC 7800 section 3.1: one method. What we cannot check, we do not pass over.
fn confirm(
    confirmation: &Map<String, Value>,
    certificate: Option<&Fingerprint>,
) -> Result<Binding, Rejection> {
    if confirmation.contains_key("jkt") {
        return Err(
            Reason::DpopInvalid.because("token is bound to a DPoP key, and came without a proof")
        );
    }
    let Some(thumbprint) = confirmation.get("x5t#S256").filter(|_| confirmation.len() == 1) else {
        let detail = "token is bound by a confirmation method that is not supported";
        return Err(Reason::BindingUnavailable.because(detail));
    };
    let Some(certificate) = certificate else {
        let detail = "token is bound to a certificate, and the peer's is not known";
        return Err(Reason::BindingUnavailable.because(detail));
    };
    if thumbprint_bytes(thumbprint)?.ct_eq(certificate.as_bytes()).into() {
        Ok(Binding::Certificate)
    } else {
        let detail = "token is bound to another certificate than the peer's";
        Err(Reason::BindingMismatch.because(detail))
    }
}

/// RFC 8705 section 3.1: SHA-256 of the certificate in DER, in base64url without padding.
fn thumbprint_bytes(value: &Value) -> Result<[u8; 32], Rejection> {
    value
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            Reason::TokenMalformed
                .because("token has an `x5t#S256` that is not a SHA-256 in base64url")
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
        check(&claims, TokenScheme::Bearer, certificate, floor).map_err(|r| r.reason())
    }

    /// P69: certificate-bound, with every kind of evidence and every confirmation that is not quite one.
    #[test]
    fn a_bound_token_needs_the_certificate_it_is_bound_to() {
        use BindingFloor::{Certificate, None as Any};
        let (ours, other) = (ours(), Fingerprint::of(b"other"));
        let bound = json!({ "x5t#S256": text_of(&ours) });
        let hex = json!({ "x5t#S256": ours.to_hex() });
        let padded = json!({ "x5t#S256": format!("{}=", text_of(&ours)) });
        let both = json!({ "x5t#S256": text_of(&ours), "jkt": "x" });
        let more = json!({ "x5t#S256": text_of(&ours), "kid": "x" });
        for (cnf, certificate, floor, expected) in [
            (bound.clone(), Some(&ours), Any, Ok(Binding::Certificate)),
            (bound.clone(), Some(&ours), Certificate, Ok(Binding::Certificate)),
            (bound.clone(), Some(&other), Any, Err(Reason::BindingMismatch)),
            (bound.clone(), None, Any, Err(Reason::BindingUnavailable)),
            (json!("absent"), Some(&ours), Any, Ok(Binding::None)),
            (json!("absent"), None, Any, Ok(Binding::None)),
            (json!("absent"), Some(&ours), Certificate, Err(Reason::BindingUnavailable)),
            (json!({}), Some(&ours), Any, Err(Reason::BindingUnavailable)),
            (json!({ "jkt": "x" }), Some(&ours), Any, Err(Reason::DpopInvalid)),
            (both, Some(&ours), Any, Err(Reason::DpopInvalid)),
            (more, Some(&ours), Any, Err(Reason::BindingUnavailable)),
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

    /// RFC 9449 section 7.1: without support for proofs, the scheme is refused rather than read as `Bearer`.
    #[test]
    fn a_token_with_a_proof_is_not_taken_for_a_bearer_token() {
        let refused = check(&Map::new(), TokenScheme::Dpop, None, BindingFloor::None).unwrap_err();
        assert_eq!(refused.reason(), Reason::DpopInvalid);
    }
}
