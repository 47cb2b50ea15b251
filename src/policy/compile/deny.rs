//! Responses to denied requests: statuses that are no success, text that quotes nothing, and redirects that no caller chooses.

use std::sync::Arc;

use serde_json::Value;

use super::compiler::{PolicyCompiler, coded};
use crate::document::answers::{BodySpec, ClearCookieSpec, DenySpec, RedirectFor, RedirectSpec};
use crate::document::policy::Entries;
use crate::document::{Code, Spanned, closest};
use crate::limits::{MAX_DENIAL_JSON_BYTES, MAX_DENIAL_TEXT_BYTES, MAX_INJECTIONS};
use crate::policy::model::{ClearedCookie, CustomAnswer, Redirect, check_response_name};
use crate::request::{CanonicalPath, PathLeniency};

/// Statuses on which clients try again, or that are about the connection.
const NOT_OURS: [u16; 6] = [407, 408, 421, 425, 426, 431];

impl PolicyCompiler<'_, '_> {
    pub(super) fn denial(&mut self, spec: &Spanned<DenySpec>) -> Arc<CustomAnswer> {
        let DenySpec { status, body, headers, redirect, clear_cookie } = &spec.value;
        let tells = status.is_some() || body.is_some() || headers.is_some() || redirect.is_some();
        if !tells && clear_cookie.is_none() {
            let help =
                "give `status`, `body`, `headers`, `redirect` or `clearCookie`, or remove `deny`";
            self.error_with(Code::EmptyList, spec, "`deny` says nothing", help);
        }
        if let Some(status) = status {
            self.denial_status(status);
        }
        let mut answer = CustomAnswer {
            status: status.as_ref().map(|status| status.value),
            headers: headers.as_ref().map(|own| self.denial_headers(own)).unwrap_or_default(),
            redirect: redirect.as_ref().and_then(|redirect| self.redirect(&redirect.value)),
            clear: clear_cookie.as_ref().map(|clear| self.cleared_cookie(&clear.value)),
            ..CustomAnswer::default()
        };
        if let Some(body) = body {
            self.denial_body(body, &mut answer);
        }
        Arc::new(answer)
    }

    /// P1: Envoy lets pass what it takes for a success, so that no document can write one.
    fn denial_status(&mut self, status: &Spanned<u16>) {
        let code = status.value;
        if !(400..=499).contains(&code) || NOT_OURS.contains(&code) {
            let message = format!("`{code}` is not the status of a denial");
            let help = "use 400 to 499, such as 403 or 404, but none on which clients try again; \
                        for browsers there is `redirect`";
            self.error_with(Code::InvalidStatus, status, message, help);
        }
    }

    fn denial_body(&mut self, body: &Spanned<BodySpec>, answer: &mut CustomAnswer) {
        let BodySpec { text, json } = &body.value;
        if text.is_none() && json.is_none() {
            self.error(Code::EmptyList, body, "`body` is empty: give `text` or `json`");
        }
        if let Some(text) = text {
            let long = text.value.len() > MAX_DENIAL_TEXT_BYTES;
            let odd = text.value.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
            if text.value.is_empty() || long || odd {
                let message = format!(
                    "`text` is empty, longer than {MAX_DENIAL_TEXT_BYTES} bytes, or has control characters"
                );
                self.error(Code::InvalidValue, text, message);
            }
            self.quotes_nothing(text);
            answer.text = Some(text.value.trim_end().into());
        }
        if let Some(json) = json {
            let size = serde_json::to_vec(&json.value).map_or(usize::MAX, |bytes| bytes.len());
            if size > MAX_DENIAL_JSON_BYTES {
                let message = format!("`json` is larger than {MAX_DENIAL_JSON_BYTES} bytes");
                self.error(Code::InvalidValue, json, message);
            }
            for own in ["decision_id", "status"] {
                if json.value.contains_key(own) {
                    let message = format!("`{own}` cannot be set: it is the same for every caller");
                    self.error_with(Code::InvalidValue, json, message, "remove it");
                }
            }
            if json.value.values().any(holds_quotes) {
                self.says_too_much(json);
            }
            answer.json.clone_from(&json.value);
        }
    }

