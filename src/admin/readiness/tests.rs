//! Starts of servers whose parts come late, or never, on a clock that does not wait.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::*;

/// Parts that the test changes while the server starts.
type Parts = Arc<Mutex<Vec<HealthState>>>;

fn parts(all: &Parts) -> Vec<ComponentHealth> {
    let name = |(at, condition): (usize, &HealthState)| {
        ComponentHealth::new(format!("{at}"), *condition, "")
    };
    lock(all).iter().enumerate().map(name).collect()
}

fn is_ready(readiness: &Readiness, all: &Parts) -> bool {
    let judged = readiness.judge(parts(all));
    !judged.iter().any(|part| part.condition == HealthState::NotReady)
}

/// Starts with the conditions; gives how long it takes to be ready, where it does within an hour.
async fn start(require: RequiredAtStart, conditions: &[HealthState]) -> Option<Duration> {
    let readiness = Readiness::new(ReadinessOptions { require, ..ReadinessOptions::default() });
    let all: Parts = Arc::new(Mutex::new(conditions.to_vec()));
    let began = Instant::now();
    let reached = timeout(Duration::from_secs(3600), readiness.reach(|| parts(&all))).await;
    assert_eq!(reached.is_ok(), is_ready(&readiness, &all));
    reached.ok().map(|()| began.elapsed())
}

/// P360: the start waits for what is missing, for a bounded time unless it is required.
#[tokio::test(start_paused = true)]
async fn the_start_waits_for_a_bounded_time() {
    use HealthState::{Degraded, Good, Missing, NotReady, Required};
    use RequiredAtStart::{All, Documents};
    assert_eq!(start(Documents, &[Good, Degraded]).await, Some(Duration::ZERO));
    assert_eq!(start(Documents, &[Good, Missing]).await, Some(Duration::from_secs(10)));
    assert_eq!(start(All, &[Good, Missing]).await, None);
    for never in [Required, NotReady] {
        assert_eq!(start(Documents, &[Good, never]).await, None);
    }
}

/// P361: once ready, only what must take the replica away does.
#[tokio::test(start_paused = true)]
async fn readiness_latches() {
    use HealthState::{Degraded, Good, Missing, NotReady, Required};
    for require in [RequiredAtStart::Documents, RequiredAtStart::All] {
        let readiness = Readiness::new(ReadinessOptions { require, ..ReadinessOptions::default() });
        let all: Parts = Arc::new(Mutex::new(vec![Missing, Good]));
        assert!(!is_ready(&readiness, &all));
        *lock(&all) = vec![Good, Degraded];
        assert!(is_ready(&readiness, &all));
        *lock(&all) = vec![Missing, Required];
        assert!(is_ready(&readiness, &all), "missing later");
        let shown = readiness.judge(parts(&all));
        assert!(shown.iter().all(|part| part.condition == Degraded), "{shown:?}");
        *lock(&all) = vec![Good, NotReady];
        assert!(!is_ready(&readiness, &all), "a drain, or no policy");
    }
}

/// P362: the wait begins when nothing else stands in the way, so that a late document does not use it up.
#[tokio::test(start_paused = true)]
async fn the_wait_begins_with_the_documents() {
    let readiness = Readiness::default();
    let all: Parts = Arc::new(Mutex::new(vec![HealthState::NotReady]));
    let began = Instant::now();
    let late = async {
        sleep(Duration::from_secs(60)).await;
        *lock(&all) = vec![HealthState::Good, HealthState::Missing];
        sleep(Duration::from_secs(1)).await;
        assert!(!is_ready(&readiness, &all));
    };
    tokio::join!(readiness.reach(|| parts(&all)), late);
    assert!(began.elapsed() >= Duration::from_secs(70) && is_ready(&readiness, &all));
    assert_eq!(listed(lock(&readiness.waited_for).iter()), "0, 1");
}

#[test]
fn a_long_list_of_names_is_cut() {
    let names: Vec<String> = (0..12).map(|at| at.to_string()).collect();
    assert_eq!(listed(names.iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
}
