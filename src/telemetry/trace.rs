//! Each decision as spans: one for the check, and in it one for gathering, authenticating and evaluating.
//!
//! The trace is the one of the request that is checked: its W3C headers (`traceparent`, `tracestate`), and not those of the
//! gRPC call, which would be Envoy's. Spans are made when all is over, from the moments that the outcome holds, so that a
//! check that is not sampled costs no more than a look at one header.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    TraceFlags, TraceId, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::{Exports, OtlpOptions};
use crate::pdp::{Observer, Outcome};
use crate::policy::Decision;
use crate::reason::ClientAnswer;
use crate::request::{Headers, RequestView};

/// Makes spans of decisions.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Whether a check without a trace of its own can begin one.
    begins: bool,
}

/// Longest wait for the collector in the end.
const FLUSH: Duration = Duration::from_secs(2);

// === impl Traces ===

impl Traces {
    /// Sends spans to where `options` say, from within a tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
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
        let context = match parent(&view.headers) {
            Some(parent) if parent.is_sampled() => Context::new().with_remote_span_context(parent),
            None if self.begins => Context::new(),
            Some(_) | None => return,
        };
        let end = system_time(outcome.at.as_millis());
        let Some(start) = end.checked_sub(outcome.elapsed) else { return };
        let check = SpanBuilder::from_name("check").with_kind(SpanKind::Server);
        let mut check = self.tracer.build_with_context(check.with_start_time(start), &context);
        if !check.is_recording() {
            return;
        }
        check.set_attributes(attributes(view, outcome));
        if let Decision::Deny(denial) = &outcome.decision
            && denial.rejection().reason().client_answer() == ClientAnswer::Unavailable
        {
            check.set_status(Status::error(denial.rejection().reason().as_str()));
        }
        let inside = Context::new().with_remote_span_context(check.span_context().clone());
        for (name, from, to) in outcome.phases.each() {
            let part = SpanBuilder::from_name(name).with_start_time(start + from);
            self.tracer.build_with_context(part, &inside).end_with_timestamp(start + to);
        }
        check.end_with_timestamp(end);
    }
}

/// What may be told: names from documents and codes. No path, no query, no header and no claim: the caller's own span has
/// the request, and the audit record, found by its decision id, has who it was.
fn attributes(view: &RequestView, outcome: &Outcome) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("countersign.decision_id", outcome.id.to_string()),
        KeyValue::new("countersign.revision", outcome.revision.to_string()),
        KeyValue::new("http.request.method", method(&view.method)),
    ];
    match &outcome.decision {
        Decision::Allow(_) => attributes.push(KeyValue::new("countersign.decision", "allow")),
        Decision::Deny(denial) => {
            let reason = denial.rejection().reason().as_str();
            attributes.push(KeyValue::new("countersign.decision", "deny"));
            attributes.push(KeyValue::new("countersign.reason", reason));
        }
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

/// The caller's span (W3C Trace Context level 1, section 3.2). What breaks the format is as good as absent.
fn parent(headers: &Headers) -> Option<SpanContext> {
    let text = headers.single("traceparent").ok()??;
    let mut fields = text.trim().splitn(5, '-');
    let version = hex(fields.next()?, 2)?;
    let (trace, span) = (hex(fields.next()?, 32)?, hex(fields.next()?, 16)?);
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    // Later versions may have more fields, the first one may not.
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let state = headers.single("tracestate").ok().flatten().and_then(|text| text.parse().ok());
    let context = SpanContext::new(trace, span, flags, true, state.unwrap_or(TraceState::NONE));
    context.is_valid().then_some(context)
}

/// `text`, where it is `length` digits of lower-case hexadecimal.
fn hex(text: &str, length: usize) -> Option<&str> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (digits && text.len() == length).then_some(text)
}

fn system_time(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HeaderValue;

    fn parent_of(lines: &[&str]) -> Option<SpanContext> {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("traceparent", HeaderValue::new(line.as_bytes().to_vec()));
        }
        parent(&headers)
    }

    #[test]
    fn only_well_formed_parents_are_continued() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        let good = format!("00-{trace}-{span}-01");
        let parent = parent_of(&[&good]).unwrap();
        assert_eq!((parent.trace_id().to_string(), parent.is_sampled()), (trace.to_owned(), true));
        assert!(!parent_of(&[&format!("00-{trace}-{span}-00")]).unwrap().is_sampled());
        assert!(parent_of(&[&format!("01-{trace}-{span}-01-later")]).is_some(), "a later version");
        assert_eq!(parent_of(&[]), None);
        assert_eq!(parent_of(&[&good, &good]), None, "which of them?");
        for text in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}x-{span}-01"),
            format!("00-{span}-{trace}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(parent_of(&[&text]), None, "{text}");
        }
    }

    #[test]
    fn a_method_is_one_of_few_words() {
        assert_eq!(method("GET"), "GET");
        assert_eq!(method("get"), "_OTHER");
        assert_eq!(method("secret"), "_OTHER");
    }
}
