//! Section 6: which rules are about a request, what becomes of their checks, and which one speaks.

use std::net::IpAddr;

use crate::documents::{Document, duration_of, during};
use crate::path::{self, Host, HostFit, Path, PathFit};
use crate::peer::Peer;
use crate::token::{Binding, Token};
use crate::value::Three::{self, Indeterminate, NotSatisfied, Satisfied};
use crate::value::{Value, equal};
use crate::{ClientAddress, Evidence, Identity, Judged, Reason, Request, World, answer, cel, outside};

/// 6.1 What is known when rules are asked.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The world.
    pub world: &'a World,
    /// The request.
    pub request: &'a Request,
    /// Who it is.
    pub identity: &'a Identity,
    /// The host, read.
    pub host: Host,
    /// The path, read.
    pub path: Path,
    /// The client's address; none where it cannot be told.
    pub client: Option<IpAddr>,
}

/// 6.2 The form of a request, before any credential: bounds, text, host, path.
pub fn form(world: &World, request: &Request) -> Judged<Result<(), Reason>> {
    let (raw_path, _) = request.split_path();
    if request.path.len() > 16 * 1024 || request.headers.len() > 256 {
        return Ok(Err("request_too_large"));
    }
    if request.headers.iter().any(|(_, v)| std::str::from_utf8(v).is_err()) {
        return if request.map { Err(outside("a map of headers with bytes that Envoy replaces")) } else { Ok(Err("encoding_invalid")) };
    }
    let Some(host) = Host::read(&request.host) else { return Ok(Err("host_invalid")) };
    let other_host = |l: &&[u8]| Host::read(&String::from_utf8_lossy(l)).as_ref() != Some(&host);
    if request.lines("host").iter().any(other_host) {
        return Ok(Err("host_invalid"));
    }
    let policies = world.documents.of("Policy");
    // 6.3 A port or a dot that no target asks for is denied.
    let plain = host.port.is_none() && !host.dot;
    let asked_for = policies.iter().any(|p| p.spec.get("target").is_some_and(|t| path::target_fits(t, &host, false).is_some()));
    if !plain && !asked_for {
        return Ok(Err("host_invalid"));
    }
    let canonical = if request.path.contains('#') { None } else { path::canonical(raw_path) };
    let Some(path) = canonical else { return Ok(Err("path_not_canonical")) };
    // 6.4 So is a reading of the path that no target of this host accepts.
    let accepted = policies
        .iter()
        .any(|p| p.spec.get("target").is_some_and(|t| path::target_fits(t, &host, false).is_some() && path.readings.accepted_by(t)));
    let simple = path.readings == path::Readings::default();
    Ok(if simple || accepted { Ok(()) } else { Err("path_not_canonical") })
}

/// 6.5 The address of the client.
fn client(world: &World, request: &Request) -> Judged<Option<IpAddr>> {
    let connection = request.source.as_deref().and_then(path::address);
    let behind = |proxies: &[String]| connection.is_some_and(|c| path::in_blocks(proxies, c));
    let entries = |name| -> Vec<String> {
        let lines = request.lines(name);
        lines.iter().flat_map(|l| String::from_utf8_lossy(l).split(',').map(|e| e.trim().to_owned()).collect::<Vec<_>>()).collect()
    };
    Ok(match &world.client_address {
        ClientAddress::Connection => connection,
        ClientAddress::Said(said) => said.as_deref().map_or(connection, path::address),
        ClientAddress::ForwardedFor { proxies, .. } | ClientAddress::External { proxies } if !behind(proxies) => connection,
        ClientAddress::ForwardedFor { hops, proxies, appended } => {
            let mut from_right: Vec<String> = entries("x-forwarded-for").into_iter().rev().collect();
            if *appended {
                // 6.6 Envoy's own entry is the connection's address (any address for a connection from 127.0.0.1 or ::1).
                let loopback = connection.is_some_and(|c| c.to_string() == "127.0.0.1" || c.to_string() == "::1");
                let own = from_right.first().and_then(|e| path::address(e));
                if own.is_none() || (own != connection && !loopback) {
                    return Ok(None);
                }
                from_right.remove(0);
            }
            let mut seen = None;
            for hop in 0..*hops {
                // 6.7 A missing entry, or one that is no address: unknown. Nothing that the caller could have written takes its place.
                let Some(entry) = from_right.get(hop).and_then(|e| path::address(e)) else { return Ok(None) };
                seen = Some(entry);
                if !path::in_blocks(proxies, entry) {
                    break;
                }
            }
            seen
        }
        ClientAddress::External { .. } => match entries("x-envoy-external-address").as_slice() {
            [one] => path::address(one),
            _ => None,
        },
    })
}

