//! `countersign diff` where no single rule has what changes: headers that are removed, tokens that count, answers, and which rule speaks.

use crate::diff::{RULE, TARGET, compared, documents, props};

/// P643: a rule on trial sets nothing, and the caller's own copies of what it would set are removed from every request.
#[test]
fn rules_on_trial_decide_which_headers_are_removed() {
    let props = props();
    let rule =
        |more: &str| format!("name: s, {}, mode: shadow{more}", RULE.replace("EFFECT", "allow"));
    let of = |rules: &[String]| {
        let always = format!("name: r, {}", RULE.replace("EFFECT", "allow"));
        documents(TARGET, &[&[always], rules].concat())
    };
    let header =
        |name: &str| rule(&format!(", inject: {{ headers: {{ {name}: '{{token.sub}}' }} }}"));
    let query = rule(", inject: { query: { who: '{token.sub}' } }");
    let back = rule(", inject: { responseHeaders: { x-a: b } }");
    for (before, after, wanted) in [
        (of(&[]), of(&[header("x-user")]), vec!["stripped header x-user added"]),
        (
            of(&[header("x-user")]),
            of(&[header("x-name")]),
            vec!["stripped header x-name added", "stripped header x-user removed"],
        ),
        (of(&[query]), of(&[]), vec!["stripped parameter who removed"]),
        (of(&[back]), of(&[]), vec![]),
    ] {
        props.write("before/all.yaml", &before);
        props.write("after/all.yaml", &after);
        let run = props.run("diff before after", "");
        let lines = run.stdout.lines().filter(|line| line.starts_with("stripped"));
        let found: Vec<_> = lines
            .map(|line| line.trim_end_matches(": no change in access, other headers"))
            .collect();
        assert_eq!((run.code, found), (i32::from(!wanted.is_empty()), wanted), "{after}");
    }
}

/// P643: a request that no rule is about gets the response of its policy, whatever responses the rules have.
#[test]
fn the_response_of_a_policy_is_compared() {
    let props = props();
    let rule = format!("name: r, {}, deny: {{ status: 404 }}", RULE.replace("EFFECT", "allow"));
    let of = |status: u16| {
        let all = documents(TARGET, std::slice::from_ref(&rule));
        all.replace("\n  rules:", &format!("\n  deny: {{ status: {status} }}\n  rules:"))
    };
    let found = compared(&props, &of(410), &of(418));
    assert_eq!(found, ("other_answer".to_owned(), vec![]));
    assert_eq!(compared(&props, &of(410), &of(410)).0, "none");
}

/// P649: the same requests are allowed, and another rule or another token speaks for them, or the answer or the metadata is another one.
#[test]
fn other_speakers_answers_and_annotations_are_changes() {
    let props = props();
    let second = "apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: second }
spec: { issuer: 'https://second.example', audiences: [a], algorithms: [ES256], keys: { file: ../keys/corp.jwks.json } }
---
";
    let of = |target: &str, rule: &str| {
        let rule = format!("name: r, {rule}");
        let all = documents(target, &[rule]);
        let (before, rest) = all.split_at(all.find("apiVersion").unwrap());
        format!("{before}{second}{rest}")
    };
    let paths = |paths: &str, token: &str| {
        format!("effect: allow, on: {{ paths: [{paths}] }}, token: {{ issuer: corp, {token} }}")
    };
    let issuers = |names: &str| format!("effect: allow, token: {{ issuer: [{names}] }}");
    let plain = paths("/a/**", "scopes: [a, b]");
    for (one, other, access, key) in [
        (
            of(TARGET, &issuers("corp, second")),
            of(TARGET, &issuers("second, corp")),
            "other_headers",
            "token.issuer",
        ),
        (
            of(TARGET, &plain),
            of(TARGET, &paths("/a/**, /a/b/**", "scopes: [a, b]")),
            "other_headers",
            "on.paths",
        ),
        (
            of("hosts: ['*.example.com']", &plain),
            of("hosts: ['*.example.com', a.example.com]", &plain),
            "other_headers",
            "target.hosts",
        ),
        (
            of(TARGET, &plain),
            of(TARGET, &paths("/a/**", "scopes: [b, a]")),
            "other_answer",
            "token.scopes",
        ),
        (
            of(TARGET, &plain),
            of(TARGET, &format!("{plain}, annotations: {{ tier: b }}")),
            "other_headers",
            "annotations",
        ),
    ] {
        for (before, after) in [(&one, &other), (&other, &one)] {
            let found = compared(&props, before, after);
            assert_eq!(found, (access.to_owned(), vec![key.to_owned()]), "{after}");
        }
    }
}

/// P649: a policy whose rules are all on trial decides about no request, and all the same which tokens count and which answer is given.
#[test]
fn policies_without_a_rule_that_counts_are_compared() {
    let props = props();
    let rule = format!("name: r, {}", RULE.replace("EFFECT", "allow"));
    let tokens = |more: &str| {
        documents(
            &format!("{TARGET}, tokens: {{ issuers: [corp], others: ignored }}"),
            std::slice::from_ref(&rule),
        ) + more
    };
    let trial = |target: &str, deny: &str| {
        format!(
            "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: z }}\nspec: {{ target: {{ {target} }}, {deny}rules: [{{ name: s, effect: allow, mode: shadow, public: true }}] }}\n"
        )
    };
    let one = "hosts: [orders.example.com]";
    let deny = "deny: { status: 404 }, ";
    for (before, after, wanted) in [
        (tokens(""), tokens(&trial(one, "")), vec!["tokens orders.example.com changed: narrowed"]),
        (
            tokens(&trial(one, "")),
            tokens(&trial("hosts: [a.example]", "")),
            vec!["tokens orders.example.com changed: widened"],
        ),
        (
            tokens(&trial(one, "")),
            tokens(&trial(&format!("{one}, tokens: {{ issuers: [corp], others: ignored }}"), "")),
            vec!["tokens orders.example.com changed: widened"],
        ),
        (
            tokens(""),
            tokens(&trial("hosts: [a.example]", deny)),
            vec!["policy z added: no change in access, other answers"],
        ),
        (
            tokens(&trial("hosts: [a.example]", deny)),
            tokens(&trial("hosts: [b.example]", deny)),
            vec!["policy z changed: no change in access, other answers"],
        ),
        (tokens(&trial("hosts: [a.example]", "")), tokens(""), vec![]),
    ] {
        props.write("before/all.yaml", &before);
        props.write("after/all.yaml", &after);
        let run = props.run("diff before after", "");
        let lines = run
            .stdout
            .lines()
            .filter(|line| line.starts_with("tokens") || line.starts_with("policy"));
        let found: Vec<_> = lines.collect();
        assert_eq!(
            (run.code, &found),
            (i32::from(!wanted.is_empty()), &wanted),
            "{}{}",
            run.stdout,
            run.stderr
        );
    }
}
