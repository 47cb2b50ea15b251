//! Each decision in the log: at `debug` one line with its reason and rule, at `trace` a line for each step that led there.
//!
//! Codes, names from documents and decision ids only: no path, no header and no claim. The audit record has the caller; its
//! decision id leads there.

use tracing::Level;

use crate::authn::{Credential, Subject, TokenIdentity};
use crate::pdp::{Observer, Outcome};
use crate::policy::{Decision, DecisionId};
use crate::reason::Rejection;
use crate::request::RequestView;

/// Writes decisions to the log.
#[derive(Clone, Copy, Debug)]
pub struct DecisionLines;

impl Observer for DecisionLines {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        if !tracing::enabled!(Level::DEBUG) {
            return;
        }
        if tracing::enabled!(Level::TRACE) {
            steps(outcome);
        }
        let host = view.target.as_ref().map(|target| target.host.to_string()).ok();
        let rule = outcome.decision.rule().map(tracing::field::display);
        let (decision, id) = (&outcome.decision, &outcome.id);
        let took_us = u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX);
        match decision {
            Decision::Allow(_) => tracing::debug!(decision_id = %id, host, rule, took_us, "allow"),
            Decision::Deny(denial) => {
                let (reason, detail) = said(&denial.rejection);
                tracing::debug!(decision_id = %id, reason, detail, host, rule, took_us, "deny");
            }
        }
    }
}

/// The fate of the caller's credentials, and how long each phase took.
fn steps(outcome: &Outcome) {
    let id = &outcome.id;
    if let Some(subject) = &outcome.subject {
        peer(id, subject);
        tokens(id, subject);
    }
    for (phase, from, to) in outcome.phases.each() {
        let took = to.saturating_sub(from);
        tracing::trace!(decision_id = %id, phase, ?took, "phase");
    }
    for shadow in outcome.decision.shadows() {
        let (rule, changes) = (&shadow.rule, shadow.changes);
        tracing::trace!(decision_id = %id, %rule, changes, "rule in shadow mode");
    }
}

fn peer(id: &DecisionId, subject: &Subject) {
    match subject.peer() {
        Credential::Absent => tracing::trace!(decision_id = %id, "peer absent"),
        Credential::Rejected(why) => {
            let (reason, detail) = said(why);
            tracing::trace!(decision_id = %id, reason, detail, "peer refused");
        }
        Credential::Verified(peer) => {
            let domains = peer.trust_domains().collect::<Vec<_>>().join(", ");
            let (evidence, source) = (peer.level().as_str(), peer.source());
            let by = peer.forwarders().len();
            tracing::trace!(decision_id = %id, domains, evidence, ?source, forwarders = by, "peer verified");
        }
    }
}

fn tokens(id: &DecisionId, subject: &Subject) {
    match subject.tokens() {
        Credential::Absent => tracing::trace!(decision_id = %id, "token absent"),
        Credential::Rejected(why) => {
            let (reason, detail) = said(why);
            tracing::trace!(decision_id = %id, reason, detail, "token refused");
        }
        Credential::Verified(tokens) => {
            for issuer in tokens.iter().map(TokenIdentity::issuer_name) {
                tracing::trace!(decision_id = %id, issuer, "token verified");
            }
        }
    }
}

fn said(why: &Rejection) -> (&'static str, &str) {
    (why.reason().as_str(), why.detail())
}
