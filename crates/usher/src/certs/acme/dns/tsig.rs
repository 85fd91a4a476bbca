//! Transaction signatures (RFC 8945).

use aws_lc_rs::hmac;
use usher_rules::{plan::TsigKey, time::UnixTime};

use super::{DnsError, message};

const TSIG: u16 = 250;
const ANY: u16 = 255;
/// How far the clocks of both sides may be apart, in seconds.
const FUDGE: u16 = 300;

/// Signs a message: adds the TSIG record.
pub fn sign(message: &mut Vec<u8>, key: &TsigKey, now: UnixTime) -> Result<(), DnsError> {
    let (algorithm, hash) = match &*key.algorithm {
        "hmac-sha512" => ("hmac-sha512", hmac::HMAC_SHA512),
        "hmac-sha384" => ("hmac-sha384", hmac::HMAC_SHA384),
        _ => ("hmac-sha256", hmac::HMAC_SHA256),
    };
    let (owner, algorithm) = (message::name(&key.name)?, message::name(algorithm)?);
    let time = now.seconds().to_be_bytes();
    let time = time.get(2..).unwrap_or_default(); // 48 bits
    let id: Vec<u8> = message.iter().take(2).copied().collect();

    // What is signed: the message, and the record's variables (RFC 8945 §4.3.3).
    let mut signed = message.clone();
    signed.extend(&owner);
    signed.extend(ANY.to_be_bytes());
    signed.extend(0_u32.to_be_bytes()); // TTL
    signed.extend(&algorithm);
    signed.extend(time);
    signed.extend(FUDGE.to_be_bytes());
    signed.extend([0; 4]); // no error, no other data
    let mac = hmac::sign(&hmac::Key::new(hash, key.secret.expose()), &signed);

    let mut data = algorithm;
    data.extend(time);
    data.extend(FUDGE.to_be_bytes());
    data.extend(u16::try_from(mac.as_ref().len()).unwrap_or_default().to_be_bytes());
    data.extend(mac.as_ref());
    data.extend(id);
    data.extend([0; 4]);
    let mut record = owner;
    record.extend(TSIG.to_be_bytes());
    record.extend(ANY.to_be_bytes());
    record.extend(0_u32.to_be_bytes());
    record.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    record.extend(data);
    message::append(message, &record);
    Ok(())
}
