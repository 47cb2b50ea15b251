//! The fuzz targets, on the stable compiler: every target's body over its seeds, mutations of them, and the inputs that
//! once broke something (`fuzz/regressions`). `fuzz/README.md` says how to fuzz for real.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "the targets break off where something holds that must not"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

use bodies::{Mutations, TARGETS, Target};

/// Enough to get past the first checks of every parser, and few enough for every build.
const MUTATIONS: usize = 1500;

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"))
}

fn run(name: &str) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    let regressions = fs::read_dir(fuzz().join("regressions").join(name)).into_iter().flatten();
    let regressions = regressions.map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let mutations = Mutations::new(&seeds).take(MUTATIONS);
    assert!((target.run)(&seeds[0]), "the first seed is not accepted, so that nothing is reached");
    let inputs = seeds.iter().skip(1).cloned().chain(regressions).chain(mutations);
    let accepted = inputs.filter(|input| (target.run)(input)).count();
    assert!((1..MUTATIONS).contains(&accepted), "{accepted} of {MUTATIONS} are accepted");
}

/// One test for each target, so that they run side by side.
macro_rules! targets {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets!(xfcc, certificate, chain, crl, jws, claims, jwks, introspection, dpop, revocations, check);

/// Messages of a real Envoy: `tests/e2e/wire.rs` records them.
#[test]
fn every_recorded_check_is_read_as_envoy_types_reads_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checks");
    let checks: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!checks.is_empty());
    assert!(checks.iter().all(|check| bodies::check(check)));
}

/// A target that never runs proves nothing.
#[test]
fn every_fuzz_target_is_run_here() {
    let files = fs::read_dir(fuzz().join("fuzz_targets")).unwrap();
    let files: BTreeSet<String> = files
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let tested: BTreeSet<String> = TESTED.iter().map(ToString::to_string).collect();
    let listed: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!((&files, &listed), (&tested, &tested));
}
