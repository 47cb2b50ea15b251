//! Protobuf, written field by field: an answer is a dozen short texts, and a message object for each would be a dozen
//! allocations.

use prost::encoding::{WireType, encode_key, encode_varint};

/// Most bytes of a varint.
const MAX_VARINT: usize = 10;

/// The wire type of texts and messages, in the lowest bits of a key.
const LENGTH_DELIMITED: u8 = 2;

/// A message that is being written at the end of a buffer.
pub(super) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    /// A text or an element of a list of texts.
    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.key_of_bytes(field, text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Fields that `write` writes as they are.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.0);
    }

    /// The key and the length of what is as long as `bytes`: one byte each where both are small, as most are.
    fn key_of_bytes(&mut self, field: u32, bytes: usize) {
        match (u8::try_from(field), u8::try_from(bytes)) {
            (Ok(field @ 0..16), Ok(short @ 0..0x80)) => {
                self.0.extend_from_slice(&[field << 3 | LENGTH_DELIMITED, short]);
            }
            _ => {
                encode_key(field, WireType::LengthDelimited, self.0);
                encode_varint(length(bytes), self.0);
            }
        }
    }

    /// A whole number, an enum or a truth value.
    pub(super) fn number(&mut self, field: u32, number: u64) {
        encode_key(field, WireType::Varint, self.0);
        encode_varint(number, self.0);
    }

    pub(super) fn double(&mut self, field: u32, number: f64) {
        encode_key(field, WireType::SixtyFourBit, self.0);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A message within this one, or an element of a list of messages, of what `write` writes.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Writer<'_>)) {
        // Most are shorter than 128 bytes; the rest moves by a byte or two.
        self.key_of_bytes(field, 0);
        let start = self.0.len().saturating_sub(1);
        write(&mut Writer(self.0));
        let written = self.0.len().saturating_sub(start.saturating_add(1));
        if let (Ok(short @ 0..=0x7f), Some(place)) = (u8::try_from(written), self.0.get_mut(start))
        {
            *place = short;
            return;
        }
        let mut digits = [0; MAX_VARINT];
        let mut free = digits.as_mut_slice();
        encode_varint(length(written), &mut free);
        let used = MAX_VARINT.saturating_sub(free.len());
        self.0.splice(start..=start, digits.into_iter().take(used));
    }

    /// An entry of a map of `google.protobuf.Struct`.
    pub(super) fn entry(&mut self, name: &str, value: impl FnOnce(&mut Writer<'_>)) {
        self.message(1, |entry| {
            entry.text(1, name);
            entry.message(2, value);
        });
    }

    /// A `google.protobuf.Value` that is a text, as an entry.
    pub(super) fn text_entry(&mut self, name: &str, text: &str) {
        self.entry(name, |value| value.text(3, text));
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
