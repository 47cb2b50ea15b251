//! Section 8: what goes upstream on an allow, and what a denied caller gets.

use crate::template::{Rendered, member, members, render};
use std::collections::{BTreeMap, BTreeSet};

use crate::checks::has_scope;
use crate::documents::{Document, duration_of};
use crate::path::{self, HostFit, header_key};
use crate::rules::{self, Facts, Match, Verdict};
use crate::token::{Binding, Place, Token};
use crate::value::Value;
use crate::{Decision, Identity, Judged, Reason, Request, World, accept, outside};

/// 8.1 Headers that make an upstream act on another method, path, host, scheme, port or upstream.
pub(crate) const OVERRIDES: &str = "x-http-method-override x-http-method x-method-override x-forwarded-method x-original-method \
    x-envoy-original-method x-original-url x-original-uri x-original-path x-rewrite-url x-rewrite-uri x-http-path-override \
    x-forwarded-uri x-forwarded-path x-forwarded-prefix x-script-name script-name path-info request-uri x-override-url \
    x-http-destinationurl x-proxy-url x-forwarded-context x-proxycontextpath x-envoy-original-path forwarded x-forwarded-host \
    x-forwarded-server x-forwarded-port x-forwarded-scheme x-forwarded-ssl x-original-host x-host x-http-host-override \
    x-envoy-original-host x-forwarded-protocol front-end-https x-url-scheme x-scheme x-proxyhost x-proxyport x-proxyscheme \
    x-envoy-original-dst-host x-envoy-auth-failure-mode-allowed";

/// 8.17 Headers that proxies write.
const OF_PROXIES: [&str; 5] = ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-proto"];

/// 8.2 The id of every decision here and in suites.
pub const DECISION_ID: &str = "00000000000000000000000000000000";

/// 8.3 What an allow changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Request headers that are set.
    pub headers: BTreeMap<String, String>,
    /// Headers of the upstream's answer that are set.
    pub response_headers: BTreeMap<String, String>,
    /// Query parameters that are set, and those of the request that are removed, as they were sent.
    pub query: BTreeMap<String, String>,
    /// Parameters that do not go upstream, by their names as they were sent.
    pub removed_query: Vec<String>,
    /// Dynamic metadata of the rule.
    pub metadata: BTreeMap<String, Value>,
    /// The header of an assertion, and the claims of the rule in it.
    pub assertion: Option<(String, BTreeMap<String, Value>)>,
    /// The cookie that is taken out of `cookie`.
    pub removed_cookie: Option<String>,
    /// The mark of the token that is taken out of the protocols of a WebSocket, and whether it stands before it.
    pub removed_protocol: Option<(String, bool)>,
    /// Names that go upstream in no spelling but the ones that are set or kept.
    pub never: BTreeSet<String>,
    /// Overrides that go upstream in exactly this spelling.
    pub kept: BTreeSet<String>,
    /// True if a parameter that must not go upstream hides behind a `;`.
    pub hidden: bool,
}

impl Changes {
    /// 8.4 Whether the caller's copy of a header does not go upstream: it is removed, or overwritten by ours.
    pub fn removes(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.never.contains(&header_key(&name)) && !self.kept.contains(&name)
    }

    /// True if Envoy removes it: a header that is set is named in one list only.
    pub fn names(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let set = self.headers.contains_key(&lower) || self.assertion.as_ref().is_some_and(|(h, _)| *h == lower);
        self.removes(name) && !set
    }
}

