//! Patterns within others: one ID of each length stands for all that a pattern matches.

use super::id::SpiffeId;
use super::pattern::SpiffePattern;

/// A segment that no document has.
const OTHER: &str = "who-can-other";

impl SpiffePattern {
    /// The IDs that stand for everything that it matches beside `others`: one of each length where it ends in `**`.
    pub fn instances(&self, others: &[Self]) -> Vec<SpiffeId> {
        let segments = |pattern: &Self| pattern.as_str().matches('/').count();
        let longest = others.iter().map(segments).max().unwrap_or_default();
        let text = self.as_str();
        let texts: Vec<String> = match text.strip_suffix("/**") {
            Some(begin) => {
                let of = |count: usize| format!("{begin}{}", format!("/{OTHER}").repeat(count));
                (1..=longest.saturating_add(1)).map(of).collect()
            }
            None => vec![text.to_owned()],
        };
        let named = texts.iter().map(|text| {
            let segments = text.split('/').map(|own| if own == "*" { OTHER } else { own });
            segments.collect::<Vec<_>>().join("/")
        });
        named.filter_map(|text| text.parse().ok()).collect()
    }

    /// True if every ID that it matches is matched by one of `others`. An ID of segments that occur nowhere else is matched by wildcards
    /// alone, so that one of each length stands for all.
    pub fn is_within(&self, others: &[Self]) -> bool {
        self.instances(others).iter().all(|id| others.iter().any(|other| other.matches(id)))
    }
}
