//! Comparisons of a variable with a text or a number that it never is: such a condition is true or false for every request.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the syntax tree and of the variables, only those matter here that a literal is compared with"
)]

use std::net::IpAddr;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::fault::{ConditionScope, Fault};
use super::functions;
use super::names::text_of;
use super::source::Variable;
use super::values::VariableSlot;
use crate::document::{closest, is_tenant, like_a_pattern};
use crate::evidence_level::EvidenceLevel;
use crate::request::{CanonicalPath, Host, PathLeniency, headers_of_one_value};
use crate::spiffe::SpiffeId;

/// Why a variable is never the literal that it is compared with in `call`, whose variables are `slots` already.
pub(super) fn never(
    call: &CallExpr,
    slots: &[VariableSlot],
    scope: ConditionScope<'_>,
) -> Option<Fault> {
    let (target, args) = (call.target.as_deref(), call.args.as_slice());
    match (call.func_name.as_str(), target, args) {
        (
            operators::EQUALS | operators::NOT_EQUALS | functions::EQUAL | functions::UNEQUAL,
            None,
            [a, b],
        ) => whole(source(a, slots), b, scope).or_else(|| whole(source(b, slots), a, scope)),
        (operators::IN | functions::IN, None, [a, b]) => match (&b.expr, source(b, slots)) {
            (Expr::List(list), _) => {
                list.elements.iter().find_map(|element| whole(source(a, slots), element, scope))
            }
            (_, list) => element(list?, a),
        },
        (name @ ("startsWith" | "endsWith" | "contains"), Some(target), [arg]) => {
            let at = match name {
                "startsWith" => ConditionPart::Begin,
                "endsWith" => ConditionPart::End,
                _ => ConditionPart::Inside,
            };
            part(source(target, slots)?, arg, at, scope)
        }
        (
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | functions::LESS
            | functions::LESS_EQUALS
            | functions::GREATER
            | functions::GREATER_EQUALS,
            None,
            [a, b],
        ) => order(a, b, slots).or_else(|| order(b, a, slots)),
        _ => None,
    }
}

/// Why the order of a variable and what it is compared with is not what it looks like: texts go by their characters, so that
/// `hash` is after `full`, `9` after `10`, and `10.0.0.9` after `10.0.0.10`.
fn order(node: &IdedExpr, other: &IdedExpr, slots: &[VariableSlot]) -> Option<Fault> {
    let source = source(node, slots)?;
    let help = match (source, text_of(other)) {
        (Variable::PeerEvidence, _) => String::from(
            "write the least under the key `peer.evidence`, or list levels: `peer.evidence in [\"leaf\", \"full\"]`",
        ),
        (Variable::ConnectionFrom | Variable::ConnectionTo | Variable::ClientAddress, _) => {
            String::from("write a network under the key `source` or `destination`")
        }
        (_, Some(text)) if text.parse::<f64>().is_ok() => {
            format!("compare numbers: `int({})`, and `{text}` without quotes", source.name())
        }
        _ => return None,
    };
    let message = format!("`{}` is a text, and texts have another order", source.name());
    Some(Fault::new(node.id, message).help(help))
}

fn source<'s>(node: &IdedExpr, slots: &'s [VariableSlot]) -> Option<&'s Variable> {
    let Expr::Ident(name) = &node.expr else { return None };
    match slots.get(VariableSlot::position(name)?)? {
        VariableSlot::Value(source) => Some(source),
        VariableSlot::Presence(_) | VariableSlot::Pattern(_) => None,
    }
}

fn fault(node: &IdedExpr, source: &Variable, text: &str, help: impl Into<String>) -> Fault {
    let message = format!("`{}` is never `{}`", source.name(), text.escape_debug());
    Fault::new(node.id, message).help(help)
}

