//! What of a request must not go upstream (invariant 4): the caller's own copies of everything that any rule can set, and what
//! the rule that allows removes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::duties::{Copies, Obligations, is_spelling_of};
use super::rule::Rule;
use crate::reason::{Reason, Rejection};
use crate::request::{Headers, RequestView, TokenPlace};

/// Everything that any rule can set.
#[derive(Debug, Default)]
pub(super) struct Strip {
    headers: Arc<[String]>,
    query: Box<[String]>,
}

// === impl Strip ===

impl Strip {
    /// Of all `rules`, those in shadow included: nobody must be able to tell which are.
    pub(super) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let (mut headers, mut query) = (BTreeSet::new(), BTreeSet::new());
        for rule in rules {
            headers.extend(rule.duties.request_headers());
            query.extend(rule.duties.query.iter().map(|set| &*set.name));
        }
        Self {
            headers: headers.into_iter().map(str::to_owned).collect(),
            query: query.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The headers and query parameters to remove from `request`, which `rule` allows.
    ///
    /// # Errors
    /// `eval_error` where the caller's copy of a query parameter cannot be removed.
    pub(super) fn from(
        &self,
        rule: &Rule,
        obligations: &Obligations,
        request: &RequestView,
    ) -> Result<(Arc<[String]>, Vec<String>), Rejection> {
        let removal = &rule.duties.remove;
        let headers = if removal.headers.is_empty() {
            Arc::clone(&self.headers)
        } else {
            let all: BTreeSet<&String> = self.headers.iter().chain(&removal.headers).collect();
            all.into_iter().cloned().collect()
        };
        let query = request.target.as_ref().ok().and_then(|target| target.query.as_deref());
        let token = match &obligations.token {
            Some(TokenPlace::Query(name)) => Some(name),
            Some(TokenPlace::Authorization | TokenPlace::Header(_) | TokenPlace::Cookie(_))
            | None => None,
        };
        let parameters = self.query.iter().chain(&removal.query).chain(token);
        let parameters: Vec<&str> = parameters.map(String::as_str).collect();
        let copies = Copies::of(&parameters, query.unwrap_or_default());
        if copies.hidden {
            let why = "a query parameter that rules set or remove is hidden behind a `;`";
            return Err(Reason::EvalError.because(why));
        }
        let is_set = |name: &String| obligations.query.iter().any(|set| *set.name == **name);
        // A proxy replaces those that it sets in their own spelling, and removes after it sets.
        let query = copies.spellings.into_iter().filter(|name| !is_set(name)).collect();
        Ok((all_spellings(&headers, &request.headers), query))
    }
}

/// `strip`, and those headers of the request that are the same to a reader who does not tell `_` from `-` (P13).
fn all_spellings(strip: &Arc<[String]>, headers: &Headers) -> Arc<[String]> {
    let others: Vec<&str> = headers
        .iter()
        .map(|(name, _)| name)
        .filter(|sent| sent.contains('_') && strip.iter().any(|own| is_spelling_of(sent, own)))
        .collect();
    if others.is_empty() {
        return Arc::clone(strip);
    }
    strip.iter().cloned().chain(others.into_iter().map(str::to_owned)).collect()
}
