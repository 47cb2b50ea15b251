//! Challenges: what a caller has to bring to be let in (RFC 9110 section 11.6.1).

use std::fmt::Write as _;

use crate::policy::decision::{Needs, ProofNeed};
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
    if let Some(proof) = &needs.proof {
        return Some(for_proof(reason, error, proof).0);
    }
    let mut bearer = Challenge::of("Bearer").with("realm", "countersign");
    if let Some(error) = error {
        bearer = bearer.with("error", error);
    }
    // Which scopes a resource needs is public in OAuth, and these come from our own policy, never from the token.
    if answer == ClientAnswer::InsufficientScope && !needs.scopes.is_empty() {
        bearer = bearer.with("scope", &needs.scopes.join(" "));
    }
    if answer == ClientAnswer::InsufficientAuthentication {
        bearer = bearer.stepping_up(needs);
    }
    Some(bearer.0)
}

/// RFC 9449 section 7.1: which algorithms a proof may have, and what is wrong with the one that came.
fn for_proof(reason: Reason, error: Option<&'static str>, proof: &ProofNeed) -> Challenge {
    let about_proofs =
        [(Reason::DpopInvalid, "invalid_dpop_proof"), (Reason::DpopNonce, "use_dpop_nonce")];
    let own = about_proofs.into_iter().find_map(|(known, code)| (known == reason).then_some(code));
    let error = own.or(error);
    let mut challenge = Challenge::of("DPoP").with("realm", "countersign");
    if let Some(error) = error {
        challenge = challenge.with("error", error);
    }
    challenge.with("algs", &proof.algorithms.join(" "))
}

// === impl Challenge ===

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
