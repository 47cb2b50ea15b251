//! Two peers, many networks, the window, and memory that is full.

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const WINDOW: Duration = Duration::from_secs(60);

fn name(text: &str) -> Fingerprint {
    Fingerprint::of(text.as_bytes())
}

/// The token is that of the subject before the `/`.
fn of(token: &str, peer: &str, after: u64) -> TokenUse {
    TokenUse {
        token: name(token),
        subject: name(token.split('/').next().unwrap()),
        peer: name(peer),
        network: Some(IpAddr::from([10, 0, 0, 1])),
        at: NOW.plus(Duration::from_secs(after)),
        ends: UnixTime::from_millis(i64::MAX),
    }
}

fn peers(uses: &TokenUses, one: &TokenUse) -> Option<bool> {
    uses.add(one).is_raised(TokenSignal::Peers)
}

fn one_shard(most: usize) -> TokenUses {
    TokenUses { window: WINDOW, shards: [Mutex::new(Shard::new(most))].into() }
}

/// P730: the use by a second peer is the first one that the signal is raised for, and it is lowered once only one of them is left.
#[test]
fn a_second_peer_raises_the_signal_for_as_long_as_both_count() {
    let uses = TokenUses::new(WINDOW);
    let raised = |peer, after| peers(&uses, &of("alice/1", peer, after));
    assert_eq!([raised("a", 0), raised("a", 10)], [Some(false); 2]);
    assert_eq!([raised("b", 20), raised("a", 21), raised("c", 22)], [Some(true); 3]);
    assert_eq!(raised("c", 81), Some(true), "`a` counts still");
    assert_eq!(raised("c", 141), Some(false), "only `c` used it in the last minute");
    assert_eq!(peers(&uses, &of("alice/2", "b", 22)), Some(false), "another token of the subject");
}

#[test]
fn more_than_eight_networks_raise_the_signal() {
    let uses = TokenUses::new(WINDOW);
    let raised = |last: u8, after| {
        let network = Some(IpAddr::from([10, 0, 1, last]));
        let own = uses.add(&TokenUse { network, ..of("alice/1", "a", after) });
        own.is_raised(TokenSignal::Addresses)
    };
    assert!((0..8).chain(0..8).all(|last| raised(last, 0) == Some(false)));
    assert_eq!([raised(8, 1), raised(0, 1)], [Some(true); 2]);
    assert_eq!(raised(8, 60), Some(true), "nine within the minute");
    assert_eq!(raised(8, 61), Some(false));
    let unknown = uses.add(&TokenUse { network: None, ..of("alice/1", "a", 61) });
    assert_eq!(unknown.is_raised(TokenSignal::Addresses), None);
}

/// P731: what had to be forgotten is unknown, for the subject that has the most tokens alone, and as long as it would have counted.
#[test]
fn what_is_forgotten_is_unknown() {
    let uses = one_shard(4);
    assert_eq!(peers(&uses, &of("bob/1", "a", 0)), Some(false));
    // One a second: of several that were used last at the same time any may go.
    for number in 0..20 {
        peers(&uses, &of(&format!("mallory/{number}"), "m", 1 + number));
    }
    assert_eq!(peers(&uses, &of("bob/1", "b", 22)), Some(true), "others keep their share");
    assert_eq!(peers(&uses, &of("carol/1", "c", 22)), Some(false), "a new one gets in");
    assert_eq!(peers(&uses, &of("mallory/0", "b", 22)), None);
    assert_eq!(peers(&uses, &of("mallory/0", "m", 23)), Some(true));
    assert_eq!(peers(&uses, &of("mallory/99", "m", 100)), Some(false), "it would count no more");
}

/// P428: whatever is used, the memory is bounded.
#[test]
fn the_memory_is_bounded_and_what_has_ended_makes_room() {
    let uses = one_shard(8);
    for number in 0..100 {
        peers(&uses, &of(&format!("subject-{number}/1"), "a", 0));
    }
    let shard = lock(uses.shards.first().unwrap());
    let sizes = [shard.tokens.len(), shard.subjects.len()];
    assert_eq!(sizes, [8, 8]);
    assert!(shard.forgotten.len() <= 8);
    drop(shard);
    assert_eq!(peers(&uses, &of("late/1", "a", 1)), None, "too much was forgotten to know");
    let short = TokenUse { ends: NOW.plus(Duration::from_secs(5)), ..of("late/2", "a", 100) };
    assert_eq!(peers(&uses, &short), Some(false), "the others have ended");
}

/// P775: the life of an opaque token may grow while it is used: it is remembered for as long as the last answer says.
#[test]
fn a_token_whose_life_is_extended_is_remembered() {
    let uses = one_shard(1);
    let until = |peer, after, end| {
        let ends = NOW.plus(Duration::from_secs(end));
        peers(&uses, &TokenUse { ends, ..of("alice/1", peer, after) })
    };
    assert_eq!([until("a", 0, 5), until("a", 4, 30)], [Some(false); 2]);
    peers(&uses, &of("bob/1", "b", 10));
    assert_eq!(until("c", 11, 40), None, "what was forgotten would count");
}

/// Callers without a certificate are one peer, and names are not put together by chance.
#[test]
fn peers_have_one_name_each() {
    use crate::authn::PeerFacts;
    use crate::evidence_level::EvidenceLevel;

    let of = |facts| name_of(Some(&PeerIdentity::assertion(facts, EvidenceLevel::Full)));
    let facts = || PeerFacts::of("prod");
    let names = [
        name_of(None),
        of(facts()),
        of(PeerFacts::of("partner")),
        of(PeerFacts { spiffe: "spiffe://prod.example/a".parse().ok(), ..facts() }),
        of(PeerFacts { subject: Some("CN=a".into()), ..facts() }),
        of(PeerFacts { dns: vec!["a".into(), "b".into()], ..facts() }),
        of(PeerFacts { dns: vec!["ab".into()], ..facts() }),
    ];
    assert!(names.iter().enumerate().all(|(at, own)| !names[..at].contains(own)));
    let renewed = PeerFacts { serial: Some("7".into()), subject: Some("CN=a".into()), ..facts() };
    assert_eq!(of(renewed), of(PeerFacts { subject: Some("CN=a".into()), ..facts() }));
}
