//! Documents and settings: who issues certificates and tokens, what is revoked, what is trusted, and rules about all of it.

use serde_json::{Value, json};

use super::every_key;
use super::pool::PROXY;
use super::providers::{self, CLOUD};
use crate::random::{Members, Random};
use crate::world::trust::document;
use crate::world::{answers, identity};

/// The fragments that generated rules may use.
fn fragments() -> Value {
    crate::world::fragments()
}

/// `settings.listener`, as far as it counts.
pub fn settings(random: &mut Random) -> Value {
    let mut sources = Members::default();
    for (key, percent) in
        [("sourceCertificate", 60), ("xfcc", 85), ("xfccWithoutTls", 20), ("clientCert", 30), ("clientCertWithoutTls", 25)]
    {
        if random.percent(percent) {
            sources.set(key, true);
        }
    }
    if random.percent(35) {
        sources.set("principal", "uriSanRequired");
    }
    if random.percent(88) {
        sources.set("leastEvidence", random.pick(&["asserted", "asserted", "asserted", "hash", "hash", "leaf", "full"]));
    }
    if random.percent(15) {
        sources.set("identities", json!([PROXY]));
    }
    let mut settings = Members::default();
    settings.set("peerSources", Value::from(sources));
    match random.between(0, 9) {
        0 | 1 => {
            let own = json!({ "trustedHops": random.between(1, 2), "proxies": ["10.0.0.0/8"], "appendedByEnvoy": random.percent(50) });
            settings.set("clientAddress", json!({ "xForwardedFor": own }));
        }
        2 => settings.set("clientAddress", json!({ "xEnvoyExternalAddress": { "proxies": ["10.0.0.0/8"] } })),
        _ => {}
    }
    settings.into()
}

fn files(names: &[String], ending: &str) -> Value {
    names.iter().map(|name| json!({ "file": format!("{name}.{ending}") })).collect()
}

fn some(random: &mut Random, items: &[(&str, u32)]) -> Vec<String> {
    items.iter().filter(|(_, percent)| random.percent(*percent)).map(|(name, _)| (*name).to_owned()).collect()
}

/// The parts of a world that stay the same when its documents change.
pub struct Frame {
    /// True if there are credentials that are good for one request.
    pub once: bool,
    /// The list of each authority: of one authority there is one list, which does not go back.
    prod: &'static str,
    corp: &'static str,
    /// True if there is an issuer that shares a secret.
    hooks: bool,
    /// True if there is an issuer of many kinds.
    cloud: bool,
    /// True if there is a policy with every key.
    pub every_key: bool,
}

impl Frame {
    /// Chooses.
    pub fn of(random: &mut Random) -> Self {
        let cloud = random.percent(75);
        Self {
            once: random.percent(25),
            prod: random.pick(&["prod", "prod", "prod-empty"]),
            corp: random.pick(&["corp", "corp", "corp-stale", "corp-ahead"]),
            hooks: random.percent(40),
            cloud,
            every_key: cloud && random.percent(40),
        }
    }
}

impl Frame {
    /// For a server that stays: no credential is good for one request alone, and the lists of authorities are good for as long.
    pub const fn lasting() -> Self {
        Self { once: false, prod: "prod", corp: "corp", hooks: true, cloud: false, every_key: false }
    }
}

