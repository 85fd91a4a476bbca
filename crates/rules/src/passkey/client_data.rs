use serde::Deserialize;

use super::fault::PasskeyFault;
use crate::names::Origin;

/// What an answer has to be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The page's origin; its host is the RP id (§5.1.2).
    pub origin: &'a Origin,
    /// The challenge as it was given out, base64url.
    pub challenge: &'a str,
}

/// What a browser did (§5.8.1, `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

/// What the browser says of the page that asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: Box<str>,
    challenge: Box<str>,
    origin: Box<str>,
    cross_origin: Option<bool>,
    top_origin: Option<Box<str>>,
}

pub(super) fn challenge(octets: &[u8]) -> Option<String> {
    serde_json::from_slice::<ClientData>(octets).ok().map(|data| data.challenge.into())
}

/// Steps 7 to 10 of §7.1, 11 to 14 of §7.2.
pub(super) fn check_client_data(
    octets: &[u8],
    ceremony: Ceremony,
    expected: Expected<'_>,
) -> Result<(), PasskeyFault> {
    let data: ClientData = serde_json::from_slice(octets).map_err(|_| PasskeyFault::Unreadable)?;
    let wanted = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if *data.r#type != *wanted {
        return Err(PasskeyFault::Ceremony);
    }
    if *data.challenge != *expected.challenge {
        return Err(PasskeyFault::Challenge);
    }
    let framed = data.cross_origin == Some(true) || data.top_origin.is_some();
    if framed || *data.origin != *expected.origin.to_string() {
        return Err(PasskeyFault::Origin);
    }
    Ok(())
}
