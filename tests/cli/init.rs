//! `countersign init`: what it writes passes every other command, and it writes over nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The exit code, standard output and standard error of the binary in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let printed = text(output.stdout);
    crate::output_schema::check(arguments, &printed);
    (output.status.code().unwrap(), printed, text(output.stderr))
}

/// A folder with what `init` writes for `arguments`.
pub(crate) fn started(arguments: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, told) = run(folder.path(), &[&["init"], arguments].concat());
    assert_eq!(code, 0, "{arguments:?}: {told}");
    folder
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Every file in `folder` with its contents.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(everything(&path)),
            false => drop(found.insert(path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// P590: the start passes as it is, whichever flags were given.
#[test]
fn a_start_passes_every_check_as_it_is() {
    let given = ["--host", "orders.example.com", "--audience", "orders", "--spiffe", "acme.test"];
    let profiles = ["jwtSvid", "kubernetes", "keycloak", "entra", "okta", "auth0", "cognito"];
    let profiles = profiles.into_iter().chain(["google", "githubActions"]);
    let profiles: Vec<_> = profiles.map(|own| vec!["--profile", own]).collect();
    let others = [vec![], vec!["--dev"], given.to_vec(), [&given[..], &["--dev"]].concat()];
    let wildcard = vec!["--host", "*.example.com", "--dev"];
    for arguments in others.into_iter().chain([wildcard]).chain(profiles) {
        let folder = started(&arguments);
        let config = ["--config", "countersign.yaml"];
        for command in [&["check", "--deny-warnings"][..], &["test"], &["serve", "--check"]] {
            let (code, out, told) = run(folder.path(), &[command, &config].concat());
            assert_eq!(code, 0, "{arguments:?}: {command:?}: {out}{told}");
        }
        let lint = ["lint-mesh", "--config", "countersign.yaml", "--deny-warnings", "envoy.yaml"];
        let (code, _, told) = run(folder.path(), &lint);
        assert_eq!(code, 0, "{arguments:?}: {told}");
        assert!(!text(folder.path(), "envoy.yaml").contains("${"));
    }
}

/// P592: what is not given is marked, and what is given is not.
#[test]
fn placeholders_are_marked() {
    let marked = |folder: &TempDir| {
        let files = everything(&folder.path().join("documents"));
        let lines = files.values().flat_map(|text| std::str::from_utf8(text).unwrap().lines());
        lines.filter(|line| line.contains("REPLACE") && !line.contains("an example")).count()
    };
    assert_eq!(marked(&started(&[])), 5);
    let ca = tempfile::tempdir().unwrap();
    let ca = ca.path().join("root.pem");
    fs::copy(started(&[]).path().join("ca.pem"), &ca).unwrap();
    let given = ["--host", "a.example", "--issuer", "https://b.example", "--audience", "c"];
    let more = ["--spiffe", "d.example", "--ca", ca.to_str().unwrap(), "--profile", "auth0"];
    let folder = started(&[given, more].concat());
    assert_eq!(marked(&folder), 0);
    assert_eq!(text(folder.path(), "ca.pem"), fs::read_to_string(&ca).unwrap());
    let issuer = text(folder.path(), "documents/token-issuer.yaml");
    for part in ["profile: \"auth0\"\n", "issuer: \"https://b.example\"\n", "audiences: [\"c\"]\n"]
    {
        assert!(issuer.contains(part), "{issuer}");
    }
}

/// P590: nothing is written over, and nothing is written beside what is in the way.
#[test]
fn a_file_in_the_way_is_named_and_nothing_is_written() {
    let dangling = "countersign.schema.json";
    for (name, arguments) in [
        ("countersign.yaml", &[][..]),
        ("envoy.yaml", &[]),
        ("documents/policy.yaml", &[]),
        ("documents/theirs.yaml", &[]),
        (".vscode/settings.json", &[]),
        ("dev/front.key", &["--dev"]),
        (dangling, &[]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match name == dangling {
            true => std::os::unix::fs::symlink(folder.path().join("gone"), &path).unwrap(),
            false => fs::write(&path, "theirs").unwrap(),
        }
        let (code, out, told) = run(folder.path(), &[&["init"], arguments].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {told}");
        assert!(told.contains(&format!("{name}` is there already")), "{told}");
        assert!(told.contains("nothing was written"), "{told}");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "{name}");
        assert!(name == dangling || fs::read_to_string(&path).unwrap() == "theirs");
    }
}

/// P591: a value that no document can have is refused before anything is written, and stays within its quotes.
#[test]
fn a_value_that_cannot_be_used_writes_nothing() {
    for (arguments, part) in [
        (&["--host", "a\"], cors: [\""][..], "host"),
        (&["--host", "a\"\n  rules: []\n#"], "host"),
        (&["--host", "orders example"], "host"),
        (&["--issuer", "login"], "issuer"),
        (&["--spiffe", "spiffe://prod.example/x"], "trust domain"),
        (&["--ca", "gone.pem"], "`--ca`: cannot read `gone.pem`"),
        (&["--ca", "/dev/null"], "`--ca /dev/null`: `/dev/null` has no certificate"),
        (&["--profile", "azure"], "entra"),
        (&["--dev", "--profile", "entra"], "--dev"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, out, told) = run(folder.path(), &[&["init"], arguments].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {told}");
        assert!(told.contains(part), "{arguments:?}: {told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

/// Keys and tokens are for their owner, and no repository gets them.
#[test]
fn what_is_to_throw_away_stays_private() {
    let folder = started(&["new/folder", "--dev"]);
    let folder = folder.path().join("new/folder");
    for entry in fs::read_dir(folder.join("dev")).unwrap() {
        let path = entry.unwrap().path();
        let is_secret =
            ["key", "jwt"].iter().any(|own| path.extension().is_some_and(|it| it == *own));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077 == 0, is_secret, "{}: {mode:o}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert!(is_secret || !text.contains("PRIVATE"), "{}", path.display());
    }
    assert_eq!(
        fs::read_to_string(folder.join("dev/.gitignore")).unwrap(),
        "*.key\n*.jwt\n*.log\n*.lock\nenvoy-admin\n"
    );
    let certificate = ["inspect", "--documents", "documents", "dev/front.pem"];
    let (code, out, told) = run(&folder, &certificate);
    assert!(code == 0 && out.contains("spiffe://prod.example/ns/web/sa/front"), "{out}{told}");
    let token = ["keys", "verify", "--documents", "documents", "dev/alice.jwt"];
    let (code, out, told) = run(&folder, &token);
    assert!(code == 0 && out.contains("verified"), "{out}{told}");
}

/// P596: a value that the files would take and nothing else could use.
#[test]
fn a_host_and_a_trust_domain_are_names_alone() {
    for (arguments, help) in [
        (["--host", "orders.example.com:8443"], "without a port"),
        (["--host", "https://orders.example.com"], "write `orders.example.com` alone"),
        (["--spiffe", "spiffe://acme.test"], "alone: `acme.test`"),
        (["--spiffe", "spiffe://acme.test/ns/a"], "alone: `acme.test`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, _, told) = run(folder.path(), &[&["init"][..], &arguments].concat());
        assert!(code == 2 && told.contains(help), "{arguments:?}: {code} {told}");
        assert!(everything(folder.path()).is_empty());
    }
}
