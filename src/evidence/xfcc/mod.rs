//! The `x-forwarded-client-cert` header, read strictly in the two forms in which Envoy writes it. Nothing here decides which
//! element counts.
//!
//! Which bytes the owner of a certificate can choose decides how far a header goes. In text, Envoy puts `Cert`, `Chain`,
//! `Subject` and `Issuer` in double quotes, the first two URL-encoded, the others as RFC 2253 text. `By`, `URI` and `DNS`
//! are written as they are in the certificate, without quotes and without escapes, so that a hostile name can spell another
//! pair or a whole element (P83), and under `APPEND_FORWARD` the caller writes everything before Envoy's own element.
//! Therefore every value of every element has to be what its kind can be, pairs have to be in Envoy's order, and a quoted
//! text has to be one that Envoy can have quoted (P88, P89): a header that breaks any of it is malformed as a whole. The
//! rest (where an element begins, how far a name goes) is decided in `authn`, which knows the proxy's name and its word for
//! the TLS peer.
//!
//! JSON (Envoy 1.40) escapes every name, so that elements and names begin and end where they seem to.

mod element;
mod json;
mod parse;
mod text;

pub use element::{Xfcc, XfccElement};

#[cfg(test)]
mod tests;
