//! The pages show files and commands, and here each file is written and each command run, as printed and in order.
//!
//! Three things differ from what a reader does. Ports are free ones of this machine. `countersign serve` in the foreground goes
//! to the background. Lines that begin with a program of [`OTHERS`] are ignored.

mod markdown;
mod shell;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use markdown::{Block, blocks};
use shell::Shell;
use stage::{Setting, Stage};

/// The pages whose commands are run, and where.
const PLAYED: [(&str, Setting); 15] = [
    ("README.md", Setting::Checkout),
    ("docs/getting-started.md", Setting::Empty),
    ("docs/tutorials/envoy.md", Setting::Tutorial),
    ("docs/migrating/opa-envoy.md", Setting::Checkout),
    ("docs/migrating/authorino.md", Setting::Checkout),
    ("docs/migrating/heimdall.md", Setting::Checkout),
    ("docs/migrating/jwt-authn-rbac.md", Setting::Checkout),
    ("docs/migrating/istio.md", Setting::Checkout),
    ("docs/explain.md", Setting::Server),
    ("docs/runbook.md", Setting::Server),
    ("docs/operations.md", Setting::Server),
    ("docs/revocation.md", Setting::Server),
    ("docs/peer-evidence.md", Setting::Server),
    ("docs/lint-mesh.md", Setting::Mesh),
    ("docs/doctor.md", Setting::Server),
];

/// The page that `changing.rs` plays, beside two sets of documents, with what each command prints.
const PLAYED_ELSEWHERE: &str = "docs/changing-policies.md";

/// Programs that are not ours to run here: they build this repository, ask a registry, or need a cluster. What `cargo` and
/// `.ci` run, CI runs.
/// `countersign dev` has the ports of its settings, and `tests/e2e/init.rs` runs it with others.
const OTHERS: [&str; 12] = [
    "cargo",
    "countersign dev",
    "apt-get",
    ".ci/",
    "deploy/",
    "docs/build-site",
    "docker",
    "helm",
    "kubectl",
    "istioctl",
    "COUNTERSIGN_",
    "openssl genpkey",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_other(line: &str) -> bool {
    let line = line.trim_start_matches("$ ");
    line.is_empty() || line.starts_with('#') || OTHERS.iter().any(|other| line.starts_with(other))
}

/// P553: what a page shows is what happens.
fn play(page: &str, setting: Setting) {
    let Some(stage) = Stage::set(setting) else { return };
    let text = stage.with_ports(&fs::read_to_string(root().join(page)).unwrap());
    let mut shell = Shell::start(stage.folder(), stage.programs());
    let mut ran = 0;
    for block in blocks(&text) {
        let place = format!("{page}:{}", block.line);
        match block.language.as_str() {
            "console" => ran += console(&mut shell, &block, &place),
            "sh" => ran += script(&mut shell, &block, &place),
            _ => {
                if let Some(name) = block.file_name() {
                    let path = shell.folder().join(name);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, &block.text).unwrap();
                }
            }
        }
    }
    assert!(ran > 0, "{page}: nothing was run");
}

/// Each command with the output that is printed below it.
fn console(shell: &mut Shell, block: &Block, place: &str) -> usize {
    let commands: Vec<_> =
        block.commands().into_iter().filter(|own| !is_other(&own.line)).collect();
    for command in &commands {
        let ran = shell.run(&in_background(&command.line));
        if command.output.is_empty() {
            ran.succeeded(place);
        } else {
            assert!(
                markdown::matches(&command.output, &ran.lines()),
                "{place}: `{}` is shown with\n{}\nand printed\n{}",
                command.line,
                command.output.join("\n"),
                ran.output
            );
        }
    }
    commands.len()
}

fn script(shell: &mut Shell, block: &Block, place: &str) -> usize {
    let lines = block.text.lines().filter(|line| !is_other(line) || line.is_empty());
    let text: String = lines.map(|line| in_background(line) + "\n").collect();
    if text.trim().is_empty() {
        return 0;
    }
    shell.run(&text).succeeded(place);
    1
}

/// A server does not end by itself: it goes to the background, and the next command waits until it answers.
fn in_background(line: &str) -> String {
    let (command, _) = line.split_once("  #").unwrap_or((line, ""));
    if command.ends_with(" --tail") {
        return format!("{command} > tail.log 2>&1 &");
    }
    if !command.starts_with("countersign serve") || command.contains(" --check") {
        return line.to_owned();
    }
    let log = if command.contains('>') { "countersign.log" } else { "serve.log" };
    let started = if command.trim_end().ends_with('&') {
        command.to_owned()
    } else {
        format!("{command} > {log} 2>&1 &")
    };
    format!(
        "{started}\nfor i in $(seq 600); do grep -q listening {log} && break; sleep 0.1; done; grep -q listening {log}"
    )
}

macro_rules! played {
    ($($test:ident $page:literal)+) => {
        $(
            #[test]
            fn $test() {
                let setting = PLAYED.iter().find(|(page, _)| *page == $page).unwrap().1;
                play($page, setting);
            }
        )+

        const TESTED: &[&str] = &[$($page),+];
    };
}

played! {
    the_readme_runs "README.md"
    getting_started_runs "docs/getting-started.md"
    the_tutorial_runs "docs/tutorials/envoy.md"
    the_migration_from_opa_runs "docs/migrating/opa-envoy.md"
    the_migration_from_authorino_runs "docs/migrating/authorino.md"
    the_migration_from_heimdall_runs "docs/migrating/heimdall.md"
    the_migration_from_jwt_authn_runs "docs/migrating/jwt-authn-rbac.md"
    the_migration_from_istio_runs "docs/migrating/istio.md"
    explain_runs "docs/explain.md"
    the_runbook_runs "docs/runbook.md"
    operations_run "docs/operations.md"
    revocation_runs "docs/revocation.md"
    inspecting_runs "docs/peer-evidence.md"
    linting_the_mesh_runs "docs/lint-mesh.md"
    the_doctor_runs "docs/doctor.md"
}

/// The pages, by their paths from the root.
fn pages() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from("docs")];
    let beside = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "deploy/chart/README.md",
    ];
    let mut files = beside.map(PathBuf::from).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    for path in files {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        found.insert(path.to_str().unwrap().to_owned(), text);
    }
    found
}

/// P553: a page with commands is played, or has only commands of other programs.
#[test]
fn every_command_is_run_or_is_not_ours() {
    assert_eq!(TESTED, PLAYED.map(|(page, _)| page));
    let mut unplayed = Vec::new();
    for (page, text) in pages()
        .iter()
        .filter(|(page, _)| !TESTED.contains(&page.as_str()) && *page != PLAYED_ELSEWHERE)
    {
        for block in
            blocks(text).iter().filter(|own| ["sh", "console"].contains(&own.language.as_str()))
        {
            let lines =
                block.text.lines().filter(|line| block.language == "sh" || line.starts_with("$ "));
            let ours = lines.filter(|line| !is_other(line) && !line.starts_with(' '));
            unplayed.extend(ours.map(|line| format!("{page}:{}: {line}", block.line)));
        }
    }
    assert_eq!(unplayed, [""; 0]);
}

/// A language of a block that no test looks at would be a way past them.
#[test]
fn every_block_has_a_language_that_is_known() {
    let known = ["console", "json", "python", "rego", "sh", "text", "yaml"];
    for (page, text) in pages() {
        for block in blocks(&text) {
            let named = known.contains(&block.language.as_str());
            assert!(
                named || page == "docs/diagnostics.md",
                "{page}:{}: {}",
                block.line,
                block.language
            );
        }
    }
}
