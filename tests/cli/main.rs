//! The built binary as an operator meets it: what each command prints, its exit codes, and golden outputs.

#[cfg(test)]
mod cel;
#[cfg(test)]
mod changing;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod diff_sets;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod init;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod newcomer;
#[cfg(test)]
mod output_schema;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod program;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod revoke;
#[cfg(test)]
#[expect(dead_code, reason = "the demo is more than these tests use of it")]
#[path = "../../src/demo/mod.rs"]
mod testbed;
