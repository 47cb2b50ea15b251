//! Walks through the models in `tests/models`, which the program repeats step by step (`docs/models.md`).

use std::time::Duration;

use serde::Deserialize;

/// The program in the place of a model.
pub(crate) trait Replayed {
    /// The beginning that `scene` names.
    fn begin(scene: &str) -> Self;

    /// Takes a step, and waits until everything has come to rest.
    async fn step(&mut self, step: &str);

    /// The same observations as the model's.
    fn observation(&self) -> String;
}

#[derive(Deserialize)]
struct Walk {
    scene: String,
    /// Steps, with what is seen after each.
    steps: Vec<(String, String)>,
}

/// Repeats the walks in `tests/data/walks/NAME.jsonl`, and compares what is seen after each step. Gives the number of steps.
pub(crate) async fn repeat<R: Replayed>(name: &str) -> usize {
    let path = format!("{}/tests/data/walks/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let walks = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for walk in walks.lines().map(|line| serde_json::from_str::<Walk>(line).unwrap()) {
        take::<R>(&walk.scene, &walk.steps).await;
        count += walk.steps.len();
    }
    count
}

/// Takes `steps`, and compares what is seen after each.
pub(crate) async fn take<R: Replayed>(scene: &str, steps: &[(impl AsRef<str>, impl AsRef<str>)]) {
    let mut replayed = R::begin(scene);
    settle().await;
    for (place, (step, seen)) in steps.iter().enumerate() {
        replayed.step(step.as_ref()).await;
        let way = || steps[..=place].iter().map(|(step, _)| step.as_ref()).collect::<Vec<_>>();
        assert_eq!(replayed.observation(), seen.as_ref(), "{scene}: {:?}", way());
    }
}

/// Lets every task run until it waits. The clock is paused.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
