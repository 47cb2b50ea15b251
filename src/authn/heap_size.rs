//! An estimate of the memory that a claims set takes, for caches that count bytes.

use serde_json::{Map, Value};

/// The average overhead of an allocation.
pub(super) const ALLOCATION_OVERHEAD: usize = 8;

/// The number of members that a node of the map has room for.
const NODE_SLOTS: usize = 11;

/// The heap of a map: nodes with room for several members each, and what the members hold.
pub(super) fn members(map: &Map<String, Value>) -> usize {
    let slot = size_of::<(String, Value)>();
    let nodes = map.len().div_ceil(NODE_SLOTS).saturating_mul(slot.saturating_mul(NODE_SLOTS));
    map.iter().fold(nodes, |sum, (name, value)| {
        sum.saturating_add(text(name.len())).saturating_add(heap(value))
    })
}

fn heap(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(string) => text(string.len()),
        Value::Array(items) => {
            let own = items.capacity().saturating_mul(size_of::<Value>());
            items.iter().fold(own, |sum, item| sum.saturating_add(heap(item)))
        }
        Value::Object(map) => members(map),
    }
}

pub(super) const fn text(bytes: usize) -> usize {
    bytes.saturating_add(ALLOCATION_OVERHEAD)
}
