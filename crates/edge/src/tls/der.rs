//! What webpki does not tell of a certificate: when it is valid, and what names it among those of its authority.
//!
//! ```text
//! Certificate     ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
//! TBSCertificate  ::= SEQUENCE { version [0]?, serialNumber, signature, issuer, validity, subject,
//!                                subjectPublicKeyInfo, issuerUniqueID [1]?, subjectUniqueID [2]?, extensions [3]? }
//! Validity        ::= SEQUENCE { notBefore Time, notAfter Time }
//! Extension       ::= SEQUENCE { extnID, critical BOOLEAN?, extnValue OCTET STRING }
//! AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0]?, ... }
//! ```
//! RFC 5280 §4.1, RFC 5280 §4.2.1.1.

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The identifier of the extension `authorityKeyIdentifier`, 2.5.29.35.
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x23];

/// What is read.
pub(super) struct Fields<'a> {
    pub(super) serial: &'a [u8],
    /// Seconds since 1970, UTC.
    pub(super) not_before_s: i64,
    /// Seconds since 1970, UTC.
    pub(super) not_after_s: i64,
    pub(super) authority_key_identifier: Option<&'a [u8]>,
}

/// Reads a certificate; `None` when it is none.
pub(super) fn read(certificate: &[u8]) -> Option<Fields<'_>> {
    let mut certificate = Reader(Reader(certificate).take(SEQUENCE)?);
    let mut signed = Reader(certificate.take(SEQUENCE)?);
    signed.skip(0xa0);
    let serial = signed.take(INTEGER)?;
    signed.take(SEQUENCE)?;
    signed.take(SEQUENCE)?;
    let mut validity = Reader(signed.take(SEQUENCE)?);
    let (not_before_s, not_after_s) = (validity.time_s()?, validity.time_s()?);
    signed.take(SEQUENCE)?;
    signed.take(SEQUENCE)?;
    signed.skip(0x81);
    signed.skip(0x82);
    let authority_key_identifier = match signed.next_is(0xa3) {
        true => authority(Reader(Reader(signed.take(0xa3)?).take(SEQUENCE)?))?,
        false => None,
    };
    Some(Fields { serial, not_before_s, not_after_s, authority_key_identifier })
}

/// Looks for the authority's key among extensions; the outer `None`: they are damaged.
fn authority(mut extensions: Reader<'_>) -> Option<Option<&[u8]>> {
    while !extensions.0.is_empty() {
        let mut extension = Reader(extensions.take(SEQUENCE)?);
        let identifier = extension.take(OBJECT_IDENTIFIER)?;
        extension.skip(BOOLEAN);
        let value = extension.take(OCTET_STRING)?;
        if identifier == AUTHORITY_KEY_IDENTIFIER {
            let mut value = Reader(Reader(value).take(SEQUENCE)?);
            return Some(value.next_is(0x80).then(|| value.take(0x80)).flatten());
        }
    }
    Some(None)
}

/// What is not read yet of some DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The content of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (length, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet))
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// Passes over the next value if it has this tag.
    fn skip(&mut self, tag: u8) {
        if self.next_is(tag) {
            self.take(tag);
        }
    }

    /// A time, in seconds since 1970: always to the second and in UTC (RFC 5280 §4.1.2.5).
    fn time_s(&mut self) -> Option<i64> {
        let (digits, year_digits) = match self.next_is(UTC_TIME) {
            true => (self.take(UTC_TIME)?, 2),
            false => (self.take(GENERALIZED_TIME)?, 4),
        };
        let digits = digits.strip_suffix(b"Z")?;
        if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        let (year, rest) = digits.split_at(year_digits);
        let year = match (year_digits, number(year)) {
            (2, year @ 50..) => 1900 + year,
            (2, year) => 2000 + year,
            (_, year) => year,
        };
        let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|at| number(&rest[at..at + 2]));
        let is_time = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        is_time.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
    }
}

/// Days since 1 January 1970 in the Gregorian calendar, years counted from March so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, SerialNumber, date_time_ymd};

    #[test]
    fn days_are_those_of_the_calendar() {
        for ((year, month, day), expected) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((1972, 2, 29), 789),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 22), 20_779),
            ((2100, 3, 1), 47_541),
            ((9999, 12, 31), 2_932_896),
        ] {
            assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn both_forms_of_time_are_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (GENERALIZED_TIME, "20500101000000", None),
            (GENERALIZED_TIME, "2050010100000Z", None),
            (UTC_TIME, "7001010000+0Z", None),
            (INTEGER, "700101000000Z", None),
        ] {
            let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
            der.extend_from_slice(text.as_bytes());
            assert_eq!(Reader(&der).time_s(), expected, "{text}");
        }
    }

    #[test]
    fn a_certificate_tells_its_serial_number_times_and_authority() {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.key_identifier_method = KeyIdMethod::PreSpecified(vec![7, 8, 9]);
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0x12, 0x34]));
        (params.not_before, params.not_after) = (date_time_ymd(2024, 2, 29), date_time_ymd(2051, 1, 1));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let fields = read(certificate.der()).unwrap();
        assert_eq!(fields.serial, [0x12, 0x34]);
        assert_eq!((fields.not_before_s, fields.not_after_s), (1_709_164_800, 2_556_144_000));
        assert_eq!(fields.authority_key_identifier, Some(&[7, 8, 9][..]));
    }

    #[test]
    fn what_is_cut_off_or_changed_never_panics() {
        let certificate = rcgen::generate_simple_self_signed(["mail.example.org".to_owned()]).unwrap();
        let der = certificate.cert.der().to_vec();
        assert!(read(&der).unwrap().authority_key_identifier.is_none());
        for length in 0..der.len() {
            assert!(read(&der[..length]).is_none(), "{length}");
        }
        for at in 0..der.len() {
            for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                // Whatever comes of it.
                let _ = read(&changed);
            }
        }
    }
}
