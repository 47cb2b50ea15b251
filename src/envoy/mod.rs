//! The policy enforcement point's edge: the only room that names Envoy's types.

mod client_address;
mod decode;
mod encode;
mod grpc;
mod json;
mod listener;
mod message;
mod recorded;
mod server;
mod service;
mod status;
mod tls;
mod unix_socket;

pub use client_address::{ClientAddress, ExternalAddress, ForwardedFor};
pub use decode::decode;
pub use encode::encode;
pub use listener::{ListenAddress, Listener};
pub use recorded::decode_recorded;
pub use server::{
    ConnectionOptions, DrainOptions, KeepAliveOptions, ListenerOptions, Server, Stop,
};
pub use service::CheckService;
pub use status::ListenerStatus;
pub use tls::{AllowedClients, Tls, TlsOptions, TlsStatus};
pub use unix_socket::{Socket, SocketMode, SocketOptions};
