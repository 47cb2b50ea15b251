//! `countersign keys` as an operator meets it: which keys there are, which check a token fails, and never the token.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use crate::program::{NOW, Props, Run};
use crate::testbed::mint::{ISSUER, Issuer, Key, SUBJECT};
use countersign::clock::UnixTime;
use countersign::secret::Fingerprint;
use serde_json::{Value, json};

const CORP: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: corp }
spec:
  issuer: https://login.example.com
  audiences: [orders]
  keys: { file: ../keys.json }
  algorithms: [RS256, ES256]
  types: [at+jwt]
  maxLifetime: 1h
";

const VERIFY: &str = "keys verify --documents policies --at 1800000000";

struct Mint {
    props: Props,
    issuer: Issuer,
}

impl Mint {
    fn new(document: &str) -> Self {
        let props = Props::new();
        let issuer = Issuer::new(UnixTime::from_secs(NOW)).unwrap();
        props.write("keys.json", issuer.key_set().unwrap());
        props.write("policies/corp.yaml", document);
        Self { props, issuer }
    }

    fn keys(&self) -> Vec<Value> {
        let set: Value = serde_json::from_str(&self.issuer.key_set().unwrap()).unwrap();
        set["keys"].as_array().unwrap().clone()
    }

    fn token(&self, changes: &Value) -> String {
        self.issuer.mint(Key::Ec, changes).unwrap()
    }

    fn verify(&self, more: &str, token: &str) -> Run {
        let run = self.props.run(&format!("{VERIFY} {more}"), token);
        assert_tells_nothing(&run, token);
        run
    }
}

/// P66: neither the token nor any part of it, nor what it claims.
#[track_caller]
fn assert_tells_nothing(run: &Run, token: &str) {
    let parts = token.split('.').filter(|part| part.len() > 8);
    for secret in parts.chain([SUBJECT, "acme", "demo-1", "openid"]) {
        assert!(!run.stdout.contains(secret), "{secret}\n{}", run.stdout);
        assert!(!run.stderr.contains(secret), "{secret}\n{}", run.stderr);
    }
}

/// An issuer's server that gives `answers`, one to each connection.
fn serve(answers: Vec<(u16, String)>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncache-control: max-age=300\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    (address, server)
}

