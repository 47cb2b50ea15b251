//! Uses of the demo's mesh that the demo does not show.

use serde_json::Value;

use crate::testbed::audit::AuditRecord;
use crate::testbed::server::Server;
use crate::testbed::{DemoError, Stage};

impl Stage<'_> {
    /// The id of the countersign process, while it runs.
    pub(crate) fn server_id(&self) -> Option<u32> {
        self.server.as_ref()?.id()
    }

    /// The countersign process; the caller ends it.
    pub(crate) fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// Starts countersign again, at the same address.
    pub(crate) async fn start_server(&mut self) -> Result<(), DemoError> {
        self.stop_server().await?;
        let server = Server::start(&self.program, self.folder, self.addresses).await?;
        self.server = Some(server);
        Ok(())
    }
}

impl AuditRecord {
    /// `allow` or `deny`.
    pub(crate) fn decision_text(&self) -> Option<&str> {
        self.text("/decision")
    }

    /// The reason code of a denial.
    pub(crate) fn reason_text(&self) -> Option<&str> {
        self.text("/reason")
    }

    pub(crate) const fn as_json(&self) -> &Value {
        &self.0
    }
}
