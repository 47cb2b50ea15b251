//! Answers that documents write: text of the document and nothing else, so that they cannot leak.

use serde_json::{Map, Value};

use super::accept::is_navigation;
use crate::reason::ClientAnswer;
use crate::request::RequestView;

/// The response of a rule or a policy to requests that it denies, in place of the default. Only compiling makes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomAnswer {
    pub(in crate::policy) status: Option<u16>,
    pub(in crate::policy) text: Option<Box<str>>,
    pub(in crate::policy) json: Map<String, Value>,
    pub(in crate::policy) headers: Box<[(Box<str>, Box<str>)]>,
    pub(in crate::policy) redirect: Option<Redirect>,
    pub(in crate::policy) clear: Option<ClearedCookie>,
}

/// The page that browsers are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Redirect {
    pub(in crate::policy) to: Box<str>,
    pub(in crate::policy) status: u16,
    /// Also where authenticating would not help.
    pub(in crate::policy) every: bool,
}

/// The cookie that a denial takes away from a browser whose token in it was refused (RFC 6265 section 3.1). Made by compiling only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct ClearedCookie {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) path: Box<str>,
    pub(in crate::policy) domain: Option<Box<str>>,
}

impl CustomAnswer {
    /// The variables that its texts may have: those that every denial shows.
    pub(in crate::policy) const VARIABLES: [&str; 2] = ["{decision.id}", "{decision.word}"];

    /// Our own failures and throttling keep their status: a client that gets 503 must see that a retry helps.
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
        (meant && is_navigation(request) && !redirect.leads_to(request)).then_some(redirect)
    }

    /// The `set-cookie` of a denial of a caller whose `cookies` were refused, and who is asked to authenticate: only where
    /// that very cookie is all that is at fault.
    pub(super) fn cleared(&self, cookies: &[String]) -> Option<String> {
        let own = self.clear.as_ref()?;
        let is_at_fault = !cookies.is_empty() && cookies.iter().all(|name| **name == *own.name);
        is_at_fault.then(|| own.header())
    }
}

impl Redirect {
    /// The path that it leads to on `host`, of which a document may know no more than that it is one of several.
    pub(in crate::policy) fn path_on(&self, is_host: impl Fn(&str) -> bool) -> Option<&str> {
        let path = match self.to.strip_prefix("https://") {
            None => &*self.to,
            Some(rest) => {
                let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, path) = rest.split_at(at);
                // Whatever the port: a proxy may take it off, and the browser would come back.
                let port = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
                let host = port.map_or(host, |(host, _)| host);
                let host = host.strip_suffix('.').unwrap_or(host);
                if !is_host(&host.to_ascii_lowercase()) {
                    return None;
                }
                path
            }
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Some(if path.is_empty() { "/" } else { path })
    }

    /// True if it leads to where the browser already is: it would be sent there again, and again.
    fn leads_to(&self, request: &RequestView) -> bool {
        let host = request.target.as_ref().map(|target| target.host.as_str()).unwrap_or_default();
        let path = request.raw_path.split(['?', '#']).next().unwrap_or_default();
        self.path_on(|own| own == host) == Some(path)
    }
}

impl ClearedCookie {
    /// The value of `set-cookie`. Name, path and domain are those that it was set with, or it stays.
    pub(super) fn header(&self) -> String {
        let Self { name, path, domain } = self;
        let domain = domain.as_ref().map(|own| format!("; Domain={own}")).unwrap_or_default();
        format!("{name}=; Max-Age=0; Path={path}{domain}; Secure; HttpOnly; SameSite=Lax")
    }
}
