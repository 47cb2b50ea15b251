//! The `envoy.service.auth.v3.Authorization` service: decode, decide, observe, encode.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::Authorization;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use futures_util::FutureExt as _;
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::envoy::{decode, encode};
use crate::limits::MAX_CHECK_REQUEST_BYTES;
use crate::pdp::{Observer, Outcome, Pdp};
use crate::reason::Reason;
use crate::request::RequestView;

/// Answers checks.
#[derive(Clone, Debug)]
pub struct CheckService {
    pdp: Arc<Pdp>,
    observers: Arc<[Arc<dyn Observer>]>,
}

// === impl CheckService ===

impl CheckService {
    /// A service that decides by `pdp` and tells `observers`.
    #[must_use]
    pub fn new(pdp: Arc<Pdp>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self { pdp, observers: observers.into() }
    }

    /// Decides one check.
    pub async fn answer(&self, check: CheckRequest) -> CheckResponse {
        let pdp = self.pdp.pin();
        let too_large = check.encoded_len() > MAX_CHECK_REQUEST_BYTES;
        let (mut view, credentials) = decode(check, pdp.sealed());
        if too_large {
            view.target = Err(Reason::RequestTooLarge.because("the check is over the size limit"));
        }
        // A panic must be an answer: the gRPC error it would become is an allow under `failure_mode_allow` (invariant 2).
        let outcome = AssertUnwindSafe(pdp.decide(&view, credentials))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| pdp.refuse(Reason::PolicyUnavailable.because("deciding panicked")));
        self.observe(&view, &outcome);
        encode(&view, &outcome)
    }

    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        for observer in &*self.observers {
            observer.observe(view, outcome);
        }
    }
}

#[tonic::async_trait]
impl Authorization for CheckService {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.answer(request.into_inner()).await))
    }
}

#[cfg(test)]
mod tests;
