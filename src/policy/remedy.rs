//! What would have to be otherwise, in a sentence for whoever has to see to it. Values of callers are left out.

use crate::document::policy::BindingSpec;
use crate::policy::asked::Asked;
use crate::policy::check::Check;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::observation::Sight;

/// What would have to be otherwise so that a check holds; nothing where it does.
pub(in crate::policy) fn of(asked: &Asked<'_>, truth: Truth) -> Option<String> {
    match truth {
        Truth::True => None,
        Truth::False => Some(sentence(asked)),
        Truth::Unknown if !asked.is_recorded() => {
            Some(format!("the record does not say whether there is {}", asked.check()))
        }
        Truth::Unknown => {
            Some(format!("{}, and it cannot be told whether it does", sentence(asked)))
        }
    }
}

fn sentence(asked: &Asked<'_>) -> String {
    let wanted = Wanted(asked.wanted());
    match asked.check() {
        Check::During => format!("the rule counts {}", wanted.plain()),
        Check::Destination => format!("the connection has to go to {}", wanted.one_of()),
        Check::Source => format!("the client has to be in {}", wanted.one_of()),
        Check::ServerName => {
            format!("the client's TLS handshake has to name {}{}", wanted.one_of(), but(asked))
        }
        Check::HostIsServerName => {
            format!("the client's TLS handshake has to name {}{}", wanted.plain(), but(asked))
        }
        Check::ContextExtension(name) => {
            format!("the route has to have the context extension `{name}` with {}", wanted.one_of())
        }
        Check::Header(own) => format!("the header `{}` has to be {}", own.name, wanted.plain()),
        Check::Query(own) => {
            format!("the query parameter `{}` has to be {}", own.name, wanted.plain())
        }
        Check::PeerPresent => {
            String::from("the caller has to show a certificate, and the proxy has to pass it on")
        }
        Check::PeerTrustDomain(name) => {
            format!("the peer has to belong to the trust domain `{name}`{}", but(asked))
        }
        Check::PeerSpiffe => {
            format!("the peer's SPIFFE ID has to match {}{}", wanted.one_of(), but(asked))
        }
        Check::PeerDns => format!("a DNS name of the peer has to match {}", wanted.one_of()),
        Check::PeerUri => format!("a URI of the peer has to be {}", wanted.one_of()),
        Check::PeerEmail => format!("an e-mail address of the peer has to be {}", wanted.one_of()),
        Check::PeerIp => {
            format!("an IP address of the peer's certificate has to be in {}", wanted.one_of())
        }
        Check::PeerSubject => format!("the peer's subject has to be {}", wanted.one_of()),
        Check::PeerEvidence(level) => {
            format!("the proxy has to pass on more of the certificate: `{level}`{}", but(asked))
        }
        Check::TokenPresent(issuer) => {
            format!("the request has to carry a token of the issuer `{issuer}`")
        }
        Check::TokenBinding(binding) => String::from(match binding {
            BindingSpec::None => "the token need not be bound",
            BindingSpec::Certificate => {
                "the token has to be bound to the peer's certificate (`cnf.x5t#S256`)"
            }
            BindingSpec::Dpop => {
                "the token has to be bound to a key (`cnf.jkt`) that the caller proves to hold (DPoP)"
            }
            BindingSpec::Any => {
                "the token has to be bound to the peer's certificate (`cnf.x5t#S256`) or to a key (`cnf.jkt`, DPoP)"
            }
        }),
        Check::TokenPresenterKnown(level) => {
            format!(
                "the proxy has to pass on more of the peer's certificate: `{level}`{}",
                but(asked)
            )
        }
        Check::TokenPresenter(pointer) => {
            format!("the claim `{pointer}` has to name the peer that presents the token")
        }
        Check::TokenAudience => {
            format!("the token has to be for the audience {}{}", wanted.one_of(), but(asked))
        }
        Check::TokenSubject => format!("the token's subject has to be {}", wanted.one_of()),
        Check::TokenClient => {
            format!("the token's client has to be {}{}", wanted.one_of(), but(asked))
        }
        Check::TokenClaim(own) => {
            format!("the claim `{}` has to be {}", own.pointer, wanted.plain())
        }
        Check::TokenScopes(scopes) => {
            let missing: Vec<_> = scopes.iter().filter(|scope| !asked.has_scope(scope)).collect();
            let noun = if missing.len() == 1 { "scope" } else { "scopes" };
            let missing: Vec<_> = missing.iter().map(|scope| format!("`{scope}`")).collect();
            format!("the token lacks the {noun} {}", missing.join(", "))
        }
        Check::TokenAnyScope(_) => {
            format!("the token has to have the scope {}", wanted.one_of())
        }
        Check::TokenAcr(_) => {
            format!("the user has to authenticate with `acr` {}", wanted.one_of())
        }
        Check::TokenAge(_) => {
            format!("the user has to have authenticated within the last {}", wanted.plain())
        }
        Check::Condition => {
            let operands = asked.operands();
            let mut failed = operands.iter().filter(|operand| operand.truth != Truth::True);
            match (failed.next(), failed.next()) {
                (Some(one), None) => format!("`{}` has to hold", one.text),
                (Some(_), Some(_)) | (None, _) => {
                    // The conditions of fragments end with their line: a comment might stand there.
                    let words: Vec<_> =
                        wanted.0.iter().flat_map(|own| own.split_whitespace()).collect();
                    format!("`{}` has to hold", words.join(" ").replace(" )", ")"))
                }
            }
        }
        Check::Inject(own) => {
            format!("the value for `{}` has to be one that can be sent", own.name)
        }
    }
}

/// The value that is there instead, where it may be shown.
fn but(asked: &Asked<'_>) -> String {
    match asked.found().first().map(|fact| &fact.sight) {
        Some(Sight::Open(value)) => format!(", and it is `{value}`"),
        Some(Sight::Absent | Sight::NotRecorded | Sight::Unreadable | Sight::Masked { .. })
        | None => String::new(),
    }
}

struct Wanted(Vec<String>);

// === impl Wanted ===

impl Wanted {
    fn one_of(&self) -> String {
        let quoted: Vec<_> = self.0.iter().map(|text| format!("`{text}`")).collect();
        quoted.join(" or ")
    }

    /// Of demands that are in words already.
    fn plain(&self) -> String {
        self.0.join(" and ")
    }
}
