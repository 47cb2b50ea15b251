//! A program that the demo runs: its log, its readiness, and that it never outlives the demo.

use std::fs::{self, File};
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
pub(super) struct Process {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`, called `name`, with everything it says going to `log`.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        log: PathBuf,
    ) -> Result<Self, DemoError> {
        let out = File::create(&log).map_err(DemoError::file("create", &log))?;
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
    pub(super) async fn ready<T>(
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

    pub(super) async fn stop(mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(DemoError::network("cannot stop a child process"))
    }
}

/// The last lines of the file `log`, indented.
fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
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
    async fn a_program_that_ends_early_is_told_with_the_end_of_its_log() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut process = shell("seq 100; echo address in use >&2; exit 7", &log);
        let failed = process.ready(async || None::<()>).await.unwrap_err().to_string();
        for part in ["a shell ended with", "7", "  address in use\n", "  100\n"] {
            assert!(failed.contains(part), "{part} in {failed}");
        }
        assert!(!failed.contains("  50\n"), "only the end of the log: {failed}");
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
