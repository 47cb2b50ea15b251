//! Plots for the documentation.

use std::path::Path;

use plotters::prelude::*;

/// A cost that depends on a count.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// Counts, and the cost relative to that of the first.
    pub(crate) points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (900, 460);
const COLUMNS: usize = 3;
/// The top of the scale, where no curve is higher.
const HIGHEST: f64 = 2.0;

/// Draws each curve in a square of its own, all with the same scale of costs.
pub(crate) fn curves(path: &Path, curves: &[Curve]) {
    draw(path, curves).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn draw(path: &Path, curves: &[Curve]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let highest = curves.iter().flat_map(|curve| &curve.points).map(|(_, cost)| *cost);
    let highest = highest.fold(HIGHEST, f64::max) * 1.05;
    let squares = root.split_evenly((curves.len().div_ceil(COLUMNS), COLUMNS));
    for (curve, square) in curves.iter().zip(&squares) {
        let last = curve.points.last().map_or(1.0, |(count, _)| *count);
        let mut chart = ChartBuilder::on(square)
            .caption(format!("CPU by {}", curve.name), ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(34)
            .build_cartesian_2d((1.0..last.max(2.0)).log_scale(), 0.0..highest)?;
        chart
            .configure_mesh()
            .x_labels(4)
            .y_labels(5)
            .x_label_formatter(&|count| short(*count))
            .light_line_style(TRANSPARENT)
            .draw()?;
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), BLUE.stroke_width(2)))?;
        chart
            .draw_series(curve.points.iter().map(|point| Circle::new(*point, 3, BLUE.filled())))?;
    }
    root.present()?;
    Ok(())
}

/// 1k for 1,000.
fn short(count: f64) -> String {
    match count {
        count if count >= 1e6 => format!("{:.0}M", count / 1e6),
        count if count >= 1e3 => format!("{:.0}k", count / 1e3),
        count => format!("{count:.0}"),
    }
}
