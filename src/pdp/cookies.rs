//! The cookies of one request, for an allow that takes the token out of them.

use std::sync::Arc;

use super::sealed::SealedHeader;
use crate::request::HeaderValue;
use crate::secret::Secret;

/// Every cookie pair, in the order of arrival (RFC 6265 section 5.4).
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Secret<String>>);

impl Cookies {
    /// Reads the lines; one that is not text has no token in it and does not go on.
    pub(super) fn of<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let lines = lines.filter_map(|line| line.as_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
        Self(pairs.filter(|pair| !pair.is_empty()).map(|p| Secret::new(p.to_owned())).collect())
    }

    /// The header without the cookies called `name`; none where nothing is left.
    pub(super) fn without(&self, name: &str) -> Option<SealedHeader> {
        let is_other = |pair: &&str| pair.split('=').next().map(str::trim) != Some(name);
        let left: Vec<&str> =
            self.0.iter().map(|pair| pair.expose().as_str()).filter(is_other).collect();
        let value = Secret::new(left.join("; "));
        (!left.is_empty()).then(|| SealedHeader { name: Arc::from("cookie"), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookies_of_the_name_go() {
        for (lines, left) in [
            (&["session=eyJ.a.b; theme=dark"][..], Some("theme=dark")),
            (&["a=1; session=x; b=2", "session=y; c=3"], Some("a=1; b=2; c=3")),
            (&["sessions=1; Session=2;session =3"], Some("sessions=1; Session=2")),
            (&["session=x"], None),
            (&[], None),
        ] {
            let lines: Vec<_> =
                lines.iter().map(|l| HeaderValue::new(l.as_bytes().to_vec())).collect();
            let header = Cookies::of(lines.iter()).without("session");
            assert_eq!(header.as_ref().map(|h| h.value.expose().as_str()), left);
        }
    }
}