impl<'a> Facts<'a> {
    /// Of a request whose form is good.
    pub fn of(world: &'a World, request: &'a Request, identity: &'a Identity) -> Judged<Self> {
        let host = Host::read(&request.host).ok_or_else(|| outside("a host that was accepted and cannot be read"))?;
        let path = path::canonical(request.split_path().0).ok_or_else(|| outside("a path that was accepted and cannot be read"))?;
        Ok(Self { world, request, identity, host, path, client: client(world, request)? })
    }

    /// The peer, where one was verified.
    pub fn peer(&self) -> Option<&Peer> {
        self.identity.peer.as_ref().and_then(|p| p.as_ref().ok())
    }

    /// The verified token of an issuer document.
    pub fn token(&self, issuer: &str) -> Option<&Token> {
        self.identity.tokens.iter().find(|t| t.issuer == issuer)
    }
}

/// 6.8 A rule that is about a request, and how narrowly: by host, path, method, port.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    /// Its policy.
    pub policy: &'a Document,
    /// The rule.
    pub rule: &'a Value,
    /// How narrow it is.
    pub fit: (HostFit, PathFit, bool, bool),
    /// What the names of its template capture.
    pub captures: Vec<(String, String)>,
}

impl Match<'_> {
    /// The names of the policy and the rule.
    pub fn name(&self) -> (String, String) {
        (self.policy.name.clone(), self.rule.text_of("name").unwrap_or_default().to_owned())
    }

    /// Whether it denies.
    pub fn denies(&self) -> bool {
        self.rule.text_of("effect") == Some("deny")
    }
}

/// 6.9 Every rule whose target, port, method and path are those of the request.
fn about<'a>(facts: &Facts<'a>, policy: &'a Document, rule: &'a Value) -> Option<Match<'a>> {
    let target = policy.spec.get("target")?;
    let deny = rule.text_of("effect") == Some("deny");
    let host = path::target_fits(target, &facts.host, deny)?;
    // 6.10 Readings of a path open allow rules of a target that accepts them; deny rules are about them always.
    if !deny && !facts.path.readings.accepted_by(target) {
        return None;
    }
    // 6.11 Ports are those of the connection. Where none is known, allow rules do not match and deny rules do.
    let ports = target.get("ports").and_then(Value::list);
    let port = facts.request.destination.as_ref().and_then(|(_, port)| *port);
    let has_port = |ports: &[Value], p: u16| ports.iter().any(|v| matches!(v, Value::Number(n) if n.as_whole() == Some(i64::from(p))));
    if ports.is_some_and(|ports| port.map_or(!deny, |p| !has_port(ports, p))) {
        return None;
    }
    let on = rule.get("on").cloned().unwrap_or(Value::Null);
    let (mut methods, mut paths) = (on.texts("methods"), on.texts("paths"));
    for call in on.get("grpc").and_then(Value::list).unwrap_or_default() {
        // 6.12 A call is a `POST` to `/package.Service/Method`, exactly so.
        methods = vec!["POST".to_owned()];
        let service = call.text_of("service").unwrap_or_default();
        let calls = call.texts("methods");
        paths.extend(calls.iter().map(|m| format!("/{service}/{m}")));
        if calls.is_empty() {
            paths.push(format!("/{service}/*"));
        }
    }
    if !methods.is_empty() && !methods.contains(&facts.request.method) {
        return None;
    }
    let (path, captures) = match paths.is_empty() {
        true => (PathFit::default(), Vec::new()),
        false => paths.iter().filter_map(|t| path::template(t, &facts.path)).max_by(|a, b| a.0.cmp(&b.0))?,
    };
    Some(Match { policy, rule, fit: (host, path, !methods.is_empty(), ports.is_some()), captures })
}

