//! What a rule says about the request itself: method, path, network, route parameters, headers.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::{Compiler, Problem};
use crate::document::closest;
use crate::document::policy::{Entries, HeaderSpec, OnSpec, TextSpec, Texts};
use crate::policy::header::{HeaderMatcher, HeaderTest};
use crate::policy::path::PathTemplate;
use crate::policy::text::TextMatcher;
use crate::request::SealedNames;

/// The methods that are registered, for advice.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

impl Compiler<'_, '_> {
    pub(super) fn methods(&mut self, on: Option<&OnSpec>) -> Box<[Box<str>]> {
        self.each(on.and_then(|on| on.methods.as_ref()), "methods", read_method).into()
    }

    pub(super) fn paths(&mut self, on: Option<&OnSpec>) -> Box<[PathTemplate]> {
        let read = |text: &String| {
            PathTemplate::parse(text)
                .map_err(|(why, help)| ("invalid-path", why, help.map(str::to_owned)))
        };
        self.each(on.and_then(|on| on.paths.as_ref()), "paths", read).into()
    }

    pub(super) fn source(&mut self, spec: Option<&Spanned<Texts>>) -> Box<[IpNet]> {
        self.each(spec, "source", read_network).into()
    }

    pub(super) fn context_extensions(
        &mut self,
        spec: Option<&Spanned<Entries<String>>>,
    ) -> Box<[(Box<str>, Box<str>)]> {
        let Some(spec) = spec else { return Box::default() };
        if spec.value.0.is_empty() {
            let help = "name what is meant, or leave `contextExtensions` out";
            self.error_with("empty-list", spec, "`contextExtensions` is empty", help);
        }
        let pairs = spec.value.0.iter();
        pairs
            .map(|(name, value)| (name.value.as_str().into(), value.value.as_str().into()))
            .collect()
    }

    pub(super) fn headers(
        &mut self,
        spec: Option<&Spanned<Vec<Spanned<HeaderSpec>>>>,
    ) -> Box<[HeaderMatcher]> {
        let Some(spec) = spec else { return Box::default() };
        if spec.value.is_empty() {
            let help = "list what is meant, or leave `headers` out";
            self.error_with("empty-list", spec, "`headers` is empty", help);
        }
        spec.value.iter().filter_map(|header| self.header(header)).collect()
    }

    fn header(&mut self, spec: &Spanned<HeaderSpec>) -> Option<HeaderMatcher> {
        let HeaderSpec { name, any, all, exists } = &spec.value;
        if let Err(problem) = check_header_name(&name.value) {
            self.report(name, problem);
        }
        let test = match (any, all, exists) {
            (Some(text), None, None) => HeaderTest::Any(self.text(text)?),
            (None, Some(text), None) => HeaderTest::All(self.text(text)?),
            (None, None, Some(exists)) => HeaderTest::Exists(exists.value),
            _ => {
                let message = "a header condition needs exactly one of `any`, `all` and `exists`";
                let help =
                    "`any`: one value is like this; `all`: every value is; `exists`: it was sent";
                self.error_with("one-of", spec, message, help);
                return None;
            }
        };
        Some(HeaderMatcher { name: name.value.to_ascii_lowercase().into(), test })
    }

    fn text(&mut self, spec: &Spanned<TextSpec>) -> Option<TextMatcher> {
        let TextSpec { equals, one_of, prefix, suffix } = &spec.value;
        match (equals, one_of, prefix, suffix) {
            (Some(text), None, None, None) => {
                self.element(text);
                Some(TextMatcher::OneOf([text.value.as_str().into()].into()))
            }
            (None, Some(texts), None, None) => {
                let texts = self.each(Some(texts), "in", |text: &String| {
                    check_element(text).map(|()| text.as_str().into())
                });
                Some(TextMatcher::OneOf(texts.into()))
            }
            (None, None, Some(text), None) => {
                self.element(text);
                Some(TextMatcher::Prefix(text.value.as_str().into()))
            }
            (None, None, None, Some(text)) => {
                self.element(text);
                Some(TextMatcher::Suffix(text.value.as_str().into()))
            }
            _ => {
                let message = "needs exactly one of `equals`, `in`, `prefix` and `suffix`";
                self.error("one-of", spec, message);
                None
            }
        }
    }

    fn element(&mut self, text: &Spanned<String>) {
        if let Err(problem) = check_element(&text.value) {
            self.report(text, problem);
        }
    }
}

fn read_method(text: &String) -> Result<Box<str>, Problem> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(("invalid-method", format!("`{text}` is not a method"), None));
    }
    if text.bytes().any(|b| b.is_ascii_lowercase()) {
        let message = format!("method `{text}` is not in upper case; methods are case-sensitive");
        let help = format!("did you mean `{}`?", text.to_ascii_uppercase());
        return Err(("invalid-method", message, Some(help)));
    }
    match closest(text, &METHODS) {
        Some(near) if near != text => {
            let message = format!("`{text}` is not a registered method");
            Err(("invalid-method", message, Some(format!("did you mean `{near}`?"))))
        }
        Some(_) | None => Ok(text.as_str().into()),
    }
}

fn read_network(text: &String) -> Result<IpNet, Problem> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(network) = network else {
        let help = String::from("write an address or a block such as `10.0.0.0/8`");
        return Err(("invalid-network", format!("`{text}` is not a network"), Some(help)));
    };
    if network.trunc() != network {
        let message = format!("`{text}` has address bits outside its prefix");
        return Err((
            "invalid-network",
            message,
            Some(format!("did you mean `{}`?", network.trunc())),
        ));
    }
    Ok(network)
}

/// Headers that a policy must not look at: what carries credentials is verified and not compared, and what a caller can
/// set to pass for a proxy proves nothing (P14, P26).
pub(in crate::policy) fn check_header_name(name: &str) -> Result<(), Problem> {
    let lower = name.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let help = match lower.as_str() {
        "host" | ":authority" => "compare hosts with `target.hosts`",
        ":path" => "compare paths with `on.paths`",
        ":method" => "compare methods with `on.methods`",
        "authorization" => "ask for what the token says with `token`",
        "x-forwarded-client-cert" => "ask for who the peer is with `peer`",
        other if SealedNames::default().contains(other) => "it carries credentials",
        other if other.starts_with("x-envoy-") => "proxies own it, and callers can forge it",
        other if !other.is_empty() && other.bytes().all(is_token) => return Ok(()),
        _ => {
            return Err(("invalid-header-name", format!("`{name}` is not a header name"), None));
        }
    };
    Err(("unreadable-header", format!("rules cannot read header `{name}`"), Some(help.to_owned())))
}

/// Values are compared element by element, so that what holds a comma can never match.
fn check_element(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        let help = "use `exists` to ask whether the header was sent";
        return Err(("invalid-value", String::from("the value is empty"), Some(help.to_owned())));
    }
    if text.contains(',') || text.trim_matches([' ', '\t']) != text {
        let message = format!("`{text}` can never match: values are split at commas and trimmed");
        return Err(("invalid-value", message, Some(String::from("list the values under `in`"))));
    }
    Ok(())
}
