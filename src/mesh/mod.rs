//! Settings of Envoy, Istio, Envoy Gateway and the Gateway API: what in them makes authorization weaker than it looks.
//!
//! Nothing here asks a control plane. A bootstrap, a `/config_dump` or resources are read as trees ([`Tree`](crate::document::Tree)), and the
//! parts that matter are found wherever they stand: by their protobuf type, or by `apiVersion` and `kind`.

mod envoy;
mod faults;
mod gateway_api;
mod istio;
mod lint;
mod mesh_config;
mod resources;

pub use faults::IdentityHeaders;
pub use lint::lint;
