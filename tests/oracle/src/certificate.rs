//! Paths of certificates and what is demanded of each one (docs/semantics.md, the sections that the functions name).

use crate::documents::{Document, duration_of};
use crate::peer::{Names, names};
use crate::revocation;
use crate::signature::remembered;
use crate::value::Value;
use crate::{Judged, Reason, World, outside};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::BTreeSet;
use x509_cert::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, CrlDistributionPoints, CrlNumber, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName,
};

pub(crate) fn pem(world: &World, places: &[Value]) -> Judged<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    for place in places {
        let name = place.text_of("file").or(place.get("remote").and_then(|r| r.text_of("url")));
        let bytes = match (place.text_of("inline"), name) {
            (Some(text), _) => text.as_bytes(),
            (_, Some(name)) => world.files.get(name).ok_or_else(|| outside(format!("the file {name}")))?,
            _ => continue,
        };
        let read = Certificate::load_pem_chain(bytes).map_err(|e| outside(format!("authorities that cannot be read: {e}")))?;
        out.extend(read.iter().filter_map(|c| c.to_der().ok()));
    }
    Ok(out)
}

/// 5.17 Every path from a certificate to an authority of a document, by names and signatures, through what was shown or is configured.
pub(crate) fn paths(world: &World, document: &Document, leaf: &[u8], chain: &[Vec<u8>]) -> Judged<Vec<Vec<Vec<u8>>>> {
    if document.spec.get("bundle").is_some() {
        return Err(outside("authorities of a SPIFFE bundle"));
    }
    let list = |key: &str| document.spec.get(key).and_then(Value::list).unwrap_or_default();
    let usable = |der: &Vec<u8>, authority: bool| is_issuer(der, authority);
    let authorities: Vec<Vec<u8>> = pem(world, list("authorities"))?.into_iter().filter(|d| usable(d, true)).collect();
    let between: Vec<Vec<u8>> = pem(world, list("intermediates"))?.into_iter().chain(chain.iter().skip(1).cloned()).collect();
    let between: Vec<Vec<u8>> = between.into_iter().filter(|d| usable(d, false)).collect();
    let mut done = Vec::new();
    let mut open = vec![vec![leaf.to_vec()]];
    while let Some(path) = open.pop() {
        let Some(Ok(last)) = path.last().map(|d| Certificate::from_der(d)) else { continue };
        for (pool, is_end) in [(&authorities, true), (&between, false)] {
            for issuer in pool.iter().filter(|i| !path.contains(i)) {
                let Ok(read) = Certificate::from_der(issuer) else { continue };
                let tbs = read.tbs_certificate();
                if tbs.subject() != last.tbs_certificate().issuer() || !verifies(&last, tbs.subject_public_key_info())? {
                    continue;
                }
                let longer = [path.clone(), vec![issuer.clone()]].concat();
                if is_end {
                    done.push(longer);
                } else if longer.len() < 8 {
                    open.push(longer);
                }
            }
        }
    }
    Ok(done)
}

/// 5.18 What makes an authority, or an intermediate, be used at all: no critical extension that is not processed, none twice, no extended key
/// usage without `clientAuth`; of an authority also a subject.
pub(crate) fn is_issuer(der: &[u8], authority: bool) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    is_for_clients(der) && extensions_processed(&certificate) && (!authority || !certificate.tbs_certificate().subject().is_empty())
}

/// True if an issuer's extended key usage, where it has one, permits clients.
pub(crate) fn is_for_clients(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    let eku: Option<Option<(bool, ExtendedKeyUsage)>> = certificate.tbs_certificate().get_extension().ok();
    eku.is_some_and(|e| e.is_none_or(|(_, e)| e.0.iter().any(|o| is_client_auth(&o.to_string()) || o.to_string() == ANY_EKU)))
}

pub(crate) const ANY_EKU: &str = "2.5.29.37.0";

pub(crate) fn is_client_auth(oid: &str) -> bool {
    oid == "1.3.6.1.5.5.7.3.2"
}

