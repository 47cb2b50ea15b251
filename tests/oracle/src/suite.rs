//! Section 9: suites. Their cases state who the caller is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::documents::moment;
use crate::peer::Peer;
use crate::token::{Binding, Place, Refused, Shown, Token, counting};
use crate::value::Value;
use crate::{ClientAddress, Decision, Evidence, Identity, Judged, Reason, Request, World, decide_as, outside};

/// A reason by its code.
pub fn reason(name: &str) -> Reason {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = known.get(name) {
        return known;
    }
    let new: &'static str = Box::leak(name.to_owned().into_boxed_str());
    known.insert(new);
    new
}

fn names(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Map(members) => members.iter().map(|(n, v)| (n.clone(), v.text().unwrap_or_default().to_owned())).collect(),
        _ => BTreeMap::new(),
    }
}

fn address(text: &str) -> (String, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host.trim_matches(['[', ']']).to_owned(), port.parse().ok()),
        _ => (text.to_owned(), None),
    }
}

/// 9.1 A request of a case.
pub fn request(value: &Value) -> Request {
    let text = |name: &str, default: &str| value.text_of(name).unwrap_or(default).to_owned();
    let headers = names(value.get("headers").unwrap_or(&Value::Null));
    Request {
        method: text("method", "GET"),
        host: text("host", ""),
        path: text("path", "/"),
        scheme: text("scheme", "https"),
        headers: headers.into_iter().map(|(n, v)| (n, v.into_bytes())).collect(),
        source: value.text_of("source").map(|s| address(s).0),
        destination: value.text_of("destination").map(address),
        sni: value.text_of("sni").map(str::to_owned),
        context: names(value.get("contextExtensions").unwrap_or(&Value::Null)),
        ..Request::default()
    }
}

/// 9.2 A peer of a suite; or why it was refused.
pub fn peer(value: &Value) -> Result<Peer, Reason> {
    if let Some(why) = value.text_of("rejected") {
        return Err(reason(why));
    }
    let mut domains: Vec<String> = value.text_of("trustDomain").map(str::to_owned).into_iter().collect();
    domains.extend(value.texts("otherTrustDomains"));
    Ok(Peer {
        source: "suite",
        spiffe: value.text_of("spiffe").map(str::to_owned),
        domains,
        in_doubt: Vec::new(),
        evidence: value.text_of("evidence").and_then(Evidence::named).unwrap_or(Evidence::Full),
        dns: value.texts("dns").iter().map(|name| name.to_ascii_lowercase()).collect(),
        // 5.1 Its SPIFFE ID is one of its URIs.
        uris: value.text_of("spiffe").map(str::to_owned).into_iter().chain(value.texts("uris")).collect(),
        emails: value.texts("emails"),
        ips: value.texts("ips"),
        subject: value.text_of("subject").map(str::to_owned),
        sha256: None,
        path: Vec::new(),
    })
}

/// 9.3 Adds a token of a suite to what is known of the caller.
pub fn token(world: &World, request: &Request, value: &Value, identity: &mut Identity) {
    let counting = counting(world, request);
    let issuer = value.text_of("issuer").unwrap_or_default().to_owned();
    if value.is_true("foreign") {
        match counting {
            Some(_) => identity.ignored.push("issuer_unknown"),
            None => identity.refused.push(Refused { reason: "issuer_unknown", cookie: None, issuers: Vec::new() }),
        }
    } else if !issuer.is_empty() && counting.is_some_and(|c| !c.contains(&issuer)) {
        identity.ignored.push("issuer_unknown");
    } else if let Some(why) = value.text_of("rejected") {
        let cookie = value.text_of("cookie").map(str::to_owned);
        identity.refused.push(Refused { reason: reason(why), cookie, issuers: vec![issuer] });
    } else {
        let document = world.documents.named("TokenIssuer", &issuer);
        let binding = match value.text_of("binding") {
            Some("certificate") => Binding::Certificate,
            Some("dpop") => Binding::Dpop,
            _ => Binding::None,
        };
        let mut claims = value.get("claims").cloned().unwrap_or(Value::Map(Vec::new()));
        let iss = document
            .filter(|d| d.spec.text_of("profile") != Some("jwtSvid"))
            .filter(|d| d.spec.get("tenants").is_none())
            .and_then(|d| d.spec.text_of("issuer"));
        if let (Value::Map(members), Some(iss)) = (&mut claims, iss)
            && !members.iter().any(|(name, _)| name == "iss")
        {
            members.push(("iss".to_owned(), Value::of(iss)));
        }
        identity.tokens.push(Token {
            client_claim: document.and_then(|d| d.spec.text_of("clientClaim")).map(str::to_owned),
            iss: claims.text_of("iss").unwrap_or_default().to_owned(),
            issuer,
            claims,
            binding,
            place: Place::Authorization,
            copies: Vec::new(),
            once: Vec::new(),
            // 9.14
            raised: value.texts("signals"),
            in_doubt: value.texts("unknownSignals"),
        });
    }
}

