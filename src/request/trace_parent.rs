//! The caller's place in a trace: W3C Trace Context level 1, section 3.2.

use super::Headers;

/// The span of the request, as its `traceparent` header says. It is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Names the trace; not zero.
    pub trace_id: [u8; 16],
    /// Names the span; not zero.
    pub span_id: [u8; 8],
    /// True if the caller wants the trace to be kept.
    pub sampled: bool,
}

impl TraceParent {
    /// The one in `headers`. A header that breaks the format, or that is there twice, counts as absent.
    pub fn of(headers: &Headers) -> Option<Self> {
        let text = headers.single("traceparent").ok()??;
        let (own, more) = text.trim_ascii().as_bytes().split_first_chunk::<55>()?;
        let [a, b, b'-', ids @ .., b'-', c, d] = own else { return None };
        let (trace_id, span_id) = ids.split_first_chunk::<32>()?;
        let ([version], [flags]) = (bytes(&[*a, *b])?, bytes(&[*c, *d])?);
        let (trace_id, span_id) = (bytes(trace_id)?, bytes(span_id.strip_prefix(b"-")?)?);
        // Later versions may have more fields, the first one may not.
        let may_have_more = version != 0 && more.starts_with(b"-");
        if version == 0xff || !(more.is_empty() || may_have_more) {
            return None;
        }
        let parent = Self { trace_id, span_id, sampled: flags & 1 == 1 };
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(parent)
    }
}

/// The `N` bytes that `text` writes in lower-case hexadecimal.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HeaderValue;

    fn parent_of(lines: &[&str]) -> Option<TraceParent> {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("traceparent", HeaderValue::new(line.as_bytes().to_vec()));
        }
        TraceParent::of(&headers)
    }

    #[test]
    fn only_well_formed_parents_are_taken() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        let good = format!("00-{trace}-{span}-01");
        let parent = parent_of(&[&good]).unwrap();
        assert_eq!((parent.trace_id[0], parent.trace_id[15]), (0x0a, 0x9c));
        assert_eq!((parent.span_id[0], parent.sampled), (0xb7, true));
        assert!(!parent_of(&[&format!("00-{trace}-{span}-00")]).unwrap().sampled);
        assert!(parent_of(&[&format!("01-{trace}-{span}-01-later")]).is_some(), "a later version");
        assert_eq!(parent_of(&[]), None);
        assert_eq!(parent_of(&[&good, &good]), None, "which of them?");
        for text in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}x-{span}-01"),
            format!("00-{span}-{trace}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(parent_of(&[&text]), None, "{text}");
        }
    }
}
