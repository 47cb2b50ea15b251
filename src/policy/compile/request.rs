//! The requirements of a rule for the request itself: method, path, network, route parameters, headers.

use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::compiler::{CompileProblem, PolicyCompiler, coded, problem};
use super::foreign_syntax::{foreign_method, foreign_path};
use crate::document::policy::{Entries, GrpcSpec, OnSpec, TextSpec, ValuesSpec};
use crate::document::{Code, Spanned, closest, not_plain};
use crate::policy::model::{
    HeaderMatcher, HostPattern, PathTemplate, QueryMatcher, TextMatcher, ValuesTest,
    check_header_name,
};
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::values::ContextExtension;
use crate::request::PathLeniency;

/// The methods that are registered, for advice.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

impl PolicyCompiler<'_, '_> {
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
            self.error_with(Code::Contradiction, grpc, message, "remove `methods` and `paths`");
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
            self.error_with(Code::InvalidGrpc, service, message, help);
            return Vec::new();
        }
        let path = |method: &str| PathTemplate::parse(&format!("/{}/{method}", service.value)).ok();
        let Some(methods) = &spec.methods else { return path("*").into_iter().collect() };
        self.each(Some(methods), "methods", |method: &String| {
            path(method).filter(|_| is_identifier(method)).ok_or_else(|| {
                let help = String::from("write the method alone, as in `GetOrder`");
                (Code::InvalidGrpc, format!("`{method}` is not a gRPC method"), Some(help))
            })
        })
    }

    pub(super) fn context_extensions(
        &mut self,
        spec: Option<&Spanned<Entries<String>>>,
    ) -> Vec<AnyRequirement> {
        let Some(spec) = spec else { return Vec::new() };
        if spec.value.0.is_empty() {
            let help = "name what is meant, or remove `contextExtensions`";
            self.error_with(Code::EmptyList, spec, "`contextExtensions` is empty", help);
        }
        let requirement = |(name, value): &(Spanned<String>, Spanned<String>)| {
            if name.value.is_empty() {
                let help = "name it as the route's configuration does";
                self.error_with(Code::InvalidValue, name, "the name is empty", help);
            }
            let (name, value) = (name.value.as_str().into(), value.value.as_str().into());
            ContextExtension { name, value }.into()
        };
        spec.value.0.iter().map(requirement).collect()
    }

    pub(super) fn headers(
        &mut self,
        spec: Option<&Spanned<Vec<Spanned<ValuesSpec>>>>,
    ) -> Vec<AnyRequirement> {
        let Some(spec) = spec else { return Vec::new() };
        self.not_empty(spec, "headers");
        let header = |header: &Spanned<ValuesSpec>| {
            let name = &header.value.name;
            if let Err(problem) = check_header_name(&name.value, self.sealed) {
                self.report(name, problem);
            }
            let test = self.values(header, check_element)?;
            Some(HeaderMatcher { name: name.value.to_ascii_lowercase().into(), test }.into())
        };
        spec.value.iter().filter_map(header).collect()
    }

    pub(super) fn query(
        &mut self,
        spec: Option<&Spanned<Vec<Spanned<ValuesSpec>>>>,
    ) -> Vec<AnyRequirement> {
        let Some(spec) = spec else { return Vec::new() };
        self.not_empty(spec, "query");
        let parameter = |parameter: &Spanned<ValuesSpec>| {
            let name = &parameter.value.name;
            if let Err(problem) = check_parameter_name(&name.value) {
                self.report(name, problem);
            }
            let test = self.values(parameter, check_query_value)?;
            Some(QueryMatcher { name: name.value.as_str().into(), test }.into())
        };
        spec.value.iter().filter_map(parameter).collect()
    }

    /// The requirement that `make` makes of the entries of a list.
    pub(super) fn listed<S, T, R: Into<AnyRequirement>>(
        &mut self,
        list: Option<&Spanned<Vec<Spanned<S>>>>,
        key: &str,
        read: impl Fn(&S) -> Result<T, CompileProblem>,
        make: impl FnOnce(Box<[T]>) -> R,
    ) -> Option<AnyRequirement> {
        let entries = self.each(list, key, read);
        (!entries.is_empty()).then(|| make(entries.into()).into())
    }

    pub(super) fn not_empty<T>(&mut self, list: &Spanned<Vec<T>>, key: &str) {
        if list.value.is_empty() {
            let help = format!("list what is meant, or remove `{key}`");
            self.error_with(Code::EmptyList, list, format!("`{key}` is empty"), help);
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
                self.error_with(Code::OneOf, spec, message, help);
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
                self.error(Code::OneOf, spec, message);
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
type CheckText = fn(&str) -> Result<(), CompileProblem>;

/// A template of a rule that matches paths which have nothing more than is `accepted` that is not canonical.
fn read_path(text: &str, accepted: PathLeniency) -> Result<PathTemplate, CompileProblem> {
    if let Some(problem) = foreign_path(text) {
        return Err(problem);
    }
    let template = PathTemplate::parse(text).map_err(coded(Code::InvalidPath))?;
    if accepted.covers(template.leniency()) {
        return Ok(template);
    }
    let message = format!("no request can match `{text}`: the target does not accept a `%2F`");
    let help = "say `paths: { encodedSlashes: keptByUpstream }` in the target, where the upstream keeps it in its segment";
    Err((Code::InvalidPath, message, Some(help.to_owned())))
}

fn is_identifier(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && text.bytes().all(inner)
}

fn read_method(text: &String) -> Result<Box<str>, CompileProblem> {
    if let Some(problem) = foreign_method(text) {
        return Err(problem);
    }
    if text.is_empty() {
        return Err((Code::InvalidMethod, String::from("a method is empty"), None));
    }
    if text.bytes().any(|b| b.is_ascii_lowercase()) {
        let message = format!("method `{text}` is not in upper case; methods are case-sensitive");
        let help = format!("did you mean `{}`?", text.to_ascii_uppercase());
        return Err((Code::InvalidMethod, message, Some(help)));
    }
    match closest(text, &METHODS) {
        Some(near) if near != text => {
            let message = format!("`{text}` is not a registered method");
            Err((Code::InvalidMethod, message, Some(format!("did you mean `{near}`?"))))
        }
        Some(_) | None => Ok(text.as_str().into()),
    }
}

/// RFC 6066 section 3: a server name is never an address.
pub(super) fn read_server_name(text: &String) -> Result<HostPattern, CompileProblem> {
    if text.starts_with('[') || text.parse::<IpAddr>().is_ok() {
        let message = format!("`{text}` is an address, and no server name is one");
        let help = "name hosts; addresses go under `destination`";
        return Err(problem(Code::InvalidHost, message, help));
    }
    HostPattern::parse(text).map_err(coded(Code::InvalidHost))
}

pub(super) fn read_network(text: &String) -> Result<IpNet, CompileProblem> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let Ok(network) = network else {
        let message = format!("`{text}` is not a network");
        let help = "write an address or a block such as `10.0.0.0/8`";
        return Err(problem(Code::InvalidNetwork, message, help));
    };
    if network.trunc() != network {
        let message = format!("`{text}` has address bits outside its prefix");
        let help = format!("did you mean `{}`?", network.trunc());
        return Err(problem(Code::InvalidNetwork, message, help));
    }
    match unused_network(&network) {
        Some((why, help)) => Err((Code::InvalidNetwork, format!("`{text}` {why}"), Some(help))),
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
    // RFC 4291 section 2.5.5.1 gave up these addresses; `::` and `::1` look like two of them.
    if let IpNet::V6(v6) = network
        && let [0, 0, 0, 0, 0, 0, high, low] = v6.addr().segments()
        && let Some(prefix) = v6.prefix_len().checked_sub(96)
        && (high != 0 || low > 1)
    {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        let why = "can never match: no connection has an IPv4 address behind `::`";
        return Some((why, format!("did you mean `{a}.{b}.{c}.{d}/{prefix}`?")));
    }
    if address.is_unspecified() && network.prefix_len() == network.max_prefix_len() {
        let every = if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        let help = format!("did you mean `{every}`? or remove the key for every address");
        return Some(("can never match: no connection has this address", help));
    }
    let broadcast = address == IpAddr::from([255, 255, 255, 255]);
    (address.is_multicast() || broadcast).then(|| {
        let help = String::from("name the addresses of hosts");
        ("can never match: no connection has an address of a group", help)
    })
}

/// Values are compared element by element, so that what holds a comma can never match.
fn check_element(text: &str) -> Result<(), CompileProblem> {
    if text.is_empty() {
        let help = "use `exists` to ask whether the header was sent";
        return Err(problem(Code::InvalidValue, "the value is empty", help));
    }
    if text.contains(',') || text.trim_matches([' ', '\t']) != text {
        let message = format!("`{text}` can never match: values are split at commas and trimmed");
        return Err(problem(Code::InvalidValue, message, "list the values under `in`"));
    }
    match not_plain(text) {
        Some(why) => {
            let message = format!("`{}` can never match: it {why}", text.escape_debug());
            Err((Code::InvalidValue, message, None))
        }
        None => Ok(()),
    }
}

/// Names and values are compared after they were split at `&` and `=`, and decoded.
fn check_parameter_name(text: &str) -> Result<(), CompileProblem> {
    if text.is_empty() {
        return Err((Code::InvalidValue, String::from("the name is empty"), None));
    }
    let bare = text.trim_start_matches(['?', '&']).split(['=', '&', '#']).next().unwrap_or(text);
    if bare != text {
        let message = format!("`{text}` can never match: it is not a name alone");
        return Err((Code::InvalidValue, message, Some(format!("did you mean `{bare}`?"))));
    }
    check_decoded(text)?;
    match not_plain(text) {
        Some(why) => {
            Err((Code::InvalidValue, format!("the name `{}` {why}", text.escape_debug()), None))
        }
        None => Ok(()),
    }
}

fn check_decoded(text: &str) -> Result<(), CompileProblem> {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if decoded == text {
        return Ok(());
    }
    let message = format!("`{text}` can never match: names and values are compared decoded");
    Err((Code::InvalidValue, message, Some(format!("did you mean `{}`?", decoded.escape_debug()))))
}

/// A `+` in a value may be a space.
fn check_query_value(text: &str) -> Result<(), CompileProblem> {
    check_decoded(text)?;
    if text.contains('+') {
        let message = format!("`{text}` can never match: a `+` may be a space to the upstream");
        return Err((Code::InvalidValue, message, None));
    }
    Ok(())
}
