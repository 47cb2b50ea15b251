//! Which certificates a revocation list speaks of: its issuing distribution point (RFC 5280 section 5.2.5) against the
//! distribution points of a certificate (sections 4.2.1.13 and 6.3.3).
//!
//! Both are read here, member by member: a member that a reader skips would make an ordinary point of one that names
//! another issuer, and a whole list of a partial one.

use std::borrow::Cow;

use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_X509_EXT_CRL_DISTRIBUTION_POINTS, OID_X509_EXT_ISSUER_DISTRIBUTION_POINT,
};

use super::signed::taken;

/// Reasons for revocation as bits of `ReasonFlags`, the first of which is unused.
pub(super) type Reasons = u16;

/// A certificate is covered when lists speak of every reason for which it may be revoked.
pub(super) const ALL_REASONS: Reasons = 0b1_1111_1110;

/// Which of its issuer's certificates a list speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CrlScope {
    /// True if it is about end entities alone, or about CAs alone.
    end_entities: Option<bool>,
    /// The names of its distribution point. Without any it is about all of its issuer's certificates.
    names: Vec<Name>,
}

/// A name of a distribution point. Of the kinds that `GeneralName` has, lists are published under these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Uri(Box<[u8]>),
    /// The DER of a distinguished name.
    Directory(Box<[u8]>),
}

/// The place at which a certificate's own issuer publishes whether it is revoked, and for which reasons.
struct Point {
    names: Vec<Name>,
    reasons: Reasons,
}

impl CrlScope {
    /// The scope in the value of an `issuingDistributionPoint`.
    ///
    /// # Errors
    /// Why lists of that scope are not used, as a whole sentence.
    pub(super) fn read(value: &[u8]) -> Result<Self, &'static str> {
        let broken = "its issuing distribution point cannot be read";
        let members = sequence(value).and_then(members).ok_or(broken)?;
        if members.is_empty() {
            return Err(
                "its issuing distribution point is empty, which RFC 5280 section 5.2.5 forbids",
            );
        }
        let (mut scope, mut users, mut cas) = (Self::default(), false, false);
        for member in &members {
            match member.tag().0 {
                0 => scope.names = list_names(member.data)?,
                1 => users = boolean(member).ok_or(broken)?,
                2 => cas = boolean(member).ok_or(broken)?,
                3 => {
                    return Err(
                        "lists of some reasons only are not supported: a whole list is needed",
                    );
                }
                4 if boolean(member).ok_or(broken)? => {
                    return Err("indirect lists, for other issuers, are not supported");
                }
                5 if boolean(member).ok_or(broken)? => {
                    return Err("lists of attribute certificates are not supported");
                }
                4 | 5 => {}
                _ => return Err(broken),
            }
        }
        scope.end_entities = match (users, cas) {
            (false, false) => None,
            (true, false) => Some(true),
            (false, true) => Some(false),
            (true, true) => {
                return Err("a list for end entities only and for CAs only is about nothing");
            }
        };
        Ok(scope)
    }

    /// True if the certificate is revoked where a list of this scope has it. A list without a distribution point speaks of every
    /// certificate of its kind, whatever their own points say.
    pub(super) fn may_revoke(&self, certificate: &X509Certificate<'_>) -> bool {
        self.is_for_kind(certificate)
            && (self.names.is_empty() || self.reasons_for(certificate) != 0)
    }

    fn is_for_kind(&self, certificate: &X509Certificate<'_>) -> bool {
        self.end_entities.is_none_or(|ends| ends != certificate.is_ca())
    }

    /// The reasons for which a list of this scope would revoke the certificate, which must be one of its issuer's
    /// (section 6.3.3 (b) and (d)).
    pub(super) fn reasons_for(&self, certificate: &X509Certificate<'_>) -> Reasons {
        if !self.is_for_kind(certificate) {
            return 0;
        }
        let named = |point: &&Point| {
            self.names.is_empty() || point.names.iter().any(|name| self.names.contains(name))
        };
        let points = points_of(certificate).unwrap_or_default();
        points.iter().filter(named).fold(0, |reasons, point| reasons | point.reasons)
    }
}

/// The points at which the certificate's own issuer publishes; nothing where they cannot be read.
fn points_of(certificate: &X509Certificate<'_>) -> Option<Vec<Point>> {
    let mut extensions = certificate.iter_extensions();
    let points = extensions.find(|extension| extension.oid == OID_X509_EXT_CRL_DISTRIBUTION_POINTS);
    let Some(points) = points else {
        // Section 6.3.3, at its end: the issuer's own lists, under its own name.
        let own = Name::Directory(certificate.issuer().as_raw().into());
        return Some(vec![Point { names: vec![own], reasons: ALL_REASONS }]);
    };
    let mut found = Vec::new();
    for point in elements(sequence(points.value)?)? {
        found.extend(Point::read(&point)?);
    }
    Some(found)
}

