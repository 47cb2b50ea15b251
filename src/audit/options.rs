//! The targets of records, and what happens when one takes none, as an operator writes it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RecordedClaims, Rotation};
use crate::document::HumanDuration;
use crate::limits::MAX_AUDIT_RECORD_BYTES;

/// The targets of decision records, as an operator writes them: at least one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditSettings {
    /// Standard output: `{}`.
    pub stdout: Option<Nothing>,
    /// A file, appended to.
    pub file: Option<PathBuf>,
    /// When the file is rotated. Unset, it never is: nothing is deleted unless you ask for it.
    pub rotation: Option<Rotation>,
    /// Log records to the collector of `otlp.endpoint`: `{}`.
    pub otlp: Option<Nothing>,
    /// Most records that wait for each place. Denials, and allows of callers who proved nothing, get half of it at most.
    pub queue: usize,
    /// Most bytes of records that wait for each place; of them too.
    pub queue_bytes: usize,
    /// The answer to a decision whose record has no room in the queue.
    pub on_full: FullQueue,
    /// For how long at most an answer waits for room, with `onFull: block`.
    pub block_for: HumanDuration,
    /// Which part of the allows is recorded: 0 to 1. Denials, and allows that a shadow rule would have denied, always are.
    pub sample_allows: f64,
    /// JSON pointers of the claims that may be in a record.
    pub claims: Vec<String>,
}

/// Something that has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The answer to a decision whose record has no room, as the settings spell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FullQueue {
    /// It is answered, and the record is lost.
    #[default]
    Drop,
    /// Its answer waits for room, for a bounded time; then the record is lost.
    Block,
    /// It is denied.
    Deny,
}

/// A target of decision records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf, Option<Rotation>),
    /// The collector.
    Otlp,
}

/// The answer to a decision whose record has no room in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// It is answered, and the record is lost.
    Drop,
    /// Its answer waits for room, for at most so long; then the record is lost.
    Block(Duration),
    /// It is denied.
    Deny,
}

/// How records are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditOptions {
    /// The targets, each with a queue of its own.
    pub targets: Vec<AuditTarget>,
    /// Most records that wait for each place.
    pub queue: usize,
    /// Most bytes of records that wait for each place.
    pub queue_bytes: usize,
    /// The answer to a decision whose record has no room.
    pub on_full: OnFull,
    /// Which part of the allows is recorded.
    pub sample_allows: f64,
    /// The claims that may be in a record.
    pub claims: RecordedClaims,
}

/// Fewest and most records that can be set. Half of them are for denials.
const QUEUE: RangeInclusive<usize> = 2..=1 << 20;

/// Fewest and most bytes that can be set. A record of the largest kind fits into half of the fewest.
const QUEUE_BYTES: RangeInclusive<usize> = 2 * MAX_AUDIT_RECORD_BYTES..=1 << 30;

/// Longest wait for room that can be set: Envoy gives up after 200 ms by default.
const MAX_BLOCK: Duration = Duration::from_secs(1);

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            stdout: None,
            file: None,
            rotation: None,
            otlp: None,
            // About a second of a busy replica: some 20 MB.
            queue: 16_384,
            // Twice what so many usual records have.
            queue_bytes: 32 * 1024 * 1024,
            on_full: FullQueue::Drop,
            block_for: HumanDuration::new(Duration::from_millis(20)),
            sample_allows: 1.0,
            // Who, and what for.
            claims: ["/sub", "/client_id", "/aud", "/scope"].map(str::to_owned).to_vec(),
        }
    }
}

impl AuditSettings {
    /// The options that they ask for. A relative file is in the folder `base`.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do.
    pub fn options(self, base: &Path) -> Result<AuditOptions, String> {
        self.check()?;
        let on_full = match self.on_full {
            FullQueue::Drop => OnFull::Drop,
            FullQueue::Block => OnFull::Block(self.block_for.get()),
            FullQueue::Deny => OnFull::Deny,
        };
        let rotation = self.rotation;
        let targets = [
            self.stdout.map(|Nothing {}| AuditTarget::Stdout),
            self.file.map(|file| AuditTarget::File(base.join(file), rotation)),
            self.otlp.map(|Nothing {}| AuditTarget::Otlp),
        ];
        Ok(AuditOptions {
            targets: targets.into_iter().flatten().collect(),
            queue: self.queue,
            queue_bytes: self.queue_bytes,
            on_full,
            sample_allows: self.sample_allows,
            claims: RecordedClaims::new(self.claims)?,
        })
    }

    fn check(&self) -> Result<(), String> {
        if self.stdout.is_none() && self.file.is_none() && self.otlp.is_none() {
            return Err(
                "`audit` needs at least one of `stdout: {}`, `file: PATH` and `otlp: {}`".into()
            );
        }
        for (name, value, range) in
            [("queue", self.queue, QUEUE), ("queueBytes", self.queue_bytes, QUEUE_BYTES)]
        {
            if !range.contains(&value) {
                let (least, most) = range.into_inner();
                return Err(format!("`audit.{name}` is {value}, expected {least} to {most}"));
            }
        }
        if !(0.0..=1.0).contains(&self.sample_allows) {
            return Err(format!("`audit.sampleAllows` is {}, expected 0 to 1", self.sample_allows));
        }
        if !(Duration::from_millis(1)..=MAX_BLOCK).contains(&self.block_for.get()) {
            return Err("`audit.blockFor` is expected to be 1ms to 1s".into());
        }
        if self.rotation.is_some() && self.file.is_none() {
            return Err("`audit.rotation` is for a file, and there is no `audit.file`".into());
        }
        self.rotation.map_or(Ok(()), Rotation::check)
    }
}

impl AuditOptions {
    /// The file among the targets.
    pub fn file(&self) -> Option<&Path> {
        self.targets.iter().find_map(|target| match target {
            AuditTarget::File(path, _) => Some(path.as_path()),
            AuditTarget::Stdout | AuditTarget::Otlp => None,
        })
    }

    /// True if records go to the collector.
    pub fn to_collector(&self) -> bool {
        self.targets.contains(&AuditTarget::Otlp)
    }
}

impl AuditTarget {
    /// The word for it in metrics and on pages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(..) => "file",
            Self::Otlp => "otlp",
        }
    }
}
