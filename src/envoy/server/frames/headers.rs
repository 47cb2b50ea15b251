//! The compressed headers of a call (RFC 7541), walked through without being read: where the value of `:authority` is.
//!
//! A value keeps its length in bytes, so the table that both sides keep of headers that came before stays the same: a value
//! that was Huffman-coded counts for less there than the sender thinks, and nothing leaves the table before the sender
//! takes it for gone.

/// The position of the walk.
#[derive(Clone, Copy, Debug, Default)]
enum HeaderPlace {
    /// Before a field.
    #[default]
    Field,
    /// In a number that nothing depends on.
    Number,
    /// In the number of a field's name, which is not that of `:authority`.
    NameNumber,
    /// Before the length of a name.
    NameLength,
    /// Before the length of a value.
    ValueLength,
    /// In the length of a text, so far.
    Length { length: usize, shift: u32 },
    /// In a text, with so many bytes to come.
    Text(usize),
    /// The rest is not understood: the library refuses it.
    Lost,
}

/// The block of headers of one call.
#[derive(Debug, Default)]
pub(super) struct HeaderBlock {
    place: HeaderPlace,
    /// The text is a name, and a value follows.
    in_name: bool,
    /// The value is that of `:authority`.
    authority: bool,
}

/// The number of `:authority` in the static table (RFC 7541 appendix A). Encoders look there first.
const AUTHORITY: u8 = 1;

/// A byte that an authority of a URI may consist of.
const LETTER: u8 = b'a';

/// The flag of a Huffman-coded text, and the longest length beside it (RFC 7541 section 5.2).
const HUFFMAN: u8 = 0x80;
const LENGTH: u8 = 0x7f;

impl HeaderBlock {
    /// Overwrites the value of `:authority`, or what is here of it.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(bytes) = bytes.get_mut(at..).filter(|bytes| !bytes.is_empty()) {
            let taken = if let HeaderPlace::Text(left) = self.place {
                let taken = left.min(bytes.len());
                if self.authority && !self.in_name {
                    bytes.get_mut(..taken).unwrap_or_default().fill(LETTER);
                }
                self.text(left.saturating_sub(taken));
                taken
            } else {
                bytes.first_mut().map_or(1, |byte| {
                    self.step(byte);
                    1
                })
            };
            at = at.saturating_add(taken);
        }
    }

    fn step(&mut self, byte: &mut u8) {
        let more = *byte & 0x80 != 0;
        self.place = match self.place {
            HeaderPlace::Field => self.field(*byte),
            HeaderPlace::Number if more => HeaderPlace::Number,
            HeaderPlace::Number => HeaderPlace::Field,
            HeaderPlace::NameNumber if more => HeaderPlace::NameNumber,
            HeaderPlace::NameNumber => HeaderPlace::ValueLength,
            HeaderPlace::NameLength => {
                self.in_name = true;
                return self.length(*byte & LENGTH);
            }
            HeaderPlace::ValueLength => {
                self.in_name = false;
                if self.authority {
                    *byte &= !HUFFMAN;
                }
                return self.length(*byte & LENGTH);
            }
            // No length of a header needs more than four bytes.
            HeaderPlace::Length { shift, .. } if shift > 21 => HeaderPlace::Lost,
            HeaderPlace::Length { length, shift } => {
                let part = usize::from(*byte & 0x7f) << shift;
                let length = length.saturating_add(part);
                if !more {
                    return self.text(length);
                }
                HeaderPlace::Length { length, shift: shift.saturating_add(7) }
            }
            HeaderPlace::Lost | HeaderPlace::Text(_) => HeaderPlace::Lost,
        };
    }

    /// The first byte of a field (RFC 7541 section 6).
    fn field(&mut self, byte: u8) -> HeaderPlace {
        let (mask, literal) = match byte {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        let number = byte & mask;
        self.authority = literal && number == AUTHORITY;
        match (literal, number) {
            (true, 0) => HeaderPlace::NameLength,
            (true, number) if number == mask => HeaderPlace::NameNumber,
            (true, _) => HeaderPlace::ValueLength,
            (false, number) if number == mask => HeaderPlace::Number,
            (false, _) => HeaderPlace::Field,
        }
    }

    fn length(&mut self, length: u8) {
        if length == LENGTH {
            self.place = HeaderPlace::Length { length: length.into(), shift: 0 };
        } else {
            self.text(length.into());
        }
    }

    /// So much of a text is to come.
    const fn text(&mut self, left: usize) {
        self.place = match (left, self.in_name) {
            (0, true) => HeaderPlace::ValueLength,
            (0, false) => HeaderPlace::Field,
            (left, _) => HeaderPlace::Text(left),
        };
    }
}
