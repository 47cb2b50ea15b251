//! The documents that every world has: who issues certificates and tokens. Suites state what was verified, so no keys are needed.

use serde_json::{Value, json};

/// The issuers, by the names of their documents.
pub const ISSUERS: [&str; 3] = ["corp", "sessions", "mesh"];

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
