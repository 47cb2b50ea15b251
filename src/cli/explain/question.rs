//! A request to explain, with its caller.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::DecisionRecord;
use crate::authn::{PeerIdentity, Subject};
use crate::clock::UnixTime;
use crate::document::Diagnostic;
use crate::policy::{Effect, MissingData};
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, RequestView};

#[derive(Debug)]
pub(super) struct ExplainInput {
    pub(super) view: RequestView,
    pub(super) caller: ExplainedCaller,
    /// The moment that it came with.
    pub(super) at: Option<UnixTime>,
    /// The parts of it that were not recorded.
    pub(super) missing: MissingData,
    pub(super) context: QuestionContext,
}

/// Who asks.
#[derive(Debug)]
pub(super) enum ExplainedCaller {
    /// A caller who shows credentials.
    Shown(CredentialHeaders),
    /// A peer that is taken at its word, with whatever else is shown.
    Peer(PeerIdentity, CredentialHeaders),
    /// A caller whose identities are all taken at their word.
    Vouched(Subject),
    /// No caller is known: the request was refused before.
    Refused(Rejection),
}

/// The source of a question.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum QuestionSource {
    /// Flags of the command.
    #[default]
    Flags,
    /// A file with a request.
    File,
    /// A recorded check.
    Check,
    /// A case of a suite.
    Case,
    /// A record of the audit log.
    #[serde(rename = "audit record")]
    AuditRecord,
}

/// The facts about a question to report beside the decision.
#[derive(Debug, Default)]
pub(super) struct QuestionContext {
    /// The source of the request.
    pub(super) from: QuestionSource,
    /// True if the question vouches for the caller, in place of evidence.
    pub(super) vouched: bool,
    /// True if the proxy could say who the TLS peer is.
    pub(super) names_tls_peer: bool,
    /// The arguments that name the documents, for commands in advice.
    pub(super) documents: String,
    pub(super) notes: Vec<String>,
    /// The warnings about its file.
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) recorded: Option<RecordedDecision>,
}

/// The decision, as the record has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecordedDecision {
    pub(super) decision_id: String,
    pub(super) time: String,
    pub(super) decision: Effect,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) policy: String,
    pub(super) rule: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) revision: String,
}

impl RecordedDecision {
    /// The decision of `record`, which is `decision`.
    pub(super) fn new(record: DecisionRecord, decision: Effect) -> Self {
        let DecisionRecord { decision_id, time, reason, detail, policy, rule, .. } = record;
        let DecisionRecord { annotations, revision, .. } = record;
        Self { decision_id, time, decision, reason, detail, policy, rule, annotations, revision }
    }
}
