//! The beginning of an element of XFCC, and its writer. In text both have to be proved: a name can spell an element, and a
//! caller behind `APPEND_FORWARD` writes elements of its own.

use crate::evidence::{PeerEvidence, Xfcc, XfccElement, is_uri};
use crate::reason::{Reason, Rejection};
use crate::request::Text;
use crate::spiffe::SpiffeId;

/// Our own proxy's names.
#[derive(Clone, Copy)]
pub(super) struct OwnProxy<'a> {
    destination: Option<&'a Text>,
    identities: &'a [Text],
}

/// The way in which our own proxy writes elements: `By` first, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WritesBy {
    /// It has a URI name.
    Always,
    /// It has none: no `By` is its own.
    Never,
    /// Its name is unknown.
    Unknown,
}

/// How far it is certain that the element at hand is the one that our proxy wrote, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It is.
    Certain,
    /// It, or one before it: the header has several elements, and none of them is signed by `By`.
    Open,
}

impl<'a> OwnProxy<'a> {
    pub(super) fn of(evidence: &'a PeerEvidence) -> Self {
        Self { destination: evidence.destination.as_ref(), identities: &evidence.identities }
    }

    /// Envoy writes `By` for each URI name of its own certificate, before everything that a caller can choose. Its name, as
    /// it tells it, is the first of them; without any it is a DNS name or a subject.
    fn writes_by(self) -> WritesBy {
        let has_uri = |names: &[Text]| names.iter().any(|name| is_uri(name));
        match self.destination {
            Some(name) if is_uri(name) => WritesBy::Always,
            Some(_) => WritesBy::Never,
            None if has_uri(self.identities) => WritesBy::Always,
            None => WritesBy::Unknown,
        }
    }

    /// True if the element has one of our proxy's names in `By`.
    fn signs(self, element: &XfccElement) -> bool {
        let ours = |by: &String| {
            self.destination.into_iter().chain(self.identities).any(|name| *name == **by)
        };
        element.by.iter().any(ours)
    }

    /// True if our own proxy wrote the last element of what came from a TLS peer that is a forwarder: it may be the
    /// forwarder's, passed on. `is_of_peer` is whether the element speaks of the forwarder itself.
    pub(super) fn wrote(self, element: &XfccElement, is_of_peer: bool) -> bool {
        match self.writes_by() {
            WritesBy::Always => self.signs(element),
            WritesBy::Never => element.by.is_empty() && is_of_peer,
            WritesBy::Unknown => is_of_peer,
        }
    }

    /// P35, P90: the last element of the header is one that our proxy wrote, and no other is. `farther` are the others.
    ///
    /// # Errors
    /// `xfcc_untrusted_hop` where it was written for another workload, `xfcc_inconsistent` where our proxy seems to have
    /// written two.
    pub(super) fn check_last(
        self,
        xfcc: &Xfcc,
        element: &XfccElement,
        farther: &[XfccElement],
    ) -> Result<Beginning, Rejection> {
        match self.writes_by() {
            WritesBy::Always if element.by.is_empty() => Err(Reason::XfccUntrustedHop.because(
                "the nearest XFCC element has no `By`, which a proxy with a URI name writes",
            )),
            WritesBy::Always if !self.signs(element) => Err(other_workload()),
            WritesBy::Always if !xfcc.is_json && farther.iter().any(|e| self.signs(e)) => {
                Err(written_twice())
            }
            WritesBy::Never if !element.by.is_empty() => Err(other_workload()),
            // Configured names are those of several proxies, of which one may have no URI name.
            WritesBy::Always
                if self.destination.is_none() && !xfcc.is_json && any_unsigned(farther) =>
            {
                Ok(Beginning::Open)
            }
            WritesBy::Always => Ok(Beginning::Certain),
            WritesBy::Never | WritesBy::Unknown if xfcc.is_json || farther.is_empty() => {
                Ok(Beginning::Certain)
            }
            WritesBy::Never | WritesBy::Unknown => Ok(Beginning::Open),
        }
    }
}

/// P90: the last of these elements is the one that the forwarder `writer` wrote. Whether it writes `By` (its certificate as a
/// server may be another one than it shows here) is not known, so that it must be the only one that can be the forwarder's:
/// of several, the only one with this name, where none is without a name.
///
/// # Errors
/// `xfcc_untrusted_hop` where another workload wrote it, or where it is not certain which of several it is,
/// `xfcc_inconsistent` where the forwarder seems to have written two.
pub(super) fn check_written_by(
    writer: &SpiffeId,
    xfcc: &Xfcc,
    element: &XfccElement,
    farther: &[XfccElement],
) -> Result<(), Rejection> {
    let signs = |element: &XfccElement| element.by.iter().any(|by| by == writer.as_str());
    if !element.by.is_empty() && !signs(element) {
        return Err(Reason::XfccUntrustedHop.because(format!(
            "an XFCC element that `{writer}` should have written has another name in `By`"
        )));
    }
    if xfcc.is_json || farther.is_empty() {
        return Ok(());
    }
    if farther.iter().any(signs) {
        return Err(written_twice());
    }
    if element.by.is_empty() || any_unsigned(farther) {
        return Err(Reason::XfccUntrustedHop.because(format!(
            "which of several XFCC elements `{writer}` wrote is not certain, since one is without `By`"
        )));
    }
    Ok(())
}

/// True if one of these elements is without `By`, as a proxy without a URI name writes it.
fn any_unsigned(elements: &[XfccElement]) -> bool {
    elements.iter().any(|element| element.by.is_empty())
}

/// P91: of an element that our proxy wrote about a peer that it does not name outside of the header, a URI ends where the
/// element does.
///
/// # Errors
/// `evidence_insufficient`.
pub(super) fn check_uri_ends(element: &XfccElement) -> Result<(), Rejection> {
    if element.certificate.as_ref().is_some() || !element.has_open_uri {
        return Ok(());
    }
    Err(Reason::EvidenceInsufficient
        .because("names follow the URI, which can spell them, and there is no `Cert` to decide"))
}

/// P91: nothing outside of the header says where a URI ends in an element that a forwarder wrote. The text after it can be a
/// part of it, and a space at its end is lost on the way (RFC 9110 section 5.5).
///
/// # Errors
/// `evidence_insufficient`.
pub(super) fn check_uri_is_whole(xfcc: &Xfcc, element: &XfccElement) -> Result<(), Rejection> {
    if element.certificate.as_ref().is_some() || xfcc.is_json {
        return Ok(());
    }
    Err(Reason::EvidenceInsufficient.because(
        "a forwarder wrote no `Cert`, and how far a URI goes is not certain in XFCC as text: have it write `Cert`, or JSON",
    ))
}

fn other_workload() -> Rejection {
    Reason::XfccUntrustedHop.because("the nearest XFCC element was written for another workload")
}

fn written_twice() -> Rejection {
    Reason::XfccInconsistent.because("one proxy has written two elements of XFCC")
}
