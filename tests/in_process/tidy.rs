//! The house rules that a compiler does not know: ranks, places for dangerous words, file sizes, and tables that must
//! agree with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use countersign::reason::Reason;

mod cycles;
mod methods;
mod modules;
mod order;
mod proxies;
mod rule_keys;
mod words;

use cycles::cycles;
use methods::Methods;
use modules::{Crate, Edges, function_lines};
use order::INNER_ORDER;

/// Rooms by rank. A room imports rooms of a lower rank only. `src/lib.rs` says what each one owns.
const RANKS: [&[&str]; 12] = [
    &["json", "limits", "words"],
    &["clock", "evidence_level", "reason", "replace_file", "secret", "sync"],
    &["document", "identity_map", "request", "slots", "spiffe"],
    &["evidence", "mesh", "signer", "store", "trust"],
    &["authn"],
    &["policy"],
    &["pdp"],
    &["admin", "audit", "envoy", "reload", "telemetry"],
    &["config"],
    &["app"],
    &["demo"],
    &["cli"],
];

/// Imports that a room must not have although its rank would let it: policy sees only what was verified.
/// The store does I/O, and the core does not.
const NEVER: [(&str, &str); 5] = [
    ("policy", "evidence"),
    ("policy", "trust"),
    ("authn", "store"),
    ("policy", "store"),
    ("policy", "signer"),
];

/// Words and the rooms that may say them.
const WORDS: [(&str, &[&str], &str); 8] = [
    (
        "CredentialHeaders",
        &["request", "envoy", "pdp", "evidence", "cli"],
        "raw credentials stay sealed (invariant 3)",
    ),
    (
        "::assertion(",
        &["cli", "authn", "policy"],
        "identities come from verification, except in tests and explain",
    ),
    (
        "::assertion_beside(",
        &["authn", "policy"],
        "identities come from verification, except in tests and explain",
    ),
    ("envoy_types", &["envoy", "demo"], "Envoy's types stop at the edge"),
    ("serde_saphyr", &["document", "config"], "YAML stops at the documents"),
    ("SystemTime::now", &["clock"], "time is a value"),
    ("Instant::now", &["clock"], "time is a value"),
    ("env::var", &["config"], "the environment is read in one place"),
];

const MAX_LINES: usize = 500;
const MOST_FUNCTION_LINES: usize = 60;
const MOST_OF_NINE_IN_TEN: usize = 22;
const MOST_OF_HALF_THE_FILES: usize = 150;

struct SourceText {
    path: PathBuf,
    room: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file in `src` with the room it is in; the two crate roots are in no room.
fn sources() -> Vec<SourceText> {
    let mut paths = Vec::new();
    rust_files(&root().join("src"), &mut paths);
    paths
        .into_iter()
        .map(|path| SourceText {
            text: fs::read_to_string(&path).unwrap(),
            room: room(&path),
            path,
        })
        .filter(|source| source.room != "main" && source.room != "lib")
        .collect()
}

fn rank(room: &str) -> usize {
    RANKS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| {
        panic!("room `{room}` has no rank: add it to RANKS and to the manual in src/lib.rs")
    })
}

/// The room of a file in `src`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Which file in `src` uses which.
static EDGES: LazyLock<Edges> = LazyLock::new(|| Crate::read(&root().join("src")).edges());

