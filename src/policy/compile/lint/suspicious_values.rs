//! Values that compile and are probably not meant: patterns where texts are compared whole, half of all addresses, unregistered
//! methods, claims of another kind, requirements that contradict each other.

use ipnet::IpNet;

use super::source_rule::SourceRule;
use crate::document::policy::{ClaimSpec, Effect, TextSpec, Texts, ValuesSpec};

use crate::document::{ClaimWord, Code, Diagnostic, Spanned, not_plain, usual_type};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{ClaimMatcher, ClaimTest, HeaderMatcher, PathTemplate, QueryMatcher};
use crate::policy::requirement::list::{Member, Requirements};
use crate::policy::requirement::network::{DestinationNetworks, SourceNetworks};
use crate::policy::requirement::peer::PeerIps;

/// Methods of the IANA registry, and those that caches and UPnP use.
const METHODS: [&str; 43] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "PURGE",
    "M-SEARCH",
    "BAN",
];

/// Looks at one rule.
pub(super) fn of(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let mut problems = methods(written);
    problems.extend(captures_in_disguise(written, rule));
    problems.extend(half_of_all(written, rule));
    problems.extend(written.spec.headers.iter().flat_map(|own| values(written, &own.value)));
    problems.extend(written.spec.query.iter().flat_map(|own| values(written, &own.value)));
    let token = written.spec.token.as_ref().map(|token| &token.value);
    let claims = token.and_then(|token| token.claims.as_ref());
    problems
        .extend(claims.iter().flat_map(|own| own.value.iter()).flat_map(|own| claim(written, own)));
    let names = token.iter().flat_map(|token| [&token.audiences, &token.subjects, &token.clients]);
    let peer = written.spec.peer.as_ref().map(|peer| &peer.value);
    let names =
        names.chain(peer.iter().flat_map(|peer| [&peer.uris, &peer.emails, &peer.subjects]));
    problems.extend(
        names
            .flatten()
            .flat_map(|texts| texts.value.iter())
            .filter_map(|text| pattern(written, text)),
    );
    let scopes = token.iter().flat_map(|token| [&token.scopes, &token.any_scope]).flatten();
    problems.extend(
        scopes.flat_map(|texts| texts.value.iter()).filter_map(|text| scope(written, text)),
    );
    problems.extend(contexts(written));
    problems.extend(contradictions(written, rule));
    problems
}

fn warning<T>(
    written: &SourceRule<'_>,
    code: Code,
    place: &Spanned<T>,
    message: String,
) -> Diagnostic {
    Diagnostic::warning(code, written.origin.span(place), message)
}

fn methods(written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let texts = written.spec.on.as_ref().and_then(|on| on.methods.as_ref());
    let unknown = |text: &&Spanned<String>| !METHODS.contains(&text.value.as_str());
    let problem = |text: &Spanned<String>| {
        let message = format!("no registered method is called `{}`", text.value);
        warning(written, Code::UnregisteredMethod, text, message)
            .help("remove it, unless the upstream really has a method of its own")
    };
    texts.iter().flat_map(|texts| texts.value.iter()).filter(unknown).map(problem).collect()
}

/// `%7Bid%7D` is the text `{id}`, and no request is for it.
fn captures_in_disguise(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let texts = written.spec.on.as_ref().and_then(|on| on.paths.as_ref());
    let disguised = |(text, path): (&Spanned<String>, &PathTemplate)| {
        let lower = path.as_str().to_ascii_lowercase();
        let found = ["%7b", "%2a", "%3a", "%3c"]
            .into_iter()
            .find(|code| lower.contains(&format!("/{code}")))?;
        let message =
            format!("`{found}` in `{}` is an ordinary character, and no wildcard", path.as_str());
        let help = "write `{name}` or `*` for a segment of any text";
        Some(warning(written, Code::LiteralPattern, text, message).help(help))
    };
    texts
        .iter()
        .flat_map(|texts| texts.value.iter())
        .zip(&rule.paths)
        .filter_map(disguised)
        .collect()
}

