//! Settings of Envoy, Istio, Envoy Gateway and the Gateway API: what in them makes authorization weaker than it looks.
//!
//! Nothing here asks a control plane. Data goes one way: files become trees ([`Tree`](crate::document::Tree)), with texts that stand within
//! them; resources are indexed by name, and the parts of Envoy's configurations are found wherever they stand, by their protobuf type;
//! then each lint looks at what it is about, and at what that refers to.

mod envoy;
mod faults;
mod filler;
mod format;
mod gateway;
mod istio;
mod labels;
mod lint;
mod load;
#[expect(clippy::module_inception, reason = "the mesh is what the room is about")]
mod mesh;
mod mesh_config;
mod resources;
mod topology;
mod wait;
mod written;

pub use faults::IdentityHeaders;
pub use lint::lint;
