//! *Collect* and *gather*: the evidence of a check, and the keys and answers that its verification needs.

use std::net::IpAddr;
use std::time::Duration;

use super::collected::Collected;
use super::pinned::Pinned;
use crate::authn::{self, KnownOnly};
use crate::evidence::{self, Presented, PresentedToken};
use crate::policy::Denial;
use crate::reason::{Reason, Rejection};
use crate::request::{Client, CredentialHeaders, RequestLine, RequestView};
use crate::slots::network;
use crate::trust::Material;

impl Pinned<'_> {
    /// The evidence in the credentials, unverified, with what the verification cache has of it.
    pub fn collect(&self, view: &RequestView, credentials: &CredentialHeaders) -> Collected<'_> {
        let snapshot = &self.current.snapshot;
        let evidence = evidence::collect(
            credentials,
            view.destination.principal.as_ref(),
            &self.pdp.options.peer_sources,
            snapshot.token_places(),
        );
        let cache = self.current.verified.memory();
        let mut collected = Collected::new(evidence, credentials, snapshot.token_places(), cache);
        collected.origin = origin(view);
        // Before any issuer is asked: no issuer sees a token that does not count here.
        if let Some(counting) = snapshot.token_scope().of(view) {
            collected = collected.ignore_uncounted(snapshot.trust(), |issuer| counting.has(issuer));
        }
        if !matches!(collected.evidence.proof, Presented::Absent) {
            collected.evidence.request = RequestLine::of(view);
        }
        collected
    }

    /// The refusal of credentials that were not verified before, where more of their source fail than are verified.
    pub(super) fn unaffordable(
        &self,
        view: &RequestView,
        collected: &Collected<'_>,
    ) -> Option<Denial> {
        let throttle = self.pdp.throttle.as_ref().filter(|throttle| throttle.is_any_spent())?;
        let Collected { evidence, cached, .. } = collected;
        let trust = self.current.snapshot.trust();
        let is_known = |token: &PresentedToken| {
            authn::is_cached(token, cached) || self.pdp.introspector.knows(token, trust)
        };
        let has_new_token = !evidence.presented().iter().all(is_known);
        let nameless = throttle.source(view, None);
        let spent = nameless.filter(|source| throttle.is_spent(source));
        if !has_new_token && spent.is_none() {
            return None;
        }
        let now = self.pdp.clock.now();
        let known = KnownOnly(cached.memory().certificates);
        let peer = authn::verify_peer(&evidence.peer, trust, &known, now);
        let is_new = peer.rejection().is_some_and(|why| why.reason() == Reason::Throttled);
        let source = match (peer.verified(), is_new || has_new_token) {
            (_, false) => return None,
            (Some(peer), true) => throttle.source(view, Some(peer)),
            (None, true) => spent,
        };
        let source = source.filter(|source| throttle.is_spent(source))?;
        let detail = "the source has too many failed attempts, so that credentials it has not shown before are not verified";
        let denial = Denial::new(Reason::Throttled.because(detail));
        Some(denial.throttled(throttle.unverified(source)))
    }

    /// Fetches what verification needs, within the deadline.
    ///
    /// # Errors
    /// `deadline` where it does not arrive in time.
    pub async fn gather(&self, collected: &Collected<'_>) -> Result<Material, Rejection> {
        self.gather_at(self.deadline.elapsed(), collected).await
    }

    pub(super) async fn gather_at(
        &self,
        elapsed: Duration,
        collected: &Collected<'_>,
    ) -> Result<Material, Rejection> {
        let Collected { evidence, origin, cached, .. } = collected;
        let tokens = evidence.presented();
        if evidence.unreadable.iter().any(|own| own.place.cookie().is_none()) {
            return Ok(Material::default());
        }
        let left = self.deadline.left_at(elapsed);
        // Envoy has given up on a check that waited too long for its turn, and deciding it would make the next one late too.
        if left.is_zero() {
            return Err(Reason::Deadline.because("no time was left when deciding began"));
        }
        // Waiting ends before the deadline does, so that the answer can name the issuer whose keys did not arrive.
        let patience = left.mul_f64(0.9);
        let trust = self.current.snapshot.trust();
        let gathering = async {
            let mut material = self.pdp.keys.gather(tokens, trust, cached, patience).await;
            if !tokens.iter().all(|token| authn::is_cached(token, cached)) {
                let patience = self.deadline.left().saturating_sub(left - patience);
                let introspector = &self.pdp.introspector;
                // Boxed because it is rare: every check has to make room for what is inline.
                let asking =
                    introspector.gather(tokens, trust, cached, *origin, patience, &mut material);
                Box::pin(asking).await;
            }
            material
        };
        self.deadline
            .meet(gathering)
            .await
            .ok_or_else(|| Reason::Deadline.because("the issuer's keys did not arrive in time"))
    }
}

/// The address of the client, or its IPv6 network; that of the proxy in front where the client's is not known.
fn origin(view: &RequestView) -> Option<IpAddr> {
    let connection = view.source.address.map(|address| address.ip());
    let address = match view.client {
        Client::At(address) => Some(address),
        Client::Connection | Client::Unknown => connection,
    };
    address.map(network)
}
