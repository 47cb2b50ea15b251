//! Puts every case of a world to both, and compares.

use countersign_oracle::suite::Case;
use serde_json::Value;

use crate::answer::{Answer, Difference};
use crate::coverage::Coverage;
use crate::oracle;
use crate::program::Program;
use crate::world::World;

/// A case that the two answer differently.
pub struct Found {
    /// The suite.
    pub suite: String,
    /// The case.
    pub case: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// What became of the cases of a world.
#[derive(Default)]
pub struct Compared {
    /// How many were compared.
    pub cases: u64,
    /// What the oracle does not decide, by name.
    pub outside: Vec<String>,
    /// Those that differ.
    pub found: Vec<Found>,
    /// What was reached.
    pub coverage: Coverage,
}

/// Compares every case.
///
/// # Errors
/// The problems of documents that do not compile.
pub fn compare(world: &World) -> Result<Compared, Vec<String>> {
    let text = world.text();
    let program = Program::of(&text)?;
    let mut compared = Compared::default();
    let visit = |case: &Case| compared.add(case, program.answer(&case.suite, &case.name));
    oracle::each(&text, visit).map_err(|outside| vec![format!("the oracle cannot read the documents: {outside}")])?;
    Ok(compared)
}

/// What differs in a world with one case.
pub fn differences(world: &World) -> Vec<Difference> {
    let compared = compare(world).unwrap_or_default();
    compared.found.into_iter().flat_map(|found| found.differences).collect()
}

impl Compared {
    fn add(&mut self, case: &Case, program: Option<Answer>) {
        let Some(program) = program else {
            self.outside.push("a request that the suite does not take".to_owned());
            return;
        };
        let oracle = match oracle::answer(case) {
            Ok(answer) => answer,
            Err(outside) => return self.outside.push(outside),
        };
        self.cases += 1;
        self.coverage.add(case, &oracle);
        let differences = program.differences(&oracle);
        if !differences.is_empty() {
            self.found.push(Found { suite: case.suite.clone(), case: case.name.clone(), differences });
        }
    }
}

/// The world with this case alone, and with the peer and token that it names.
pub fn alone(world: &World, found: &Found) -> World {
    let is = |value: &Value, name: &str| value.as_str() == Some(name);
    let mut suites = world.suites.clone();
    suites.retain(|suite| is(&suite["metadata"]["name"], &found.suite));
    for suite in &mut suites {
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
    World { suites, documents: world.documents.clone() }
}
