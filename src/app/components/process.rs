//! The process: its version and age, its log level, and the telemetry that it sends.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::signer::Signer;
use crate::telemetry::{Exports, LogLevel, Measurement, instruments};

pub(in crate::app) struct Process {
    pub(in crate::app) started: UnixTime,
    pub(in crate::app) log_level: LogLevel,
    pub(in crate::app) exports: Exports,
    pub(in crate::app) signer: Option<Arc<Signer>>,
}

impl Component for Process {
    fn status(&self, now: UnixTime) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": self.started.as_secs(),
            "uptime_seconds": now.since(self.started).as_secs(),
            "log_level": self.log_level.get(),
        })
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let signed =
            self.signer.iter().map(|own| instruments::ASSERTIONS_SIGNED.shows(own.signed()));
        let failed = instruments::EXPORTS_FAILED.shows_each(self.exports.failed());
        signed.chain([failed]).collect()
    }
}
