//! Requests: a caller and the proxies on the way, as they should be, or wrong in one or two ways; and what else they carry.

use serde_json::{Value, json};

use super::credentials::{proven, tokens};
use super::every_key;
use super::pool::{self, PROXY, now};
use crate::random::{Members, Random};

/// The details of a certificate that Envoy may be set to write.
const DETAILS: [&[&str]; 9] = [
    &["Hash"],
    &["Hash", "URI"],
    &["Hash", "Subject", "URI"],
    &["Hash", "Cert", "URI"],
    &["Hash", "Cert", "Chain", "Subject", "URI", "DNS"],
    &["Hash", "Chain", "URI", "DNS"],
    &["Hash", "Subject", "URI", "DNS"],
    &["URI"],
    &["Hash", "Cert", "Chain", "DNS"],
];

/// Changes to a header that is otherwise as Envoy writes it.
const EDITS: [(&str, &str); 24] = [
    ("Hash=", "hash="),
    ("By=", "BY="),
    ("URI=", "uri="),
    (";URI=", ";;URI="),
    (";Hash=", ";X=1;Hash="),
    ("Hash=", "Hash=0"),
    ("\"", ""),
    ("By=spiffe", "By=\"spiffe"),
    (",", ", "),
    (",", ",,"),
    ("URI=spiffe", "URI= spiffe"),
    ("URI=", "URI=-"),
    ("Hash=", "Foo=\"a,b\";Hash="),
    ("%20", "+"),
    ("CERTIFICATE", "CERT"),
    ("URI=spiffe://prod", "URI=spiffe://else"),
    ("Subject=\"CN", "Subject=\"OU"),
    ("DNS=", "DNS=x."),
    ("By=spiffe://prod.example/ns/orders", "By=spiffe://prod.example/ns/x"),
    ("{\"by\":[", "{\"extra\":1,\"by\":["),
    ("\"uri\":[", "\"uri\":[\"\","),
    ("\"hash\":\"", "\"hash\":\"z"),
    ("}]", "},{}]"),
    ("[{", "[[{"),
];

/// A certificate: mostly a good one.
fn certificate(random: &mut Random, who: &[&str]) -> String {
    let who = random.pick(who);
    let spiffe = [
        "prod",
        "prod",
        "prod",
        "prod",
        "prod",
        "prod",
        "prod",
        "mid",
        "mid",
        "mid2",
        "flat",
        "flat-mid",
        "brief",
        "mid-late",
        "mid-brief",
    ];
    let rare = random.percent(14);
    let strange =
        ["twin", "strict", "strict", "brief", "flat-mid", "bound", "bound-uri", "mid-eku", "mid-noca", "mid-nosign", "mid-revoked", "corp"];
    let plain = ["corp", "corp", "corp", "corp-mid", "bound", "brief"];
    let issuer = match (who, rare) {
        (_, true) => random.pick(&strange),
        ("g" | "h" | "bare" | "evil", _) => random.pick(&plain),
        _ => random.pick(&spiffe),
    };
    let mut name = format!("{who}@{issuer}");
    let faults = match random.between(0, 99) {
        0..72 => 0,
        72..93 => 1,
        _ => 2,
    };
    let mut odd = random.some(&pool::ODD, 2);
    odd.truncate(faults);
    odd.iter().for_each(|odd| name.push_str(&format!("+{odd}")));
    name
}

/// The intermediates between a certificate and its authority.
fn chain(random: &mut Random, name: &str) -> Value {
    let issuer = name.split('+').next().and_then(|name| name.split('@').nth(1)).unwrap_or_default();
    let mut chain: Vec<&str> = Vec::new();
    let mut next = issuer;
    while let Some(above) = pool::issuer_of(next) {
        chain.push(next);
        next = above;
    }
    match random.between(0, 19) {
        0 => chain.clear(),
        1 => chain.push(next),
        2 => chain.insert(0, random.pick(&["mid", "twin", "corp", "mid-late"])),
        3 => chain.reverse(),
        _ => {}
    }
    json!(chain)
}