pub(crate) fn extensions_processed(certificate: &Certificate) -> bool {
    let extensions = certificate.tbs_certificate().extensions().cloned().unwrap_or_default();
    let known = [
        KeyUsage::OID,
        SubjectAltName::OID,
        BasicConstraints::OID,
        NameConstraints::OID,
        CrlDistributionPoints::OID,
        ExtendedKeyUsage::OID,
    ];
    let once = extensions.iter().map(|e| e.extn_id).collect::<BTreeSet<_>>().len() == extensions.len();
    once && extensions.iter().all(|e| !e.critical || known.contains(&e.extn_id))
}

/// True if a certificate's signature is by a key. Weak hashes are `cert_key`, told elsewhere.
pub(crate) fn verifies(certificate: &Certificate, key: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> Judged<bool> {
    let input = certificate.tbs_certificate().to_der().map_err(|e| outside(format!("a certificate: {e}")))?;
    signature(&certificate.signature_algorithm().oid.to_string(), key, &input, certificate.signature().raw_bytes())
}

pub(crate) fn signature(oid: &str, key: &x509_cert::spki::SubjectPublicKeyInfoOwned, input: &[u8], signature: &[u8]) -> Judged<bool> {
    let question = [oid.as_bytes(), key.subject_public_key.raw_bytes(), input, signature];
    remembered(&question, || verified(oid, key, input, signature))
}

fn verified(oid: &str, key: &x509_cert::spki::SubjectPublicKeyInfoOwned, input: &[u8], signature: &[u8]) -> Judged<bool> {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use rsa::pkcs1::DecodeRsaPublicKey;
    use rsa::signature::Verifier;
    let bits = key.subject_public_key.raw_bytes();
    macro_rules! ecdsa {
        ($hash:ty) => {{
            let hash = <$hash>::digest(input);
            macro_rules! on {
                ($curve:ident) => {{
                    let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(bits).ok();
                    let signature = $curve::ecdsa::Signature::from_der(signature).ok();
                    key.zip(signature).is_some_and(|(k, s)| k.verify_prehash(&hash, &s).is_ok())
                }};
            }
            match bits.len() {
                65 => on!(p256),
                97 => on!(p384),
                133 => on!(p521),
                _ => return Err(outside("a compressed point, or another curve")),
            }
        }};
    }
    macro_rules! rsa {
        ($hash:ty) => {{
            let key = rsa::PublicKey::from_pkcs1_der(bits).map_err(|e| outside(format!("an RSA key: {e}")))?;
            let key = rsa::pkcs1v15::VerifyingKey::<$hash>::new(key);
            rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|s| key.verify(input, &s).is_ok())
        }};
    }
    Ok(match oid {
        "1.2.840.10045.4.3.2" => ecdsa!(Sha256),
        "1.2.840.10045.4.3.3" => ecdsa!(Sha384),
        "1.2.840.10045.4.3.4" => ecdsa!(Sha512),
        "1.2.840.113549.1.1.11" => rsa!(Sha256),
        "1.2.840.113549.1.1.12" => rsa!(Sha384),
        "1.2.840.113549.1.1.13" => rsa!(Sha512),
        "1.3.101.112" => {
            let key = <[u8; 32]>::try_from(bits).ok().and_then(|b| ed25519_dalek::VerifyingKey::from_bytes(&b).ok());
            let signature = ed25519_dalek::Signature::from_slice(signature).ok();
            key.zip(signature).is_some_and(|(k, s)| k.verify_strict(input, &s).is_ok())
        }
        other => return Err(outside(format!("the signature algorithm {other}"))),
    })
}

