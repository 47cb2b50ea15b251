//! Tests that call the library in one process: vectors of third parties, generated cases before independent judges, golden
//! files, drills on a fake clock, and the house rules.

mod allocations;
#[cfg(test)]
mod binding;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod chains;
#[cfg(test)]
mod client_cert_vectors;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod drill;
mod fuzz;
#[cfg(test)]
mod incremental_load;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod introspection_vectors;
#[cfg(test)]
mod jws_vectors;
#[cfg(test)]
mod key_rotation;
#[cfg(test)]
mod limbo;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod pkits;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod policy_errors;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod revocation_lists;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod snippets;
#[cfg(test)]
mod throttle;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod token_signals;
