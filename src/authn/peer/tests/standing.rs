//! Revocation lists over time: none goes back, and nothing foreign takes the place of a good one (RFC 5280 section 5.2.3).

use rcgen::{CertificateParams, SerialNumber, date_time_ymd};
use std::time::Duration;
use x509_parser::asn1_rs::{Any, FromDer as _};

use super::*;
use crate::clock::UnixTime;
use crate::document::{self, Attachments, Diagnostic, Severity, SourceFile};
use crate::trust::tests::pki::{Ca, DAY, crl_params, leaf_params, trust_domain};
use crate::trust::{KnownLists, TrustStore};

const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";

/// The state of a running server, as its files change.
struct Server {
    root: Ca,
    rules: &'static str,
    known: KnownLists,
    store: TrustStore,
    problems: Vec<Diagnostic>,
}

impl Server {
    fn new(rules: &'static str) -> Self {
        let (root, known) = (Ca::root("root"), KnownLists::default());
        Self { root, rules, known, store: TrustStore::default(), problems: Vec::new() }
    }

    /// Reads the documents with these lists in their files; says which codes came of it.
    fn reload(&mut self, files: &[(&str, &[u8])]) -> Vec<&'static str> {
        let names: Vec<_> = files.iter().map(|(name, _)| format!("{{ file: {name} }}")).collect();
        let (names, rules) = (names.join(", "), self.rules);
        let spec = format!(
            "{{ spiffe: prod.example, authorities: [{{ file: ca.pem }}], revocation: {{ crls: [{names}], {rules} }} }}"
        );
        let text = trust_domain("prod", &spec);
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("docs/trust.yaml", text), &mut problems);
        let mut attachments = Attachments::default();
        attachments.insert("docs/ca.pem".into(), Ok(self.root.pem().into_bytes()));
        for (name, contents) in files {
            attachments.insert(format!("docs/{name}").into(), Ok(contents.to_vec()));
        }
        let now = Some(NOW);
        let store =
            TrustStore::compile_after(&self.known, now, &documents, &attachments, &mut problems);
        if !document::any_error(&problems) {
            self.known = store.known_lists().clone();
            self.store = store;
        }
        self.problems = problems;
        self.problems.iter().map(|problem| problem.code.as_str()).collect()
    }

    /// The same server after a restart, which knows what it stored.
    fn restart(&mut self) {
        self.known = KnownLists::stored(self.known.to_stored());
        self.store = TrustStore::default();
    }

    fn reason_at(&self, number: u64, seconds: i64) -> Option<Reason> {
        let mut params: CertificateParams = leaf_params(&[WEB]);
        params.serial_number = Some(SerialNumber::from(number));
        params.not_after = date_time_ymd(2026, 7, 16);
        let leaf = self.root.sign(&params);
        let found = Shown::certificate(&leaf).verify_at(&self.store, UnixTime::from_secs(seconds));
        found.rejection().map(Rejection::reason)
    }

    fn reason(&self, number: u64) -> Option<Reason> {
        self.reason_at(number, NOW.as_secs())
    }

    /// A list with this number, from so many days before [`NOW`] to so many after.
    fn list(&self, number: u64, serials: &[u64], from: u64, to: i64) -> Vec<u8> {
        let mut params = crl_params(number, serials);
        let now = date_time_ymd(2026, 6, 15);
        params.this_update = now - Duration::from_secs(from * 86_400);
        let days = |days: i64| Duration::from_secs(days.unsigned_abs() * 86_400);
        params.next_update = if to < 0 { now - days(to) } else { now + days(to) };
        self.root.sign_crl(&params)
    }
}

const REVOKED: Option<Reason> = Some(Reason::CertRevoked);

/// P110: an older list never comes into force again, within a process and over a restart.
#[test]
fn no_list_goes_back_in_time() {
    for restarts in [false, true] {
        let mut server = Server::new("");
        let (first, second) = (server.list(1, &[], 3, 9), server.list(2, &[7], 2, 9));
        assert_eq!(server.reload(&[("a.crl", &first)]), [""; 0]);
        assert_eq!(server.reason(7), None);
        assert_eq!(server.reload(&[("a.crl", &second)]), [""; 0]);
        assert_eq!(server.reason(7), REVOKED);
        if restarts {
            server.restart();
        }
        assert_eq!(server.reload(&[("a.crl", &first)]), ["older-crl"]);
        assert_eq!(server.reason(7), REVOKED);
        assert_eq!(server.reason(8), None);
        assert_eq!(server.store.domains()[0].list_problems.len(), 1);
        // Under another name it is no younger.
        if restarts {
            server.restart();
        }
        assert_eq!(server.reload(&[("b.crl", &first)]), ["older-crl"]);
        assert_eq!(server.reason(7), REVOKED);
        let third = server.list(3, &[], 1, 9);
        assert_eq!(server.reload(&[("b.crl", &third)]), [""; 0]);
        assert_eq!(server.reason(7), None, "the CA has taken it back");
        assert_eq!(server.store.domains()[0].list_problems.len(), 0);
    }
}

