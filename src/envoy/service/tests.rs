//! Whatever goes wrong while deciding, the answer is a denial and not a gRPC error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, attribute_context,
};
use envoy_types::pb::google::protobuf::value::Kind;
use futures_util::future::BoxFuture;
use prost::Message as _;

use super::*;
use crate::clock::{Clock, FixedClock, UnixTime};
use crate::evidence::PeerSources;
use crate::evidence_level::EvidenceLevel;
use crate::pdp::{
    FetchError, FetchRequest, Fetched, Fetcher, HttpsFetcher, KeyCache, Load, PdpOptions,
    Recording, VerificationCacheOptions,
};

pub(in crate::envoy) const OPEN: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: health }
spec:
  target: { hosts: [orders.example] }
  rules:
    - name: health
      effect: allow
      public: true
      on: { methods: [GET, POST], paths: [/healthz] }
      inject: { headers: { x-rule: \"{decision.rule}\" } }
";

pub(in crate::envoy) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Panics the first time it is asked.
#[derive(Debug, Default)]
struct PanickingClock(AtomicBool);

impl Clock for PanickingClock {
    fn now(&self) -> UnixTime {
        assert!(self.0.swap(true, Ordering::SeqCst), "the clock is broken");
        NOW
    }
}

/// Keeps what it observes.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        let word =
            format!("{} {:?}", view.raw_path, outcome.decision.rule().map(ToString::to_string));
        self.0.lock().unwrap().push(word);
    }
}

pub(in crate::envoy) fn service(
    clock: Arc<dyn Clock>,
    observers: Vec<Arc<dyn Observer>>,
) -> CheckService {
    service_by(OPEN, Arc::new(HttpsFetcher::default()), clock, observers)
}

pub(in crate::envoy) fn service_by(
    documents: &str,
    fetcher: Arc<dyn Fetcher>,
    clock: Arc<dyn Clock>,
    observers: Vec<Arc<dyn Observer>>,
) -> CheckService {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), documents).unwrap();
    let load = Load::from_paths(&[folder.path().to_owned()]);
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
    let keys = Arc::new(KeyCache::new(Arc::new(FixedClock::at(NOW)), fetcher));
    let options = PdpOptions {
        peer_sources: PeerSources {
            xfcc: true,
            least_evidence: EvidenceLevel::Asserted,
            ..PeerSources::default()
        },
        deadline: Duration::from_secs(1),
        memory: VerificationCacheOptions::default(),
    };
    CheckService::new(Arc::new(Pdp::new(snapshot, keys, clock, options)), observers)
}

async fn answer(service: &CheckService, check: CheckRequest) -> CheckResponse {
    let call = frame(|out| check.encode(out).unwrap());
    let answer = service.answer(call).await;
    CheckResponse::decode(parse(answer).unwrap()).unwrap()
}

pub(in crate::envoy) fn check(path: &str, body: &str) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".into(),
        host: "orders.example".into(),
        path: path.into(),
        body: body.into(),
        ..Default::default()
    };
    let request = Some(attribute_context::Request { http: Some(http), ..Default::default() });
    CheckRequest { attributes: Some(AttributeContext { request, ..Default::default() }) }
}

/// The gRPC code, the HTTP code and the reason.
pub(in crate::envoy) fn summary(response: CheckResponse) -> (i32, i32, String) {
    let reason =
        response.dynamic_metadata.and_then(|m| m.fields.get("reason").and_then(|v| v.kind.clone()));
    let http = match response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => denied.status.unwrap().code,
        Some(HttpResponse::OkResponse(_)) => 200,
        Some(HttpResponse::ErrorResponse(_)) | None => panic!("neither allowed nor denied"),
    };
    let reason = match reason {
        Some(Kind::StringValue(reason)) => reason,
        _ => String::new(),
    };
    (response.status.unwrap().code, http, reason)
}

#[tokio::test]
async fn an_allowed_request_is_answered_and_observed() {
    let seen = Arc::new(Seen::default());
    let service = service(Arc::new(FixedClock::at(NOW)), vec![seen.clone()]);
    assert_eq!(summary(answer(&service, check("/healthz", "")).await), (0, 200, String::new()));
    assert_eq!(*seen.0.lock().unwrap(), ["/healthz Some(\"health/health\")"]);
}

