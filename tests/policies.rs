//! The shipped examples: they load without a doubt, and they do what their comments say.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::pdp::Load;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn problems(paths: &[PathBuf]) -> String {
    let load = Load::from_paths(paths);
    load.problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_examples_load_together() {
    let load = Load::from_paths(&[folder()]);
    assert_eq!(problems(&[folder()]), "");
    assert!(load.snapshot.is_some());
}

#[test]
fn each_example_loads_with_nothing_but_the_trust_beside_it() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_eq!(problems(&[path.clone(), folder().join("trust")]), "", "{}", path.display());
        }
    }
}
