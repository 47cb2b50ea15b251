//! Which core does what: the servers that are measured have one core to themselves, and the clients another.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// The cores that processes run on, by numbers as `taskset` takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cores {
    /// Wherever the operating system puts them.
    Any,
    /// Servers on core 0, clients on core 1.
    Apart,
}

/// The cores of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// One, and the clients not on it.
    One,
    /// Two, of which the clients take a part.
    Two,
}

// === impl Cores ===

impl Cores {
    /// Puts this process, and so every client in it, on its core. To be called before any thread is started.
    pub(crate) fn choose(no_pin: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if no_pin || cores < 2 {
            return Self::Any;
        }
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset")
            .args(["--cpu-list", "--pid", "1", &own])
            .stdout(Stdio::null())
            .status();
        if pinned.is_ok_and(|status| status.success()) { Self::Apart } else { Self::Any }
    }

    /// A command that runs `program` where servers run.
    pub(crate) fn server(self, program: &OsStr, room: Room) -> tokio::process::Command {
        let list = match (self, room) {
            (Self::Any, _) => return tokio::process::Command::new(program),
            (Self::Apart, Room::One) => "0",
            (Self::Apart, Room::Two) => "0,1",
        };
        let mut command = tokio::process::Command::new("taskset");
        command.args(["--cpu-list", list]).arg(program);
        command
    }

    /// Moves the running process `id`, with all its threads, to where servers run.
    pub(crate) fn take_in(self, id: u32) {
        if matches!(self, Self::Apart) {
            let id = id.to_string();
            let moved = Command::new("taskset")
                .args(["--all-tasks", "--cpu-list", "--pid", "0", &id])
                .stdout(Stdio::null())
                .status();
            assert!(moved.unwrap().success(), "cannot move process {id}");
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Any => "servers and clients on whatever core the operating system gave them",
            Self::Apart => "servers on core 0, clients on core 1",
        }
    }
}
