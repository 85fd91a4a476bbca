//! OCSP responses that lie beside certificates (RFC 6960), for those who still have them.

use der::Decode as _;
use rustls::pki_types::CertificateDer;
use std::time::Duration;
use usher_rules::time::UnixTime;
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long a response counts that does not say it itself: authorities that still sign them give
/// them about a week.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Clocks of authorities may be ahead of ours.
const SKEW: Duration = Duration::from_secs(3600);

/// Until when a response counts for this certificate. Its signature is the client's to judge.
///
/// # Errors
///
/// Why it must not be sent: a client that asks for a response breaks off where it gets a bad one.
pub(super) fn counts_until(
    response: &[u8],
    leaf: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<UnixTime, &'static str> {
    let response = OcspResponse::from_der(response).map_err(|_| "holds no OCSP response")?;
    if response.response_status != OcspResponseStatus::Successful {
        return Err("holds an error instead of an answer");
    }
    let basic = response.response_bytes.ok_or("holds no answer")?;
    let basic = BasicOcspResponse::from_der(basic.response.as_bytes())
        .map_err(|_| "holds an answer that can't be read")?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| "has no certificate beside it")?;
    let serial = leaf.raw_serial();
    let mut answers = basic.tbs_response_data.responses.iter();
    let answer = answers
        .find(|one| bare(one.cert_id.serial_number.as_bytes()) == bare(serial))
        .ok_or("is for another certificate")?;
    match answer.cert_status {
        CertStatus::Good(_) => {}
        CertStatus::Revoked(_) => return Err("says that the certificate is revoked"),
        CertStatus::Unknown(_) => return Err("says that nobody knows the certificate"),
    }
    if moment(&answer.this_update) > now.plus(SKEW) {
        return Err("does not count yet");
    }
    let until = answer.next_update.as_ref().map(moment);
    let until = until.unwrap_or_else(|| moment(&answer.this_update).plus(WEEK));
    if now >= until { Err("is over") } else { Ok(until) }
}

/// Without the zeros that only say that a number is positive.
fn bare(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|octet| **octet == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

fn moment(at: &OcspGeneralizedTime) -> UnixTime {
    UnixTime::from_seconds(at.0.to_unix_duration().as_secs())
}
