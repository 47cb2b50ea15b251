//! The trust that documents configure, as plain values: pinned authorities, issuers, keys. No I/O, no clock, no requests.
//!
//! The order inside: `algorithm`, `name`, `jwk`, `keys`, `key_url`, `access` and `remote`; one folder for each kind of document (`domain`, `issuer`,
//! `revocation`); `store`, which compiles all documents together; and `material`, which is gathered for a request.

mod access;
mod algorithm;
mod assertion;
mod domain;
mod dpop;
mod introspection;
mod issuer;
mod jwk;
mod key_url;
mod keys;
mod material;
mod name;
mod remote;
mod revocation;
mod store;
#[cfg(test)]
pub(crate) mod tests;

pub use access::{Access, ClientCredentials, HeaderText, client_certificate, secret_line};
pub use algorithm::Algorithm;
pub use assertion::ClientAssertion;
pub use domain::{
    Authority, BudgetSpent, Crl, CurrentList, IssuerId, IssuerKey, IssuerKeys, KnownLists, LeafPin,
    LeafRules, LifePhase, Revocation, SignatureBudget, SignatureChecks, StoredCrl, TrustDomain,
    Validity, authority_key_id, bundle_authorities, extension_fault, issues_clients, key_weakness,
    refresh_hint, subject_key_id,
};
pub use dpop::{DpopRules, NonceRules};
pub use introspection::{AnswerError, ClientAuthentication, Introspection, IntrospectionAnswer};
pub(crate) use issuer::canonical_type;
pub use issuer::{DEFAULT_MAX_LIFETIME, Issuer, KeySource, TokenPeerBinding};
pub use jwk::{KeyFault, KeyPurpose, VerificationKey};
pub use key_url::{KeyUrl, KeyUrlError};
pub(crate) use key_url::{is_odd_number, port_in};
pub use keys::{KeyMiss, KeySet, KeySetError, SkippedKey};
pub use material::{Material, Outdated};
pub use name::{CanonicalName, NameError};
pub use remote::{RemoteFile, RemoteKeys, RemotePart};
pub use revocation::{
    AcceptedList, EntryError, FIRST_LINE, KnownIssuers, LineEnds, LineError, ListError, ListHeader,
    ListMark, ListPlace, ListSignature, ListSignatureError, ListSource, ListText, RUNNING,
    RevocationEntry, RevocationKind, RevocationList, RevocationMark, RevocationNote,
    RevocationTable, RevocationTarget, RevocationView, Revoked,
};
pub use store::TrustStore;
