//! Earlier verifications are relied on within their time and their revision, and no further.

use crate::authn::{CertificateKey, VerifiedCertificate};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::authn::CertificateCache;
use crate::clock::UnixTime;
use crate::trust::tests::pki::{Ca, DAY, store};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Mutex<HashMap<CertificateKey, Arc<VerifiedCertificate>>>,
    hits: AtomicUsize,
}

impl CertificateCache for Map {
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        let found = self.entries.lock().unwrap().get(key).cloned();
        self.hits.fetch_add(usize::from(found.is_some()), Ordering::SeqCst);
        found
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.entries.lock().unwrap().insert(key, Arc::clone(verified));
    }
}

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";

/// P41: what was verified once is checked against the time on every use.
#[test]
fn a_remembered_certificate_expires_all_the_same() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, "spiffe: prod.example, leaf: { minRemaining: 1h }")]);
    let shown = Shown::certificate(&ca.workload(WEB));
    let memory = Map::default();
    let reason_at = |now: i64| {
        let found = verify(&shown.evidence(), &trust, &memory, UnixTime::from_secs(now));
        found.rejection().map(Rejection::reason)
    };
    let (now, end) = (NOW.as_secs(), NOW.as_secs() + DAY);
    assert_eq!(reason_at(now), None);
    assert_eq!(reason_at(now), None);
    assert_eq!(memory.hits.load(Ordering::SeqCst), 1);
    assert_eq!(reason_at(end - 3600), None);
    assert_eq!(reason_at(end - 3599), Some(Reason::CertLifetime));
    assert_eq!(reason_at(end + 1), Some(Reason::CertExpired));
    assert_eq!(reason_at(now - DAY - 1), Some(Reason::CertNotYetValid));
    assert_eq!(reason_at(now), None);
    let kept = memory.entries.lock().unwrap();
    assert_eq!(kept.len(), 1);
    let until = kept.values().next().unwrap().until;
    assert_eq!(until, UnixTime::from_secs(end - 3600));
}

/// P40: a change of the trust domains makes everything unknown again.
#[test]
fn a_removed_authority_is_not_remembered() {
    let (old, new) = (Ca::root("root"), Ca::root("root"));
    let shown = Shown::certificate(&old.workload(WEB));
    let memory = Map::default();
    let reason = |ca: &Ca| {
        let trust = store(&[("prod", ca, "spiffe: prod.example")]);
        let found = verify(&shown.evidence(), &trust, &memory, NOW);
        found.rejection().map(Rejection::reason)
    };
    assert_eq!(reason(&old), None);
    assert_eq!(reason(&new), Some(Reason::ChainUntrusted));
    assert_eq!(reason(&old), None);
    assert_eq!(memory.hits.load(Ordering::SeqCst), 1);
}

#[test]
fn failures_are_not_kept_and_another_chain_is_another_key() {
    let ca = Ca::root("root");
    let trust = store(&[("prod", &ca, "spiffe: prod.example")]);
    let memory = Map::default();
    let wrong = Shown::certificate(&Ca::root("root").workload(WEB));
    assert!(verify(&wrong.evidence(), &trust, &memory, NOW).rejection().is_some());
    assert!(memory.entries.lock().unwrap().is_empty());
    let encoded = ca.workload(WEB).encoded();
    for xfcc in [
        format!("Cert=\"{encoded}\""),
        format!("Chain=\"{encoded}\""),
        format!("Cert=\"{encoded}\";Chain=\"{encoded}\""),
    ] {
        let shown = Shown::xfcc(xfcc, WEB);
        assert!(verify(&shown.evidence(), &trust, &memory, NOW).verified().is_some());
    }
    assert_eq!(memory.entries.lock().unwrap().len(), 3);
    assert_eq!(memory.hits.load(Ordering::SeqCst), 0);
}
