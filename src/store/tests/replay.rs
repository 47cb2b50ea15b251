//! The walks of the model of single use (docs/models.md), step by step with the same observations.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::scripted::{End, Scripted, Server};
use crate::clock::{Clock, FixedClock, UnixTime};
use crate::limits::REPLICA_CLOCK_DIFFERENCE;
use crate::store::{FirstUse, Store};
use crate::sync::lock;
use crate::walks::{Replayed, repeat, settle};

/// The model's clocks differ by two of its units at most.
const UNITS: u32 = 2;

/// The lifetime of the credential, in the model's units.
const LIFE: u32 = 3;

struct Replica {
    clock: FixedClock,
    local: bool,
    link: Arc<Scripted>,
    store: Arc<Store>,
    asked: Option<JoinHandle<bool>>,
    allowed: u32,
}

/// All replicas, and what they share.
struct World {
    server: Arc<Mutex<Server>>,
    clock: FixedClock,
    replicas: Vec<Replica>,
}

fn unit() -> Duration {
    REPLICA_CLOCK_DIFFERENCE / UNITS
}

fn at(units: u32) -> UnixTime {
    UnixTime::from_secs(1_800_000_000).plus(unit() * units)
}

fn link(
    server: &Arc<Mutex<Server>>,
    own: &FixedClock,
    shared: &FixedClock,
    local: bool,
) -> (Arc<Scripted>, Arc<Store>) {
    let clocks: [Arc<dyn Clock>; 2] = [Arc::new(own.clone()), Arc::new(shared.clone())];
    let link = Scripted::new(server, clocks, local);
    (Arc::clone(&link), Arc::new(Store::scripted(link)))
}

impl Replayed for World {
    fn begin(scene: &str) -> Self {
        let (ahead, local) = scene.split_once(' ').unwrap();
        let (server, clock) = (Arc::default(), FixedClock::at(at(0)));
        let replica = |ahead: &str| {
            let own = FixedClock::at(at(ahead.parse().unwrap()));
            let local = local == "local=true";
            let (link, store) = link(&server, &own, &clock, local);
            Replica { clock: own, local, link, store, asked: None, allowed: 0 }
        };
        let replicas = ahead.strip_prefix("ahead=").unwrap().split(',').map(replica).collect();
        Self { server: Arc::clone(&server), clock, replicas }
    }

    async fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split(' ').collect();
        match words[0] {
            "tick" => {
                self.clock.advance(unit());
                self.replicas.iter().for_each(|replica| replica.clock.advance(unit()));
                return;
            }
            "lose" => return lock(&self.server).lose(),
            _ => {}
        }
        let replica = &mut self.replicas[words[1].parse::<usize>().unwrap()];
        match (words[0], words.get(2)) {
            ("present", _) => replica.present(),
            ("answer", Some(&"done")) => replica.answer(End::Done),
            ("answer", Some(&"refused")) => replica.answer(End::Refused),
            ("answer", Some(&"unheard")) => replica.answer(End::Unheard),
            ("restart", _) => {
                if let Some(asked) = replica.asked.take() {
                    asked.abort();
                }
                (replica.link, replica.store) =
                    link(&self.server, &replica.clock, &self.clock, replica.local);
            }
            other => panic!("`{other:?}` is no step"),
        }
        settle().await;
        if let Some(asked) = replica.asked.take_if(|asked| asked.is_finished()) {
            replica.allowed += u32::from(asked.await.unwrap());
        }
    }

    /// For each replica: how often it allowed, and whether it waits for the store.
    fn observation(&self) -> String {
        let one = |replica: &Replica| {
            format!("{}{}", replica.allowed, if replica.asked.is_some() { "?" } else { "" })
        };
        self.replicas.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

impl Replica {
    fn present(&mut self) {
        // A credential that has expired is refused before the store is asked.
        assert!(self.clock.now() < at(LIFE));
        let store = Arc::clone(&self.store);
        let first = async move { store.first_use(&[7; 32], at(LIFE)).await == Ok(FirstUse::First) };
        self.asked = Some(tokio::spawn(first));
    }

    fn answer(&self, end: End) {
        assert!(self.link.end(|_| true, end), "nothing is asked");
    }
}

/// P67, P234: single use over replicas is what its model says, step by step.
#[tokio::test(start_paused = true)]
async fn single_use_goes_as_its_model_says() {
    let count = repeat::<World>("single_use").await;
    assert!(count > 1000, "{count}");
}
