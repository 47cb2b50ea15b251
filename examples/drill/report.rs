//! A row for each drill.

use crate::drills::{Drill, Figures};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One JSON object in a line.
    Json,
}

/// Prints what came of `drill`; whether its promise was kept.
pub(crate) fn row(drill: &Drill, figures: &Figures, format: Format, first: bool) -> bool {
    let broken = figures.broken(drill);
    let Figures { sent, failed, p50, p99, longest, memory_kib, descriptors, did, .. } = figures;
    match format {
        Format::Table => {
            if first {
                println!(
                    "| drill | attempts | requests | failed | p50 | p99 | longest | memory | descriptors | |"
                );
                println!("|---|---|---|---|---|---|---|---|---|---|");
            }
            println!(
                "| {} | {did} | {sent} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {} MiB | {descriptors} | {} |",
                drill.name,
                failed.len(),
                millis(*p50),
                millis(*p99),
                millis(*longest),
                memory_kib / 1024,
                broken.as_deref().unwrap_or("kept"),
            );
        }
        Format::Json => {
            let row = serde_json::json!({
                "drill": drill.name,
                "promise": drill.promise,
                "attempts": did,
                "requests": sent,
                "failed": failed,
                "p50_ms": millis(*p50),
                "p99_ms": millis(*p99),
                "longest_ms": millis(*longest),
                "memory_kib": memory_kib,
                "descriptors": descriptors,
                "broken": broken,
            });
            println!("{row}");
        }
    }
    broken.is_none()
}

fn millis(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
