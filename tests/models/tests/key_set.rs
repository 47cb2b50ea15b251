//! Every state of the model of a key set's life; each rule broken on purpose is found.

use countersign_models::explore::explore;
use countersign_models::key_set::{Fault, KeySets, Source};

const NOTHING: KeySets =
    KeySets { issuers: Vec::new(), publishes: 0, changes: 0, asks: 0, failures: 0, passes: (0, 0), restarts: 0, kept: false, fault: None };

fn one() -> KeySets {
    KeySets { issuers: vec![Source::First], publishes: 1, ..NOTHING }
}

fn two() -> KeySets {
    KeySets { issuers: vec![Source::First, Source::Longer], publishes: 1, ..NOTHING }
}

#[test]
fn keys_live_as_long_as_they_may() {
    let models = [
        KeySets { asks: 3, failures: 2, passes: (2, 1), ..one() },
        KeySets { asks: 1, failures: 3, passes: (0, 4), restarts: 1, changes: 1, kept: true, ..one() },
        KeySets { failures: 1, passes: (0, 3), restarts: 1, changes: 2, kept: true, ..two() },
        KeySets { failures: 1, passes: (0, 2), changes: 3, ..two() },
        KeySets { asks: 1, failures: 1, passes: (0, 1), restarts: 1, changes: 1, kept: true, ..two() },
    ];
    let states = models.map(|model| {
        let explored = explore(model.clone());
        assert!(explored.broken.iter().all(|(_, steps)| steps.is_empty()), "{model:?}: {explored:?}");
        explored.states
    });
    assert_eq!(states, [106560, 633635, 261389, 194357, 115489], "docs/models.md says how many states there are");
}

#[test]
fn each_broken_rule_is_found() {
    let restarts = |model| KeySets { kept: true, restarts: 1, ..model };
    for (fault, model) in [
        (Fault::KeepOverAddress, KeySets { changes: 1, ..one() }),
        (Fault::RestartIsFetch, restarts(KeySets { passes: (0, 3), failures: 3, ..one() })),
        (Fault::UsesStale, KeySets { passes: (0, 3), failures: 3, ..one() }),
        (Fault::FailureEmpties, KeySets { passes: (0, 1), failures: 1, ..one() }),
        (Fault::SettingsForget, KeySets { changes: 1, ..one() }),
        (Fault::LateFetch, KeySets { changes: 1, ..one() }),
        (Fault::FirstNotNewest, KeySets { changes: 2, passes: (0, 1), ..two() }),
        (Fault::SavedByEnd, restarts(KeySets { asks: 1, ..two() })),
        (Fault::NeverAsk, KeySets { passes: (0, 0), ..one() }),
        (Fault::EarlierAnswer, KeySets { asks: 1, passes: (1, 0), ..one() }),
        (Fault::AbsentForever, KeySets { asks: 1, ..one() }),
        (Fault::NoBudget, KeySets { asks: 4, ..one() }),
    ] {
        let explored = explore(KeySets { fault: Some(fault), ..model });
        let is_found = explored.broken.iter().any(|(_, steps)| !steps.is_empty());
        assert!(is_found, "{fault:?}");
    }
}
