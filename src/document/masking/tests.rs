//! Lines that may hold a secret are shown without it.

use std::collections::BTreeSet;

use super::*;

mod judged;
mod keys;

/// The line with `^` as it is shown, and the text that the span points at.
fn shown(text: &str) -> (String, String) {
    let at = text.find('^').unwrap();
    let text = text.replacen('^', "", 1);
    let rest = text.get(at..).unwrap();
    let len = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let (hidden, span) = hide(&text, &masks(&text), at..at + len);
    let line = hidden.get(..span.start).unwrap().rfind('\n').map_or(0, |end| end + 1);
    let line = hidden.get(line..).unwrap().lines().next().unwrap();
    (line.trim().to_owned(), hidden.get(span).unwrap().to_owned())
}

#[test]
fn nothing_below_a_secrets_key_is_shown_but_known_keys() {
    for (text, line, pointed) in [
        ("keys:\n  secrets: [{ ^inline: hunter2 }]", "secrets: [{ inline: <hidden> }]", "inline"),
        (
            "keys: { hmac: ^hunter2, file: a.key }",
            "keys: { hmac: <hidden>, file: a.key }",
            "<hidden>",
        ),
        ("keys:\n  secrets:\n    - ^inline: |\n        hunter2", "- inline: |", "inline"),
        ("keys:\n  secrets:\n    - inline: |\n        ^hunter2", "<hidden>", "<hidden>"),
        ("keys:\n  secrets:\n  - \"^hunter2\"", "- <hidden>", "<hidden>"),
        ("keys: [\n^hunter2, a]\nb: c", "<hidden>]", "<hidden>"),
        ("password: \"hunter2\n^hunter3\"\nb: c", "<hidden>", "<hidden>"),
        (
            "introspection:\n  client: { id: orders, ^basic: hunter2 }",
            "client: { id: <hidden>, basic: <hidden> }",
            "basic",
        ),
        (
            "  client_secret: \"hunter2\", ^id: orders",
            "client_secret: <hidden>, id: <hidden>",
            "id",
        ),
        ("apiKey: hun ter2\nname: ^x", "name: x", "x"),
        ("redis:\n  url: redis://u:hunter2@^host/", "url: redis://<hidden>@host/", "host"),
        ("a: |\n  -----BEGIN PRIVATE KEY-----\n  ^hunter2", "<hidden>", "<hidden>"),
        ("a: \"-----BEGIN PRIVATE KEY-----\\n^hunter2\"", "a: <hidden>", "<hidden>"),
        ("text: |\n  -----BEGIN CERTIFICATE-----\n  ^public", "public", "public"),
        ("keys: {}\n---\nrules:\n  - name: ^read", "- name: read", "read"),
        ("token: { issuer: corp, ^scopes: [a] }", "token: { issuer: corp, scopes: [a] }", "scopes"),
    ] {
        assert_eq!(shown(text), (line.to_owned(), pointed.to_owned()), "{text}");
    }
}

/// P282: a key that is no plain word does not pass for a part of the harmless value before it.
#[test]
fn what_follows_a_harmless_value_is_no_part_of_it() {
    for line in [
        "db.pass: hunter2",
        "\"pass word\": hunter2",
        "clé: hunter2",
        "пароль: hunter2",
        "a@b: hunter2",
        "pass/x: hunter2",
        "!!str pass: hunter2",
        "&a pass: hunter2",
        "pass:hunter2",
        "password=hunter2",
        "hunter2",
        "- db.pass: hunter2",
        "? db.pass\n: hunter2",
        "url: https://a.example/x#access_token=hunter2",
        "url: https://a.example/?k=hunter2",
        "endpoint: https://a.example/?n=1&tok%65n=hunter2",
    ] {
        for before in [
            "name: a\n",
            "spec:\n  name: a\n  ",
            "spec:\n  name:\n    ",
            "hosts: [a, b]\n",
            "when: |\n  a\n",
        ] {
            if line == "hunter2" && before.ends_with("name:\n    ") {
                // It is the value.
                continue;
            }
            let text = format!("{before}{line}\nname: b\n");
            let (hidden, _) = hide(&text, &masks(&text), 0..text.len());
            assert!(!hidden.contains("hunter2"), "{text}\n{hidden}");
        }
    }
    let text = "when: >\n  request.method == 'GET' &&\n  request.host == 'a'\nhosts:\n- a.example:8443\n- b\nuris: [\n  spiffe://a/b ]\npaths:\n  - \"/users/{id:[0-9]+}\"\n  - \"/users/{id?}\"\n";
    assert_eq!(hide(text, &masks(text), 0..1).0, text);
}