/// 6.13 One check of a rule: its place in the table (ten times the row, and which key of it), the reason where it fails, and its result.
pub type Check = (u8, Reason, Three);

/// 6.14 The values of a header: the elements of all its lines, split at commas and trimmed; none for one that cannot be told.
fn header_values(facts: &Facts<'_>, fits: impl Fn(&str) -> bool) -> Judged<Vec<Option<String>>> {
    let mut values = Vec::new();
    for (_, line) in facts.request.headers.iter().filter(|(name, _)| fits(name)) {
        for element in String::from_utf8_lossy(line).split(',').map(|e| e.trim_matches([' ', '\t'])) {
            if element.is_empty() {
                return Err(outside("an empty element of a header that a rule reads"));
            }
            values.push((!(facts.request.map && element.contains('!'))).then(|| element.to_owned()));
        }
    }
    Ok(values)
}

/// 6.15 A condition on values: `any`, `all` (there is one, and all of them), `exists`.
fn condition(condition: &Value, values: &[Option<String>]) -> Three {
    let one = |test: &Value, value: &Option<String>| match value {
        None => Indeterminate,
        Some(v) => {
            let equals = test.text_of("equals").is_none_or(|t| t == v);
            let listed = test.get("in").is_none() || test.texts("in").contains(v);
            let prefix = test.text_of("prefix").is_none_or(|t| v.starts_with(t));
            Three::of(equals && listed && prefix && test.text_of("suffix").is_none_or(|t| v.ends_with(t)))
        }
    };
    if let Some(Value::Bool(wanted)) = condition.get("exists") {
        return Three::of(values.is_empty() != *wanted);
    }
    if let Some(test) = condition.get("any") {
        return Three::any(values.iter().map(|v| one(test, v)));
    }
    match condition.get("all") {
        Some(test) if !values.is_empty() => Three::all(values.iter().map(|v| one(test, v))),
        _ => NotSatisfied,
    }
}

/// 6.16 A condition on a parameter of the query; other spellings of its name count in doubt.
fn query_condition(facts: &Facts<'_>, test: &Value) -> Three {
    let name = test.text_of("name").unwrap_or_default();
    let Some(pairs) = path::query(facts.request.split_path().1) else { return Indeterminate };
    let values =
        |fits: &dyn Fn(&str) -> bool| -> Vec<Option<String>> { pairs.iter().filter(|(n, _)| fits(n)).map(|(_, v)| v.clone()).collect() };
    let key = path::parameter_key(name);
    path::in_doubt(&values(&|n| n == name), &values(&|n| n != name && path::parameter_key(n) == key), |v| condition(test, v))
}

