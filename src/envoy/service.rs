//! The `envoy.service.auth.v3.Authorization` service: decode, decide, observe, encode.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::clock::Deadline;
use crate::envoy::message::{ReceivedMessage, frame, parse};
use crate::envoy::status::Arrival;
use crate::envoy::status::{LevelGuard, ListenerStatus};
use crate::envoy::{ClientAddress, decode, encode};
use crate::pdp::{AuditSink, Observer, Outcome, Pdp, Pinned};
use crate::reason::Reason;
use crate::request::{CredentialHeaders, RequestView, Shown};

/// Answers checks.
#[derive(Clone, Debug)]
pub struct CheckService {
    pdp: Arc<Pdp>,
    observers: Arc<[Arc<dyn Observer>]>,
    audit: Option<Arc<dyn AuditSink>>,
    status: Arc<ListenerStatus>,
    most: usize,
    shown: Shown,
    clients: Arc<ClientAddress>,
}

impl CheckService {
    /// A service that decides by `pdp` and tells `observers`.
    pub fn new(pdp: Arc<Pdp>, observers: Vec<Arc<dyn Observer>>) -> Self {
        let (audit, status) = (None, Arc::default());
        let (shown, clients) = (Shown::default(), Arc::default());
        Self { pdp, observers: observers.into(), audit, status, most: usize::MAX, shown, clients }
    }

    /// Records every decision in `audit`.
    #[must_use]
    pub fn recorded_by(self, audit: Arc<dyn AuditSink>) -> Self {
        Self { audit: Some(audit), ..self }
    }

    /// The same that finds the addresses of clients as `settings` say.
    #[must_use]
    pub fn finding_clients(self, settings: ClientAddress) -> Self {
        Self { clients: Arc::new(settings), ..self }
    }

    /// The same that decides at most `checks` at a time. Further ones are denied at once: what waits in a queue is late, and
    /// makes what comes after it late too.
    #[must_use]
    pub fn at_most(self, checks: usize) -> Self {
        Self { most: checks, ..self }
    }

    /// The same that is asked by proxies that show these of a request's headers.
    #[must_use]
    pub fn shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    /// How the listener that it answers on is doing.
    pub fn status(&self) -> Arc<ListenerStatus> {
        Arc::clone(&self.status)
    }

    /// Decides one check: `call` is the body of a call to `envoy.service.auth.v3.Authorization/Check`, a framed
    /// `CheckRequest`, and what is returned the body of its answer, a framed `CheckResponse`.
    pub async fn answer(&self, call: Bytes) -> Bytes {
        let arrival = self.arrive(self.deadline());
        self.conclude(arrival, parse(call)).await
    }

    /// The decision point.
    pub const fn pdp(&self) -> &Arc<Pdp> {
        &self.pdp
    }

    /// Longest time to an answer.
    pub(super) fn deadline(&self) -> Duration {
        self.pdp.deadline()
    }

    /// Counts a check that is to be answered `within` so long from now.
    pub(super) fn arrive(&self, within: Duration) -> Arrival {
        let admitted = LevelGuard::below(self.most, &self.status, |status| &status.checks);
        Arrival { deadline: Deadline::within(within), admitted }
    }

    /// The framed answer to a received message.
    pub(super) async fn conclude(&self, arrival: Arrival, received: ReceivedMessage) -> Bytes {
        let pinned = self.pdp.pin_until(arrival.deadline).recorded_by(self.audit.as_deref());
        let (view, outcome) = match received.and_then(|message| decode(message, pinned.sealed())) {
            Ok((mut view, credentials)) => {
                if self.shown == Shown::Some {
                    view.headers = view.headers.with_shown(Shown::Some);
                }
                view.client = self.clients.find(&view);
                let outcome = decide(&pinned, &view, credentials).await;
                (view, outcome)
            }
            Err(rejection) => {
                let view = RequestView::unreadable(rejection.clone());
                let outcome = pinned.refuse(&view, rejection).await;
                (view, outcome)
            }
        };
        self.observe(&view, &outcome);
        frame(|out| encode(&outcome, out))
    }

    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        for observer in &*self.observers {
            observer.observe(view, outcome);
        }
    }
}

async fn decide(
    pinned: &Pinned<'_>,
    view: &RequestView,
    credentials: CredentialHeaders,
) -> Outcome {
    // A panic must be an answer: the gRPC error it would become is an allow under `failure_mode_allow` (invariant 2).
    match AssertUnwindSafe(pinned.decide(view, credentials)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            let rejection = Reason::PolicyUnavailable.because("deciding panicked");
            Box::pin(pinned.refuse(view, rejection)).await
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