fn domains(random: &mut Random, lists: &Frame) -> Vec<Value> {
    let mut prod = Members::default();
    prod.set("spiffe", "prod.example");
    let mut authorities =
        some(random, &[("prod", 92), ("flat", 40), ("bound", 30), ("bound-uri", 20), ("brief", 40), ("twin", 6), ("strict", 35)]);
    // One that is not used is none.
    if authorities.iter().all(|name| name == "strict") {
        authorities.push("prod".to_owned());
    }
    prod.set("authorities", files(&authorities, "pem"));
    let with_prod = authorities.iter().any(|name| name == "prod");
    let between = some(random, &[("mid", 60), ("mid2", 20), ("flat-mid", 30), ("mid-late", 20), ("mid-brief", 20), ("mid-revoked", 15)]);
    if !between.is_empty() {
        prod.set("intermediates", files(&between, "pem"));
    }
    if random.percent(75) {
        prod.set("forwarders", json!([random.pick(&["spiffe://prod.example/ns/edge/sa/*", "spiffe://prod.example/ns/edge/sa/gate"])]));
    }
    if with_prod && random.percent(40) {
        let mid = between.iter().any(|name| name == "mid") && random.percent(60);
        let names = [Some(lists.prod.to_owned()), mid.then(|| "mid".to_owned())];
        prod.set("revocation", revocation(random, &names.into_iter().flatten().collect::<Vec<_>>()));
    }
    leaf(random, &mut prod);
    let mut documents = vec![document("TrustDomain", "prod", prod.into())];
    for (name, other) in [("partner", "other"), ("other", "partner")] {
        let mut spec = Members::default();
        let mut authorities = some(random, &[("corp", 90), ("bound", 35), ("brief", 10)]);
        if authorities.is_empty() {
            authorities.push("corp".to_owned());
        }
        spec.set("authorities", files(&authorities, "pem"));
        spec.set("sharedWith", json!([other]));
        if random.percent(40) {
            spec.set("intermediates", json!([{ "file": "corp-mid.pem" }]));
        }
        if authorities.iter().any(|name| name == "corp") && random.percent(35) {
            spec.set("revocation", revocation(random, &[lists.corp.to_owned()]));
        }
        leaf(random, &mut spec);
        documents.push(document("TrustDomain", name, spec.into()));
    }
    documents
}