/// `0.0.0.0/0` is every IPv4 address, and no IPv6 one.
fn half_of_all(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let all = &rule.requirements;
    let source = all.first::<SourceNetworks>().map(|own| &*own.0).unwrap_or_default();
    let destination = all.first::<DestinationNetworks>().map(|own| &*own.0).unwrap_or_default();
    let certificate = all.first::<PeerIps>().map(|own| &*own.0).unwrap_or_default();
    let (spec, none) = (written.spec, None);
    let ips = spec.peer.as_ref().map_or(&none, |peer| &peer.value.ips);
    let lists = [(&spec.source, source), (&spec.destination, destination), (ips, certificate)];
    let half = |(texts, networks): (&Option<Spanned<Texts>>, &[IpNet])| {
        let place = texts.as_ref()?;
        // `0.0.0.0/1` and `128.0.0.0/1` are all of them as well.
        let joined = IpNet::aggregate(&networks.to_vec());
        let whole =
            |v4: bool| joined.iter().any(|own| own.prefix_len() == 0 && own.addr().is_ipv4() == v4);
        let (missing, given, other) = match (whole(true), whole(false)) {
            (true, false) => ("::/0", "IPv4", "IPv6"),
            (false, true) => ("0.0.0.0/0", "IPv6", "IPv4"),
            (true, true) | (false, false) => return None,
        };
        let consequence = match rule.effect {
            Effect::Allow => "are not allowed",
            Effect::Deny => "are not denied",
        };
        let message = format!(
            "rule `{}` covers every {given} address; {other} callers {consequence}",
            rule.name.rule
        );
        let help = format!("add `{missing}`, or remove the key for every address");
        Some(warning(written, Code::HalfOfAllAddresses, place, message).help(help))
    };
    let half = lists.into_iter().filter_map(half);
    let covered = lists.into_iter().flat_map(|(texts, networks)| {
        let texts = texts.iter().flat_map(|texts| texts.value.iter());
        texts.zip(networks).filter_map(|(text, own)| {
            let wider = networks.iter().find(|other| *other != own && other.contains(own))?;
            let message = format!("`{}` is covered by `{wider}`", text.value);
            Some(warning(written, Code::RepeatedEntry, text, message).help("remove it"))
        })
    });
    half.chain(covered).collect()
}

fn values(written: &SourceRule<'_>, specs: &[Spanned<ValuesSpec>]) -> Vec<Diagnostic> {
    let names = specs.iter().map(|own| &own.value.name);
    let tests = specs.iter().flat_map(|own| [&own.value.any, &own.value.all]).flatten();
    let texts = tests.flat_map(|test| {
        let TextSpec { equals, one_of, prefix, suffix } = &test.value;
        let single = [equals, prefix, suffix].into_iter().flatten();
        single.chain(one_of.iter().flat_map(|texts| texts.value.iter()))
    });
    names.chain(texts).filter_map(|text| pattern(written, text)).collect()
}

/// A text that is compared as it stands, and looks like a pattern.
fn pattern(written: &SourceRule<'_>, text: &Spanned<String>) -> Option<Diagnostic> {
    let value = text.value.as_str();
    looks_like_a_pattern(value).then(|| {
        let message = format!("`{value}` is compared exactly, and is no pattern");
        warning(written, Code::LiteralPattern, text, message).help(
            "write the bare text under `equals`, `prefix` or `suffix`, ask with `exists: true`, or write a condition with `matches`",
        )
    })
}