/// 8.15 What an allow by a rule changes; none where a value must not be sent.
pub fn changes(facts: &Facts<'_>, m: &Match<'_>) -> Judged<Option<Changes>> {
    let mut changes = Changes::default();
    let none = Value::Null;
    let inject = m.rule.get("inject").unwrap_or(&none);
    for (key, in_query) in [("headers", false), ("responseHeaders", false), ("query", true)] {
        for (name, template) in members(inject, key) {
            match render(&template, facts, m, in_query)? {
                Rendered::Unsendable => return Ok(None),
                Rendered::Absent => {}
                Rendered::Text(text) => {
                    let (into, name) = match key {
                        "headers" => (&mut changes.headers, name.to_ascii_lowercase()),
                        "query" => (&mut changes.query, name),
                        _ => (&mut changes.response_headers, name.to_ascii_lowercase()),
                    };
                    into.insert(name, text);
                }
            }
        }
    }
    let kept_kinds = |key: &str, of: &Value| -> Judged<Option<BTreeMap<String, Value>>> {
        let mut out = BTreeMap::new();
        for (name, template) in members(of, key) {
            match member(&template, facts, m)? {
                Err(()) => return Ok(None),
                Ok(value) => out.extend(value.map(|v| (name, v))),
            }
        }
        Ok(Some(out))
    };
    let Some(metadata) = kept_kinds("metadata", inject)? else { return Ok(None) };
    changes.metadata = metadata;
    if let Some(assertion) = inject.get("assertion") {
        let Some(claims) = kept_kinds("claims", assertion)? else { return Ok(None) };
        changes.assertion = Some((assertion.text_of("header").unwrap_or_default().to_ascii_lowercase(), claims));
    }
    // 8.16 Whatever any rule of any policy can set is removed from every request that is allowed, in every spelling.
    let mut parameters: BTreeSet<String> = BTreeSet::new();
    let rules = facts.world.documents.of("Policy").iter().filter_map(|p| p.spec.get("rules").and_then(Value::list)).flatten();
    for inject in rules.filter_map(|r| r.get("inject")) {
        changes.never.extend(members(inject, "headers").iter().map(|(n, _)| header_key(n)));
        changes.never.extend(inject.get("assertion").and_then(|a| a.text_of("header")).map(header_key));
        parameters.extend(members(inject, "query").into_iter().map(|(n, _)| n));
    }
    // 8.17 Overrides are removed, unless the target of the rule keeps one in exactly this spelling.
    changes.never.extend(OVERRIDES.split_whitespace().map(header_key));
    let keep = m.policy.spec.get("target").and_then(|t| t.get("keep")).unwrap_or(&none);
    changes.kept = keep.texts("headers").iter().map(|h| h.to_ascii_lowercase()).collect();
    parameters.insert("_method".to_owned());
    let kept_query = keep.texts("query");
    // 8.18 What the rule removes; `remove.token` takes its token from where it was.
    let remove = m.rule.get("remove").unwrap_or(&none);
    let removed: BTreeSet<String> = remove.texts("headers").iter().map(|h| header_key(h)).collect();
    // 8.17 What a proxy writes goes upstream in exactly this spelling.
    for name in OF_PROXIES {
        changes.never.insert(header_key(name));
        changes.kept.extend(Some(name.to_owned()).filter(|_| !removed.contains(&header_key(name))));
    }
    changes.never.extend(removed);
    parameters.extend(remove.texts("query"));
    let wanted = m.rule.get("token").map(|t| facts.world.documents.whole("tokens", t));
    // 6.34 Those of all its issuers go.
    let issuers = wanted.map(|w| w.one_or_more("issuer")).unwrap_or_default();
    for token in issuers.iter().filter_map(|issuer| facts.token(issuer)).filter(|_| remove.is_true("token")) {
        for place in std::iter::once(&token.place).chain(&token.copies) {
            match place {
                Place::Authorization => drop(changes.never.insert("authorization".to_owned())),
                Place::Header(name) | Place::Prefixed(name, _) => drop(changes.never.insert(header_key(name))),
                Place::Protocol(mark, after, _) => changes.removed_protocol = Some((mark.clone(), *after)),
                Place::Query(name) => drop(parameters.insert(name.clone())),
                Place::Cookie(name) => changes.removed_cookie = Some(name.clone()),
            }
        }
    }
    for pair in facts.request.split_path().1.split('&') {
        let must_go = |piece: &str| parameters.iter().any(|own| path::parameter_is(name_of(piece), own));
        let sent = name_of(pair);
        let stays = changes.query.contains_key(sent) || kept_query.iter().any(|k| k == sent);
        let mut pieces = pair.split(';');
        if pieces.next().is_some_and(must_go) && !stays {
            changes.removed_query.push(sent.to_owned());
        }
        // 8.19 A copy behind a `;` cannot be removed.
        changes.hidden |= pieces.any(must_go);
    }
    Ok(Some(changes))
}

/// The name of a pair of the query.
fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