/// Has no room for an allow.
#[derive(Debug, Default)]
struct Unwilling(Mutex<Vec<bool>>);

impl AuditSink for Unwilling {
    fn record(&self, _: &RequestView, outcome: &Outcome, _: &Deadline) -> Recording {
        let allows = outcome.decision.is_allow();
        self.0.lock().unwrap().push(allows);
        if allows {
            Recording::Refused(Reason::AuditUnavailable.because("full"))
        } else {
            Recording::Done
        }
    }
}

/// Invariant 2, P81: an allow that has to be recorded and cannot be is a denial, for observers too.
#[tokio::test]
async fn an_allow_that_cannot_be_recorded_is_a_denial() {
    let (seen, recorder) = (Arc::new(Seen::default()), Arc::new(Unwilling::default()));
    let service = service(Arc::new(FixedClock::at(NOW)), vec![seen.clone()]);
    let service = service.recorded_by(recorder.clone());
    let refused = summary(answer(&service, check("/healthz", "")).await);
    assert_eq!(refused, (14, 503, "audit_unavailable".into()));
    let denied = summary(answer(&service, check("/elsewhere", "")).await);
    assert_eq!(denied, (7, 403, "no_rule".into()), "a denial is what it was");
    assert_eq!(*recorder.0.lock().unwrap(), [true, false, false], "the denial instead is recorded");
    assert_eq!(seen.0.lock().unwrap().len(), 2);
}

/// P33, P87: what a proxy says beyond the known keys changes nothing and is counted.
#[tokio::test]
async fn unknown_xfcc_keys_are_counted() {
    let service = service(Arc::new(FixedClock::at(NOW)), Vec::new());
    for (xfcc, counted) in [
        ("URI=spiffe://prod.example/a", 0),
        ("URI=spiffe://prod.example/a;Issuer=\"CN=a\";x=;y=\"CN=a\"", 2),
        // A header that cannot be read is reported by its reason.
        ("Issuer=\"CN=a;URI=spiffe://prod.example/a", 2),
        ("a=1,b=2", 4),
    ] {
        let mut request = check("/healthz", "");
        let attributes = request.attributes.as_mut().unwrap();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        http.headers.insert("x-forwarded-client-cert".into(), xfcc.into());
        drop(answer(&service, request).await);
        assert_eq!(service.pdp.unknown_xfcc_keys(), counted, "{xfcc}");
    }
}

/// P3, P13: the caller's copies of what only Envoy or we may say are removed; what we set is set over them.
#[tokio::test]
async fn only_what_we_set_reaches_the_upstream() {
    let service = service(Arc::new(FixedClock::at(NOW)), Vec::new());
    let response = answer(&service, check("/healthz", "")).await;
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!("not allowed") };
    let set: Vec<_> =
        ok.headers.iter().filter_map(|h| h.header.as_ref()).map(|h| h.key.as_str()).collect();
    assert_eq!(set, ["x-rule"]);
    let removed: Vec<&str> = ok.headers_to_remove.iter().map(String::as_str).collect();
    for name in ["x-envoy-auth-failure-mode-allowed", "x_rule", "x-original-url", "x_host"] {
        assert!(removed.contains(&name), "{name}");
    }
    assert!(!removed.contains(&"x-rule"), "it would be removed after it was set");
}

/// P136: names of headers to remove count against Envoy's limit. Where the settings say, and the request shows, that Envoy
/// sends every header, only headers that were sent are removed.
#[tokio::test]
async fn nothing_is_removed_that_was_not_sent() {
    let pseudo = [":authority", ":method", ":path", ":scheme"];
    for (stated, more, removed) in [
        (Shown::Every, &[][..], Some(&[][..])),
        (Shown::Every, &["x_rule", "x-host"], Some(&["x-host", "x_rule"])),
        (Shown::Some, &[], None),
    ] {
        let service = service(Arc::new(FixedClock::at(NOW)), Vec::new()).shown(stated);
        let mut request = check("/healthz", "");
        let attributes = request.attributes.as_mut().unwrap();
        let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
        let names = pseudo.iter().chain(more);
        http.headers.extend(names.map(|name| ((*name).to_owned(), "/".to_owned())));
        let response = answer(&service, request).await;
        let Some(HttpResponse::OkResponse(ok)) = response.http_response else { panic!() };
        match removed {
            Some(removed) => assert_eq!(ok.headers_to_remove, removed),
            None => assert!(ok.headers_to_remove.len() > 50),
        }
    }
}