#[test]
fn every_line_of_a_span_is_looked_at() {
    let text = "keys:\n  ab: hunter2\n  b: hunter3\nname: d\n";
    let (hidden, span) = hide(text, &masks(text), 6..text.len());
    assert_eq!(hidden, "keys:\n  ab: <hidden>\n  <hidden>\nname: d\n");
    assert_eq!(span, 6..hidden.len());
}

proptest::proptest! {
    /// Any text is shown without a panic, and the span stays inside.
    #[test]
    fn anything_can_be_shown(text in "[a-z:{}\\[\\] \"'#|\\n@/é-]{0,80}", from in 0usize..90, len in 0usize..40) {
        let text = format!("keys:\n {text}");
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) { at -= 1; }
            at
        };
        let span = floor(from)..floor(from + len);
        let (hidden, moved) = hide(&text, &masks(&text), span);
        proptest::prop_assert!(hidden.get(moved).is_some());
    }

    /// No value of a secret's key is shown, however it is written.
    #[test]
    fn no_secret_is_shown(before in "[ {\\[,-]{0,4}", key in "(hmac|keys|client_secret|file: a, password)",
        middle in "[ {\\[\"'|>-]{0,5}", after in "[ }\\]\"',]{0,5}") {
        let text = format!("{before}{key}: {middle}HUNTER2{after}\nb: c\n");
        let (hidden, _) = hide(&text, &masks(&text), 0..text.len());
        proptest::prop_assert!(!hidden.contains("HUNTER2"), "{}", hidden);
    }
}

/// P282: wherever the secret is, and however the text goes wrong.
#[test]
fn a_value_is_shown_only_under_a_key_that_is_known_to_be_harmless() {
    for text in [
        "keys: \"hunter2",
        "keys: 'a\n hunter2'\nname: a",
        "password: 'a\nhunter2'\nname: a",
        "dpop: { nonce: hunter2 }",
        "? keys\n: hunter2",
        "? \"client_secret\"\n: hunter2",
        "pass: hunter2",
        "pwd: hunter2",
        "  token: hunter2",
        "signingKey: |\n  hunter2",
        "jwk: { kty: oct, k: hunter2 }",
        "introspection:\n  timeout: hunter2",
        "admin: { revocations: { token: hunter2 } }",
        "otlp: { headers: { authorization: hunter2 } }",
        "headers:\n  - authorization: Bearer hunter2",
        "{ \"headers\": { \"authorization\": \"Bearer hunter2\" } }",
        "headers: { cookie: session=hunter2 }",
        "path: /a?access_token=hunter2&x=1",
        "path: /a;jsessionid=hunter2",
        "url: https://u:hunter2@host/",
        "name: a\nmyKey: b\n   hunter2",
        "# password: hunter2",
        "name: a # token: hunter2",
        "key = hunter2",
        "Keys: hunter2",
        "name: a\n  - unknown : hunter2",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for text in [
        "  - { name: read, effect: allow, on: { methods: [GET], paths: [/a] } }",
        "when: 'a ? token.sub : token.client'",
        "inject: { headers: { x-user: \"{token.sub}\" } }",
        "hosts:\n  - a.example.com\n  - b.example.com",
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, text);
    }
}