impl Point {
    /// The outer nothing is for what cannot be read, the inner one for a point at which another issuer publishes, or no point
    /// at all: `reasons` alone name none.
    fn read(point: &Any<'_>) -> Option<Option<Self>> {
        let (mut names, mut reasons, mut elsewhere) = (None, ALL_REASONS, false);
        for member in members(point.data)? {
            match member.tag().0 {
                0 => names = Some(point_names(member.data)?),
                1 => reasons = reason_flags(member.data)?,
                // Section 4.2.1.13: it is there where lists are not the certificate issuer's own, and those are indirect.
                2 => elsewhere = true,
                _ => return None,
            }
        }
        Some(names.filter(|_| !elsewhere).map(|names| Self { names, reasons }))
    }
}

/// The list without its issuing distribution point, for a reader that refuses legal ones and does not show the others.
/// Nothing where it is no list.
pub(super) fn without_scope(list: &[u8]) -> Option<Cow<'_, [u8]>> {
    let whole = sequence(list)?;
    let (signature, content) = Any::from_der(whole).ok()?;
    let mut rest = content.data;
    while !rest.is_empty() {
        let (after, part) = Any::from_der(rest).ok()?;
        if !part.header.is_contextspecific() {
            rest = after;
            continue;
        }
        let extensions = sequence(part.data)?;
        let kept = without_point(extensions)?;
        if kept.len() == extensions.len() {
            break;
        }
        let head = taken(content.data, rest)?;
        let extensions = tlv(0xa0, &[&tlv(0x30, &[&kept])]);
        let content = tlv(0x30, &[head, &extensions, after]);
        return Some(Cow::Owned(tlv(0x30, &[&content, signature])));
    }
    Some(Cow::Borrowed(list))
}

fn without_point(extensions: &[u8]) -> Option<Vec<u8>> {
    let (mut kept, mut rest) = (Vec::new(), extensions);
    while !rest.is_empty() {
        let (after, extension) = Any::from_der(rest).ok()?;
        let (_, id) = Any::from_der(extension.data).ok()?;
        if id.data != OID_X509_EXT_ISSUER_DISTRIBUTION_POINT.as_bytes() {
            kept.extend_from_slice(taken(rest, after)?);
        }
        rest = after;
    }
    Some(kept)
}

/// A tag, the length of the contents, and the contents.
fn tlv(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(significant..).unwrap_or_default();
    let mut out = vec![tag];
    match (bytes, u8::try_from(bytes.len())) {
        ([], _) => out.push(0),
        ([short @ ..=0x7f], _) => out.push(*short),
        (long, count) => {
            out.push(0x80 | count.unwrap_or_default());
            out.extend_from_slice(long);
        }
    }
    for part in contents {
        out.extend_from_slice(part);
    }
    out
}

/// The content of a sequence that nothing follows.
fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (rest, whole) = Any::from_der(der).ok()?;
    (rest.is_empty() && whole.tag().0 == 16 && whole.header.is_universal()).then_some(whole.data)
}

fn elements(mut content: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (after, element) = Any::from_der(content).ok()?;
        content = after;
        found.push(element);
    }
    Some(found)
}

/// The optional members of a sequence: each with a context-specific tag, in ascending order.
fn members(content: &[u8]) -> Option<Vec<Any<'_>>> {
    let found = elements(content)?;
    let tagged = found.iter().all(|member| member.header.is_contextspecific());
    (tagged && found.is_sorted_by(|one, next| one.tag().0 < next.tag().0)).then_some(found)
}

fn boolean(member: &Any<'_>) -> Option<bool> {
    match member.data {
        [0xff] => Some(true),
        // Not DER, which has no default values, and harmless.
        [0] => Some(false),
        _ => None,
    }
}

fn reason_flags(bits: &[u8]) -> Option<Reasons> {
    let (unused, bytes) = bits.split_first()?;
    if *unused > 7 || (bytes.is_empty() && *unused > 0) {
        return None;
    }
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default().reverse_bits();
    Some(u16::from_le_bytes([byte(0), byte(1)]) & ALL_REASONS)
}

fn list_names(point: &[u8]) -> Result<Vec<Name>, &'static str> {
    let names =
        point_names(point).ok_or("the names of its issuing distribution point cannot be read")?;
    if names.is_empty() {
        return Err(
            "its issuing distribution point has neither a URI nor a directory name (`fullName`), by which certificates could name it",
        );
    }
    Ok(names)
}

/// The names of a `DistributionPointName` that lists are found by. A name relative to the issuer's is none of them.
fn point_names(point: &[u8]) -> Option<Vec<Name>> {
    let (rest, choice) = Any::from_der(point).ok()?;
    if !rest.is_empty() || !choice.header.is_contextspecific() {
        return None;
    }
    match choice.tag().0 {
        0 => {
            let names = elements(choice.data)?;
            let legal =
                !names.is_empty() && names.iter().all(|name| name.header.is_contextspecific());
            legal.then(|| names.iter().filter_map(Name::read).collect())
        }
        1 => Some(Vec::new()),
        _ => None,
    }
}

impl Name {
    fn read(name: &Any<'_>) -> Option<Self> {
        match name.tag().0 {
            4 => Some(Self::Directory(name.data.into())),
            6 => Some(Self::Uri(name.data.into())),
            _ => None,
        }
    }
}
