//! The checks of one rule (docs/semantics.md, the sections that the functions name).

use crate::documents::{duration_of, during};
use crate::path::{self};
use crate::peer::Peer;
use crate::rules::{Facts, Match};
use crate::token::{Binding, Token};
use crate::value::Three::{self, Fails, Holds, Unknown};
use crate::value::{Value, equal};
use crate::{Evidence, Judged, Reason, answer, cel};

/// 6.13 One check of a rule: its place in the table (ten times the row, and which key of it), the reason where it fails, and its result.
pub type Check = (u8, Reason, Three);

/// The values of one line of a header, or of one parameter; none for one that cannot be determined.
type Line = Vec<Option<String>>;

/// The key of a rule, or of its target, by the place of its check.
pub fn key(place: u8) -> &'static str {
    match place {
        10 => "during",
        11 => "source",
        12 => "destination",
        13 => "sni",
        20 => "target.hostIsSni",
        30 => "contextExtensions",
        31 => "headers",
        32 => "query",
        40 => "peer",
        50 => "peer.trustDomain",
        51 => "peer.spiffe",
        52 => "peer.dns",
        53 => "peer.uris",
        54 => "peer.emails",
        55 => "peer.ips",
        56 => "peer.subjects",
        60 => "peer.evidence",
        70 => "token",
        80 => "token.binding",
        90 | 91 => "token.bind",
        100 => "token.audiences",
        110 => "token.subjects",
        111 => "token.clients",
        112 => "token.claims",
        120 => "token.scopes",
        121 => "token.anyScope",
        130 => "token.acr",
        131 => "token.maxAge",
        132 => "token.signals",
        140 => "when",
        _ => "inject",
    }
}

/// 6.14 The values of a header: the elements of all its lines, split at commas and trimmed. Empty ones are none.
pub(crate) fn header_lines(facts: &Facts<'_>, fits: impl Fn(&str) -> bool) -> Vec<Line> {
    let lines = facts.request.headers.iter().filter(|(name, _)| fits(name));
    lines
        .map(|(_, line)| {
            let text = String::from_utf8_lossy(line);
            if facts.request.map && text.contains('!') {
                return vec![None];
            }
            let elements = text.split(',').map(|e| e.trim_matches([' ', '\t']));
            elements.filter(|e| !e.is_empty()).map(|e| Some(e.to_owned())).collect()
        })
        .collect()
}

/// 6.15 A condition on values: `any`, `all` (there is one, and all of them), `exists` (there is a line, an empty one too).
pub(crate) fn condition(condition: &Value, lines: &[Line]) -> Three {
    let one = |test: &Value, value: &Option<String>| match value {
        None => Unknown,
        Some(v) => {
            let equals = test.text_of("equals").is_none_or(|t| t == v);
            let listed = test.get("in").is_none() || test.texts("in").contains(v);
            let prefix = test.text_of("prefix").is_none_or(|t| v.starts_with(t));
            Three::of(equals && listed && prefix && test.text_of("suffix").is_none_or(|t| v.ends_with(t)))
        }
    };
    if let Some(Value::Bool(wanted)) = condition.get("exists") {
        return Three::of(lines.is_empty() != *wanted);
    }
    let values: Vec<&Option<String>> = lines.iter().flatten().collect();
    if let Some(test) = condition.get("any") {
        return Three::any(values.iter().map(|v| one(test, v)));
    }
    match condition.get("all") {
        Some(test) if !values.is_empty() => Three::all(values.iter().map(|v| one(test, v))),
        _ => Fails,
    }
}

/// 6.16 A condition on a parameter of the query; other spellings of its name count in doubt.
pub(crate) fn query_condition(facts: &Facts<'_>, test: &Value) -> Three {
    let name = test.text_of("name").unwrap_or_default();
    let Some(all) = path::query(facts.request.split_path().1) else { return Unknown };
    let lines =
        |fits: &dyn Fn(&path::Parameter) -> bool| -> Vec<Line> { all.iter().filter(|p| fits(p)).map(|p| vec![p.value.clone()]).collect() };
    let others = lines(&|p| p.name != name && path::parameter_is(&p.sent, name));
    path::in_doubt(&lines(&|p| p.name == name), &others, |v| condition(test, v))
}