/// P110: neither the number nor `thisUpdate` goes back; what contradicts the list in force revokes and vouches for nothing.
#[test]
fn a_list_that_contradicts_the_one_in_force_does_not_replace_it() {
    for (number, from) in [(5, 1), (15, 3), (10, 2)] {
        let mut server = Server::new("");
        let good = server.list(10, &[1], 2, 4);
        let odd = server.list(number, &[2], from, 20);
        server.reload(&[("a.crl", &good)]);
        // However often the documents are read: what is in force is not chosen again among lists that contradict each other.
        for _ in 0..3 {
            assert_eq!(server.reload(&[("a.crl", &odd)]), ["contradictory-crl"], "{number}");
            assert_eq!((server.reason(1), server.reason(2)), (REVOKED, REVOKED), "{number}");
            assert_eq!(server.reason(3), None);
            let late = NOW.as_secs() + 5 * DAY;
            assert_eq!(server.reason_at(3, late), Some(Reason::CrlStale), "{number}");
        }
    }
    // The same number at a later time is what a CA without a counter issues.
    let mut server = Server::new("");
    let (first, second) = (server.list(1, &[1], 2, 4), server.list(1, &[2], 1, 4));
    server.reload(&[("a.crl", &first)]);
    assert_eq!(server.reload(&[("a.crl", &second)]), [""; 0]);
    assert_eq!((server.reason(1), server.reason(2)), (None, REVOKED));
    assert_eq!(server.reload(&[("a.crl", &first)]), ["older-crl"]);
    assert_eq!((server.reason(1), server.reason(2)), (None, REVOKED));
}

/// P113: a list that is not of a pinned CA never displaces one that is; it is reported, and other changes need not wait.
#[test]
fn what_is_no_list_of_ours_displaces_nothing() {
    let (twin, other) = (Ca::root("root"), Ca::root("other"));
    for rules in ["", "onMissing: allow"] {
        for restarts in [false, true] {
            let mut server = Server::new(rules);
            let good = server.list(1, &[1], 1, 4);
            let cut = &good[..good.len() - 30];
            for (bad, code) in [
                (&other.crl(9, &[])[..], "unknown-crl-issuer"),
                (&twin.crl(9, &[]), "forged-crl"),
                (cut, "unusable-crl"),
                (b"", "no-crl"),
                (b"-----BEGIN X509 CRL-----\nnonsense", "no-crl"),
            ] {
                server.reload(&[("a.crl", &good)]);
                if restarts {
                    server.restart();
                }
                let codes = server.reload(&[("a.crl", bad)]);
                assert!(codes == [code] || codes == ["invalid-pem"], "{codes:?}, {code}");
                assert_eq!(server.problems[0].severity, Severity::Warning, "{code}");
                let help = server.problems[0].help.as_deref().unwrap();
                assert!(help.contains("last good list"), "{help}");
                assert_eq!((server.reason(1), server.reason(2)), (REVOKED, None), "{code}");
                assert_eq!(server.store.domains()[0].list_problems.len(), 1);
                let late = NOW.as_secs() + 5 * DAY;
                assert_eq!(server.reason_at(2, late), Some(Reason::CrlStale));
            }
        }
    }
}

/// P113: without a good list from before, a list that cannot be used is an error.
#[test]
fn at_the_first_start_a_list_that_cannot_be_used_is_an_error() {
    let mut server = Server::new("");
    assert_eq!(server.reload(&[("a.crl", &Ca::root("root").crl(1, &[]))]), ["forged-crl"]);
    assert_eq!(server.problems[0].severity, Severity::Error);
    // The keys that may sign it are reported.
    assert!(server.problems[0].help.as_deref().unwrap().contains("SHA-256"));
}

