//! A reload takes unchanged policies from the snapshot before, and only the time that it takes shows it: every problem is
//! the same, word for word and in its place, and so is what is put in force (invariant 6, P77).

use std::fs;
use std::path::{Path, PathBuf};

use countersign::document::RemoteContents;
use countersign::pdp::{Load, Snapshot};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rendered(load: &Load) -> String {
    let problems: Vec<_> =
        load.problems.iter().map(|p| format!("{p}\n{}", p.render(false))).collect();
    problems.join("\n")
}

/// Loads `paths` from nothing and after `before`, and asserts that both give the same.
#[track_caller]
fn both(before: &Snapshot, paths: &[PathBuf]) -> Load {
    let fresh = Load::from_paths(paths);
    let again = Load::again(before, paths, RemoteContents::new());
    assert_eq!(rendered(&again), rendered(&fresh), "{paths:?}");
    assert_eq!((again.files, again.suites.len()), (fresh.files, fresh.suites.len()), "{paths:?}");
    let told = |load: &Load| {
        let snapshot = load.snapshot.as_ref()?;
        let rules: Vec<_> = snapshot.policies().rules().map(|rule| format!("{rule:?}")).collect();
        let files: Vec<_> = snapshot.files().map(Path::to_owned).collect();
        Some((snapshot.revision().clone(), rules, files))
    };
    assert_eq!(told(&again), told(&fresh), "{paths:?}");
    again
}

/// The documents of `tests/policy-errors` beside those of `policies`, come and gone, moved within their file, and together.
#[test]
fn a_reload_says_what_a_start_with_the_same_files_says() {
    let good = root().join("policies");
    let before = Load::from_paths(std::slice::from_ref(&good)).snapshot.unwrap();
    let entries = fs::read_dir(root().join("tests/policy-errors")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut wrong: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    wrong.sort();
    assert!(wrong.len() >= 50);
    let folder = tempfile::tempdir().unwrap();
    let moved = folder.path().join("moved.yaml");
    for path in &wrong {
        let load = both(&before, &[good.clone(), path.clone()]);
        // Documents that are odd and not wrong come into force, and can be kept in turn.
        let Some(odd) = load.snapshot else { continue };
        let text = fs::read_to_string(path).unwrap();
        fs::write(&moved, format!("# a line\n# and another\n{text}")).unwrap();
        both(&odd, &[good.clone(), moved.clone()]);
        both(&odd, &[good.clone(), path.clone()]);
        both(&odd, std::slice::from_ref(&good));
    }
    wrong.push(good);
    both(&before, &wrong);
}

/// Policies depend on documents of other kinds: where one of those changes, they are compiled again.
#[test]
fn a_change_of_what_policies_refer_to_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let head = "apiVersion: countersign.dev/v1alpha1\n";
        fs::write(folder.path().join(name), format!("{head}{text}")).unwrap();
    };
    let paths = [folder.path().to_owned()];
    let issuer = "kind: TokenIssuer\nmetadata: { name: corp }\nspec:\n  issuer: https://a.test\n  audiences: [a]\n  keys: { url: https://a.test/keys }\n  algorithms: [RS256]\n  tokens: [{ header: x-token }]\n";
    let policy = "kind: Policy\nmetadata: { name: p }\nspec:\n  target: { hosts: [a.test] }\n  rules:\n    - { name: r, effect: allow, token: { use: corp }, headers: [{ name: x-tenant, any: { equals: a } }] }\n";
    let fragments =
        "kind: Fragments\nmetadata: { name: f }\nspec: { tokens: { corp: { issuer: corp } } }\n";
    write("issuer.yaml", issuer);
    write("policy.yaml", policy);
    write("fragments.yaml", fragments);
    let load = Load::from_paths(&paths);
    let before = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
    for (name, text, allowed) in [
        // Another name: the fragment refers to nothing.
        ("issuer.yaml", issuer.replace("name: corp", "name: other"), false),
        // The header that the rule reads carries credentials now.
        ("issuer.yaml", issuer.replace("x-token", "x-tenant"), false),
        ("fragments.yaml", fragments.replace("tokens: { corp:", "tokens: { other:"), false),
        ("fragments.yaml", fragments.replace("issuer: corp", "issuer: corp, scopes: [a]"), true),
    ] {
        write(name, &text);
        let load = both(&before, &paths);
        assert_eq!(load.snapshot.is_some(), allowed, "{name}: {:?}", load.problems);
        write("issuer.yaml", issuer);
        write("fragments.yaml", fragments);
    }
    both(&before, &paths);
}