/// P454, P508: what is no secret below the key of one is shown, and a credential in a list of headers or in a comment is not.
#[test]
fn plain_values_are_shown_and_headers_with_values_are_not() {
    for text in [
        "keys: { discovery: oauth }",
        "keys: { discovery: { metadata: oidc }, refresh: 5, maxStale: 1h30m }",
        "introspection: { client: none }",
        // P508: nor lengths of time that are none, servers, names of files and of keys.
        "keys: { discovery: {}, refresh: 5min, maxStale: 5, timeout: P1D }",
        "keys: { url: \"https://a.example:8443\", ca: { file: ca.pem } }",
        "keys: { file: /var/run/keys/jwks.json } # those of production",
        "keys: { client: { hosts: [\"https://10.0.0.1:6443\"] } }",
        "keys: { jwks: {}, some_words: {} }",
        "moreKeys: [{ file: b.json }] # and of the other cluster",
        "if: token.sub != \"\"",
        "inject: { headers: { x-user: \"${token.sub}\", x-name: \"{token.sub | percent}\" } }",
        "name: a # See issue 17, it is needed.",
        "# about these documents\nname: a",
        "hosts:\n  # of the east (and the west)\n  - a.example",
        "remove: { headers: [host, \":path\"] }",
        "remove:\n  headers:\n    - host\n    - \":path\"\n",
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, text);
    }
    for text in [
        "client: { headers: [x-token: hunter2] }",
        "client: { headers: [\"x-auth: hunter2\"] }",
        "client: { headers: [ \"cookie: hunter2\", b ] }",
        "client: { headers: [\n  x-token: hunter2\n] }",
        "keys: { refresh: hunter2 }",
        "keys: { discovery: hunter2 }",
        "introspection: { client: { basic: none, post: hunter2 } }",
        "keys: { file: hunter2 }",
        "keys: { file: aGVsbG8/d29ybGQhaHVudGVyMghunter2 }",
        "keys: { url: https://u:hunter2@a.example/jwks }",
        "keys: { url: https://a.example/jwks?key=hunter2 }",
        "keys: { url: https://a.example/hunter2 }",
        "hook: https://a.example/services/hunter2",
        "keys: { url: ftp://hunter2 }",
        "keys: { refresh: 4hunter2 }",
        "keys: { \"a, hunter\": x, inline: \"b, hunter: hunter2\" }",
        "keys:\n  inline: |2 # text\n    hunter: hunter2",
        "keys: { client: { hosts: [hunter2] } }",
        "keys:\n  inline: |\n    some: hunter2\n    hunter2: some",
        "jwksUri: https://a.example/jwks?key=hunter2",
        "name: a # my token: hunter2",
        "name: a # TOKEN=hunter2",
        "name: a # it was hunter2 once",
        "name: a # Bearer hunter",
        "name: a # hunter2",
        "pass: \"a #correct hunter2",
        "pass: |\n  # a hunter2 here\n  a hunter2",
        "# about\n  hunter2",
        "headers:\n  - x-api=hunter2",
        "  # pass: hunter2",
        "name: a\n  # pass: hunter2",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    // P508: words of a comment that may be a part of the secret.
    for text in [
        "pass: a #correct horse battery",
        "pass: |\n  # correct horse\n",
        "pass: \"a\n  # correct horse\"",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("horse"), "{shown}");
    }
    for (text, expected) in [
        (
            "keys: { discovery: https://a.example/x/y }",
            "keys: { discovery: https://a.example/<hidden> }",
        ),
        ("jwksUri: https://a.example/jwks", "jwksUri: https://a.example/<hidden>"),
        ("issuerUrl: https://u:p@a.example", "issuerUrl: <hidden>"),
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, expected);
    }
    let text = "remove: { headers: [x-a, x-b] }";
    assert_eq!(hide(text, &masks(text), 0..0).0, text);
}

/// P624: a secret that a rule compares with a header is not shown, however the rule is written.
#[test]
fn values_compared_with_credentials_are_not_shown() {
    for text in [
        "headers: [{ name: x-api-key, any: { equals: hunter2 } }]",
        "headers: [{ any: { equals: \"hunter2\" }, name: x-api-key }]",
        "headers: [{ name: Authorization, any: { in: [a, 'Bearer hunter2'] } }]",
        "headers:\n  - name: x-webhook-secret\n    any:\n      equals: hunter2\n",
        "headers:\n  - any:\n      in:\n        - a\n        - hunter2\n    name: x-hub-signature-256\n",
        "headers:\n- any: { prefix: hunter2 }\n  name: cookie\n",
        "headers: [{ name: x-api-key, any: { in: ['a]b', 'c, hunter2'] } }]",
        "headers: [{ name: x-api-key, any: { equals: 'it''s hunter2' } }]",
        "query: [{ name: access_token, any: { equals: hunter2 } }]",
        "query:\n  - name: sig\n    all: { suffix: 'a, hunter2' }",
        "when: request.headers[\"x-api-key\"] == \"hunter2\"",
        "when: 'request.headers[\"x-api-key\"] == \"hunter2\"'",
        "when: \"request.headers['x-api-key'] == 'hunter2'\"",
        "when: \"request.headers[\\\"x-api-key\\\"] == \\\"hunter2\\\"\"",
        "when: 'request.headers[''authorization''] == ''hunter2'''",
        "when: '\"hunter2\" == request.headers[\"x-auth-token\"]'",
        "when: 'request.headers[\"cookie\"] in [\"hunter2\", \"x-token hunter2\"]'",
        "when: 'request.headers[\"x-team-secret\"].startsWith(\"hunter2\")'",
        "when: |\n  request.headers[\"x-api-key\"]\n    == \"hunter2\"\n",
        "when: >\n  \"hunter2\" ==\n  request.headers[\"x-api-key\"]\n",
        "conditions:\n  partner: 'request.headers[\"x-api-key\"] == \"hunter2\"'",
        "rules: [{ name: a, when: 'request.headers[\"x-api-key\"] == \"hunter2\"' }]",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("hunter2"), "{shown}");
        let value = ["Bearer hunter2", "it''s hunter2", "a, hunter2"]
            .into_iter()
            .find(|own| text.contains(own));
        let value = value.unwrap_or("hunter2");
        let message = format!("the header is compared with `{value}` here");
        let said = quiet(&message, text, &masks(text), 0);
        assert!(!said.contains("hunter2"), "{text}: {said}");
    }
    for (text, expected) in [
        (
            "{ headers: [{ name: x-api-key, any: { equals: \"hunter2,x\" } }] }",
            "{ headers: [{ name: x-api-key, any: { equals: \"<hidden>\" } }] }",
        ),
        (
            "{ when: 'request.headers[\"x-api-key\"] == \"hunter2\" && foo == 1' }",
            "{ when: 'request.headers[\"x-api-key\"] == \"<hidden>\" && foo == 1' }",
        ),
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, expected);
    }
    let text = "headers: [{ any: { equals: \"hunter2\" }, name: \"x-api-key\" }]";
    assert_eq!(quiet("`hunter2` is odd", text, &masks(text), 0), "`<hidden>` is odd");
    let text = "headers: [{ name: x-api-key, any: { equals: \"hunter2,x\" } }]";
    assert_eq!(
        quiet("`hunter2,x` can never match", text, &masks(text), 0),
        "`<hidden>` can never match"
    );
    for text in [
        "headers: [{ name: x-region, any: { equals: eu } }]",
        "headers:\n  - name: x-region\n    any: { in: [eu, us] }\n  - name: accept\n    exists: true\n",
        "headers: [{ name: authorization, exists: false }]",
        "when: 'request.headers[\"x-region\"] == \"eu\"'",
        "when: '!(\"authorization\" in request.headers)'",
        "when: request.method == \"GET\"",
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, text);
    }
}

