//! Quick Connect in the server's words.

use serde_json::{Value, json};
use time::OffsetDateTime;
use usher_rules::{
    jellyfin::pairing::{Code, Polled},
    time::UnixTime,
};

/// A few codes, of which one is nobody's, and a secret as servers write them: 64 digits.
pub(super) fn drawn() -> Option<([Code; 4], String)> {
    let (mut numbers, mut secret) = ([0; 32], [0; 32]);
    aws_lc_rs::rand::fill(&mut numbers).ok()?;
    aws_lc_rs::rand::fill(&mut secret).ok()?;
    let mut codes = [Code::drawn(0); 4];
    for (code, octets) in codes.iter_mut().zip(numbers.chunks_exact(8)) {
        *code = Code::drawn(u64::from_be_bytes(octets.try_into().ok()?));
    }
    Some((codes, data_encoding::HEXUPPER.encode(&secret)))
}

/// A pairing as Jellyfin's `QuickConnectResult`.
pub(super) fn told(pairing: &Polled, secret: &str, now: UnixTime) -> Value {
    let Polled { app, code, age, is_bound } = pairing;
    let began = i64::try_from(now.minus(*age).seconds()).ok();
    let began = began.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let format = &time::format_description::well_known::Rfc3339;
    json!({
        "Authenticated": is_bound,
        "Secret": secret,
        "Code": code.to_string(),
        "DeviceId": app.device_id,
        "DeviceName": app.device,
        "AppName": app.client,
        "AppVersion": app.version,
        "DateAdded": began.and_then(|at| at.format(format).ok()),
    })
}
