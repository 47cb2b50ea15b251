//! A set that keeps policies from the set before equals the set that compiling everything again gives: rules, order, problems
//! and their places.

use std::num::NonZeroUsize;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::clock::UnixTime;
use crate::document::{self, Diagnostic, Document, Kind, RawDocument, SourceFile};
use crate::policy::{PolicySet, PolicySources};
use crate::secret::Fingerprint;

/// Policies: sound ones, ones that are odd by themselves or beside each other, one that time has passed by, and wrong ones.
const POLICIES: [&str; 10] = [
    "target: { hosts: [d.test] }\n  rules: [{ name: q, effect: allow, peer: { spiffe: ['spiffe://prod.example/**'], evidence: hash }, headers: [{ name: x-tenant, exists: true }] }]",
    "target: { hosts: [a.test] }\n  rules: [{ name: r, effect: allow, token: { issuer: corp } }]",
    "target: { hosts: [a.test] }\n  rules: [{ name: s, effect: deny }]",
    "target: { hosts: ['*.test'] }\n  rules: [{ name: t, effect: allow, public: true }]",
    "target: { anyHost: true }\n  rules: [{ name: u, effect: allow, peer: { any: true }, when: 'true' }]",
    "target: { hosts: [b.test, b.test] }\n  rules: [{ name: v, effect: allow, peer: { use: web } }]",
    "target: { hosts: [b.test] }\n  deny: { status: 404 }\n  rules: [{ name: w, effect: deny, on: { paths: [/a/**] }, during: { until: '2026-01-01T00:00:00Z' } }]",
    "target: { hosts: [c.test] }\n  rules: [{ name: x, effect: allow }]",
    "target: { hosts: [c.test] }\n  rules: [{ name: y, effect: allow, peer: { use: absent } }, { name: y, effect: deny }]",
    "target: { hosts: [c.test] }\n  rulez: 1",
];

/// The documents that policies depend on.
const OTHERS: [&str; 6] = [
    "kind: TrustDomain\nmetadata: { name: prod }\nspec: { spiffe: prod.example, authorities: [{ file: a.pem }], revocation: { crls: [{ file: a.crl }], onMissing: deny } }",
    "kind: TrustDomain\nmetadata: { name: edge }\nspec: { spiffe: edge.example, authorities: [{ file: a.pem }] }",
    "kind: TokenIssuer\nmetadata: { name: corp }\nspec: { issuer: 'https://a.test', audiences: [a], keys: { discovery: {} }, algorithms: [RS256], tokens: [{ header: x-tenant }] }",
    "kind: Fragments\nmetadata: { name: shared }\nspec: { peers: { web: { spiffe: ['spiffe://prod.example/web'] } } }",
    "kind: Fragments\nmetadata: { name: shared }\nspec: { peers: { web: { dns: [web.test], any: true } } }",
    "kind: Fragments\nmetadata: { name: more }\nspec: { tokens: { partner: { issuer: partner } } }",
];

/// A file: lines above its documents, and the documents by number, of which those past the policies are others.
type Sketch = Vec<(usize, Vec<usize>)>;

fn sketch() -> impl Strategy<Value = Sketch> {
    // Mostly sound policies, so that there are sets to keep from.
    let all = POLICIES.len();
    let number = prop_oneof![8 => 0..7usize, 1 => 7..all, 3 => all..all + OTHERS.len()];
    vec((0..3usize, vec(number, 0..5)), 1..3)
}

fn text((lines, numbers): &(usize, Vec<usize>)) -> String {
    let document = |number: &usize| match POLICIES.get(*number) {
        Some(spec) => {
            format!("kind: Policy\nmetadata: {{ name: p{number} }}\nspec:\n  {spec}\n")
        }
        None => format!("{}\n", OTHERS[number - POLICIES.len()]),
    };
    let documents = numbers
        .iter()
        .map(|number| format!("---\napiVersion: countersign.dev/v1alpha1\n{}", document(number)));
    format!("{}{}", "# a line\n".repeat(*lines), documents.collect::<String>())
}

struct Set {
    policies: Vec<RawDocument>,
    others: Vec<Document>,
    fragments: Fingerprint,
    problems: Vec<Diagnostic>,
}

