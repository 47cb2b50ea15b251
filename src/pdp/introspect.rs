//! Asking issuers about opaque tokens (RFC 7662), before anything is judged.

mod breaker;
mod client;
mod endpoint;
mod turns;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;

use self::client::{HttpsClient, IntrospectionClient};
use self::endpoint::IntrospectionEndpoint;
use crate::authn::{TokenCache, is_cached};
use crate::clock::Clock;
use crate::evidence::PresentedToken;
use crate::pdp::proxy::Proxies;
use crate::sync::lock;
use crate::trust::{Introspection, Issuer, KeySource, Material, TrustStore};

/// Introspection endpoints by their configuration. Outlives the snapshots: one that stays keeps its answers.
pub struct Introspector {
    clock: Arc<dyn Clock>,
    connect: Connect,
    endpoints: Mutex<Vec<Arc<IntrospectionEndpoint>>>,
}

type Connect = Box<dyn Fn(&Arc<Introspection>) -> Arc<dyn IntrospectionClient> + Send + Sync>;

impl Introspector {
    /// Asks over HTTPS, through `proxies`.
    pub fn https(clock: Arc<dyn Clock>, proxies: Arc<Proxies>) -> Self {
        let for_assertions = Arc::clone(&clock);
        let connect: Connect = Box::new(move |source| {
            let (clock, proxies) = (Arc::clone(&for_assertions), Arc::clone(&proxies));
            Arc::new(HttpsClient::new(Arc::clone(source), clock, proxies))
        });
        Self::new(clock, connect)
    }

    fn new(clock: Arc<dyn Clock>, connect: Connect) -> Self {
        Self { clock, connect, endpoints: Mutex::default() }
    }

    /// Follows the endpoints in `trust` from now on: those whose configuration stays keep what they know, and those that
    /// neither `trust` nor `previous` has are forgotten.
    pub fn follow(&self, trust: &TrustStore, previous: Option<&TrustStore>) {
        let wanted: Vec<_> = sources(trust).chain(previous.into_iter().flat_map(sources)).collect();
        let mut endpoints = lock(&self.endpoints);
        endpoints.retain(|endpoint| wanted.iter().any(|source| endpoint.serves(source)));
        for source in wanted {
            if !endpoints.iter().any(|endpoint| endpoint.serves(source)) {
                let client = (self.connect)(source);
                let clock = Arc::clone(&self.clock);
                endpoints.push(Arc::new(IntrospectionEndpoint::new(
                    Arc::clone(source),
                    clock,
                    client,
                )));
            }
        }
    }

    /// Adds to `material` what issuers in `trust` say about those of `tokens` that only they understand. Waits for
    /// `patience` at most. It asks about no token that `memory` has, which is a verified JWT. Of questions that wait, those from each
    /// `origin` take turns.
    pub async fn gather(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        memory: &dyn TokenCache,
        origin: Option<IpAddr>,
        patience: Duration,
        material: &mut Material,
    ) {
        let unknown = |token: &&PresentedToken| !is_cached(token, memory);
        let questions = tokens.iter().filter(unknown).filter_map(|token| {
            let (issuer, source) = endpoint_of(token, trust)?;
            let endpoint = self.find(source)?;
            Some(async move {
                (&issuer.name, token.fingerprint, endpoint.answer(token, origin, patience).await)
            })
        });
        for (issuer, token, verdict) in join_all(questions).await {
            material.insert_answer(issuer, token, verdict);
        }
    }

    /// True if an endpoint has called `token` active lately.
    pub(super) fn knows(&self, token: &PresentedToken, trust: &TrustStore) -> bool {
        let source = endpoint_of(token, trust).map(|(_, source)| source);
        source.and_then(|source| self.find(source)).is_some_and(|own| own.knows(&token.fingerprint))
    }

    fn find(&self, source: &Arc<Introspection>) -> Option<Arc<IntrospectionEndpoint>> {
        lock(&self.endpoints).iter().find(|endpoint| endpoint.serves(source)).map(Arc::clone)
    }
}

#[cfg(test)]
impl Introspector {
    /// How many questions are under way or wait.
    fn flights(&self) -> usize {
        lock(&self.endpoints).iter().map(|endpoint| endpoint.flights()).sum()
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").finish_non_exhaustive()
    }
}

fn sources(trust: &TrustStore) -> impl Iterator<Item = &Arc<Introspection>> {
    trust.issuers().iter().filter_map(introspection_of)
}

fn introspection_of(issuer: &Issuer) -> Option<&Arc<Introspection>> {
    match &issuer.keys {
        KeySource::Introspected(source) => Some(source),
        KeySource::Local(_) | KeySource::Remote(_) => None,
    }
}

/// The issuer to ask about `token`, if there is one. A JWT is shown to the issuer that it names and to no other (P52).
fn endpoint_of<'a>(
    token: &'a PresentedToken,
    trust: &'a TrustStore,
) -> Option<(&'a Issuer, &'a Arc<Introspection>)> {
    let issuer = match token.jws() {
        Err(_) if token.is_opaque() => trust.introspecting_at(&token.place)?,
        Err(_) => return None,
        Ok(_) => trust
            .issuers_named(token.claimed_issuer(), token.claimed_subject())
            .find(|issuer| issuer.places.contains(&token.place))?,
    };
    Some((issuer, introspection_of(issuer)?))
}

#[cfg(test)]
mod tests;
