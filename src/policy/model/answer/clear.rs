//! Taking a cookie away from a browser whose token in it was refused (RFC 6265 section 3.1).

/// The cookie that a denial clears. Made by compiling only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct ClearedCookie {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) path: Box<str>,
    pub(in crate::policy) domain: Option<Box<str>>,
}

impl ClearedCookie {
    /// The value of `set-cookie`. Name, path and domain are those that it was set with, or it stays.
    pub(super) fn header(&self) -> String {
        let Self { name, path, domain } = self;
        let domain = domain.as_ref().map(|own| format!("; Domain={own}")).unwrap_or_default();
        format!("{name}=; Max-Age=0; Path={path}{domain}; Secure; HttpOnly; SameSite=Lax")
    }
}
