//! A DPoP proof (RFC 9449 section 4.2) as it was sent: bounded and split, **unverified**.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::jws::CompactJws;
use super::presented::Presented;
use crate::json;
use crate::limits::{MAX_JSON_DEPTH, MAX_PROOF_BYTES};
use crate::reason::{Reason, Rejection};
use crate::request::CredentialHeaders;

/// A proof that was found in a request. Its key is what the caller says its key is: it counts only where a token is bound to
/// the same one.
#[derive(Debug)]
pub struct DpopProof {
    /// The signed part.
    pub jws: CompactJws,
    /// The key that it says it is signed with, as a JWK.
    pub key: Value,
}

impl DpopProof {
    /// The proof in the `DPoP` header, of which there is one at most (RFC 9449 section 4.3, check 1).
    pub(super) fn find(credentials: &CredentialHeaders) -> Presented<Self> {
        let mut lines = credentials.all("dpop");
        let Some(line) = lines.next() else { return Presented::Absent };
        if lines.next().is_some() {
            return Presented::Malformed(refuse("several proofs were sent"));
        }
        let Ok(text) = line.as_str() else {
            return Presented::Malformed(refuse("proof is not text"));
        };
        match Self::parse(text) {
            Ok(proof) => Presented::Present(proof),
            Err(rejection) => Presented::Malformed(rejection),
        }
    }

    /// Reads `text`.
    ///
    /// # Errors
    /// `dpop_invalid` with the rule that is broken; never a part of the proof.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(refuse(format!("proof is longer than {MAX_PROOF_BYTES} bytes")));
        }
        // Two header lines that a proxy joined have a comma between them, which no JWS has (P86).
        if text.contains(',') {
            return Err(refuse("several proofs were sent"));
        }
        let jws = CompactJws::parse(text)
            .map_err(|rejection| refuse(format!("proof cannot be read: {}", rejection.detail())))?;
        let key = key_of(text).ok_or_else(|| refuse("proof has a header without a `jwk`"))?;
        Ok(Self { jws, key })
    }
}

/// The only place where a key is read from data of the caller. It is not trusted: its thumbprint is compared.
fn key_of(text: &str) -> Option<Value> {
    let header = URL_SAFE_NO_PAD.decode(text.split('.').next()?).ok()?;
    let mut members = json::parse_object(&header, MAX_JSON_DEPTH).ok()?;
    members.remove("jwk").filter(Value::is_object)
}

fn refuse(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Reason::DpopInvalid.because(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{HeaderValue, Headers, SealedNames};
    use serde_json::json;

    fn proof(header: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AAAA", part(header), part(&json!({ "jti": "x" })))
    }

    fn found(lines: &[&str]) -> Presented<DpopProof> {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("DPoP", HeaderValue::new(line.as_bytes().to_vec()));
        }
        let (_, credentials) =
            CredentialHeaders::split(headers, &SealedNames::default(), None, None);
        DpopProof::find(&credentials)
    }

    /// P4, P72, P86: one header line, bounded, and no list.
    #[test]
    fn there_is_one_proof_or_none() {
        let good = proof(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": { "kty": "EC" } }));
        assert!(matches!(found(&[]), Presented::Absent));
        assert!(matches!(found(&[&good]), Presented::Present(_)));
        let joined = format!("{good}, {good}");
        let long = format!("{good}{}", "A".repeat(MAX_PROOF_BYTES));
        for lines in [&[good.as_str(), good.as_str()][..], &[&joined], &[&long], &[""], &["x"]] {
            let Presented::Malformed(rejection) = found(lines) else { panic!("{lines:?}") };
            assert_eq!(rejection.reason(), Reason::DpopInvalid);
        }
    }

    #[test]
    fn a_proof_brings_its_key() {
        for header in [
            json!({ "alg": "ES256", "typ": "dpop+jwt" }),
            json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": "key" }),
            json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": {}, "crit": ["x"] }),
        ] {
            let refused = DpopProof::parse(&proof(&header)).unwrap_err();
            assert_eq!(refused.reason(), Reason::DpopInvalid, "{header}");
        }
    }

    /// Invariant 9: the longest proof is read, and one byte more is refused.
    #[test]
    fn the_bound_of_a_proof_is_exact() {
        let with = |more: usize| {
            let jwk = json!({ "kty": "EC", "x": "A".repeat(more) });
            let head = proof(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk }));
            // The signature fills it up.
            let rest = MAX_PROOF_BYTES - head.len();
            format!("{head}{}", "A".repeat(rest - rest % 4))
        };
        let longest = (0..4).map(with).find(|own| own.len() == MAX_PROOF_BYTES).unwrap();
        assert!(DpopProof::parse(&longest).is_ok());
        let long = DpopProof::parse(&format!("{longest}AAAA")).unwrap_err();
        assert!(long.detail().contains("longer than"), "{}", long.detail());
    }
}
