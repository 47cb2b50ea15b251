//! The bodies of the revocation API: the server writes them, and the command line reads them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pdp::{KnownRevocation, ListStatus, Published, SharingStatus};
use crate::secret::hex;
use crate::store::StoreKind;
use crate::trust::RevocationEntry;

/// Every revocation that has an entry, and the state of the lists.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevocationPage {
    /// The entries. Lists in the line form are counted only.
    pub entries: Vec<ListedRevocation>,
    /// The lists that are fetched or watched.
    pub lists: Vec<ListStatus>,
    /// The store that replicas share, if there is one.
    pub sharing: Option<SharingStatus>,
    /// The number of entries in force.
    pub total: usize,
}

/// One entry.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListedRevocation {
    /// The entry as a document has it.
    #[serde(flatten)]
    pub entry: RevocationEntry,
    /// The name of its list.
    pub list: String,
    /// The id by which it can be withdrawn, if a running server added it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The receipt of a change.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// The id of the entry.
    pub id: String,
    /// Why other replicas do not have it yet.
    pub not_shared: Option<String>,
    /// The replicas that have it.
    pub replicas: Replicas,
    /// The kind of the store.
    pub store: StoreKind,
    /// Reasons why the entry may revoke less than it seems.
    pub warnings: Vec<String>,
}

/// The replicas that have a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Replicas {
    /// Every replica, within a second.
    All,
    /// The replica that answered.
    This,
}

/// The receipts of the entries that were withdrawn.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Withdrawn {
    /// One receipt for each.
    pub withdrawn: Vec<Receipt>,
}

/// Why a request is refused.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ApiProblem {
    /// The message.
    pub error: String,
}

impl From<&KnownRevocation> for ListedRevocation {
    fn from(known: &KnownRevocation) -> Self {
        Self { entry: known.entry.clone(), list: known.list.to_string(), id: known.id() }
    }
}

impl Receipt {
    pub(super) fn new(published: &Published, mut warnings: Vec<String>) -> Self {
        warnings.extend(published.not_saved.as_ref().map(|why| {
            format!(
                "the state folder cannot be written ({why}): a restart may take this change back"
            )
        }));
        let replicas = match (published.store, &published.not_shared) {
            (StoreKind::Memory, _) | (_, Some(_)) => Replicas::This,
            (StoreKind::Redis, None) => Replicas::All,
        };
        Self {
            id: hex(&published.id),
            not_shared: published.not_shared.clone(),
            replicas,
            store: published.store,
            warnings,
        }
    }
}