/// 8.20 The answer of an allow.
pub fn allow(facts: &Facts<'_>, verdict: &Verdict<'_>) -> Judged<Decision> {
    let chosen = verdict.chosen.as_ref().ok_or_else(|| outside("an allow without a rule"))?;
    let changes = changes(facts, chosen)?.ok_or_else(|| outside("an allow that cannot be sent"))?;
    if changes.hidden {
        // 6.33 A rule that takes refused cookies, and does not allow, leaves their reason.
        if let Some(first) = facts.identity.refused.first() {
            return deny(facts.world, facts.request, facts.identity, first.reason, None);
        }
        let denied = deny(facts.world, facts.request, facts.identity, "eval_error", verdict.rule.clone())?;
        return Ok(Decision { shadows: verdict.shadows.clone(), ..denied });
    }
    Ok(Decision { allow: true, rule: verdict.rule.clone(), changes, shadows: verdict.shadows.clone(), ..Decision::default() })
}

/// 8.21 What a denied caller gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Denial {
    /// The HTTP status.
    pub status: u16,
    /// The word of the fixed vocabulary.
    pub word: String,
    /// The status for a caller of gRPC.
    pub grpc: Option<u8>,
    /// The challenge: the scheme and its parameters in their order.
    pub challenge: Option<(String, Vec<(String, String)>)>,
    /// The page that a browser is sent to.
    pub location: Option<String>,
    /// The cookie that is taken from the browser.
    pub cleared: Option<String>,
    /// The text of the document.
    pub text: Option<String>,
    /// Members beside `error` and `decision_id`.
    pub members: BTreeMap<String, Value>,
    /// Headers of the document.
    pub headers: BTreeMap<String, String>,
}

impl Denial {
    /// 8.22 The header `www-authenticate`.
    pub fn www_authenticate(&self) -> Option<String> {
        let (scheme, parameters) = self.challenge.as_ref()?;
        let rest: String = parameters.iter().map(|(n, v)| format!(", {n}=\"{v}\"")).collect();
        Some(format!("{scheme} realm=\"countersign\"{rest}"))
    }
}

/// 8.23 The status and the word of a reason.
pub fn status(reason: Reason) -> (u16, &'static str) {
    match reason {
        "deadline"
        | "overloaded"
        | "crl_missing"
        | "crl_stale"
        | "revocations_stale"
        | "keys_stale"
        | "keys_pending"
        | "store_unavailable"
        | "introspection_unavailable"
        | "policy_unavailable"
        | "assertion_unavailable"
        | "audit_unavailable" => (503, "unavailable"),
        "throttled" => (429, "throttled"),
        "token_missing" => (401, "unauthenticated"),
        "token_multiple" => (401, "invalid_request"),
        "acr_insufficient" | "auth_too_old" => (401, "insufficient_user_authentication"),
        "token_malformed"
        | "token_alg"
        | "token_type"
        | "key_unknown"
        | "signature_invalid"
        | "issuer_unknown"
        | "audience"
        | "token_expired"
        | "token_not_yet_valid"
        | "token_lifetime"
        | "token_replayed"
        | "token_revoked"
        | "introspection_inactive"
        | "binding_unavailable"
        | "binding_mismatch"
        | "dpop_invalid"
        | "dpop_nonce" => (401, "invalid_token"),
        "scope_missing" => (403, "insufficient_scope"),
        _ => (403, "forbidden"),
    }
}

/// The words of a status in RFC 9110 section 15.
fn phrase(status: u16) -> Judged<&'static str> {
    Ok(match status {
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        _ => return Err(outside(format!("the words of the status {status}"))),
    })
}

/// 8.27 Where a browser that shows a page is sent, and with which status: by default for denials that authenticating can help.
fn redirection<'a>(redirect: &'a Value, request: &Request, default_status: u16) -> Option<(u16, &'a str)> {
    let navigates = request.lines("sec-fetch-mode").iter().all(|mode| *mode == b"navigate");
    let page = request.method == "GET" && accept::names_pages(request) && navigates;
    let helps = default_status == 401 || redirect.text_of("for") == Some("every");
    let to = redirect.text_of("to").unwrap_or_default();
    let same = is_here(to, request);
    let status = match redirect.get("status") {
        Some(Value::Number(n)) => n.as_whole().and_then(|n| u16::try_from(n).ok()),
        _ => None,
    };
    (page && helps && !same).then_some((status.unwrap_or(302), to))
}

