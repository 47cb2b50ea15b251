//! The report as text: the verdict first, then the steps that lead to it, then everything that was shown.

use std::io::{self, Write};

use super::certificate::{CertificateReport, Description, ValidityState, VerdictReport};
use super::peer::{HopReport, HopResult, PeerPlace, PeerReport, RejectionReport, Verdict};
use super::report::{ElementReport, InspectReport, XfccReport};
use crate::cli::style::{BAD, GOOD, HEADING, QUIET, visible};
use crate::evidence_level::EvidenceLevel;

pub(super) fn write(report: &InspectReport, out: &mut dyn Write) -> io::Result<()> {
    if let Some(peer) = &report.peer {
        write_peer(peer, out)?;
    }
    let judged = report.revision.as_ref().map(|revision| format!(", documents {revision}"));
    let judged = judged.unwrap_or_default();
    writeln!(out, "{QUIET}{}, judged at {}{judged}{QUIET:#}", report.input, report.at)?;
    for note in &report.notes {
        writeln!(out, "{QUIET}note: {note}{QUIET:#}")?;
    }
    if !report.walk.is_empty() {
        write_walk(report, out)?;
    }
    if let Some(certificate) = &report.source_certificate {
        writeln!(out, "\n{HEADING}source.certificate{HEADING:#}")?;
        write_certificate(certificate, out)?;
    }
    if let Some(xfcc) = &report.xfcc {
        write_xfcc(xfcc, report, out)?;
    }
    if let Some(certificate) = &report.client_cert {
        writeln!(out, "\n{HEADING}client-cert{HEADING:#}")?;
        write_certificate(certificate, out)?;
    }
    Ok(())
}

fn write_peer(peer: &PeerReport, out: &mut dyn Write) -> io::Result<()> {
    let style = if peer.verdict == Verdict::Verified { GOOD } else { BAD };
    let verdict = peer.verdict.as_str();
    match &peer.rejection {
        Some(RejectionReport { reason, detail }) => {
            writeln!(out, "{style}{verdict}{style:#}  {reason}: {}", visible(detail))
        }
        None if peer.verdict == Verdict::Absent => {
            writeln!(out, "{style}{verdict}{style:#}  no certificate evidence was shown")
        }
        None => {
            let name = peer.spiffe.as_ref().or(peer.subject.as_ref());
            let name = name.map(|name| visible(name)).unwrap_or_default();
            writeln!(out, "{style}{verdict}{style:#}  {name}")?;
            let of = |text: Option<&str>| text.map(visible).unwrap_or_default();
            line(out, "trust domain", &of(peer.trust_domain.as_deref()))?;
            line(out, "evidence", &of(peer.evidence.map(EvidenceLevel::as_str)))?;
            lines(out, "source", peer.source.map(str::to_owned).as_slice())?;
            lines(out, "through", &peer.forwarders)
        }
    }
}

/// One step of the walk: the place, the finding, and a remark.
pub(in crate::cli) fn write_hop(
    hop: &HopReport,
    remark: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place = match (hop.element, hop.place) {
        (Some(at), _) => format!("XFCC element {at}"),
        (None, PeerPlace::SourceCertificate) => String::from("source.certificate"),
        (None, PeerPlace::Xfcc) => String::from("xfcc"),
        (None, PeerPlace::ClientCert) => String::from("client-cert"),
        (None, PeerPlace::Principal) => String::from("principal"),
    };
    let style = match hop.finding {
        HopResult::Caller => GOOD,
        HopResult::Refused => BAD,
        HopResult::Forwarder | HopResult::Repeated | HopResult::NotReached => QUIET,
    };
    let finding = hop.finding.text();
    writeln!(out, "  {place:<18}  {style}{finding:<11}{style:#}  {remark}")
}

