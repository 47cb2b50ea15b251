//! Every state of the model of revocation; each rule broken on purpose is found.

use countersign_models::explore::explore;
use countersign_models::revocation::{Fault, Revocation};

fn model(changes: u8, losses: u8, restarts: u8, kept: bool) -> Revocation {
    Revocation { behind: vec![0, 1], changes, losses, restarts, kept, fault: None }
}

#[test]
fn what_is_revoked_stays_revoked() {
    let models = [model(2, 1, 1, false), model(2, 1, 1, true), model(2, 2, 0, false), model(3, 0, 0, false)];
    let states = models.map(|model| {
        let explored = explore(model.clone());
        assert!(explored.broken.is_empty(), "{model:?}: {explored:?}");
        explored.states
    });
    assert_eq!(states, [127066, 127209, 202587, 59227], "docs/models.md says how many states there are");
}

#[test]
fn each_broken_rule_is_found() {
    for (fault, changes, losses, restarts) in [
        (Fault::AnswerBeforeForce, 1, 0, 0),
        (Fault::LastReadWins, 2, 0, 0),
        (Fault::ForgetUnshared, 1, 0, 0),
        (Fault::SilentAfterLoss, 1, 1, 0),
        (Fault::AllowBeforeRead, 1, 0, 1),
        (Fault::EmptyFolder, 1, 0, 1),
        (Fault::HangUpForgets, 1, 0, 0),
        (Fault::SharedByName, 2, 0, 0),
        (Fault::LastWriteStays, 2, 0, 1),
        (Fault::SecondLossUnseen, 1, 1, 0),
    ] {
        let explored = explore(Revocation { fault: Some(fault), ..model(changes, losses, restarts, true) });
        let is_found = explored.broken.iter().any(|(_, steps)| !steps.is_empty());
        assert!(is_found, "{fault:?}");
    }
}
