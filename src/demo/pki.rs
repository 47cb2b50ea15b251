//! A throw-away PKI: two workloads, a server, an expired certificate, and a wrong CA with a look-alike.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::{DemoError, Folder};
use countersign::clock::UnixTime;
use countersign::secret::Fingerprint;

/// The SPIFFE ID of the workload that may read orders.
pub(crate) const FRONTEND: &str = "spiffe://prod.example/ns/web/sa/frontend";
/// The SPIFFE ID of a workload of the same mesh that may not.
pub(crate) const REPORTS: &str = "spiffe://prod.example/ns/batch/sa/reports";
pub(crate) const ENVOY: &str = "spiffe://prod.example/ns/edge/sa/envoy";
pub(crate) const COUNTERSIGN: &str = "spiffe://prod.example/ns/auth/sa/countersign";
/// The name under which the upstream is reached.
pub(crate) const HOST: &str = "orders.example.com";

/// How long the certificates live: longer than a session with `--keep` lasts, below the sample policy's `maxLifetime`.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How long before the demo they begin, for clocks that differ a little.
const BACKDATED: Duration = Duration::from_secs(60);

/// Everything with a certificate in the demo.
#[derive(Debug)]
pub(crate) struct Pki {
    ca: Authority,
    /// Envoy's certificate, for its clients and for countersign over TLS.
    pub(crate) envoy: Identity,
    /// countersign's certificate, for Envoy over TLS.
    pub(crate) countersign: Identity,
    /// The right workload.
    pub(crate) frontend: Identity,
    /// Another workload of the same trust domain.
    pub(crate) reports: Identity,
    /// The right workload's certificate, an hour after its end.
    pub(crate) expired: Identity,
    /// The right workload's names, issued by a CA that is not pinned but has the same name.
    pub(crate) impostor: Identity,
}

/// A certificate with its private key.
#[derive(Debug)]
pub(crate) struct Identity {
    name: &'static str,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

#[derive(Debug)]
pub(crate) struct Authority {
    own: CertifiedIssuer<'static, KeyPair>,
    /// How long it and its certificates live.
    lifetime: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Client,
    Server,
    /// Either, as most mesh certificates are.
    Both,
}

impl Usage {
    fn extended(self) -> Vec<ExtendedKeyUsagePurpose> {
        let (client, server) =
            (ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth);
        match self {
            Self::Client => vec![client],
            Self::Server => vec![server],
            Self::Both => vec![client, server],
        }
    }
}

impl Pki {
    /// Makes all of it. Everything is valid at `now` but what is meant not to be.
    pub(crate) fn new(now: UnixTime) -> Result<Self, DemoError> {
        let ca = Authority::new("prod.example demo CA", now)?;
        let wrong_ca = Authority::new("prod.example demo CA", now)?;
        let client = |ca: &Authority, name, id, now| {
            ca.issue(name, vec![uri(name, id)?], Usage::Client, now)
        };
        let past = now.minus(LIFETIME).minus(Duration::from_secs(3600));
        Ok(Self {
            envoy: ca.issue("envoy", envoy_names()?, Usage::Both, now)?,
            countersign: ca.issue("countersign", countersign_names()?, Usage::Server, now)?,
            frontend: client(&ca, "frontend", FRONTEND, now)?,
            reports: client(&ca, "reports", REPORTS, now)?,
            expired: client(&ca, "expired", FRONTEND, past)?,
            impostor: client(&wrong_ca, "impostor", FRONTEND, now)?,
            ca,
        })
    }

    pub(crate) const fn ca(&self) -> &Authority {
        &self.ca
    }

    /// Writes the CA to `ca/`, the files of Envoy and countersign to `envoy/` and `tls/`, and the clients' to `clients/`.
    pub(crate) fn write(&self, folder: &Folder) -> Result<(), DemoError> {
        folder.write("ca/prod.pem", self.ca.pem())?;
        self.envoy.write(folder, "envoy")?;
        self.countersign.write(folder, "tls")?;
        for client in [&self.frontend, &self.reports, &self.expired, &self.impostor] {
            client.write(folder, "clients")?;
        }
        Ok(())
    }
}

fn envoy_names() -> Result<Vec<SanType>, DemoError> {
    Ok(vec![dns("envoy", HOST)?, uri("envoy", ENVOY)?])
}

fn countersign_names() -> Result<Vec<SanType>, DemoError> {
    Ok(vec![dns("countersign", "countersign")?, uri("countersign", COUNTERSIGN)?])
}

pub(crate) fn dns(name: &'static str, host: &str) -> Result<SanType, DemoError> {
    let host = host.try_into().map_err(|source| DemoError::Certificate { name, source })?;
    Ok(SanType::DnsName(host))
}

pub(crate) fn uri(name: &'static str, id: &str) -> Result<SanType, DemoError> {
    let id = id.try_into().map_err(|source| DemoError::Certificate { name, source })?;
    Ok(SanType::URI(id))
}

impl Authority {
    /// A self-signed CA called `common_name`, for certificates that begin at `now` or up to a day before.
    pub(crate) fn new(common_name: &str, now: UnixTime) -> Result<Self, DemoError> {
        Self::lasting(common_name, now, LIFETIME)
    }