/// A regular expression, a glob, or a template of some other language.
fn looks_like_a_pattern(value: &str) -> bool {
    let is_regex = value.starts_with('^')
        || (value.ends_with('$') && value.len() > 1)
        || (value.starts_with("/^") && value.ends_with('/'))
        || [".*", ".+", "[0-9", "[a-z", "[A-Z", "[^", "\\d", "\\w", "(?"]
            .iter()
            .any(|part| value.contains(part));
    // `*/*` is what `accept` says.
    let is_glob = (value.starts_with('*') || value.ends_with('*')) && !value.contains("/*");
    let is_template = value.contains("${")
        || value.contains("{{")
        || (value.starts_with('{') && value.ends_with('}') && !value.contains(['"', ' ']));
    is_regex || is_glob || is_template
}

fn scope(written: &SourceRule<'_>, text: &Spanned<String>) -> Option<Diagnostic> {
    let value = text.value.as_str();
    if let Some(bare) = value.strip_prefix("SCOPE_").filter(|bare| !bare.is_empty()) {
        let message =
            format!("`{value}` is how Spring calls the scope `{bare}`, and not what tokens have");
        return Some(
            warning(written, Code::OddScope, text, message).help(format!("did you mean `{bare}`?")),
        );
    }
    value.contains(',').then(|| {
        let message = format!("`{value}` is one scope with a comma in it");
        warning(written, Code::OddScope, text, message)
            .help("list each scope as an entry of its own")
    })
}

fn contexts(written: &SourceRule<'_>) -> Vec<Diagnostic> {
    let pairs = written.spec.context_extensions.iter().flat_map(|own| &own.value.0);
    let texts = pairs.flat_map(|(name, value)| [name, value]);
    let odd = |text: &Spanned<String>| {
        let why = not_plain(&text.value)?;
        let message = format!("`{}` {why}", text.value.escape_debug());
        Some(
            warning(written, Code::OddText, text, message)
                .help("write it as the route's configuration does"),
        )
    };
    let patterns = texts.clone().filter_map(|text| pattern(written, text));
    texts.filter_map(odd).chain(patterns).collect()
}

/// Claims that are lists by RFC 9068 section 2.2.3.1, of texts or of mappings.
const LISTS: [&str; 3] = ["groups", "roles", "entitlements"];

/// The kind that its standard gives a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standard {
    Text,
    Number,
    Bool,
    List,
}

impl Standard {
    fn of(pointer: &str) -> Option<Self> {
        let name = pointer.strip_prefix('/')?;
        match usual_type(name)? {
            ClaimWord::String => Some(Self::Text),
            ClaimWord::Integer | ClaimWord::Number => Some(Self::Number),
            ClaimWord::Boolean => Some(Self::Bool),
            ClaimWord::Strings => Some(Self::List),
            ClaimWord::Any => LISTS.contains(&name).then_some(Self::List),
        }
    }
}

fn claim(written: &SourceRule<'_>, spec: &Spanned<ClaimSpec>) -> Vec<Diagnostic> {
    let ClaimSpec { pointer, equals, one_of, contains, exists: _ } = &spec.value;
    let single = [equals, contains].into_iter().flatten();
    let values: Vec<_> = single.chain(one_of.iter().flat_map(|values| &values.value)).collect();
    let mut problems: Vec<_> =
        values.iter().filter_map(|value| odd_claim_text(written, value)).collect();
    if pointer.value == "/scope" || pointer.value == "/scp" {
        let message =
            format!("`{}` is compared as a whole, with all scopes and their order", pointer.value);
        problems.push(
            warning(written, Code::ClaimKind, pointer, message)
                .help("ask for scopes with `scopes` or `anyScope`"),
        );
    }
    let Some(kind) = Standard::of(&pointer.value) else {
        return problems;
    };
    let is_list_asked = contains.is_some();
    let odd = |value: &&&Spanned<serde_json::Value>| match kind {
        Standard::Text => is_list_asked || !value.value.is_string(),
        Standard::Number => is_list_asked || !value.value.is_number(),
        Standard::Bool => is_list_asked || !value.value.is_boolean(),
        Standard::List => !is_list_asked,
    };
    problems.extend(values.iter().find(odd).map(|value| {
        let (is, help) = match kind {
            Standard::Text => ("a text", "write it as a text, in quotes, with `equals` or `in`"),
            Standard::Number => {
                ("a number", "write it without quotes, or compare it in a condition")
            }
            Standard::Bool => ("true or false", "write `true` or `false` without quotes"),
            Standard::List => ("a list", "ask for an element of it with `contains`"),
        };
        let message = format!(
            "`{}` is {is} by its standard, and is compared with another kind here",
            pointer.value
        );
        warning(written, Code::ClaimKind, value, message).help(help)
    }));
    problems
}