fn revocation(random: &mut Random, lists: &[String]) -> Value {
    let mut spec = Members::default();
    spec.set("crls", files(lists, "crl"));
    if random.percent(60) {
        spec.set("depth", random.pick(&["chain", "chain", "chain", "chain", "leaf"]));
    }
    if random.percent(65) {
        spec.set("onMissing", random.pick(&["allow", "allow", "allow", "allow", "deny"]));
    }
    if random.percent(60) {
        spec.set("onStale", random.json(&[r#"{ "grace": "5m" }"#, r#"{ "grace": "1h" }"#, "\"deny\""]));
    }
    spec.into()
}

fn leaf(random: &mut Random, spec: &mut Members) {
    let mut leaf = Members::default();
    if random.percent(20) {
        leaf.set("maxLifetime", random.pick(&["3h", "25h", "2h59m59s"]));
    }
    if random.percent(20) {
        leaf.set("minRemaining", random.pick(&["10m", "30s"]));
    }
    if random.percent(15) {
        let pins = ["@spki:front@prod", "@spki:g@corp", "@sha256:front@prod", "@base64:front@prod", "@sha256:g@corp", "@spki:ops@prod"];
        let pins = random.some(&pins, 2);
        let pin = |name: &String| if name.starts_with("@spki") { json!({ "spki": name }) } else { json!({ "certificate": name }) };
        leaf.set("pins", pins.iter().map(pin).collect::<Vec<_>>());
    }
    if random.percent(20) {
        leaf.set("extendedKeyUsage", random.json(&[r#"{ "allowAbsent": true }"#, r#"{ "allowAny": true }"#]));
    }
    if !leaf.is_empty() {
        spec.set("leaf", Value::from(leaf));
    }
}

const BINDS: [&str; 4] = [
    r#"{ "claim": "client_id", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/web/sa/{c}" }"#,
    r#"{ "claim": "client_id", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/web/sa/{c}", "evidence": "asserted" }"#,
    r#"{ "claim": "sub", "form": "s:{ns}:{a}", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/{ns}/sa/{a}", "evidence": "leaf" }"#,
    r#"{ "claim": "client_id", "to": "peer.dns", "map": "{c}.p.example" }"#,
];

fn issuers(random: &mut Random, frame: &Frame) -> Vec<Value> {
    let mut corp = Members::default();
    corp.set("issuer", "https://login.example.com");
    corp.set("audiences", json!(["orders"]));
    corp.set("keys", json!({ "file": "corp.jwks" }));
    corp.set("algorithms", random.json(&[r#"["ES256"]"#, r#"["ES256", "EdDSA"]"#, r#"["ES256", "ES384", "EdDSA"]"#]));
    let tokens = [
        r#"[{ "authorization": {} }]"#,
        r#"[{ "authorization": {} }, { "header": "x-token" }]"#,
        r#"[{ "authorization": {} }, { "query": "access_token" }]"#,
        r#"[{ "authorization": {} }, { "cookie": "session" }]"#,
        r#"[{ "authorization": {} }, { "prefixed": { "header": "x-auth", "prefix": "Bearer" } }, { "header": "x-token" }]"#,
        r#"[{ "prefixed": { "header": "authorization", "prefix": "JWT" } }, { "webSocketProtocol": { "after": "access_token" } }]"#,
        r#"[{ "authorization": {} }, { "prefixed": { "header": "authorization", "prefix": "" } }, { "cookie": "session" }]"#,
        r#"[{ "authorization": {} }, { "webSocketProtocol": { "prefix": "b64.", "encoding": "base64url" } }]"#,
    ];
    if random.percent(45) {
        corp.set("tokens", random.json(&tokens));
    }
    for (key, percent, values) in [
        ("types", 15, &[r#"["at+jwt"]"#, r#"["JWT"]"#, r#"["at+jwt", "x"]"#][..]),
        ("kinds", 15, &[r#"["access", "id"]"#, r#"["id"]"#]),
        ("accessMarks", 10, &[r#"["at"]"#]),
        ("clockSkew", 30, &["\"0s\"", "\"10s\"", "\"1m\""]),
        ("maxLifetime", 20, &["\"1h\"", "\"10m\""]),
        ("maxAge", 15, &["\"10m\"", "\"1m\""]),
        ("withoutAudience", 10, &[r#"{ "clients": ["front", "back"] }"#]),
        ("requiredClaims", 10, &[r#"["/scope"]"#, r#"["/o/p"]"#]),
        // Every claim that rules name: a list changes no decision.
        (
            "claims",
            15,
            &[r#"{ "plan": "any", "level": "any", "groups": "any", "o": "any", "ok": "any", "a/b": "any", "uri": "any", "acr": "any" }"#],
        ),
        ("denyKids", 12, &[r#"["k1"]"#, r#"["k2", "k3"]"#]),
        ("bind", 20, &BINDS),
        ("binding", 15, &["\"certificate\"", "\"any\"", "\"none\""]),
        ("use", 5, &["\"many\""]),
    ] {
        if random.percent(percent) {
            corp.set(key, random.json(values));
        }
    }
    if frame.once {
        if random.percent(40) {
            corp.set("use", "once");
        }
        if random.percent(50) {
            corp.set("binding", random.pick(&["dpop", "dpop", "any"]));
        }
        if random.percent(50) {
            let dpop = [
                r#"{ "maxAge": "30s" }"#,
                r#"{ "origins": ["https://shop.example.com/api"] }"#,
                r#"{ "algorithms": ["ES256"] }"#,
                r#"{ "algorithms": ["EdDSA"], "maxAge": "10s" }"#,
            ];
            corp.set("dpop", random.json(&dpop));
        }
    }
    let mut all = vec![document("TokenIssuer", "corp", corp.into())];
    all.push(document(
        "TokenIssuer",
        "sessions",
        json!({ "issuer": "https://account.example.com", "audiences": ["desk", "orders"], "keys": { "file": "sessions.jwks" }, "algorithms": ["ES256"],
            "tokens": [{ "cookie": "session" }] }),
    ));
    all.push(document(
        "TokenIssuer",
        "mesh",
        json!({ "profile": "jwtSvid", "issuer": "spiffe://prod.example", "audiences": ["orders"], "keys": { "file": "mesh.jwks" },
            "algorithms": ["ES256"], "tokens": [{ "header": "x-svid" }] }),
    ));
    if frame.cloud {
        all.push(providers::issuer(random, frame.once));
    }
    if frame.hooks {
        let secrets = random.json(&[r#"[{ "file": "shared.secret" }]"#, r#"[{ "file": "shared.secret", "keyId": "s1" }]"#]);
        all.push(document(
            "TokenIssuer",
            "hooks",
            json!({ "issuer": "https://hooks.example.com", "audiences": ["orders"], "keys": { "secrets": secrets }, "algorithms": ["HS256"],
                "tokens": [{ "header": "x-hook" }] }),
        ));
    }
    all
}

/// Entries of the list.
pub const ENTRIES: [&str; 24] = [
    r#"{ "jti": "j1", "issuer": "https://login.example.com" }"#,
    r#"{ "jti": "j1", "issuer": "https://account.example.com" }"#,
    r#"{ "sub": "alice", "issuer": "https://login.example.com", "issuedBefore": "@time:-60" }"#,
    r#"{ "sub": "bob", "issuer": "https://login.example.com" }"#,
    r#"{ "sid": "s1", "issuer": "https://login.example.com" }"#,
    r#"{ "client": "front", "issuer": "https://login.example.com", "expires": "@time:0" }"#,
    r#"{ "client": "back", "issuer": "https://login.example.com" }"#,
    r#"{ "kid": "k2", "issuer": "https://login.example.com" }"#,
    r#"{ "issuer": "https://account.example.com", "issuedBefore": "@time:0" }"#,
    r#"{ "jti": "j1", "issuer": "https://cloud.example.com/acme/v2" }"#,
    r#"{ "sub": "alice", "issuer": "https://cloud.example.com/{tenant}/v2" }"#,
    r#"{ "kid": "m1", "issuer": "https://cloud.example.com/acme/v2" }"#,
    r#"{ "client": "front", "issuer": "https://cloud.example.com/eu-1/v2" }"#,
    r#"{ "spiffe": "spiffe://prod.example/ns/web/sa/front", "issuedBefore": "@time:-3600" }"#,
    r#"{ "spiffe": "spiffe://prod.example/ns/web/sa/front", "issuedBefore": "@time:-3599" }"#,
    r#"{ "spiffe": "spiffe://prod.example/ns/ops/sa/alice" }"#,
    r#"{ "spiffe": "spiffe://prod.example/ns/edge/sa/gate", "expires": "@time:30" }"#,
    r#"{ "certificate": "@sha256:front@prod" }"#,
    r#"{ "certificate": "@sha256:mid" }"#,
    r#"{ "spki": "@spki:ops@prod" }"#,
    r#"{ "spki": "@base64-spki:g@corp", "issuedBefore": "@time:-3599" }"#,
    r#"{ "serial": "0B:AD", "certificateIssuer": "CN=Prod CA" }"#,
    r#"{ "serial": "0xbad", "certificateIssuer": "cn = corp  ca" }"#,
    r#"{ "spki": "@spki:prod" }"#,
];

fn revocations(random: &mut Random) -> Value {
    let entries = random.some(&ENTRIES, 3);
    let read = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
    document("RevocationList", "list", json!({ "entries": entries.iter().map(read).collect::<Vec<_>>() }))
}

fn rule(random: &mut Random, number: usize, issuers: &[&str]) -> Value {
    let deny = random.percent(15);
    let mut rule = Members::default();
    rule.set("name", format!("r{number}"));
    rule.set("effect", if deny { "deny" } else { "allow" });
    let (mut peer, mut token) = (random.percent(60), random.percent(50) && !issuers.is_empty());
    if deny && !peer && !token {
        (peer, token) = (issuers.is_empty(), !issuers.is_empty());
    }
    if peer {
        rule.set("peer", if random.percent(45) { json!({ "any": true }) } else { identity::peer(random, deny) });
    }
    if token {
        let mut plain = json!({ "issuer": random.pick(issuers) });
        for (key, value) in [("acr", json!(["phr"])), ("maxAge", json!("5m")), ("scopes", json!(["write"]))] {
            if !deny && random.percent(20) {
                plain[key] = value;
            }
        }
        rule.set("token", if random.percent(50) { plain } else { every_key::without_signals(identity::token(random, deny, issuers)) });
    }
    if !peer && !token {
        rule.set("public", true);
    }
    if random.percent(15) {
        rule.set("on", json!({ "paths": [random.pick(&["/a", "/**"])] }));
    }
    if random.percent(12) {
        rule.set("source", json!(["10.0.0.0/8"]));
    }
    if !deny {
        inject(random, &mut rule, peer, token);
        if random.percent(12) {
            rule.set("rejectedCookies", if random.percent(85) { "ignored" } else { "refused" });
        }
    }
    if random.percent(15) {
        rule.set("deny", answers::deny(random));
    }
    rule.into()
}

fn inject(random: &mut Random, rule: &mut Members, peer: bool, token: bool) {
    let mut values = vec!["{decision.rule}", "{request.host}"];
    if peer {
        values.extend(["{peer.spiffe}", "{peer.trustDomain}", "{peer.dns}", "{peer.ips}"]);
    }
    if token {
        values.extend(["{token.sub}", "{token.client}", "{token.iss}", "{token.claims./o/p}", "{token.jti}", "{token.tenant}"]);
    }
    if random.percent(50) {
        let mut headers = Members::default();
        random.some(&["x-user", "x-tag"], 2).iter().for_each(|name| headers.set(name, random.pick(&values)));
        let mut inject = Members::default();
        inject.set("headers", Value::from(headers));
        if random.percent(30) {
            inject.set("metadata", json!({ "who": random.pick(&values) }));
        }
        rule.set("inject", Value::from(inject));
    }
    if random.percent(25) {
        let mut remove = Members::default();
        if token {
            remove.set("token", true);
        }
        if !token || random.percent(40) {
            remove.set("headers", json!([random.pick(&["x-debug", "cookie", "x-forwarded-client-cert"])]));
        }
        rule.set("remove", Value::from(remove));
    }
}

fn policies(random: &mut Random, frame: &Frame) -> Vec<Value> {
    let mut issuers = vec!["corp", "corp", "sessions", "mesh"];
    issuers.extend(frame.hooks.then_some("hooks"));
    issuers.extend([CLOUD, CLOUD].into_iter().filter(|_| frame.cloud));
    let mut all = Vec::new();
    for (name, hosts) in [("p0", r#"["a.example.com"]"#), ("p1", r#"["b.example.com"]"#)] {
        let mut target = Members::default();
        target.set("hosts", random.json(&[hosts]));
        let mut counting = &issuers[..];
        if name == "p1" {
            counting = random.pick(&[&["corp"][..], &["corp", "sessions"], &[], &[CLOUD]]);
            if !frame.cloud && counting == [CLOUD] {
                counting = &[];
            }
            let mut tokens = Members::default();
            tokens.set("others", "ignored");
            if !counting.is_empty() {
                tokens.set("issuers", json!(counting));
            }
            target.set("tokens", Value::from(tokens));
        }
        let rules = (0..random.between(1, 4)).map(|number| rule(random, number, counting)).collect::<Vec<_>>();
        all.push(document("Policy", name, json!({ "target": Value::from(target), "rules": rules })));
    }
    if frame.every_key {
        all.push(every_key::policy(random));
    }
    all
}

/// The documents.
pub fn documents(random: &mut Random, frame: &Frame) -> Vec<Value> {
    let mut all = vec![fragments()];
    all.extend(domains(random, frame));
    all.extend(issuers(random, frame));
    if random.percent(45) {
        all.push(revocations(random));
    }
    all.extend(policies(random, frame));
    all
}

/// The same documents, some of them changed, and a list of revocations that came or went.
pub fn changed(random: &mut Random, frame: &Frame, before: &[Value]) -> Vec<Value> {
    let others = documents(random, frame);
    let is = |one: &Value, other: &Value| one["kind"] == other["kind"] && one["metadata"]["name"] == other["metadata"]["name"];
    let mut after: Vec<Value> = Vec::new();
    for own in before {
        let other = others.iter().find(|other| is(own, other));
        after.push(other.filter(|_| random.percent(35)).unwrap_or(own).clone());
    }
    match before.iter().position(|own| own["kind"] == "RevocationList") {
        Some(at) if random.percent(20) => drop(after.remove(at)),
        None if random.percent(40) => after.push(revocations(random)),
        _ => {}
    }
    after
}
