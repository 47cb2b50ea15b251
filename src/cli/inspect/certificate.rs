//! A presented certificate: its contents, its fingerprints, and the verdict of each trust domain.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::Serialize;

use super::peer::RejectionReport;
use crate::authn::{CertificateDescription, DomainVerdict, verdicts};
use crate::cli::time;
use crate::clock::UnixTime;
use crate::evidence::PresentedCertificate;
use crate::reason::Rejection;
use crate::spiffe::SpiffeId;
use crate::trust::{TrustDomain, TrustStore};

/// The trust and the time that evidence is verified with.
#[derive(Clone, Copy, Debug)]
pub(super) struct VerificationContext<'a> {
    pub(super) trust: &'a TrustStore,
    /// The revision of the documents, if there are any. Without them, no verdicts are shown: everything would be refused.
    pub(super) revision: Option<&'a str>,
    pub(super) now: UnixTime,
}

/// A leaf with its chain.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct CertificateReport {
    /// Why it cannot be read.
    #[serde(flatten)]
    pub(super) rejection: Option<RejectionReport>,
    pub(super) leaf: Option<Description>,
    /// The certificates that came with the leaf, in their order.
    pub(super) chain: Vec<Option<Description>>,
    pub(super) trust_domains: Vec<VerdictReport>,
}

/// The contents of a certificate.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Description {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) serial: String,
    pub(super) spiffe: Option<String>,
    /// Why the names cannot be used.
    pub(super) names_rejection: Option<RejectionReport>,
    /// Kind and text of each subject alternative name.
    pub(super) names: Vec<(&'static str, String)>,
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// By its own dates alone.
    pub(super) validity: ValidityState,
    pub(super) seconds_left: u64,
    #[serde(skip)]
    pub(super) lifetime: String,
    #[serde(skip)]
    pub(super) left: String,
    pub(super) is_ca: bool,
    pub(super) key: String,
    pub(super) usages: Vec<String>,
    /// SHA-256 of the DER in hexadecimal: XFCC `Hash`, and `pins: [{ certificate: .. }]`.
    pub(super) sha256: String,
    /// The same in base64url: `cnf` of certificate-bound tokens (RFC 8705).
    #[serde(rename = "x5t#S256")]
    pub(super) x5t_s256: String,
    /// SHA-256 of the SubjectPublicKeyInfo in base64: `pins: [{ spki: .. }]`.
    pub(super) spki_sha256: String,
}

/// The state of a certificate's dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValidityState {
    NotYetValid,
    Valid,
    Expired,
}

/// The verdict of one trust domain.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VerdictReport {
    /// The name of the document.
    pub(super) trust_domain: String,
    pub(super) spiffe: Option<String>,
    pub(super) verdict: DomainVerdictReport,
    #[serde(flatten)]
    pub(super) rejection: Option<RejectionReport>,
    /// Until when the path is valid.
    pub(super) until: Option<String>,
}

/// The verdict of a trust domain on a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DomainVerdictReport {
    Vouches,
    Refuses,
    NotAsked,
}

impl CertificateReport {
    pub(super) fn refused(rejection: &Rejection) -> Self {
        Self { rejection: Some(rejection.into()), ..Self::default() }
    }

    pub(super) fn new(presented: &PresentedCertificate, context: VerificationContext<'_>) -> Self {
        let decoded = match presented.decode() {
            Ok(decoded) => decoded,
            Err(rejection) => return Self::refused(&rejection),
        };
        let describe = |der: &[u8]| {
            CertificateDescription::read(der).map(|found| Description::new(&found, context.now))
        };
        let (rejection, trust_domains) = match verdicts(presented, context.trust, context.now) {
            Ok(verdicts) => (None, verdicts.into_iter().map(VerdictReport::new).collect()),
            Err(rejection) => (Some((&rejection).into()), Vec::new()),
        };
        Self {
            rejection,
            leaf: describe(&decoded.leaf),
            chain: decoded.intermediates.iter().map(|der| describe(der)).collect(),
            trust_domains,
        }
    }
}

impl Description {
    fn new(found: &CertificateDescription, now: UnixTime) -> Self {
        let (not_before, not_after) = (found.validity.not_before, found.validity.not_after);
        let validity = if now.as_secs() < not_before.as_secs() {
            ValidityState::NotYetValid
        } else if now.as_secs() > not_after.as_secs() {
            ValidityState::Expired
        } else {
            ValidityState::Valid
        };
        let left = match validity {
            ValidityState::Valid => format!("{} left", time::lasting(not_after.since(now))),
            ValidityState::Expired => format!("expired {}", time::relative(not_after, now)),
            ValidityState::NotYetValid => {
                format!("not valid yet, begins {}", time::relative(not_before, now))
            }
        };
        Self {
            subject: found.subject.clone(),
            issuer: found.issuer.clone(),
            serial: found.serial.clone(),
            spiffe: found.spiffe.as_ref().ok().and_then(Option::as_ref).map(SpiffeId::to_string),
            names_rejection: found.spiffe.as_ref().err().map(RejectionReport::from),
            names: found.names.clone(),
            not_before: not_before.to_rfc3339(),
            not_after: not_after.to_rfc3339(),
            validity,
            seconds_left: not_after.since(now).as_secs(),
            lifetime: time::lasting(not_after.since(not_before)).to_string(),
            left,
            is_ca: found.is_ca,
            key: found.key.clone(),
            usages: found.usages.clone(),
            sha256: found.certificate.to_hex(),
            x5t_s256: URL_SAFE_NO_PAD.encode(found.certificate.as_bytes()),
            spki_sha256: STANDARD.encode(found.spki.as_bytes()),
        }
    }
}

impl VerdictReport {
    fn new((domain, verdict): (&TrustDomain, DomainVerdict)) -> Self {
        let trust_domain = domain.name.to_owned();
        let spiffe = domain.spiffe.as_ref().map(|name| name.as_str().to_owned());
        let (verdict, rejection, until) = match &verdict {
            DomainVerdict::Vouches(validity) => {
                (DomainVerdictReport::Vouches, None, Some(validity.not_after.to_rfc3339()))
            }
            DomainVerdict::Refuses(rejection) => {
                (DomainVerdictReport::Refuses, Some(rejection.into()), None)
            }
            DomainVerdict::NotAsked => (DomainVerdictReport::NotAsked, None, None),
        };
        Self { trust_domain, spiffe, verdict, rejection, until }
    }
}
