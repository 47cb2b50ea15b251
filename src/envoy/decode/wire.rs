//! The part of Envoy's protocol that is read: `proto/countersign/wire/v1/check.proto`.

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, message, skip_field};

pub(super) use self::generated::*;

mod generated {
    #![expect(unreachable_pub, clippy::enum_variant_names, reason = "generated from the protocol")]
    include!(concat!(env!("OUT_DIR"), "/countersign.wire.v1.rs"));
}

/// `HeaderMap`: header lines in the order of arrival, with room for the usual number from the beginning. What is generated would
/// begin with four and move them three times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderLines {
    pub(super) headers: Vec<HeaderValue>,
}

/// Most requests have no more, pseudo-headers included.
const USUAL: usize = 24;

/// The number of the one field.
const HEADERS: u32 = 1;

impl prost::Message for HeaderLines {
    fn encode_raw(&self, out: &mut impl BufMut) {
        message::encode_repeated(HEADERS, &self.headers, out);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        kind: WireType,
        bytes: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != HEADERS {
            return skip_field(kind, tag, bytes, context);
        }
        if self.headers.is_empty() {
            self.headers.reserve_exact(USUAL);
        }
        message::merge_repeated(kind, &mut self.headers, bytes, context)
    }

    fn encoded_len(&self) -> usize {
        message::encoded_len_repeated(HEADERS, &self.headers)
    }

    fn clear(&mut self) {
        self.headers.clear();
    }
}