/// 8.28 Whether a place to go is the page that is asked for: by its path, and by its host where it has one.
fn is_here(to: &str, request: &Request) -> bool {
    let page = to.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = match page.strip_prefix("https://") {
        None => (None, page.to_owned()),
        Some(rest) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(path::Host::read(host)), format!("/{path}"))
        }
    };
    let asked = path::Host::read(&request.host).map(|own| own.name);
    let own_host = host.is_none_or(|host| host.map(|host| host.name) == asked);
    own_host && path == request.split_path().0.split('#').next().unwrap_or_default()
}

/// 8.24 The `deny` that counts: the rule's, else its policy's; without a rule, at its hosts, that of the policy of the narrowest host.
pub(crate) fn of_documents(world: &World, request: &Request, rule: Option<&(String, String)>) -> Option<Value> {
    let policies = world.documents.of("Policy");
    if let Some((policy, name)) = rule {
        let policy = &policies.iter().find(|p| p.name == *policy)?.spec;
        let rules = policy.get("rules").and_then(Value::list).unwrap_or_default();
        let own = rules.iter().find(|r| r.text_of("name") == Some(name)).and_then(|r| r.get("deny"));
        return own.or(policy.get("deny")).cloned();
    }
    let host = path::Host::read(&request.host)?;
    let fitting = policies.iter().filter_map(|p| {
        let target = p.spec.get("target").filter(|t| rules::port_fits(t, request, false))?;
        let fit: HostFit = path::target_fits(target, &host, false)?;
        Some((fit, p.spec.get("deny")?))
    });
    fitting.rev().max_by_key(|(fit, _)| *fit).map(|(_, deny)| deny.clone())
}

/// 8.24 The denial of a request without a good form, which is at no policy's hosts.
pub fn refuse(request: &Request, reason: Reason) -> Judged<Decision> {
    deny(&World::default(), request, &Identity::default(), reason, None)
}

/// 8.25 The denial for a reason.
pub fn deny(world: &World, request: &Request, identity: &Identity, reason: Reason, rule: Option<(String, String)>) -> Judged<Decision> {
    let (default_status, word) = status(reason);
    let mut denial = Denial { status: default_status, word: word.to_owned(), ..Denial::default() };
    let spec = of_documents(world, request, rule.as_ref()).filter(|_| !matches!(default_status, 503 | 429));
    if default_status == 401 || word == "insufficient_scope" {
        denial.challenge = Some(challenge(world, identity, reason, rule.as_ref()));
    }
    // 8.26 A status of the document has its own word; a 401 then has a challenge that says nothing more, and another none.
    let mut own = false;
    if let Some(spec) = spec {
        if let Some(Value::Number(n)) = spec.get("status") {
            let chosen = n.as_whole().and_then(|n| u16::try_from(n).ok()).unwrap_or(default_status);
            own = chosen != default_status;
            if own {
                let (scheme, _) = challenge(world, identity, reason, rule.as_ref());
                (denial.status, denial.challenge) = (chosen, (chosen == 401).then_some((scheme, Vec::new())));
            }
        }
        let redirect = spec.get("redirect").and_then(|r| redirection(r, request, default_status));
        if let Some((status, _)) = redirect {
            (denial.status, denial.challenge) = (status, None);
        }
        if own {
            denial.word = phrase(denial.status)?.to_lowercase().replace([' ', '-'], "_");
        }
        let fill = |text: &str| text.replace("{decision.id}", DECISION_ID).replace("{decision.word}", &denial.word);
        denial.location = redirect.map(|(_, to)| fill(to));
        // 8.29 A cookie is cleared with a 401 or a redirect in its place, where its token is all that was refused.
        let name = spec.get("clearCookie").and_then(|c| c.text_of("name")).map(str::to_owned);
        let refused =
            !matches!(identity.peer, Some(Err(_))) && !identity.refused.is_empty() && identity.refused.iter().all(|r| r.cookie == name);
        denial.cleared = name.filter(|_| refused && default_status == 401 && (denial.status == 401 || denial.location.is_some()));
        denial.text = spec.get("body").and_then(|b| b.text_of("text")).map(fill);
        if let Some(Value::Map(members)) = spec.get("body").and_then(|b| b.get("json")) {
            let filled = |v: &Value| v.text().map_or_else(|| v.clone(), |t| Value::Text(fill(t)));
            denial.members = members.iter().map(|(n, v)| (n.clone(), filled(v))).collect();
        }
        denial.headers = members(&spec, "headers").into_iter().map(|(n, v)| (n.to_ascii_lowercase(), fill(&v))).collect();
    }
    // 8.30 By one line; of several it is not known which one counts.
    let grpc = |line: &[u8]| line == b"application/grpc" || line.starts_with(b"application/grpc+");
    if matches!(*request.lines("content-type"), [line] if grpc(line)) {
        // A caller of gRPC gets a status of gRPC: that of the reason, unless the document has a status of its own.
        denial.grpc = Some(match if own { denial.status } else { default_status } {
            401 => 16,
            404 | 410 => 5,
            409 => 10,
            400 => 3,
            429 => 8,
            503 => 14,
            _ => 7,
        });
    }
    Ok(Decision { reason: Some(reason), rule, denial: Some(denial), ..Decision::default() })
}

