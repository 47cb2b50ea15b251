//! Section 6: which rules are about a request, what becomes of their checks, and which one speaks.

use crate::checks::{Check, checks};
use std::net::IpAddr;

use crate::documents::Document;
use crate::path::{self, Host, HostFit, Path, PathFit};
use crate::peer::Peer;
use crate::token::Token;
use crate::value::Three::{self, Fails, Holds, Unknown};
use crate::value::Value;
use crate::{ClientAddress, Identity, Judged, Reason, Request, World, answer, outside};

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
    /// The client's address; none where it cannot be determined.
    pub client: Option<IpAddr>,
}

/// 6.2 The form of a request, before any credential: bounds, text, host, path. A suite has requests alone, and no connections.
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
    let canonical = if request.path.contains('#') { None } else { path::canonical(raw_path) };
    let Some(path) = canonical else { return Ok(Err("path_not_canonical")) };
    // 6.3 A port or a dot that no allow rule's target asks for is denied.
    let targets: Vec<&Value> = world.documents.of("Policy").iter().filter(|p| may_allow(p)).filter_map(|p| p.spec.get("target")).collect();
    let asking = |t: &&&Value| path::target_fits(t, &host, false).is_some();
    let plain = host.port.is_none() && !host.dot;
    if !plain && targets.iter().find(asking).is_none() {
        return Ok(Err("host_invalid"));
    }
    // 6.4 So is a reading of the path that none of these targets accepts.
    let accepted = targets.iter().filter(asking).any(|t| path.readings.accepted_by(t));
    let simple = path.readings == path::Readings::default();
    Ok(if simple || accepted { Ok(()) } else { Err("path_not_canonical") })
}

/// True if a policy has an allow rule.
fn may_allow(policy: &Document) -> bool {
    let rules = policy.spec.get("rules").and_then(Value::list).unwrap_or_default();
    rules.iter().any(|r| r.text_of("effect") == Some("allow"))
}

/// An address of an entry: in brackets or not, with a port or without.
fn entry_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|a| a.ip().to_canonical());
    path::address(bare).or_else(with_port)
}

/// 6.5 The address of the client.
pub(crate) fn client(world: &World, request: &Request) -> Judged<Option<IpAddr>> {
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
                let own = from_right.first().and_then(|e| entry_address(e));
                if own.is_none() || (own != connection && !loopback) {
                    return Ok(None);
                }
                from_right.remove(0);
            }
            let mut seen = None;
            for hop in 0..*hops {
                // 6.7 A missing entry, or one that is no address: unknown. Nothing that the caller could have written takes its place.
                let Some(entry) = from_right.get(hop).and_then(|e| entry_address(e)) else { return Ok(None) };
                seen = Some(entry);
                if !path::in_blocks(proxies, entry) {
                    break;
                }
            }
            seen
        }
        ClientAddress::External { .. } => match entries("x-envoy-external-address").as_slice() {
            [one] => entry_address(one),
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
    /// The captures of its template's names.
    pub captures: Vec<(String, String)>,
    /// 6.34 The issuer whose token counts.
    pub issuer: Option<String>,
}

impl Match<'_> {
    /// The names of the policy and the rule.
    pub fn name(&self) -> (String, String) {
        (self.policy.name.clone(), self.rule.text_of("name").unwrap_or_default().to_owned())
    }

    /// True if it denies.
    pub fn denies(&self) -> bool {
        self.rule.text_of("effect") == Some("deny")
    }
}

/// 6.11 Ports are those of the connection. Where none is known, allow rules do not match and deny rules do.
pub(crate) fn port_fits(target: &Value, request: &Request, deny: bool) -> bool {
    let Some(ports) = target.get("ports").and_then(Value::list) else { return true };
    let Some(port) = request.destination.as_ref().and_then(|(_, port)| *port) else { return deny };
    ports.iter().any(|v| matches!(v, Value::Number(n) if n.as_whole() == Some(i64::from(port))))
}

