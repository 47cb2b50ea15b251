//! Values as the YAML parser reads them, where it does: which key a value is of is no guess there, however the document is spelled.

use std::ops::Range;

use granit_parser::{Event, Parser, Span};

use super::lines::{end_of_server, moved, trimmed};
use super::words::{PLAIN_BELOW, holds_credentials, is_among, is_harmless, is_plain};

/// The values and brackets that are looked at in each document: more than people write in one. Behind them lines decide alone.
const MOST_EVENTS: usize = 50_000;

/// A mapping or a list around the place that is read.
struct Around {
    is_mapping: bool,
    /// The key that its values are of: in a mapping the last one that was read, in a list that of the list.
    key: Option<String>,
    /// True if the next scalar of a mapping is a value.
    is_value: bool,
    /// True below the key of a secret.
    is_secret: bool,
}

/// The parts of `text` that are values of keys whose values are not shown. What is no YAML ends the look at its document.
pub(super) fn values(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut start) = (Vec::new(), 0_usize);
    while let Some(document) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let end = document.find("\n---").map_or(document.len(), |at| at.saturating_add(1));
        let own = document.get(..end).unwrap_or_default();
        of_document(own, &mut |part| {
            for line in lines_of(own, part) {
                let from = end_of_server(own, line.start).clamp(line.start, line.end);
                found.extend(trimmed(own, from..line.end).map(|own| moved(&own, start)));
            }
        });
        start = start.saturating_add(end);
    }
    found
}

/// The parts of `part` that stand in one line each.
fn lines_of(text: &str, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = part.start;
    let lines = text.get(part).unwrap_or_default().split_inclusive('\n');
    lines.map(move |line| {
        let own = start..start.saturating_add(line.trim_end_matches(['\n', '\r']).len());
        start = start.saturating_add(line.len());
        own
    })
}

fn of_document(text: &str, hide: &mut impl FnMut(Range<usize>)) {
    let mut around: Vec<Around> = Vec::new();
    for event in Parser::new_from_str(text).take(MOST_EVENTS) {
        let Ok((event, span)) = event else { return };
        match event {
            Event::Scalar(value, ..) => scalar(&mut around, &value, span, hide),
            Event::MappingStart(..) => open(&mut around, true),
            Event::SequenceStart(..) => open(&mut around, false),
            Event::MappingEnd | Event::SequenceEnd => {
                around.pop();
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => drop(step(&mut around)),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | _ => {}
        }
    }
}

/// Notes that a value begins; the key that it is of, and whether it is below that of a secret. None where it is a key itself.
fn step(around: &mut [Around]) -> Option<(Option<String>, bool)> {
    let Some(own) = around.last_mut() else { return Some((None, false)) };
    if own.is_mapping {
        own.is_value = !own.is_value;
        if own.is_value {
            return None;
        }
    }
    let names_one = own.key.as_deref().is_some_and(holds_credentials);
    Some((own.key.clone(), own.is_secret || names_one))
}

fn open(around: &mut Vec<Around>, is_mapping: bool) {
    // A mapping as a key has no name that is known.
    let (key, is_secret) = step(around).unwrap_or((None, true));
    let key = key.filter(|_| !is_mapping);
    around.push(Around { is_mapping, key, is_value: false, is_secret });
}

fn scalar(around: &mut [Around], value: &str, span: Span, hide: &mut impl FnMut(Range<usize>)) {
    let Some((key, is_secret)) = step(around) else {
        if let Some(own) = around.last_mut() {
            own.key = Some(value.to_owned());
        }
        return;
    };
    let key = key.as_deref().unwrap_or_default();
    let is_shown = match is_secret {
        true => is_among(key, PLAIN_BELOW) && is_plain(key, value),
        // Lines know which parts of the last two are shown.
        false => is_harmless(key) || matches!(key, "url" | "headers"),
    };
    if let Some(part) = span.byte_range().filter(|_| !is_shown) {
        hide(part);
    }
}