/// Why the whole of a variable is never this literal.
fn whole(source: Option<&Variable>, node: &IdedExpr, scope: ConditionScope<'_>) -> Option<Fault> {
    let source = source?;
    let is_port = matches!(source, Variable::RequestAuthorityPort | Variable::ConnectionPort);
    if let (true, Expr::Literal(LiteralValue::Int(port))) = (is_port, &node.expr) {
        let possible = u16::try_from(*port.inner()).is_ok_and(|port| port > 0);
        let help = "ports are from 1 to 65535";
        return (!possible).then(|| fault(node, source, &port.inner().to_string(), help));
    }
    let text = text_of(node)?;
    let help = why_never(source, text, scope)?;
    Some(fault(node, source, text, help))
}

fn why_never(source: &Variable, text: &str, scope: ConditionScope<'_>) -> Option<String> {
    match source {
        Variable::RequestMethod => why_no_method(text),
        Variable::RequestScheme => {
            (!matches!(text, "http" | "https")).then(|| String::from("it is `http` or `https`"))
        }
        Variable::ConnectionSni if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
            Some(String::from("a server name is no address: no handshake names one"))
        }
        Variable::RequestHost | Variable::ConnectionSni => why_no_host(text),
        Variable::RequestFullPath => {
            let path = CanonicalPath::parse(text.to_owned(), PathLeniency::ALL);
            let why = if text.contains('?') {
                "it has no query"
            } else {
                "it is a whole path, as it was sent"
            };
            (path.is_err() || text.contains('?')).then(|| String::from(why))
        }
        Variable::RequestPath(_) => {
            text.is_empty().then(|| String::from("a segment that is captured is not empty"))
        }
        Variable::PeerSpiffe => why_no_workload(text),
        Variable::PeerEvidence => {
            let known = EvidenceLevel::ALL.map(EvidenceLevel::as_str);
            (!known.contains(&text)).then(|| match closest(text, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of: {}", known.join(", ")),
            })
        }
        Variable::ConnectionTo | Variable::ConnectionFrom | Variable::ClientAddress => {
            why_no_address(text)
        }
        Variable::RequestHeader(name) => {
            let is_one_line = headers_of_one_value().any(|own| own == &**name);
            let help = "one value, trimmed: with a comma it may be several, and is unknown; use the key `headers`";
            let never = text != text.trim() || (text.contains(',') && !is_one_line);
            never.then(|| String::from(help))
        }
        Variable::PeerTrustDomain => why_no_trust_domain(text, scope.domains),
        Variable::TokenIssuer => why_not_iss(scope.issuers, |iss| iss == text),
        Variable::TokenTenant => why_no_tenant(text),
        Variable::TokenSubject | Variable::TokenClient => stands_for_itself(text),
        Variable::RequestAuthorityPort
        | Variable::ConnectionPort
        | Variable::ConnectionTls
        | Variable::Context(_)
        | Variable::TokenId
        | Variable::TokenExpires
        | Variable::TokenScopes
        | Variable::TokenAudiences
        | Variable::TokenClaim(_)
        | Variable::PeerDns
        | Variable::PeerIps
        | Variable::Now => None,
    }
}

fn why_no_workload(text: &str) -> Option<String> {
    let whole = text.parse::<SpiffeId>().is_ok_and(|id| !id.path().is_empty());
    let help =
        "it is a whole SPIFFE ID with a path: use `startsWith`, `matches` or the key `peer.spiffe`";
    (!whole).then(|| String::from(help))
}

fn why_no_tenant(text: &str) -> Option<String> {
    (!is_tenant(text)).then(|| String::from("it is one whole segment of the `iss`"))
}

fn why_no_method(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let is_token = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match is_token && upper == text {
        true => None,
        false if is_token => Some(format!("methods are case-sensitive: did you mean `{upper}`?")),
        false => Some(String::from("write one comparison for each method")),
    }
}

fn why_no_host(text: &str) -> Option<String> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
    let is_canonical = Host::parse(text.to_owned()).is_ok_and(|host| host.as_str() == text);
    (!is_canonical).then(|| {
        let lower = bare.to_ascii_lowercase();
        format!("it is a host in lower case, without a port: did you mean `{lower}`?")
    })
}