/// 6.17 What is asked of the peer.
fn peer_checks(wanted: &Value, peer: &Peer, checks: &mut Vec<Check>) {
    if let Some(domain) = wanted.text_of("trustDomain") {
        // 6.18 A domain whose authorities issued the certificate and that does not vouch for it: it may be one of its own or not.
        let known = if peer.domains.iter().any(|d| d == domain) { Satisfied } else { NotSatisfied };
        checks.push((50, "cert_san", if peer.in_doubt.iter().any(|d| d == domain) { Indeterminate } else { known }));
    }
    let shown = peer.evidence >= Evidence::Leaf;
    let mut names = |place: u8, key: &str, known: bool, fits: &dyn Fn(&str) -> bool| {
        if wanted.get(key).is_some() {
            let listed = wanted.texts(key).iter().any(|w| fits(w));
            checks.push((place, "cert_san", if known { Three::of(listed) } else { Indeterminate }));
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
fn claim(test: &Value, claims: &Value) -> Three {
    let found = test.text_of("pointer").and_then(|p| claims.at(p));
    let Some(found) = found else { return Three::of(test.get("exists") == Some(&Value::Bool(false))) };
    if *found == Value::Null {
        return Indeterminate;
    }
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
        _ => Indeterminate,
    }
}

/// 6.21 What is asked of the token.
fn token_checks(facts: &Facts<'_>, wanted: &Value, token: &Token, checks: &mut Vec<Check>) {
    let bound = match wanted.text_of("binding") {
        Some("certificate") => token.binding == Binding::Certificate,
        Some("dpop") => token.binding == Binding::Dpop,
        Some("any") => token.binding != Binding::None,
        _ => true,
    };
    checks.push((80, "binding_unavailable", Three::of(bound)));
    if let Some(bind) = wanted.get("bind") {
        let reason = crate::token::bind(bind, &token.claims, facts.peer());
        checks.push((90, reason.unwrap_or("identity_token_mismatch"), Three::of(reason.is_none())));
    }
    let one_of = |key: &str, values: &[String]| {
        let wanted = wanted.texts(key);
        Three::of(wanted.is_empty() || wanted.iter().any(|w| values.contains(w)))
    };
    checks.push((100, "audience", one_of("audiences", &token.audiences())));
    let sub = token.claims.text_of("sub").map(str::to_owned);
    checks.push((110, "claim_mismatch", one_of("subjects", sub.as_slice())));
    checks.push((111, "claim_mismatch", one_of("clients", token.client().as_slice())));
    let claims = wanted.get("claims").and_then(Value::list).unwrap_or_default();
    checks.extend(claims.iter().map(|test| (112, "claim_mismatch", claim(test, &token.claims))));
    let scopes = token.scopes();
    checks.push((120, "scope_missing", Three::of(wanted.texts("scopes").iter().all(|s| scopes.contains(s)))));
    checks.push((121, "scope_missing", one_of("anyScope", &scopes)));
    if wanted.get("acr").is_some() {
        // 6.22 Without `acr` or `auth_time` the caller is asked to step up; one of another kind cannot be told.
        let result = match token.claims.get("acr") {
            None => NotSatisfied,
            Some(Value::Text(acr)) => Three::of(wanted.texts("acr").contains(acr)),
            Some(_) => Indeterminate,
        };
        checks.push((130, "acr_insufficient", result));
    }
    if let Some(most) = duration_of(wanted, "maxAge") {
        let now = facts.world.now;
        let result = match token.claims.get("auth_time") {
            None => NotSatisfied,
            Some(Value::Number(n)) if n.as_whole().is_some_and(|t| t <= now + 60) => {
                Three::of(n.as_whole().is_some_and(|t| now - t <= most / 1000))
            }
            Some(_) => Indeterminate,
        };
        checks.push((131, "auth_too_old", result));
    }
}

/// 6.23 The checks of a rule, in the order in which they are made.
pub fn checks(facts: &Facts<'_>, m: &Match<'_>) -> Judged<Vec<Check>> {
    let (rule, request) = (m.rule, facts.request);
    let mut checks: Vec<Check> = Vec::new();
    if let Some(when) = rule.get("during") {
        checks.push((10, "no_rule", Three::of(during(when, facts.world.now))));
    }
    let destination = request.destination.as_ref().and_then(|(a, _)| path::address(a));
    for (place, key, found) in [(11, "source", facts.client), (12, "destination", destination)] {
        if rule.get(key).is_some() {
            checks.push((place, "no_rule", found.map_or(Indeterminate, |a| Three::of(path::in_blocks(&rule.texts(key), a)))));
        }
    }
    if rule.get("sni").is_some() {
        let fits = |sni: &String| Three::of(rule.texts("sni").iter().any(|p| path::name_fits(p, sni)));
        checks.push((13, "no_rule", request.sni.as_ref().map_or(Indeterminate, fits)));
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
        let exact = header_values(facts, |n| n.eq_ignore_ascii_case(name))?;
        let others = header_values(facts, |n| !n.eq_ignore_ascii_case(name) && path::header_key(n) == key)?;
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
        let token = facts.token(wanted.text_of("issuer").unwrap_or_default());
        checks.push((70, "token_missing", Three::of(token.is_some())));
        if let Some(token) = token {
            token_checks(facts, &wanted, token, &mut checks);
        }
    }
    // 6.25 Conditions and values to inject are about the peer and the token that the rule asks for: without one nothing is left to ask.
    if checks.iter().any(|(_, reason, result)| *result == NotSatisfied && matches!(*reason, "peer_missing" | "token_missing")) {
        return Ok(checks);
    }
    for text in documents.conditions(rule) {
        checks.push((140, "no_rule", cel::evaluate(&text, facts, m)?));
    }
    if !m.denies() {
        let sendable = answer::changes(facts, m)?.is_some();
        checks.push((150, "eval_error", if sendable { Satisfied } else { Indeterminate }));
    }
    Ok(checks)
}

/// 6.26 A rule in shadow mode that matched, or of which it cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Its policy and its name.
    pub rule: (String, String),
    /// Whether it cannot be told.
    pub indeterminate: bool,
    /// Whether the decision would have been another, had it counted.
    pub changes: bool,
}

/// Whether a request passes, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passes.
    Allow,
    /// It does not.
    Deny(Reason),
}

