//! The `envoy.service.auth.v3.Authorization` service: decode, decide, observe, encode.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::clock::Deadline;
use crate::envoy::arrival::Arrival;
use crate::envoy::grpc::{Received, frame, parse};
use crate::envoy::server::{Counted, ListenerStatus};
use crate::envoy::{ClientAddress, decode, encode};
use crate::pdp::{Kept, Observer, Outcome, Pdp, Pinned, Recorder};
use crate::reason::Reason;
use crate::request::{CredentialHeaders, RequestView, Shown};

/// Answers checks.
#[derive(Clone, Debug)]
pub struct CheckService {
    pdp: Arc<Pdp>,
    observers: Arc<[Arc<dyn Observer>]>,
    recorder: Option<Arc<dyn Recorder>>,
    status: Arc<ListenerStatus>,
    most: usize,
    shown: Shown,
    clients: Arc<ClientAddress>,
}

// === impl CheckService ===

impl CheckService {
    /// A service that decides by `pdp` and tells `observers`.
    #[must_use]
    pub fn new(pdp: Arc<Pdp>, observers: Vec<Arc<dyn Observer>>) -> Self {
        let (recorder, status) = (None, Arc::default());
        let (shown, clients) = (Shown::default(), Arc::default());
        Self {
            pdp,
            observers: observers.into(),
            recorder,
            status,
            most: usize::MAX,
            shown,
            clients,
        }
    }

    /// The same that has every decision recorded.
    #[must_use]
    pub fn recorded_by(self, recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
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
    #[must_use]
    pub fn status(&self) -> Arc<ListenerStatus> {
        Arc::clone(&self.status)
    }

    /// Decides one check: `call` is the body of a call to `envoy.service.auth.v3.Authorization/Check`, a framed
    /// `CheckRequest`, and what is returned the body of its answer, a framed `CheckResponse`.
    pub async fn answer(&self, call: Bytes) -> Bytes {
        let arrival = self.arrive(self.deadline());
        self.conclude(arrival, parse(call)).await
    }

    /// What decides.
    pub(super) const fn pdp(&self) -> &Arc<Pdp> {
        &self.pdp
    }

    /// Longest time to an answer.
    pub(super) fn deadline(&self) -> Duration {
        self.pdp.deadline()
    }

    /// Counts a check that is to be answered `within` so long from now.
    pub(super) fn arrive(&self, within: Duration) -> Arrival {
        let admitted = Counted::below(self.most, &self.status, |status| &status.checks);
        Arrival { deadline: Deadline::within(within), admitted }
    }

    /// The answer to what was received, framed.
    pub(super) async fn conclude(&self, arrival: Arrival, received: Received) -> Bytes {
        let pdp = self.pdp.pin_until(arrival.deadline);
        let (view, outcome) = match received.and_then(|message| decode(message, pdp.sealed())) {
            Ok((mut view, credentials)) => {
                if self.shown == Shown::Some {
                    view.headers = view.headers.with_shown(Shown::Some);
                }
                view.client = self.clients.find(&view);
                let outcome = decide(&pdp, &view, credentials).await;
                (view, outcome)
            }
            Err(rejection) => (RequestView::unreadable(rejection.clone()), pdp.refuse(rejection)),
        };
        let (outcome, kept) = self.record(&view, outcome, &arrival.deadline);
        if let Some(kept) = kept {
            kept.await;
        }
        self.observe(&view, &outcome);
        frame(|out| encode(&view, &outcome, out))
    }

    /// Has the decision recorded; where that cannot be and has to be, it is a denial instead. Also what is to be waited for.
    fn record(
        &self,
        view: &RequestView,
        outcome: Outcome,
        deadline: &Deadline,
    ) -> (Outcome, Option<BoxFuture<'static, ()>>) {
        let Some(recorder) = &self.recorder else { return (outcome, None) };
        match recorder.record(view, &outcome, deadline) {
            Kept::Done => (outcome, None),
            Kept::Later(kept) => (outcome, Some(kept)),
            Kept::Refused(rejection) => {
                let decision = outcome.decision.withdrawn(rejection);
                let outcome = Outcome { decision, sealed: Vec::new(), ..outcome };
                // The denial is recorded where there is room for it.
                let _ = recorder.record(view, &outcome, &Deadline::within(Duration::ZERO));
                (outcome, None)
            }
        }
    }

    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        for observer in &*self.observers {
            observer.observe(view, outcome);
        }
    }
}

async fn decide(pdp: &Pinned<'_>, view: &RequestView, credentials: CredentialHeaders) -> Outcome {
    // A panic must be an answer: the gRPC error it would become is an allow under `failure_mode_allow` (invariant 2).
    AssertUnwindSafe(pdp.decide(view, credentials))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| pdp.refuse(Reason::PolicyUnavailable.because("deciding panicked")))
}

#[cfg(test)]
pub(super) mod tests;
