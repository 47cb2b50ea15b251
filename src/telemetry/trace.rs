//! Each decision as spans: one for the check, and in it one for gathering, authenticating, evaluating and, where it waits or signs,
//! fulfilling.
//!
//! The trace is the one of the request that is checked: its W3C headers (`traceparent`, `tracestate`), and not those of the
//! gRPC call, which would be Envoy's. Spans are made when all is over, from the moments that the outcome holds, so that a
//! check that is not sampled costs no more than a look at one header.

use std::fmt;
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::{Exports, OtlpOptions};
use crate::limits::MAX_TRACE_STATE_BYTES;
use crate::pdp::{Observer, Outcome};
use crate::policy::Decision;
use crate::reason::ClientAnswer;
use crate::request::{Headers, RequestView, TraceParent};

/// Makes spans of decisions.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// True if a check without a trace of its own can begin one.
    begins: bool,
}

/// Longest wait for the collector in the end.
const FLUSH: Duration = Duration::from_secs(2);

impl Traces {
    /// Sends spans to where `options` say, from within a tokio runtime.
    ///
    /// # Errors
    /// A message that says what is wrong with the endpoint.
    pub fn start(options: &OtlpOptions, exports: &Exports) -> Result<Self, String> {
        Ok(Self::with(options.tracer_provider(exports)?, options.sample > 0.0))
    }

    fn with(provider: SdkTracerProvider, begins: bool) -> Self {
        let tracer = provider.tracer("countersign");
        Self { provider, tracer, begins }
    }

    /// Sends what was not sent yet. Blocks, for at most two seconds.
    pub fn close(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Observer for Traces {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        let context = match TraceParent::of(&view.headers) {
            Some(parent) if parent.sampled => {
                Context::new().with_remote_span_context(caller(&parent, &view.headers))
            }
            None if self.begins => Context::new(),
            Some(_) | None => return,
        };
        let start = outcome.arrived().to_system_time();
        let Some(end) = start.checked_add(outcome.elapsed) else { return };
        let check = SpanBuilder::from_name("check").with_kind(SpanKind::Server);
        let mut check = self.tracer.build_with_context(check.with_start_time(start), &context);
        if !check.is_recording() {
            return;
        }
        check.set_attributes(attributes(view, outcome));
        if let Decision::Deny(denial) = &outcome.decision
            && denial.rejection.client_answer() == ClientAnswer::Unavailable
        {
            check.set_status(Status::error(denial.rejection.reason().as_str()));
        }
        let inside = Context::new().with_remote_span_context(check.span_context().clone());
        for (name, from, to) in outcome.phases.each() {
            let part = SpanBuilder::from_name(name).with_start_time(start + from);
            self.tracer.build_with_context(part, &inside).end_with_timestamp(start + to);
        }
        check.end_with_timestamp(end);
    }
}

/// Names from documents and codes only. No path, no query, no header and no claim: the caller's own span has the request,
/// and the audit record, found by its decision id, has the caller.
fn attributes(view: &RequestView, outcome: &Outcome) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("countersign.decision_id", outcome.id.to_string()),
        KeyValue::new("countersign.revision", outcome.revision.to_string()),
        KeyValue::new("http.request.method", method(&view.method)),
    ];
    let decision = outcome.decision.effect().as_str();
    attributes.push(KeyValue::new("countersign.decision", decision));
    if let Decision::Deny(denial) = &outcome.decision {
        let reason = denial.rejection.reason().as_str();
        attributes.push(KeyValue::new("countersign.reason", reason));
    }
    if let Some(rule) = outcome.decision.rule() {
        attributes.push(KeyValue::new("countersign.policy", rule.policy.to_string()));
        attributes.push(KeyValue::new("countersign.rule", rule.rule.to_string()));
    }
    attributes
}

/// The method, where it is one of the usual ones: the caller may write anything.
fn method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("_OTHER")
}

/// The caller's span, which is sampled.
fn caller(parent: &TraceParent, headers: &Headers) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(parent.trace_id), SpanId::from_bytes(parent.span_id));
    let state = headers.single("tracestate").ok().flatten();
    let state = state.filter(|text| text.len() <= MAX_TRACE_STATE_BYTES);
    let state = state.and_then(|text| text.parse().ok());
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, state.unwrap_or(TraceState::NONE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HeaderValue;

    /// P309: callers write it, and thousands of spans wait.
    #[test]
    fn a_long_trace_state_is_not_kept() {
        let entry = |name| format!("{name}={}", "x".repeat(MAX_TRACE_STATE_BYTES / 2 - 3));
        for (names, kept) in [(vec!["a", "b"], true), (vec!["a", "b", "c"], false)] {
            let own: Vec<_> = names.into_iter().map(entry).collect();
            let length = own.join(",").len();
            let mut headers = Headers::default();
            let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            headers.push("traceparent", HeaderValue::new(text));
            headers.push("tracestate", HeaderValue::new(own.join(",").into_bytes()));
            let parent = TraceParent::of(&headers).unwrap();
            let state = caller(&parent, &headers).trace_state().header();
            assert_eq!(!state.is_empty(), kept, "{length}");
        }
    }

    #[test]
    fn a_method_is_one_of_few_words() {
        assert_eq!(method("GET"), "GET");
        assert_eq!(method("get"), "_OTHER");
        assert_eq!(method("secret"), "_OTHER");
    }
}
