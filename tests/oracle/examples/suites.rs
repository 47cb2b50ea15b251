//! Prints what the oracle decides about every case of the suites in a folder, a line each: the case, the decision, the reason, the rule, the
//! status, the challenge, the headers and parameters that are set, and those of the probes that do not go upstream.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for people: it prints, and a folder that cannot be read ends it")]

#[path = "../tests/common/mod.rs"]
mod common;

const PROBES: [&str; 8] = ["authorization", "x-user", "x_user", "x-debug", "x_debug", "x-forwarded-host", "x-original-url", "accept"];

fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for run in common::run(&common::world(&texts)) {
        match run.decision {
            Err(what) => println!("{}\toutside\t{}", run.case, what.0),
            Ok(d) => {
                let denial = d.denial.clone().unwrap_or_default();
                let removed: Vec<&str> = PROBES.into_iter().filter(|p| d.allow && d.changes.removes(p)).collect();
                println!(
                    "{}\t{}\t{}\t{}\t{}\t{}\t{:?}\t{:?}\t{}\t{}",
                    run.case,
                    if d.allow { "allow" } else { "deny" },
                    d.reason.unwrap_or("-"),
                    d.rule.map_or("-".to_owned(), |(p, r)| format!("{p}/{r}")),
                    denial.status,
                    denial.www_authenticate().or(denial.location).unwrap_or("-".to_owned()),
                    d.changes.headers,
                    d.changes.query,
                    removed.join(","),
                    d.shadows.iter().map(|s| format!("{}:{}:{}", s.rule.1, s.unknown, s.changes)).collect::<Vec<_>>().join(","),
                );
            }
        }
    }
}