/// 6.27 What the rules say together.
#[derive(Debug, Clone)]
pub struct Verdict<'a> {
    /// The outcome.
    pub outcome: Outcome,
    /// The policy and the rule that decided or came closest.
    pub rule: Option<(String, String)>,
    /// The rule that allowed.
    pub chosen: Option<Match<'a>>,
    /// What rules in shadow mode would have done.
    pub shadows: Vec<Shadow>,
}

type Weighed<'a> = (Match<'a>, Vec<Check>);

/// 6.28 Of several rules the narrowest speaks; of equally narrow ones the one whose name comes first.
fn narrowest<'a, 'b>(rules: impl Iterator<Item = &'b Weighed<'a>>) -> Option<&'b Weighed<'a>>
where
    'a: 'b,
{
    rules.max_by(|(a, _), (b, _)| a.fit.cmp(&b.fit).then(b.name().cmp(&a.name())))
}

/// 6.29 How far a rule got, by the places of the table: its first check that fails, else its first one that cannot be told.
fn stopped(checks: &[Check]) -> Option<(u8, Reason)> {
    let first = |what: Three| checks.iter().find(|(_, _, r)| *r == what);
    match (first(NotSatisfied), first(Indeterminate)) {
        (Some((row, reason, _)), _) => Some((*row, *reason)),
        // 6.30 A rule of which it only cannot be told: `eval_error`.
        (None, Some((row, ..))) => Some((*row, "eval_error")),
        (None, None) => None,
    }
}

