//! Attacks on the ports: those who reach them have to show nothing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{CLUSTER, Count, Figures, Ground, Plan, TLS, during, wire};
use crate::testbed::pki::ENVOY;

/// Connections that are held open at a time: within the descriptors that a shell gives this process.
const HELD: usize = 600;

/// Connections that attack at a time.
const SEVERAL: usize = 8;

pub(super) async fn silent(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        hold(stage.addresses().checks, &count).await;
    })
    .await
}

pub(super) async fn no_handshake(ground: Ground) -> Figures {
    let tls = TLS.replace("ALLOWED", ENVOY);
    let settings = vec![("127.0.0.1:${PORT}", tls)];
    let plan = Plan { settings, envoy: vec![CLUSTER], ..Plan::default() };
    during(ground, plan, async |stage, count| hold(stage.addresses().checks, &count).await).await
}

/// Opens connections as fast as it can, and holds the newest ones.
async fn hold(address: SocketAddr, count: &Count) {
    let mut held = VecDeque::new();
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                held.push_back(stream);
                count.one();
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

pub(super) async fn slow_bytes(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let address = stage.addresses().checks;
        several(HELD / 4, &count, move |count| async move {
            let mut stream = TcpStream::connect(address).await?;
            for byte in wire::PREFACE {
                stream.write_all(&[*byte]).await?;
                count.one();
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            Ok(())
        })
        .await;
    })
    .await
}

/// A connection after the other, on each of which `next` makes frames from odd numbers.
async fn frames(ground: Ground, first: fn(u32) -> Vec<u8>, next: fn(u32) -> Vec<u8>) -> Figures {
    during(ground, Plan::default(), async move |stage, count| {
        let address = stage.addresses().checks;
        several(SEVERAL, &count, move |count| async move {
            let mut stream = wire::greeted(address).await?;
            stream.write_all(&first(1)).await?;
            let mut number = 1u32;
            wire::pour(stream, || {
                count.one();
                number = number.wrapping_add(2) & 0x7fff_ffff;
                next(number)
            })
            .await
        })
        .await;
    })
    .await
}

pub(super) async fn rapid_resets(ground: Ground) -> Figures {
    frames(ground, |_| Vec::new(), wire::reset).await
}

pub(super) async fn continuations(ground: Ground) -> Figures {
    frames(ground, wire::open_head, |_| wire::more_head(1)).await
}

pub(super) async fn settings(ground: Ground) -> Figures {
    frames(ground, |_| Vec::new(), |_| wire::settings_and_ping()).await
}

pub(super) async fn empty_frames(ground: Ground) -> Figures {
    frames(ground, wire::call, |_| wire::empty_data(1)).await
}

/// `work` over and over, so many times at once; one that fails begins again.
pub(super) async fn several<W, F>(times: usize, count: &Count, work: W)
where
    W: Fn(Count) -> F + Clone + Send + 'static,
    F: Future<Output = std::io::Result<()>> + Send,
{
    let mut all = JoinSet::new();
    for _ in 0..times {
        let (work, count) = (work.clone(), count.clone());
        all.spawn(async move {
            loop {
                if work(count.clone()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
    }
    while all.join_next().await.is_some() {}
}

pub(super) async fn watchers(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let url = format!("http://{}", stage.addresses().checks);
        let mut held = Vec::new();
        for _ in 0..70 {
            let Ok(endpoint) = Endpoint::from_shared(url.clone()) else { continue };
            let Ok(channel) = endpoint.connect().await else { continue };
            for _ in 0..50 {
                let mut health = HealthClient::new(channel.clone());
                let call = health.watch(HealthCheckRequest::default());
                held.push(tokio::time::timeout(Duration::from_millis(100), call).await);
                count.one();
            }
        }
        std::future::pending::<()>().await;
    })
    .await
}

pub(super) async fn operators(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        hold(stage.addresses().admin, &count).await;
    })
    .await
}
