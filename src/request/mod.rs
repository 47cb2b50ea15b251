//! The request as a policy may see it, and the credentials sealed away from it.
//!
//! A request splits at the door: [`RequestView`] is what policies, logs and header templates may look at,
//! [`CredentialHeaders`] is what only `evidence` may open. Nothing here has been verified, and nothing here
//! came from anywhere but the policy enforcement point's description of the request.

mod attributes;
mod credentials;
mod habits;
mod headers;
mod override_headers;
mod parameters;
mod path;
mod sealed;
mod spelling;
mod target;
mod text;
mod this_host;
mod trace_parent;
mod url;
mod view;

pub use attributes::{Client, Endpoint, ServerName};
pub use credentials::CredentialHeaders;
pub use habits::{host_slip, path_slip};
pub use headers::{HeaderForm, HeaderValue, Headers, Shown, headers_of_one_value};
pub(crate) use override_headers::OVERRIDE_HEADERS;
pub use parameters::SealedParameters;
pub use path::{CanonicalPath, PathLeniency};
pub use sealed::{PROTOCOLS, ProtocolElement, SealedNames, TokenPlace};
pub use spelling::{
    HeaderNames, header_spellings, is_spelling_of_header, is_spelling_of_parameter,
};
pub use target::{Host, HostForm, Target, parent_of};
pub use text::Text;
pub use this_host::is_this_host;
pub use trace_parent::TraceParent;
pub use url::{NormalUrl, RequestLine, UrlOrigin};
pub use view::RequestView;
