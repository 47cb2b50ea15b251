//! Makes a difference small: whatever can go while the same part of the answer still differs, goes.

use serde_json::Value;

use crate::answer::Difference;
use crate::compare::Found;
use crate::run::Tier;

/// One step from a value to a part of it.
#[derive(Clone, Debug)]
enum Step {
    Member(String),
    Element(usize),
}

/// The world with one case alone where the difference needs no other, made as small as it gets, and what differs there.
pub fn shrink(tier: &Tier, world: &Value, found: &Found, wanted: &str) -> (Value, Vec<Difference>) {
    let still = |world: &Value| {
        let compared = (tier.compare)(world).unwrap_or_default();
        let found: Vec<Difference> = compared.found.into_iter().flat_map(|found| found.differences).collect();
        found.iter().any(|difference| difference.signature() == wanted).then_some(found)
    };
    let alone = (tier.alone)(world, found);
    let (mut whole, mut found) = match still(&alone) {
        Some(found) => (alone, found),
        None => (world.clone(), still(world).unwrap_or_default()),
    };
    loop {
        let (before, mut at) = (whole.clone(), 0);
        while let Some(path) = paths(&whole).get(at) {
            let mut smaller = whole.clone();
            remove(&mut smaller, path);
            match still(&smaller) {
                Some(less) => (whole, found) = (smaller, less),
                None => at += 1,
            }
        }
        if whole == before {
            return (whole, found);
        }
    }
}

/// The paths to everything in a value, what holds others before them.
fn paths(value: &Value) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    collect(value, &mut Vec::new(), &mut all);
    all.sort_by_key(Vec::len);
    all
}

fn collect(value: &Value, here: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    let inner: Vec<(Step, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (Step::Member(name.clone()), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(at, value)| (Step::Element(at), value)).collect(),
        _ => return,
    };
    for (step, value) in inner {
        here.push(step);
        all.push(here.clone());
        collect(value, here, all);
        here.pop();
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    match (path, value) {
        ([Step::Member(name)], Value::Object(members)) => drop(members.remove(name)),
        ([Step::Element(at)], Value::Array(elements)) => drop(elements.remove(*at)),
        ([Step::Member(name), rest @ ..], Value::Object(members)) => {
            if let Some(inner) = members.get_mut(name) {
                remove(inner, rest);
            }
        }
        ([Step::Element(at), rest @ ..], Value::Array(elements)) => {
            if let Some(inner) = elements.get_mut(*at) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}
