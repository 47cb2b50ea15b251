//! `countersign diff` as an operator meets it: each key of a rule, what it does to access, and where it is.

use crate::program::{NOW, Props};
use countersign::clock::UnixTime;
use serde_json::{Value, json};

const TRUST: &str = include_str!("../explain/documents.yaml");
const TRUST_WITH_FILES: &str = include_str!("../changing/trust_with_files.yaml");

pub(crate) const RULE: &str = "effect: EFFECT, on: { methods: [GET, PUT], paths: ['/a/*', '/b'] }, source: [10.0.0.0/8], \
    headers: [{ name: x-h, exists: true }], during: { from: 2027-01-01T00:00:00Z }, \
    peer: { spiffe: ['spiffe://prod.example/ns/web/**'], dns: ['*.web.svc'] }, \
    token: { issuer: corp, scopes: [read, write], subjects: [alice, bob], claims: [{ pointer: /tenant, equals: acme }] }, \
    when: 'request.scheme == \"https\"'";

pub(crate) fn props() -> Props {
    let props = Props::new();
    let issuer = crate::testbed::mint::Issuer::new(UnixTime::from_secs(NOW)).unwrap();
    props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
    props
}

pub(crate) fn documents(target: &str, rules: &[String]) -> String {
    let trust =
        TRUST.split_once("---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\n").unwrap().0;
    let rules: String = rules.iter().map(|rule| format!("    - {{ {rule} }}\n")).collect();
    format!(
        "{trust}---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: orders }}\nspec:\n  target: {{ {target} }}\n  rules:\n{rules}"
    )
}

pub(crate) const TARGET: &str = "hosts: [orders.example.com, '*.example.org'], ports: [443, 8443]";

/// The access of the first change, and its keys. The only others are of headers that are removed from every request.
pub(crate) fn compared(props: &Props, before: &str, after: &str) -> (String, Vec<String>) {
    props.write("before/all.yaml", before);
    props.write("after/all.yaml", after);
    let run = props.run("diff before after --output json", "");
    assert!(run.code < 2, "{}\n{after}", run.stderr);
    let json = run.json();
    let entries = json["entries"].as_array().unwrap();
    let mut others = entries.iter().skip(1);
    assert!(others.all(|own| own["kind"] == "stripped header"), "{json}");
    let Some(entry) = entries.first() else { return ("none".into(), Vec::new()) };
    let access = entry["access"].as_str().unwrap().to_owned();
    assert_eq!(run.code == 0, access == "same", "{json}");
    let keys = entry["keys"].as_array().unwrap().iter();
    (access, keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect())
}

const OPPOSITE: [(&str, &str); 2] = [("widened", "narrowed"), ("narrowed", "widened")];

fn opposite(access: &str) -> &str {
    OPPOSITE.iter().find(|(one, _)| *one == access).map_or(access, |(_, other)| other)
}

/// P569: each key is classed by what it does to access: of an allow rule, of a deny rule the other way round, and backwards.
#[test]
fn each_key_is_classed_by_what_it_does_to_access() {
    let props = props();
    for (from, to, key, access) in [
        ("[GET, PUT]", "[GET, PUT, POST]", "on.methods", "widened"),
        ("methods: [GET, PUT], ", "", "on.methods", "widened"),
        ("[GET, PUT]", "[GET, POST]", "on.methods", "both"),
        ("['/a/*', '/b']", "['/a/*']", "on.paths", "narrowed"),
        ("['/a/*', '/b']", "['/a/**', '/b']", "on.paths", "widened"),
        ("['/a/*', '/b']", "['/a/*', '/c']", "on.paths", "both"),
        ("['/a/*', '/b']", "['/a/x', '/b']", "on.paths", "narrowed"),
        ("source: [10.0.0.0/8], ", "", "source", "widened"),
        ("10.0.0.0/8", "10.1.0.0/16", "source", "narrowed"),
        ("exists: true", "exists: false", "headers", "cannot_tell"),
        ("headers: [{ name: x-h, exists: true }], ", "", "headers", "widened"),
        ("2027-01-01", "2026-01-01", "during", "cannot_tell"),
        ("ns/web/**", "ns/**", "peer.spiffe", "widened"),
        ("ns/web/**", "ns/web/sa/*", "peer.spiffe", "narrowed"),
        ("ns/web/**", "ns/ops/**", "peer.spiffe", "both"),
        ("*.web.svc", "a.web.svc", "peer.dns", "narrowed"),
        (", dns: ['*.web.svc']", "", "peer.dns", "widened"),
        ("[read, write]", "[read]", "token.scopes", "widened"),
        ("[read, write]", "[read, write, admin]", "token.scopes", "narrowed"),
        ("[alice, bob]", "[alice]", "token.subjects", "narrowed"),
        ("equals: acme", "equals: globex", "token.claims", "cannot_tell"),
        (", when: 'request.scheme == \"https\"'", "", "when", "widened"),
        ("== \"https\"", "!= \"http\"", "when", "cannot_tell"),
    ] {
        assert!(RULE.contains(from), "{from}");
        for effect in ["allow", "deny"] {
            let rule = format!("name: r, {}", RULE.replace("EFFECT", effect));
            let other = rule.replacen(from, to, 1);
            let [one, two] =
                [&rule, &other].map(|rule| documents(TARGET, std::slice::from_ref(rule)));
            let expected = if effect == "allow" { access } else { opposite(access) };
            let found = compared(&props, &one, &two);
            assert_eq!(found, (expected.to_owned(), vec![key.to_owned()]), "{effect}: {from} {to}");
            let found = compared(&props, &two, &one);
            assert_eq!(found.0, opposite(expected), "{effect}: {to} {from}");
        }
    }
}