/// An element about a certificate, written by a proxy with these URI names.
fn element(random: &mut Random, of: &str, by: &[&str]) -> Value {
    let details = random.pick(&DETAILS);
    let mut element = Members::default();
    element.set("of", of);
    if !by.is_empty() {
        element.set("by", json!(by));
    }
    element.set("details", json!(details));
    if details.contains(&"Chain") {
        element.set("chain", chain(random, of));
    }
    if random.percent(18) {
        let another = certificate(random, &pool::WHO);
        let key = random.pick(details);
        element.set("say", json!({ key: another }));
    }
    if let Some(own) = pool::certificate(of).filter(|_| random.percent(6)) {
        let (key, mut names) = if random.percent(50) { ("URI", own.uris.clone()) } else { ("DNS", own.dns.clone()) };
        match random.between(0, 3) {
            0 => drop(names.pop()),
            1 => names.reverse(),
            2 => names = names.last().cloned().into_iter().collect(),
            _ => names.push("x.p.example".to_owned()),
        }
        element.set("names", json!({ key: names }));
    }
    element.into()
}

/// An element that a caller writes by itself: a lie.
fn forged(random: &mut Random) -> Value {
    let of = certificate(random, &["front", "ops", "gate", "g"]);
    let by = random.pick(&[&[][..], &[PROXY], &["spiffe://prod.example/ns/edge/sa/gate"], &["spiffe://else.example/x"]]);
    element(random, &of, by)
}

/// The name that Envoy has for a certificate: its first URI, else a DNS name, else the subject.
fn principal(name: &str) -> String {
    let Some(own) = pool::certificate(name) else { return String::new() };
    own.uris.first().or(own.dns.first()).unwrap_or(&own.subject).clone()
}

fn uris(name: &str) -> Vec<String> {
    pool::certificate(name).map(|own| own.uris.clone()).unwrap_or_default()
}

/// The peer's part of a request, for a server that trusts these sources; the caller's certificate.
fn peer(random: &mut Random, ask: &mut Members, trusted: &Value) -> String {
    let (by_header, without_tls) = (trusted["clientCert"] == true, trusted["xfccWithoutTls"] == true);
    let caller = certificate(random, &["front", "front", "front", "ops", "ops", "gate", "abroad", "g", "g", "h", "bare", "evil", "self"]);
    let own: &[&str] = if random.percent(84) { &[PROXY] } else { &[] };
    if !own.is_empty() {
        ask.set("destination", PROXY);
    } else if random.percent(30) {
        ask.set("destination", random.pick(&["orders.p.example", "CN=orders"]));
    }
    let gates = match random.between(0, 9) {
        0..=5 => Vec::new(),
        6..=8 => vec![certificate(random, &["gate"])],
        _ => vec![certificate(random, &["gate2"]), certificate(random, &["gate"])],
    };
    // Who the proxy sees: the caller, or the last gate.
    let nearest = gates.last().unwrap_or(&caller).clone();
    let mut source = Members::default();
    source.set("address", random.pick(&["10.0.0.8", "11.0.0.1", "127.0.0.1", "2001:db8::5"]));
    // A load balancer on a trusted network ends the caller's TLS, or a gate does.
    let told = by_header && random.percent(45);
    let tls = if told && gates.is_empty() { random.percent(15) } else { random.percent(if without_tls { 55 } else { 88 }) };
    if tls {
        let name = if random.percent(4) { principal(&certificate(random, &pool::WHO)) } else { principal(&nearest) };
        if random.percent(97) {
            source.set("principal", name);
        }
        if random.percent(75) {
            source.set("certificate", nearest.clone());
        }
        if random.percent(2) {
            source.set("certificate", json!({ "before": random.pick(&BEFORE), "of": nearest }));
        }
        if random.percent(2) {
            source.set("certificate", json!({ "text": random.pick(&["x", "%zz", "-----BEGIN%20CERTIFICATE-----"]) }));
        }
    }
    ask.set("source", Value::from(source));
    if !told || random.percent(if gates.is_empty() { 20 } else { 50 }) {
        xfcc(random, ask, &caller, &gates, own);
    } else if let Some((last, before)) = gates.split_last().filter(|_| random.percent(60)) {
        xfcc(random, ask, last, before, own);
    }
    if told || random.percent(8) {
        let leaf = if random.percent(75) { caller.clone() } else { certificate(random, &["gate", "front", "ops", "g"]) };
        let mut own = Members::default();
        own.set("leaf", leaf.clone());
        if random.percent(50) {
            own.set("chain", chain(random, &leaf));
        }
        if random.percent(8) {
            own.set("text", random.pick(&[":AAAA:", "x", ""]));
        }
        ask.set("clientCert", Value::from(own));
    }
    caller
}