/// One combination of a case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the suite.
    pub suite: String,
    /// The name of the case.
    pub name: String,
    /// Which combination it is: method, path, peer and token.
    pub variant: String,
    /// The expected answer.
    pub expect: Value,
    /// The world at its moment, with its client.
    pub world: World,
    /// The request.
    pub request: Request,
    /// The caller.
    pub identity: Identity,
}

impl Case {
    /// The decision.
    pub fn decide(&self) -> Judged<Decision> {
        decide_as(&self.world, &self.request, &self.identity)
    }
}

/// 9.4 Every case of every suite, in every combination.
pub fn each(world: &World, mut visit: impl FnMut(&Case)) -> Judged<()> {
    for suite in world.documents.of("PolicySuite") {
        let mut world = world.clone();
        let now = suite.spec.text_of("now").unwrap_or("2026-01-01T00:00:00Z");
        world.now = moment(now).ok_or_else(|| outside(format!("the moment {now}")))?;
        let mut case = Case {
            suite: suite.name.clone(),
            name: String::new(),
            variant: String::new(),
            expect: Value::Null,
            world,
            request: Request::default(),
            identity: Identity::default(),
        };
        for spec in suite.spec.get("cases").and_then(Value::list).unwrap_or_default() {
            case.name = spec.text_of("name").unwrap_or_default().to_owned();
            case.expect = spec.get("expect").cloned().unwrap_or(Value::Null);
            combinations(&suite.spec, spec, &mut case, &mut visit);
        }
    }
    Ok(())
}

fn combinations(suite: &Value, spec: &Value, case: &mut Case, visit: &mut impl FnMut(&Case)) {
    let several = |one: &str, many: &str| -> Vec<String> {
        let listed = spec.texts(many);
        if listed.is_empty() { vec![spec.text_of(one).unwrap_or("none").to_owned()] } else { listed }
    };
    let named = |kind: &str, name: &str| suite.get(kind).and_then(|k| k.get(name));
    let requests = spec.get("requests").and_then(Value::list).map(<[_]>::to_vec);
    for asked in requests.unwrap_or_else(|| spec.get("request").cloned().into_iter().collect()) {
        case.request = request(&asked);
        case.world.client_address = match asked.text_of("client") {
            Some(client) => ClientAddress::Said(Some(client.to_owned())),
            None => ClientAddress::Connection,
        };
        for peer_name in several("peer", "peers") {
            for token_name in several("token", "tokens") {
                // 9.11 How tokens were shown is not said, and makes no scheme.
                let shown = Shown { any: true, ..Shown::default() };
                case.identity = Identity { peer: named("peers", &peer_name).map(peer), shown, ..Identity::default() };
                if let Some(value) = named("tokens", &token_name) {
                    token(&case.world, &case.request, value, &mut case.identity);
                }
                case.variant = format!("{} {}, peer {peer_name}, token {token_name}", case.request.method, case.request.path);
                visit(case);
            }
        }
    }
}
