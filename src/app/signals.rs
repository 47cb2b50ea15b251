//! Rules that ask for signals about tokens, beside the settings that have them looked for.

use super::error::StartError;
use crate::config::Config;
use crate::pdp::Snapshot;

/// True if the settings have signals looked for, where rules ask for some.
///
/// # Errors
/// They do not.
pub fn judge_signals(config: &Config, snapshot: &Snapshot) -> Result<(), StartError> {
    if config.anomalies.is_some() || !snapshot.policies().asks_for_signals() {
        return Ok(());
    }
    let why = "rules ask for signals about tokens (`token.signals`), and the settings look for none: set `anomalies: {}`";
    Err(StartError::Settings(why.to_owned()))
}
