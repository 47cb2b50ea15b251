//! What a rule says about the request itself: method, path, network, route parameters, headers.

use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::habits::{foreign_method, foreign_path};
use super::{Compiler, Problem};
use crate::document::policy::{Entries, GrpcSpec, OnSpec, TextSpec, Texts, ValuesSpec};
use crate::document::{Spanned, closest, not_plain};
use crate::policy::model::header::HeaderMatcher;
use crate::policy::model::host::HostPattern;
use crate::policy::model::path::PathTemplate;
use crate::policy::model::query::QueryMatcher;
use crate::policy::model::text::{TextMatcher, ValuesTest};
use crate::request::{PathLeniency, SealedNames};

/// The methods that are registered, for advice.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

impl Compiler<'_, '_> {
    /// The methods and paths of a rule.
    pub(super) fn calls(
        &mut self,
        on: Option<&OnSpec>,
        accepted: PathLeniency,
    ) -> (Box<[Box<str>]>, Box<[PathTemplate]>) {
        let Some(OnSpec { methods, paths, grpc }) = on else { return Default::default() };
        let Some(grpc) = grpc else {
            let methods = self.each(methods.as_ref(), "methods", read_method);
            return (
                methods.into(),
                self.each(paths.as_ref(), "paths", |text: &String| read_path(text, accepted))
                    .into(),
            );
        };
        if methods.is_some() || paths.is_some() {
            let message = "`grpc` says the method and the path already";
            self.error_with("contradiction", grpc, message, "remove `methods` and `paths`");
        }
        self.not_empty(grpc, "grpc");
        // A call is a POST to `/package.Service/Method` (gRPC over HTTP/2), exactly so (P23).
        let calls = grpc.value.iter().flat_map(|call| self.grpc(&call.value)).collect();
        ([Box::from("POST")].into(), calls)
    }

    fn grpc(&mut self, spec: &GrpcSpec) -> Vec<PathTemplate> {
        let service = &spec.service;
        if !service.value.split('.').all(is_identifier) {
            let message = format!("`{}` is not a gRPC service", service.value);
            let help = "write the package and the service, as in `orders.v1.Orders`";
            self.error_with("invalid-grpc", service, message, help);
            return Vec::new();
        }
        let path = |method: &str| PathTemplate::parse(&format!("/{}/{method}", service.value)).ok();
        let Some(methods) = &spec.methods else { return path("*").into_iter().collect() };
        self.each(Some(methods), "methods", |method: &String| {
            path(method).filter(|_| is_identifier(method)).ok_or_else(|| {
                let help = String::from("write the method alone, as in `GetOrder`");
                ("invalid-grpc", format!("`{method}` is not a gRPC method"), Some(help))
            })
        })
    }

    pub(super) fn source(&mut self, spec: Option<&Spanned<Texts>>) -> Box<[IpNet]> {
        self.each(spec, "source", read_network).into()
    }

    pub(super) fn destination(&mut self, spec: Option<&Spanned<Texts>>) -> Box<[IpNet]> {
        self.each(spec, "destination", read_network).into()
    }

    pub(super) fn server_names(&mut self, spec: Option<&Spanned<Texts>>) -> Box<[HostPattern]> {
        let read = |text: &String| {
            // RFC 6066 section 3.
            if text.starts_with('[') || text.parse::<IpAddr>().is_ok() {
                let message = format!("`{text}` is an address, and no server name is one");
                let help = String::from("name hosts; addresses go under `destination`");
                return Err(("invalid-host", message, Some(help)));
            }
            HostPattern::parse(text)
                .map_err(|(why, help)| ("invalid-host", why, help.map(str::to_owned)))
        };
        self.each(spec, "sni", read).into()
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
        for (name, _) in &spec.value.0 {
            if name.value.is_empty() {
                let help = "name it as the route's configuration does";
                self.error_with("invalid-value", name, "the name is empty", help);
            }
        }
        let pairs = spec.value.0.iter();
        pairs
            .map(|(name, value)| (name.value.as_str().into(), value.value.as_str().into()))
            .collect()
    }

