//! The walks that the server repeats are those of the models as they are: `COUNTERSIGN_BLESS=1 cargo test --test walks` writes them.

use std::path::Path;

use countersign_models::documents::Documents;
use countersign_models::explore::walks;
use countersign_models::key_set::{KeySets, Source};
use countersign_models::revocation::Revocation;
use countersign_models::single_use::SingleUse;

fn is_current(name: &str, walks: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/walks").join(format!("{name}.jsonl"));
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        let _ = std::fs::write(&path, walks);
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == walks, "{} is not of this model; see the head of this file", path.display());
}

#[test]
fn the_walks_of_revocation_are_current() {
    let scene = |behind: &[u8], kept| {
        let behind = behind.to_vec();
        walks(&Revocation { behind, changes: 6, losses: 3, restarts: 2, kept, fault: None }, 18, 40, 40)
    };
    is_current("revocation", &[scene(&[0, 1], false), scene(&[2, 0], true), scene(&[0, 2, 1], true)].concat());
}

#[test]
fn the_walks_of_single_use_are_current() {
    let scene = |ahead: &[u8], local| {
        let ahead = ahead.to_vec();
        walks(&SingleUse { ahead, local, losses: 1, restarts: 2, fault: None }, 67, 40, 25)
    };
    is_current("single_use", &[scene(&[0, 2], false), scene(&[0, 2], true), scene(&[1, 0, 2], true)].concat());
}

#[test]
fn the_walks_of_key_sets_are_current() {
    let scene = |issuers: &[Source], kept| {
        let bounds = KeySets {
            issuers: issuers.to_vec(),
            publishes: 6,
            changes: 5,
            asks: 20,
            failures: 12,
            passes: (6, 6),
            restarts: 2,
            kept,
            fault: None,
        };
        walks(&bounds, 670, 60, 40)
    };
    let both = [Source::First, Source::Longer];
    let three = [Source::First, Source::Longer, Source::Other];
    is_current("key_set", &[scene(&[Source::First], false), scene(&both, true), scene(&both, false), scene(&three, true)].concat());
}

#[test]
fn the_walks_of_documents_are_current() {
    let bounds = |writes, swaps, restarts| Documents { writes, swaps, rollbacks: swaps, restarts, fault: None };
    let scenes = [bounds(20, 0, 1), bounds(12, 6, 0), bounds(6, 8, 1)];
    is_current("documents", &scenes.map(|bounds| walks(&bounds, 672, 25, 30)).concat());
}