/// 6.17 What is asked of the peer.
pub(crate) fn peer_checks(wanted: &Value, peer: &Peer, checks: &mut Vec<Check>) {
    if let Some(domain) = wanted.text_of("trustDomain") {
        // 6.18 A domain whose authorities issued the certificate and that does not vouch for it: it may be one of its own or not.
        let known = if peer.domains.iter().any(|d| d == domain) { Holds } else { Fails };
        checks.push((50, "cert_san", if peer.in_doubt.iter().any(|d| d == domain) { Unknown } else { known }));
    }
    let shown = peer.evidence >= Evidence::Leaf;
    let mut names = |place: u8, key: &str, known: bool, fits: &dyn Fn(&str) -> bool| {
        if wanted.get(key).is_some() {
            let listed = wanted.texts(key).iter().any(|w| fits(w));
            checks.push((place, "cert_san", if known { Three::of(listed) } else { Unknown }));
        }
    };
    names(51, "spiffe", true, &|w| peer.spiffe.as_deref().is_some_and(|id| path::spiffe_fits(w, id)));
    // 6.19 Other names than the SPIFFE ID are known from evidence `leaf` up.
    names(52, "dns", shown, &|w| peer.dns.iter().any(|n| path::name_fits(w, n)));
    names(53, "uris", shown, &|w| peer.uris.iter().any(|n| n == w));
    names(54, "emails", shown, &|w| peer.emails.iter().any(|n| n == w));
    names(55, "ips", shown, &|w| peer.ips.iter().filter_map(|n| path::address(n)).any(|n| path::in_blocks(&[w.to_owned()], n)));
    names(56, "subjects", shown, &|w| peer.subject.as_deref() == Some(w));
    if let Some(least) = wanted.text_of("evidence").and_then(Evidence::named) {
        checks.push((60, "evidence_insufficient", Three::of(peer.evidence >= least)));
    }
}

/// 6.20 A claim, compared with values of its own kind. What is not there meets nothing but `exists: false`.
pub(crate) fn claim(test: &Value, claims: &Value) -> Three {
    let found = test.text_of("pointer").and_then(|p| claims.at(p));
    let Some(found) = found else { return Three::of(test.get("exists") == Some(&Value::Bool(false))) };
    if *found == Value::Null {
        return Unknown;
    }
    // A number with a fraction, `3.0` too, is of another kind than a whole number.
    let equal = |a: &Value, b: &Value| match a {
        Value::Number(n) if n.as_integer().is_none() => Unknown,
        a => equal(a, b),
    };
    if let Some(Value::Bool(wanted)) = test.get("exists") {
        return Three::of(*wanted);
    }
    if let Some(wanted) = test.get("equals") {
        return equal(found, wanted);
    }
    if let Some(options) = test.get("in").and_then(Value::list) {
        return Three::any(options.iter().map(|o| equal(found, o)));
    }
    match (test.get("contains"), found.list()) {
        (Some(wanted), Some(list)) => Three::any(list.iter().map(|e| equal(e, wanted))),
        // A single value is a list of one; a text that may be several is not known not to have the value.
        (Some(wanted), None) => match (equal(found, wanted), found.text()) {
            (Fails, Some(text)) if text.chars().any(|c| !c.is_alphanumeric() && !"-_.".contains(c)) => Unknown,
            (result, _) => result,
        },
        _ => Unknown,
    }
}

