//! The programs that are measured, built like this one: the shipped binary, and the server that allows everything.

use std::path::PathBuf;
use std::process::Command;

/// Builds them, where they are not: countersign too, unless another one is measured.
pub(crate) fn build(own: bool) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let built = Command::new(cargo)
        .args(["build", "--locked", "--example", "always_allow"])
        .args(own.then_some(["--bin", "countersign"]).into_iter().flatten())
        .args(profile)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the programs to be measured do not compile");
}

/// This executable, to be run in another role.
pub(crate) fn own() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(crate) fn countersign() -> PathBuf {
    own().parent().and_then(|examples| examples.parent()).unwrap().join("countersign")
}

pub(crate) fn always_allow() -> PathBuf {
    own().with_file_name("always_allow")
}