/// 6.9 Every rule whose target, port, method and path are those of the request.
pub(crate) fn about<'a>(facts: &Facts<'a>, policy: &'a Document, rule: &'a Value) -> Option<Match<'a>> {
    let target = policy.spec.get("target")?;
    let deny = rule.text_of("effect") == Some("deny");
    let host = path::target_fits(target, &facts.host, deny)?;
    // 6.10 Readings of a path open allow rules of a target that accepts them; deny rules are about them always.
    if !deny && !facts.path.readings.accepted_by(target) {
        return None;
    }
    let ports = target.get("ports");
    if !port_fits(target, facts.request, deny) {
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
    Some(Match { policy, rule, fit: (host, path, !methods.is_empty(), ports.is_some()), captures, issuer: None })
}

/// 6.26 A rule in shadow mode that matched, or of which it cannot be determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Its policy and its name.
    pub rule: (String, String),
    /// True if it cannot be determined.
    pub unknown: bool,
    /// True if the decision would have been another, had it counted.
    pub changes: bool,
}

/// The outcome of a request: it passes, or why not.
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
    /// The outcomes of rules in shadow mode.
    pub shadows: Vec<Shadow>,
}

/// A rule that is about a request, with its checks.
pub type Weighed<'a> = (Match<'a>, Vec<Check>);

/// 6.28 Of several rules the narrowest speaks; of equally narrow ones the one whose name comes first.
pub(crate) fn narrowest<'a, 'b>(rules: impl Iterator<Item = &'b Weighed<'a>>) -> Option<&'b Weighed<'a>>
where
    'a: 'b,
{
    // 6.34 Of one rule with several tokens the first speaks.
    let all: Vec<_> = rules.collect();
    all.into_iter().rev().max_by(|(a, _), (b, _)| a.fit.cmp(&b.fit).then(b.name().cmp(&a.name())))
}

/// 6.29 How far a rule got, by the places of the table: its first check that fails, else its first one that cannot be determined.
pub(crate) fn stopped(checks: &[Check]) -> Option<(u8, Reason)> {
    let first = |what: Three| checks.iter().find(|(_, _, r)| *r == what);
    match (first(Fails), first(Unknown)) {
        (Some((row, reason, _)), _) => Some((*row, *reason)),
        // 6.30 A rule of which it only cannot be determined: `eval_error`.
        (None, Some((row, ..))) => Some((*row, "eval_error")),
        (None, None) => None,
    }
}

/// 6.31 The verdict of a set of rules: deny overrides, then allow, then the allow rule that came closest.
pub(crate) fn verdict(rules: &[&Weighed<'_>], cookies: bool) -> (Outcome, Option<(String, String)>, Option<usize>) {
    let result = |w: &Weighed<'_>| Three::all(w.1.iter().map(|(_, _, r)| *r));
    let among = |deny: bool, what: Three| narrowest(rules.iter().copied().filter(move |w| w.0.denies() == deny && result(w) == what));
    if let Some((m, _)) = among(true, Holds) {
        return (Outcome::Deny("rule_denied"), Some(m.name()), None);
    }
    if let Some((m, _)) = among(true, Unknown) {
        return (Outcome::Deny("eval_error"), Some(m.name()), None);
    }
    if let Some((m, _)) = among(false, Holds) {
        let at = rules.iter().position(|w| w.0.name() == m.name() && w.0.issuer == m.issuer);
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

/// 6.32 Every rule that is about the request, with its checks.
pub fn judged<'a>(facts: &Facts<'a>) -> Judged<Vec<Weighed<'a>>> {
    let mut all = Vec::new();
    for policy in facts.world.documents.of("Policy") {
        for rule in policy.spec.get("rules").and_then(Value::list).unwrap_or_default() {
            let Some(m) = about(facts, policy, rule) else { continue };
            // 6.34 Each token of the rule's issuers that is shown is looked at on its own, in the order of the list.
            let wanted = rule.get("token").map(|t| facts.world.documents.whole("tokens", t).one_or_more("issuer")).unwrap_or_default();
            let shown: Vec<_> = wanted.iter().filter(|issuer| facts.token(issuer).is_some()).map(|i| Some(i.clone())).collect();
            for issuer in if shown.is_empty() { vec![None] } else { shown } {
                let m = Match { issuer, ..m.clone() };
                let checks = checks(facts, &m)?;
                all.push((m, checks));
            }
        }
    }
    Ok(all)
}

/// 6.26 Whether a request goes upstream if these rules count: one that hides what must go (8.19) does not.
fn allows(facts: &Facts<'_>, counting: &[&Weighed<'_>]) -> Judged<bool> {
    let (outcome, _, chosen) = verdict(counting, !facts.identity.refused.is_empty());
    let Some(chosen) = chosen.and_then(|at| counting.get(at)).filter(|_| outcome == Outcome::Allow) else { return Ok(false) };
    Ok(answer::changes(facts, &chosen.0)?.is_some_and(|changes| !changes.hidden))
}

