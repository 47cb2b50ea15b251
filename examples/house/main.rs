//! The shape of the code in numbers, for comparing two checkouts by one measure: `cargo run --example house -- [FOLDER]...`
//!
//! Tests do not count. A function's lines are those from `fn` to its last brace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool that cannot read the sources must fail, and prints what it measured"
)]

#[path = "../../tests/in_process/tidy/cycles.rs"]
mod cycles;
#[path = "../../tests/in_process/tidy/modules.rs"]
mod modules;

use std::fs;
use std::path::{Path, PathBuf};

/// The page that lists the retired words.
const STYLE: &str = include_str!("../../docs/style.md");

/// Sizes, in lines, from small to large.
struct Sizes(Vec<usize>);

fn main() {
    let folders: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let here = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    for folder in if folders.is_empty() { here } else { folders } {
        measure(&folder.join("src"));
    }
}

fn measure(src: &Path) {
    let mut paths = Vec::new();
    rust_files(src, &mut paths);
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let product: Vec<&str> = texts.iter().map(|text| before_tests(text)).collect();
    let files = Sizes::new(product.iter().map(|text| text.lines().count()));
    let functions = texts.iter().flat_map(|text| modules::function_lines(text));
    let functions = Sizes::new(functions.map(|(_, lines)| lines));
    let comments = product.iter().flat_map(|text| text.lines()).map(str::trim_start);
    let comments: Vec<&str> = comments.filter(|line| line.starts_with("//")).collect();
    let retired = comments.iter().filter(|line| says_a_retired_word(line)).count();
    let what = comments
        .iter()
        .filter(|line| line.trim_start_matches(['/', '!', ' ']).starts_with("What "));
    let all = modules::Crate::read(src);
    let cycles = cycles::cycles(&all.edges());
    println!("{}", src.display());
    println!("| measure | value |\n|---|---|");
    println!("| lines without tests | {} |", files.0.iter().sum::<usize>());
    println!("| types and traits | {} |", all.types().count());
    println!("| files; median, largest | {}; {}, {} |", files.0.len(), files.at(50), files.at(100));
    println!(
        "| functions; median, p90, longest | {}; {}, {}, {} |",
        functions.0.len(),
        functions.at(50),
        functions.at(90),
        functions.at(100)
    );
    println!(
        "| import cycles; files in them, largest | {}; {}, {} |",
        cycles.len(),
        cycles.iter().map(Vec::len).sum::<usize>(),
        cycles.iter().map(Vec::len).max().unwrap_or(0)
    );
    println!(
        "| comment lines; retired words, begin with \"What\", in 1,000 | {}; {}, {} |",
        comments.len(),
        per_thousand(retired, comments.len()),
        per_thousand(what.count(), comments.len())
    );
}

fn per_thousand(part: usize, whole: usize) -> usize {
    part * 1000 / whole.max(1)
}

fn says_a_retired_word(line: &str) -> bool {
    let line = line.to_lowercase();
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
    let line = format!(" {} ", words.join(" "));
    let listed = STYLE.lines().find(|line| line.contains("words.rs` refuses these"));
    let listed = listed.and_then(|line| line.split("of tests: ").nth(1)?.split(". ").next());
    let mut retired = listed.unwrap().split(", ").map(|word| word.trim_matches('"'));
    retired.any(|word| line.contains(&format!(" {word} ")))
}

/// The text of a file without the tests at its end; nothing of a file of tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path
            .file_stem()
            .is_some_and(|name| name == "tests" || name.to_string_lossy().ends_with("_tests"));
        if is_test {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

// === impl Sizes ===

impl Sizes {
    fn new(sizes: impl Iterator<Item = usize>) -> Self {
        let mut sizes: Vec<usize> = sizes.collect();
        sizes.sort_unstable();
        Self(sizes)
    }

    /// The size below which `percent` of all are.
    fn at(&self, percent: usize) -> usize {
        self.0
            .get((self.0.len() * percent / 100).min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    }
}