    pub(super) fn headers(
        &mut self,
        spec: Option<&Spanned<Vec<Spanned<ValuesSpec>>>>,
    ) -> Box<[HeaderMatcher]> {
        let Some(spec) = spec else { return Box::default() };
        self.not_empty(spec, "headers");
        let header = |header: &Spanned<ValuesSpec>| {
            let name = &header.value.name;
            if let Err(problem) = check_header_name(&name.value, self.sealed) {
                self.report(name, problem);
            }
            let test = self.values(header, check_element)?;
            Some(HeaderMatcher { name: name.value.to_ascii_lowercase().into(), test })
        };
        spec.value.iter().filter_map(header).collect()
    }

    pub(super) fn query(
        &mut self,
        spec: Option<&Spanned<Vec<Spanned<ValuesSpec>>>>,
    ) -> Box<[QueryMatcher]> {
        let Some(spec) = spec else { return Box::default() };
        self.not_empty(spec, "query");
        let parameter = |parameter: &Spanned<ValuesSpec>| {
            let name = &parameter.value.name;
            if let Err(problem) = check_parameter_name(&name.value) {
                self.report(name, problem);
            }
            let test = self.values(parameter, check_query_value)?;
            Some(QueryMatcher { name: name.value.as_str().into(), test })
        };
        spec.value.iter().filter_map(parameter).collect()
    }

    pub(super) fn not_empty<T>(&mut self, list: &Spanned<Vec<T>>, key: &str) {
        if list.value.is_empty() {
            let help = format!("list what is meant, or leave `{key}` out");
            self.error_with("empty-list", list, format!("`{key}` is empty"), help);
        }
    }

    fn values(&mut self, spec: &Spanned<ValuesSpec>, check: CheckText) -> Option<ValuesTest> {
        let ValuesSpec { name: _, any, all, exists } = &spec.value;
        match (any, all, exists) {
            (Some(text), None, None) => self.text(text, check).map(ValuesTest::Any),
            (None, Some(text), None) => self.text(text, check).map(ValuesTest::All),
            (None, None, Some(exists)) => Some(ValuesTest::Exists(exists.value)),
            _ => {
                let message = "needs exactly one of `any`, `all` and `exists`";
                let help =
                    "`any`: one value is like this; `all`: every value is; `exists`: it was sent";
                self.error_with("one-of", spec, message, help);
                None
            }
        }
    }

    fn text(&mut self, spec: &Spanned<TextSpec>, check: CheckText) -> Option<TextMatcher> {
        let TextSpec { equals, one_of, prefix, suffix } = &spec.value;
        match (equals, one_of, prefix, suffix) {
            (Some(text), None, None, None) => {
                Some(TextMatcher::OneOf([self.checked(text, check)].into()))
            }
            (None, Some(texts), None, None) => {
                let read = |text: &String| check(text).map(|()| text.as_str().into());
                Some(TextMatcher::OneOf(self.each(Some(texts), "in", read).into()))
            }
            (None, None, Some(text), None) => Some(TextMatcher::Prefix(self.checked(text, check))),
            (None, None, None, Some(text)) => Some(TextMatcher::Suffix(self.checked(text, check))),
            _ => {
                let message = "needs exactly one of `equals`, `in`, `prefix` and `suffix`";
                self.error("one-of", spec, message);
                None
            }
        }
    }

    fn checked(&mut self, text: &Spanned<String>, check: CheckText) -> Box<str> {
        if let Err(problem) = check(&text.value) {
            self.report(text, problem);
        }
        text.value.as_str().into()
    }
}

/// Refuses a text that no value can be like.
type CheckText = fn(&str) -> Result<(), Problem>;

/// A template of a rule that matches paths which have nothing more than is `accepted` that is not canonical.
fn read_path(text: &str, accepted: PathLeniency) -> Result<PathTemplate, Problem> {
    if let Some(problem) = foreign_path(text) {
        return Err(problem);
    }
    let template = PathTemplate::parse(text)
        .map_err(|(why, help)| ("invalid-path", why, help.map(str::to_owned)))?;
    if accepted.covers(template.leniency()) {
        return Ok(template);
    }
    let message = format!("no request can match `{text}`: the target does not accept a `%2F`");
    let help = "say `paths: { encodedSlashes: keptByUpstream }` in the target, where the upstream keeps it in its segment";
    Err(("invalid-path", message, Some(help.to_owned())))
}

fn is_identifier(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && text.bytes().all(inner)
}

