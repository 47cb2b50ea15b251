//! How often a check allocates once everything is warm: from the bytes that were received to the bytes of the answer, with
//! mutual-TLS evidence, an RS256 token, 100 policies, injected headers, audit and metrics.

#[path = "../../benches/support/mod.rs"]
pub(crate) mod support;

use std::sync::Arc;

use countersign::audit::{AuditLog, AuditSettings};
use countersign::telemetry::{Exports, Metrics};
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use prost::Message as _;
use support::{Form, World};

/// The most that the issue asks for; the least that was counted is 19.
const MOST: u64 = 25;

#[test]
fn a_warm_check_allocates_little() {
    let world = World::new();
    world.write("policies/others.yaml", &support::others(100));
    let folder = tempfile::tempdir().unwrap();
    let settings = r#"{"file": "audit.jsonl", "queue": 1024}"#;
    let settings: AuditSettings = serde_json::from_str(settings).unwrap();
    let options = settings.options(folder.path()).unwrap();
    let audit = Arc::new(AuditLog::start(&options, None).unwrap());
    let metrics = Arc::new(Metrics::sent_to(None, &Exports::default()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = world.service(vec![metrics]).recorded_by(audit.clone());
        for form in [Form::Raw, Form::Map] {
            let check = world.check_in(form, "/v1/orders", Some(&world.rs256), true);
            let message = support::framed(&check);
            for _ in 0..64 {
                let answer = service.answer(message.clone()).await;
                let answer = CheckResponse::decode(answer.slice(5..)).unwrap();
                assert_eq!(answer.status.unwrap().code, 0);
            }
            let mut least = u64::MAX;
            for _ in 0..16 {
                let message = message.clone();
                let mut answering = Box::pin(service.answer(message));
                let counted = allocation_counter::measure(|| {
                    let waker = std::task::Waker::noop();
                    let polled =
                        answering.as_mut().poll(&mut std::task::Context::from_waker(waker));
                    assert!(polled.is_ready());
                });
                least = least.min(counted.count_total);
            }
            assert!(least <= MOST, "{form:?}: {least} allocations, at most {MOST} are meant");
        }
    });
    audit.close();
}