/// The header as the proxies on the way write it, by their forward modes.
fn xfcc(random: &mut Random, ask: &mut Members, caller: &str, gates: &[String], own: &[&str]) {
    let mut elements = Vec::new();
    if random.percent(15) {
        elements.extend((0..random.between(1, 2)).map(|_| forged(random)));
    }
    let mut seen = caller;
    for gate in gates {
        let by = uris(gate);
        let by: Vec<&str> = by.iter().map(String::as_str).filter(|_| !random.percent(8)).collect();
        elements.push(element(random, seen, &by));
        seen = gate;
    }
    match random.between(0, 19) {
        // No header; the one that came; or what the proxy adds.
        0..=3 => return,
        4 => {}
        5..=9 if gates.is_empty() => elements = vec![element(random, seen, own)],
        _ => elements.push(element(random, seen, own)),
    }
    if elements.is_empty() {
        return;
    }
    let mut line = Members::default();
    if random.percent(30) {
        line.set("json", true);
    }
    line.set("elements", elements);
    if random.percent(10) {
        let edits: Vec<Value> = (0..random.between(1, 2)).map(|_| random.pick(&EDITS)).map(|(from, to)| json!([from, to])).collect();
        line.set("edit", edits);
    }
    let line = Value::from(line);
    match random.between(0, 59) {
        0 => ask.set("xfcc", json!([line, { "text": "URI=spiffe://prod.example/ns/web/sa/front" }])),
        1 => ask.set("xfcc", json!([{ "text": random.pick(&["", " ", "[]", "x", "URI=spiffe://prod.example/ns/web/sa/front", "[{\"uri\":[\"spiffe://prod.example/ns/ops/sa/alice\"]}]"]) }])),
        _ => ask.set("xfcc", json!([line])),
    }
}

/// Texts before a certificate that are none.
const BEFORE: [&str; 3] = ["x\n", "-----BEGIN CERTIFICATE-----\nMIIB\n", "-----BEGIN X-----\nAAAA\n-----END X-----\n"];

/// Moments at which something begins or ends, and what stands between them and the edge.
const MOMENTS: [i64; 14] = [0, -3600, 7200, 600, 1800, 900, 300, 1, -1, -10, 60, -600, 30, -60];
const DISTANCES: [i64; 12] = [0, 0, 0, 10, -10, 30, -30, 60, -60, 600, -600, 300];

/// A moment: when everything is good, or at an edge.
fn moment(random: &mut Random) -> i64 {
    if random.percent(40) {
        return now();
    }
    now() + random.pick(&MOMENTS) + random.pick(&DISTANCES) + random.pick(&[-1, 0, 1])
}

/// The same request at several moments.
pub fn asks(random: &mut Random, number: usize, once: bool, settings: &Value, documents: &[Value]) -> Vec<Value> {
    let mut ask = Members::default();
    if random.percent(30) {
        ask.set("host", "b.example.com");
    }
    if random.percent(12) {
        ask.set("path", "/a");
    }
    if random.percent(35) {
        ask.set("map", true);
    }
    let caller = random.percent(90).then(|| peer(random, &mut ask, &settings["peerSources"]));
    headers(random, &mut ask);
    if documents.iter().any(|own| own["metadata"]["name"] == every_key::NAME) && random.percent(60) {
        every_key::request(random, &mut ask, documents);
    }
    let at = if random.percent(60) { now() } else { moment(random) };
    if once && random.percent(60) {
        proven(random, &mut ask, number, at);
    } else {
        tokens(random, &mut ask, caller.as_deref());
    }
    let ask = Value::from(ask);
    let mut moments = vec![at];
    moments.extend((0..3).map(|_| moment(random)));
    moments
        .into_iter()
        .map(|at| {
            let mut one = ask.clone();
            one["at"] = json!(at);
            one
        })
        .collect()
}

fn headers(random: &mut Random, ask: &mut Members) {
    let mut headers = Vec::new();
    for (percent, name, values) in [
        (10, "x-user", &["root"][..]),
        (6, "X_User", &["root"]),
        (6, "x-debug", &["1"]),
        (25, "x-forwarded-for", &["10.0.0.8", "203.0.113.7, 10.0.0.8", "203.0.113.7, 10.0.0.9, 10.0.0.8", "x, 10.0.0.8", "203.0.113.7"]),
        (12, "x-envoy-external-address", &["203.0.113.7", "10.1.1.1", "x"]),
        (5, "x-original-url", &["/admin"]),
    ] {
        if random.percent(percent) {
            headers.push(json!([name, random.pick(values)]));
        }
    }
    if !headers.is_empty() {
        ask.set("headers", headers);
    }
}
