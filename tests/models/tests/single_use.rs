//! Every state of the model of single use; each rule broken on purpose is found.

use countersign_models::explore::explore;
use countersign_models::single_use::{Fault, SingleUse};

fn model(local: bool, fault: Option<Fault>) -> SingleUse {
    SingleUse { ahead: vec![0, 2], local, losses: 1, restarts: 1, fault }
}

#[test]
fn a_credential_is_used_once() {
    let states = [false, true].map(|local| {
        let explored = explore(model(local, None));
        assert!(explored.broken.is_empty(), "{explored:?}");
        explored.states
    });
    assert_eq!(states, [720, 1230], "docs/models.md says how many states there are");
}

#[test]
fn each_broken_rule_is_found() {
    for (local, fault) in [
        (false, Fault::AllowUnanswered),
        (false, Fault::LookThenClaim),
        (true, Fault::ForgetOwn),
        (true, Fault::AskOnlyItself),
        (false, Fault::KeptByOwnClock),
    ] {
        let explored = explore(model(local, Some(fault)));
        let is_found = explored.broken.iter().any(|(_, steps)| !steps.is_empty());
        assert!(is_found, "{fault:?}");
    }
}
