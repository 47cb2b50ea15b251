//! Ctrl-C and the signal to terminate, heard from the first moment to the last.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::DemoError;

/// Listens for both signals as long as it lives, even if no task waits for them.
#[derive(Debug)]
pub(crate) struct Interrupt {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Starts listening: from now on the signals do not end the process by themselves.
    pub(crate) fn listen() -> Result<Self, DemoError> {
        let open = |kind| signal(kind).map_err(DemoError::network("cannot listen for signals"));
        Ok(Self {
            ctrl_c: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The result of `work`, unless a signal comes first. Processes die with the work that is dropped then.
    pub(crate) async fn or<T>(
        &mut self,
        work: impl Future<Output = Result<T, DemoError>>,
    ) -> Result<T, DemoError> {
        tokio::select! {
            result = work => result,
            () = self.wait() => Err(DemoError::Interrupted),
        }
    }
}
