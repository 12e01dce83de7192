//! When a certificate is valid, and whether it is one of the first kind: nothing else of X.509.
//!
//! The rustls library looks at the times of the server's certificate, but not at those of ours,
//! which the server would then refuse with an alert that says little.

use std::time::SystemTime;

use crate::calendar::{DAY, days, from_seconds};

/// The first and the last second of a certificate in DER; `None` if that is not found, which is
/// no proof of anything: the certificate is then used as it is.
///
/// `Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version, serialNumber INTEGER,
/// signature SEQUENCE, issuer SEQUENCE, validity SEQUENCE { notBefore, notAfter }, … } … }`
/// (RFC 5280, section 4.1).
pub(super) fn validity(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_version, after)) = element(rest, VERSION) {
        rest = after;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, tag)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some((not_before, not_after))
}

/// Whether a certificate in DER is of version 1, which has no extensions and does not even say
/// its version: what `openssl x509 -req` makes unless told otherwise.
pub(super) fn is_version_1(certificate: &[u8]) -> bool {
    let certificate = element(certificate, SEQUENCE).and_then(|(it, _)| element(it, SEQUENCE));
    certificate.is_some_and(|(it, _)| element(it, INTEGER).is_some())
}

/// The content of the element in front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[first, length], rest) = der.split_first_chunk::<2>()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // No certificate needs more than four bytes for a length.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            let length = bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | u64::from(byte));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// `YYMMDDHHMMSSZ`, of the years 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (digits, century, rest) = if let Some((text, rest)) = element(der, UTC_TIME) {
        let (digits, b"Z") = text.split_at_checked(12)? else {
            return None;
        };
        let late = digits.first()? < &b'5';
        (digits, if late { 20 } else { 19 }, rest)
    } else {
        let (text, rest) = element(der, GENERALIZED_TIME)?;
        let (century, digits) = text.split_at_checked(2)?;
        let (digits, b"Z") = digits.split_at_checked(12)? else {
            return None;
        };
        (digits, number(century)?, rest)
    };
    let mut parts = digits.chunks(2).map(number);
    let mut next = || parts.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let year = century * 100 + year;
    // Before 1970 is as long ago as 1970 itself.
    let days = if year < 1970 {
        0
    } else {
        days(year, month, day)?
    };
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    Some((from_seconds(seconds), rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// Context-specific, constructed, number 0.
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Utc;
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    fn spelled((from, to): (SystemTime, SystemTime)) -> (String, String) {
        (Utc::new(from).to_string(), Utc::new(to).to_string())
    }

    #[test]
    fn known_certificates() {
        for certificate in CertificateDer::pem_slice_iter(crate::tls::roots::AMAZON) {
            let (from, to) = spelled(validity(&certificate.unwrap()).unwrap());
            assert_eq!(from, "2015-05-26 00:00:00 UTC");
            // Amazon Root CA 1 ends with the 32-bit clock, the others two years later.
            assert!(["2038-01-17 00:00:00 UTC", "2040-05-26 00:00:00 UTC"].contains(&&*to));
        }
    }

    #[test]
    fn both_forms_of_time() {
        let utc = |text: &str| {
            let der = [&[UTC_TIME, text.len() as u8], text.as_bytes()].concat();
            time(&der).map(|(time, _)| Utc::new(time).to_string())
        };
        assert_eq!(utc("260102030405Z").unwrap(), "2026-01-02 03:04:05 UTC");
        assert_eq!(utc("991231235959Z").unwrap(), "1999-12-31 23:59:59 UTC");
        assert_eq!(utc("600101000000Z").unwrap(), "1970-01-01 00:00:00 UTC");
        for bad in [
            "",
            "Z",
            "2601020304Z",
            "260102030405",
            "26010203040xZ",
            "261302030405Z",
        ] {
            assert_eq!(utc(bad), None, "{bad}");
        }
        let der = b"\x18\x0f99991231235959Z";
        let (end, rest) = time(der).unwrap();
        assert_eq!(Utc::new(end).to_string(), "9999-12-31 23:59:59 UTC");
        assert!(rest.is_empty());
    }

    #[test]
    fn no_bytes_make_it_fall() {
        let certificate = CertificateDer::from_pem_slice(crate::tls::roots::AMAZON).unwrap();
        for length in 0..certificate.len() {
            let _ = validity(&certificate[..length]);
        }
        let mut changed = certificate.to_vec();
        for index in 0..200 {
            for byte in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let old = core::mem::replace(&mut changed[index], byte);
                let _ = validity(&changed);
                changed[index] = old;
            }
        }
        assert_eq!(element(b"\x30\x84\xff\xff\xff\xff", SEQUENCE), None);
    }
}