/// P569: the target, the effect, the mode and whole rules.
#[test]
fn whole_rules_and_targets_are_classed() {
    let props = props();
    let rule = |more: &str| format!("name: r, {}{more}", RULE.replace("EFFECT", "allow"));
    let plain = documents(TARGET, &[rule("")]);
    let of = |target: &str, rules: &[String]| documents(target, rules);
    let other = "name: s, effect: deny, on: { paths: [/never] }".to_owned();
    let ports = TARGET.replace(", 8443", "");
    let hosts = TARGET.replace("'*.example.org'", "a.example.org");
    for (after, expected, keys) in [
        (plain.clone(), "none", vec![]),
        (of(TARGET, &[rule(", mode: shadow")]), "narrowed", vec!["mode"]),
        (of(&ports, &[rule("")]), "narrowed", vec!["target.ports"]),
        (of(&hosts, &[rule("")]), "narrowed", vec!["target.hosts"]),
        (
            of(TARGET, &[rule(", inject: { headers: { x-user: '{token.sub}' } }")]),
            "other_headers",
            vec!["inject"],
        ),
        (of(TARGET, &[rule(", annotations: { a: b }")]), "other_headers", vec!["annotations"]),
        (of(TARGET, &[rule(""), other.clone()]), "narrowed", vec![]),
    ] {
        let found = compared(&props, &plain, &after);
        assert_eq!(
            found,
            (expected.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()),
            "{after}"
        );
        assert_eq!(compared(&props, &after, &plain).0, opposite(expected), "{after}");
    }
    let deny = plain.replace("effect: allow", "effect: deny");
    assert_eq!(compared(&props, &plain, &deny), ("narrowed".to_owned(), vec!["effect".to_owned()]));
}

/// P621: a variable of a path that stands for another segment is another rule to a condition, and other headers to the upstream.
#[test]
fn variables_that_change_places_are_a_change() {
    let props = props();
    let own = ", when: 'request.path.owner == token.sub'";
    let header = ", inject: { headers: { x-owner: '{request.path.owner}' } }";
    let claim = ", inject: { assertion: { header: x-caller, audience: o, claims: { o: '{request.path.owner}' } } }";
    let rule = |paths: &str, more: &str| {
        let rule = format!(
            "name: r, effect: allow, on: {{ paths: [{paths}] }}, token: {{ issuer: corp }}{more}"
        );
        documents(TARGET, &[rule])
    };
    let plain = "'/o/{owner}/{id}'";
    for (to, more, access, key) in [
        ("'/o/{id}/{owner}'", own, "cannot_tell", "on.paths"),
        ("'/o/{id}/{owner}'", header, "other_headers", "inject"),
        ("'/o/{id}/{owner}'", claim, "other_headers", "inject"),
        ("'/o/{id}/{owner}', '/p/{owner}'", own, "cannot_tell", "on.paths"),
        ("'/o/{owner}/{id}', '/o/*/{owner}'", own, "cannot_tell", "on.paths"),
        ("'/**/{owner}/{id}'", own, "cannot_tell", "on.paths"),
        ("'/o/{owner}/{id}', '/p/{id}/{owner}'", own, "widened", "on.paths"),
        ("'/o/{owner}/**'", own, "widened", "on.paths"),
        ("'/o/{owner}/*'", own, "none", ""),
        ("'/o/{id}/{owner}'", "", "none", ""),
    ] {
        let found = compared(&props, &rule(plain, more), &rule(to, more));
        let keys: Vec<_> = Some(key.to_owned()).into_iter().filter(|key| !key.is_empty()).collect();
        assert_eq!(found, (access.to_owned(), keys), "{to} {more}");
    }
}

