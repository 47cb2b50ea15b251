//! Overrides: headers and parameters that make an upstream act on another method, path, host, scheme or port than the one that
//! was decided about (P26, P29, P133). None of them goes upstream, unless a target keeps it by name.

pub(in crate::policy) use crate::request::OVERRIDE_HEADERS;

/// Headers that proxies write about who is calling and how. They go upstream as the proxy wrote them; other spellings, which no
/// proxy writes and none takes away, do not (P131).
pub(in crate::policy) const PROXY_HEADERS: [&str; 5] = [
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Envoy's word that a request passed without being checked; from a caller it would be a lie either way (P3).
pub(in crate::policy) const FAILURE_MODE_HEADER: &str = "x-envoy-auth-failure-mode-allowed";

/// Query parameters by which frameworks replace the method (Symfony, Laravel, CakePHP, Express).
pub(in crate::policy) const OVERRIDE_PARAMETERS: [&str; 1] = ["_method"];

#[cfg(test)]
mod tests {
    use super::*;

    /// P133, P189: those that Envoy itself, or a few servers only, act on are among them.
    #[test]
    fn overrides_of_few_are_removed_as_well() {
        for name in ["x-envoy-original-dst-host", "front-end-https", "x-override-url", "x-scheme"] {
            assert!(OVERRIDE_HEADERS.binary_search(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_are_in_order_and_in_lower_case() {
        assert!(OVERRIDE_HEADERS.is_sorted());
        for name in OVERRIDE_HEADERS {
            let allowed = |b: u8| b.is_ascii_lowercase() || b == b'-';
            assert!(name.bytes().all(allowed), "{name}");
        }
    }
}
