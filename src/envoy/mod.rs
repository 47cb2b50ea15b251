//! The policy enforcement point's edge: the only room that names Envoy's types.

mod decode;
mod encode;
mod listener;
mod recorded;
mod server;
mod service;
mod tls;

pub use decode::decode;
pub use encode::encode;
pub use listener::{ListenAddress, Listener};
pub use recorded::decode_recorded;
pub use server::{ListenerOptions, serve};
pub use service::CheckService;
pub use tls::{AllowedClients, Tls, TlsOptions};