/// If there are no documents at all, other diagnostics say so.
fn why_no_trust_domain(text: &str, domains: &[&str]) -> Option<String> {
    let known = domains.is_empty() || domains.contains(&text);
    (!known).then(|| match closest(text, domains) {
        Some(near) => format!("it is the name of a TrustDomain document: did you mean `{near}`?"),
        None => String::from("it is the name of a TrustDomain document, and none has this name"),
    })
}

/// Why none of the issuers' tokens has such an `iss`; nothing where there is no issuer, since other diagnostics say so.
fn why_not_iss(issuers: &[&str], fits: impl Fn(&str) -> bool) -> Option<String> {
    let never = !issuers.is_empty() && !issuers.iter().any(|iss| fits(iss));
    never.then(|| match issuers {
        [one] => format!("the tokens of this rule have `{one}`"),
        several => format!("tokens have one of: `{}`", several.join("`, `")),
    })
}

/// Why a text that is compared whole is hardly meant, where it looks as if it stood for several.
fn stands_for_itself(text: &str) -> Option<String> {
    let why = like_a_pattern(text)?;
    Some(format!("it {why}, and `==` compares the whole value: use `startsWith` or `matches`"))
}

/// Why no address is written so: those of the proxy are in their shortest form, IPv4 ones never within IPv6 ones.
fn why_no_address(text: &str) -> Option<String> {
    let address = text.split_once('%').map_or(text, |(address, _)| address).parse::<IpAddr>().ok();
    let canonical = address.map(|address| address.to_canonical().to_string());
    match canonical {
        Some(canonical) if canonical == text => None,
        Some(canonical) => Some(format!("did you mean `{canonical}`?")),
        None => Some(String::from(
            "it is one address, without a port: networks go under the key `source` or `destination`",
        )),
    }
}

/// Why no element of a list is this literal.
fn element(source: &Variable, node: &IdedExpr) -> Option<Fault> {
    let text = text_of(node)?;
    let help = match source {
        Variable::TokenScopes if text.contains(' ') => {
            "write one comparison for each scope, with `&&`"
        }
        Variable::TokenScopes if text.contains('*') => {
            "scopes are compared whole, and `*` is no wildcard: list each scope"
        }
        Variable::TokenAudiences if like_a_pattern(text).is_some() => {
            "audiences are compared whole, and have no wildcards"
        }
        Variable::TokenScopes if text.is_empty() || !text.is_ascii() => "a scope is visible ASCII",
        Variable::PeerDns if text.contains(['*', ':', '/', ' ']) => "names are compared whole",
        Variable::PeerDns if text.contains(char::is_uppercase) || text.ends_with('.') => {
            "names are in lower case, without a dot at the end"
        }
        Variable::PeerIps if why_no_address(text).is_some() => {
            "it has single addresses in their shortest form: networks go under the key `peer.ips`"
        }
        _ => return None,
    };
    let message = format!("`{}` never has `{}`", source.name(), text.escape_debug());
    Some(Fault::new(node.id, message).help(help))
}

/// The place of a text within a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConditionPart {
    Begin,
    Inside,
    End,
}

/// Why a text is at no such place of a variable.
fn part(
    source: &Variable,
    node: &IdedExpr,
    at: ConditionPart,
    scope: ConditionScope<'_>,
) -> Option<Fault> {
    let text = text_of(node)?;
    let help = why_no_part(source, text, at, scope)?;
    let verb = match at {
        ConditionPart::Begin => "begins with",
        ConditionPart::Inside => "has",
        ConditionPart::End => "ends with",
    };
    let message = format!("`{}` never {verb} `{}`", source.name(), text.escape_debug());
    Some(Fault::new(node.id, message).help(help))
}

