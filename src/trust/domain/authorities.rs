//! Certificates of authorities: checked to be what they are used as.

use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::crl::IssuerId;
use super::extensions::{extension_fault, issues_clients};
use super::key::key_weakness;
use super::validity::{LifePhase, Validity};
use crate::clock::UnixTime;
use crate::document::Code;
use crate::limits::MIN_RSA_BITS;

/// A pinned authority: where paths may end.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its own certificate, which may restrict what it is trusted for.
    pub der: CertificateDer<'static>,
    /// Who it is as an issuer.
    pub issuer: IssuerId,
    /// Its name and key as path building wants them.
    pub anchor: TrustAnchor<'static>,
    /// When its own certificate is valid. Path building does not look at it, so `authn` does.
    pub validity: Validity,
}

/// Why a certificate cannot be used as an issuer.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is something else: the document is wrong.
    Wrong(String),
    /// It is a CA that breaks a rule: it is ignored, and certificates that it issued are refused.
    Odd(String),
}

impl Authority {
    /// Checks that a certificate may be pinned.
    pub(super) fn read(der: &CertificateDer<'static>) -> Result<Self, Unfit> {
        let (issuer, validity) = check_issuer(der)?;
        check_profile(der)?;
        let anchor = webpki::anchor_from_trusted_cert(der)
            .map_err(|why| Unfit::Wrong(format!("it cannot be an authority: {why:?}")))?
            .to_owned();
        Ok(Self { der: der.clone(), issuer, anchor, validity })
    }

    /// Its name, for people.
    pub fn subject(&self) -> String {
        subject(&self.der)
    }
}

/// The name in a certificate, for people.
fn subject(der: &CertificateDer<'_>) -> String {
    let parsed = X509Certificate::from_der(der);
    parsed.map(|(_, certificate)| certificate.subject().to_string()).unwrap_or_default()
}

/// Why nothing that a certificate has issued counts at `now`, or will not soon.
pub(super) fn lifetime_problem(der: &CertificateDer<'_>, now: UnixTime) -> Option<(Code, String)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = Validity::of(&certificate);
    let name = certificate.subject();
    let (from, until) = (validity.not_before.to_rfc3339(), validity.not_after.to_rfc3339());
    match validity.phase(now) {
        LifePhase::Within => None,
        LifePhase::Early => {
            Some((Code::AuthorityOutOfDate, format!("`{name}` is not valid before {from}")))
        }
        LifePhase::Over => {
            Some((Code::AuthorityOutOfDate, format!("`{name}` has expired at {until}")))
        }
        LifePhase::Ending => {
            Some((Code::AuthorityEnding, format!("`{name}` expires soon, at {until}")))
        }
    }
}

/// Checks that a certificate may sign others (RFC 5280 sections 4.2.1.3 and 4.2.1.9), and reads when it is valid.
pub(super) fn check_issuer(der: &CertificateDer<'_>) -> Result<(IssuerId, Validity), Unfit> {
    let wrong = |why: &str| Unfit::Wrong(why.to_owned());
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| wrong("it is not an X.509 certificate"))?;
    if !rest.is_empty() {
        return Err(wrong("it has bytes after its end"));
    }
    let subject = certificate.subject();
    if !certificate.is_ca() {
        return Err(Unfit::Wrong(format!("`{subject}` is not a CA certificate")));
    }
    let usage = certificate.key_usage().map_err(|_| wrong("its key usage cannot be read"))?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(Unfit::Wrong(format!("`{subject}` may not sign certificates")));
    }
    if let Some(weakness) = key_weakness(certificate.public_key(), MIN_RSA_BITS) {
        return Err(Unfit::Odd(format!("its {weakness}")));
    }
    Ok((IssuerId::of(&certificate), Validity::of(&certificate)))
}

/// Why an intermediate is on no path, whatever is presented with it.
pub(super) fn path_problem(der: &CertificateDer<'_>, authorities: &[Authority]) -> Option<String> {
    if let Err(Unfit::Odd(why) | Unfit::Wrong(why)) = check_profile(der) {
        return Some(why);
    }
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut above = None;
    for authority in authorities {
        let (_, own) = X509Certificate::from_der(&authority.der).ok()?;
        if own.subject().as_raw() != certificate.issuer().as_raw() {
            continue;
        }
        let constraints = own.basic_constraints().ok()?;
        if constraints.and_then(|found| found.value.path_len_constraint) != Some(0) {
            return None;
        }
        above = Some(authority.subject());
    }
    above.map(|above| format!("`{above}` permits no intermediate certificates below it"))
}

/// The checks that path building makes for an intermediate and not for a pinned authority: RFC 5280 sections 4.1.2.6, 4.2
/// and 4.2.1.12.
fn check_profile(der: &CertificateDer<'_>) -> Result<(), Unfit> {
    let odd = |why: &str| Err(Unfit::Odd(why.to_owned()));
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return odd("it is not an X.509 certificate");
    };
    if certificate.subject().iter_rdn().next().is_none() {
        return odd("its subject is empty");
    }
    if let Some(fault) = extension_fault(&certificate) {
        return odd(&fault);
    }
    if !issues_clients(&certificate) {
        return odd(
            "its extended key usage is without `clientAuth`, so it cannot issue client certificates",
        );
    }
    Ok(())
}