    fn denial_headers(&mut self, list: &Spanned<Entries<String>>) -> Box<[(Box<str>, Box<str>)]> {
        let entries = &list.value.0;
        if entries.is_empty() || entries.len() > MAX_INJECTIONS {
            let message = format!("expected 1 to {MAX_INJECTIONS} headers");
            self.error(Code::EmptyList, list, message);
        }
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let visible = value.value.bytes().all(|b| matches!(b, 0x20..=0x7e));
            if value.value.is_empty() || !visible || value.value.trim() != value.value {
                let help = "use visible ASCII characters and inner spaces";
                self.error_with(Code::InvalidValue, value, "the value cannot be sent", help);
            }
            self.quotes_nothing(value);
            match check_response_name(&name.value) {
                Ok(name) => headers.push((name.into(), value.value.as_str().into())),
                Err(wrong) => self.report(name, coded(Code::ForbiddenHeader)(wrong)),
            }
        }
        headers.into()
    }

    /// A denial holds nothing about the caller, so a template in it would not do what its author expects.
    fn quotes_nothing(&mut self, text: &Spanned<String>) {
        if quotes_something(&text.value) {
            self.says_too_much(text);
        }
    }

    fn says_too_much<T>(&mut self, place: &Spanned<T>) {
        let message = "a denial says nothing about the caller, the rule or the request";
        let help = "write plain text, with `{decision.id}` and `{decision.word}` at most; the reason is in the audit \
                    record of that id";
        self.error_with(Code::InvalidTemplate, place, message, help);
    }

    fn cleared_cookie(&mut self, spec: &ClearCookieSpec) -> ClearedCookie {
        let ClearCookieSpec { name, path, domain } = spec;
        if !self.cookies.contains(&name.value.as_str()) {
            let message = format!("no TokenIssuer has its tokens in a cookie `{}`", name.value);
            let help = match closest(&name.value, self.cookies) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name the cookie of a `TokenIssuer`, as in its `tokens`".to_owned(),
            };
            self.error_with(Code::UnknownCookie, name, message, help);
        }
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',');
        if let Some(path) =
            path.as_ref().filter(|own| !own.value.starts_with('/') || !plain(&own.value))
        {
            let message = format!("`{}` is not the path of a cookie", path.value.escape_debug());
            let help = "write a path that starts with `/`";
            self.error_with(Code::InvalidCookie, path, message, help);
        }
        let is_domain = |text: &str| {
            let label = |label: &str| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            text.split('.').all(label)
        };
        if let Some(domain) = domain.as_ref().filter(|own| !is_domain(&own.value)) {
            let message =
                format!("`{}` is not the domain of a cookie", domain.value.escape_debug());
            let help = "write a host name without a dot before it";
            self.error_with(Code::InvalidCookie, domain, message, help);
        }
        let elsewhere = domain.is_some() || path.as_ref().is_some_and(|path| path.value != "/");
        if name.value.starts_with("__Host-") && elsewhere {
            let message =
                "a cookie `__Host-` has the path `/` and no domain, or browsers ignore it";
            self.error_with(Code::InvalidCookie, name, message, "remove `path` and `domain`");
        }
        ClearedCookie {
            name: name.value.as_str().into(),
            path: path.as_ref().map_or("/", |path| &path.value).into(),
            domain: domain.as_ref().map(|domain| domain.value.as_str().into()),
        }
    }

    fn redirect(&mut self, spec: &RedirectSpec) -> Option<Redirect> {
        let RedirectSpec { to, status, denials } = spec;
        if let Err((message, help)) = check_place(&to.value) {
            self.error_with(Code::InvalidRedirect, to, message, help);
        }
        self.quotes_nothing(to);
        let code = status.as_ref().map_or(302, |status| status.value);
        if let Some(status) = status.as_ref().filter(|own| ![302, 303, 307].contains(&own.value)) {
            let message =
                format!("`{code}` is not the status of a redirect that can be taken back");
            self.error_with(Code::InvalidStatus, status, message, "use 302, 303 or 307");
            return None;
        }
        let every = *denials == RedirectFor::Every;
        Some(Redirect { to: to.value.as_str().into(), status: code, every })
    }
}

/// True if a text has a template, but for what every denial says anyway.
fn quotes_something(text: &str) -> bool {
    let rest =
        CustomAnswer::VARIABLES.iter().fold(text.to_owned(), |text, own| text.replace(own, ""));
    ["{token.", "{peer.", "{request.", "{decision."].iter().any(|start| rest.contains(start))
}

fn holds_quotes(value: &Value) -> bool {
    match value {
        Value::String(text) => quotes_something(text),
        Value::Array(values) => values.iter().any(holds_quotes),
        Value::Object(members) => members.values().any(holds_quotes),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An `https` URL with a host, or a path that no browser reads as another host.
fn check_place(to: &str) -> Result<(), (String, &'static str)> {
    let help = "write an `https://` URL, or a path that starts with one `/`";
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`');
    if to.len() > 2048 || !to.bytes().all(allowed) {
        return Err((format!("`{}` is not a place to send browsers to", to.escape_debug()), help));
    }
    let is_path = to.starts_with('/') && !to.starts_with("//");
    let host = to.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '{', '*']));
    if is_path || is_url {
        let after = to.strip_prefix("https://").unwrap_or(to);
        let from = after.find(['/', '?', '#']).unwrap_or(after.len());
        let path = after.get(from..).unwrap_or_default();
        return check_landing(path.split(['?', '#']).next().unwrap_or_default());
    }
    Err((format!("`{to}` is not a place to send browsers to"), help))
}

/// A browser asks for another path than is written where that has dot segments, and one of our own that is not canonical is
/// refused: both lead nowhere, or round in redirect_circles (P191).
fn check_landing(path: &str) -> Result<(), (String, &'static str)> {
    let is_canonical = path.is_empty() || CanonicalPath::parse(path, PathLeniency::ALL).is_ok();
    if is_canonical {
        return Ok(());
    }
    let help = "write the path as browsers ask for it: without `.` and `..`, and nothing encoded that need not be";
    Err((format!("`{path}` is not a path that a browser asks for"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P191: a place to go is a URL that the document spells out whole.
    #[test]
    fn places_are_urls_or_paths_that_stay_on_the_host() {
        for (to, good) in [
            ("https://login.example.com/", true),
            ("https://login.example.com?x=1#y", true),
            ("/login", true),
            ("/", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("http://login.example.com/", false),
            ("https://", false),
            ("https:///x", false),
            ("https://login@evil.example/", false),
            ("javascript:alert(1)", false),
            ("/a/../login", false),
            ("/./login?x=1", false),
            ("/%2e%2e/login", false),
            ("/log%69n", false),
            ("https://login.example.com/a/../b", false),
            ("https://*.example.com/", false),
            ("https://login.example.com:8443/a?x=/../", true),
            ("login", false),
            ("", false),
            ("https://login.example.com/?ref={decision.id}", true),
            ("https://{decision.id}.example.com/", false),
            ("https://a b", false),
            ("https://a\r\nx: y", false),
        ] {
            assert_eq!(check_place(to).is_ok(), good, "{to:?}");
        }
    }
}