/// 6.31 The verdict of a set of rules: deny overrides, then allow, then the allow rule that came closest.
fn verdict(rules: &[&Weighed<'_>], cookies: bool) -> (Outcome, Option<(String, String)>, Option<usize>) {
    let result = |w: &Weighed<'_>| Three::all(w.1.iter().map(|(_, _, r)| *r));
    let among = |deny: bool, what: Three| narrowest(rules.iter().copied().filter(move |w| w.0.denies() == deny && result(w) == what));
    if let Some((m, _)) = among(true, Satisfied) {
        return (Outcome::Deny("rule_denied"), Some(m.name()), None);
    }
    if let Some((m, _)) = among(true, Indeterminate) {
        return (Outcome::Deny("eval_error"), Some(m.name()), None);
    }
    if let Some((m, _)) = among(false, Satisfied) {
        let at = rules.iter().position(|w| w.0.name() == m.name());
        return (Outcome::Allow, Some(m.name()), at);
    }
    let near = rules.iter().copied().filter(|w| !w.0.denies() && !cookies);
    let farthest = near.clone().filter_map(|w| stopped(&w.1).map(|(rank, _)| rank)).max();
    let closest = narrowest(near.filter(|w| stopped(&w.1).map(|(rank, _)| rank) == farthest));
    match closest.and_then(|w| stopped(&w.1).map(|(_, reason)| (w, reason))) {
        Some((w, reason)) => (Outcome::Deny(reason), Some(w.0.name()), None),
        None => (Outcome::Deny("no_rule"), None, None),
    }
}

/// 6.32 Everything that the rules say about a request.
pub fn evaluate<'a>(facts: &Facts<'a>) -> Judged<Verdict<'a>> {
    let mut all: Vec<Weighed<'a>> = Vec::new();
    for policy in facts.world.documents.of("Policy") {
        for rule in policy.spec.get("rules").and_then(Value::list).unwrap_or_default() {
            if let Some(m) = about(facts, policy, rule) {
                let checks = checks(facts, &m)?;
                all.push((m, checks));
            }
        }
    }
    let shadow = |w: &&Weighed<'_>| w.0.rule.text_of("mode") == Some("shadow");
    let mut counting: Vec<&Weighed<'a>> = all.iter().filter(|w| !shadow(w)).collect();
    let refused = &facts.identity.refused;
    let cookie_reason = refused.first().map(|r| r.reason);
    if let Some(reason) = cookie_reason {
        // 6.33 A refused cookie: only allow rules that say so, that ask for no token of its issuers; and no deny rule may look at one.
        let issuer = |w: &Weighed<'_>| {
            let token = w.0.rule.get("token").map(|t| facts.world.documents.whole("tokens", t))?;
            token.text_of("issuer").map(str::to_owned)
        };
        let of_cookie = |w: &Weighed<'_>| issuer(w).is_some_and(|i| refused.iter().any(|r| r.issuers.contains(&i)));
        let takes = |w: &Weighed<'_>| w.0.rule.text_of("rejectedCookies") == Some("ignored") && !of_cookie(w);
        let looked_at = counting.iter().any(|w| w.0.denies() && of_cookie(w));
        counting.retain(|w| w.0.denies() || takes(w));
        let open = counting.iter().any(|w| !w.0.denies() && w.1.iter().all(|(_, _, r)| *r == Satisfied));
        if looked_at || !open {
            return Ok(Verdict { outcome: Outcome::Deny(reason), rule: None, chosen: None, shadows: Vec::new() });
        }
    }
    let (outcome, rule, chosen) = verdict(&counting, cookie_reason.is_some());
    let chosen = chosen.and_then(|at| counting.get(at)).map(|w| w.0.clone());
    let mut shadows = Vec::new();
    for w in all.iter().filter(shadow) {
        let result = Three::all(w.1.iter().map(|(_, _, r)| *r));
        if result != NotSatisfied {
            let with: Vec<&Weighed<'a>> = counting.iter().copied().chain([w]).collect();
            let (other, ..) = verdict(&with, cookie_reason.is_some());
            let changes = (other == Outcome::Allow) != (outcome == Outcome::Allow);
            shadows.push(Shadow { rule: w.0.name(), indeterminate: result == Indeterminate, changes });
        }
    }
    Ok(Verdict { outcome, rule, chosen, shadows })
}
