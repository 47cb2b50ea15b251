//! The page `/status`: the parts of a server fill it, and commands read it. Moments are as in RFC 3339. There are names and ages in it,
//! no key, no secret and no address beyond its origin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::health::ComponentHealth;
use crate::pdp::{ListStatus, SharingStatus, ThrottleMode};

/// The page.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusPage {
    /// The version of the server.
    pub version: String,
    /// The moment of its start.
    pub started_at: String,
    /// The time since then.
    pub uptime_seconds: u64,
    /// The least level of lines in the log.
    pub log_level: String,
    /// Panics since the start.
    pub panics: u64,
    /// The revision of the documents in force.
    pub revision: String,
    /// How reloading them goes.
    pub documents: DocumentsStatus,
    /// The trust domains in force.
    pub trust_domains: Vec<TrustDomainStatus>,
    /// The issuers in force.
    pub issuers: Vec<IssuerStatus>,
    /// The key sets that come from an address.
    pub keys: Vec<KeySetStatus>,
    /// The other files that do.
    pub remote_files: Vec<RemoteFileStatus>,
    /// The revocations in force.
    pub revocations: RevocationStatus,
    /// The store that replicas share.
    pub store: StoreStatus,
    /// The listener that Envoy asks.
    pub listener: ListenerPageStatus,
    /// The callers whose certificates expire first.
    pub callers_expiring_first: Vec<CallerExpiry>,
    /// The sinks of audit records, by name.
    pub audit: BTreeMap<String, SinkStatus>,
    /// Throttling of failed attempts.
    pub throttle: ThrottlePageStatus,
    /// The signals that something is odd, where they are looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomalies: Option<AnomaliesStatus>,
    /// The parts of the server, and how each is doing.
    pub components: Vec<ComponentHealth>,
}

/// How reloading documents goes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentsStatus {
    /// The number of rules of each policy.
    pub policies: BTreeMap<String, u64>,
    /// True if the files differ from what is in force.
    pub stale: bool,
    /// Sets that were put in force since the start.
    pub reloads_applied: u64,
    /// Sets that were refused.
    pub reloads_refused: u64,
    /// Why there are no notifications of changed files.
    pub changes_unnotified: Option<String>,
    /// The set of files that lacks what is in force, and counts once it is confirmed.
    pub unconfirmed_set: Option<String>,
    /// The problems of the files at hand.
    pub errors: Vec<String>,
}

/// A trust domain.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustDomainStatus {
    /// The name of its document.
    pub name: String,
    /// The SPIFFE trust domain whose IDs it vouches for.
    pub spiffe: Option<String>,
    /// When each of its authorities ends.
    pub authorities_not_after: Vec<String>,
    /// Its revocation lists.
    pub revocation_lists: Vec<CrlStatus>,
    /// Why others are not used.
    pub revocation_list_problems: Vec<String>,
}

/// A revocation list (RFC 5280 section 5).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CrlStatus {
    /// Its number.
    pub number: String,
    /// The moment of its issue.
    pub this_update: String,
    /// When the next one is due.
    pub next_update: String,
    /// The number of certificates that it revokes.
    pub revoked: usize,
}

/// An issuer of tokens, or a part of one with keys of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IssuerStatus {
    /// The name of its document, and of the part.
    pub name: String,
    /// Its `iss`.
    pub issuer: String,
    /// The audiences of its tokens that count.
    pub audiences: Vec<String>,
    /// The source of its keys.
    pub keys: KeySourceStatus,
}

/// The source of an issuer's keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeySourceStatus {
    /// `local`, `remote` or `introspection`.
    pub source: String,
    /// True if there are keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable: Option<bool>,
    /// When they were fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<String>,
}

/// A key set that comes from an address.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeySetStatus {
    /// The issuer that it is of.
    pub issuer: String,
    /// Its keys.
    pub keys: Vec<KeyPageStatus>,
    /// The origin of the address.
    pub origin: String,
    /// True if there are keys that count.
    pub usable: bool,
    /// When it was fetched last.
    pub fetched_at: Option<String>,
    /// When it is fetched next.
    pub next_fetch: String,
    /// How many fetches have failed since.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
}

/// A public key.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyPageStatus {
    /// Its id.
    pub kid: Option<String>,
    /// Its thumbprint (RFC 7638).
    pub thumbprint: String,
    /// When it was seen first.
    pub first_seen: Option<String>,
}