/// P625: an address that is a credential is not shown: that of a webhook, and one with a user.
#[test]
fn addresses_that_are_credentials_are_not_shown() {
    for text in [
        "url: https://hooks.example/services/T0/B0/hunter2",
        "endpoint: https://chat.example.com/hooks/hunter2",
        "redirect: { to: https://a.example/webhook/hunter2 }",
        "uris: [https://a.example/0123456789abcdefhunter2xyz]",
        "address: user:hunter2@host",
        "hosts: [\"user:hunter2@host\", b]",
        "hosts:\n  - user:hunter2@host:3128\n",
        "name: a # user:hunter2@host",
    ] {
        let (shown, _) = hide(text, &masks(text), 0..0);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for text in [
        "issuer: https://login.example.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "emails: [ops@example.com]",
        "uris: [mailto:ops@example.com, https://front.example/a/b]",
    ] {
        assert_eq!(hide(text, &masks(text), 0..0).0, text);
    }
}

/// P626: a key of several words is one, a key that is a secret is not quoted, and nor is a secret in the place of a file's name.
#[test]
fn secrets_in_unusual_places_are_not_shown() {
    for text in [
        "{ name: a, \"api key\": hunter2, id: b }",
        "{ name: a, 'pass word': hunter2 }",
        "{ name: a, api name: hunter2 }",
        "{ name: a, db.name: hunter2 }",
        "name: a\n\"api name\": hunter2\n",
        "\"client secret\": [hunter2]",
    ] {
        assert!(!hide(text, &masks(text), 0..0).0.contains("hunter2"), "{text}");
    }
    for text in [
        "keys: { file: hunter2 }",
        "keys: { hunter2: a, hunter2: b }",
        "introspection: { client: { basic: { file: 'hunter2' } } }",
    ] {
        let masks = masks(text);
        assert!(!hide(text, &masks, 0..0).0.contains("hunter2"), "{text}");
        let at = text.find("hunter2").unwrap();
        let message = match text.contains("file:") {
            true => "cannot read `docs/hunter2`: no such file",
            false => "`hunter2` is given twice",
        };
        let said = quiet(message, text, &masks, at);
        assert!(!said.contains("hunter2"), "{text}: {said}");
    }
    let text = "keys: { file: /var/run/secrets/tokens/api }";
    let message = "cannot read `/var/run/secrets/tokens/api`: no such file";
    assert_eq!(hide(text, &masks(text), 0..0).0, text);
    assert_eq!(quiet(message, text, &masks(text), 16), message);
}

/// P282: no message quotes what is below the key of a secret.
#[test]
fn messages_do_not_quote_secrets() {
    let text = "introspection: { timeout: hunter2, file: a.key }\nname: hunter2\n";
    let said = |word: &str| {
        let at = text.find(word).unwrap();
        quiet(&format!("`{word}` is not a duration, expected `30s`"), text, &masks(text), at)
    };
    assert_eq!(said("hunter2"), "`<hidden>` is not a duration, expected `30s`");
    assert_eq!(said("a.key"), "`a.key` is not a duration, expected `30s`");
    // P454: names of the schema are no secrets.
    let help = "write `file`, as `introspection` and `url` have it";
    assert_eq!(quiet(help, text, &masks(text), text.find("hunter2").unwrap()), help);
    let at = text.rfind("hunter2").unwrap();
    assert_eq!(quiet("`hunter2`", text, &masks(text), at), "`hunter2`");
}

/// Keys of documents and settings whose values are hidden: they may be credentials, or what a caller shows.
const HIDDEN_BY_CHOICE: &str = "annotations body claims contextExtensions cookie deny headers inject json jti labels master metadata noProxy proxy user \
    nonce redis responseHeaders sid signature tokens urls username";

/// P282: each key of the schemas is known to be harmless, or hidden on purpose.
#[test]
fn every_key_is_shown_or_hidden_on_purpose() {
    fn names(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(|own| own.as_object()) {
            found.extend(properties.keys().cloned());
        }
        let parts = schema.as_object().map(|own| own.values().collect::<Vec<_>>());
        let parts = parts.or_else(|| Some(schema.as_array()?.iter().collect()));
        parts.into_iter().flatten().for_each(|part| names(part, found));
    }
    let mut all = BTreeSet::new();
    for schema in [
        include_str!("../../../docs/schema/countersign.schema.json"),
        include_str!("../../../docs/schema/settings.schema.json"),
    ] {
        names(&serde_json::from_str(schema).unwrap(), &mut all);
    }
    let hidden: BTreeSet<_> = HIDDEN_BY_CHOICE.split_whitespace().collect();
    let is_known = |name: &String| {
        let is_hidden = holds_credentials(name) || SENSITIVE.contains(&name.as_str());
        // `url` is shown but for its user, its query and its fragment, and hidden below the key of a secret.
        is_hidden || is_harmless(name) != hidden.contains(name.as_str())
    };
    let unknown: Vec<_> = all.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "in none of the lists, or in two: {unknown:?}");
    let gone: Vec<_> =
        words::HARMLESS.split_whitespace().filter(|name| !all.contains(*name)).collect();
    assert!(gone.is_empty(), "keys of no schema: {gone:?}");
}

