//! A judge that knows nothing of countersign: says of what an upstream received whether the policy of the test lets it through,
//! in the most generous reading that some server, framework or gateway has of it.

use crate::testbed::upstream::Received;

use super::generate::SPOOFED;

/// Headers that act on another request line than the one that is there.
const OVERRIDES: [&str; 18] = [
    "forwarded",
    "path-info",
    "script-name",
    "x-envoy-auth-failure-mode-allowed",
    "x-envoy-original-path",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-script-name",
];

/// The parts of a request that Envoy shows countersign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Every,
    /// Of headers `x-tenant` alone, so that no rule can be about the others.
    TenantAlone,
}

/// Why this must not have reached the upstream; nothing where it may have.
pub(super) fn objections(got: &Received, known: bool, shown: Shown) -> Vec<String> {
    let mut why = Vec::new();
    let mut object = |is: bool, what: &str| why.extend(is.then(|| what.to_owned()));
    let (path, query) = got.path.split_once('?').unwrap_or((&got.path, ""));
    let segments = segments(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let host = host(got);

    let about = (host.as_str(), got.method.as_str(), segments.as_slice());
    let allowed = match about {
        ("orders.example.com", "GET", ["open"]) | ("admin.example.com", "GET", ["only-admin"]) => {
            true
        }
        ("orders.example.com", "GET", ["users", _]) => {
            // Other spellings, which a check may not show, do not go upstream.
            let tenants = values(got, "x-tenant");
            !tenants.is_empty() && tenants.iter().all(|own| own == "acme")
        }
        ("orders.example.com", "POST", ["users", _]) => known,
        _ => false,
    };
    object(!allowed, "no allow rule is about it");
    if shown == Shown::Every {
        object(values(got, "x-debug").contains(&"1".to_owned()), "x-debug is 1");
        object(values(got, "x-stage").contains(&"off".to_owned()), "x-stage is off");
    }
    let debug = parameters(query, "debug");
    object(debug.iter().any(|(_, value)| value == "1"), "debug is 1");
    object(!parameters(query, "_method").is_empty(), "the query overrides the method");
    for name in OVERRIDES {
        object(!lines(got, name).is_empty(), &format!("{name} overrides the request"));
    }

    let users = matches!(about, (_, "GET", ["users", _]));
    let expected = if users { segments.get(1).copied() } else { None };
    object(!is_exactly(&lines(got, "x-user"), "x-user", expected), "x-user is not ours");
    let writes = matches!(about, (_, "POST", ["users", _]));
    let peer = writes.then_some("spiffe://prod.example/ns/web/sa/frontend");
    object(!is_exactly(&lines(got, "x-peer-name"), "x-peer-name", peer), "x-peer-name is not ours");
    let xfcc = lines(got, "x-forwarded-client-cert");
    object(xfcc.iter().any(|(name, _)| name != "x-forwarded-client-cert"), "a copy of XFCC");
    let tenant = parameters(query, "tenant");
    let own = [("tenant".to_owned(), hex("spiffe://prod.example/ns/web/sa/frontend"))];
    object(tenant != if writes { &own[..] } else { &[] }, "the parameter tenant is not ours");
    let spoofed = got.headers.iter().any(|(_, value)| value.contains(SPOOFED));
    object(spoofed || got.path.contains(SPOOFED), "something spoofed is left");
    why
}

fn host(got: &Received) -> String {
    let hosts: Vec<&str> = got.values("host").collect();
    let [host] = hosts.as_slice() else { return format!("{hosts:?}") };
    let name = host.rsplit_once(':').map_or(*host, |(name, _)| name);
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// As the laxest reader sees them: decoded as often as it can be, split at everything that splits, parameters cut, dots
/// resolved.
fn segments(path: &str) -> Vec<String> {
    let whole = decode(path);
    let mut segments: Vec<String> = Vec::new();
    for part in whole.split(['/', '\\', '#', '?']) {
        match part.split(';').next().unwrap() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            part => segments.push(part.to_owned()),
        }
    }
    segments
}

fn decode(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text {
            return text;
        }
        text = next;
    }
}

/// The lines of a header to a reader that puts `_` in the place of all that is no letter or digit.
fn lines(got: &Received, name: &str) -> Vec<(String, String)> {
    let fold = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    got.headers.iter().filter(|(own, _)| fold(own) == fold(name)).cloned().collect()
}

fn values(got: &Received, name: &str) -> Vec<String> {
    let lines = lines(got, name);
    let all = lines.iter().flat_map(|(_, line)| line.split(','));
    all.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

fn parameters(query: &str, name: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = decode(&own.replace('+', " "));
        let plain = plain.split('\0').next().unwrap().trim();
        let plain = plain.strip_prefix('[').unwrap_or(plain);
        let plain = plain.split(['[', ']']).next().unwrap().trim().to_ascii_lowercase();
        (plain == name).then(|| (own.to_owned(), decode(value)))
    };
    query.split(['&', ';']).filter_map(pair).collect()
}

fn is_exactly(lines: &[(String, String)], name: &str, expected: Option<&str>) -> bool {
    match (lines, expected) {
        ([], None) => true,
        ([(own, value)], Some(expected)) => own == name && value == expected,
        _ => false,
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