fn read_method(text: &String) -> Result<Box<str>, Problem> {
    if let Some(problem) = foreign_method(text) {
        return Err(problem);
    }
    if text.is_empty() {
        return Err(("invalid-method", String::from("a method is empty"), None));
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

pub(super) fn read_network(text: &String) -> Result<IpNet, Problem> {
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
    match unused_network(&network) {
        Some((why, help)) => Err(("invalid-network", format!("`{text}` {why}"), Some(help))),
        None => Ok(network),
    }
}

/// Why no connection comes from or goes to an address of a network.
fn unused_network(network: &IpNet) -> Option<(&'static str, String)> {
    let address = network.addr();
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(prefix) = v6.prefix_len().checked_sub(96)
    {
        let why = "can never match: an IPv4 address in an IPv6 one is taken for what it is";
        return Some((why, format!("did you mean `{v4}/{prefix}`?")));
    }
    if address.is_unspecified() && network.prefix_len() == network.max_prefix_len() {
        let every = if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        let help = format!("did you mean `{every}`? or leave the key out for every address");
        return Some(("can never match: no connection has this address", help));
    }
    let broadcast = address == IpAddr::from([255, 255, 255, 255]);
    (address.is_multicast() || broadcast).then(|| {
        let help = String::from("name the addresses of hosts");
        ("can never match: no connection has an address of a group", help)
    })
}

/// Headers that a policy must not look at: what carries credentials is verified and not compared, and what a caller can
/// set to pass for a proxy proves nothing (P14, P26).
pub(in crate::policy) fn check_header_name(
    name: &str,
    sealed: &SealedNames,
) -> Result<(), Problem> {
    let lower = name.to_ascii_lowercase();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let help = match lower.as_str() {
        "host" | ":authority" => "compare hosts with `target.hosts`",
        ":path" => "compare paths with `on.paths`",
        ":method" => "compare methods with `on.methods`",
        "authorization" => "ask for what the token says with `token`",
        "x-forwarded-client-cert" => "ask for who the peer is with `peer`",
        other if sealed.contains(other) => "it carries credentials",
        other if other.starts_with("x-envoy-") => "proxies own it, and callers can forge it",
        other if other.contains('*') => {
            let message = format!("`{name}` is not a header name: `*` stands for itself");
            let help = String::from("list each header by itself");
            return Err(("invalid-header-name", message, Some(help)));
        }
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
    match not_plain(text) {
        Some(why) => {
            let message = format!("`{}` can never match: it {why}", text.escape_debug());
            Err(("invalid-value", message, None))
        }
        None => Ok(()),
    }
}

/// Names and values are compared after they were split at `&` and `=`, and decoded.
fn check_parameter_name(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(("invalid-value", String::from("the name is empty"), None));
    }
    let bare = text.trim_start_matches(['?', '&']).split(['=', '&', '#']).next().unwrap_or(text);
    if bare != text {
        let message = format!("`{text}` can never match: it is not a name alone");
        return Err(("invalid-value", message, Some(format!("did you mean `{bare}`?"))));
    }
    check_decoded(text)?;
    match not_plain(text) {
        Some(why) => {
            Err(("invalid-value", format!("the name `{}` {why}", text.escape_debug()), None))
        }
        None => Ok(()),
    }
}

fn check_decoded(text: &str) -> Result<(), Problem> {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if decoded == text {
        return Ok(());
    }
    let message = format!("`{text}` can never match: names and values are compared decoded");
    Err(("invalid-value", message, Some(format!("did you mean `{}`?", decoded.escape_debug()))))
}

/// A `+` in a value cannot be told from a space.
fn check_query_value(text: &str) -> Result<(), Problem> {
    check_decoded(text)?;
    if text.contains('+') {
        let message = format!("`{text}` can never match: a `+` may be a space to the upstream");
        return Err(("invalid-value", message, None));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P14, P26: what a caller can forge to pass for a proxy, and what carries a credential, is not read by rules.
    #[test]
    fn headers_that_prove_nothing_or_too_much_cannot_be_read() {
        let sealed = SealedNames::with(["X-Partner-Token"]);
        for name in [
            "x-envoy-original-path",
            "X-Envoy-Internal",
            "Authorization",
            "cookie",
            "x-forwarded-client-cert",
            "dpop",
            "host",
            ":path",
            "X-PARTNER-TOKEN",
            "",
            "a b",
            "a\n",
        ] {
            assert!(check_header_name(name, &sealed).is_err(), "{name:?}");
        }
        assert!(check_header_name("X-Tenant", &sealed).is_ok());
    }
}
