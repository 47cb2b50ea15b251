//! Who is at the other end of a connection over TLS, and whether it may still ask: what is revoked counts for the Envoys in
//! `listener.tls.clients` as well, for new connections and for those that are open.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::pdp::Pdp;
use crate::reason::Rejection;

/// A client that was admitted by its certificate.
#[derive(Debug)]
pub(super) struct AdmittedClient {
    pub(super) pdp: Arc<Pdp>,
    /// Its own certificate, and those that it sent along.
    pub(super) presented: Vec<CertificateDer<'static>>,
    /// The authorities that it had to lead to.
    pub(super) authorities: Arc<[CertificateDer<'static>]>,
}

/// How often it is looked at whether a client is revoked without a notification: certificate revocation lists come with
/// the documents.
const LOOK: Duration = Duration::from_secs(1);

impl AdmittedClient {
    /// Refuses a client that is revoked now.
    ///
    /// # Errors
    /// `cert_revoked`.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        self.pdp.check_client(&self.presented, &self.authorities)
    }

    /// Resolves once it is revoked.
    pub(super) async fn revoked(&self) -> Rejection {
        let mut changed = self.pdp.revocations().changed();
        loop {
            if let Err(rejection) = self.check() {
                return rejection;
            }
            // A timeout counts as a change.
            let _ = tokio::time::timeout(LOOK, changed.changed()).await;
        }
    }
}
