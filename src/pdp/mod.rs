//! The decision point: one check, top to bottom, against one snapshot.
//!
//! Collect, gather, authenticate, evaluate, fulfil. Before the decision *gather* may wait, and *authenticate* where an issuer may have
//! replaced a key. Credentials are verified by the clock after the wait: a token that expires while its key is fetched is expired.
//! *Fulfil* may wait for the store and the audit log.

mod assertion;
mod authenticate;
mod collected;
mod connect;
mod current;
mod decide;
mod dial;
mod failed;
mod fetch;
mod fetch_error;
mod follow;
mod fulfil;
mod gather;
mod introspect;
mod keys;
mod outcome;
mod pinned;
mod point;
mod proxy;
mod remote;
mod revocation;
mod sealed;
mod shared_headers;
mod single_use;
mod snapshot;
mod spiffe_server;
mod state_files;
mod throttle;
mod token_uses;
mod trace;
mod verification_cache;

pub use collected::{CacheHits, Collected};
pub use current::RetiredSnapshot;
pub use fetch::{FetchError, FetchRequest, Fetched, Fetcher, HttpsFetcher, Validators};
pub use follow::{FetchOptions, PacedFetcher, refresh_after};
pub use introspect::Introspector;
pub use keys::{
    FirstSeen, KeyCache, KeyStatus, KnownVersions, LastGood, LoadError, Loaded, last_good,
    load as load_keys,
};
pub use outcome::{AuditSink, Observer, Outcome, Phases, Recording};
pub use pinned::Pinned;
pub use point::{Pdp, PdpOptions};
pub use proxy::{Proxies, ProxyError};
pub use remote::{RemoteFiles, RemoteStatus};
pub use revocation::{
    BeforeFirstSync, KnownRevocation, ListStatus, Published, RevocationOptions, RevocationRegister,
    SharingStatus, UnknownRevocation,
};
pub use sealed::SealedHeader;
pub use snapshot::{
    FileSet, Inventory, Load, RefusedFiles, Revision, SavedLists, SavedListsStatus, Snapshot,
    is_document,
};
pub use state_files::StateFiles;
pub use throttle::{Throttle, ThrottleMode, ThrottleOptions, ThrottleStatus};
pub use trace::{NoRequestTrace, RequestTrace};
pub use verification_cache::{VerificationCache, VerificationCacheOptions};
