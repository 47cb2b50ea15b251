//! Cycles in a graph of files: its strongly connected components (Tarjan 1972).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::modules::Edges;

/// Every set of two or more files that use each other, directly or through others.
pub(super) fn cycles(edges: &Edges) -> Vec<Vec<PathBuf>> {
    let mut search =
        Search { edges, seen: BTreeMap::new(), stack: Vec::new(), found: Vec::new(), next: 0 };
    for file in edges.keys() {
        if !search.seen.contains_key(&**file) {
            search.visit(file);
        }
    }
    search.found
}

struct Search<'a> {
    edges: &'a Edges,
    seen: BTreeMap<&'a Path, Seen>,
    stack: Vec<&'a Path>,
    found: Vec<Vec<PathBuf>>,
    next: usize,
}

struct Seen {
    order: usize,
    on_stack: bool,
}

// === impl Search ===

impl<'a> Search<'a> {
    /// Visits `file`, and says which file visited first can be reached from it.
    fn visit(&mut self, file: &'a Path) -> usize {
        let order = self.next;
        self.next += 1;
        self.seen.insert(file, Seen { order, on_stack: true });
        self.stack.push(file);
        let mut lowest = order;
        for used in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            let reached = match self.seen.get(&**used) {
                None => self.visit(used),
                Some(seen) if seen.on_stack => seen.order,
                Some(_) => continue,
            };
            lowest = lowest.min(reached);
        }
        if lowest == order {
            self.close(file);
        }
        lowest
    }

    fn close(&mut self, first: &Path) {
        let at = self.stack.iter().rposition(|file| *file == first).unwrap();
        let members = self.stack.split_off(at);
        for file in &members {
            if let Some(seen) = self.seen.get_mut(*file) {
                seen.on_stack = false;
            }
        }
        if members.len() > 1 {
            let mut members: Vec<PathBuf> = members.into_iter().map(Path::to_owned).collect();
            members.sort();
            self.found.push(members);
        }
    }
}