#[test]
fn rooms_import_rooms_of_a_lower_rank_only() {
    let mut wrong = Vec::new();
    for (file, uses) in &*EDGES {
        for (used, names) in uses {
            let (from, to) = (room(file), room(used));
            let never = NEVER.contains(&(from.as_str(), to.as_str()));
            if from != to && (never || rank(&to) >= rank(&from)) {
                wrong.push(format!(
                    "{}: `{from}` must not import `{to}`: {names:?}",
                    relative(file)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A room has an order inside, and a file does not import a file or folder after its own.
#[test]
fn files_of_a_room_import_those_before_them_only() {
    let mut wrong = Vec::new();
    for (file, uses) in &*EDGES {
        for (used, names) in uses.iter().filter(|(used, _)| room(used) == room(file)) {
            if place(used) > place(file) {
                wrong.push(format!("{} imports {}: {names:?}", relative(file), relative(used)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file that imports another one gets nothing called back by it: a method that it adds to the other's type belongs to what
/// comes later.
#[test]
fn no_file_calls_a_method_of_a_file_that_imports_it() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    files.retain(|path| !is_test(path));
    let methods = Methods::read(&files);
    let mut wrong = Vec::new();
    for (file, called, of) in methods.calls() {
        if room(file) == room(of) && EDGES.get(of).is_some_and(|uses| uses.contains_key(file)) {
            wrong.push(format!("{} calls `{called}` of {}", relative(file), relative(of)));
        }
    }
    assert!(methods.calls().count() > 500, "{}", methods.calls().count());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One name, one thing: a room has one type of a name. Each command has its `Args`.
#[test]
fn no_room_has_two_types_of_one_name() {
    let all = Crate::read(&root().join("src"));
    let mut files: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for (name, file) in all.types().filter(|(name, _)| *name != "Args") {
        files.entry((room(file), name)).or_default().push(relative(file));
    }
    assert!(files.len() > 500, "{}", files.len());
    files.retain(|_, files| files.len() > 1);
    assert!(files.is_empty(), "{files:?}");
}

/// The place of a file or its folder in the order of its room. The facade of a room (`mod.rs`, or `src/app.rs` of `app`) is last.
fn place(path: &Path) -> usize {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let facade = Path::new("mod.rs").as_os_str();
    let Some(own) = inside.iter().nth(1).filter(|own| *own != facade) else { return usize::MAX };
    let own = own.to_str().unwrap().trim_end_matches(".rs");
    let orders = INNER_ORDER.iter().filter(|(room, _)| *room == self::room(path));
    let mut names = orders.flat_map(|(_, order)| order.split_whitespace());
    let place = names.position(|name| name == own);
    place.unwrap_or_else(|| panic!("{}: it has no place in INNER_ORDER", relative(path)))
}

/// A reader begins at any file of a room and gets to the bottom; a file on a cycle can only be read with all others of it.
#[test]
fn no_file_imports_itself_through_others() {
    let edges = &*EDGES;
    let cycles = cycles(edges);
    let mut wrong = Vec::new();
    for cycle in &cycles {
        wrong.push(format!("a cycle of {} files:", cycle.len()));
        for file in cycle {
            let uses = edges[file].iter().filter(|(used, _)| cycle.contains(used));
            let uses: Vec<_> =
                uses.map(|(used, names)| format!("{} {names:?}", relative(used))).collect();
            wrong.push(format!("  {} uses {}", relative(file), uses.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The steps of a check in `src/pdp`, in order, and the rooms whose functions each one calls. Methods of what a room returned
/// are data: a later step may read them.
const WALK: [(&str, &[&str]); 6] = [
    ("gather", &["evidence", "authn"]),
    ("authenticate", &["authn"]),
    ("decide", &[]),
    ("single_use", &[]),
    ("failed", &[]),
    ("fulfil", &[]),
];

/// The functions that `text` calls of the type `name`: `name::function(`.
fn calls_of<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let called = format!("{name}::");
    let calls = text.split(&called).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())?;
        let (function, rest) = rest.split_at(end);
        (rest.starts_with('(') && function.starts_with(char::is_lowercase)).then_some(function)
    });
    calls.collect()
}

/// `ARCHITECTURE.md` ("The walk of a check"): evidence, authentication, evaluation, fulfilment, and never back.
#[test]
fn a_check_never_returns_to_a_room_that_it_has_left() {
    let (mut right, mut wrong) = (BTreeSet::new(), Vec::new());
    for (step, may_call) in WALK {
        let file = root().join(format!("src/pdp/{step}.rs"));
        for (used, names) in &EDGES[&file] {
            let to = room(used);
            if !["evidence", "authn", "policy"].contains(&&*to) {
                continue;
            }
            let text = fs::read_to_string(used).unwrap();
            // Before *evaluate*, tables that policies filled are asked, and not policies.
            let own = fs::read_to_string(&file).unwrap();
            if matches!(step, "gather" | "authenticate") && own.contains(".policies()") {
                wrong.push(format!("{step} asks policies"));
            }
            let is_function = |name: &&String| {
                ["(", "<"].iter().any(|end| text.contains(&format!("\npub fn {name}{end}")))
            };
            // A constructor is a call, too. A denial is new wherever it comes to be.
            let makes =
                |name: &&String| calls_of(&own, name).iter().any(|function| *function != "new");
            for name in names.iter().filter(|name| is_function(name) || makes(name)) {
                let call = format!("{step} calls {to}::{name}");
                if may_call.contains(&&*to) {
                    right.insert(call);
                } else {
                    wrong.push(call);
                }
            }
        }
    }
    for call in ["gather calls evidence::collect", "authenticate calls authn::authenticate_traced"]
    {
        assert!(right.contains(call), "{call}: {right:?}");
    }
    let pdp = sources().into_iter().filter(|own| own.room == "pdp" && !is_test(&own.path));
    let evaluating: Vec<_> = pdp
        .flat_map(|own| vec![relative(&own.path); own.text.matches(".evaluate_traced(").count()])
        .collect();
    assert_eq!(evaluating, ["src/pdp/decide.rs"], "rules are evaluated in one place");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod a;\npub mod b;\npub mod c;\npub mod d;\npub mod e;\npub mod f;\n");
    write(
        "a.rs",
        "use crate::{\n    b::{\n        self as other,\n    },\n};\nfn f() { other::g(); }\n",
    );
    write("b/mod.rs", "mod inner;\npub use inner::*;\n");
    write("b/inner.rs", "pub fn g() { vec![crate::c::h()]; }\n");
    write(
        "c.rs",
        "pub fn h() -> super::d::D { super::d::D }\n#[cfg(test)]\nmod tests { use crate::e::E; }\n",
    );
    write("d.rs", "pub struct D;\nimpl D { fn of() { use super::a::f; } }\n");
    write("e.rs", "use crate::{c::h, d};\npub struct E(d::D);\n");
    let text = "pub struct F {\n    #[serde(with = \"crate::c\")]\n    #[arg(value_parser = crate::d::D::of)]\n    a: u8,\n}\n";
    write("f.rs", text);
    let edges = Crate::read(folder.path()).edges();
    let uses = |name: &str| -> Vec<String> {
        let files = edges[&folder.path().join(name)].keys();
        files.map(|own| own.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
    };
    assert_eq!(uses("a.rs"), ["b/inner.rs"]);
    assert_eq!(uses("b/inner.rs"), ["c.rs"]);
    assert_eq!(uses("c.rs"), ["d.rs"]);
    assert_eq!(uses("d.rs"), ["a.rs"]);
    assert_eq!([uses("e.rs"), uses("f.rs")], [["c.rs", "d.rs"]; 2]);
    let files = ["a.rs", "b/inner.rs", "c.rs", "d.rs"].map(|name| folder.path().join(name));
    assert_eq!(cycles(&edges), [files.to_vec()]);
}

/// Tests beside the code may say what the product must not.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn dangerous_words_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    let product = sources().into_iter().filter(|source| !is_test(&source.path));
    for SourceText { path, room, text } in product {
        // Rustls wants this of a verifier of servers, which vouches for no caller.
        let text = text.replace("ServerCertVerified::assertion()", "");
        for (word, rooms, why) in WORDS {
            if text.contains(word) && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: `{word}` does not belong here: {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Invariant 10: the rooms that decide do no I/O and are told the time.
#[test]
fn the_core_does_no_io_and_has_no_clock() {
    let core = ["evidence", "trust", "authn", "policy"];
    let words = ["tokio", "std::fs", "std::net::Tcp", "async fn", ".await", "Clock"];
    let product = sources().into_iter().filter(|source| !is_test(&source.path));
    for SourceText { path, text, .. } in product.filter(|source| core.contains(&&*source.room)) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // The name of a diagnostic, not a clock.
        let code = code.replace("Code::ClockSkew", "");
        for word in words {
            assert!(
                !code.contains(word),
                "{}: `{word}` does not belong into the core",
                path.display()
            );
        }
    }
}

#[test]
fn files_say_what_they_own_and_are_small() {
    let mut paths = Vec::new();
    for folder in ["src", "tests"] {
        rust_files(&root().join(folder), &mut paths);
    }
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//!"),
            "{}: the first line says what the file owns",
            path.display()
        );
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{}: {lines} lines, more than {MAX_LINES}: split it",
            path.display()
        );
    }
}

/// Short functions in short files: a reader keeps the whole of one in mind.
#[test]
fn functions_and_files_are_short() {
    let product: Vec<_> = sources().into_iter().filter(|source| !is_test(&source.path)).collect();
    let mut files: Vec<usize> = product.iter().map(|source| source.text.lines().count()).collect();
    files.sort_unstable();
    let mut functions: Vec<(usize, String)> = Vec::new();
    for source in &product {
        let lines = function_lines(&source.text).into_iter();
        functions
            .extend(lines.map(|(name, n)| (n, format!("{} `{name}`", relative(&source.path)))));
    }
    functions.sort();
    let long: Vec<_> = functions.iter().filter(|(lines, _)| *lines > MOST_FUNCTION_LINES).collect();
    assert!(long.is_empty(), "split {long:#?}");
    let ninth = functions[functions.len() * 9 / 10].0;
    assert!(ninth <= MOST_OF_NINE_IN_TEN, "nine of ten functions have at most {ninth} lines");
    let median = files[files.len() / 2];
    assert!(median <= MOST_OF_HALF_THE_FILES, "half of the files have at most {median} lines");
}

/// One section per reason, in the order of the code: the page an operator lands on at 3 a.m.
#[test]
fn every_reason_has_a_runbook_section() {
    let runbook = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let sections: Vec<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(sections, codes);
}

#[test]
fn every_direct_dependency_is_explained() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let explained = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let rows: BTreeSet<_> =
        explained.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut declared = BTreeSet::new();
    let mut in_table = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_table = line.ends_with("dependencies]");
        } else if let Some((name, _)) =
            line.split_once(" = ").filter(|_| in_table && !line.starts_with('#'))
        {
            declared.insert(name);
        }
    }
    assert_eq!(rows, declared, "docs/dependencies.md and Cargo.toml list different crates");
}

/// The numbers of pitfalls (`P30`) in `text`.
fn pitfalls(text: &str) -> BTreeSet<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('P')?.parse().ok()).collect()
}

/// The pitfalls that doc comments of tests name: a doc comment that stands above an attribute which makes a test.
fn closed_by(text: &str) -> BTreeSet<u32> {
    let (mut closed, mut named) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with("///") {
            named.extend(pitfalls(line));
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            closed.append(&mut named);
        } else if !line.starts_with("#[") {
            named.clear();
        }
    }
    closed
}

/// A test closes each pitfall that `docs/pitfalls.md` lists, and each one that tests close is listed.
#[test]
fn every_known_trap_is_closed_by_a_test_that_names_it() {
    let list = fs::read_to_string(root().join("docs/pitfalls.md")).unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let listed: Vec<u32> = rows.flat_map(|(first, _)| pitfalls(first)).collect();
    assert!(listed.is_sorted_by(|one, next| one < next), "each once, in order: {listed:?}");
    assert!((1..=87).all(|number| listed.contains(&number)), "none is taken away");
    let mut paths = Vec::new();
    for folder in ["src", "tests"] {
        rust_files(&root().join(folder), &mut paths);
    }
    let closed: BTreeSet<u32> =
        paths.iter().flat_map(|path| closed_by(&fs::read_to_string(path).unwrap())).collect();
    let open: Vec<_> = listed.iter().filter(|own| !closed.contains(own)).collect();
    assert!(open.is_empty(), "no test names {open:?}");
    let unknown: Vec<_> = closed.iter().filter(|own| !listed.contains(own)).collect();
    assert!(unknown.is_empty(), "docs/pitfalls.md lacks {unknown:?}");
}
