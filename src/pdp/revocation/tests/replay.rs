//! The walks of the model of revocation (docs/models.md), step by step with the same observations.

use std::path::PathBuf;

use tokio::task::JoinHandle;

use super::*;
use crate::store::tests::scripted::{End, Scripted, Server};
use crate::sync::lock;
use crate::walks::{Replayed, repeat, settle};

struct Replica {
    behind: i64,
    clock: FixedClock,
    folder: Option<tempfile::TempDir>,
    link: Arc<Scripted>,
    register: Arc<RevocationRegister>,
    /// The client that waits.
    asked: Option<JoinHandle<()>>,
}

/// All replicas, and what they share.
struct World {
    server: Arc<Mutex<Server>>,
    replicas: Vec<Replica>,
    /// Changes so far: the model counts time by them.
    changes: i64,
}

fn alice() -> RevocationEntry {
    RevocationEntry::read(&serde_json::from_str(r#"{"spiffe":"spiffe://a/x"}"#).unwrap()).unwrap()
}

fn start(
    server: &Arc<Mutex<Server>>,
    clock: &FixedClock,
    folder: Option<PathBuf>,
) -> (Arc<Scripted>, Arc<RevocationRegister>) {
    let own: Arc<dyn Clock> = Arc::new(clock.clone());
    let link = Scripted::new(server, [Arc::clone(&own), Arc::clone(&own)], false);
    let unreachable = Script::new(vec![None]);
    let register = RevocationRegister::saved_in(folder, &TrustStore::default(), own, unreachable);
    register.share(Arc::new(Store::scripted(Arc::clone(&link))), BeforeFirstSync::Deny);
    (link, Arc::new(register))
}

impl Replayed for World {
    fn begin(scene: &str) -> Self {
        let (behind, kept) = scene.split_once(' ').unwrap();
        let server = Arc::new(Mutex::new(Server::default()));
        lock(&server).begin();
        let replica = |behind: &str| {
            let clock = FixedClock::at(NOW);
            let folder = (kept == "kept=true").then(|| tempfile::tempdir().unwrap());
            let place = folder.as_ref().map(|folder| folder.path().to_owned());
            let (link, register) = start(&server, &clock, place);
            Replica { behind: behind.parse().unwrap(), clock, folder, link, register, asked: None }
        };
        let behind = behind.strip_prefix("behind=").unwrap().split(',');
        let replicas = behind.map(replica).collect();
        Self { server, replicas, changes: 0 }
    }

    async fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split(' ').collect();
        let end = match words.get(2) {
            Some(&"refused") => End::Refused,
            Some(&"unheard") => End::Unheard,
            _ => End::Done,
        };
        match words[0] {
            "lose" => return lock(&self.server).lose(),
            "begin" => return lock(&self.server).begin(),
            _ => {}
        }
        let replica = &mut self.replicas[words[1].parse::<usize>().unwrap()];
        match words[0] {
            "revoke" | "withdraw" => {
                self.changes += 1;
                replica.ask(words[0] == "revoke", self.changes);
            }
            "answer" => {
                let asked = replica.asked.take().unwrap();
                assert!(replica.link.end(|task| task == Some(asked.id()), end), "nothing is asked");
                asked.await.unwrap();
            }
            "hang-up" => replica.asked.take().unwrap().abort(),
            "read" | "write" => replica.by_itself(end).await,
            "restart" => replica.restart(&self.server).await,
            other => panic!("`{other}` is no step"),
        }
        settle().await;
    }

    /// For each replica: whether it refuses the entry, or everything, and whether it has something to share.
    fn observation(&self) -> String {
        let one = |replica: &Replica| {
            let register = &replica.register;
            let decides = match (revokes(register, "a"), register.current().stale()) {
                (true, _) => "refuses",
                (false, Some(_)) => "waits",
                (false, None) => "allows",
            };
            let rest = register.sharing().unwrap().unshared;
            format!("{decides}{}", if rest > 0 { "+" } else { "" })
        };
        self.replicas.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

impl Replica {
    fn ask(&mut self, revokes: bool, changes: i64) {
        let own = (changes - self.behind).max(0);
        self.clock.set(UnixTime::from_millis(NOW.as_millis() + own));
        let register = Arc::clone(&self.register);
        self.asked = Some(tokio::spawn(async move {
            if revokes {
                register.revoke(alice()).await;
            } else {
                register.withdraw(&alice().id()).await.unwrap();
            }
        }));
    }

    /// Ends the call of the replica's own task; if it has none, it makes one within a second.
    async fn by_itself(&self, end: End) {
        let asked = self.asked.as_ref().map(JoinHandle::id);
        let is_own = |task| task != asked || asked.is_none();
        if !self.link.end(is_own, end) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            settle().await;
            assert!(self.link.end(is_own, end), "the task asks nothing");
        }
    }

    async fn restart(&mut self, server: &Arc<Mutex<Server>>) {
        if let Some(asked) = self.asked.take() {
            asked.abort();
            let _ = asked.await;
        }
        let place = self.folder.as_ref().map(|folder| folder.path().to_owned());
        let nothing = RevocationRegister::saved_in(
            None,
            &TrustStore::default(),
            Arc::new(self.clock.clone()),
            Script::new(vec![None]),
        );
        drop(std::mem::replace(&mut self.register, Arc::new(nothing)));
        settle().await;
        (self.link, self.register) = start(server, &self.clock, place);
    }
}

/// P230, P231, P232, P233: revocation over replicas is what its model says, step by step.
#[tokio::test(start_paused = true)]
async fn revocation_goes_as_its_model_says() {
    let count = repeat::<World>("revocation").await;
    assert!(count > 4000, "{count}");
}
