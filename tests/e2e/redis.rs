//! A Redis of one's own.

#![expect(clippy::disallowed_methods, reason = "whether this is CI is in the environment")]

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::clock::Stopwatch;

/// A `redis-server` that is killed when this value goes.
pub(crate) struct Redis {
    pub(crate) port: u16,
    child: Child,
}

impl Redis {
    /// `None`, loudly, where there is none on the PATH.
    pub(crate) fn start(folder: &Path, port: u16) -> Option<Self> {
        let port_text = port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "this test needs `redis-server`: apt-get install redis-server");
            eprintln!("SKIPPED: this test needs `redis-server`: apt-get install redis-server");
            return None;
        };
        let waited = Stopwatch::start();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(waited.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { port, child })
    }

    /// As replicas are told of it, in `store.redis`.
    pub(crate) fn options(&self) -> String {
        format!("url: \"redis://127.0.0.1:{}\", timeout: 1s, forgetful: accept", self.port)
    }

    /// Sends it a signal: `STOP` makes it take connections and say nothing, until `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    crate::testbed::ports::free_port().unwrap()
}
