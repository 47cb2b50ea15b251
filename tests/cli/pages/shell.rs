//! One shell for a page, as a reader has it: what a command sets, the next one finds.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

pub(super) struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

pub(super) struct Ran {
    pub(super) output: String,
    /// Commands that ended with another code than 0, with it.
    failed: Vec<String>,
}

/// Longest wait for the next line.
const PATIENCE: Duration = Duration::from_secs(120);

const DONE: &str = "@done";
const FAILED: &str = "@failed ";

impl Shell {
    pub(super) fn start(folder: &Path, programs: &Path) -> Self {
        let inherited = std::env::var_os("PATH").unwrap();
        let search = std::env::split_paths(&inherited);
        let search = std::iter::once(programs.to_owned()).chain(search);
        let mut child = Command::new("bash")
            .current_dir(folder)
            .env("PATH", std::env::join_paths(search).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"exec 2>&1\n").unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines }
    }

    /// Runs `script`, whose commands find nothing on standard input.
    pub(super) fn run(&mut self, script: &str) -> Ran {
        let asked = format!(
            "trap 'echo \"{FAILED}$? $BASH_COMMAND\"' ERR\n{{\n{script}\n}} < /dev/null\ntrap - ERR\necho\necho {DONE}\n"
        );
        self.stdin.write_all(asked.as_bytes()).unwrap();
        let mut ran = Ran { output: String::new(), failed: Vec::new() };
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line =
                line.unwrap_or_else(|_| panic!("no end of\n{script}\nafter\n{}", ran.output));
            match line.strip_prefix(FAILED) {
                _ if line == DONE => return ran,
                Some(failed) => ran.failed.push(failed.to_owned()),
                None => {
                    ran.output.push_str(&line);
                    ran.output.push('\n');
                }
            }
        }
    }

    /// The folder that it is in now.
    pub(super) fn folder(&mut self) -> PathBuf {
        self.run("pwd").output.trim().into()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Commands in the background do not end with it.
        let _ = self.stdin.write_all(b"kill $(jobs -p) 2> /dev/null\nexit\n");
        let _ = self.child.wait();
    }
}

impl Ran {
    /// The lines that were printed, without empty ones at the end.
    pub(super) fn lines(&self) -> Vec<String> {
        self.output.trim_end().lines().map(str::to_owned).collect()
    }

    /// That every command ended with 0, but for those that say by 1 that a request is denied.
    #[track_caller]
    pub(super) fn succeeded(&self, place: &str) {
        let denies = |failed: &&String| !failed.starts_with("1 countersign explain ");
        let failed: Vec<_> = self.failed.iter().filter(denies).collect();
        assert!(failed.is_empty(), "{place}: {failed:?} failed and printed\n{}", self.output);
    }
}
