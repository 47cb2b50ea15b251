//! Challenges: what a caller has to bring to be let in (RFC 9110 section 11.6.1).

use std::fmt::Write as _;

use crate::policy::model::decision::{Needs, ProofNeed};
use crate::reason::{ClientAnswer, Reason};

/// One challenge being written.
struct Challenge(String);

/// The value of `www-authenticate`; none where no credential would help. RFC 6750 section 3: every 401 and every
/// `insufficient_scope` has one.
pub(super) fn challenge(answer: ClientAnswer, reason: Reason, needs: &Needs) -> Option<String> {
    let error = answer.oauth_error();
    if error.is_none() && answer != ClientAnswer::Unauthenticated {
        return None;
    }
    let scheme = if needs.proof.is_some() { "DPoP" } else { "Bearer" };
    let about_proof = needs.proof.as_ref().and_then(|proof| proof_error(reason, proof));
    let mut challenge = Challenge::of(scheme).with("realm", "countersign");
    if let Some(error) = about_proof.or(error) {
        challenge = challenge.with("error", error);
    }
    // Which scopes a resource needs is public in OAuth, and these come from our own policy, never from the token.
    if answer == ClientAnswer::InsufficientScope && !needs.scopes.is_empty() {
        challenge = challenge.with("scope", &needs.scopes.join(" "));
    }
    if answer == ClientAnswer::InsufficientAuthentication {
        challenge = challenge.stepping_up(needs);
    }
    // Evaluation alone does not know them: the issuer's document has them.
    if let Some(proof) = needs.proof.as_ref().filter(|proof| !proof.algorithms.is_empty()) {
        challenge = challenge.with("algs", &proof.algorithms.join(" "));
    }
    Some(challenge.0)
}

/// RFC 9449 section 7.1: what is wrong with the proof that came, where it is what is wrong.
fn proof_error(reason: Reason, proof: &ProofNeed) -> Option<&'static str> {
    if reason == Reason::DpopNonce {
        return Some("use_dpop_nonce");
    }
    let refused = proof.faulty || reason == Reason::DpopInvalid;
    refused.then_some("invalid_dpop_proof")
}

impl Challenge {
    fn of(scheme: &str) -> Self {
        Self(scheme.to_owned())
    }

    /// RFC 9110 section 11.2: parameters as quoted strings, set apart by commas.
    fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.0.contains(' ') { ", " } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{separator}{name}=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                self.0.push('\\');
            }
            self.0.push(c);
        }
        self.0.push('"');
        self
    }

    /// RFC 9470 section 3: how the user has to authenticate, and how lately.
    fn stepping_up(mut self, needs: &Needs) -> Self {
        if !needs.acr.is_empty() {
            self = self.with("acr_values", &needs.acr.join(" "));
        }
        if let Some(age) = needs.max_age {
            self = self.with("max_age", &age.as_secs().to_string());
        }
        self
    }
}
