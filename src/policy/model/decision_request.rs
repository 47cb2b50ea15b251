//! The question that is put to a set of policies.

use super::decision_id::DecisionId;
use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::request::RequestView;

/// One question: may this subject make this request now?
#[derive(Clone, Copy, Debug)]
pub struct DecisionRequest<'a> {
    /// The caller.
    pub subject: &'a Subject,
    /// The request.
    pub request: &'a RequestView,
    /// The time.
    pub now: UnixTime,
    /// The id that the decision gets.
    pub id: DecisionId,
}
