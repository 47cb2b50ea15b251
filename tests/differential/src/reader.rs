//! Cases for a person who has the semantics and nothing else: each with its documents, and the answers in a file of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use countersign_oracle::suite::Case;

use crate::answer::Answer;
use crate::compare::Found;
use crate::oracle;
use crate::stated::STATED;

/// How many cases may have the same reason: most requests of a world are denied for a few.
const OF_ONE_REASON: usize = 3;

/// The cases that are wanted.
#[derive(Debug, Args)]
pub struct Options {
    /// The folder to write into: `01.yaml` and so on, and `answers.txt`.
    folder: PathBuf,
    /// How many cases.
    #[arg(long, default_value_t = 50)]
    cases: usize,
    /// The seed of the first world.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Writes the cases. Gives the faults.
pub fn run(options: &Options) -> Vec<String> {
    let Options { folder, cases, seed } = options;
    let (mut reasons, mut answers, mut written) = (BTreeMap::<String, usize>::new(), String::new(), 0);
    if let Err(error) = fs::create_dir_all(folder) {
        return vec![format!("{}: {error}", folder.display())];
    }
    for seed in *seed.. {
        if written == *cases {
            break;
        }
        let world = (STATED.world)(seed);
        // Answers that allow say most, and are few.
        let allowed = written % 2 == 1;
        let Some((found, answer)) = choose(&(STATED.text)(&world), allowed, &mut reasons) else { continue };
        written += 1;
        let _ = writeln!(answers, "{written:02}");
        for (part, value) in answer.parts() {
            let _ = writeln!(answers, "  {part}: {value}");
        }
        let text = (STATED.text)(&(STATED.alone)(&world, &found));
        if let Err(error) = fs::write(folder.join(format!("{written:02}.yaml")), text) {
            return vec![format!("{}: {error}", folder.display())];
        }
    }
    match fs::write(folder.join("answers.txt"), answers) {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!("{}: {error}", folder.display())],
    }
}

/// The first case of a world that is allowed, or whose reason few cases have had.
fn choose(text: &str, allowed: bool, reasons: &mut BTreeMap<String, usize>) -> Option<(Found, Answer)> {
    let mut chosen = None;
    let visit = |case: &Case| {
        let Ok(answer) = oracle::answer(case) else { return };
        let count = answer.get("reason").filter(|_| !allowed).map(|reason| reasons.entry(reason.to_owned()).or_default());
        let fits = count.as_ref().map_or(allowed && answer.get("reason").is_none(), |count| **count < OF_ONE_REASON);
        if chosen.is_none() && fits {
            count.into_iter().for_each(|count| *count += 1);
            let (group, case) = (case.suite.clone(), case.name.clone());
            chosen = Some((Found { group, case, differences: Vec::new() }, answer));
        }
    };
    oracle::each(text, visit).ok()?;
    chosen
}
