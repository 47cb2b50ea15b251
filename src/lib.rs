//! # countersign: external authorization for Envoy and Istio
//!
//! A request is let through when **who it is on the wire** (a verified certificate) is countersigned by **what it carries**
//! (a verified token), under a policy a person can read. This page is the manual of the code: the flow, the rooms, the
//! invariants. Where a file disagrees with it, one of the two is wrong.
//!
//! ## The flow
//!
//! ```text
//! CheckRequest -> RequestView ------------------------------> Decision -> Outcome -> CheckResponse
//!    envoy/    \    request/                                   policy/     pdp/        envoy/
//!               `-> CredentialHeaders -> Evidence -> Subject
//!                       request/         evidence/   authn/
//! ```
//!
//! Eight verbs: **decode, collect, gather, authenticate, evaluate, fulfil, observe, encode**. Before the decision *gather*
//! may wait, for an issuer's keys or its answer about an opaque token, and with warm caches it does not; so may
//! *authenticate*, where a signature fails with a key that the issuer may have replaced. *Fulfil* may wait: a one-time credential for the store, and `audit.onFull: block` for the audit log. Read
//! `conclude` of [`envoy::CheckService`], then [`pdp::Pinned::decide`], then any room.
//!
//! ## The rooms
//!
//! A room imports rooms of a lower rank only; `tests/in_process/tidy.rs` refuses anything else.
//!
//! | rank | rooms | own |
//! |---|---|---|
//! | 0 | [`limits`] [`json`] `words` | the bounds on what others can make us do, with their reasons; strict JSON; enumerations of words |
//! | 1 | [`clock`] [`sync`] [`secret`] [`reason`] [`evidence_level`] [`replace_file`] | time as a value; locks; redaction; the closed vocabulary of why; atomic replacement of files |
//! | 2 | [`spiffe`] [`request`] [`document`] [`identity_map`] [`slots`] | strict names; the request split from its credentials; YAML documents and diagnostics; slots that sources share fairly |
//! | 3 | [`evidence`] [`signer`] [`store`] [`trust`] [`mesh`] | what is shown, **unverified**; our own signing keys; what replicas share; what we trust, as plain values; the settings of proxies, linted |
//! | 4 | [`authn`] | the only room that turns evidence into identity |
//! | 5 | [`policy`] | rules, compiled and evaluated; it never sees `evidence` or `trust` |
//! | 6 | [`pdp`] | the decision point: snapshot, keys, verification cache, fulfilment |
//! | 7 | [`envoy`] [`audit`] [`reload`] [`telemetry`] [`admin`] | the edges |
//! | 8 | [`config`] | settings in layers; each room owns its options |
//! | 9 | [`app`] | the composition root: build, bind, drain |
//! | 10 | `demo` | a whole mesh on one machine: a real Envoy, certificates, tokens, a tour |
//! | 11 | [`cli`] | the commands |
//!
//! ## Invariants
//!
//! Each has a test that names it.
//!
//! 1. Envoy reads `status.code` first, so a denied body beside code OK is an **allow**. One function makes the whole
//!    answer from one [`policy::Decision`]; its OK arm takes a [`policy::Permit`], and only evaluation makes one.
//! 2. No error, panic, deadline or missing datum yields an allow.
//! 3. Raw credentials never reach policy, logs, audit or upstream templates.
//! 4. Every header that any rule can inject is removed from the inbound request on every allow.
//! 5. Paths are compared in one canonical form; what is not canonical is denied, not repaired, unless a target says how
//!    its upstream reads it.
//! 6. Trust and policies are one immutable snapshot, replaced whole; a bad reload changes nothing and says so.
//! 7. A cached verification never outlives the token, the certificate, the key set or the snapshot it was made with, and a
//!    revocation counts before any cache.
//! 8. No URL, key or algorithm is ever taken from a token.
//! 9. Work an attacker can ask for has a bound, and the bound has a reason ([`limits`]).
//! 10. The core (`evidence`, `trust`, `authn`, `policy`) does no I/O and takes time as an argument.
//! 11. The listener is a trust boundary: mutual TLS with a list of Envoys, a Unix socket or loopback; anything weaker has
//!     to be asked for by name.
//! 12. Secure by default: an issuer without audiences, an allow rule without any identity requirement, a plaintext
//!     listener on a public address need an explicit, loud setting.

// The parts of `demo` that `tests/` include name the library as tests do.
extern crate self as countersign;

pub mod json;
pub mod limits;
#[cfg(test)]
#[path = "tests/walks.rs"]
mod walks;
pub mod words;

pub mod clock;
pub mod evidence_level;
pub mod reason;
pub mod replace_file;
pub mod secret;
pub mod sync;

pub mod document;
pub mod identity_map;
pub mod mesh;
pub mod request;
pub mod spiffe;

pub mod evidence;
pub mod store;
pub mod trust;

pub mod signer;
pub mod slots;

pub mod authn;

pub mod policy;

pub mod pdp;

pub mod admin;
pub mod audit;
pub mod envoy;
pub mod reload;
pub mod telemetry;

pub mod config;

pub mod app;

#[expect(dead_code, reason = "`tests/` include it as a mesh to test with, and use more of it")]
mod demo;

pub mod cli;
