//! A throw-away token issuer with two keys, and the tokens that it signs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Map, Value, json};

use super::{DemoError, Folder, Pki};
use countersign::clock::UnixTime;
use countersign::secret::Secret;

/// The `iss` of every token here.
pub(crate) const ISSUER: &str = "https://login.example.com";
/// The `sub` of every token here.
pub(crate) const SUBJECT: &str = "alice@example.com";

/// How long tokens live: the most that the sample issuer document allows.
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Issuer {
    keys: [IssuerKey; 2],
    now: UnixTime,
    /// The EC key, PKCS #8.
    private_pem: Secret<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// `RS256`.
    Rsa,
    /// `ES256`.
    Ec,
}

/// The tokens of the tour, as compact JWS.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// Good, signed by the EC key, bound to nothing.
    pub(crate) bearer: String,
    /// Good, signed by the RSA key, bound to the frontend's certificate.
    pub(crate) bound: String,
    /// An hour past its end.
    pub(crate) expired: String,
    /// For another audience.
    pub(crate) other_audience: String,
    /// Without the scope that the policy asks for.
    pub(crate) no_scope: String,
}

struct IssuerKey {
    id: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Issuer {
    /// An issuer with two fresh keys, with tokens that are valid from `now`.
    pub(crate) fn new(now: UnixTime) -> Result<Self, DemoError> {
        // Fails only where it is installed already.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let failed = |source| DemoError::Certificate { name: "token key", source };
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
            .map_err(failed)?;
        let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let rsa = EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes())?;
        let private_pem = Secret::new(ec.serialize_pem());
        let ec = EncodingKey::from_ec_pem(private_pem.expose().as_bytes())?;
        let keys = [
            IssuerKey { id: "demo-rsa", algorithm: Algorithm::RS256, private: rsa },
            IssuerKey { id: "demo-ec", algorithm: Algorithm::ES256, private: ec },
        ];
        Ok(Self { keys, now, private_pem })
    }

    /// The public keys as a JWK Set (RFC 7517 section 5).
    pub(crate) fn key_set(&self) -> Result<String, DemoError> {
        let keys = self.keys.iter().map(IssuerKey::public).collect::<Result<_, _>>()?;
        let set = JwkSet { keys };
        Ok(serde_json::to_string_pretty(&set).map_err(jsonwebtoken::errors::Error::from)?)
    }

    /// The EC key, by which other tools sign.
    pub(crate) fn private_pem(&self) -> &str {
        self.private_pem.expose()
    }

    /// A good token with `changes` made to its claims; a `null` removes the claim.
    pub(crate) fn mint(&self, key: Key, changes: &Value) -> Result<String, DemoError> {
        let [rsa, ec] = &self.keys;
        let key = match key {
            Key::Rsa => rsa,
            Key::Ec => ec,
        };
        let mut header = Header::new(key.algorithm);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(key.id.to_owned());
        let mut claims = self.claims();
        for (name, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        Ok(jsonwebtoken::encode(&header, &claims, &key.private)?)
    }

    /// The claims of an RFC 9068 access token for the sample policy.
    fn claims(&self) -> Map<String, Value> {
        let claims = json!({
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": "orders",
            "client_id": "web",
            "scope": "openid orders:read",
            "tenant": "acme",
            "iat": self.now.as_secs(),
            "nbf": self.now.as_secs(),
            "exp": self.now.plus(LIFETIME).as_secs(),
            "jti": "demo-1",
        });
        claims.as_object().cloned().unwrap_or_default()
    }

    pub(crate) fn tokens(&self, pki: &Pki) -> Result<Tokens, DemoError> {
        let past = self.now.minus(LIFETIME.saturating_mul(2));
        let thumbprint = URL_SAFE_NO_PAD.encode(pki.frontend.fingerprint().as_bytes());
        let expired = json!({
            "iat": past.as_secs(), "nbf": past.as_secs(), "exp": past.plus(LIFETIME).as_secs(),
        });
        Ok(Tokens {
            bearer: self.mint(Key::Ec, &json!({}))?,
            bound: self.mint(Key::Rsa, &json!({ "cnf": { "x5t#S256": thumbprint } }))?,
            expired: self.mint(Key::Ec, &expired)?,
            other_audience: self.mint(Key::Ec, &json!({ "aud": "billing" }))?,
            no_scope: self.mint(Key::Ec, &json!({ "scope": "openid" }))?,
        })
    }
}

impl IssuerKey {
    fn public(&self) -> Result<Jwk, DemoError> {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm)?;
        jwk.common.key_id = Some(self.id.to_owned());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(jwk)
    }
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn named(&self) -> [(&'static str, &str); 5] {
        [
            ("bearer", &self.bearer),
            ("bound", &self.bound),
            ("expired", &self.expired),
            ("other-audience", &self.other_audience),
            ("no-scope", &self.no_scope),
        ]
    }

    /// Writes each to `tokens/NAME.jwt`.
    pub(crate) fn write(&self, folder: &Folder) -> Result<(), DemoError> {
        for (name, token) in self.named() {
            folder.write(&format!("tokens/{name}.jwt"), token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn payload(token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn every_token_verifies_with_the_key_it_names_and_no_private_part_is_published() {
        use jsonwebtoken::{DecodingKey, Validation};
        let issuer = Issuer::new(NOW).unwrap();
        let published = issuer.key_set().unwrap();
        for private in ["\"d\"", "\"p\"", "\"q\"", "\"k\""] {
            assert!(!published.contains(private), "{private} in {published}");
        }
        let set: JwkSet = serde_json::from_str(&published).unwrap();
        let tokens = issuer.tokens(&Pki::new(NOW).unwrap()).unwrap();
        for (name, token) in tokens.named() {
            let header = jsonwebtoken::decode_header(token).unwrap();
            let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
            let mut validation = Validation::new(header.alg);
            validation.validate_exp = false;
            validation.validate_aud = false;
            let key = DecodingKey::from_jwk(jwk).unwrap();
            jsonwebtoken::decode::<Value>(token, &key, &validation).expect(name);
        }
    }

    #[test]
    fn each_token_differs_from_the_good_one_in_what_its_name_says() {
        let issuer = Issuer::new(NOW).unwrap();
        let pki = Pki::new(NOW).unwrap();
        let tokens = issuer.tokens(&pki).unwrap();
        let good = payload(&tokens.bearer);
        assert_eq!(good["exp"], NOW.as_secs() + 3600);
        let differing = |token: &str| -> Vec<String> {
            let other = payload(token);
            let keys = other.as_object().unwrap().keys();
            keys.filter(|key| other[key.as_str()] != good[key.as_str()]).cloned().collect()
        };
        assert_eq!(differing(&tokens.bound), ["cnf"]);
        assert_eq!(differing(&tokens.expired), ["exp", "iat", "nbf"]);
        assert_eq!(differing(&tokens.other_audience), ["aud"]);
        assert_eq!(differing(&tokens.no_scope), ["scope"]);
        let bound_to = payload(&tokens.bound)["cnf"]["x5t#S256"].as_str().unwrap().to_owned();
        assert_eq!(
            URL_SAFE_NO_PAD.decode(bound_to).unwrap(),
            pki.frontend.fingerprint().as_bytes()
        );
    }
}
