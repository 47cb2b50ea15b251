//! The binary and the Dockerfile. No engine runs where these tests run, so what can be held without one is: a linter,
//! versions, and that everything that is compiled is copied.

use std::path::Path;
use std::process::Command;

use crate::tools::{self, root};

const DOCKERFILE: &str = "deploy/Dockerfile";

/// Everything that is copied from the repository.
fn copied() -> Vec<String> {
    let file = tools::read(DOCKERFILE);
    let copies = file.lines().filter_map(|line| line.strip_prefix("COPY "));
    let copies = copies.filter(|rest| !rest.starts_with("--from"));
    let sources = copies.flat_map(|rest| {
        let words: Vec<&str> = rest.split_whitespace().collect();
        words[..words.len() - 1].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    });
    sources.collect()
}

/// The whole of it takes longer than CI has; that its binary serves is seen whenever it is measured.
#[test]
fn a_build_by_profile_says_what_it_needs() {
    let script = root().join("deploy/build-by-profile");
    let run = Command::new(script).env("LLVM_PROFDATA", "/nowhere/llvm-profdata").output().unwrap();
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("there is no /nowhere/llvm-profdata: run 'rustup component"),
        "{told}"
    );
}

#[test]
fn the_dockerfile_lints() {
    let Some(said) = tools::run("hadolint", &["--no-color", DOCKERFILE]) else { return };
    assert!(said.ok, "{}{}", said.stdout, said.stderr);
}

#[test]
fn what_is_copied_exists_and_goes_to_the_builder() {
    let ignored = tools::read(".dockerignore");
    let sent: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "nothing goes there but what is listed");
    assert_eq!(copied(), sent);
    for path in copied() {
        assert!(root().join(&path).exists(), "{path}");
    }
}

/// The files that the library includes from outside of `src`, and the targets that the manifest names.
#[test]
fn what_is_compiled_is_copied() {
    let mut needed = vec![String::from("build.rs"), String::from("proto")];
    included(&root().join("src"), &mut needed);
    for path in needed {
        assert!(copied().iter().any(|copy| path.starts_with(copy)), "{path} is not copied");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in copied() {
        let into = folder.path().join(&path);
        std::fs::create_dir_all(into.parent().unwrap()).unwrap();
        let done = Command::new("cp").arg("-r").arg(root().join(&path)).arg(&into).status();
        assert!(done.unwrap().success(), "{path}");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]);
    let output = cargo.current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The paths in `include_str!` of every file that lead out of `src`.
fn included(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            included(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // Files that only tests include are not compiled into the program.
        let product = text.split("#[cfg(test)]").next().unwrap();
        let test = path.iter().any(|part| part == "tests" || part == "tests.rs");
        for after in product.split("include_str!(\"").skip(1).filter(|_| !test) {
            let relative = after.split('"').next().unwrap();
            let target = path.parent().unwrap().join(relative).canonicalize().unwrap();
            let inside = target.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(inside);
        }
    }
}

#[test]
fn the_builder_has_the_compiler_of_the_project() {
    let toolchain = tools::read("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(tools::read(DOCKERFILE).contains(&format!("ARG BUILDER=rust:{channel}-slim-")));
    let oldest = format!("rust-version = \"{}\"", channel.rsplit_once('.').unwrap().0);
    assert!(tools::read("Cargo.toml").contains(&oldest));
}

#[test]
fn the_image_is_a_binary_that_is_not_root() {
    let file = tools::read(DOCKERFILE);
    let last = file.rsplit("\nFROM ").next().unwrap();
    assert!(!last.contains("\nRUN "), "there is no shell to run anything with");
    assert!(file.contains("ARG BASE=gcr.io/distroless/cc-debian12:nonroot"));
    assert!(last.contains("\nUSER 65532:65532\n"), "as the chart's securityContext says");
    assert!(
        last.contains("/etc/countersign/settings/countersign.yaml"),
        "where the chart mounts it"
    );
}