fn seconds(time: &x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// 5.19 A certificate is good from `notBefore` to `notAfter`, both included.
pub(crate) fn untimely(world: &World, certificate: &Certificate) -> Option<Reason> {
    let validity = certificate.tbs_certificate().validity();
    match world.now {
        now if now > seconds(&validity.not_after) => Some("cert_expired"),
        now if now < seconds(&validity.not_before) => Some("cert_not_yet_valid"),
        _ => None,
    }
}

/// 5.19 Everything that is wrong with a path, its own certificate first and the pinned authority last.
pub(crate) fn check(world: &World, document: &Document, path: &[Vec<u8>], names: &Names) -> Judged<BTreeSet<Reason>> {
    let mut faults = BTreeSet::new();
    let none = Value::Null;
    let leaf_spec = document.spec.get("leaf").unwrap_or(&none);
    let read: Vec<Certificate> =
        path.iter().map(|d| Certificate::from_der(d).map_err(|e| outside(format!("a certificate: {e}")))).collect::<Judged<_>>()?;
    let Some(leaf) = read.first() else { return Ok(faults) };
    let odd = |what: &str| outside(format!("{what} that cannot be read, or is there twice"));
    for (i, certificate) in read.iter().enumerate() {
        let tbs = certificate.tbs_certificate();
        faults.extend(untimely(world, certificate));
        let policies = ["2.5.29.36", "2.5.29.54", "2.5.29.33"];
        if tbs.extensions().is_some_and(|all| all.iter().any(|e| policies.contains(&e.extn_id.to_string().as_str()))) {
            return Err(outside("certificate policies"));
        }
        let bits = tbs.subject_public_key_info().subject_public_key.raw_bytes();
        let kind = tbs.subject_public_key_info().algorithm.oid.to_string();
        let curve = ["1.2.840.10045.2.1", "1.3.101.112"].contains(&kind.as_str()) && [32, 65, 97, 133].contains(&bits.len());
        if !curve && kind != "1.2.840.113549.1.1.1" {
            return Err(outside("another kind of key than RSA, P-256, P-384, P-521 and Ed25519"));
        }
        if kind == "1.2.840.113549.1.1.1" {
            use rsa::pkcs1::DecodeRsaPublicKey;
            use rsa::traits::PublicKeyParts;
            let key = rsa::PublicKey::from_pkcs1_der(bits).map_err(|e| outside(format!("an RSA key: {e}")))?;
            let least = match leaf_spec.get("minRsaBits") {
                Some(Value::Number(n)) if i == 0 => n.as_whole().and_then(|n| u32::try_from(n).ok()).unwrap_or(2048),
                _ => 2048,
            };
            if key.n().bit_width() < least || key.n().bit_width() > 8192 {
                faults.insert("cert_key");
            }
        }
        if i == 0 {
            continue;
        }
        // Of every issuer: it is a CA, may sign certificates, and permits as many below it.
        let basic: Option<(bool, BasicConstraints)> = tbs.get_extension().map_err(|_| odd("basicConstraints"))?;
        let usage: Option<(bool, KeyUsage)> = tbs.get_extension().map_err(|_| odd("keyUsage"))?;
        let long = basic.as_ref().and_then(|(_, b)| b.path_len_constraint).is_some_and(|most| i - 1 > usize::from(most));
        if !basic.is_some_and(|(_, b)| b.ca) || usage.is_some_and(|(_, u)| !u.key_cert_sign()) || long {
            faults.insert("chain_untrusted");
        }
        let constraints: Option<(bool, NameConstraints)> = tbs.get_extension().map_err(|_| odd("nameConstraints"))?;
        for below in read.iter().take(i) {
            if let Some((_, constraints)) = &constraints
                && !permitted(constraints, below)?
            {
                faults.insert("cert_san");
            }
        }
    }
    if !extensions_processed(leaf) {
        faults.insert("chain_untrusted");
    }
    let tbs = leaf.tbs_certificate();
    let basic: Option<(bool, BasicConstraints)> = tbs.get_extension().map_err(|_| odd("basicConstraints"))?;
    let usage: Option<(bool, KeyUsage)> = tbs.get_extension().map_err(|_| odd("keyUsage"))?;
    let eku: Option<(bool, ExtendedKeyUsage)> = tbs.get_extension().map_err(|_| odd("extKeyUsage"))?;
    let asks = |key: &str| leaf_spec.get("extendedKeyUsage").is_some_and(|e| e.is_true(key));
    let client = match eku {
        None => asks("allowAbsent"),
        Some((_, e)) => {
            e.0.iter().any(|o| is_client_auth(&o.to_string())) || (asks("allowAny") && e.0.iter().any(|o| o.to_string() == ANY_EKU))
        }
    };
    let signs = usage.as_ref().is_some_and(|(_, u)| u.key_cert_sign());
    let spiffe = names.uris.iter().any(|u| u.to_lowercase().starts_with("spiffe:"));
    if signs && spiffe {
        faults.insert("spiffe_invalid");
    }
    if basic.is_some_and(|(_, b)| b.ca) || (signs && !spiffe) || usage.is_some_and(|(_, u)| !u.digital_signature()) || !client {
        faults.insert("cert_eku");
    }
    if !well_formed(names)? {
        faults.insert("cert_san");
    }
    let (from, until) = (seconds(&tbs.validity().not_before), seconds(&tbs.validity().not_after));
    let lives = until < from || duration_of(leaf_spec, "maxLifetime").is_some_and(|most| (until - from) * 1000 > most);
    let ends = duration_of(leaf_spec, "minRemaining").is_some_and(|least| (until - world.now) * 1000 < least);
    if lives || (ends && world.now <= until) {
        faults.insert("cert_lifetime");
    }
    if let Some(pins) = leaf_spec.get("pins").and_then(Value::list).filter(|pins| !pins.is_empty()) {
        let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let spki = hex(&tbs.subject_public_key_info().to_der().unwrap_or_default());
        let whole = hex(path.first().map(Vec::as_slice).unwrap_or_default());
        let is = |p: &Value, key: &str, found: &str| p.text_of(key).is_some_and(|t| revocation::fingerprint(t) == found);
        if !pins.iter().any(|p| is(p, "spki", &spki) || is(p, "certificate", &whole)) {
            faults.insert("cert_pin");
        }
    }
    faults.extend(lists(world, document, &read)?);
    Ok(faults)
}

/// 5.19 Whether each name has the form of its kind.
pub(crate) fn well_formed(names: &Names) -> Judged<bool> {
    let dns = |n: &String| {
        n.trim_start_matches("*.").split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
    };
    let mapped = |ip: &Vec<u8>| ip.len() == 16 && ip.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    let ips = names.ips.iter().all(|ip| (ip.len() == 4 || ip.len() == 16) && !mapped(ip));
    if names.others || names.emails.iter().any(|e| e.matches('@').count() != 1) || names.uris.iter().any(|u| !u.contains(':')) {
        return Err(outside("the form of a name"));
    }
    Ok(names.dns.iter().all(dns) && ips && names.dns.len() + names.uris.len() + names.emails.len() + names.ips.len() <= 256)
}

/// 5.30 Name constraints on DNS names and IP addresses; below any other kind no name of that kind is permitted.
pub(crate) fn permitted(constraints: &NameConstraints, certificate: &Certificate) -> Judged<bool> {
    let names = names(certificate)?;
    let trees = |list: &Option<Vec<_>>| list.clone().unwrap_or_default();
    let (permitted, excluded) = (trees(&constraints.permitted_subtrees), trees(&constraints.excluded_subtrees));
    let within = |name: &str, base: &str| {
        let (name, base) = (name.to_lowercase(), base.to_lowercase());
        base.is_empty() || name == base || name.ends_with(&format!(".{}", base.trim_start_matches('.')))
    };
    let masked = |ip: &[u8], base: &[u8]| {
        base.len() == 2 * ip.len()
            && (0..ip.len()).all(|i| ip.get(i).zip(base.get(i)).zip(base.get(i + ip.len())).is_some_and(|((a, b), m)| a & m == b & m))
    };
    if names.dns.iter().any(|n| n.contains('*')) {
        return Err(outside("a wildcard below a name constraint"));
    }
    for tree in permitted.iter().chain(&excluded) {
        let refused = match &tree.base {
            GeneralName::DnsName(_) | GeneralName::IpAddress(_) => false,
            GeneralName::UniformResourceIdentifier(_) => !names.uris.is_empty(),
            GeneralName::DirectoryName(_) => !certificate.tbs_certificate().subject().is_empty(),
            GeneralName::Rfc822Name(_) => !names.emails.is_empty(),
            _ => return Err(outside("a name constraint of another kind")),
        };
        if refused {
            return Ok(false);
        }
    }
    let dns = |list: &[x509_cert::ext::pkix::constraints::name::GeneralSubtree], n: &str| {
        list.iter().any(|t| matches!(&t.base, GeneralName::DnsName(b) if within(n, b.as_str())))
    };
    let ip = |list: &[x509_cert::ext::pkix::constraints::name::GeneralSubtree], n: &[u8]| {
        list.iter().any(|t| matches!(&t.base, GeneralName::IpAddress(b) if masked(n, b.as_bytes())))
    };
    let dns_asked = permitted.iter().any(|t| matches!(t.base, GeneralName::DnsName(_)));
    let ip_asked = permitted.iter().any(|t| matches!(t.base, GeneralName::IpAddress(_)));
    Ok(names.dns.iter().all(|n| !dns(&excluded, n) && (!dns_asked || dns(&permitted, n)))
        && names.ips.iter().all(|n| !ip(&excluded, n) && (!ip_asked || ip(&permitted, n))))
}

/// 5.31 Revocation lists: those of this document for its demands, and those of every document for what they revoke.
pub(crate) fn lists(world: &World, document: &Document, path: &[Certificate]) -> Judged<BTreeSet<Reason>> {
    use x509_cert::crl::CertificateList;
    let mut faults = BTreeSet::new();
    for other in world.documents.of("TrustDomain") {
        let Some(spec) = other.spec.get("revocation") else { continue };
        let chain = spec.text_of("depth") == Some("chain");
        let mut read: Vec<CertificateList> = Vec::new();
        for place in spec.get("crls").and_then(Value::list).unwrap_or_default() {
            let name = place.text_of("file").or(place.get("remote").and_then(|r| r.text_of("url"))).unwrap_or_default();
            let bytes = place.text_of("inline").map(|t| t.as_bytes().to_vec()).or_else(|| world.files.get(name).cloned());
            let bytes = bytes.ok_or_else(|| outside(format!("the list {name}")))?;
            let der = if bytes.starts_with(b"-----") {
                x509_cert::der::pem::decode_vec(&bytes).map_err(|e| outside(format!("a list: {e}")))?.1
            } else {
                bytes
            };
            read.push(CertificateList::from_der(&der).map_err(|e| outside(format!("a list: {e}")))?);
        }
        for (i, certificate) in path.iter().enumerate().take(path.len() - 1).take(if chain { usize::MAX } else { 1 }) {
            let Some(issuer) = path.get(i + 1).map(Certificate::tbs_certificate) else { continue };
            let serial = certificate.tbs_certificate().serial_number();
            let (mut covered, mut fresh) = (0, false);
            for list in &read {
                let tbs = &list.tbs_cert_list;
                let input = tbs.to_der().map_err(|e| outside(format!("a list: {e}")))?;
                let oid = list.signature_algorithm.oid.to_string();
                if tbs.issuer != *issuer.subject()
                    || !signature(&oid, issuer.subject_public_key_info(), &input, list.signature.raw_bytes())?
                {
                    continue;
                }
                let scoped = |oid: &str| oid != CrlNumber::OID.to_string() && oid != "2.5.29.35";
                if tbs.crl_extensions.iter().flatten().any(|e| scoped(&e.extn_id.to_string())) {
                    return Err(outside("a list with a scope, or another extension than its number"));
                }
                covered += 1;
                if tbs.revoked_certificates.iter().flatten().any(|r| r.serial_number == *serial) {
                    faults.insert("cert_revoked");
                }
                let grace = spec.get("onStale").and_then(|s| duration_of(s, "grace")).unwrap_or(0) / 1000;
                let next = tbs.next_update.as_ref().map(seconds).ok_or_else(|| outside("a list without nextUpdate"))?;
                fresh |= world.now >= seconds(&tbs.this_update) && world.now <= next.saturating_add(grace);
            }
            if other.name != document.name {
                continue;
            }
            let points: Option<(bool, CrlDistributionPoints)> =
                certificate.tbs_certificate().get_extension().map_err(|_| outside("distribution points that cannot be read"))?;
            if points.is_some_and(|(_, p)| p.0.iter().any(|p| p.crl_issuer.is_some() || p.reasons.is_some())) {
                return Err(outside("distribution points of other issuers, or of some reasons"));
            }
            match covered {
                0 if spec.text_of("onMissing") != Some("allow") => drop(faults.insert("crl_missing")),
                0 => {}
                1 if !fresh => drop(faults.insert("crl_stale")),
                1 => {}
                _ => return Err(outside("several lists of one issuer")),
            }
        }
    }
    Ok(faults)
}
