//! Laws of the whole peer verification, for headers that a hostile caller has a hand in.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::authn::Credential;
use crate::secret::Fingerprint;
use crate::trust::TrustStore;
use crate::trust::tests::pki::{Ca, compile, leaf_params, store, trust_domain};

const ME: &str = "spiffe://prod.example/ns/orders/sa/orders";
const WEB: &str = "spiffe://prod.example/ns/web/sa/frontend";
const VICTIM: &str = "spiffe://prod.example/ns/admin/sa/root";
const GATES: [&str; 2] = ["spiffe://prod.example/gate/a", "spiffe://prod.example/gate/b"];

struct World {
    ca: Ca,
    trust: TrustStore,
    web: Leaf,
    victim: Leaf,
    gates: [Leaf; 2],
}

/// Keys are slow to make, and no law is about them.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let ca = Ca::root("root");
    let trust = store(&[(
        "prod",
        &ca,
        "spiffe: prod.example, forwarders: ['spiffe://prod.example/gate/*']",
    )]);
    let (web, victim) = (ca.workload(WEB), ca.workload(VICTIM));
    let gates = GATES.map(|gate| ca.workload(gate));
    World { ca, trust, web, victim, gates }
});

/// An element that the last proxy appended, with or without the certificate.
fn appended(uri: &str, leaf: Option<&Leaf>) -> String {
    appended_by(ME, uri, leaf)
}

/// The same by any proxy.
fn appended_by(by: &str, uri: &str, leaf: Option<&Leaf>) -> String {
    let cert = leaf.map_or(String::new(), |leaf| format!("Cert=\"{}\";", leaf.encoded()));
    let hash = leaf.map_or(Fingerprint::of(uri.as_bytes()), |leaf| Fingerprint::of(&leaf.der));
    format!("By={by};Hash={};{cert}Subject=\"\";URI={uri}", hash.to_hex())
}

/// Texts that a caller may put into the header before the proxies append to it.
fn forged() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(appended(VICTIM, None)),
        Just(appended(VICTIM, Some(&WORLD.victim))),
        Just(format!("URI={}", GATES[0])),
        Just(String::from("\"")),
        Just(String::from("Subject=\"")),
        Just(String::from("\\")),
        Just(String::from(",")),
        Just(String::from(";")),
        "[ -~]{0,12}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// P30, P31, P84: whatever stands before it, the caller is the nearest element that is no forwarder, or there is none.
    #[test]
    fn a_peer_is_never_taken_from_outside_the_walk(
        forged in forged(),
        gates in prop::collection::vec(0..GATES.len(), 0..3),
        with_certificate in any::<bool>(),
    ) {
        let gates: Vec<_> = gates.iter().map(|gate| GATES[*gate]).collect();
        let writers = || gates.iter().copied().chain([ME]);
        let twice = writers().enumerate().any(|(at, one)| writers().skip(at + 1).any(|other| other == one));
        let shown_to_them = std::iter::once(WEB).chain(gates.iter().copied());
        let hops: Vec<_> = shown_to_them
            .zip(writers())
            .map(|(id, by)| {
                let own = GATES.iter().position(|gate| *gate == id).map(|at| &WORLD.gates[at]);
                // Behind a forwarder nothing is known without it.
                let leaf = Some(own.unwrap_or(&WORLD.web)).filter(|_| with_certificate || by != ME);
                appended_by(by, id, leaf)
            })
            .collect();
        let principal = gates.last().copied().unwrap_or(WEB);
        // One proxy twice on the way looks like a name that spells an element.
        let untouched = forged.is_empty() && !twice;
        let before = if forged.is_empty() { forged } else { forged + "," };
        let shown = Shown::xfcc(before + &hops.join(","), principal);
        let shown = Shown { destination: Some(ME.into()), ..shown };
        let found = shown.verify_at(&WORLD.trust, NOW);
        prop_assert!(!untouched || found.verified().is_some(), "{found:?}");
        if let Credential::Verified(peer) = found {
            prop_assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), WEB);
            prop_assert_eq!(&*peer.uris, [WEB]);
            prop_assert!(peer.forwarders().iter().all(|id| GATES.contains(&id.as_str())));
        }
    }

    /// P83: a name that Envoy does not escape never gives its owner another identity.
    #[test]
    fn a_hostile_name_is_its_own_or_no_peer(
        tail in "([,;\"=]|URI=|By=|Hash=|Cert=|Subject=|spiffe://prod.example/|[a-z/.]{1,4}){0,12}",
        spelled in prop::option::of(Just(appended(VICTIM, None))),
    ) {
        let name = format!("spiffe://prod.example/x{tail}{}", spelled.map_or(String::new(), |s| format!(",{s}")));
        let shown = Shown::xfcc(appended(&name, None), &name);
        if let Credential::Verified(peer) = shown.verify_at(&WORLD.trust, NOW) {
            prop_assert_eq!(peer.spiffe.as_ref().unwrap().as_str(), name);
        }
    }

    /// No bytes panic, and no damage leaves a certificate that verifies.
    #[test]
    fn a_damaged_certificate_is_refused(at in any::<prop::sample::Index>(), change in 1..=255u8, cut in any::<bool>()) {
        let mut der = WORLD.web.der.to_vec();
        let at = at.index(der.len());
        der[at] ^= change;
        if cut {
            der.truncate(at);
        }
        let shown = Shown::certificate(&Leaf { der: der.into() });
        prop_assert!(shown.verify_at(&WORLD.trust, NOW).rejection().is_some());
    }

    /// P43: no bytes panic, and no damage leaves a revocation list that loads.
    #[test]
    fn a_damaged_revocation_list_is_refused(at in any::<prop::sample::Index>(), change in 1..=255u8, cut in any::<bool>()) {
        let mut crl = WORLD.ca.crl(1, &[1, 2, 3]);
        let at = at.index(crl.len());
        crl[at] ^= change;
        if cut {
            crl.truncate(at);
        }
        let spec = "{ authorities: [{ file: ca.pem }], revocation: { crls: [{ file: a.crl }] } }";
        let pem = WORLD.ca.pem();
        let files: &[(&str, &[u8])] = &[("ca.pem", pem.as_bytes()), ("a.crl", &crl)];
        let (_, problems) = compile(&trust_domain("prod", spec), files);
        prop_assert!(!problems.is_empty());
    }
}

#[test]
fn the_certificates_of_the_world_verify() {
    let world = &*WORLD;
    for (leaf, id) in [(&world.web, WEB), (&world.victim, VICTIM)] {
        assert_eq!(
            Shown::certificate(leaf).peer(&world.trust).spiffe.as_ref().unwrap().as_str(),
            id
        );
    }
    let hostile = world.ca.sign(&leaf_params(&["spiffe://prod.example/x,y"]));
    assert_eq!(Shown::certificate(&hostile).reason(&world.trust), Reason::SpiffeInvalid);
}
