//! wip: the manual comes with the rooms
pub mod clock;
pub mod evidence_level;
pub mod json;
pub mod limits;
pub mod reason;
pub mod secret;

pub mod document;
pub mod request;
pub mod spiffe;

pub mod evidence;
pub mod trust;

pub mod authn;

pub mod policy;

pub mod pdp;
