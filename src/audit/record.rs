//! An [`Outcome`] as the decision record of `proto/countersign/v1/decision.proto`.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::authn::{Binding, PeerIdentity, TokenIdentity};
use crate::clock::UnixTime;
use crate::pdp::Outcome;
use crate::policy::{Annotations, Decision, RuleName, ShadowOutcome, Truth};
use crate::request::{Endpoint, RequestView};
use crate::secret::Fingerprint;

mod wire {
    #![expect(
        missing_docs,
        clippy::derive_partial_eq_without_eq,
        reason = "generated from the protocol, which is documented"
    )]
    include!(concat!(env!("OUT_DIR"), "/countersign.v1.rs"));
}

pub use wire::DecisionRecord;

// === impl DecisionRecord ===

impl DecisionRecord {
    /// What may be kept of one decision.
    #[must_use]
    pub fn of(view: &RequestView, outcome: &Outcome) -> Self {
        let (reason, detail) = match &outcome.decision {
            Decision::Allow(_) => (String::new(), String::new()),
            Decision::Deny(denial) => {
                let rejection = denial.rejection();
                (rejection.reason().as_str().to_owned(), rejection.detail().to_owned())
            }
        };
        let (policy, rule) = outcome.decision.rule().map(names).unwrap_or_default();
        let subject = outcome.subject.as_ref();
        let tokens = subject.and_then(|s| s.tokens().verified());
        Self {
            decision_id: outcome.id.to_string(),
            time: rfc3339(outcome.at),
            decision: if matches!(outcome.decision, Decision::Allow(_)) { "allow" } else { "deny" }
                .to_owned(),
            reason,
            detail,
            policy,
            rule,
            revision: outcome.revision.to_string(),
            duration_us: u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
            request: Some(request(view)),
            peer: subject.and_then(|s| s.peer().verified()).map(peer),
            tokens: tokens.into_iter().flatten().map(token).collect(),
            shadows: outcome.decision.shadows().iter().map(shadow).collect(),
            annotations: owned(outcome.decision.annotations()),
        }
    }
}

fn names(rule: &RuleName) -> (String, String) {
    (rule.policy.to_string(), rule.rule.to_string())
}

fn owned(annotations: &Annotations) -> BTreeMap<String, String> {
    annotations.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn request(view: &RequestView) -> wire::Request {
    let address = |endpoint: &Endpoint| endpoint.address.map(|address| address.to_string());
    let path = view.raw_path.split(['?', '#']).next().unwrap_or_default();
    wire::Request {
        id: view.id.to_string(),
        method: view.method.to_string(),
        host: view.raw_host.to_string(),
        path: path.to_owned(),
        source: address(&view.source).unwrap_or_default(),
        scheme: view.scheme.to_string(),
        destination: address(&view.destination).unwrap_or_default(),
    }
}

fn peer(peer: &PeerIdentity) -> wire::Peer {
    wire::Peer {
        trust_domain: peer.trust_domain().to_owned(),
        spiffe: peer.spiffe().map(ToString::to_string).unwrap_or_default(),
        evidence: peer.level().as_str().to_owned(),
        subject: peer.subject().unwrap_or_default().to_owned(),
        issuer: peer.issuer().unwrap_or_default().to_owned(),
        serial: peer.serial().unwrap_or_default().to_owned(),
        fingerprint: peer.certificate().map(Fingerprint::to_hex).unwrap_or_default(),
        not_after: peer.not_after().map(rfc3339).unwrap_or_default(),
    }
}

fn token(token: &TokenIdentity) -> wire::Token {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    wire::Token {
        issuer_name: token.issuer_name().to_owned(),
        issuer: token.issuer().to_owned(),
        subject: text(token.subject()),
        client: text(token.client()),
        audiences: token.audiences().to_vec(),
        scopes: token.scopes().to_vec(),
        token_id_hash: token
            .token_id()
            .map(|id| Fingerprint::of(id.as_bytes()).to_hex())
            .unwrap_or_default(),
        key_id: text(token.key_id()),
        expires_at: rfc3339(token.expires_at()),
        binding: match token.binding() {
            Binding::None => "none",
            Binding::Certificate => "certificate",
            Binding::Dpop => "dpop",
        }
        .to_owned(),
    }
}

fn shadow(shadow: &ShadowOutcome) -> wire::Shadow {
    let (policy, rule) = names(&shadow.rule);
    wire::Shadow {
        policy,
        rule,
        effect: shadow.effect.as_str().to_owned(),
        indeterminate: shadow.satisfied != Truth::True,
        changes: shadow.changes,
    }
}

/// RFC 3339 in UTC, always with three digits of milliseconds; empty for a moment outside the years that it can write.
fn rfc3339(moment: UnixTime) -> String {
    let second = OffsetDateTime::from_unix_timestamp(moment.as_secs()).ok();
    let text = second.and_then(|second| second.format(&Rfc3339).ok()).unwrap_or_default();
    let millis = moment.as_millis().rem_euclid(1000);
    text.strip_suffix('Z').map(|whole| format!("{whole}.{millis:03}Z")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_one_form() {
        assert_eq!(rfc3339(UnixTime::from_millis(1_795_341_600_020)), "2026-11-22T10:00:00.020Z");
        assert_eq!(rfc3339(UnixTime::from_millis(-1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(UnixTime::from_millis(i64::MAX)), "");
    }
}
