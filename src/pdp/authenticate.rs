//! *Authenticate*: from evidence to the caller, once more where an issuer has replaced a key meanwhile.

use super::collected::Collected;
use super::outcome::Authenticated;
use super::pinned::Pinned;
use super::token_uses::TokenUse;
use super::trace::RequestTrace;
use crate::authn::{self, Subject};
use crate::reason::Reason;
use crate::request::RequestView;
use crate::trust::Material;

impl Pinned<'_> {
    /// Verifies peer and tokens with `material`.
    pub(super) async fn authenticate<'c, T: RequestTrace>(
        &self,
        collected: &'c Collected<'c>,
        material: Material,
        trace: &mut T,
    ) -> Authenticated<'c> {
        let (first, material) = self.verify(collected, material, trace);
        self.ask_for_authorities(&first.subject, collected);
        match self.gather_changed(&first.subject, collected, &material).await {
            Some(changed) => self.verify(collected, changed, trace).0,
            None => first,
        }
    }

    fn verify<'c, T: RequestTrace>(
        &self,
        collected: &'c Collected<'c>,
        mut material: Material,
        trace: &mut T,
    ) -> (Authenticated<'c>, Material) {
        // After the wait: a revocation that arrived meanwhile counts.
        material.revoke_by(self.pdp.revocations.current());
        let gathered = self.deadline.elapsed();
        let (at, trust) = (self.pdp.clock.now(), self.current.snapshot.trust());
        let (evidence, cache) = (&collected.evidence, collected.cached.memory());
        let watch = trace.authentication();
        let subject = authn::authenticate_traced(evidence, trust, &material, cache, at, watch);
        let done = self.deadline.elapsed();
        (Authenticated { subject, collected, at, gathered, done }, material)
    }

    /// Other keys for a request whose tokens do not verify with those at hand, where its issuer has replaced one.
    async fn gather_changed(
        &self,
        subject: &Subject,
        collected: &Collected<'_>,
        material: &Material,
    ) -> Option<Material> {
        let rejection = subject.tokens().rejection()?;
        if !matches!(
            rejection.reason(),
            Reason::SignatureInvalid | Reason::KeyUnknown | Reason::TokenAlg
        ) {
            return None;
        }
        let patience = self.deadline.left().mul_f64(0.9);
        let (tokens, trust) = (collected.evidence.presented(), self.current.snapshot.trust());
        // Boxed because it is rare.
        Box::pin(self.pdp.keys.gather_changed(tokens, trust, material, patience)).await
    }

    /// Has the authorities of a trust domain fetched again that a certificate shows to have another one by now. The request does
    /// not wait for it: new authorities count once the documents are compiled with them.
    fn ask_for_authorities(&self, subject: &Subject, collected: &Collected<'_>) {
        let rejection = subject.peer().rejection();
        let untrusted = rejection.is_some_and(|why| why.reason() == Reason::ChainUntrusted);
        if let Some(remote) = self.pdp.remote.as_ref().filter(|_| untrusted) {
            let (peer, trust) = (&collected.evidence.peer, self.current.snapshot.trust());
            let domains = authn::with_unknown_authorities(peer, trust);
            domains.into_iter().for_each(|domain| remote.ask_for_authorities(domain));
        }
    }

    /// Notes how the tokens of the caller are used, if a rule about the host asks for it.
    pub(super) fn note_usage(&self, view: &RequestView, authenticated: &mut Authenticated<'_>) {
        let Some(uses) = &self.pdp.token_uses else { return };
        let Authenticated { subject, at, .. } = authenticated;
        // A request with a refused certificate is denied before any rule, and says nothing about the token beside it.
        if subject.peer().rejection().is_some()
            || !self.current.snapshot.token_scope().asks_for_signals(view)
        {
            return;
        }
        let Ok(target) = &view.target else { return };
        let peer = subject.peer().verified().cloned();
        subject.note_usage(|token| {
            uses.add(&TokenUse::of(token, peer.as_ref(), (view, &target.host), *at))
        });
    }
}
