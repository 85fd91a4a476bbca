//! What a handshake with somebody else failed for, in words for people: the library counts seconds
//! since 1970.

use std::{error::Error, io};

use rustls::CertificateError;
use usher_rules::time::UnixTime;

use super::record::moment;

/// The TLS error that lies in an error of a connection, however deep.
pub fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // an `io::Error` shows what is in it, and not as its source
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.map(|inner| inner as &(dyn Error + 'static));
        next = inner.or_else(|| error.source());
    }
    None
}

/// Its words. Of a certificate that does not count now both times are said: where this machine's
/// clock is wrong, nothing is to mend at the other end.
pub fn tls_words(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(problem) = error
        && let Some(words) = untimely(problem)
    {
        return words;
    }
    error.to_string()
}

/// An error and all that lies in it, in words.
pub(super) fn full_cause(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(tls) = tls_error(error) {
        return tls_words(tls);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Since when, or from when on; nothing where its time is not what is wrong.
pub fn untimely(problem: &CertificateError) -> Option<String> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a list that grows; these are about time")]
    let (what, now, bound) = match problem {
        CertificateError::ExpiredContext { time, not_after } => ("has ended on", time, not_after),
        CertificateError::NotValidYetContext { time, not_before } => {
            ("does not count before", time, not_before)
        }
        _ => return None,
    };
    let [now, bound] = [now, bound].map(|at| moment(UnixTime::from_seconds(at.as_secs())));
    Some(format!("its certificate {what} {bound}, and this machine's clock says {now}"))
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use rustls::{CertificateError, Error, pki_types::UnixTime};

    use super::{tls_error, tls_words};

    /// "certificate expired: verified at time 1767225600 (UNIX)" made operators renew a certificate
    /// that was well, where this machine's clock was wrong.
    #[test]
    fn a_certificate_out_of_its_time_names_its_day_and_this_machine_s_clock() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (now, bound) = (at(1_767_225_600), at(1_735_689_600));
        let expired = CertificateError::ExpiredContext { time: now, not_after: bound };
        let early = CertificateError::NotValidYetContext { time: bound, not_before: now };
        for (problem, expected) in [
            (
                expired,
                "its certificate has ended on 2025-01-01T00:00:00Z, and this machine's clock says \
                 2026-01-01T00:00:00Z",
            ),
            (
                early,
                "its certificate does not count before 2026-01-01T00:00:00Z, and this machine's \
                 clock says 2025-01-01T00:00:00Z",
            ),
        ] {
            let inner = io::Error::new(io::ErrorKind::InvalidData, Error::from(problem));
            let deep = io::Error::other(inner);
            assert_eq!(tls_words(tls_error(&deep).unwrap()), expected);
        }
        let other = Error::from(CertificateError::UnknownIssuer);
        assert_eq!(tls_words(&other), other.to_string());
        assert!(tls_error(&io::Error::other("no TLS")).is_none());
    }
}
