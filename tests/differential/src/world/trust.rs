//! The documents that every world has: who issues certificates and tokens. Suites state what was verified, so no keys are needed.

use serde_json::{Value, json};

use crate::random::{Members, Random};

/// The issuers, by the names of their documents.
pub const ISSUERS: [&str; 4] = ["corp", "sessions", "mesh", "cloud"];

/// The trust domains, by the names of their documents.
pub const DOMAINS: [&str; 3] = ["prod", "partner", "other"];

/// A document of a kind.
pub fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "countersign.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// The documents.
pub fn documents() -> Vec<Value> {
    let authorities = json!([{ "file": "ca.pem" }]);
    let keys = json!({ "file": "keys.json" });
    vec![
        document(
            "TokenIssuer",
            "corp",
            json!({ "issuer": "https://login.example.com", "audiences": ["orders"], "keys": keys, "algorithms": ["ES256"] }),
        ),
        document(
            "TokenIssuer",
            "sessions",
            json!({ "issuer": "https://account.example.com", "audiences": ["desk"], "keys": keys, "algorithms": ["ES256"],
                "tokens": [{ "cookie": "session" }] }),
        ),
        document(
            "TokenIssuer",
            "mesh",
            json!({ "profile": "jwtSvid", "issuer": "spiffe://prod.example", "audiences": ["orders"], "keys": keys,
                "algorithms": ["ES256"], "tokens": [{ "header": "x-svid" }] }),
        ),
        document("TrustDomain", "prod", json!({ "spiffe": "prod.example", "authorities": authorities })),
        document("TrustDomain", "partner", json!({ "authorities": authorities, "sharedWith": ["other"] })),
        document("TrustDomain", "other", json!({ "authorities": authorities })),
    ]
}

/// An issuer with tenants, of which some take nothing but proven tokens: no challenge of a suite says so.
pub fn cloud(random: &mut Random) -> Value {
    let mut spec = Members::default();
    if random.percent(10) {
        spec.set("profile", "jwt");
    }
    spec.set("issuer", "https://cloud.example.com/{tenant}/v2");
    spec.set("tenants", json!(["acme", "eu-*"]));
    spec.set("audiences", json!(["orders"]));
    spec.set("keys", json!({ "file": "keys.json" }));
    spec.set("algorithms", json!(["ES256"]));
    spec.set("tokens", json!([{ "header": "x-cloud" }]));
    if random.percent(40) {
        spec.set("clientClaim", "appid");
    }
    if random.percent(40) {
        spec.set("binding", random.pick(&["dpop", "dpop", "any", "none", "certificate"]));
    }
    document("TokenIssuer", "cloud", spec.into())
}