fn odd_claim_text(
    written: &SourceRule<'_>,
    value: &Spanned<serde_json::Value>,
) -> Option<Diagnostic> {
    let text = value.value.as_str()?;
    let why = match not_plain(text) {
        Some(why) => why,
        None if matches!(text, "true" | "false" | "True" | "False" | "null") => {
            "is a text here, and not the value of the same name"
        }
        // YAML 1.1 reads these as truth values.
        None if matches!(text, "yes" | "no" | "on" | "off" | "Yes" | "No" | "On" | "Off") => {
            "is a text here, and neither true nor false"
        }
        None if looks_like_a_pattern(text) || text.contains(['*']) => {
            "is compared exactly, and is no pattern"
        }
        None => return None,
    };
    let message = format!("`{}` {why}", text.escape_debug());
    Some(
        warning(written, Code::OddText, value, message)
            .help("write exactly what the claim says; a truth value without quotes"),
    )
}

/// Requirements of one claim, header or parameter that no value meets together.
fn contradictions(written: &SourceRule<'_>, rule: &Rule) -> Vec<Diagnostic> {
    let all = &rule.requirements;
    let claims = pairs(all).filter(|(one, other): &(&ClaimMatcher, &ClaimMatcher)| {
        one.pointer == other.pointer && exclude(&one.test, &other.test)
    });
    let headers = pairs(all).filter(|(one, other): &(&HeaderMatcher, &HeaderMatcher)| {
        one.name == other.name && one.test.excludes(&other.test)
    });
    let query = pairs(all).filter(|(one, other): &(&QueryMatcher, &QueryMatcher)| {
        one.name == other.name && one.test.excludes(&other.test)
    });
    let mut names: Vec<_> = claims.map(|(one, _)| format!("the claim `{}`", one.pointer)).collect();
    names.extend(headers.map(|(one, _)| format!("the header `{}`", one.name)));
    names.extend(query.map(|(one, _)| format!("the query parameter `{}`", one.name)));
    names.dedup();
    let problem = |what: String| {
        let message = format!(
            "rule `{}` never matches: no value of {what} meets all of its requirements",
            rule.name.rule
        );
        warning(written, Code::NeverMatches, &written.spec.name, message)
            .help("list values of which one will do under `in`, or make it two rules")
    };
    names.into_iter().map(problem).collect()
}

/// Each requirement of one type with each one after it.
fn pairs<T: Member + 'static>(all: &Requirements) -> impl Iterator<Item = (&T, &T)> {
    let each = all.each::<T>().enumerate();
    each.flat_map(|(at, one)| all.each().skip(at.saturating_add(1)).map(move |other| (one, other)))
}

fn exclude(one: &ClaimTest, other: &ClaimTest) -> bool {
    match (one, other) {
        (ClaimTest::Exists(one), ClaimTest::Exists(other)) => one != other,
        (ClaimTest::Exists(there), _) | (_, ClaimTest::Exists(there)) => !there,
        (ClaimTest::OneOf(one), ClaimTest::OneOf(other)) => {
            !one.iter().any(|own| other.contains(own))
        }
        // One is a list, and the other is none.
        (ClaimTest::OneOf(_), ClaimTest::Contains(_))
        | (ClaimTest::Contains(_), ClaimTest::OneOf(_)) => true,
        (ClaimTest::Contains(_), ClaimTest::Contains(_)) => false,
    }
}