/// 6.21 Whether a scope of a token stands for one that is asked for: it is the same, is above it, or ends with `*`.
fn covers(form: &str, held: &str, asked: &str) -> bool {
    let below = |above: &str| {
        let rest = asked.strip_prefix(above).unwrap_or_default();
        !above.is_empty() && rest.len() > 1 && rest.starts_with([':', '.', '/'])
    };
    let stars = || held.strip_suffix('*').filter(|begin| asked.starts_with(begin) && begin.ends_with([':', '.', '/']));
    held == asked
        || match form {
            "hierarchy" => below(held),
            "wildcard" => stars().is_some_and(|begin| below(&begin[..begin.len() - 1])),
            _ => false,
        }
}

/// 6.21 Whether one of `scopes` stands for one that is asked for, in the form that the rule says.
pub(crate) fn has_scope(wanted: &Value, scopes: &[String], asked: &str) -> bool {
    let form = wanted.text_of("scopeForm").unwrap_or("whole");
    scopes.iter().any(|held| covers(form, held, asked))
}

/// 6.21 What is asked of the token.
pub(crate) fn token_checks(facts: &Facts<'_>, wanted: &Value, token: &Token, checks: &mut Vec<Check>) {
    let bound = match wanted.text_of("binding") {
        Some("certificate") => token.binding == Binding::Certificate,
        Some("dpop") => token.binding == Binding::Dpop,
        Some("any") => token.binding != Binding::None,
        _ => true,
    };
    if wanted.get("binding").is_some() {
        checks.push((80, "binding_unavailable", Three::of(bound)));
    }
    if let Some(bind) = wanted.get("bind") {
        let reason = crate::binding::bind(bind, &token.claims, facts.peer());
        // First whether enough is shown of the peer, then whether the claim names it.
        let known = reason != Some("binding_unavailable");
        checks.push((90, "binding_unavailable", Three::of(known)));
        checks.extend(known.then(|| (91, "identity_token_mismatch", Three::of(reason.is_none()))));
    }
    let one_of = |place: u8, reason: Reason, key: &str, values: &[String]| {
        let listed = || Three::of(wanted.texts(key).iter().any(|w| values.contains(w)));
        wanted.get(key).map(|_| (place, reason, listed()))
    };
    checks.extend(one_of(100, "audience", "audiences", &token.audiences()));
    let sub = token.claims.text_of("sub").map(str::to_owned);
    checks.extend(one_of(110, "claim_mismatch", "subjects", sub.as_slice()));
    checks.extend(one_of(111, "claim_mismatch", "clients", token.client().as_slice()));
    let claims = wanted.get("claims").and_then(Value::list).unwrap_or_default();
    checks.extend(claims.iter().map(|test| (112, "claim_mismatch", claim(test, &token.claims))));
    let scopes = token.scopes();
    let has = |asked: &String| has_scope(wanted, &scopes, asked);
    if wanted.get("scopes").is_some() {
        checks.push((120, "scope_missing", Three::of(wanted.texts("scopes").iter().all(has))));
    }
    if wanted.get("anyScope").is_some() {
        checks.push((121, "scope_missing", Three::of(wanted.texts("anyScope").iter().any(has))));
    }
    if wanted.get("acr").is_some() {
        // 6.22 Without `acr` or `auth_time` the caller is asked to step up; one of another kind cannot be determined.
        let result = match token.claims.get("acr") {
            None => Fails,
            Some(Value::Text(acr)) => Three::of(wanted.texts("acr").contains(acr)),
            Some(_) => Unknown,
        };
        checks.push((130, "acr_insufficient", result));
    }
    if let Some(most) = duration_of(wanted, "maxAge") {
        let now = facts.world.now;
        let result = match token.claims.get("auth_time") {
            None => Fails,
            Some(Value::Number(n)) if n.as_whole().is_some_and(|t| t <= now + 60) => {
                Three::of(n.as_whole().is_some_and(|t| now - t <= most / 1000))
            }
            Some(_) => Unknown,
        };
        checks.push((131, "auth_too_old", result));
    }
    if wanted.get("signals").is_some() {
        // 6.37 One of them is raised; one that is in doubt may be.
        let one = |signal: &String| match (token.raised.contains(signal), token.in_doubt.contains(signal)) {
            (true, _) => Holds,
            (false, true) => Unknown,
            (false, false) => Fails,
        };
        checks.push((132, "no_rule", Three::any(wanted.texts("signals").iter().map(one))));
    }
}