/// 6.31 What the rules say together.
pub fn evaluate<'a>(facts: &Facts<'a>) -> Judged<Verdict<'a>> {
    if facts.world.documents.of("Policy").is_empty() {
        // 6.31 After rejected credentials, those in cookies too.
        let reason = facts.identity.refused.first().map_or("policy_unavailable", |refused| refused.reason);
        return Ok(Verdict { outcome: Outcome::Deny(reason), rule: None, chosen: None, shadows: Vec::new() });
    }
    let all = judged(facts)?;
    let shadow = |w: &&Weighed<'_>| w.0.rule.text_of("mode") == Some("shadow");
    let mut counting: Vec<&Weighed<'a>> = all.iter().filter(|w| !shadow(w)).collect();
    let refused = &facts.identity.refused;
    let cookie_reason = refused.first().map(|r| r.reason);
    let issuers = |w: &Weighed<'_>| {
        let token = w.0.rule.get("token").map(|t| facts.world.documents.whole("tokens", t));
        token.map(|t| t.one_or_more("issuer")).unwrap_or_default()
    };
    let of_cookie = |w: &Weighed<'_>| issuers(w).iter().any(|i| refused.iter().any(|r| r.issuers.contains(i)));
    // 6.33 A refused cookie: only allow rules that say so, that ask for no token of its issuers; and no deny rule may look at one.
    let takes = |w: &Weighed<'_>| w.0.rule.text_of("rejectedCookies") == Some("ignored") && !of_cookie(w);
    if let Some(reason) = cookie_reason {
        let looked_at = counting.iter().any(|w| w.0.denies() && of_cookie(w));
        counting.retain(|w| w.0.denies() || takes(w));
        if looked_at || verdict(&counting, true).0 != Outcome::Allow {
            return Ok(Verdict { outcome: Outcome::Deny(reason), rule: None, chosen: None, shadows: Vec::new() });
        }
    }
    let (outcome, rule, chosen) = verdict(&counting, cookie_reason.is_some());
    let chosen = chosen.and_then(|at| counting.get(at)).map(|w| w.0.clone());
    let mut shadows = Vec::new();
    // 6.34 Of one rule with several tokens the best result counts, and of equal ones the first.
    let result = |w: &Weighed<'_>| Three::all(w.1.iter().map(|(_, _, r)| *r));
    let better = |a: Three, b: Three| a != b && Three::any([a, b]) == a;
    let best = |(at, w): &(usize, &Weighed<'_>)| {
        let same = all.iter().enumerate().filter(|(_, o)| o.0.name() == w.0.name());
        same.clone().all(|(i, o)| !better(result(o), result(w)) && (result(o) != result(w) || i >= *at))
    };
    for w in all.iter().enumerate().filter(best).map(|(_, w)| w).filter(shadow) {
        // 6.26 One that would not count beside a refused cookie (6.33) is not reported.
        if cookie_reason.is_some() && !w.0.denies() && !takes(w) {
            continue;
        }
        // 6.33 Nor would the cookie be ignored beside a deny rule that looks at its token.
        if w.0.denies() && of_cookie(w) {
            shadows.push(Shadow { rule: w.0.name(), unknown: true, changes: allows(facts, &counting)? });
            continue;
        }
        let result = result(w);
        if result != Fails {
            let with: Vec<&Weighed<'a>> = counting.iter().copied().chain([w]).collect();
            let changes = allows(facts, &with)? != allows(facts, &counting)?;
            shadows.push(Shadow { rule: w.0.name(), unknown: result == Unknown, changes });
        }
    }
    Ok(Verdict { outcome, rule, chosen, shadows })
}
