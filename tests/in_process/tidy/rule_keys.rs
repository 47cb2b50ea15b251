//! How many files one key of a rule is in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{EDGES, relative, root};

/// Keys that more of the program is about than their family, the list and one reader, with those files.
const CENTRAL_KEYS: [(&str, &[&str]); 5] = [
    // A rule lists the headers that it reads.
    ("HeaderMatcher", &["src/policy/compile/compiled_rule.rs", "src/policy/compile/request.rs"]),
    // Evaluation looks for the rules that ask for a caller at all.
    ("PeerPresent", &["src/policy/compile/rule.rs", "src/policy/evaluate/policy_set.rs"]),
    (
        "TokenPresent",
        &[
            "src/policy/compile/claims.rs",
            "src/policy/compile/identity.rs",
            "src/policy/compile/rule.rs",
        ],
    ),
    // Hosts are listed at which the use of tokens is noted.
    ("TokenSignals", &["src/policy/compile/identity.rs", "src/policy/evaluate/policy_set.rs"]),
    ("When", &["src/policy/compile/compiled_rule.rs", "src/policy/compile/rule.rs"]),
];

/// `docs/adding-a-rule-key.md`: a key is named where it is required, listed and read. Beside these there are lints, and `who-can`, which
/// makes callers who meet it.
#[test]
fn a_rule_key_is_named_in_three_files_that_serve() {
    let list = fs::read_to_string(root().join("src/policy/requirement/list.rs")).unwrap();
    let (_, list) = list.split_once("\nrequirements! {\n").unwrap();
    let keys = list.split('}').next().unwrap().split(',').map(str::trim);
    let keys: Vec<_> = keys.filter(|key| !key.is_empty()).collect();
    assert!(keys.len() > 25, "{keys:?}");
    let room = root().join("src/policy");
    let beside = ["requirement/list.rs", "explain/", "compile/lint"].map(|own| room.join(own));
    let mut wrong = Vec::new();
    for key in keys {
        let has = |path: &Path, text: &str| {
            path.starts_with(&room) && fs::read_to_string(path).unwrap().contains(text)
        };
        let is_its = |used: &Path, names: &BTreeSet<String>| {
            names.contains(key)
                && (["(", ";", " {"].iter().any(|end| has(used, &format!("struct {key}{end}")))
                    || has(used, &format!("\n    {key} ")))
        };
        let files = EDGES.iter().filter(|(file, uses)| {
            let is_beside =
                |own: &PathBuf| file.to_str().unwrap().starts_with(own.to_str().unwrap());
            let is_family = has(file, &format!("\nimpl RuleKey for {key} "));
            uses.iter().any(|(used, names)| is_its(used, names))
                && !is_family
                && !beside.iter().any(is_beside)
        });
        let files: BTreeSet<_> = files.map(|(file, _)| relative(file)).collect();
        let central = CENTRAL_KEYS.iter().find(|(own, _)| *own == key);
        let expected = central.map(|(_, files)| files.iter().map(ToString::to_string).collect());
        let is_read_once = files.len() == 1 && files.iter().all(|own| own.contains("/compile/"));
        if expected.map_or(!is_read_once, |expected: BTreeSet<_>| expected != files) {
            wrong.push(format!("{key}: {files:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