/// Invariant 2, P27: a panic is a denial with 503; the next request is served.
#[tokio::test]
async fn a_panic_is_a_denial() {
    let seen = Arc::new(Seen::default());
    let service = service(Arc::new(PanickingClock::default()), vec![seen.clone()]);
    let denied = summary(answer(&service, check("/healthz", "")).await);
    assert_eq!(denied, (14, 503, "policy_unavailable".into()));
    assert_eq!(seen.0.lock().unwrap().len(), 1, "the denial is observed");
    assert_eq!(summary(answer(&service, check("/healthz", "")).await).1, 200);
}

/// An issuer whose tokens are sent at `place`.
pub(in crate::envoy) fn issuer(name: &str, place: &str) -> String {
    format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: {name} }}\nspec:\n  issuer: https://{name}.test\n  audiences: [us]\n  keys: {{ url: 'https://{name}.test/keys' }}\n  algorithms: [RS256]\n  tokens: [{{ {place} }}]\n"
    )
}

/// Looks like a token of that issuer.
pub(in crate::envoy) fn token(name: &str) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = part(format!("{{\"iss\":\"https://{name}.test\"}}"));
    format!("{}.{claims}.c2ln", part("{\"alg\":\"RS256\",\"kid\":\"a\"}".into()))
}

pub(in crate::envoy) fn with_headers(
    mut check: CheckRequest,
    headers: Vec<(&str, String)>,
) -> CheckRequest {
    let request = check.attributes.as_mut().and_then(|context| context.request.as_mut());
    let http = request.and_then(|request| request.http.as_mut()).unwrap();
    http.headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    check
}

/// Never answers.
#[derive(Debug)]
pub(in crate::envoy) struct Stalled;

impl Fetcher for Stalled {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(std::future::pending())
    }
}

/// Invariant 2, P15: keys that do not arrive are a denial within our own deadline, also on a public route.
#[tokio::test(start_paused = true)]
async fn keys_that_never_arrive_are_a_denial_in_time() {
    let one = issuer("one", "authorization: {}");
    let documents = format!("{OPEN}{one}{}", issuer("two", "header: x-two"));
    let clock = Arc::new(FixedClock::at(NOW));
    let service = service_by(&documents, Arc::new(Stalled), clock, Vec::new());
    for (headers, reason) in [
        (vec![("authorization", format!("Bearer {}", token("one")))], "keys_stale"),
        (
            vec![("authorization", format!("Bearer {}", token("one"))), ("x-two", token("two"))],
            "deadline",
        ),
    ] {
        let check = with_headers(check("/healthz", ""), headers);
        assert_eq!(summary(answer(&service, check).await), (14, 503, reason.into()));
    }
}

/// Invariant 5: a path that is not canonical is a denial even where a rule would allow what it repairs to.
#[tokio::test]
async fn a_path_that_is_not_canonical_is_a_denial() {
    let service = service(Arc::new(FixedClock::at(NOW)), Vec::new());
    for path in ["//healthz", "/a/../healthz", "/%68ealthz", "/healthz;x", "/healthz#", ""] {
        let answer = summary(answer(&service, check(path, "")).await);
        assert_eq!(answer, (7, 403, "path_not_canonical".into()), "{path}");
    }
}

/// Nothing in an empty message is an allow.
#[tokio::test]
async fn an_empty_check_is_a_denial() {
    let service = service(Arc::new(FixedClock::at(NOW)), Vec::new());
    assert_eq!(
        summary(answer(&service, CheckRequest::default()).await),
        (7, 403, "tcp_connection".into())
    );
}
