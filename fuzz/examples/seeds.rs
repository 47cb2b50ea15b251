//! Writes the seeds of every target to `fuzz/corpus`, where `cargo fuzz run` looks for them.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for target in &bodies::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
    }
    Ok(())
}