fn write_walk(report: &InspectReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{HEADING}walk{HEADING:#}, from the nearest proxy")?;
    for hop in &report.walk {
        write_hop(hop, &why(hop, report), out)?;
    }
    Ok(())
}

fn why(hop: &HopReport, report: &InspectReport) -> String {
    let name = hop.identity.as_deref().map(visible).unwrap_or_default();
    let evidence = hop.evidence.map_or("", EvidenceLevel::as_str);
    match (hop.finding, &hop.rejection) {
        (_, Some(RejectionReport { reason, detail })) => format!("{reason}: {}", visible(detail)),
        (HopResult::Caller, _) => format!("verified, by {evidence}: {name}"),
        (HopResult::Forwarder, _) => format!("skipped, it forwards for the one before it: {name}"),
        (HopResult::Repeated, _) => String::from("skipped, it repeats `source.certificate`"),
        _ if report.walk.iter().any(|hop| hop.finding == HopResult::Caller) => {
            String::from("any client can write elements before the caller's")
        }
        _ => String::from("the walk ended before it"),
    }
}

fn write_xfcc(xfcc: &XfccReport, report: &InspectReport, out: &mut dyn Write) -> io::Result<()> {
    if let Some(RejectionReport { reason, detail }) = &xfcc.rejection {
        writeln!(out, "\n{HEADING}XFCC{HEADING:#}")?;
        return line(out, "malformed", &format!("{BAD}{reason}{BAD:#}: {}", visible(detail)));
    }
    let count = xfcc.elements.len();
    for (number, element) in (1..).zip(&xfcc.elements) {
        if report.is_certificate {
            writeln!(out)?;
            write_element(element, out)?;
            continue;
        }
        let found = report.walk.iter().find(|hop| hop.element == Some(number));
        let found = found.map(|hop| format!(" ({})", hop.finding.text()));
        let found = found.unwrap_or_default();
        writeln!(out, "\n{HEADING}XFCC element {number} of {count}{HEADING:#}{found}")?;
        write_element(element, out)?;
    }
    if xfcc.unknown_keys > 0 {
        writeln!(out, "\nXFCC has {} unknown keys, which were ignored", xfcc.unknown_keys)?;
    }
    Ok(())
}

fn write_element(element: &ElementReport, out: &mut dyn Write) -> io::Result<()> {
    lines(out, "By", &element.by)?;
    lines(out, "Hash", element.hash.as_slice())?;
    lines(out, "Subject", element.subject.as_slice())?;
    lines(out, "URI", &element.uri)?;
    lines(out, "DNS", &element.dns)?;
    match &element.certificate {
        Some(certificate) => write_certificate(certificate, out),
        None => line(out, "certificate", "none was shown"),
    }
}

fn write_certificate(certificate: &CertificateReport, out: &mut dyn Write) -> io::Result<()> {
    if let Some(RejectionReport { reason, detail }) = &certificate.rejection {
        line(out, "refused", &format!("{BAD}{reason}{BAD:#}: {}", visible(detail)))?;
    }
    if let Some(leaf) = &certificate.leaf {
        write_leaf(leaf, out)?;
    }
    for (number, issuer) in (1..).zip(&certificate.chain) {
        write_issuer(number, issuer.as_ref(), out)?;
    }
    for verdict in &certificate.trust_domains {
        write_verdict(verdict, out)?;
    }
    Ok(())
}

fn write_leaf(leaf: &Description, out: &mut dyn Write) -> io::Result<()> {
    line(out, "subject", &visible(&leaf.subject))?;
    line(out, "issuer", &visible(&leaf.issuer))?;
    line(out, "serial", &leaf.serial)?;
    for (kind, name) in &leaf.names {
        line(out, kind, &visible(name))?;
    }
    if let Some(RejectionReport { reason, detail }) = &leaf.names_rejection {
        line(out, "names", &format!("{BAD}{reason}{BAD:#}: {}", visible(detail)))?;
    }
    let style = if leaf.validity == ValidityState::Valid { GOOD } else { BAD };
    line(out, "valid", &format!("{} to {}", leaf.not_before, leaf.not_after))?;
    line(out, "", &format!("{style}{}{style:#}, lives {}", leaf.left, leaf.lifetime))?;
    let ca = if leaf.is_ca { ", a CA" } else { "" };
    let usages = leaf.usages.iter().map(|usage| visible(usage)).collect::<Vec<_>>().join(", ");
    line(out, "key", &format!("{}{ca}", visible(&leaf.key)))?;
    line(out, "usage", if usages.is_empty() { "not limited" } else { &usages })?;
    line(out, "sha256", &leaf.sha256)?;
    line(out, "x5t#S256", &leaf.x5t_s256)?;
    line(out, "spki pin", &leaf.spki_sha256)
}

fn write_issuer(
    number: usize,
    issuer: Option<&Description>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let label = format!("chain {number}");
    let Some(issuer) = issuer else {
        return line(out, &label, &format!("{BAD}it is not an X.509 certificate{BAD:#}"));
    };
    let style = if issuer.validity == ValidityState::Valid { QUIET } else { BAD };
    line(out, &label, &visible(&issuer.subject))?;
    line(out, "", &format!("{QUIET}issued by {}{QUIET:#}", visible(&issuer.issuer)))?;
    line(out, "", &format!("{style}{}, until {}{style:#}", issuer.left, issuer.not_after))?;
    line(out, "", &format!("{QUIET}sha256 {}{QUIET:#}", issuer.sha256))
}

fn write_verdict(verdict: &VerdictReport, out: &mut dyn Write) -> io::Result<()> {
    let name = visible(&verdict.trust_domain);
    let domain = match &verdict.spiffe {
        Some(spiffe) => format!("spiffe://{spiffe}"),
        None => String::from("certificates without a SPIFFE ID"),
    };
    let said = match (verdict.verdict, &verdict.rejection, &verdict.until) {
        (_, Some(RejectionReport { reason, detail }), _) => {
            format!("{BAD}refuses{BAD:#}  {reason}: {}", visible(detail))
        }
        (_, _, Some(until)) => format!("{GOOD}vouches{GOOD:#}  its chain holds until {until}"),
        _ => format!("{QUIET}not asked, it vouches for {domain} only{QUIET:#}"),
    };
    line(out, "trust domain", &format!("{name}: {said}"))
}

fn lines(out: &mut dyn Write, label: &str, values: &[String]) -> io::Result<()> {
    values.iter().try_for_each(|value| line(out, label, &visible(value)))
}

fn line(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {QUIET}{label:<12}{QUIET:#}  {value}")
}
