//! Distinguished names in the form in which they are compared (RFC 5280 section 7.1): attribute types by their object
//! identifiers, values without regard to case, spaces and string type.
//!
//! Tools write a name first part first or last part first; the order does not count here, which can only revoke more. Of
//! Unicode's compatibility forms (RFC 4518) full-width letters are known and no others.

use x509_parser::asn1_rs::{Any, FromDer as _, Tag};
use x509_parser::x509::X509Name;

/// A name as names are compared by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CanonicalName(String);

/// Why a text is no name: what is wrong, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// Attribute types by the names that RFC 4514 and tools have for them.
const TYPES: [(&str, &str); 37] = [
    ("cn", "2.5.4.3"),
    ("commonname", "2.5.4.3"),
    ("sn", "2.5.4.4"),
    ("surname", "2.5.4.4"),
    ("serialnumber", "2.5.4.5"),
    ("c", "2.5.4.6"),
    ("countryname", "2.5.4.6"),
    ("l", "2.5.4.7"),
    ("localityname", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("s", "2.5.4.8"),
    ("stateorprovincename", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("streetaddress", "2.5.4.9"),
    ("o", "2.5.4.10"),
    ("organizationname", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("organizationalunitname", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("t", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("businesscategory", "2.5.4.15"),
    ("postalcode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("givenname", "2.5.4.42"),
    ("gn", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("generationqualifier", "2.5.4.44"),
    ("dnqualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationidentifier", "2.5.4.97"),
    ("uid", "0.9.2342.19200300.100.1.1"),
    ("userid", "0.9.2342.19200300.100.1.1"),
    ("dc", "0.9.2342.19200300.100.1.25"),
    ("domaincomponent", "0.9.2342.19200300.100.1.25"),
    ("emailaddress", "1.2.840.113549.1.9.1"),
    ("e", "1.2.840.113549.1.9.1"),
];

/// Keeps the parts of a name apart.
const BETWEEN: &str = "\u{0}";

impl CanonicalName {
    /// Reads RFC 4514 text.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(text: &str) -> Result<Self, NameError> {
        if text.starts_with('/') && text.contains('=') {
            return Err(NameError(format!(
                "OpenSSL's one-line form and not RFC 4514 text: write `{}`",
                from_one_line(text)
            )));
        }
        let parts = split(text)?;
        let parts = parts.iter().map(|part| attribute(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of_parts(parts))
    }

    /// The name of an issuer in a certificate, as text that was made of it: what is no name is compared as it is.
    pub(super) fn of_certificate(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|_| Self(text.to_owned()))
    }

    /// A name in a certificate.
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let part = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            let (tag, bytes) = (attribute.attr_value().tag(), attribute.attr_value().data);
            let value = text_of(tag, bytes);
            let value = value.map_or_else(|| raw(tag, bytes), |text| folded(&text));
            format!("{}={value}", attribute.attr_type().to_id_string())
        };
        Self::of_parts(name.iter_attributes().map(part).collect())
    }

    fn of_parts(mut parts: Vec<String>) -> Self {
        parts.sort_unstable();
        Self(parts.join(BETWEEN))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The parts between commas and plus signs that are neither escaped nor quoted.
fn split(text: &str) -> Result<Vec<String>, NameError> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut escaped, mut quoted) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | '+' if !quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            ';' if !quoted => {
                return Err(NameError::new(
                    "it has a `;`: write `,` between parts, `\\;` in a value",
                ));
            }
            _ => {}
        }
        part.push(c);
    }
    if escaped || quoted {
        return Err(NameError::new("it ends within an escape or a quotation"));
    }
    parts.push(part);
    Ok(parts)
}

fn attribute(part: &str) -> Result<String, NameError> {
    let Some((kind, value)) = part.split_once('=') else {
        let part = part.trim();
        return Err(match part.is_empty() {
            true => NameError::new("it has an empty part: write a comma in a value as `\\,`"),
            false => NameError(format!("`{part}` is without an attribute type: write `CN={part}`")),
        });
    };
    Ok(format!("{}={}", attribute_type(kind.trim())?, attribute_value(value)?))
}

fn attribute_type(text: &str) -> Result<String, NameError> {
    let lower = text.to_ascii_lowercase();
    let number = lower.strip_prefix("oid.").unwrap_or(&lower);
    if number.contains('.') && number.split('.').all(is_arc) {
        return Ok(number.to_owned());
    }
    let known = TYPES.iter().find(|(name, _)| *name == lower);
    known.map(|(_, oid)| (*oid).to_owned()).ok_or_else(|| {
        NameError(format!(
            "`{text}` is no attribute type that is known here: write `CN`, `O`, `OU`, `C`, `L`, `ST`, `DC`, `UID` or the like, or an object identifier such as `2.5.4.3`"
        ))
    })
}

fn is_arc(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

fn attribute_value(text: &str) -> Result<String, NameError> {
    let text = text.trim_start();
    if let Some(digits) = text.trim_end().strip_prefix('#') {
        return encoded(digits);
    }
    if let Some(quoted) = text.trim_end().strip_prefix('"').and_then(|text| text.strip_suffix('"'))
    {
        return unescaped(quoted).map(|text| folded(&text));
    }
    if text.contains('"') && !text.contains("\\\"") {
        return Err(NameError::new("it has a quotation mark within a value: write `\\\"`"));
    }
    unescaped(text).map(|text| folded(&text))
}

/// RFC 4514 section 2.4: `#` and the encoding of a value.
fn encoded(digits: &str) -> Result<String, NameError> {
    let wrong = || {
        NameError::new("a value that begins with `#` is not the hexadecimal form of a DER value")
    };
    let der = bytes_of(digits).ok_or_else(wrong)?;
    let (rest, value) = Any::from_der(&der).map_err(|_| wrong())?;
    if !rest.is_empty() {
        return Err(wrong());
    }
    let text = text_of(value.tag(), value.data);
    Ok(text.map_or_else(|| raw(value.tag(), value.data), |text| folded(&text)))
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        hex_byte(text)
    };
    pairs.map(byte).collect::<Option<Vec<_>>>().filter(|bytes| !bytes.is_empty())
}

/// Two hexadecimal digits. A `+` is no digit: `\+1` is an escaped plus sign, and not a byte.
fn hex_byte(digits: &str) -> Option<u8> {
    u8::from_str_radix(digits, 16).ok().filter(|_| !digits.contains('+'))
}

/// Section 3: a backslash before a special character, or before two hexadecimal digits of a UTF-8 byte.
fn unescaped(text: &str) -> Result<String, NameError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c != '\\' {
            out.extend_from_slice(rest.get(..c.len_utf8()).unwrap_or_default().as_bytes());
            rest = after;
            continue;
        }
        let hex = after.get(..2).and_then(hex_byte);
        if let Some(byte) = hex {
            out.push(byte);
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        let Some(special) = after.chars().next().filter(|c| " \"#+,;<=>\\/".contains(*c)) else {
            return Err(NameError::new("a backslash stands before a character that needs none"));
        };
        out.extend_from_slice(special.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after.get(special.len_utf8()..).unwrap_or_default();
    }
    String::from_utf8(out).map_err(|_| NameError::new("its escaped bytes are not UTF-8"))
}

/// A DirectoryString, or one of the other string types that names have.
fn text_of(tag: Tag, bytes: &[u8]) -> Option<String> {
    match tag {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            String::from_utf8(bytes.to_vec()).ok()
        }
        // Latin-1, as other software reads it.
        Tag::TeletexString => Some(bytes.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = bytes.chunks(2).map(|pair| match pair {
                [high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
        }
        Tag::UniversalString => {
            let unit = |four: &[u8]| char::from_u32(u32::from_be_bytes(four.try_into().ok()?));
            bytes.chunks(4).map(unit).collect()
        }
        _ => None,
    }
}

fn raw(tag: Tag, bytes: &[u8]) -> String {
    format!("#{}:{}", tag.0, crate::secret::hex(bytes))
}

/// Without case and spaces: invisible characters are removed, and inner spaces become one.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || c.is_control() {
            space = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        out.extend(plain(c).to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c }));
    }
    out
}