/// P622: the same callers are allowed, and the upstream, or a denied caller, gets something else: no change of access is no silence.
#[test]
fn what_goes_on_is_a_change_of_its_own() {
    let props = props();
    let rule = |more: &str| format!("name: r, {}{more}", RULE.replace("EFFECT", "allow"));
    let of = |target: &str, more: &str| documents(&format!("{TARGET}{target}"), &[rule(more)]);
    let inject = |value: &str| format!(", inject: {{ headers: {{ x-user: '{value}' }} }}");
    for (one, other, access, key) in [
        (
            of("", ""),
            of(", keep: { headers: [x-http-method-override] }", ""),
            "other_headers",
            "target.keep",
        ),
        (of("", ", remove: { token: true }"), of("", ""), "other_headers", "remove"),
        (
            of("", ", remove: { headers: [x-h] }"),
            of("", ", remove: { headers: [x-g] }"),
            "other_headers",
            "remove",
        ),
        (of("", ", remove: { query: [q] }"), of("", ""), "other_headers", "remove"),
        (
            of("", &inject("{token.sub}")),
            of("", &inject("{token.client}")),
            "other_headers",
            "inject",
        ),
        (of("", ""), of("", ", deny: { redirect: { to: '/login' } }"), "other_answer", "deny"),
    ] {
        for (before, after) in [(&one, &other), (&other, &one)] {
            let found = compared(&props, before, after);
            assert_eq!(found, (access.to_owned(), vec![key.to_owned()]), "{after}");
        }
    }
    let run = props.run("diff before after --output github", "");
    assert!(run.code == 1 && run.stdout.starts_with("::notice "), "{}", run.stdout);
}

/// P620: a scope that stands for others is above them, so that asking for it is narrower.
#[test]
fn forms_of_scopes_are_compared_by_what_they_mean() {
    let props = props();
    let rule = |token: &str| {
        let rule = format!(
            "name: r, effect: allow, on: {{ paths: [/a] }}, token: {{ issuer: corp, {token} }}"
        );
        documents(TARGET, &[rule])
    };
    for (one, other, access) in [
        ("scopes: ['o:read']", "scopes: ['o:read'], scopeForm: hierarchy", "widened"),
        ("scopes: ['o:read']", "scopes: ['o:read'], scopeForm: wildcard", "widened"),
        (
            "scopes: ['o:read'], scopeForm: hierarchy",
            "scopes: [o], scopeForm: hierarchy",
            "narrowed",
        ),
        (
            "scopes: ['o:read'], scopeForm: hierarchy",
            "scopes: ['o:read'], scopeForm: wildcard",
            "both",
        ),
        (
            "anyScope: ['o:read', 'o:write']",
            "anyScope: ['o:read', 'o:write'], scopeForm: hierarchy",
            "widened",
        ),
        ("scopes: ['o:read'], scopeForm: hierarchy", "scopes: ['o:read']", "narrowed"),
    ] {
        let found = compared(&props, &rule(one), &rule(other));
        assert_eq!(found.0, access, "{one} {other}");
        assert_eq!(compared(&props, &rule(other), &rule(one)).0, opposite(access), "{other} {one}");
    }
}

