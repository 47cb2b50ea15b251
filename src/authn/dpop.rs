//! Proofs of possession (RFC 9449): the caller holds the key that its token is bound to, for this request and for now.

mod nonce;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::authn::claims::moment;
use crate::authn::once::OneTimeUse;
use crate::clock::UnixTime;
use crate::evidence::{DpopProof, Presented, PresentedToken};
use crate::limits::MAX_PROOF_ID_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{NormalUrl, RequestLine};
use crate::secret::Fingerprint;
use crate::trust::{Algorithm, DpopRules, Issuer, KeyPurpose, VerificationKey};

/// The proof beside a token, and the request that it has to be for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Possession<'a> {
    pub(super) proof: &'a Presented<DpopProof>,
    pub(super) request: Option<&'a RequestLine>,
    pub(super) now: UnixTime,
}

impl Possession<'_> {
    /// The checks of RFC 9449 section 4.3, and those of section 7.1: the proof is for `token` and by the key whose
    /// thumbprint is `bound_to`. The result must be used for the first time.
    ///
    /// # Errors
    /// `dpop_invalid`, or `dpop_nonce` where only a current nonce is missing.
    pub(super) fn prove(
        &self,
        token: &PresentedToken,
        issuer: &Issuer,
        bound_to: &[u8; 32],
    ) -> Result<OneTimeUse, Rejection> {
        let proof = match self.proof {
            Presented::Present(proof) => proof,
            Presented::Malformed(rejection) => return Err(rejection.clone()),
            Presented::Absent => {
                return Err(refuse("token is bound to a DPoP key, but was sent without a proof"));
            }
        };
        let rules = &issuer.dpop;
        check_signature(proof, rules, bound_to)?;
        self.check_request(&proof.jws.claims, rules)?;
        check_token(&proof.jws.claims, token)?;
        let made = made_at(&proof.jws.claims)?;
        let by_clock = rules.nonce.is_none().then(|| self.check_time(made, issuer)).transpose()?;
        let id = text(&proof.jws.claims, "jti")?;
        if id.is_empty() || id.len() > MAX_PROOF_ID_BYTES {
            return Err(refuse(format!(
                "proof has a `jti` that is not 1 to {MAX_PROOF_ID_BYTES} bytes"
            )));
        }
        // Last, so that a nonce is given to callers who hold the key only.
        let by_nonce = nonce::check(&proof.jws.claims, rules, self.now)?;
        let expires = by_nonce.or(by_clock).unwrap_or(UnixTime::from_millis(i64::MAX));
        Ok(OneTimeUse::proof(bound_to, id, expires))
    }

    /// Checks 8 and 9: the method and the URL are the request's.
    fn check_request(
        &self,
        claims: &Map<String, Value>,
        rules: &DpopRules,
    ) -> Result<(), Rejection> {
        let request =
            self.request.ok_or_else(|| refuse("proof cannot be compared with the request"))?;
        if request.method != text(claims, "htm")? {
            return Err(refuse("proof is for another method"));
        }
        let url = NormalUrl::parse(text(claims, "htu")?)
            .ok_or_else(|| refuse("proof has an `htu` that is not an absolute HTTP URL"))?;
        if request.is_for(&url, &rules.origins) {
            return Ok(());
        }
        Err(refuse(
            "proof is for another URL; behind a proxy, `dpop.origins` says what callers see",
        ))
    }

    /// Check 11: made lately. The moment from which on it is refused for its age.
    fn check_time(&self, made: UnixTime, issuer: &Issuer) -> Result<UnixTime, Rejection> {
        let skew = issuer.clock_skew;
        if made > self.now.plus(skew) {
            return Err(refuse("proof has an `iat` in the future"));
        }
        let end = made.plus(issuer.dpop.max_age).plus(skew);
        if self.now >= end {
            let ago = self.now.since(made).as_secs();
            return Err(refuse(format!("proof was made {ago} s ago, which is too long")));
        }
        Ok(end)
    }
}

/// The `iat` of a proof: seconds, perhaps with a fraction, as in tokens.
fn made_at(claims: &Map<String, Value>) -> Result<UnixTime, Rejection> {
    let made = claims.get("iat").and_then(Value::as_number).and_then(moment);
    made.ok_or_else(|| refuse("proof has no `iat` that is a time in seconds"))
}

/// Checks 4 to 7: the type, an asymmetric algorithm, a public key that signed it, and that key is the token's.
fn check_signature(
    proof: &DpopProof,
    rules: &DpopRules,
    bound_to: &[u8; 32],
) -> Result<(), Rejection> {
    let header = &proof.jws.header;
    let is_proof = |kind: &str| {
        kind.eq_ignore_ascii_case("dpop+jwt") || kind.eq_ignore_ascii_case("application/dpop+jwt")
    };
    if !header.token_type.as_deref().is_some_and(is_proof) {
        return Err(refuse("proof has another type than `dpop+jwt`"));
    }
    let algorithm = Algorithm::named(&header.algorithm)
        .filter(|algorithm| rules.algorithms.contains(algorithm))
        .ok_or_else(|| refuse("proof is signed with an algorithm that is not accepted"))?;
    let key = VerificationKey::parse(&proof.key, KeyPurpose::Jwt)
        .map_err(|fault| refuse(format!("proof has a key that {fault}")))?;
    let thumbprint = URL_SAFE_NO_PAD.decode(key.thumbprint()).unwrap_or_default();
    if !bool::from(thumbprint.as_slice().ct_eq(bound_to)) {
        return Err(refuse("proof is by another key than the token's"));
    }
    if key.verifies(algorithm, proof.jws.signing_input(), &proof.jws.signature) {
        return Ok(());
    }
    Err(refuse("proof has a signature that is not its key's"))
}

/// RFC 9449 section 4.3, check 12: made for this token, by its hash.
fn check_token(claims: &Map<String, Value>, token: &PresentedToken) -> Result<(), Rejection> {
    let hash = URL_SAFE_NO_PAD.decode(text(claims, "ath")?).unwrap_or_default();
    let own = Fingerprint::of(token.text.expose().as_bytes());
    if bool::from(hash.as_slice().ct_eq(own.as_bytes())) {
        return Ok(());
    }
    Err(refuse("proof is for another token"))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, Rejection> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| refuse(format!("proof has no `{name}` that is a string")))
}

fn refuse(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Reason::DpopInvalid.because(detail)
}

/// A nonce that the sender of `proof`, which was good, had better use from now on (RFC 9449 section 8.2); none where the last
/// one will do.
pub(super) fn next_nonce(proof: &DpopProof, rules: &DpopRules, now: UnixTime) -> Option<String> {
    nonce::renew(&proof.jws.claims, rules, now)
}
