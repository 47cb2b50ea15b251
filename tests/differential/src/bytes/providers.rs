//! An issuer of many kinds: profiles of identity providers, tenants, several sources of keys; and its tokens.

use serde_json::{Value, json};

use super::pool::now;
use crate::random::{Members, Random};
use crate::world::trust::document;

/// The name of its document.
pub const CLOUD: &str = "cloud";

/// The profiles, those of tenants and accounts more often: their tokens have more to be right.
const PROFILES: [&str; 12] =
    ["", "jwt", "keycloak", "entra", "entra", "okta", "auth0", "cognito", "google", "githubActions", "kubernetes", "kubernetes"];

const OF_ONE: &str = "https://cloud.example.com/acme/v2";
const OF_MANY: &str = "https://cloud.example.com/{tenant}/v2";

/// Its document.
pub fn issuer(random: &mut Random, once: bool) -> Value {
    let mut spec = Members::default();
    let profile = random.pick(&PROFILES);
    if !profile.is_empty() {
        spec.set("profile", profile);
    }
    spec.set("audiences", json!(["orders"]));
    spec.set("keys", json!({ "file": "cloud.jwks" }));
    spec.set("algorithms", json!(["ES256"]));
    spec.set("tokens", json!([{ "header": "x-cloud" }]));
    let tenants = random.percent(50);
    spec.set("issuer", if tenants { OF_MANY } else { OF_ONE });
    if tenants {
        spec.set("tenants", random.json(&[r#"["acme"]"#, r#"["acme", "eu-*"]"#, r#"["*-1", "x"]"#, r#"["acme", "e*1"]"#]));
    } else if random.percent(60) {
        let more = [r#"[{ "file": "cloud-more.jwks" }]"#, r#"[{ "file": "cloud-more.jwks" }, { "file": "cloud-last.jwks" }]"#];
        spec.set("moreKeys", random.json(&more));
    }
    for (key, percent, values) in [
        ("denyKids", 20, &[r#"["c1"]"#, r#"["c4"]"#, r#"["c2", "m1"]"#][..]),
        ("requiredClaims", 15, &[r#"["/scope"]"#, r#"["/tid"]"#]),
        ("clientClaim", 20, &["\"appid\"", "\"cid\""]),
        ("types", 10, &[r#"["at+jwt"]"#]),
        ("maxLifetime", 15, &["\"10m\"", "\"26h\""]),
        ("clockSkew", 20, &["\"0s\"", "\"1m\""]),
        ("binding", 8, &["\"certificate\"", "\"any\""]),
    ] {
        if random.percent(percent) {
            spec.set(key, random.json(values));
        }
    }
    if once && random.percent(40) {
        spec.set("use", "once");
    }
    document("TokenIssuer", CLOUD, spec.into())
}

/// The keys that sign its tokens, each with the names that key sets give to it, or another does.
const SIGNERS: [(&str, Option<&str>); 12] = [
    ("cloud-1", Some("c1")),
    ("cloud-1", Some("c1")),
    ("cloud-1", Some("c1")),
    ("cloud-1", Some("m1")),
    ("cloud-1", None),
    ("cloud-2", Some("c2")),
    ("cloud-2", Some("c2")),
    ("cloud-3", Some("c3")),
    ("cloud-3", None),
    ("cloud-4", Some("c4")),
    ("cloud-5", Some("c1")),
    ("cloud-5", Some("c5")),
];

/// Tenants in `iss`, and what is none.
const TENANTS: [&str; 14] = ["acme", "acme", "acme", "acme", "eu-1", "eu-1", "eu-", "x", "ACME", "..", "", "acme/v1", "e1", "{tenant}"];

/// The key, its id, and the claims of a token of it, whatever its profile.
pub fn token(random: &mut Random) -> (&'static str, Option<&'static str>, Value) {
    let (key, kid) = random.pick(&SIGNERS);
    let tenant = if random.percent(60) { "acme" } else { random.pick(&TENANTS) };
    let mut claims = json!({ "iss": OF_MANY.replace("{tenant}", tenant), "aud": "orders", "iat": now() - 60, "exp": now() + 600 });
    if random.percent(6) {
        claims["iss"] = json!(random.pick(&[
            "https://cloud.example.com/acme/v2/",
            "https://sts.cloud.example.com/acme/v2",
            "https://cloud.example.com"
        ]));
    }
    let account = json!({ "namespace": "ns", "serviceaccount": { "name": "web" } });
    let other = json!({ "namespace": "ns", "serviceaccount": { "name": "api" } });
    let who = random.pick(&[
        "alice",
        "system:serviceaccount:ns:web",
        "system:serviceaccount:ns:web",
        "system:serviceaccount:ns:web",
        "system:serviceaccount:ns",
        "bob",
    ]);
    for (name, percent, value) in [
        ("sub", 95, json!(who)),
        ("jti", 80, json!(random.pick(&["j1", "j2", "j3"]))),
        ("scope", 60, json!("read write")),
        ("typ", 93, json!(random.pick(&["Bearer", "Bearer", "Bearer", "Bearer", "Bearer", "Bearer", "ID"]))),
        ("tid", 93, json!(if random.percent(90) { tenant } else { "eu-1" })),
        ("cid", 93, json!("front")),
        ("appid", 50, json!("back")),
        ("azp", 30, json!("front")),
        ("client_id", 93, json!("front")),
        ("token_use", 93, json!(random.pick(&["access", "access", "access", "access", "access", "access", "id"]))),
        ("repository", 93, json!("o/r")),
        ("job_workflow_ref", 93, json!("o/r/w")),
        ("kubernetes.io", 93, if random.percent(85) { account } else { other }),
    ] {
        if random.percent(percent) {
            claims[name] = value;
        }
    }
    (key, kid, claims)
}
