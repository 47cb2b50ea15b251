//! Laws of the XFCC parser, against an encoder that writes as Envoy does.

use proptest::prelude::*;

use super::*;
use crate::limits::MAX_XFCC_ELEMENTS;
use crate::request::Text;

/// A certificate as a proxy knows it.
#[derive(Clone, Debug)]
struct Known {
    by: Vec<String>,
    hash: [u8; 32],
    cert: Option<String>,
    chain: Option<String>,
    subject: Option<String>,
    uris: Vec<String>,
    dns: Vec<String>,
}

impl Known {
    /// `By` of each own URI, `Hash` always, then what is configured, in a fixed order; only `Cert`, `Chain` and `Subject`
    /// in quotes; nothing is escaped beyond what the RFC 2253 text and the URL encoding are.
    fn encode(&self) -> String {
        let mut pairs: Vec<String> = self.by.iter().map(|by| format!("By={by}")).collect();
        pairs.push(format!("Hash={}", crate::secret::hex(&self.hash)));
        pairs.extend(self.cert.iter().map(|cert| format!("Cert=\"{cert}\"")));
        pairs.extend(self.chain.iter().map(|chain| format!("Chain=\"{chain}\"")));
        pairs.extend(self.subject.iter().map(|text| format!("Subject=\"{}\"", rfc2253(text))));
        if self.uris.is_empty() {
            pairs.push(String::from("URI="));
        }
        pairs.extend(self.uris.iter().map(|uri| format!("URI={uri}")));
        pairs.extend(self.dns.iter().map(|dns| format!("DNS={dns}")));
        pairs.join(";")
    }
}

/// One attribute with this value.
fn rfc2253(value: &str) -> String {
    let escaped: String = value
        .chars()
        .map(|c| if r#",+"\<>;"#.contains(c) { format!("\\{c}") } else { c.to_string() })
        .collect();
    format!("CN={escaped}")
}

fn known() -> impl Strategy<Value = Known> {
    let uri = "spiffe://[a-z.]{1,9}(/[a-zA-Z0-9._-]{1,9}){0,3}";
    let encoded = "(%[0-9A-F]{2}|[A-Za-z0-9+/-]){1,60}";
    let name = "[a-z0-9]{1,9}(-[a-z0-9]{1,3})?(\\.[a-z]{1,5}){0,2}";
    (
        prop::collection::vec(uri, 0..3),
        any::<[u8; 32]>(),
        prop::option::of(encoded),
        prop::option::of(encoded),
        prop::option::of("[ -~]{0,24}"),
        prop::collection::vec(uri, 0..3),
        prop::collection::vec(name, 0..3),
    )
        .prop_map(|(by, hash, cert, chain, subject, uris, dns)| Known {
            by,
            hash,
            cert,
            chain,
            subject,
            uris,
            dns,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// P32: what Envoy writes is read back as it was, element by element.
    #[test]
    fn reading_undoes_what_envoy_writes(hops in prop::collection::vec(known(), 1..5)) {
        let text = hops.iter().map(Known::encode).collect::<Vec<_>>().join(",");
        let xfcc = Xfcc::parse(&text.as_str().into()).unwrap();
        prop_assert_eq!(xfcc.elements.len(), hops.len());
        prop_assert_eq!(xfcc.unknown_keys, 0);
        for (element, known) in xfcc.elements.iter().zip(&hops) {
            prop_assert_eq!(&element.by, &known.by);
            prop_assert_eq!(element.hash.as_ref().unwrap().as_bytes(), &known.hash);
            let (cert, chain) = element.certificate.as_ref().map_or((None, None), |c| c.encoded());
            let (cert, chain) = (cert.map(Text::as_str), chain.map(Text::as_str));
            prop_assert_eq!(cert, known.cert.as_deref());
            prop_assert_eq!(chain, known.chain.as_deref());
            let subject = known.subject.as_deref().map(rfc2253);
            prop_assert_eq!(element.subject.as_deref(), subject.as_deref());
            prop_assert_eq!(&element.uris, &known.uris);
            prop_assert_eq!(&element.dns, &known.dns);
        }
    }

    /// No text panics, whatever is read is within its bounds, and nothing is read of a text with an odd quote at its end.
    #[test]
    fn no_text_panics(text in "([A-Za-z]{1,5}=|[\",;=\\\\ %]|[ -~]|\\PC){0,80}") {
        if let Ok(xfcc) = Xfcc::parse(&text.as_str().into()) {
            prop_assert!(xfcc.elements.len() <= MAX_XFCC_ELEMENTS);
            let odd = Xfcc::parse(&format!("{text},Subject=\"{text}").into());
            prop_assert!(text.contains('"') || odd.is_err());
        }
    }
}
