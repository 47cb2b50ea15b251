//! The walks that the server repeats are those of the models as they are: `COUNTERSIGN_BLESS=1 cargo test --test walks` writes them.

use std::path::Path;

use countersign_models::explore::walks;
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
