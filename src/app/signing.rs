//! Assertions for upstreams: the signer that the settings ask for, kept fresh and published.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::StartError;
use crate::admin::{self, KeySetSource};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::envoy::ListenAddress;
use crate::pdp::Snapshot;
use crate::signer::Signer;

/// A signer, with where its keys are published beside the admin listener.
pub(super) type Publisher = (Arc<Signer>, Option<TcpListener>);

/// True if there are settings for assertions, where rules ask for some.
///
/// # Errors
/// There are none.
pub fn judge_assertions(config: &Config, snapshot: &Snapshot) -> Result<(), StartError> {
    if config.assertion.is_some() || !snapshot.policies().asserts() {
        return Ok(());
    }
    let why = "rules ask for assertions: set `assertion.issuer` to the name that is to be in them";
    Err(StartError::Settings(why.to_owned()))
}

/// The signer that the settings ask for, which there must be where rules ask for assertions.
pub(super) fn signer(
    config: &Config,
    snapshot: &Snapshot,
    clock: Arc<SystemClock>,
) -> Result<Option<Arc<Signer>>, StartError> {
    judge_assertions(config, snapshot)?;
    let Some(options) = &config.assertion else { return Ok(None) };
    let signer = Signer::new(options, clock).map_err(StartError::Settings)?;
    Ok(Some(Arc::new(signer)))
}

pub(super) fn key_set_of(signer: &Arc<Signer>) -> KeySetSource {
    let signer = Arc::clone(signer);
    Arc::new(move || signer.key_set())
}

pub(super) async fn publisher(
    config: &Config,
    signer: Arc<Signer>,
) -> Result<Publisher, StartError> {
    let address = config.assertion.as_ref().and_then(|options| options.publish);
    let listener = match address {
        Some(address) => {
            let failed = StartError::listen(ListenAddress::Tcp(address));
            Some(TcpListener::bind(address).await.map_err(failed)?)
        }
        None => None,
    };
    Ok((signer, listener))
}

/// Keeps the keys fresh and, where it is asked for, published.
pub(super) async fn keep((signer, listener): Publisher) {
    let published = async {
        let Some(listener) = listener else { return };
        admin::publish(listener, key_set_of(&signer)).await;
    };
    tokio::join!(Arc::clone(&signer).run(), published);
}
