//! Answers that documents write: text of the document and nothing else, so that they cannot leak.

use serde_json::{Map, Value};

use super::accept::is_navigation;
use crate::reason::ClientAnswer;
use crate::request::RequestView;

/// What a rule or a policy tells those whom it denies, in place of the default. Made by compiling only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomAnswer {
    pub(in crate::policy) status: Option<u16>,
    pub(in crate::policy) text: Option<Box<str>>,
    pub(in crate::policy) json: Map<String, Value>,
    pub(in crate::policy) headers: Box<[(Box<str>, Box<str>)]>,
    pub(in crate::policy) redirect: Option<Redirect>,
}

/// Where browsers are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Redirect {
    pub(in crate::policy) to: Box<str>,
    pub(in crate::policy) status: u16,
    /// Also where authenticating would not help.
    pub(in crate::policy) every: bool,
}

// === impl CustomAnswer ===

impl CustomAnswer {
    /// What may stand in its texts, beside plain text: what every denial tells.
    pub(in crate::policy) const TOLD: [&str; 2] = ["{decision.id}", "{decision.word}"];

    /// Our own failures and throttling stay what they are: whoever gets 503 must be able to tell that trying again helps.
    pub(super) const fn applies_to(answer: ClientAnswer) -> bool {
        match answer {
            ClientAnswer::Throttled | ClientAnswer::Unavailable => false,
            ClientAnswer::Unauthenticated
            | ClientAnswer::InvalidRequest
            | ClientAnswer::InvalidToken
            | ClientAnswer::InsufficientScope
            | ClientAnswer::InsufficientAuthentication
            | ClientAnswer::Forbidden => true,
        }
    }

    pub(super) fn redirect(
        &self,
        answer: ClientAnswer,
        request: &RequestView,
    ) -> Option<&Redirect> {
        let redirect = self.redirect.as_ref()?;
        let meant = redirect.every || answer.status() == 401;
        (meant && is_navigation(request)).then_some(redirect)
    }
}
