//! A program that the demo runs: its log, its readiness, and that it never outlives the demo.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

use super::DemoError;

/// Longest wait for a program to become ready. They take well under a second; a busy CI machine takes longer.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Pause between two looks at whether a program is ready.
const PAUSE: Duration = Duration::from_millis(10);
/// How many lines of a log are shown when its program fails.
const TAIL_LINES: usize = 15;

/// A running program. It is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`, called `name`, with everything it says going to `log`.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
    ) -> Result<Self, DemoError> {
        let out = create_log(&log).map_err(DemoError::file("create", &log))?;
        let err = out.try_clone().map_err(DemoError::file("create", &log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| {
                let program = command.as_std().get_program().into();
                DemoError::Start { name, program, source }
            })?;
        Ok(Self { name, log, child })
    }

    /// Looks with `probe`, again and again, until it gives something.
    pub(crate) async fn ready<T>(
        &mut self,
        mut probe: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, DemoError> {
        let waiting = async {
            loop {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return Err(status);
                }
                if let Some(found) = probe().await {
                    return Ok(found);
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let (name, log) = (self.name, self.log.clone());
        match tokio::time::timeout(READY_WITHIN, waiting).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(status)) => Err(DemoError::Ended { name, status, tail: tail(&log), log }),
            Err(_) => Err(DemoError::NotReady { name, after: READY_WITHIN, tail: tail(&log), log }),
        }
    }

    /// The number the operating system knows it by, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn ended(mut self) -> Result<ExitStatus, DemoError> {
        self.child.wait().await.map_err(DemoError::network("cannot wait for a child process"))
    }

    /// # Errors
    /// It has ended, with the end of its log.
    pub(crate) fn still_runs(&mut self) -> Result<(), DemoError> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let (name, log) = (self.name, self.log.clone());
                Err(DemoError::Ended { name, status, tail: tail(&log), log })
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Ends it.
    pub(crate) async fn kill(&mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(DemoError::network("cannot stop a child process"))
    }

    pub(super) async fn stop(mut self) -> Result<(), DemoError> {
        self.kill().await
    }
}

/// A log that its owner alone can read, since programs write parts of their settings into it. A link is not followed.
fn create_log(log: &Path) -> io::Result<File> {
    match fs::symlink_metadata(log) {
        Ok(there) if there.is_symlink() => {
            return Err(io::Error::other("it is a link, which is not followed"));
        }
        Ok(_) => fs::set_permissions(log, fs::Permissions::from_mode(0o600))?,
        Err(_) => {}
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(log)
}

/// Begins a message in Protobuf's text form: the library writes one of several such addresses in front of what it prints.
const QUOTE: &str = "goo.gle/debug";

/// Messages of Envoy that quote the configuration behind them, on the same line.
const QUOTED_BEHIND: [&str; 2] = ["Proto constraint validation failed", "Unable to parse"];

/// Messages of Envoy without the configuration that they quote, which may have keys.
pub(crate) fn without_quoted_settings(messages: &str) -> String {
    let mut is_quoted = false;
    let mut shown = String::with_capacity(messages.len());
    for line in messages.lines() {
        let goes_on = line.starts_with(": ");
        is_quoted &= !(goes_on || line.starts_with('['));
        if is_quoted {
            continue;
        }
        if !shown.is_empty() && !goes_on {
            shown.push('\n');
        }
        match (line.split_once(QUOTE), line.split_once("): ")) {
            (Some((said, _)), _) => {
                shown.push_str(said.trim_end().trim_end_matches(':'));
                is_quoted = true;
            }
            (None, Some((said, _))) if QUOTED_BEHIND.iter().any(|own| said.contains(own)) => {
                shown.push_str(said);
                shown.push(')');
                is_quoted = true;
            }
            _ => shown.push_str(line),
        }
    }
    shown
}

/// The last lines of the file `log`, indented.
fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = without_quoted_settings(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.iter().skip(from).map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &tempfile::NamedTempFile) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("a shell", command, log.path().to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_reported_with_the_end_of_its_log() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut process = shell("seq 100; echo address in use >&2; exit 7", &log);
        let failed = process.ready(async || None::<()>).await.unwrap_err().to_string();
        for part in ["a shell ended with", "7", "  address in use\n", "  100\n"] {
            assert!(failed.contains(part), "{part} in {failed}");
        }
        assert!(!failed.contains("  50\n"), "only the end of the log: {failed}");
    }

    /// P761: Envoy quotes its whole configuration, keys included, before or behind what is wrong with it.
    #[test]
    fn quoted_settings_are_not_shown() {
        let head = "[1][critical] error initializing configuration 'e.yaml'";
        let wrong = ": Proto constraint validation failed (Name: too short)";
        let quoted = "clusters {\n  inline_string: \"SECRET\"\n}\n";
        let next = "\n[1][info] exiting";
        for message in [
            format!("{head}: goo.gle/debugonly    \n{quoted}{wrong}{next}"),
            format!("{head}{wrong}: {quoted}{next}"),
        ] {
            assert_eq!(without_quoted_settings(&message), format!("{head}{wrong}{next}"));
        }
        let plain =
            "near 1:370 (offset 369): no such field: 'nme'\n  |\n3 | x\n{\"level\": \"ERROR\"}";
        assert_eq!(without_quoted_settings(plain), plain);
    }

    /// P762: a log is its owner's alone, and a link in its place is not followed.
    #[test]
    fn logs_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let [log, link] = ["log", "link"].map(|name| folder.path().join(name));
        fs::write(&log, "old").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o644)).unwrap();
        drop(create_log(&log).unwrap());
        assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(&log, &link).unwrap();
        assert!(create_log(&link).is_err());
    }

    #[tokio::test]
    async fn a_program_dies_with_its_value() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = shell("exec sleep 600", &log);
        let proc_entry = PathBuf::from(format!("/proc/{}/exe", process.id().unwrap()));
        process.stop().await.unwrap();
        assert!(!proc_entry.exists());
    }
}