/// P645: a message quotes an address as its line shows it; other words in it stay.
#[test]
fn a_message_quotes_no_password_of_an_address() {
    let text = "to: \"https://user:hunter2@a.example/?k=hunter2\"\nname: user\n";
    let message = "`https://user:hunter2@a.example/?k=hunter2` is no place for `user:hunter2@b`";
    let shown = quiet(message, text, &masks(text), text.find("https").unwrap());
    assert_eq!(shown, "`https://<hidden>@a.example/?<hidden>` is no place for `user:hunter2@b`");
    let other = quiet("`https://a.example/user` is wrong", text, &masks(text), text.len() - 5);
    assert_eq!(other, "`https://a.example/user` is wrong");
}

/// P648: a token is hidden wherever it stands, also where values are shown.
#[test]
fn tokens_are_hidden_in_every_line() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln_-A";
    for (text, line) in [
        (format!("when: token.jti == '{token}' ^&& true"), "when: token.jti == '<hidden>' && true"),
        (format!("name: ^{token}"), "name: <hidden>"),
        (format!("paths: [/a/{token}/b, ^/c]"), "paths: [/a/<hidden>, /c]"),
    ] {
        assert_eq!(shown(&text).0, line, "{text}");
    }
    let argument = format!("token.jti == '{token}'");
    let (hidden, _) = hide(&argument, &masks_of_argument(&argument), 0..5);
    assert_eq!(hidden, "token.jti == '<hidden>'");
}

/// P702: a line too long to look through is hidden as a whole, with what stands below it, and costs no more than its length.
#[test]
fn a_long_line_is_hidden_as_a_whole() {
    let entry = "{ name: a, password: hunter2, 'b': \"c\" },";
    let long = format!("spec: [{}]", entry.repeat(100_000));
    let text = format!("kind: Policy\n{long}\n  below: hunter2\nname: ^orders");
    assert_eq!(shown(&text), ("name: orders".to_owned(), "orders".to_owned()));
    let masks = masks(&text);
    let parts: Vec<_> = masks.hidden.iter().filter_map(|part| text.get(part.clone())).collect();
    assert_eq!(parts, [long.as_str(), "hunter2"]);
}