/// Documents of trust are named, with what grows.
#[test]
fn changes_of_trust_are_named() {
    let props = props();
    let plain = documents(TARGET, &[format!("name: r, {}", RULE.replace("EFFECT", "allow"))]);
    for (from, to, key, access) in [
        ("audiences: [orders]", "audiences: [orders, other]", "audiences", "widened"),
        ("algorithms: [RS256, ES256]", "algorithms: [ES256]", "algorithms", "narrowed"),
        ("types: [at+jwt]", "types: [at+jwt]\n  maxLifetime: 48h", "maxLifetime", "widened"),
    ] {
        props.write("before/all.yaml", &plain);
        props.write("after/all.yaml", plain.replacen(from, to, 1));
        let json = props.run("diff before after --output json", "").json();
        let entry = &json["entries"][0];
        assert_eq!((&entry["kind"], &entry["name"]), (&json!("TokenIssuer"), &json!("corp")));
        assert_eq!(
            (&entry["keys"][0]["key"], &entry["keys"][0]["access"]),
            (&json!(key), &json!(access))
        );
    }
    let renamed = plain
        .replace("metadata: { name: corp }", "metadata: { name: corp2 }")
        .replace("issuer: corp,", "issuer: corp2,");
    props.write("after/all.yaml", renamed);
    let json = props.run("diff before after --output json", "").json();
    let found: Vec<_> = json["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| (own["name"].clone(), own["change"].clone(), own["access"].clone()))
        .collect();
    let entry =
        |name: &str, change: &str, access: &str| (json!(name), json!(change), json!(access));
    assert_eq!(
        found,
        [
            entry("orders/r", "changed", "both"),
            entry("corp", "removed", "narrowed"),
            entry("corp2", "added", "widened")
        ]
    );
}

/// P623: a file that a document of trust names is a part of it: with other contents the document has changed.
#[test]
fn every_file_that_a_document_names_counts() {
    let props = props();
    let read = |name: &str| std::fs::read_to_string(props.folder.path().join(name)).unwrap();
    let (keys, ca) = (read("keys/corp.jwks.json"), read("ca/prod.pem"));
    let list = "# none\n".to_owned();
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef".to_owned();
    let files = [
        ("TokenIssuer", "corp", "corp.jwks.json", &keys),
        ("TokenIssuer", "old", "hmac.secret", &secret),
        ("TokenIssuer", "opaque", "asked.pem", &ca),
        ("TokenIssuer", "opaque", "basic.secret", &secret),
        ("TokenIssuer", "opaque", "team.txt", &secret),
        ("TokenIssuer", "remote", "keys-ca.pem", &ca),
        ("TokenIssuer", "remote", "bearer.secret", &secret),
        ("TrustDomain", "prod", "certs/ca.pem", &ca),
        ("RevocationList", "list", "revoked.txt", &list),
    ];
    for side in ["before", "after"] {
        props.write(&format!("{side}/trust.yaml"), TRUST_WITH_FILES);
        for (_, _, file, text) in files {
            props.write(&format!("{side}/{file}"), text);
        }
    }
    let same = props.run("diff before after --output json", "");
    assert_eq!(
        (same.code, same.json()["entries"].as_array().unwrap().len()),
        (0, 0),
        "{}",
        same.stderr
    );
    for (kind, name, file, text) in files {
        props.write(&format!("after/{file}"), format!("{text}\n"));
        let run = props.run("diff before after --output json", "");
        props.write(&format!("after/{file}"), text);
        let json = run.json();
        let [entry] = json["entries"].as_array().unwrap().as_slice() else {
            panic!("{file}: {json}")
        };
        let found = [&entry["kind"], &entry["name"], &entry["access"], &entry["keys"][0]["key"]];
        assert_eq!(found, [kind, name, "cannot_tell", &format!("file {file}")], "{json}");
        assert_eq!(run.code, 1);
    }
}

/// P569: places are those of the key in both files, and text of documents cannot forge a line of a workflow.
#[test]
fn annotations_name_the_place_of_the_key() {
    let props = props();
    let rule = format!("name: r, {}", RULE.replace("EFFECT", "allow"));
    let before = documents(TARGET, std::slice::from_ref(&rule));
    let after = documents(TARGET, &[rule.replace("[read, write]", "[read]")]);
    props.write("before/all.yaml", &before);
    props.write("after/all.yaml", &after);
    let line = after.lines().position(|line| line.contains("name: r,")).unwrap() + 1;
    let json = props.run("diff before after --output json", "").json();
    let key = &json["entries"][0]["keys"][0];
    let column = after.lines().nth(line - 1).unwrap().find("[read]").unwrap() + 1;
    let place = json!({ "file": "after/all.yaml", "line": line, "column": column });
    assert_eq!(key["after"], place, "{key}");
    assert_eq!(key["before"]["file"], "before/all.yaml");
    let run = props.run("diff before after --output github", "");
    let expected = format!("::warning file=after/all.yaml,line={line},col=");
    assert!(run.code == 1 && run.stdout.starts_with(&expected), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1);
    let markdown = props.run("diff before after --output markdown", "");
    markdown.shows(1, &["| `allow rule orders/r` | changed | widened | `token.scopes`: widened |"]);
    let same = props.run("diff before before --output github", "");
    assert_eq!((same.code, same.stdout.as_str()), (0, ""));
    let _: Value = json;
}
