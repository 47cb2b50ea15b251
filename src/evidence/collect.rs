//! Collects the evidence of one request: the sealed credentials are opened and read here.

use super::dpop::DpopProof;
use super::peer::PeerEvidence;
use super::presented::Presented;
use super::sources::PeerSources;
use super::token::{self, IgnoredToken, PresentedToken, UnreadableToken};
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, RequestLine, Text, TokenPlace};

/// Everything one request shows.
#[derive(Debug)]
pub struct Evidence {
    /// The evidence of the peer's certificate.
    pub peer: PeerEvidence,
    /// The tokens, in no particular order; empty where none was sent. An error where a place holds something else.
    pub tokens: Result<Vec<PresentedToken>, Rejection>,
    /// The places that hold something else.
    pub unreadable: Vec<UnreadableToken>,
    /// The tokens that are in other places than those.
    pub readable: Vec<PresentedToken>,
    /// The tokens that were ignored.
    pub ignored: Vec<IgnoredToken>,
    /// The proof that their sender holds a key (RFC 9449).
    pub proof: Presented<DpopProof>,
    /// The request that such a proof must be for. The collector of the evidence adds it if there is a proof.
    pub request: Option<RequestLine>,
}

/// Opens the sealed credentials and reads what is in them.
///
/// `destination_principal` is the proxy's own identity as the check has it; `sources` says which places of peer evidence are
/// enabled; `places` are all the places where any issuer's tokens may be.
pub fn collect(
    credentials: &CredentialHeaders,
    destination_principal: Option<&Text>,
    sources: &PeerSources,
    places: &[TokenPlace],
) -> Evidence {
    let (tokens, unreadable) = token::collect_each(credentials, places);
    let evidence = Evidence {
        peer: PeerEvidence::collect(credentials, destination_principal, sources),
        tokens: Ok(Vec::new()),
        unreadable,
        readable: Vec::new(),
        ignored: Vec::new(),
        proof: DpopProof::find(credentials),
        request: None,
    };
    evidence.with_tokens(tokens)
}

impl Evidence {
    /// The same with these tokens; they are all there is only where no place is unreadable.
    fn with_tokens(mut self, tokens: Vec<PresentedToken>) -> Self {
        match self.unreadable.first() {
            None => self.tokens = Ok(tokens),
            Some(first) => {
                self.tokens = Err(first.rejection.clone());
                self.readable = tokens;
            }
        }
        self
    }

    /// Every token that can be read.
    pub fn presented(&self) -> &[PresentedToken] {
        self.tokens.as_deref().unwrap_or(&self.readable)
    }

    /// Ignores the tokens that `token` has a reason for, and the unreadable places that `place` has one for.
    #[must_use]
    pub fn ignoring(
        mut self,
        token: impl Fn(&PresentedToken) -> Option<Rejection>,
        place: impl Fn(&UnreadableToken) -> Option<Rejection>,
    ) -> Self {
        let readable = std::mem::take(&mut self.readable);
        let tokens = std::mem::replace(&mut self.tokens, Ok(Vec::new())).unwrap_or(readable);
        let (mut kept, mut unreadable) = (Vec::with_capacity(tokens.len()), Vec::new());
        for own in tokens {
            match token(&own) {
                None => kept.push(own),
                Some(rejection) => {
                    let (place, fingerprint) = (own.place.clone(), Some(own.fingerprint));
                    self.ignored.push(IgnoredToken { place, rejection, fingerprint });
                }
            }
        }
        for own in std::mem::take(&mut self.unreadable) {
            match place(&own) {
                None => unreadable.push(own),
                Some(rejection) => {
                    let place = own.place;
                    self.ignored.push(IgnoredToken { place, rejection, fingerprint: None });
                }
            }
        }
        self.unreadable = unreadable;
        self.with_tokens(kept)
    }
}
