//! Small, deterministic damage: the same seeds give the same mutations on every machine.

/// An endless row of damaged copies of some seeds.
pub struct Mutations<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
}

/// Pieces that mean something to one of the parsers.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\\"",
    b";URI=",
    b",Hash=",
    b"=",
    b"%00",
    b"\0",
    b"{",
    b"\":",
    b"null",
    b"1e999",
    b".",
    b"-1",
    b"\x30\x80",
    b"\xff\x00",
    b"\x84\xff\xff\xff\xff",
];

// === impl Mutations ===

impl<'a> Mutations<'a> {
    /// Mutations of `seeds`.
    pub const fn new(seeds: &'a [Vec<u8>]) -> Self {
        Self { seeds, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// A number below `end`, which is not zero (xorshift64).
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 11).unwrap_or(0) % end
    }

    fn seed(&mut self) -> &'a [u8] {
        let at = self.below(self.seeds.len());
        &self.seeds[at]
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            2 => drop(bytes.drain(at.min(end)..end)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let other = self.seed();
                let from = self.below(other.len() + 1);
                let to = (from + self.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.seed().to_vec();
        for _ in 0..=self.below(3) {
            self.damage(&mut bytes);
        }
        Some(bytes)
    }
}
