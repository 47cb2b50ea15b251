//! The addresses that a server listens on.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::StartError;
use crate::envoy::{ListenAddress, Listener, ListenerOptions};

pub(super) async fn bind(options: &ListenerOptions) -> Result<Listener, StartError> {
    let address = &options.address;
    Listener::bind(address, options.socket)
        .await
        .map_err(|source| StartError::Listen { address: address.clone(), source })
}

pub(super) async fn bind_admin(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address: ListenAddress::Tcp(address), source })
}