fn find(sketch: &Sketch) -> Set {
    let (mut problems, mut found) = (Vec::new(), Vec::new());
    for (number, file) in sketch.iter().enumerate() {
        let file = SourceFile::new(format!("{number}.yaml"), text(file));
        found.extend(document::find(&file, &mut problems));
    }
    let (policies, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|document| document.kind() == Kind::Policy);
    let of_fragments = others.iter().filter(|other| other.kind() == Kind::Fragments);
    let fragments: Vec<u8> =
        of_fragments.flat_map(|other| *other.fingerprint().as_bytes()).collect();
    let others = others.iter().map(|other| other.read().unwrap()).collect();
    Set { policies, others, fragments: Fingerprint::of(&fragments), problems }
}

/// Compiles what `sketch` says, and whether it may be used.
fn compile(
    sketch: &Sketch,
    before: Option<&Arc<PolicySet>>,
    threads: usize,
) -> (Arc<PolicySet>, Vec<Diagnostic>) {
    let Set { policies, others, fragments, mut problems } = find(sketch);
    let sources = PolicySources {
        policies: &policies,
        others: &others,
        fragments: &fragments,
        issuers: &["corp", "partner"],
        domains: &["prod"],
        before,
        threads: NonZeroUsize::new(threads).unwrap(),
        now: UnixTime::from_secs(1_800_000_000),
    };
    let set = PolicySet::compile(&sources, &mut problems);
    document::sort(&mut problems);
    (set, problems)
}

fn description(set: &PolicySet) -> String {
    format!("{:?} {:?} {:?} {:?}", set.index.policies(), set.strip, set.keys, set.lints)
}

proptest! {
    #[test]
    fn a_set_with_kept_policies_is_the_set_that_all_of_them_compile_to(
        first in sketch(), second in sketch(),
    ) {
        let (before, problems) = compile(&first, None, 1);
        prop_assume!(!document::any_error(&problems));
        for after in [&second, &first] {
            let (kept, of_kept) = compile(after, Some(&before), 1);
            let (whole, of_whole) = compile(after, None, 1);
            prop_assert_eq!(&of_kept, &of_whole);
            prop_assert_eq!(description(&kept), description(&whole));
        }
    }
}

fn many(count: usize) -> String {
    let one = |number| {
        format!(
            "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: p{number} }}\nspec:\n  target: {{ hosts: [h{number}.test, h{number}.test] }}\n  rules: [{{ name: r, effect: allow, token: {{ issuer: corp }} }}]\n"
        )
    };
    (0..count).map(one).collect()
}

fn compile_text(text: &str, before: Option<&Arc<PolicySet>>, threads: usize) -> Arc<PolicySet> {
    let mut problems = Vec::new();
    let policies = document::find(&SourceFile::new("a.yaml", text), &mut problems);
    let sources = PolicySources {
        policies: &policies,
        others: &[],
        fragments: &Fingerprint::of(b""),
        issuers: &["corp"],
        domains: &[],
        before,
        threads: NonZeroUsize::new(threads).unwrap(),
        now: UnixTime::from_secs(0),
    };
    let set = PolicySet::compile(&sources, &mut problems);
    assert!(problems.iter().all(|problem| problem.code == "repeated-entry"), "{problems:?}");
    assert_eq!(problems.len(), policies.len());
    set
}

#[test]
fn several_threads_compile_what_one_does() {
    let text = many(300);
    let one = compile_text(&text, None, 1);
    for threads in [2, 3, 64] {
        assert_eq!(
            description(&compile_text(&text, None, threads)),
            description(&one),
            "{threads}"
        );
    }
}

#[test]
fn only_what_has_changed_is_compiled_again() {
    let text = many(100);
    let before = compile_text(&text, None, 1);
    let moved = compile_text(&format!("# a line more\n{text}"), Some(&before), 1);
    assert!(Arc::ptr_eq(&before, &moved), "nothing but places has changed");
    let after = compile_text(&text.replace("h7.test", "other.test"), Some(&before), 1);
    let policies = before.index.policies().iter().zip(after.index.policies());
    let others: Vec<_> = policies.filter(|(before, after)| !Arc::ptr_eq(before, after)).collect();
    assert_eq!(others.len(), 1);
}
