//! One of the two sides that are compared: a set of documents, and its decision about a recorded request.

use std::path::PathBuf;

use crate::audit::DecisionRecord;
use crate::authn::{Counting, Subject};
use crate::cli::records::RecordedRequest;
use crate::cli::{CommandError, documents};
use crate::pdp::Snapshot;
use crate::policy::{
    DecisionId, DecisionRequest, Effect, Gap, MissingData, PossibleDecision, RecordField,
    RulePrints,
};

/// A set of documents that records are put to.
pub(super) struct ReplayedSet {
    pub(super) snapshot: Snapshot,
    prints: RulePrints,
    /// The data that no record has, and that its rules may depend on.
    missing: MissingData,
}

/// The decision of a set about one record.
pub(super) struct SideDecision<'s> {
    pub(super) possible: PossibleDecision,
    /// The credentials that a record does not hold, and that count in this set.
    pub(super) doubt: Option<&'static str>,
    counting: Option<Counting<'s>>,
    passes_over_cookies: bool,
}

/// A datum that a record does not hold, and the rule that needs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lack {
    pub(super) missing: String,
    pub(super) rule: String,
}

const NO_DOMAIN: &str = "the certificate: no `TrustDomain` document has the recorded name";
const NO_ISSUER: &str = "the token: no `TokenIssuer` document has the recorded name and `iss`";
const REFUSED: &str = "the credentials that were refused";
const IGNORED: &str = "the credentials that were ignored";

impl Lack {
    pub(super) fn of(missing: impl Into<String>) -> Self {
        Self { missing: missing.into(), rule: String::new() }
    }
}

impl From<Gap<'_>> for Lack {
    fn from(gap: Gap<'_>) -> Self {
        Self { missing: gap.missing.to_string(), rule: gap.rule.to_string() }
    }
}

impl ReplayedSet {
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, CommandError> {
        if paths.is_empty() {
            let message = "the settings name no documents: give `--documents`";
            return Err(CommandError::Usage(message.to_owned()));
        }
        let snapshot = documents::read(paths)?;
        let prints = RulePrints::of(snapshot.policies());
        let missing = match shares_authorities(&snapshot) {
            true => MissingData::NONE.and(RecordField::UnsureTrustDomains),
            false => MissingData::NONE,
        };
        Ok(Self { snapshot, prints, missing })
    }

    /// True if the documents that the caller of `record` was verified by are there.
    pub(super) fn knows(&self, record: &DecisionRecord) -> Result<(), Lack> {
        let trust = self.snapshot.trust();
        let is_domain = |name: &String| trust.domains().iter().any(|own| own.name == *name);
        let vouchers = record
            .peer
            .iter()
            .flat_map(|peer| std::iter::once(&peer.trust_domain).chain(&peer.other_trust_domains));
        if !vouchers.into_iter().all(is_domain) {
            return Err(Lack::of(NO_DOMAIN));
        }
        let is_issuer = |name: &str, iss: &str| {
            let mut named = trust.issuers().iter().filter(|own| own.name == name);
            named.any(|own| own.may_have_issued(iss))
        };
        match record.tokens.iter().all(|own| is_issuer(&own.issuer_name, &own.issuer)) {
            true => Ok(()),
            false => Err(Lack::of(NO_ISSUER)),
        }
    }

    /// Decides `request` for `subject`.
    pub(super) fn decide(
        &self,
        record: &DecisionRecord,
        request: &RecordedRequest,
        subject: &Subject,
    ) -> SideDecision<'_> {
        let RecordedRequest { view, at, missing, .. } = request;
        let policies = self.snapshot.policies();
        let counting = policies.scope().of(view);
        let counted = counting
            .map(|counting| subject.copy_of_assertion().where_count(|issuer| counting.has(issuer)));
        let subject = counted.as_ref().unwrap_or(subject);
        let question =
            DecisionRequest { subject, request: view, now: *at, id: DecisionId::default() };
        let missing = self.missing.all().fold(*missing, MissingData::and);
        let possible = policies.possible(&question, missing, &self.prints);
        let passes_over_cookies = policies.passes_over_cookies(view);
        let is_refused = subject.tokens().rejection().is_some();
        let doubt = match record.ignored_tokens.is_empty() {
            false => Some(IGNORED),
            true => (is_refused && (passes_over_cookies || counting.is_some())).then_some(REFUSED),
        };
        SideDecision { possible, doubt, counting, passes_over_cookies }
    }
}

impl SideDecision<'_> {
    /// True if `other` decides alike, whatever the missing data is: the same rules see the same credentials. One of the two may be
    /// of the documents that were in force, which says what became of credentials that are not recorded.
    pub(super) fn is_like(&self, other: &Self, one_was_in_force: bool) -> bool {
        let is_doubted = self.doubt.is_some() || other.doubt.is_some();
        let passes_over = self.passes_over_cookies || other.passes_over_cookies;
        self.counting == other.counting
            && self.possible.has_rules_of(&other.possible)
            && (!is_doubted || (one_was_in_force && !passes_over))
    }

    /// The effect, where it is certain. Where there is a query, an allow is certain if the copies of parameters that it removes are
    /// none, or were `checked`.
    pub(super) fn effect(&self, has_query: bool, checked: bool) -> Result<Effect, Lack> {
        if let Some(doubt) = self.doubt {
            return Err(Lack::of(doubt));
        }
        let effect = self.possible.effect()?;
        let is_clean = !has_query || (checked && !self.possible.removes_query());
        match effect {
            Effect::Allow if !is_clean => {
                Err(Lack { missing: RecordField::Query.to_string(), rule: self.rule() })
            }
            Effect::Allow | Effect::Deny => Ok(effect),
        }
    }

    /// `POLICY/NAME` of the rule that decides; nothing where it may be another.
    pub(super) fn rule(&self) -> String {
        let decision = &self.possible.decision;
        let is_sure = decision.is_allow() || self.possible.reason().is_some();
        decision.rule().filter(|_| is_sure).map(ToString::to_string).unwrap_or_default()
    }
}

/// True if two trust domains have an authority in common: a certificate of one may be of the other.
fn shares_authorities(snapshot: &Snapshot) -> bool {
    let domains = snapshot.trust().domains();
    let mut all: Vec<_> =
        domains.iter().flat_map(|own| own.authorities.iter().map(|ca| ca.der.as_ref())).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    all.len() < count
}
