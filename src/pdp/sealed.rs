//! Headers that are credentials.

use std::sync::Arc;

use crate::secret::Secret;

/// A header to set on the request whose value is a credential.
#[derive(Clone, Debug)]
pub struct SealedHeader {
    /// The name, in lower case.
    pub name: Arc<str>,
    /// The value.
    pub value: Secret<String>,
}
