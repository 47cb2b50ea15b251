//! The PKI that tests of this room and of those above it share.

pub(crate) mod pki;