/// P110: a stale list with a higher number does not close what an older one keeps open, and what it revokes is revoked.
#[test]
fn a_stale_list_does_not_displace_a_fresh_one() {
    let mut server = Server::new("");
    let (fresh, stale) = (server.list(1, &[1], 3, 9), server.list(2, &[2], 2, -1));
    server.reload(&[("a.crl", &fresh)]);
    for files in [&[("a.crl", &stale[..])][..], &[("a.crl", &fresh[..]), ("b.crl", &stale)]] {
        server.reload(files);
        assert_eq!(
            (server.reason(1), server.reason(2), server.reason(3)),
            (REVOKED, REVOKED, None)
        );
        let late = NOW.as_secs() + 10 * DAY;
        assert_eq!(server.reason_at(3, late), Some(Reason::CrlStale));
    }
    // One that is dated in the future does not either, until it is due.
    let mut server = Server::new("");
    let mut params = crl_params(2, &[]);
    params.this_update = date_time_ymd(2026, 6, 17);
    params.next_update = date_time_ymd(2026, 6, 30);
    let future = server.root.sign_crl(&params);
    let fresh = server.list(1, &[1], 3, 9);
    server.reload(&[("a.crl", &fresh)]);
    server.reload(&[("a.crl", &future)]);
    assert_eq!((server.reason(1), server.reason(3)), (REVOKED, None));
    assert_eq!(server.reason_at(1, NOW.as_secs() + 3 * DAY), None);
    let mut server = Server::new("");
    let future = server.root.sign_crl(&params);
    assert!(server.reload(&[("a.crl", &future)]).contains(&"future-crl"));
}

/// P110: lists that are out of date are reported, and a source that is removed from the document is gone.
#[test]
fn out_of_date_lists_are_told_of_and_sources_can_be_taken_out() {
    let mut server = Server::new("onMissing: allow");
    let (stale, good) = (server.list(1, &[1], 3, -1), server.list(2, &[1], 1, 9));
    assert_eq!(server.reload(&[("a.crl", &stale)]), ["stale-crl"]);
    assert!(server.problems[0].message.contains("past its `nextUpdate`"), "{:?}", server.problems);
    assert_eq!(server.reload(&[("a.crl", &good)]), [""; 0]);
    assert_eq!(server.reload(&[]), [""; 0]);
    assert_eq!(server.reason(1), None);
    // It is known all the same: the older one is older still.
    assert_eq!(server.reload(&[("a.crl", &stale)]), ["older-crl"]);
    assert_eq!((server.reason(1), server.reason(2)), (REVOKED, None));
}

/// P113: what a list lacks is said in so many words.
#[test]
fn a_list_says_what_it_lacks() {
    let server = Server::new("");
    let whole = server.list(1, &[], 1, 1);
    let message = |der: &[u8]| {
        let mut server = Server::new("");
        server.reload(&[("a.crl", der)]);
        server.problems[0].message.clone()
    };
    assert!(message(&whole[..whole.len() - 9]).contains("cut short"));
    assert!(message(&[&whole[..], &[0, 0]].concat()).contains("2 bytes follow its end"));
    let mut reversed = crl_params(1, &[]);
    reversed.this_update = date_time_ymd(2026, 6, 16);
    reversed.next_update = date_time_ymd(2026, 6, 15);
    if let Ok(list) = reversed.signed_by(&server.root.issuer) {
        let mut own = Server::new("");
        own.root = Ca { issuer: server.root.issuer, der: server.root.der };
        own.reload(&[("a.crl", list.der())]);
        assert!(own.problems[0].message.contains("before its `thisUpdate`"), "{:?}", own.problems);
    }
    // Lists as other tools write them.
    let no_update = without(&whole, |field, at| at == 4 && field[0] == 0x17);
    assert!(message(&no_update).contains("no `nextUpdate`"), "{}", message(&no_update));
    let old = without(&whole, |field, at| at == 0 || field[0] == 0xa0);
    assert!(message(&old).contains("version 2"), "{}", message(&old));
    assert!(message(&old).contains("no CRL number"), "{}", message(&old));
    let number = [0x06, 0x03, 0x55, 0x1d, 0x14];
    let at = whole.windows(5).position(|bytes| bytes == number).unwrap();
    let mut unnumbered = whole.clone();
    // Another extension of the same length, which is unknown.
    unnumbered[at + 4] = 0x7f;
    assert!(message(&unnumbered).contains("no CRL number"), "{}", message(&unnumbered));
}

/// The fields of a DER sequence.
fn fields(mut content: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while !content.is_empty() {
        let (rest, _) = Any::from_der(content).unwrap();
        fields.push(&content[..content.len() - rest.len()]);
        content = rest;
    }
    fields
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[0x30], &length[..], content].concat()
}

/// A list without those fields of its signed part.
fn without(list: &[u8], leave_out: impl Fn(&[u8], usize) -> bool) -> Vec<u8> {
    let (_, whole) = Any::from_der(list).unwrap();
    let parts = fields(whole.data);
    let (_, signed) = Any::from_der(parts[0]).unwrap();
    let kept = fields(signed.data).into_iter().enumerate();
    let kept: Vec<_> = kept.filter(|(at, field)| !leave_out(field, *at)).map(|(_, f)| f).collect();
    sequence(&[&sequence(&kept.concat()), parts[1], parts[2]].concat())
}
