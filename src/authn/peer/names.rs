//! The names in a certificate: read completely or refused (RFC 5280 section 4.2.1.6, X509-SVID section 2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

pub(super) use crate::evidence::{is_dns_name, is_uri};
use crate::limits::MAX_SUBJECT_ALT_NAMES;
use crate::reason::{Reason, Rejection};
use crate::spiffe::SpiffeId;

/// The subject alternative names that rules may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) spiffe: Option<SpiffeId>,
    /// In lower case; a wildcard is kept as it is, since a peer is not a host.
    pub(super) dns: Vec<String>,
    pub(super) uris: Vec<String>,
    pub(super) emails: Vec<String>,
    pub(super) ips: Vec<IpAddr>,
}

impl Names {
    /// Reads the subject alternative names of a certificate.
    ///
    /// # Errors
    /// `cert_san` where one of them is not what its kind has to be, `spiffe_invalid` where a SPIFFE ID breaks a rule.
    pub(super) fn read(certificate: &X509Certificate<'_>) -> Result<Self, Rejection> {
        let extension = certificate
            .subject_alternative_name()
            .map_err(|_| refused("cannot be read or are there twice"))?;
        let mut names = Self::default();
        let Some(extension) = extension else { return Ok(names) };
        let general_names = &extension.value.general_names;
        if general_names.len() > MAX_SUBJECT_ALT_NAMES {
            return Err(refused(&format!("are more than {MAX_SUBJECT_ALT_NAMES}")));
        }
        for name in general_names {
            names.add(name)?;
        }
        names.spiffe = spiffe_id(&names.uris)?;
        Ok(names)
    }

    fn add(&mut self, name: &GeneralName<'_>) -> Result<(), Rejection> {
        match name {
            GeneralName::DNSName(text) if is_dns_name(text) => {
                self.dns.push(text.to_ascii_lowercase());
            }
            GeneralName::URI(text) if is_uri(text) => self.uris.push((*text).to_owned()),
            GeneralName::RFC822Name(text) if is_email(text) => {
                self.emails.push((*text).to_owned());
            }
            GeneralName::IPAddress(bytes) => {
                self.ips.push(ip_address(bytes).map_err(refused)?);
            }
            // No rule can ask for these, so that they cannot mislead one.
            GeneralName::OtherName(..)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_) => {}
            GeneralName::DNSName(_) => return Err(refused("have a DNS name that is not one")),
            GeneralName::URI(_) => return Err(refused("have a URI that is not one")),
            GeneralName::RFC822Name(_) => {
                return Err(refused("have an e-mail address that is not one"));
            }
            GeneralName::Invalid(..) => return Err(refused("have one that cannot be read")),
        }
        Ok(())
    }
}

/// RFC 5280 section 4.2.1.6: four bytes or sixteen. An IPv4 address in the clothes of IPv6 would pass by constraints and rules
/// on IPv4 addresses.
fn ip_address(bytes: &[u8]) -> Result<IpAddr, &'static str> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes)
        .map_err(|_| "have an address that is neither of 4 nor of 16 bytes")?;
    let address = Ipv6Addr::from(octets);
    match address.to_ipv4_mapped() {
        None => Ok(address.into()),
        Some(_) => Err("have an IPv4 address that is mapped into IPv6"),
    }
}

/// The SPIFFE ID among the URIs of a certificate or of an XFCC element.
///
/// # Errors
/// `spiffe_invalid` where there is one beside another URI, or where it breaks the grammar (P45).
pub(super) fn spiffe_id(uris: &[String]) -> Result<Option<SpiffeId>, Rejection> {
    let is_spiffe = |uri: &&String| {
        uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("spiffe"))
    };
    let Some(uri) = uris.iter().find(is_spiffe) else { return Ok(None) };
    if uris.len() > 1 {
        // X509-SVID section 2: exactly one URI.
        return Err(Reason::SpiffeInvalid.because("a SPIFFE ID stands beside another URI"));
    }
    let id: SpiffeId = uri.parse().map_err(|why| {
        Reason::SpiffeInvalid.because(format!("`{uri}` is not a SPIFFE ID: {why}"))
    })?;
    if id.path().is_empty() {
        // X509-SVID section 3: the ID of a workload has a path; without one it names the trust domain itself.
        return Err(Reason::SpiffeInvalid.because(format!("`{uri}` does not name a workload")));
    }
    Ok(Some(id))
}

/// A local part and a host (RFC 5280 section 4.2.1.6), both visible ASCII.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
        && is_dns_name(host)
        && !host.starts_with('*')
}

fn refused(why: &str) -> Rejection {
    Reason::CertSan.because(format!("the certificate's names {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P38: NUL, control characters and what a matcher could misread are not names.
    #[test]
    fn an_address_is_a_local_part_and_a_host() {
        for (text, email) in [
            ("you@a.example", true),
            ("good.example", false),
            ("you@*.example", false),
            ("you\0@a.example", false),
            ("@a.example", false),
        ] {
            assert_eq!(is_email(text), email, "{text:?}");
        }
    }

    /// P106: an IPv4 address has one form, and an odd number of bytes is no address.
    #[test]
    fn addresses_have_four_bytes_or_sixteen_and_one_form() {
        let read = |bytes: &[u8]| ip_address(bytes).map(|address| address.to_string()).ok();
        let mapped = [&[0; 10][..], &[0xff, 0xff, 10, 0, 0, 7]].concat();
        let documented = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7]].concat();
        for (bytes, expected) in [
            (&[10, 0, 0, 7][..], Some("10.0.0.7")),
            (&documented, Some("2001:db8::7")),
            (&mapped, None),
            (&[], None),
            (&[10, 0, 0], None),
            (&[10, 0, 0, 7, 0], None),
            (&[10, 0, 0, 0, 255, 0, 0, 0], None),
            (&[0; 15], None),
            (&[0; 17], None),
        ] {
            assert_eq!(read(bytes).as_deref(), expected, "{bytes:?}");
        }
    }

    /// P45: exactly one URI, in the strict grammar, with a path.
    #[test]
    fn a_spiffe_id_stands_alone_and_names_a_workload() {
        let id = |uris: &[&str]| {
            let uris: Vec<_> = uris.iter().map(ToString::to_string).collect();
            spiffe_id(&uris).map_err(|rejection| rejection.reason())
        };
        assert_eq!(id(&[]), Ok(None));
        assert_eq!(id(&["https://a.example/", "urn:a:b"]), Ok(None));
        assert_eq!(id(&["spiffe://a/b"]).unwrap().unwrap().as_str(), "spiffe://a/b");
        for uris in [
            &["spiffe://a/b", "spiffe://a/b"][..],
            &["https://a.example/", "spiffe://a/b"],
            &["spiffe://a"],
            &["spiffe://A/b"],
            &["SPIFFE://a/b"],
            &["spiffe:a"],
            &["spiffe://a/../b"],
        ] {
            assert_eq!(id(uris), Err(Reason::SpiffeInvalid), "{uris:?}");
        }
    }
}
