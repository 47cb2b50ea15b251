//! Exploring a model, and walks through it that the real program repeats.

use std::fmt::Write as _;
use std::hash::Hash;

use stateright::{Checker, Model};

/// A model whose walks the real program repeats.
pub trait Traced: Model {
    /// The settings of the model, for the program to be set up alike.
    fn scene(&self) -> String;
    /// A step, in words.
    fn step(action: &Self::Action) -> String;
    /// The view of a state from outside.
    fn sight(&self, state: &Self::State) -> String;
}

/// The result of an exploration.
#[derive(Debug)]
pub struct Explored {
    /// How many different states there are.
    pub states: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// The properties that do not hold, with the steps that lead to a state where they do not; and those that should hold in some
    /// state and hold in none.
    pub broken: Vec<(&'static str, Vec<String>)>,
}

/// Explores every state of `model`, breadth first, so that a counterexample is a shortest one.
pub fn explore<M>(model: M) -> Explored
where
    M: Traced + Send + Sync + 'static,
    M::State: Send + Sync + Hash + Clone + std::fmt::Debug + PartialEq,
    M::Action: Send + Sync + Clone + PartialEq,
{
    let names: Vec<_> = model.properties().into_iter().map(|property| (property.name, property.expectation)).collect();
    let checker = model.checker().spawn_bfs().join();
    let mut broken = Vec::new();
    for (name, expectation) in names {
        let path = checker.discovery(name);
        let steps = |path: stateright::Path<M::State, M::Action>| path.into_actions().iter().map(M::step).collect();
        match (expectation, path) {
            (stateright::Expectation::Sometimes, None) => broken.push((name, Vec::new())),
            (stateright::Expectation::Always | stateright::Expectation::Eventually, Some(path)) => {
                broken.push((name, steps(path)));
            }
            (stateright::Expectation::Sometimes, Some(_)) => {}
            (stateright::Expectation::Always | stateright::Expectation::Eventually, None) => {}
        }
    }
    Explored { states: checker.unique_state_count(), depth: checker.max_depth(), broken }
}

/// Walks through `model`, one a line, in JSON: the scene, then steps with what is seen after each.
///
/// `count` walks of `length` steps, chosen by a generator that begins with `seed`.
pub fn walks<M: Traced>(model: &M, seed: u64, count: usize, length: usize) -> String
where
    M::State: Clone,
    M::Action: Clone,
{
    let mut chance = Chance(seed);
    let mut text = String::new();
    for _ in 0..count {
        let walk = walk(model, &mut chance, length);
        let steps: Vec<_> = walk.iter().map(|(step, sight)| format!("[\"{step}\",\"{sight}\"]")).collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{{\"scene\":\"{}\",\"steps\":[{}]}}", model.scene(), steps.join(","));
    }
    text
}

fn walk<M: Traced>(model: &M, chance: &mut Chance, length: usize) -> Vec<(String, String)>
where
    M::State: Clone,
    M::Action: Clone,
{
    let mut walk = Vec::new();
    let Some(mut state) = model.init_states().into_iter().next() else { return walk };
    for _ in 0..length {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let Some(action) = chance.one_of(&actions).cloned() else { break };
        let Some(next) = model.next_state(&state, action.clone()) else { continue };
        walk.push((M::step(&action), model.sight(&next)));
        state = next;
    }
    walk
}

/// A generator of numbers (xorshift64*), so that a seed gives the same walks everywhere.
struct Chance(u64);

impl Chance {
    fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        of.get(usize::try_from(number).ok()?.checked_rem(of.len())?)
    }
}