/// RFC 4518 section 2.2: characters that are mapped to nothing.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffc}')
}

/// A full-width letter as the usual one.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c)
        }
        _ => c,
    }
}

/// `/C=CH/O=Example/CN=prod` as RFC 4514 text: last part first.
fn from_one_line(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split('/').skip(1) {
        match parts.last_mut() {
            // A slash within a value.
            Some(last) if !part.contains('=') => last.push_str(&format!("/{part}")),
            _ => parts.push(part.to_owned()),
        }
    }
    parts.reverse();
    let escaped = |part: &String| part.replace(',', "\\,").replace('+', "\\+").replace(';', "\\;");
    parts.iter().map(escaped).collect::<Vec<_>>().join(",")
}

impl NameError {
    fn new(message: &str) -> Self {
        Self(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CanonicalName {
        CanonicalName::read(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// P116: names are compared as RFC 5280 section 7.1 says, however a tool writes them.
    #[test]
    fn a_name_is_the_same_however_it_is_written() {
        let usual = name("CN=prod ca,O=Example\\, Inc,C=CH");
        for same in [
            "C = CH, O = Example\\, Inc, CN = prod CA",
            "c=ch,o=EXAMPLE\\2C INC,cn=Prod  CA",
            "2.5.4.3=prod ca,OID.2.5.4.10=Example\\, Inc,2.5.4.6=CH",
            "commonName=prod ca, organizationName=\"Example, Inc\", countryName=CH",
            "CN= prod ca ,O=Example\\, Inc,C=CH",
            "CN=#0c0770726f64206361,O=Example\\, Inc,C=CH",
            "CN=#130770726f64206361,O=Example\\, Inc,C=CH",
            "CN=#1e0e00700072006f0064002000630061,O=Example\\, Inc,C=CH",
            "CN=ｐｒｏｄ\u{200b} ca,O=Example\\, Inc,C=CH",
        ] {
            assert_eq!(name(same), usual, "{same}");
        }
        for other in [
            "CN=prod ca,O=Example",
            "CN=prodca,O=Example\\, Inc,C=CH",
            "OU=prod ca,O=Example\\, Inc,C=CH",
        ] {
            assert_ne!(name(other), usual, "{other}");
        }
        assert_eq!(name("emailAddress=A@B.example,DC=Example"), name("E=a@b.example, dc=example"));
        assert_eq!(name("CN=ÄPFEL"), name("cn=äpfel"));
        assert_eq!(name("CN=\\C3\\A4pfel"), name("cn=äpfel"));
    }

    /// P173: an escaped plus sign before a digit is no byte in hexadecimal.
    #[test]
    fn an_escaped_plus_sign_is_no_byte() {
        assert_eq!(name("O=Trust\\+1 CA"), name("O=\"Trust+1 CA\""));
        assert_eq!(name("O=Trust\\+1 CA"), name("O=Trust\\2B1 CA"));
        assert_ne!(name("O=Trust\\+1 CA"), name("O=Trust CA"));
        assert!(CanonicalName::read("CN=#0c+161").is_err());
    }

    /// P116: a text that is no name is refused, with the right spelling if that can be determined.
    #[test]
    fn what_is_no_name_is_refused_with_the_right_spelling() {
        for (text, part) in [
            ("/CN=prod-ca", "write `CN=prod-ca`"),
            ("/C=CH/O=Example, Inc/CN=prod", "write `CN=prod,O=Example\\, Inc,C=CH`"),
            ("/O=a/b/CN=c", "write `CN=c,O=a/b`"),
            ("prod-ca", "write `CN=prod-ca`"),
            ("", "empty part"),
            ("CN=a,", "empty part"),
            ("CN=a,,O=b", "empty part"),
            ("XX=a", "no attribute type"),
            ("2.5.4.03=a", "no attribute type"),
            ("=a", "no attribute type"),
            ("CN=a;O=b", "`;`"),
            ("CN=a\\", "escape"),
            ("CN=\"a", "escape or a quotation"),
            ("CN=a\"b\"", "quotation mark"),
            ("CN=\\q", "backslash"),
            ("CN=\\C3", "not UTF-8"),
            ("CN=#zz", "hexadecimal"),
            ("CN=#0c05", "hexadecimal"),
            ("CN=#", "hexadecimal"),
        ] {
            let error = CanonicalName::read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    /// P116: a certificate's own name and the text that is made of it are one name.
    #[test]
    fn a_certificate_and_its_text_have_one_name() {
        use x509_parser::certificate::X509Certificate;
        let ca = crate::trust::tests::pki::Ca::root("Prod  CA");
        let (_, certificate) = X509Certificate::from_der(&ca.der).unwrap();
        let of = CanonicalName::of(certificate.subject());
        for text in ["CN=Prod  CA", "cn=prod ca", "2.5.4.3=PROD CA"] {
            assert_eq!(of, name(text), "{text}");
        }
    }
}