fn why_no_part(
    source: &Variable,
    text: &str,
    at: ConditionPart,
    scope: ConditionScope<'_>,
) -> Option<String> {
    let is = |usual: fn(char) -> bool| text.chars().all(usual);
    let help = match source {
        Variable::RequestFullPath if at == ConditionPart::Begin && !text.starts_with('/') => {
            "it begins with `/`"
        }
        Variable::RequestFullPath if text.contains(['?', '#']) => "it has no query",
        Variable::RequestFullPath if at == ConditionPart::Begin && text.contains(['*', '{']) => {
            "it has no wildcards"
        }
        Variable::RequestHost if !could_be_in_host(text, at) => {
            "it is a host in lower case, without a port"
        }
        Variable::ConnectionSni
            if text.contains([':', '[', ']']) || !could_be_in_host(text, at) =>
        {
            "it is a name in lower case, without a port"
        }
        Variable::RequestMethod if text.contains(char::is_lowercase) => {
            "methods are case-sensitive, and in upper case"
        }
        Variable::RequestScheme if !["http", "https"].iter().any(|own| is_part(own, text, at)) => {
            "it is `http` or `https`"
        }
        Variable::PeerSpiffe if !could_be_in_spiffe(text, at) => {
            "it is a SPIFFE ID, `spiffe://trust-domain/path`, whose trust domain is in lower case"
        }
        Variable::PeerTrustDomain
            if !scope.domains.is_empty()
                && !scope.domains.iter().any(|own| is_part(own, text, at)) =>
        {
            "it is the name of a TrustDomain document"
        }
        Variable::TokenIssuer => {
            return why_not_iss(scope.issuers, |iss| is_part(iss, text, at));
        }
        Variable::ConnectionTo | Variable::ConnectionFrom | Variable::ClientAddress
            if !is(|c| matches!(c, '0'..='9' | 'a'..='f' | '.' | ':'))
                || (text.contains('.') && text.contains(':')) =>
        {
            "it is one address in its shortest form, without a port: networks go under the key `source` or `destination`"
        }
        Variable::RequestHeader(name) => {
            let is_one_line = headers_of_one_value().any(|own| own == &**name);
            let spaced = (at == ConditionPart::Begin && text.starts_with(char::is_whitespace))
                || (at == ConditionPart::End && text.ends_with(char::is_whitespace));
            if !spaced && (is_one_line || !text.contains(',')) {
                return None;
            }
            "one value, trimmed: with a comma it may be several, and is unknown; use the key `headers`"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

fn is_part(whole: &str, text: &str, at: ConditionPart) -> bool {
    match at {
        ConditionPart::Begin => whole.starts_with(text),
        ConditionPart::Inside => whole.contains(text),
        ConditionPart::End => whole.ends_with(text),
    }
}

/// True if a host may have this text at such a place: labels, or an IPv6 address in brackets.
fn could_be_in_host(text: &str, at: ConditionPart) -> bool {
    let name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    let open = match at {
        ConditionPart::Begin => text.starts_with('.'),
        ConditionPart::Inside => false,
        ConditionPart::End => text.ends_with('.'),
    };
    let is_name = text.chars().all(name) && !text.contains("..") && !open;
    let address = |c: char| matches!(c, 'a'..='f' | '0'..='9' | ':' | '.' | '[' | ']');
    let is_address = text.chars().all(address)
        && (at != ConditionPart::Begin || text.starts_with('['))
        && (at != ConditionPart::End || text.ends_with(']'));
    is_name || is_address
}

/// True if a SPIFFE ID may have this text at such a place.
fn could_be_in_spiffe(text: &str, at: ConditionPart) -> bool {
    const SCHEME: &str = "spiffe://";
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    match (at, text.strip_prefix(SCHEME)) {
        (_, Some(rest)) => {
            let lower = rest.split('/').next().unwrap_or_default();
            let begins = !rest.starts_with('/') && !lower.contains(char::is_uppercase);
            let ends = at != ConditionPart::End || (rest.contains('/') && !rest.ends_with('/'));
            begins && ends && rest.chars().all(usual) && !rest.contains("//")
        }
        (ConditionPart::Begin, None) => SCHEME.starts_with(text),
        (ConditionPart::Inside, None) => {
            text.chars().all(usual) && !text.contains("//") || SCHEME.contains(text)
        }
        (ConditionPart::End, None) => {
            text.chars().all(usual) && !text.contains("//") && !text.ends_with('/')
        }
    }
}