/// A file of a trust domain that comes from an address.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteFileStatus {
    /// The name of the trust domain's document.
    pub trust_domain: String,
    /// The key of the document, and a number where it has several.
    pub file: String,
    /// The origin of the address.
    pub origin: String,
    /// When it was fetched last.
    pub fetched_at: Option<String>,
    /// When it is fetched next.
    pub next_fetch: String,
    /// How many fetches have failed since.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// True if the content that was fetched last is not in force.
    pub unusable: bool,
    /// True if it is older than its document allows.
    pub stale: bool,
}

/// The revocations in force.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RevocationStatus {
    /// The number of entries.
    pub entries: usize,
    /// The list for which every request with a credential is refused.
    pub refusing_for: Option<String>,
    /// The lists that are fetched or watched.
    pub lists: Vec<ListStatus>,
    /// The store that replicas share, if there is one.
    pub sharing: Option<SharingStatus>,
}

/// The store that replicas share.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    /// `memory` or `redis`.
    pub kind: String,
    /// True if it can be used now.
    pub up: bool,
    /// Since when it is so; none where it never was otherwise.
    pub since: Option<String>,
    /// How often it was lost since the start.
    pub losses: u64,
    /// Why it cannot be used; empty where it can.
    pub why: String,
    /// Why it may forget what it was asked to store.
    pub forgetful: Option<String>,
}

/// The listener that Envoy asks.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerPageStatus {
    /// Its address.
    pub address: Option<String>,
    /// Its certificate, where it has one.
    pub tls: Option<ListenerTlsStatus>,
    /// True if it is about to end.
    pub draining: bool,
    /// Open connections.
    pub connections: u64,
    /// Those of them whose handshake is not done.
    pub connections_greeting: u64,
    /// Accepted since the start.
    pub connections_accepted: u64,
    /// Refused: there were too many.
    pub connections_refused: u64,
    /// Closed at the end of their time.
    pub connections_aged: u64,
    /// Calls that their client took back.
    pub calls_reset: u64,
    /// Closed for a breach of the protocol.
    pub connections_broken: u64,
    /// Closed since their certificate was revoked.
    pub connections_revoked: u64,
    /// Checks that are being answered.
    pub checks_in_flight: u64,
}

/// The certificate of a listener.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerTlsStatus {
    /// When it ends.
    pub not_after: String,
    /// Why newer files are not in use.
    pub problem: Option<String>,
}

/// A caller whose certificate expires.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallerExpiry {
    /// Its trust domain.
    pub trust_domain: String,
    /// Its best name.
    pub name: String,
    /// The SHA-256 of its certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// When it expires.
    pub not_after: String,
}

/// A sink of audit records.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    /// Records that wait.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Records that it has taken.
    pub written: u64,
    /// Allows without a record, because of `audit.sampleAllows`.
    pub unsampled: u64,
    /// Records that were lost.
    pub dropped: u64,
    /// Writes that failed.
    pub failed_writes: u64,
}

/// Throttling of failed attempts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlePageStatus {
    /// The answer to failed attempts over the limit.
    pub mode: ThrottleMode,
    /// More where it is not disabled.
    #[serde(flatten)]
    pub counts: Option<ThrottleCounts>,
}

/// The limit of throttling, and its counts.
#[derive(Debug, Serialize, Deserialize)]
pub struct ThrottleCounts {
    /// So many failed attempts of one source are answered as ever.
    pub failures: u32,
    /// The time in which a source gets all of them back.
    pub per: String,
    /// Sources that are remembered.
    pub sources: usize,
    /// Attempts since the start, by what became of them.
    pub attempts: BTreeMap<String, u64>,
    /// True if replicas count together.
    pub shared: bool,
    /// Attempts that they did not count together although they should.
    pub unshared: u64,
}

/// The signals that something is odd.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AnomaliesStatus {
    /// The last ones.
    pub last: Vec<SignalStatus>,
    /// Decisions that were not looked at.
    pub dropped: u64,
}

/// A signal.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SignalStatus {
    /// Its name.
    pub signal: String,
    /// When it was raised.
    pub at: String,
    /// The name that it is about.
    pub about: String,
    /// More about it.
    pub detail: String,
    /// The decision that raised it.
    pub decision_id: String,
}
