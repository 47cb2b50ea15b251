//! The table of bounds in `docs/security-model.md` is that of `src/limits.rs` and `src/limits/documents.rs`. `COUNTERSIGN_BLESS=1` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- bounds: made from src/limits.rs -->\n";
const END: &str = "<!-- bounds: end -->";

/// A constant as its source has it.
struct Bound {
    about: String,
    meaning: String,
    name: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Count(u64),
    Millis(u64),
    Range(u64, u64),
    /// A time and how many.
    Within(u64, u64),
    /// At once, one every so often, and the least time between two.
    Budget(u64, u64, u64),
}

fn product(text: &str, known: &BTreeMap<String, Value>) -> u64 {
    let factor = |text: &str| {
        let text = text.trim();
        text.replace('_', "").parse().unwrap_or_else(|_| match known.get(text) {
            Some(Value::Count(count)) => *count,
            other => panic!("`{text}` is {other:?}"),
        })
    };
    text.split('*').map(factor).product()
}

fn value(text: &str, known: &BTreeMap<String, Value>) -> Value {
    let millis = |text: &str| {
        if text.trim() == "Duration::ZERO" {
            return 0;
        }
        let (unit, count) =
            text.trim().strip_prefix("Duration::from_").unwrap().split_once('(').unwrap();
        let count = product(count.trim_end_matches(')'), known);
        count
            * match unit {
                "millis" => 1,
                "secs" => 1000,
                other => panic!("`{other}`"),
            }
    };
    match text.trim().strip_prefix('(').and_then(|pair| pair.strip_suffix(')')) {
        Some(pair) => {
            let parts: Vec<_> =
                pair.split(',').map(str::trim).filter(|own| !own.is_empty()).collect();
            match parts[..] {
                [time, count] if !count.contains("Duration") => {
                    Value::Within(millis(time), product(count, known))
                }
                [one, other] => Value::Range(millis(one), millis(other)),
                [burst, every, gap] => {
                    Value::Budget(product(burst, known), millis(every), millis(gap))
                }
                _ => panic!("`{text}`"),
            }
        }
        None if text.contains("Duration") => Value::Millis(millis(text)),
        None => Value::Count(product(text, known)),
    }
}

/// The files of bounds.
fn source() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src/limits.rs", "src/limits/documents.rs"];
    files.map(|file| fs::read_to_string(root.join(file)).unwrap()).concat()
}

fn bounds(source: &str) -> Vec<Bound> {
    let (mut found, mut known) = (Vec::new(), BTreeMap::new());
    let (mut about, mut doc, mut item) = (String::new(), String::new(), String::new());
    for line in source.lines() {
        if let Some(section) = line.strip_prefix("// --- ") {
            section.trim_end_matches('-').trim().clone_into(&mut about);
        } else if let Some(text) = line.strip_prefix("/// ") {
            doc.push_str(text);
            doc.push(' ');
        } else if line.starts_with("pub const ") || !item.is_empty() {
            item.push_str(line);
            item.push(' ');
        }
        if let Some(whole) = item.trim_end().strip_suffix(';') {
            let (name, expression) =
                whole.strip_prefix("pub const ").unwrap().split_once('=').unwrap();
            let name = name.split_once(':').unwrap().0.to_owned();
            let value = value(expression, &known);
            known.insert(name.clone(), value);
            let meaning = doc.split_once(". ").map_or(doc.as_str(), |(first, _)| first);
            let meaning = meaning.trim().trim_end_matches('.').replace('|', "\\|");
            found.push(Bound { about: about.clone(), meaning, name, value });
            item.clear();
            doc.clear();
        }
    }
    assert_eq!(found.len(), source.matches("\npub const ").count());
    found
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

fn time(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        format!("{} s", millis / 1000)
    } else {
        format!("{millis} ms")
    }
}

fn shown(bound: &Bound) -> String {
    match bound.value {
        Value::Millis(millis) => time(millis),
        Value::Range(from, to) => format!("{} to {}", time(from), time(to)),
        Value::Within(within, count) => format!("{}, {count}", time(within)),
        Value::Budget(burst, every, 0) => format!("{burst}, then one every {}", time(every)),
        Value::Budget(burst, every, gap) => {
            format!("{burst}, then one every {}; {} apart", time(every), time(gap))
        }
        Value::Count(count) if bound.name.contains("BYTES") => match count {
            _ if count.is_multiple_of(1024 * 1024) => format!("{} MiB", count / 1024 / 1024),
            _ if count.is_multiple_of(1024) => format!("{} KiB", count / 1024),
            _ => format!("{} bytes", grouped(count)),
        },
        Value::Count(count) => grouped(count),
    }
}

fn table(bounds: &[Bound]) -> String {
    let row = |bound: &Bound| {
        let Bound { about, meaning, name, .. } = bound;
        format!("| {about} | {meaning} | {} | `{name}` |\n", shown(bound))
    };
    let rows: String = bounds.iter().map(row).collect();
    format!("| about | bound | value | constant |\n|---|---|---|---|\n{rows}")
}

/// P310: a bound that changes, or a new one, is in the table.
#[test]
fn every_bound_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bounds = bounds(&source());
    assert!(bounds.len() > 100);
    let page = root.join("docs/security-model.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = table(&bounds);
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        fs::write(&page, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(found, expected, "COUNTERSIGN_BLESS=1 writes it");
}

/// The parser reads what is there: a few of the constants, as the program has them.
#[test]
fn the_values_are_those_of_the_program() {
    use countersign::limits;
    let bounds = bounds(&source());
    let of = |name: &str| bounds.iter().find(|bound| bound.name == name).unwrap().value;
    let count = |count: usize| Value::Count(count.try_into().unwrap());
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap();
    assert_eq!(of("MAX_CHECK_REQUEST_BYTES"), count(limits::MAX_CHECK_REQUEST_BYTES));
    assert_eq!(of("MAX_REQUEST_STEPS"), count(limits::MAX_REQUEST_STEPS));
    assert_eq!(of("STORE_POLL"), Value::Millis(millis(limits::STORE_POLL)));
    let (from, to) = limits::STORE_RECONNECT;
    assert_eq!(of("STORE_RECONNECT"), Value::Range(millis(from), millis(to)));
}
