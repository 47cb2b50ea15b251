//! Reads the audit file as an operator's tooling would: one JSON object per line.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use countersign::policy::Effect;
use countersign::reason::Reason;

/// Longest wait for the record of a decision that was just made.
const RECORD_WITHIN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct AuditTail {
    path: PathBuf,
    /// How much of the file was given out.
    offset: u64,
}

/// One decision as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuditRecord(pub(crate) Value);

impl AuditTail {
    /// Follows the file at `path`, which need not exist yet, from its start.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// The next record; `None` where none comes within a few seconds.
    pub(crate) async fn next(&mut self) -> Option<AuditRecord> {
        let waiting = async {
            loop {
                if let Some(record) = self.poll().await {
                    return record;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(RECORD_WITHIN, waiting).await.ok()
    }

    /// The record after the last one that was given out, if its line is complete.
    async fn poll(&mut self) -> Option<AuditRecord> {
        let mut file = File::open(&self.path).await.ok()?;
        file.seek(SeekFrom::Start(self.offset)).await.ok()?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.ok()?;
        let line = rest.split_inclusive(|byte| *byte == b'\n').next()?;
        let record = line.strip_suffix(b"\n")?;
        self.offset = self.offset.saturating_add(u64::try_from(line.len()).ok()?);
        // A line that is no JSON is a record without any member: every expectation of it fails.
        Some(AuditRecord(serde_json::from_slice(record).unwrap_or_default()))
    }
}

impl AuditRecord {
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer)?.as_str()
    }

    pub(crate) fn decision(&self) -> Option<Effect> {
        Effect::named(self.text("/decision")?)
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        Reason::named(self.text("/reason")?)
    }

    /// How long deciding took, in microseconds.
    pub(crate) fn micros(&self) -> Option<f64> {
        self.0.pointer("/duration_us")?.as_f64()
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn records_come_one_by_one_and_only_when_they_are_whole() {
        use super::*;
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut tail = AuditTail::new(file.path().to_owned());
        file.write_all(b"{\"decision\":\"allow\",\"duration_us\":12}\n{\"decision\":\"deny\"")
            .unwrap();
        let first = tail.next().await.unwrap();
        assert_eq!((first.text("/decision"), first.micros()), (Some("allow"), Some(12.0)));
        assert!(tail.poll().await.is_none(), "the second line has no end yet");
        file.write_all(b",\"reason\":\"no_rule\"}\nnonsense\n").unwrap();
        let second = tail.next().await.unwrap();
        assert_eq!(
            (second.text("/decision"), second.text("/reason")),
            (Some("deny"), Some("no_rule"))
        );
        assert_eq!(tail.next().await.unwrap().text("/decision"), None);
    }
}
