//! Finds the programs that judge, and runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The output of a program.
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs `program` in the repository; `None` with a loud line where this machine has none.
pub(crate) fn run(program: &str, args: &[&str]) -> Option<Said> {
    let output = Command::new(find(program)?).args(args).current_dir(root()).output().unwrap();
    Some(Said {
        ok: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    })
}

/// The program on the PATH or in the folder of `.ci/tools`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let kept = cache.map(|cache| cache.join("countersign/deploy-tools/bin").join(program));
    let found = [Some(program.into()), kept].into_iter().flatten().find(|path| runs(path));
    if found.is_none() {
        let told = format!("`{program}` is not there: run `.ci/tools`, or put it on the PATH");
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{told}");
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: {told}");
    }
    found
}

fn runs(program: &Path) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