/// 8.31 What to bring (RFC 6750, RFC 9470, RFC 9449).
pub(crate) fn challenge(
    world: &World,
    identity: &Identity,
    reason: Reason,
    rule: Option<&(String, String)>,
) -> (String, Vec<(String, String)>) {
    let rules = rule.and_then(|(p, _)| world.documents.named("Policy", p)?.spec.get("rules")?.list());
    let found = rules.unwrap_or_default().iter().find(|r| rule.is_some_and(|(_, n)| r.text_of("name") == Some(n)));
    let wanted = found.and_then(|r| r.get("token")).map(|t| world.documents.whole("tokens", t)).unwrap_or(Value::Null);
    let issuers = wanted.one_or_more("issuer");
    // The closest rule asks for a key, and the token that came is bound to none.
    let wants_key = reason == "binding_unavailable" && wanted.text_of("binding") == Some("dpop");
    let without = identity.tokens.iter().any(|t| issuers.contains(&t.issuer) && t.binding != Binding::Dpop);
    // The caller uses it; or the issuer that its token names has `binding: dpop`, or any issuer where no token came.
    let has_floor = |i: &Document| i.spec.text_of("binding") == Some("dpop");
    let shown = &identity.shown;
    let by_issuer = match &shown.issuer {
        Some(name) => world.documents.named("TokenIssuer", name).is_some_and(has_floor),
        None => !shown.any && world.documents.of("TokenIssuer").iter().any(has_floor),
    };
    let dpop = (wants_key && without) || shown.dpop || by_issuer;
    let error = match reason {
        "dpop_invalid" => "invalid_dpop_proof",
        "token_replayed" if shown.faulty => "invalid_dpop_proof",
        "dpop_nonce" => "use_dpop_nonce",
        _ => status(reason).1,
    };
    let mut parameters = Vec::new();
    if reason != "token_missing" {
        parameters.push(("error".to_owned(), error.to_owned()));
    }
    if reason == "scope_missing" {
        // If `anyScope` fails, no list of scopes would help.
        let all = wanted.texts("scopes");
        let has_all = |t: &&Token| all.iter().all(|scope| has_scope(&wanted, &t.scopes(), scope));
        let scopes =
            if identity.tokens.iter().filter(|t| issuers.contains(&t.issuer)).any(|t| has_all(&t)) { String::new() } else { all.join(" ") };
        parameters.extend((!scopes.is_empty()).then(|| ("scope".to_owned(), scopes)));
    }
    if matches!(reason, "acr_insufficient" | "auth_too_old") {
        let acr = wanted.texts("acr").join(" ");
        parameters.extend((!acr.is_empty()).then(|| ("acr_values".to_owned(), acr)));
        parameters.extend(duration_of(&wanted, "maxAge").map(|ms| ("max_age".to_owned(), (ms / 1000).to_string())));
    }
    (if dpop || reason.starts_with("dpop_") { "DPoP" } else { "Bearer" }.to_owned(), parameters)
}
