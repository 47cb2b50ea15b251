//! The tier that states identities, as suites do: every key of rules, in combination, at every level of evidence.

use countersign_oracle::suite::Case;
use serde_json::Value;

use crate::answer::Answer;
use crate::compare::{Compared, Found};
use crate::coverage::Coverage;
use crate::oracle;
use crate::program::Program;
use crate::run::Tier;
use crate::world::World;

/// How many cases each of the three suites of a world has.
const CASES: usize = 70;

/// The tier.
pub const STATED: Tier = Tier {
    name: "stated",
    world: |seed| Value::from(&World::of(seed, CASES)),
    compare,
    alone,
    text: |world| {
        let documents = ["documents", "suites"].iter().flat_map(|part| world[part].as_array().into_iter().flatten());
        documents.map(|document| format!("---\n{}", serde_norway::to_string(document).unwrap_or_default())).collect()
    },
    table: Coverage::table,
    faults: Coverage::faults,
};

/// Compares every case.
fn compare(world: &Value) -> Result<Compared, Vec<String>> {
    let world = World::from_value(world).ok_or_else(|| vec!["not a world".to_owned()])?;
    let text = world.text();
    let program = Program::of(&text)?;
    let mut compared = Compared::default();
    compared.coverage.write(&world.all());
    let visit = |case: &Case| add(&mut compared, case, program.answer(&case.suite, &case.name));
    oracle::each(&text, visit).map_err(|outside| vec![format!("the oracle cannot read the documents: {outside}")])?;
    Ok(compared)
}

fn add(compared: &mut Compared, case: &Case, program: Option<Answer>) {
    let Some(program) = program else {
        return compared.outside.push("a request that the suite does not take".to_owned());
    };
    match oracle::answer(case) {
        Ok(oracle) => {
            compared.coverage.add(case, &oracle);
            compared.add(&case.suite, &case.name, &program, &oracle);
        }
        Err(outside) => compared.outside.push(outside),
    }
}

/// The world with this case alone, and with the peer and token that it names.
fn alone(world: &Value, found: &Found) -> Value {
    let is = |value: &Value, name: &str| value.as_str() == Some(name);
    let mut world = world.clone();
    let Some(suites) = world["suites"].as_array_mut() else { return world };
    suites.retain(|suite| is(&suite["metadata"]["name"], &found.group));
    for suite in suites {
        let spec = &mut suite["spec"];
        if let Some(cases) = spec["cases"].as_array_mut() {
            cases.retain(|case| is(&case["name"], &found.case));
        }
        let case = spec["cases"][0].clone();
        for (kind, one) in [("peers", "peer"), ("tokens", "token")] {
            if let Some(named) = spec[kind].as_object_mut() {
                named.retain(|name, _| is(&case[one], name));
            }
        }
    }
    world
}
