//! Why a server gave nothing.

use std::io;
use std::time::Duration;

use crate::document::HumanDuration;

/// Why nothing was got. Never holds a part of the address or of the answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It took longer than the bound.
    #[error("took too long")]
    Timeout,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No trusted connection.
    #[error("cannot establish TLS: {0}")]
    Tls(String),
    /// The other side does not speak HTTP.
    #[error("broken HTTP exchange")]
    Http,
    /// The answer leads elsewhere.
    #[error("answered {0}, and redirects are not followed")]
    Redirect(u16),
    /// Another status than 200.
    #[error("answered {0}, expected 200")]
    Status(u16),
    /// Another status than 200, and not to be asked again before a while has passed (RFC 9110 section 10.2.3).
    #[error("answered {0}, expected 200, and may be asked again after {after}", after = HumanDuration::new(*.1))]
    Busy(u16, Duration),
    /// Closed without any part of an answer.
    #[error("closed the connection without an answer")]
    Unanswered,
    /// No connection to a proxy.
    #[error("cannot be asked: no connection to the proxy: {0}")]
    Proxy(io::Error),
    /// A proxy that does not connect to the server.
    #[error("cannot be asked: the proxy answered {0}")]
    ProxyStatus(u16),
    /// Credentials that are not there.
    #[error("cannot be asked: {0}")]
    Credentials(String),
    /// Compressed in another way than was asked for, or broken.
    #[error("answered in an encoding that was not asked for, or that is broken")]
    Encoding,
    /// More than the bound.
    #[error("answered more than may be read")]
    TooLarge,
}

impl FetchError {
    /// The time that the server wants to pass before the next request.
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Busy(_, wait) = self { Some(*wait) } else { None }
    }
}