/// 6.23 The checks of a rule, in the order in which they are made.
pub fn checks(facts: &Facts<'_>, m: &Match<'_>) -> Judged<Vec<Check>> {
    let (rule, request) = (m.rule, facts.request);
    let mut checks: Vec<Check> = Vec::new();
    if let Some(when) = rule.get("during") {
        checks.push((10, "no_rule", Three::of(during(when, facts.world.now)?)));
    }
    let destination = request.destination.as_ref().and_then(|(a, _)| path::address(a));
    for (place, key, found) in [(11, "source", facts.client), (12, "destination", destination)] {
        if rule.get(key).is_some() {
            checks.push((place, "no_rule", found.map_or(Unknown, |a| Three::of(path::in_blocks(&rule.texts(key), a)))));
        }
    }
    if rule.get("sni").is_some() {
        let plain = |sni: &str| path::Host::read(sni).is_some_and(|h| !h.dot && h.port.is_none());
        let fits = |sni: &String| match sni.is_empty() || plain(sni) {
            true => Three::of(rule.texts("sni").iter().any(|p| path::name_fits(p, sni))),
            false => Unknown,
        };
        checks.push((13, "no_rule", request.sni.as_ref().map_or(Unknown, fits)));
    }
    if !m.denies() && m.policy.spec.get("target").is_some_and(|t| t.is_true("hostIsSni")) {
        let same = request.sni.as_ref().is_some_and(|s| s.eq_ignore_ascii_case(&facts.host.name));
        checks.push((20, "host_invalid", Three::of(same)));
    }
    if let Some(Value::Map(wanted)) = rule.get("contextExtensions") {
        let same = wanted.iter().all(|(n, v)| request.context.get(n).map(String::as_str) == v.text());
        checks.push((30, "no_rule", Three::of(same)));
    }
    for test in rule.get("headers").and_then(Value::list).unwrap_or_default() {
        // 6.24 A line under another spelling of the name counts in doubt.
        let name = test.text_of("name").unwrap_or_default();
        let key = path::header_key(name);
        let exact = header_lines(facts, |n| n.eq_ignore_ascii_case(name));
        let others = header_lines(facts, |n| !n.eq_ignore_ascii_case(name) && path::header_key(n) == key);
        checks.push((31, "no_rule", path::in_doubt(&exact, &others, |v| condition(test, v))));
    }
    let query = rule.get("query").and_then(Value::list).unwrap_or_default();
    checks.extend(query.iter().map(|test| (32, "no_rule", query_condition(facts, test))));
    let documents = &facts.world.documents;
    if let Some(wanted) = rule.get("peer").map(|p| documents.whole("peers", p)) {
        checks.push((40, "peer_missing", Three::of(facts.peer().is_some())));
        if let Some(peer) = facts.peer() {
            peer_checks(&wanted, peer, &mut checks);
        }
    }
    if let Some(wanted) = rule.get("token").map(|t| documents.whole("tokens", t)) {
        let token = m.issuer.as_ref().and_then(|issuer| facts.token(issuer));
        checks.push((70, "token_missing", Three::of(token.is_some())));
        if let Some(token) = token {
            token_checks(facts, &wanted, token, &mut checks);
        }
    }
    // 6.25 Conditions and values to inject are about the peer and the token that the rule asks for: without one nothing is left to ask.
    if checks.iter().any(|(_, reason, result)| *result == Fails && matches!(*reason, "peer_missing" | "token_missing")) {
        return Ok(checks);
    }
    for text in documents.conditions(rule) {
        checks.push((140, "no_rule", cel::evaluate(&text, facts, m)?));
    }
    if !m.denies() {
        let sendable = answer::changes(facts, m)?.is_some();
        checks.push((150, "eval_error", if sendable { Holds } else { Unknown }));
    }
    Ok(checks)
}