    /// The same, where it and its certificates live for `lifetime`.
    pub(crate) fn lasting(
        common_name: &str,
        now: UnixTime,
        lifetime: Duration,
    ) -> Result<Self, DemoError> {
        let failed = |source| DemoError::Certificate { name: "ca", source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params =
            params(common_name, now.minus(LIFETIME.saturating_mul(3)), now.plus(lifetime))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let own = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        Ok(Self { own, lifetime })
    }

    /// A certificate called `name` with exactly the names `sans`, that begins about `now`, with a key of its own.
    pub(crate) fn issue(
        &self,
        name: &'static str,
        sans: Vec<SanType>,
        usage: Usage,
        now: UnixTime,
    ) -> Result<Identity, DemoError> {
        let mut params = params(name, now.minus(BACKDATED), now.plus(self.lifetime))?;
        params.subject_alt_names = sans;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usage.extended();
        params.use_authority_key_identifier_extension = true;
        self.sign(name, &params)
    }

    /// The certificate that `params` describe, however strange, with a key of its own.
    pub(crate) fn sign(
        &self,
        name: &'static str,
        params: &CertificateParams,
    ) -> Result<Identity, DemoError> {
        let failed = |source| DemoError::Certificate { name, source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.own).map_err(failed)?;
        Ok(Identity { name, certificate, key })
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.own.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.own.pem()
    }
}

fn params(
    common_name: &str,
    not_before: UnixTime,
    not_after: UnixTime,
) -> Result<CertificateParams, DemoError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date(not_before)?;
    params.not_after = date(not_after)?;
    Ok(params)
}

fn date(at: UnixTime) -> Result<OffsetDateTime, DemoError> {
    OffsetDateTime::from_unix_timestamp(at.as_secs())
        .map_err(|_| DemoError::Certificate { name: "ca", source: rcgen::Error::Time })
}

impl Identity {
    /// Its name in the demo's files and output.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// SHA-256 of its certificate, which tokens are bound to (RFC 8705 section 3.1).
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.certificate.der())
    }

    /// Writes it to `NAME.pem` and `NAME.key` in the part `within` of `folder`.
    pub(crate) fn write(&self, folder: &Folder, within: &str) -> Result<(), DemoError> {
        folder.write(&format!("{within}/{}.pem", self.name), self.pem())?;
        folder.write(&format!("{within}/{}.key", self.name), self.key_pem())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime as PkiTime;
    use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// The verdict of a strict verifier that trusts the demo's CA, for `identity` as a client.
    fn verdict(pki: &Pki, identity: &Identity, usage: KeyUsage) -> Result<(), Error> {
        let (ca, leaf) = (pki.ca().der(), identity.der());
        let anchors = [anchor_from_trusted_cert(&ca).unwrap()];
        let now = PkiTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        EndEntityCert::try_from(&leaf)
            .unwrap()
            .verify_for_usage(algorithms, &anchors, &[], now, usage, None, None)
            .map(|_| ())
    }

    #[test]
    fn only_what_is_meant_to_be_wrong_is_wrong() {
        let pki = Pki::new(NOW).unwrap();
        let client = |identity| verdict(&pki, identity, KeyUsage::client_auth());
        assert_eq!(client(&pki.frontend), Ok(()));
        assert_eq!(client(&pki.reports), Ok(()));
        assert!(matches!(client(&pki.expired), Err(Error::CertExpired { .. })));
        // It names the pinned CA as its issuer, and only the signature tells.
        assert_eq!(client(&pki.impostor), Err(Error::InvalidSignatureForPublicKey));
        assert_eq!(verdict(&pki, &pki.envoy, KeyUsage::server_auth()), Ok(()));
        assert_eq!(client(&pki.envoy), Ok(()));
        assert_eq!(verdict(&pki, &pki.countersign, KeyUsage::server_auth()), Ok(()));
        assert!(client(&pki.countersign).is_err(), "a server's certificate is for servers only");
        let as_server = verdict(&pki, &pki.frontend, KeyUsage::server_auth());
        assert!(as_server.is_err(), "a client's certificate is for clients only");
    }

    #[test]
    fn no_certificate_lives_longer_than_the_sample_policy_allows() {
        assert!(LIFETIME + BACKDATED < Duration::from_secs(25 * 3600));
    }
}
