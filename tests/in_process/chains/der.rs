//! Extensions of certificates, written by hand so that each can be wrong in its own way.

/// A value of less than 65536 bytes.
pub(crate) fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        (_, _) => vec![0x82, high, low],
    };
    [&[tag], &length[..], &content].concat()
}

pub(crate) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &[&items.concat()])
}

/// An extension: its object identifier, whether it is critical, its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u64>,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

/// One of the arc 2.5.29.
pub(crate) fn standard(id: u64, critical: bool, value: Vec<u8>) -> Extension {
    Extension { oid: vec![2, 5, 29, id], critical, value }
}

pub(crate) fn private(critical: bool) -> Extension {
    Extension { oid: vec![1, 3, 6, 1, 4, 1, 99999, 1], critical, value: vec![5, 0] }
}

pub(crate) fn basic_constraints(ca: bool, path_length: Option<u8>) -> Extension {
    let mut members = Vec::new();
    if ca {
        members.push(tlv(1, &[&[0xff]]));
    }
    members.extend(path_length.map(|most| tlv(2, &[&[most]])));
    standard(19, true, sequence(&members))
}

/// `digitalSignature` is 0x80, `keyEncipherment` 0x20, `keyCertSign` 4, `cRLSign` 2.
pub(crate) fn key_usage(bits: u8) -> Extension {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap();
    standard(15, true, tlv(3, &[&[unused, bits]]))
}

/// Purposes by their last number below id-kp: 1 for servers, 2 for clients, 3 for code; 0 is `anyExtendedKeyUsage`.
pub(crate) fn extended_key_usage(purposes: &[u8]) -> Extension {
    let purpose = |purpose: &u8| match purpose {
        0 => tlv(6, &[&[0x55, 0x1d, 0x25, 0]]),
        number => tlv(6, &[&[0x2b, 6, 1, 5, 5, 7, 3, *number]]),
    };
    standard(37, false, sequence(&purposes.iter().map(purpose).collect::<Vec<_>>()))
}

/// A `GeneralName`, as a name or as the base of a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Email(&'static str),
    Dns(&'static str),
    Uri(&'static str),
    Ip(Vec<u8>),
    /// The organization of a directory name.
    Directory(&'static str),
}

impl Name {
    pub(crate) fn der(&self) -> Vec<u8> {
        match self {
            Self::Email(text) => tlv(0x81, &[text.as_bytes()]),
            Self::Dns(text) => tlv(0x82, &[text.as_bytes()]),
            Self::Uri(text) => tlv(0x86, &[text.as_bytes()]),
            Self::Ip(bytes) => tlv(0x87, &[bytes]),
            Self::Directory(text) => {
                let attribute = tlv(0x30, &[&[6, 3, 0x55, 4, 10], &tlv(12, &[text.as_bytes()])]);
                tlv(0xa4, &[&sequence(&[tlv(0x31, &[&attribute])])])
            }
        }
    }
}

pub(crate) fn alternative_names(names: &[Name]) -> Extension {
    standard(17, false, sequence(&names.iter().map(Name::der).collect::<Vec<_>>()))
}

pub(crate) fn name_constraints(permitted: &[Name], excluded: &[Name]) -> Extension {
    let subtrees = |tag: u8, names: &[Name]| {
        let bases: Vec<_> = names.iter().map(|name| tlv(0x30, &[&name.der()])).collect();
        (!bases.is_empty()).then(|| tlv(tag, &[&bases.concat()]))
    };
    let members: Vec<_> =
        [subtrees(0xa0, permitted), subtrees(0xa1, excluded)].into_iter().flatten().collect();
    standard(30, true, sequence(&members))
}

/// Policies 1.2.N; 0 is `anyPolicy`.
pub(crate) fn policies(numbers: &[u8]) -> Extension {
    let policy = |number: &u8| match number {
        0 => sequence(&[tlv(6, &[&[0x55, 0x1d, 0x20, 0]])]),
        number => sequence(&[tlv(6, &[&[0x2a, *number]])]),
    };
    standard(32, false, sequence(&numbers.iter().map(policy).collect::<Vec<_>>()))
}

pub(crate) fn policy_constraints(explicit_after: u8, critical: bool) -> Extension {
    standard(36, critical, sequence(&[tlv(0x80, &[&[explicit_after]])]))
}

pub(crate) fn inhibit_any(after: u8, critical: bool) -> Extension {
    standard(54, critical, vec![2, 1, after])
}

/// Key identifiers are made up: each key of the pool has one.
pub(crate) fn subject_key(key: usize) -> Extension {
    standard(14, false, tlv(4, &[&[u8::try_from(key).unwrap(); 20]]))
}

pub(crate) fn authority_key(key: usize) -> Extension {
    standard(35, false, sequence(&[tlv(0x80, &[&[u8::try_from(key).unwrap(); 20]])]))
}
