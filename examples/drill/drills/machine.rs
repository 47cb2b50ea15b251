//! Files, descriptors, processors and signals.

use std::process::Command;
use std::time::Duration;

use countersign::clock::Stopwatch;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Figures, Ground, Plan, during, server_id};
use crate::testbed::server::Server;

const MOMENT: Duration = Duration::from_millis(200);

const AUDIT: &str = "audit: { file: ./audit.jsonl }";

pub(super) async fn nothing(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |_, count| {
        count.one();
        std::future::pending::<()>().await;
    })
    .await
}

/// A hundred changes in a second: each file is whole, and each set is another.
pub(super) async fn swapped_documents(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let folder = stage.folder();
        let orders = std::fs::read_to_string(folder.join("policies/orders.yaml")).unwrap();
        for number in 0u64.. {
            folder.write("orders.new", format!("{orders}# {number}\n")).unwrap();
            std::fs::rename(folder.join("orders.new"), folder.join("policies/orders.yaml"))
                .unwrap();
            count.one();
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

pub(super) async fn broken_documents(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let path = stage.folder().join("policies/orders.yaml");
        let orders = std::fs::read_to_string(&path).unwrap();
        for part in (0..orders.len()).cycle().step_by(7) {
            let cut = orders.get(..part).unwrap_or_default();
            std::fs::write(&path, cut).unwrap();
            sleep(MOMENT / 2).await;
            std::fs::remove_file(&path).unwrap();
            sleep(MOMENT / 2).await;
            count.one();
        }
    })
    .await
}

pub(super) async fn full_disk(ground: Ground) -> Figures {
    let settings = vec![(AUDIT, "audit: { file: /dev/full }".to_owned())];
    during(ground, Plan { settings, ..Plan::default() }, async |_, count| {
        count.one();
        std::future::pending::<()>().await;
    })
    .await
}

/// A file is where the folder should be: not even root can write there.
pub(super) async fn read_only_state(ground: Ground) -> Figures {
    let more = "stateFolder: ./state\n".to_owned();
    during(ground, Plan { more, ..Plan::default() }, async |stage, count| {
        let state = stage.folder().join("state");
        let _ = std::fs::remove_dir_all(&state);
        std::fs::write(&state, "").unwrap();
        for number in 0u64.. {
            let entry = serde_json::json!({ "jti": format!("drill-{number}"), "issuer": "corp" });
            let _ = stage.revoke("POST", &entry).await;
            count.one();
            sleep(MOMENT / 4).await;
        }
    })
    .await
}

/// As many connections as there are descriptors, and more.
pub(super) async fn few_descriptors(ground: Ground) -> Figures {
    crowd(ground, Plan { descriptors: Some(768), ..Plan::default() }, 400).await
}

pub(super) async fn many_connections(ground: Ground) -> Figures {
    crowd(ground, Plan::default(), 800).await
}

async fn crowd(ground: Ground, plan: Plan, many: usize) -> Figures {
    during(ground, plan, async |stage, count| {
        let address = stage.addresses().checks;
        loop {
            let mut held = Vec::new();
            for _ in 0..many {
                if let Ok(stream) = super::wire::greeted(address).await {
                    held.push(stream);
                    count.one();
                }
            }
            sleep(MOMENT).await;
            held.drain(..).for_each(|stream: TcpStream| drop(stream));
        }
    })
    .await
}

/// As many busy processes as a small machine has processors.
pub(super) async fn busy_neighbour(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |_, count| {
        let busy = || {
            count.one();
            let mut shell = tokio::process::Command::new("sh");
            shell.args(["-c", "while :; do :; done"]).kill_on_drop(true).spawn().unwrap()
        };
        let _busy = [busy(), busy()];
        std::future::pending::<()>().await;
    })
    .await
}

pub(super) async fn log_reopened(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let id = server_id(stage);
        let file = stage.folder().join("audit.jsonl");
        loop {
            sleep(MOMENT).await;
            std::fs::rename(&file, stage.folder().join("audit.old")).unwrap();
            signal("HUP", id);
            count.one();
            while !file.exists() {
                sleep(MOMENT / 20).await;
            }
        }
    })
    .await
}

/// Killed and started again, over and over; at the end it is there.
pub(super) async fn killed(ground: Ground) -> Figures {
    let time = ground.time;
    let longer = Ground { time: time + Duration::from_secs(60), ..ground };
    during(longer, Plan::default(), async move |stage, count| {
        let watch = Stopwatch::start();
        while watch.elapsed() < time {
            sleep(MOMENT).await;
            signal("KILL", server_id(stage));
            stage.stop_server().await.unwrap();
            sleep(MOMENT).await;
            let (folder, addresses) = (stage.folder(), stage.addresses());
            let started = Server::start(&stage.program, folder, addresses).await;
            stage.server = Some(started.unwrap_or_else(|error| panic!("{error}")));
            count.one();
        }
        sleep(MOMENT * 5).await;
    })
    .await
}

fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
    assert!(sent.success());
}
