//! The data that requirements look at: the request, the verified identities of its caller, and the time.

use std::sync::Arc;

use crate::authn::{PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::policy::model::{DecisionId, PathTemplate, RuleName};
use crate::policy::requirement::missing::MissingData;
use crate::request::RequestView;

/// One rule beside one request.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct CheckContext<'a> {
    pub(in crate::policy) request: &'a RequestView,
    pub(in crate::policy) subject: &'a Subject,
    pub(in crate::policy) now: UnixTime,
    pub(in crate::policy) id: DecisionId,
    pub(in crate::policy) rule: &'a RuleName,
    /// The template that the path matches.
    pub(in crate::policy) template: Option<&'a PathTemplate>,
    pub(in crate::policy) peer: Option<&'a PeerIdentity>,
    /// The `TrustDomain` document that the rule names.
    pub(in crate::policy) trust_domain: Option<&'a str>,
    /// The issuers of which the rule asks for a token.
    pub(in crate::policy) issuers: &'a [Arc<str>],
    /// A token of one of them.
    pub(in crate::policy) token: Option<&'a TokenIdentity>,
    /// The data that the record of the request lacks.
    pub(in crate::policy) missing: MissingData,
}

impl<'a> CheckContext<'a> {
    /// Every token that the caller shows of the rule's issuers.
    pub(in crate::policy) fn shown_tokens(&self) -> impl Iterator<Item = &'a TokenIdentity> {
        let subject = self.subject;
        self.issuers.iter().filter_map(move |issuer| subject.token(issuer))
    }

    /// The trust domain of the peer: the one that the rule names, if that vouches for the peer, else the only one that does.
    /// If several do, none is chosen.
    pub(in crate::policy) fn peer_trust_domain(&self) -> Option<&'a str> {
        let peer = self.peer?;
        let named = self.trust_domain.filter(|name| peer.is_vouched_for_by(name) == Some(true));
        named.or_else(|| peer.only_trust_domain())
    }
}
