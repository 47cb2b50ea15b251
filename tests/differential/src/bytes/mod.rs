//! The tier that begins with Envoy's bytes: certificates, XFCC, tokens and proofs as a proxy sends them, at moments around every edge,
//! with caches cold and warm.

mod asks;
mod documents;
mod judge;
mod pool;
mod program;
mod reached;
mod tokens;
mod wire;

use base64::Engine as _;
use serde_json::{Value, json};

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
    // A credential that is good for one request is asked in the order of time, as a store forgets.
    let once = random.percent(25);
    let documents = documents::documents(&mut random, once);
    let settings = documents::settings(&mut random);
    let mut asks: Vec<Value> = (0..REQUESTS).flat_map(|number| asks::asks(&mut random, number, once, &settings)).collect();
    if once {
        asks.sort_by_key(|ask| ask["at"].as_i64());
    }
    json!({ "once": once, "settings": settings, "documents": documents, "asks": asks })
}

/// The documents as YAML, with fingerprints filled in.
fn yaml(world: &Value) -> String {
    let documents = world["documents"].as_array().into_iter().flatten();
    documents.map(|document| format!("---\n{}\n", filled(document))).collect()
}

/// The value with fingerprints in the place of names: `@sha256:CERTIFICATE`, `@base64:..`, `@spki:..`, `@base64-spki:..`.
fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@').and_then(|text| text.split_once(':')) {
            Some((kind, name)) => pool::certificate(name).map(|own| fingerprint(kind, &own)).into(),
            None => value.clone(),
        },
        Value::Array(list) => list.iter().map(filled).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
        other => other.clone(),
    }
}

fn fingerprint(kind: &str, own: &pool::Certificate) -> String {
    let bytes = if kind.ends_with("spki") { own.spki() } else { own.sha256() };
    match kind.starts_with("base64") {
        true => base64::engine::general_purpose::STANDARD.encode(bytes),
        false => bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
    }
}

/// Asks everything twice: with caches that are cold at first, and again in another order.
fn compare(world: &Value) -> Result<Compared, Vec<String>> {
    tokens::forget();
    let documents = yaml(world);
    let mut program = program::Program::of(&documents, &world["settings"])?;
    let mut judge = judge::Judge::of(&documents, &world["settings"]).map_err(|outside| vec![outside])?;
    let once = world["once"] != false;
    let mut compared = Compared::default();
    let asks = world["asks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let prepared: Vec<_> = asks.iter().map(|ask| (ask["at"].as_i64().unwrap_or(pool::NOW), wire::request(ask))).collect();
    let judged: Vec<_> = prepared.iter().map(|(at, request)| judge.answer(request, *at)).collect();
    for round in 0..2 {
        let mut order: Vec<usize> = (0..prepared.len()).collect();
        if round == 1 && once {
            program.restart()?;
        } else if round == 1 {
            order.reverse();
        }
        for at in order {
            let (Some((now, request)), Some(oracle)) = (prepared.get(at), judged.get(at)) else { continue };
            let program = program.answer(request, *now);
            match oracle {
                Ok(oracle) => {
                    reached::count(&mut compared.coverage, oracle);
                    compared.add(&round.to_string(), &at.to_string(), &judge::told(program, &oracle.answer), &oracle.answer);
                }
                Err(outside) => compared.outside.push(outside.clone()),
            }
        }
    }
    Ok(compared)
}

/// The world with this request alone, which is asked twice.
fn alone(world: &Value, found: &Found) -> Value {
    let at: usize = found.case.parse().unwrap_or(0);
    let mut world = world.clone();
    world["asks"] = json!([world["asks"][at]]);
    world
}

/// What goes upstream: every header by its name.
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
    for document in world["documents"].as_array().into_iter().flatten() {
        lines.push(format!("---\n{}", serde_norway::to_string(document).unwrap_or_default().trim_end()));
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
