//! The server's settings: defaults, then the file, then `COUNTERSIGN_` environment variables, then flags.
//!
//! Each room owns its options; this room only fills them in. What may change while the server runs is not here but in
//! documents.

mod error;
mod load;
mod raw;
pub mod schema;
mod settings;

pub use error::ConfigError;
pub use load::{
    ListenerOverrides, LogOverrides, Overrides, is_empty_variable, service_links, standard_proxies,
};
pub use settings::Config;

#[cfg(test)]
mod tests;
