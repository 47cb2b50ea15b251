//! Reads the evidence to inspect, in any of its forms, into the credentials of one request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;

use crate::authn::CertificateDescription;
use crate::envoy;
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames, Text};

/// The kind of a text or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum InputKind {
    /// A certificate, or a chain that begins with the leaf, in PEM.
    Pem,
    /// One certificate in DER.
    Der,
    /// The value of `x-forwarded-client-cert`.
    Xfcc,
    /// A recorded check in JSON.
    Json,
    /// A recorded `CheckRequest` in protobuf.
    Check,
}

/// The credentials of one request.
#[derive(Debug)]
pub(super) struct InspectInput {
    pub(super) kind: InputKind,
    pub(super) credentials: CredentialHeaders,
    pub(super) destination: Option<Text>,
    /// True if the TLS peer can be known: not if the input is a certificate or a header alone.
    pub(super) names_tls_peer: bool,
}

/// A recorded check in JSON: our own short form.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RecordedCheck {
    xfcc: Option<String>,
    client_cert: Option<String>,
    client_cert_chain: Option<String>,
    source_certificate: Option<String>,
    source_principal: Option<String>,
    destination_principal: Option<String>,
}

const XFCC: &str = "x-forwarded-client-cert";

impl InputKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pem => "PEM",
            Self::Der => "DER",
            Self::Xfcc => "XFCC value",
            Self::Json => "recorded check (JSON)",
            Self::Check => "recorded check (protobuf)",
        }
    }

    /// True if it is evidence without a request.
    pub(super) const fn is_certificate(self) -> bool {
        matches!(self, Self::Pem | Self::Der)
    }

    /// A guess; `--as` says it for certain.
    fn of(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
        let is_text = |c: char| !c.is_control() || c.is_ascii_whitespace();
        if text.is_empty() || !text.chars().all(is_text) {
            return if CertificateDescription::read(bytes).is_some() {
                Self::Der
            } else {
                Self::Check
            };
        }
        if text.starts_with('[') {
            // XFCC as JSON, with PEM in it.
            Self::Xfcc
        } else if text.starts_with('{') {
            Self::Json
        } else if text.contains("-----BEGIN CERTIFICATE-----") {
            Self::Pem
        } else {
            Self::Xfcc
        }
    }
}

impl InspectInput {
    /// Reads `bytes` as `kind`, or as what they look like.
    pub(super) fn parse(bytes: &[u8], kind: Option<InputKind>) -> Result<Self, String> {
        if bytes.trim_ascii().is_empty() {
            return Err(String::from("there is nothing in it"));
        }
        let guessed = kind.is_none();
        let kind = kind.unwrap_or_else(|| InputKind::of(bytes));
        // Every element of XFCC is `Key=value`, or JSON.
        if guessed
            && kind == InputKind::Xfcc
            && !bytes.contains(&b'=')
            && !bytes.trim_ascii().starts_with(b"[")
        {
            return Err(String::from(
                "it is no certificate (PEM or DER), no XFCC header and no recorded check; say what it is with `--as`",
            ));
        }
        match kind {
            InputKind::Pem => Self::pem(bytes),
            InputKind::Der => Ok(Self::certificates(kind, &[bytes])),
            InputKind::Xfcc => Ok(Self::xfcc(bytes)),
            InputKind::Json => Self::json(bytes),
            InputKind::Check => Self::check(bytes, kind),
        }
    }

    /// Certificates are shown as XFCC would: `Cert` for one, `Chain` for several. Private keys beside them are ignored.
    fn pem(bytes: &[u8]) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        let certificates = certificates.map_err(|_| String::from("it is not valid PEM"))?;
        if certificates.is_empty() {
            return Err(String::from("there is no certificate in it"));
        }
        let ders: Vec<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
        Ok(Self::certificates(InputKind::Pem, &ders))
    }

    fn certificates(kind: InputKind, ders: &[&[u8]]) -> Self {
        let pem: String = ders.iter().map(|der| to_pem(der)).collect();
        let key = if ders.len() > 1 { "Chain" } else { "Cert" };
        let text = format!("{key}=\"{}\"", utf8_percent_encode(&pem, NON_ALPHANUMERIC));
        Self { kind, ..Self::xfcc(text.as_bytes()) }
    }

    fn xfcc(bytes: &[u8]) -> Self {
        let value = bytes.trim_ascii();
        let named = value.split_at_checked(XFCC.len()).filter(|(name, rest)| {
            name.eq_ignore_ascii_case(XFCC.as_bytes()) && rest.first() == Some(&b':')
        });
        let value = named.and_then(|(_, rest)| rest.get(1..)).unwrap_or(value);
        let recorded = [(XFCC, value.trim_ascii().to_vec())];
        Self::of(InputKind::Xfcc, recorded, None, None, None)
    }

    fn json(bytes: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
        if value.get("attributes").is_some() {
            return Self::check(bytes, InputKind::Json);
        }
        let recorded: RecordedCheck = serde_json::from_value(value)
            .map_err(|error| format!("{error}; or give Envoy's whole check, with `attributes`"))?;
        let lines = [
            (XFCC, recorded.xfcc),
            ("client-cert", recorded.client_cert),
            ("client-cert-chain", recorded.client_cert_chain),
        ];
        let lines = lines.into_iter();
        let lines = lines.filter_map(|(name, text)| Some((name, text?.into_bytes())));
        Ok(Self::of(
            InputKind::Json,
            lines,
            recorded.source_certificate,
            recorded.source_principal,
            recorded.destination_principal,
        ))
    }

    /// Envoy's whole check, in protobuf or in its JSON form.
    fn check(bytes: &[u8], kind: InputKind) -> Result<Self, String> {
        let (view, credentials) = envoy::decode_recorded(bytes, &SealedNames::default())
            .unwrap_or_else(|| {
                Err(String::from(
                    "it is no recorded check, and it is not text; say what it is with `--as`",
                ))
            })?;
        let destination = view.destination.principal;
        Ok(Self { kind, credentials, destination, names_tls_peer: true })
    }

    fn of(
        kind: InputKind,
        lines: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
        certificate: Option<String>,
        principal: Option<String>,
        destination: Option<String>,
    ) -> Self {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(name, HeaderValue::new(value));
        }
        let sealed = SealedNames::default();
        let (_, credentials) = CredentialHeaders::split(
            headers,
            &sealed,
            certificate.map(Text::from),
            principal.map(Text::from),
        );
        let destination = destination.map(Text::from);
        Self { kind, credentials, destination, names_tls_peer: kind == InputKind::Json }
    }

    /// True if it is a header that came without anything about the connection.
    pub(super) fn is_header_without_peer(&self) -> bool {
        self.kind == InputKind::Xfcc && !self.names_tls_peer
    }

    /// The same with another word for the TLS peer and for the proxy itself.
    pub(super) fn with(self, principal: Option<&str>, destination: Option<&str>) -> Self {
        let mut headers = Headers::default();
        for name in [XFCC, "client-cert", "client-cert-chain"] {
            for value in self.credentials.all(name) {
                headers.push(name, value.clone());
            }
        }
        let certificate = self.credentials.source_certificate().cloned();
        let principal = principal.map(Text::from);
        let named_peer = principal.is_some();
        let named = principal.or_else(|| self.credentials.source_principal().cloned());
        let sealed = SealedNames::default();
        let (_, credentials) = CredentialHeaders::split(headers, &sealed, certificate, named);
        Self {
            credentials,
            destination: destination.map(Text::from).or(self.destination),
            names_tls_peer: self.names_tls_peer || named_peer,
            ..self
        }
    }
}

pub(in crate::cli) fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(64) {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}
