//! Requests without a pause, on connections that stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::testbed::client::Client;
use crate::testbed::http1::Request;

/// Requests that have to be allowed all the time, on connections that stay open.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<Vec<u16>>>,
}

impl Load {
    pub(crate) fn start(client: &Client, request: &Request) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..4)
            .map(|_| {
                let (client, request) = (client.clone(), request.clone());
                let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
                tokio::spawn(async move {
                    let mut failed = Vec::new();
                    let mut connection = client.connect().await.unwrap();
                    while !stop.load(Ordering::SeqCst) {
                        let status = connection.send(&request).await.unwrap().status;
                        sent.fetch_add(1, Ordering::SeqCst);
                        if status != 200 {
                            failed.push(status);
                        }
                    }
                    failed
                })
            })
            .collect();
        Self { stop, sent, tasks }
    }

    /// How many were answered so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Stops it: how many requests were sent, and the statuses of those that failed.
    pub(crate) async fn stop(self) -> (u64, Vec<u16>) {
        self.stop.store(true, Ordering::SeqCst);
        let mut failed = Vec::new();
        for task in self.tasks {
            failed.extend(task.await.unwrap());
        }
        (self.sent.load(Ordering::SeqCst), failed)
    }
}
