//! Every state of the model of the set of documents in force; each rule broken on purpose is found.

use countersign_models::documents::{Documents, Fault};
use countersign_models::explore::explore;

fn model(writes: u8, swaps: u8, rollbacks: u8, restarts: u8) -> Documents {
    Documents { writes, swaps, rollbacks, restarts, fault: None }
}

#[test]
fn a_set_counts_whole_and_when_it_is_meant() {
    let models = [model(4, 0, 0, 1), model(2, 1, 1, 1), model(1, 2, 1, 0), model(3, 1, 0, 0)];
    let states = models.map(|model| {
        let explored = explore(model.clone());
        assert!(explored.broken.iter().all(|(_, steps)| steps.is_empty()), "{model:?}: {explored:?}");
        explored.states
    });
    assert_eq!(states, [46242, 158915, 205682, 250321], "docs/models.md says how many states there are");
}

#[test]
fn each_broken_rule_is_found() {
    for (fault, model) in [
        (Fault::TooEarly, model(2, 0, 0, 0)),
        (Fault::GoodFilesCount, model(2, 0, 0, 0)),
        (Fault::RemovalsCount, model(1, 0, 0, 0)),
        (Fault::AnyConfirmed, model(2, 0, 0, 0)),
        (Fault::StaysConfirmed, model(3, 0, 0, 0)),
        (Fault::NeverConfirmed, model(1, 0, 0, 0)),
        (Fault::StaysStale, model(2, 0, 0, 0)),
        (Fault::SwapsWait, model(0, 1, 0, 0)),
        (Fault::SameSwapUnseen, model(1, 1, 0, 0)),
        (Fault::BadSwapForgotten, model(1, 1, 0, 0)),
    ] {
        let explored = explore(Documents { fault: Some(fault), ..model });
        let is_found = explored.broken.iter().any(|(_, steps)| !steps.is_empty());
        assert!(is_found, "{fault:?}");
    }
}