#[test]
fn every_key_is_listed_with_what_it_is_and_whether_it_is_used() {
    let mint = Mint::new(&CORP.replace("maxLifetime", "denyKids: [demo-rsa]\n  maxLifetime"));
    let mut keys = mint.keys();
    keys.push(
        json!({ "kid": "for-encryption", "kty": "OKP", "crv": "Ed25519", "use": "enc", "x": "" }),
    );
    keys.push(json!({ "kid": "ed\u{1b}[2J", "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }));
    mint.props.write("keys.json", json!({ "keys": keys }).to_string());
    let run = mint.props.run("keys --documents policies", "");
    assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
    let json = mint.props.run("keys --documents policies --output json", "").json();
    let thumbprint = |at: usize| json[0]["keys"][at]["thumbprint"].as_str().unwrap();
    run.shows(
        0,
        &[
            "corp https://login.example.com",
            "source the documents",
            "kid type alg thumbprint status",
            &format!("demo-rsa RSA RS256 {} not used: denied by `denyKids`", thumbprint(0)),
            &format!("demo-ec EC P-256 ES256 {} usable", thumbprint(1)),
            "ed\\u{1b}[2J Ed25519 EdDSA..Ed25519 kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k not used: the issuer document allows none of its algorithms",
            "for-encryption - - - not used: is not for verifying signatures, by its `use`",
        ],
    );
    assert_eq!(json[0]["source"], "documents");
    let usable: Vec<_> =
        json[0]["keys"].as_array().unwrap().iter().map(|key| &key["usable"]).collect();
    assert_eq!(usable, [&json!(false), &json!(true), &json!(false), &json!(false)]);
}

/// The thumbprint of the key at `position` of the issuer's set.
fn thumbprint_of(mint: &Mint, position: usize) -> String {
    let json = mint.props.run("keys --documents policies --output json", "").json();
    json[0]["keys"][position]["thumbprint"].as_str().unwrap().to_owned()
}

#[test]
fn published_keys_are_fetched_and_compared_with_those_that_were_saved() {
    let mint = Mint::new(CORP);
    let keys = mint.keys();
    let (address, server) = serve(vec![
        (200, json!({ "keys": [keys[1]] }).to_string()),
        (503, String::new()),
        (503, String::new()),
        (200, "<html>".to_owned()),
    ]);
    let thumbprint = thumbprint_of(&mint, 0);
    let url = format!("{address}/jwks?secret=x");
    let from = format!("keys: {{ url: \"{url}\", allowPlaintext: true }}");
    mint.props.write("policies/corp.yaml", CORP.replace("keys: { file: ../keys.json }", &from));
    let saved = json!({
        "address": url, "fetched_at": (NOW - 3600) * 1000, "next_fetch": (NOW + 60) * 1000,
        "first_seen": { &thumbprint: (NOW - 7200) * 1000 },
        "key_set": json!({ "keys": [keys[0]] }).to_string(),
    });
    let file = format!("saved/{}.json", Fingerprint::of(url.as_bytes()).to_hex());
    mint.props.write(&file, saved.to_string());

    let run = mint.props.run("keys --documents policies --at 1800000000 --state-folder saved", "");
    let fetched = format!("source {address}, fetched in");
    assert!(
        run.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(&fetched),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("may be kept for 300 s"), "{}", run.stdout);
    run.shows(
        0,
        &["saved fetched 1h ago (2027-01-15T07:00:00Z), since then:", "+ demo-ec", "- demo-rsa"],
    );
    assert!(!run.stdout.contains("demo-rsa  RSA"), "{}", run.stdout);
    assert!(!run.stdout.contains("secret=x"), "P66: an address may hold a secret");

    let down = mint.props.run("keys --documents policies --at 1800000000 --state-folder saved", "");
    down.shows(
        1,
        &[
            &format!("source {address}, not fetched: answered 503, expected 200"),
            "a server that starts now has the keys that were saved",
        ],
    );
    assert!(down.stdout.contains("demo-rsa  RSA"), "{}", down.stdout);
    let alone = mint.props.run("keys --documents policies --at 1800000000", "");
    alone.shows(1, &["a server that starts now has no keys", "no keys"]);
    let garbage = mint.props.run("keys --documents policies --at 1800000000", "");
    garbage.shows(
        1,
        &[&format!("source {address}, not fetched: the answer is not JSON, expected a JWK Set")],
    );
    server.join().unwrap();

    let offline = mint
        .props
        .run("keys --documents policies --at 1800000000 --state-folder saved --offline", "");
    offline.shows(
        1,
        &[
            &format!("source {address}, not fetched: `--offline` was given"),
            "saved fetched 1h ago (2027-01-15T07:00:00Z), no change since",
            "refresh in 1m (2027-01-15T08:01:00Z)",
            "kid type alg thumbprint first seen status",
        ],
    );
    assert!(offline.stdout.contains("2h ago"), "{}", offline.stdout);
    let json = mint
        .props
        .run("keys --documents policies --at 1800000000 --state-folder saved --offline --output json", "")
        .json();
    assert_eq!(json[0]["next_refresh"], "2027-01-15T08:01:00Z");
    assert_eq!(json[0]["keys"][0]["first_seen"], "2027-01-15T06:00:00Z");
    let token = mint.issuer.mint(Key::Rsa, &json!({})).unwrap();
    let saved = mint.verify("--state-folder saved --offline", &token);
    saved.shows(0, &["verified", &format!(
        "issuer corp, keys from {address}, not fetched: `--offline` was given; with the keys that were saved"
    )]);
    let stale = mint.props.run(
        "keys verify --documents policies --state-folder saved --offline --at 1800090000",
        &token,
    );
    stale.shows(1, &["failed keys: keys_stale"]);
}

#[test]
fn a_good_token_passes_every_check() {
    let mint = Mint::new(CORP);
    let token = mint.token(&json!({}));
    for input in [token.clone(), format!("{token}\n"), format!("Bearer {token}\n")] {
        let run = mint.verify("", &input);
        run.shows(
            0,
            &[
                "verified",
                "issuer corp, keys from the documents",
                "header alg ES256, typ at+jwt, kid demo-ec",
                "claims aud client_id exp iat iss jti nbf scope sub tenant",
                "exp 2027-01-15T09:00:00Z (in 1h)",
                "passed format",
                "passed issuer",
                "passed signature",
                "passed binding",
            ],
        );
        assert!(!run.stdout.contains("not reached"));
    }
    assert_eq!(mint.props.run(&format!("{VERIFY} {token}"), "").code, 0);
    let json = mint.verify("--output json -", &token).json();
    assert_eq!((&json["verdict"], &json["key"]["kid"]), (&json!("verified"), &json!("demo-ec")));
}

#[test]
fn the_first_check_that_fails_is_named_with_its_reason() {
    let mint = Mint::new(CORP);
    let good = mint.token(&json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let (_, claims) = head.split_once('.').unwrap();
    let tampered = {
        let other = mint.token(&json!({ "sub": "mallory" }));
        let payload = other.split('.').nth(1).unwrap().to_owned();
        format!("{header}.{payload}.{signature}")
    };
    let with_header = |header: Value| {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{claims}.{signature}")
    };
    let bound = json!({ "cnf": { "x5t#S256": "bm90IGEgZmluZ2VycHJpbnQgb2YgYW55dGhpbmchISE" } });
    for (token, check, reason) in [
        ("not a token".to_owned(), "format", "token_malformed"),
        ("a.b.c.d.e".to_owned(), "format", "token_malformed"),
        (mint.token(&json!({ "iss": "https://evil.example" })), "issuer", "issuer_unknown"),
        (with_header(json!({ "alg": "none", "kid": "demo-ec" })), "algorithm", "token_alg"),
        (
            with_header(json!({ "alg": "ES256", "typ": "JWT", "kid": "demo-ec" })),
            "type",
            "token_type",
        ),
        (
            with_header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "\u{1b}[2J" })),
            "key",
            "key_unknown",
        ),
        (
            with_header(json!({ "alg": "RS256", "typ": "at+jwt", "kid": "demo-ec" })),
            "key",
            "token_alg",
        ),
        (tampered, "signature", "signature_invalid"),
        (mint.token(&json!({ "jti": 7 })), "claim types", "token_malformed"),
        (mint.token(&json!({ "exp": NOW - 3600 })), "expiry", "token_expired"),
        (mint.token(&json!({ "nbf": NOW + 3600 })), "not before", "token_not_yet_valid"),
        (mint.token(&json!({ "exp": NOW + 36_000 })), "lifetime", "token_lifetime"),
        (mint.token(&json!({ "aud": "billing" })), "audience", "audience"),
        (mint.token(&bound), "binding", "binding_unavailable"),
    ] {
        let run = mint.verify("", &token);
        run.shows(1, &[&format!("failed {check}: {reason}")]);
        assert!(run.stdout.starts_with(&format!("rejected  {reason}: ")), "{}", run.stdout);
        assert!(!run.stdout.contains('\u{1b}'));
        // The issuer is named where it is what is wrong.
        let named = reason == "issuer_unknown";
        assert_eq!(run.stdout.contains("evil"), named, "{}", run.stdout);
        assert!(!run.stdout.contains("mallory"), "{}", run.stdout);
        assert_eq!(run.stdout.matches("failed").count(), 1);
    }
    let stranger = mint.verify("", &mint.token(&json!({ "iss": "https://evil.example" })));
    stranger.shows(1, &[&format!("issuer not among {ISSUER}")]);
}

#[test]
fn a_bound_token_is_judged_with_the_presenters_certificate() {
    let mint = Mint::new(CORP);
    let token = mint.issuer.tokens(&mint.props.pki).unwrap().bound;
    let run = mint.verify("", &token);
    run.shows(1, &["give the presenter's certificate with `--certificate FILE`"]);
    mint.verify("--certificate clients/frontend.pem", &token).shows(0, &["passed binding"]);
    let stolen = mint.verify("--certificate clients/reports.pem", &token);
    stolen.shows(1, &["failed binding: binding_mismatch"]);
    let unreadable = mint.verify("--certificate clients/frontend.key", &token);
    assert_eq!(unreadable.code, 2, "{}", unreadable.stderr);
}

#[test]
fn tokens_in_other_places_are_found_there() {
    for places in ["[{ header: x-token }]", "[{ cookie: session }]"] {
        let mint =
            Mint::new(&CORP.replace("maxLifetime", &format!("tokens: {places}\n  maxLifetime")));
        mint.verify("", &mint.token(&json!({}))).shows(0, &["verified"]);
    }
}

/// P65, P66: an opaque token is judged by what its issuer says of it, and is sent to no other server.
#[test]
fn an_opaque_token_is_asked_about() {
    let answer =
        json!({ "active": true, "aud": "orders", "exp": NOW + 600, "iat": NOW, "sub": SUBJECT });
    let inactive = json!({ "active": false });
    let (address, server) =
        serve(vec![(200, answer.to_string()), (200, inactive.to_string()), (503, String::new())]);
    let document = CORP
        .replace(
            "  keys: { file: ../keys.json }\n  algorithms: [RS256, ES256]\n  types: [at+jwt]\n",
            &format!(
                "  introspection: {{ url: \"{address}/introspect\", allowPlaintext: true, client: {{ id: c, basic: {{ file: ../client.secret }} }} }}\n"
            ),
        );
    let mint = Mint::new(&document);
    mint.props.write("client.secret", "a-secret-that-is-long-enough");
    let token = "opaque-token-0123456789";
    mint.props
        .run("keys --documents policies", "")
        .shows(0, &[&format!("source {address} is asked about every token (introspection)")]);
    mint.verify("", token).shows(0, &["verified", "token opaque: only its issuer understands it"]);
    mint.verify("", token).shows(1, &["failed keys: introspection_inactive"]);
    mint.verify("", token).shows(1, &["failed keys: introspection_unavailable"]);
    mint.verify("--offline", token).shows(1, &["failed keys: introspection_unavailable"]);
    server.join().unwrap();
}

#[test]
fn what_cannot_be_judged_is_said() {
    let mint = Mint::new(CORP);
    for (arguments, stdin, code, text) in [
        ("keys", "", 2, "--documents"),
        ("keys --documents absent", "", 4, "cannot read `absent`"),
        ("keys verify", "", 2, "--documents"),
        ("keys verify --documents policies", "", 2, "there is no token"),
        ("keys verify --documents policies", "Bearer ", 2, "there is no token"),
    ] {
        let run = mint.props.run(arguments, stdin);
        assert_eq!(run.code, code, "{arguments}\n{}", run.stderr);
        assert!(run.stderr.contains(text), "{}", run.stderr);
    }
    let mint = Mint::new(CORP);
    mint.props.write("policies/corp.yaml", "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: health }\nspec:\n  target: { hosts: [a.example] }\n  rules:\n    - { name: h, effect: allow, public: true, on: { methods: [GET], paths: [/h] } }\n");
    mint.props
        .run("keys --documents policies", "")
        .shows(0, &["there is no TokenIssuer among the documents"]);
    mint.verify("", &mint.token(&json!({})))
        .shows(1, &["issuer there is no TokenIssuer among the documents"]);
}

/// P513: settings name the documents, a file has the token, and its values are shown where that is wanted.
#[test]
fn settings_and_a_file_with_a_token_will_do() {
    let mint = Mint::new(CORP);
    mint.props.write(
        "countersign.yaml",
        "listener: { address: 127.0.0.1:9001 }\ndocuments: [policies]\n",
    );
    mint.props.write("token.jwt", mint.token(&json!({})));
    let verify = "keys verify --config countersign.yaml --at 1800000000 token.jwt";
    let run = mint.props.run(verify, "");
    assert!(run.stdout.contains("verified") && !run.stdout.contains(SUBJECT), "{}", run.stdout);
    let run = mint.props.run(&format!("{verify} --show-values"), "");
    assert!(run.stdout.contains(&format!("sub  \"{SUBJECT}\"")), "{}", run.stdout);
    let json = mint.props.run(&format!("{verify} --show-values --output json"), "").json();
    assert_eq!(json["values"]["sub"], SUBJECT);
    assert_eq!(mint.props.run("keys --config countersign.yaml", "").code, 0);
}
