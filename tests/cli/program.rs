//! The built binary beside a folder with the demo's certificates, all made for one fixed moment.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::testbed::{Folder, Pki};
use countersign::clock::UnixTime;
use serde_json::Value;

/// The moment for which everything is made: 2027-01-15T08:00:00Z.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The result of one run of the binary.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder to run in.
pub(crate) struct Props {
    pub(crate) folder: Folder,
    pub(crate) pki: Pki,
}

impl Props {
    pub(crate) fn new() -> Self {
        countersign::cli::install_crypto();
        let now = UnixTime::from_secs(NOW);
        let folder = Folder::temporary().unwrap();
        let pki = Pki::new(now).unwrap();
        pki.write(&folder).unwrap();
        Self { folder, pki }
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.folder.write(name, text).unwrap();
    }

    /// Runs the binary with these arguments, separated by spaces, and `stdin`.
    pub(crate) fn run(&self, arguments: &str, stdin: impl AsRef<[u8]>) -> Run {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.run_with(&arguments, stdin)
    }

    pub(crate) fn run_with(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that needs no input closes its end.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        crate::output_schema::check(arguments, &stdout);
        Run {
            code: output.status.code().unwrap(),
            stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }

    /// That it ended with `code`, and that each of `lines` is, white space apart, a line of standard output, in this order.
    #[track_caller]
    pub(crate) fn shows(&self, code: i32, lines: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut got = self.stdout.lines().map(plain);
        for line in lines {
            assert!(got.any(|other| other == plain(line)), "expected the line {line:?} in:\n{all}");
        }
    }
}
