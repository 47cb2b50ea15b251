//! The cap of requests for each host, shared by everything that is followed: an identity provider counts all of them together.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::limits::{DEFAULT_REQUESTS_PER_HOST, MAX_FOLLOWED_HOSTS};
use crate::pdp::fetch::{FetchError, FetchRequest, Fetched, Fetcher};
use crate::pdp::proxy::{Proxies, ProxyError};
use crate::secret::Secret;
use crate::sync::lock;

/// How servers are asked for keys, lists and files.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FetchOptions {
    /// Most requests per second to one host and port, whatever they are for: many issuers at one provider share it.
    pub requests_per_host: NonZeroU32,
    /// The proxy that servers are asked through, and introspection endpoints, such as `http://proxy.example.com:3128`; with
    /// `https://` it is asked by TLS. Unset: those of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. This host is always asked
    /// directly.
    #[serde(deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Secret<String>>,
    /// With `proxy`: hosts with all below them, addresses, networks, each with a port or without, that are asked directly; `*` is all.
    pub no_proxy: Vec<String>,
}

/// A fetcher that keeps to the cap. Requests that go over it wait for their turn: in turns the one that is wanted most, and the one that
/// waits longest.
#[derive(Debug)]
pub struct PacedFetcher {
    inner: Arc<dyn Fetcher>,
    gap: Duration,
    queues: Mutex<BTreeMap<String, Arc<HostQueue>>>,
}

/// The line at one host. One of those that wait keeps the time, and calls one of them at each tick.
#[derive(Debug)]
struct HostQueue {
    line: Mutex<HostLine>,
    next: AsyncMutex<Interval>,
}

#[derive(Debug, Default)]
struct HostLine {
    waiting: VecDeque<HostPlace>,
    by_want: bool,
}

/// A request that waits, the first to come at the front.
#[derive(Debug)]
struct HostPlace {
    wanted: Option<Arc<AtomicU32>>,
    call: oneshot::Sender<()>,
}

/// A second and some, for timers that fire late.
const WINDOW: Duration = Duration::from_millis(1050);

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            requests_per_host: NonZeroU32::new(DEFAULT_REQUESTS_PER_HOST)
                .unwrap_or(NonZeroU32::MIN),
            proxy: None,
            no_proxy: Vec::new(),
        }
    }
}

impl FetchOptions {
    /// The proxies that are set, or `else` those of the environment.
    ///
    /// # Errors
    /// Settings contradict each other.
    pub fn proxies(&self, environment: impl FnOnce() -> Proxies) -> Result<Proxies, String> {
        match &self.proxy {
            None if self.no_proxy.is_empty() => Ok(environment()),
            None => Err("`fetch.noProxy` is without `fetch.proxy`".into()),
            Some(proxy) if !proxy.expose().contains("://") => {
                Err("`fetch.proxy` has no scheme: write `http://` before its host, or `https://` where it is asked by TLS".into())
            }
            Some(proxy) => Proxies::new(Some(proxy.clone()), Some(proxy.clone()), &self.no_proxy)
                .map_err(|error| match error {
                    ProxyError::Address => format!("`fetch.proxy` {error}"),
                    ProxyError::Direct(_) => format!("`fetch.noProxy` {error}"),
                }),
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Secret<String>>, D::Error> {
    Option::deserialize(text).map(|text: Option<String>| text.map(Secret::new))
}

impl PacedFetcher {
    /// `inner`, kept to the cap of `options`.
    pub fn new(inner: Arc<dyn Fetcher>, options: &FetchOptions) -> Self {
        let gap = WINDOW.checked_div(options.requests_per_host.get()).unwrap_or(WINDOW);
        Self { inner, gap, queues: Mutex::default() }
    }

    async fn pace(&self, ask: &FetchRequest<'_>) {
        let queue = self.queue(ask.url.uri().authority().map_or("", |host| host.as_str()));
        let (call, mut called) = oneshot::channel();
        lock(&queue.line).waiting.push_back(HostPlace { wanted: ask.wanted.cloned(), call });
        loop {
            tokio::select! {
                biased;
                _ = &mut called => return,
                mut next = queue.next.lock() => {
                    next.tick().await;
                    lock(&queue.line).call_next();
                }
            }
        }
    }

    fn queue(&self, host: &str) -> Arc<HostQueue> {
        let mut queues = lock(&self.queues);
        if queues.len() >= MAX_FOLLOWED_HOSTS {
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        let new = || {
            let mut next = interval(self.gap);
            next.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Arc::new(HostQueue { line: Mutex::default(), next: AsyncMutex::new(next) })
        };
        Arc::clone(queues.entry(host.to_ascii_lowercase()).or_insert_with(new))
    }
}

impl HostLine {
    /// Calls the request whose turn it is. One that many tokens want does not wait for the many that few want, which get every other turn
    /// (P496).
    fn call_next(&mut self) {
        self.waiting.retain(|place| !place.call.is_closed());
        self.by_want = !self.by_want;
        let wanted = |at: &usize| self.waiting.get(*at).map(HostPlace::wanted);
        let most = (0..self.waiting.len()).rev().max_by_key(wanted);
        let next = most.filter(|_| self.by_want).unwrap_or(0);
        if let Some(place) = self.waiting.remove(next) {
            // A request that has ended needs no turn.
            let _ = place.call.send(());
        }
    }
}

impl HostPlace {
    fn wanted(&self) -> u32 {
        self.wanted.as_ref().map_or(0, |wanted| wanted.load(Ordering::Relaxed))
    }
}

impl Fetcher for PacedFetcher {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            self.pace(&ask).await;
            self.inner.fetch(ask).await
        })
    }

    fn proxies(&self) -> Arc<Proxies> {
        self.inner.proxies()
    }
}
