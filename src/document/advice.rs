//! Advice, by the key whose value has another shape than it should.

use super::{Span, masking};

/// Advice for a document that seems to hold a secret.
pub(super) const SECRETS_ARE_IN_FILES: &str =
    "a secret is never in a document: write it to a file, and name that with `file`";

/// Keys of settings that may be an empty mapping.
const WITH_DEFAULTS: [&str; 8] =
    ["anomalies", "fetch", "log", "memory", "readiness", "reload", "revocations", "throttle"];

/// Keys that name a secret by its file.
const OF_SECRETS: [&str; 6] = ["basic", "bearer", "key", "post", "secrets", "token"];

/// The advice where `key` has no mapping, or one without its entries.
pub(super) fn mapping(key: &str) -> Option<String> {
    let text = match key {
        "discovery" => {
            "write `discovery: {}`, or `discovery: { metadata: oauth }` for the metadata of RFC 8414"
        }
        "client" => CLIENT,
        "none" => "it has no settings: write `none: {}`",
        "authorization" => "it has no settings: write `authorization: {}`",
        "tokens" => {
            "write each place as a mapping, such as `{ authorization: {} }`, `{ header: x-token }` or `{ cookie: session }`"
        }
        "keys" => {
            "say where the keys are: `keys: { discovery: {} }`, `keys: { url: ADDRESS }` or `keys: { file: PATH }`"
        }
        "audit" => "say where records go: `audit: { stdout: {} }` or `audit: { file: PATH }`",
        "admin" => "say where it listens: `admin: { address: 127.0.0.1:9002 }`",
        "store" => {
            "write `store: { redis: { url: ADDRESS } }`, or leave it away for the `memory` of each replica"
        }
        "introspection" => {
            "write `introspection: { url: ADDRESS, client: { id: NAME, basic: { file: PATH } } }`"
        }
        "withoutAudience" => {
            "name the clients whose tokens count: `withoutAudience: { clients: [web] }`"
        }
        "peer" => {
            "name the peers: `peer: { spiffe: [..] }`, `peer: { trustDomain: NAME }` or `peer: { any: true }`"
        }
        "token" => "name the issuer: `token: { issuer: NAME }`",
        "expect" => "write `expect: { decision: allow }` or `expect: { decision: deny }`",
        "target" => "name the hosts: `target: { hosts: [api.example.com] }`",
        "on" => "write `on: { methods: [GET], paths: [/v1/orders] }`",
        "inject" => "write `inject: { headers: { x-subject: \"{token.sub}\" } }`",
        "body" => "write `body: { text: TEXT }`, or `body: { json: { code: CODE } }`",
        "redirect" => "write `redirect: { to: ADDRESS }`",
        "clearCookie" => "write `clearCookie: { name: NAME }`",
        "during" => {
            "write `during: { weekly: [{ days: [mon], from: 08:00, until: 18:00, zone: Europe/Berlin }] }`"
        }
        "bind" => {
            "write `bind: { claim: client_id, to: peer.spiffe, map: \"spiffe://prod.example/ns/web/sa/{client}\" }`"
        }
        "remove" => "write `remove: { headers: [x-internal] }`",
        "metadata" => "write `metadata: { name: NAME }`",
        "remote" => "write `remote: { url: ADDRESS }`",
        key if WITH_DEFAULTS.contains(&key) => {
            return Some(format!("write `{key}: {{}}` for its defaults"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

const CLIENT: &str = "say who asks, and how that is proved: `client: { id: NAME, basic: { file: PATH } }`; for an endpoint that wants no proof, `client: { none: {} }`";

/// True if the value of `key` may be that of a file.
pub(super) fn has_file(key: &str) -> bool {
    const WITH_FILE: [&str; 12] = [
        "authorities",
        "intermediates",
        "bundle",
        "crls",
        "moreKeys",
        "from",
        "secrets",
        "basic",
        "bearer",
        "post",
        "password",
        "privateKey",
    ];
    WITH_FILE.contains(&key) || is_secret(key)
}

/// The advice for a field that is missing.
pub(super) fn missing(field: &str) -> Option<&'static str> {
    (field == "client").then_some(CLIENT)
}

/// The value that belongs to `key`, where a number or a truth value stands.
pub(super) fn scalar(key: &str) -> Option<&'static str> {
    match key {
        "address" | "publish" => {
            Some("expected an address with its port, such as `127.0.0.1:9001`")
        }
        "proxy" => Some("expected an address such as `http://proxy.example.com:3128`"),
        "endpoint" => Some("expected an address such as `http://collector:4317`"),
        _ => None,
    }
}

/// True if a text at `key` was meant as a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let leads_to = matches!(key, "keys" | "introspection");
    OF_SECRETS.contains(&key) || (masking::holds_credentials(key) && !leads_to)
}

/// The key whose value, or an entry of whose list, stands at `place`.
pub(super) fn key_at(place: &Span) -> &str {
    let text = place.file().text();
    let before = text.get(..place.bytes().start).unwrap_or_default();
    let own = key_before(before);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let listed = || {
        let (before, list) = line.rsplit_once('[')?;
        key_before(before).filter(|_| !list.contains(']'))
    };
    let above = || {
        let mut lines = before.lines().rev().map(str::trim);
        lines.find(|line| line.ends_with(':') && !line.starts_with('-')).and_then(key_before)
    };
    // The parser may stop behind the value, on its line.
    let on_line = || {
        let (before, value) = line.rsplit_once(": ")?;
        Some(last_word(before)?).filter(|_| !value.contains(['{', '}', '[', ']']))
    };
    own.or_else(listed).or_else(on_line).or_else(above).unwrap_or_default()
}

/// The key that ends `text` with its colon.
fn key_before(text: &str) -> Option<&str> {
    last_word(text.trim_end().strip_suffix(':')?)
}

fn last_word(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    text.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().filter(|key| !key.is_empty())
}

/// Advice for a key of `keys` that other programs have.
pub(super) fn source_of_keys(field: &str) -> &'static str {
    let field = field.to_ascii_lowercase();
    let is_about = |words: &[&str]| words.iter().any(|word| field.contains(word));
    if is_about(&["cache", "ttl", "interval", "expir"]) {
        "`refresh` says how often keys are fetched, and `maxStale` how long old ones are used"
    } else if is_about(&["uri", "address", "endpoint", "jwks", "remote", "http"]) {
        "write the address of the key set as `url`; with `discovery: {}` the issuer's metadata names it"
    } else if is_about(&["cert", "tls", "trust"]) {
        "`ca: { file: PATH }` names the authorities that the server of the keys may have"
    } else if is_about(&["pem", "public", "local", "path"]) {
        "public keys are a JWK Set in a file: write `file: PATH`"
    } else {
        "say where the keys are: `discovery: {}`, `url`, `file`, `inline`, or `secrets` for HMAC"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::SourceFile;

    /// P453: the key is found however its value is written.
    #[test]
    fn the_key_of_a_place_is_found() {
        for (text, at, key) in [
            ("listener: { address: 9001 }", "9001", "address"),
            ("tokens: [authorization]", "authorization", "tokens"),
            ("tokens: [a, authorization]", "authorization", "tokens"),
            ("tokens:\n- authorization\n", "authorization", "tokens"),
            ("tokens:\n  - a\n  - authorization\n", "authorization", "tokens"),
            ("\"deadline\" : 5", "5", "deadline"),
            ("store: redis\n", "\n", "store"),
            ("x", "x", ""),
        ] {
            let file = SourceFile::new("a.yaml", text);
            let at = text.find(at).unwrap();
            assert_eq!(key_at(&Span::new(&file, at..at)), key, "{text}");
        }
    }
}
