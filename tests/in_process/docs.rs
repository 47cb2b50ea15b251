//! The pages' statements about the program, compared with the program: statuses, commands, metrics, warnings, defaults, settings and
//! the sections that links lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::document::schema::schema_of;
use countersign::document::{Code, Kind, Severity};
use countersign::envoy::ListenerOptions;
use countersign::reason::{ClientAnswer, Reason};
use countersign::telemetry::{Signal, instruments};
use serde_json::Value;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The pages outside of `docs/`.
const BESIDE: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "deploy/chart/README.md",
];

/// The pages, by their paths from the root.
pub(crate) fn pages() -> BTreeMap<PathBuf, String> {
    let mut found = BESIDE.map(PathBuf::from).to_vec();
    pages_below(Path::new("docs"), &mut found);
    found.into_iter().map(|path| (path.clone(), page(path.to_str().unwrap()))).collect()
}

fn pages_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        if root().join(&path).is_dir() {
            pages_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// `text` without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The id that a Markdown page gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// Every place that links can lead to in `text`.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let mut found: BTreeSet<_> =
        headings.map(|line| anchor(line.trim_start_matches('#'))).collect();
    let written = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    found.extend(written.map(str::to_owned));
    found
}

/// P207: every link between the pages leads to a file, and to a section of it, that is there; and no section is there twice.
#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in pages() {
        let headings: Vec<_> = prose(&text)
            .lines()
            .filter(|line| line.starts_with('#') && path != Path::new("CHANGELOG.md"))
            .map(str::to_owned)
            .collect();
        let sections = headings.iter().filter(|line| line.starts_with("## ")).collect::<Vec<_>>();
        let distinct: BTreeSet<_> = sections.iter().collect();
        if distinct.len() != sections.len() {
            wrong.push(format!("{}: a section is there twice", path.display()));
        }
        let text = prose(&text);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            seen += 1;
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(&path),
                file => root().join(path.parent().unwrap()).join(file),
            };
            let found = match section {
                "" => target.exists(),
                section => {
                    fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(section))
                }
            };
            if !found {
                wrong.push(format!("{}: `{link}`", path.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(seen > 150, "{seen} links");
}

/// P550: the site has every page once, under the heading where a reader looks for it.
#[test]
fn the_table_of_contents_has_every_page_once() {
    let summary = page("docs/SUMMARY.md");
    let linked = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let mut linked: Vec<_> = linked
        .map(|link| match link.strip_prefix("../") {
            Some(outside) => PathBuf::from(outside),
            None => Path::new("docs").join(link),
        })
        .collect();
    linked.sort();
    let pages: Vec<_> =
        pages().into_keys().filter(|path| path != Path::new("docs/SUMMARY.md")).collect();
    assert_eq!(linked, pages);
}

/// P551: every page that someone needs is found from one page, by task or by role.
#[test]
fn the_index_leads_to_every_page() {
    let index = page("docs/README.md");
    let linked: BTreeSet<_> = index
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .map(|link| link.strip_prefix("../").map_or_else(|| format!("docs/{link}"), str::to_owned))
        .collect();
    let own = ["docs/README.md", "docs/SUMMARY.md", "CHANGELOG.md", "docs/adding-a-rule-key.md"];
    let missing: Vec<_> = pages()
        .into_keys()
        .map(|path| path.to_str().unwrap().to_owned())
        .filter(|path| !own.contains(&path.as_str()) && !linked.contains(path))
        .collect();
    assert_eq!(missing, [""; 0], "docs/README.md");
}

/// P552: a symptom leads to its meaning, its impact, commands to look with, and causes with their remedies.
#[test]
fn every_symptom_says_what_it_means_and_what_to_do() {
    let runbook = page("docs/runbook.md");
    let (_, symptoms) = runbook.split_once("\n## By symptom\n").unwrap();
    let symptoms = symptoms.split("\n## ").next().unwrap();
    let mut whole = 0;
    for section in symptoms.split("\n### ").skip(1) {
        let (name, text) = section.split_once('\n').unwrap();
        assert!(symptoms.contains(&format!("[{name}](#")), "{name} is not in the list above them");
        // The short ones lead on to a section, or are one paragraph.
        if text.trim().lines().count() <= 2 {
            continue;
        }
        for part in ["**Meaning**: ", "\n**Impact**: ", "\n```sh\n", "| fix |\n"] {
            assert!(text.contains(part), "{name}: {part:?}");
        }
        whole += 1;
    }
    assert!(whole >= 10, "{whole}");
}

/// P207: the runbook says what a caller sees as the program answers it.
#[test]
fn the_runbook_says_what_callers_see() {
    let runbook = page("docs/runbook.md");
    for reason in Reason::ALL {
        let heading = format!("### `{reason}`\n");
        let (_, section) = runbook.split_once(&heading).unwrap();
        let answer = reason.client_answer();
        let told = format!("The caller sees {}", answer.status());
        assert!(section.starts_with(&told), "{reason}: expected `{told}`");
        // Proofs have words of their own, which RFC 9449 gives.
        let own = [Reason::DpopInvalid, Reason::DpopNonce].contains(reason);
        if let Some(word) = answer.oauth_error().filter(|_| !own) {
            assert!(section.starts_with(&format!("{told} `{word}`")), "{reason}: `{word}`");
        }
        let first = section.lines().next().unwrap();
        let challenged = matches!(answer, ClientAnswer::Unauthenticated);
        assert_eq!(first.contains("with a challenge"), challenged, "{reason}");
    }
}

/// P207: the runbook lists the reasons that throttling counts.
#[test]
fn the_runbook_lists_the_failed_attempts() {
    let runbook = page("docs/runbook.md");
    let (_, list) = runbook.split_once("These count: ").unwrap();
    let list = list.split(".\n").next().unwrap();
    let counted = Reason::ALL.iter().filter(|reason| reason.is_failed_attempt());
    let counted: Vec<_> = counted.map(|reason| format!("`{reason}`")).collect();
    assert_eq!(list, counted.join(", "));
}

/// P207: the runbook explains every signal.
#[test]
fn the_runbook_explains_every_signal() {
    let runbook = page("docs/runbook.md");
    let (_, section) = runbook.split_once("### Something is odd\n").unwrap();
    let section = section.split("\n### ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let signals: Vec<_> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
    assert_eq!(rows.collect::<Vec<_>>(), signals);
}

/// The lines and the words in backticks that may be commands of ours.
fn commands(text: &str) -> Vec<String> {
    let fenced = text.lines().map(|line| line.trim_start_matches("$ ").trim());
    let inline = text.split('`').filter(|part| !part.contains('\n'));
    let begins = |part: &&str| part.contains("countersign ");
    fenced.chain(inline).filter(begins).map(str::to_owned).collect()
}

/// P207: every command in the pages has the options that it is shown with.
#[test]
fn every_command_that_is_shown_is_one() {
    let run = |arguments: &[&str]| {
        let program = Command::new(env!("CARGO_BIN_EXE_countersign")).args(arguments).output();
        String::from_utf8(program.unwrap().stdout).unwrap()
    };
    let listed = run(&["--help"]);
    let known: BTreeSet<&str> = listed
        .lines()
        .skip_while(|line| *line != "Commands:")
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty())
        .collect();
    let mut help = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (path, text) in pages() {
        for line in commands(&text) {
            for call in line.split("countersign ").skip(1) {
                let call = call.split(['#', '|', ';', '`']).next().unwrap();
                let mut words = call.split_whitespace();
                let Some(command) = words.next().filter(|word| known.contains(word)) else {
                    continue;
                };
                let sub = words.next().filter(|word| (command, *word) == ("keys", "verify"));
                let arguments: Vec<&str> = [command].into_iter().chain(sub).collect();
                let help = help
                    .entry(arguments.join(" "))
                    .or_insert_with(|| run(&[&arguments[..], &["--help"]].concat()));
                let options = call.split_whitespace().filter(|word| word.starts_with("--"));
                for option in options {
                    let option = option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                    let option = option.split('=').next().unwrap();
                    assert!(help.contains(option), "{}: `{option}` of `{call}`", path.display());
                    seen.insert(format!("{} {option}", arguments.join(" ")));
                }
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

/// P207: every metric that a page names is exported.
#[test]
fn every_metric_that_is_named_is_exported() {
    let exported: BTreeSet<String> =
        instruments::ALL.iter().map(|instrument| instrument.prometheus_name()).collect();
    for (path, text) in pages() {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("countersign_")) {
            assert!(exported.contains(word), "{}: `{word}`", path.display());
        }
    }
}

/// The Rust files in `folder`, but for those in a folder that is called `but`.
fn sources(folder: &Path, but: &str, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != but) {
            sources(&path, but, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// P207: the warnings in the table are those that there are, and every one that is made is explained somewhere.
#[test]
fn every_warning_is_explained() {
    let mut source = String::new();
    sources(&root().join("src"), "tests", &mut source);
    let policy = page("docs/policy.md");
    let (_, table) = policy.split_once("\n## Warnings\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let codes: Vec<&str> =
        rows.flat_map(|row| row.split('|').next().unwrap().split(['`', ',', ' '])).collect();
    for code in codes.iter().filter(|code| !code.is_empty()) {
        assert!(source.contains(&format!("\"{code}\"")), "no warning is called `{code}`");
    }
    let explained: String = pages().into_values().collect();
    let made: Vec<_> =
        Code::all().filter(|code| code.severity() == Severity::Warning).map(Code::as_str).collect();
    assert!(made.len() > 10, "{made:?}");
    for code in made {
        assert!(explained.contains(&format!("`{code}`")), "`{code}` is explained nowhere");
    }
}

/// P207: the pages about the admin listener name all of its paths.
#[test]
fn every_path_of_the_admin_listener_is_named() {
    let mut source = String::new();
    sources(&root().join("src/admin"), "tests", &mut source);
    let pages =
        page("docs/operations.md") + &page("docs/revocation.md") + &page("docs/assertion.md");
    let paths: BTreeSet<_> = source
        .split(".route(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().split("/{").next().unwrap())
        .collect();
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        assert!(pages.contains(path), "`{path}` is not named");
    }
}

/// The first cells of the rows of the tables in `text` that begin with a word in backticks.
fn rows(text: &str) -> BTreeMap<&str, &str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.collect()
}

/// P207: the table of a token issuer's settings has every setting.
#[test]
fn the_table_of_an_issuers_settings_is_whole() {
    let schema: Value = schema_of(Kind::TokenIssuer);
    let properties = schema["$defs"]["TokenIssuerSpec"]["properties"].as_object().unwrap();
    let tokens = page("docs/tokens.md");
    let (_, settings) = tokens.split_once("\n## Settings\n").unwrap();
    let settings = rows(settings.split("\n## ").next().unwrap());
    let missing: Vec<_> =
        properties.keys().filter(|key| !settings.contains_key(key.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// P207: the tests that the threat model names are there.
#[test]
fn the_tests_of_the_threat_model_are_there() {
    let page = page("docs/threat-model.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let names: BTreeSet<_> = quoted.filter(|name| name.matches('_').count() >= 3).collect();
    let is_metric =
        |name: &&&str| instruments::ALL.iter().any(|own| own.prometheus_name() == **name);
    let mut text = String::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), "", &mut text);
    }
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !is_metric(name) && !text.contains(&format!("fn {name}(")))
        .collect();
    assert!(names.len() > 50 && missing.is_empty(), "{missing:?}");
}

/// P207: the limits of the listener are those that are documented.
#[test]
fn the_limits_are_those_that_are_documented() {
    let operations = page("docs/operations.md");
    let (_, limits) = operations.split_once("\n## Why the limits are what they are\n").unwrap();
    let limits = rows(limits.split("\n## ").next().unwrap());
    let ListenerOptions { connections, concurrent_checks, .. } = ListenerOptions::default();
    let keep_alive = connections.keep_alive;
    for (setting, default) in [
        ("listener.connections.max", connections.max.to_string()),
        ("listener.connections.maxAge", connections.max_age.to_string()),
        ("listener.connections.maxAgeGrace", connections.max_age_grace.to_string()),
        (
            "listener.connections.keepAlive",
            format!("{}, {}", keep_alive.interval, keep_alive.timeout),
        ),
        ("listener.concurrentChecks", concurrent_checks.to_string()),
    ] {
        let told = limits.get(setting).unwrap_or_else(|| panic!("`{setting}` is in no row"));
        assert!(told.starts_with(&format!(" | {default}")), "{setting}: {told}");
    }
}
