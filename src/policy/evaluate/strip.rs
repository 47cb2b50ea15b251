//! The parts of a request that must not go upstream (invariant 4): the caller's own copies of everything that any rule can set,
//! overrides that can name another request than the one that was decided about, and what the rule that allows removes.

use std::collections::BTreeSet;

use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{
    Copies, FAILURE_MODE_HEADER, OVERRIDE_HEADERS, OVERRIDE_PARAMETERS, Obligations, PROXY_HEADERS,
    RemovedHeaders, has_many_spellings,
};
use crate::reason::{Reason, Rejection};
use crate::request::{
    HeaderNames, Headers, RequestView, Shown, TokenPlace, header_spellings, is_spelling_of_header,
};

/// Everything that must not go upstream, whichever rule allows.
#[derive(Debug)]
pub(in crate::policy) struct Strip {
    /// The headers that any rule can set.
    injected: HeaderNames,
    overrides: HeaderNames,
    proxies: HeaderNames,
    /// All of them, each in every mixture of `-` and `_`, and the other mixtures of what rules read: for proxies that may not
    /// show every header (P131).
    unseen: RemovedHeaders,
    query: Box<[String]>,
}

impl Default for Strip {
    fn default() -> Self {
        Self::of(std::iter::empty())
    }
}

impl Strip {
    /// Of all `rules`, those in shadow included: no caller must be able to tell which are.
    pub(in crate::policy) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let (mut headers, mut query) = (BTreeSet::new(), BTreeSet::new());
        let mut read = BTreeSet::new();
        for rule in rules {
            read.extend(rule.headers().filter(|name| !has_many_spellings(name)));
            headers.extend(rule.obligations.request_headers());
            query.extend(rule.obligations.query.iter().map(|set| &*set.name));
        }
        let unseen = headers.iter().copied().chain(OVERRIDE_HEADERS).flat_map(header_spellings);
        let unseen = unseen.chain([FAILURE_MODE_HEADER.to_owned()]);
        let of_proxies = PROXY_HEADERS.into_iter().flat_map(header_spellings);
        let of_proxies = of_proxies.filter(|own| !PROXY_HEADERS.contains(&own.as_str()));
        // A spelling that is not shown no rule can be about.
        let others = read.iter().copied().flat_map(header_spellings);
        let others = others.filter(|own| !read.contains(own.as_str()));
        let unseen = unseen.chain(others);
        Self {
            unseen: RemovedHeaders::shared(&unseen.chain(of_proxies).collect::<BTreeSet<_>>()),
            injected: headers.into_iter().collect(),
            overrides: OVERRIDE_HEADERS.into_iter().chain([FAILURE_MODE_HEADER]).collect(),
            proxies: PROXY_HEADERS.into_iter().collect(),
            query: query.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The query parameters that any rule can set.
    pub(in crate::policy) fn query(&self) -> &[String] {
        &self.query
    }

    /// The headers and query parameters to remove from `request`, which `rule` allows.
    ///
    /// # Errors
    /// `eval_error` where the caller's copy of a query parameter cannot be removed.
    pub(in crate::policy) fn from(
        &self,
        rule: &Rule,
        obligations: &Obligations,
        request: &RequestView,
    ) -> Result<(RemovedHeaders, Vec<String>), Rejection> {
        let query = request.target.as_ref().ok().and_then(|target| target.query.as_deref());
        let query = match query {
            Some(query) => self.parameters(rule, obligations, query)?,
            None => Vec::new(),
        };
        Ok((self.headers(rule, &request.headers), query))
    }

    fn parameters(
        &self,
        rule: &Rule,
        obligations: &Obligations,
        query: &str,
    ) -> Result<Vec<String>, Rejection> {
        let token = obligations.tokens.iter().filter_map(|place| {
            if let TokenPlace::Query(name) = place { Some(name) } else { None }
        });
        let removed = self.query.iter().chain(&rule.obligations.remove.query).chain(token);
        let names: Vec<&str> = removed.map(String::as_str).chain(OVERRIDE_PARAMETERS).collect();
        let copies = Copies::of(&names, query);
        if copies.hidden {
            let why = "a query parameter that must not go upstream is hidden behind a `;`";
            return Err(Reason::EvalError.because(why));
        }
        // A proxy replaces those that it sets in their own spelling, and removes after it sets.
        let stays = |name: &String| {
            let is_set = obligations.query.iter().any(|set| *set.name == **name);
            // No other spelling, and none behind a `;`, is the one that the target names (P211).
            is_set || rule.obligations.keeps_parameter(name)
        };
        Ok(copies.spellings.into_iter().filter(|name| !stays(name)).collect())
    }

    /// Each name once, in order.
    fn headers(&self, rule: &Rule, sent: &Headers) -> RemovedHeaders {
        let obligations = &rule.obligations;
        let is_found = |name: &&str| {
            let removes = |own: &String| is_spelling_of_header(name, own);
            self.injected.find(name).is_some()
                || (self.overrides.find(name).is_some() && !obligations.keeps_header(name))
                || self.proxies.find(name).is_some_and(|own| own != *name)
                || obligations.remove.headers.iter().any(removes)
        };
        let found = sent.iter().map(|(name, _)| name).filter(is_found);
        // Headers with credentials are not visible here.
        let removed = obligations.remove.headers.iter().map(String::as_str);
        let mut names: BTreeSet<&str> = removed.chain(found).collect();
        if sent.shown() == Shown::Every {
            return RemovedHeaders::of(&names);
        }
        let unseen = self.unseen.names();
        let mixtures: Vec<_> =
            obligations.remove.headers.iter().flat_map(|own| header_spellings(own)).collect();
        let is_known = |name: &str| unseen.binary_search_by(|own| own.as_str().cmp(name)).is_ok();
        let no_others = names.iter().all(|name| is_known(name)) && mixtures.is_empty();
        if no_others && obligations.keep.is_none() {
            return self.unseen.clone();
        }
        let unseen = unseen.iter().map(String::as_str);
        names.extend(unseen.filter(|name| !obligations.keeps_header(name)));
        names.extend(mixtures.iter().map(String::as_str));
        RemovedHeaders::of(&names)
    }
}
