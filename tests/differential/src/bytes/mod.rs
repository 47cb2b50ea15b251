//! The tier that begins with Envoy's bytes: certificates, XFCC, tokens and proofs as a proxy sends them, at moments around every edge,
//! with caches cold and warm.

pub mod asks;
mod credentials;
pub mod documents;
mod every_key;
pub mod judge;
pub mod pool;
pub mod program;
mod providers;
mod reached;
pub mod tokens;
pub mod wire;

use base64::Engine as _;
use serde_json::{Value, json};

use self::documents::Frame;
use crate::answer::Answer;
use crate::compare::{Compared, Found};
use crate::random::Random;
use crate::run::Tier;

/// The id of every decision here.
const NO_ID: &str = "00000000000000000000000000000000";

/// How many requests a world has; each is asked at four moments.
const REQUESTS: usize = 30;

/// The tier.
pub const BYTES: Tier = Tier { name: "bytes", world: world_of, compare, alone, text, table: reached::table, faults: reached::faults };

/// The world of a seed.
fn world_of(seed: u64) -> Value {
    let mut random = Random::of(seed);
    let frame = Frame::of(&mut random);
    let documents = documents::documents(&mut random, &frame);
    let settings = documents::settings(&mut random);
    let mut asks: Vec<Value> =
        (0..REQUESTS).flat_map(|number| asks::asks(&mut random, number, frame.once, &settings, &documents)).collect();
    // A credential that is good for one request is asked in the order of time, as a store forgets.
    if frame.once {
        asks.sort_by_key(|ask| ask["at"].as_i64());
    }
    let mut world = json!({ "once": frame.once, "settings": settings, "documents": documents, "asks": asks });
    if random.percent(40) {
        world["then"] = json!(documents::changed(&mut random, &frame, &documents));
    }
    world
}

/// The documents as YAML, with fingerprints filled in.
pub fn yaml(documents: &Value) -> String {
    let documents = documents.as_array().into_iter().flatten();
    documents.map(|document| format!("---\n{}\n", filled(document))).collect()
}

/// The value with fingerprints in the place of names: `@sha256:CERTIFICATE`, `@base64:..`, `@spki:..`, `@base64-spki:..`; and moments in
/// the place of seconds from now: `@time:-60`.
pub fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@').and_then(|text| text.split_once(':')) {
            Some(("time", seconds)) => time(seconds.parse().unwrap_or_default()).into(),
            Some((kind, name)) => pool::certificate(name).map(|own| fingerprint(kind, &own)).into(),
            None => value.clone(),
        },
        Value::Array(list) => list.iter().map(filled).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
        other => other.clone(),
    }
}

/// RFC 3339, so many seconds from now.
fn time(seconds: i64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(pool::now() + seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    moment.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn fingerprint(kind: &str, own: &pool::Certificate) -> String {
    let bytes = if kind.ends_with("spki") { own.spki() } else { own.sha256() };
    match kind.starts_with("base64") {
        true => base64::engine::general_purpose::STANDARD.encode(bytes),
        false => bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
    }
}

/// Asks everything twice, with caches that are cold at first, and again in another order; then once more where the documents change.
fn compare(world: &Value) -> Result<Compared, Vec<String>> {
    tokens::forget();
    let documents = yaml(&world["documents"]);
    let mut program = program::Program::of(&documents, &world["settings"])?;
    let mut judge = judge::Judge::of(&documents, &world["settings"]).map_err(|outside| vec![outside])?;
    let asks = world["asks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let prepared: Vec<Asked> = asks.iter().map(|ask| (ask["at"].as_i64().unwrap_or_else(pool::now), wire::request(ask))).collect();
    let judged: Vec<Judgement> = prepared.iter().map(|(at, request)| judge.answer(request, *at)).collect();
    let mut compared = Compared::default();
    let written = ["documents", "then"].into_iter().flat_map(|part| world[part].as_array().into_iter().flatten());
    compared.coverage.write(written);
    let order: Vec<usize> = (0..prepared.len()).collect();
    round("cold", &order, &program, (&prepared, &judged), &mut compared);
    let mut again = order.clone();
    if world["once"] != false {
        program.restart()?;
    } else {
        again.reverse();
    }
    round("warm", &again, &program, (&prepared, &judged), &mut compared);
    if !world["then"].is_null() {
        let documents = yaml(&world["then"]);
        program.reload(&documents)?;
        let mut judge = judge.after(&documents).map_err(|outside| vec![outside])?;
        let judged: Vec<Judgement> = prepared.iter().map(|(at, request)| judge.answer(request, *at)).collect();
        round("reloaded", &order, &program, (&prepared, &judged), &mut compared);
    }
    Ok(compared)
}

/// A moment, and the request.
type Asked = (i64, countersign_oracle::Request);

type Judgement = Result<judge::Judged, String>;

fn round(name: &str, order: &[usize], program: &program::Program, cases: (&[Asked], &[Judgement]), compared: &mut Compared) {
    for at in order {
        let (Some((now, request)), Some(oracle)) = (cases.0.get(*at), cases.1.get(*at)) else { continue };
        let program = program.answer(request, *now);
        match oracle {
            Ok(oracle) => {
                reached::count(&mut compared.coverage, oracle);
                compared.add(name, &at.to_string(), &judge::told(program, &oracle.answer), &oracle.answer);
            }
            Err(outside) => compared.outside.push(outside.clone()),
        }
    }
}

/// The world with this request alone, which is asked as often.
fn alone(world: &Value, found: &Found) -> Value {
    let at: usize = found.case.parse().unwrap_or(0);
    let mut world = world.clone();
    world["asks"] = json!([world["asks"][at]]);
    world
}

/// Adds every header that goes upstream, by its name.
fn upstream(lines: &[(String, Vec<u8>)], id: &str, answer: &mut Answer) {
    let mut names: Vec<String> = lines.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let own = lines.iter().filter(|(other, _)| other.eq_ignore_ascii_case(&name));
        let values: Vec<String> = own.map(|(_, line)| String::from_utf8_lossy(line).replace(id, NO_ID)).collect();
        answer.set(format!("upstream {name}"), values.join(" | "));
    }
}

fn text(world: &Value) -> String {
    let mut lines = Vec::new();
    for (name, documents) in [("documents", &world["documents"]), ("then", &world["then"])] {
        lines.extend(documents.is_array().then(|| format!("# {name}")));
        for document in documents.as_array().into_iter().flatten() {
            lines.push(format!("---\n{}", serde_norway::to_string(document).unwrap_or_default().trim_end()));
        }
    }
    lines.push(format!("settings: {}", world["settings"]));
    for ask in world["asks"].as_array().into_iter().flatten() {
        lines.push(format!("asks: {ask}"));
        let request = wire::request(ask);
        lines.extend(request.headers.iter().map(|(name, line)| {
            let line: String = String::from_utf8_lossy(line).chars().take(400).collect();
            format!("    {name}: {line}")
        }));
    }
    lines.join("\n")
}
