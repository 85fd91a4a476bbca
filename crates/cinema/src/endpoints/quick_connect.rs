//! Quick Connect's five calls.

use aws_lc_rs::rand;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::{Ask, json_body, people, text_field};
use crate::{
    answer::{self, Answer},
    media_server::ConnectError,
};

fn refuse_if_off(ask: Ask<'_>) -> Result<(), Answer> {
    if ask.server.state().quick_connect_available() {
        return Ok(());
    }
    Err(answer::json_status(StatusCode::UNAUTHORIZED, "Quick connect is disabled".into()))
}

pub(super) fn enabled(ask: Ask<'_>) -> Answer {
    answer::json(ask.server.state().quick_connect_available().into())
}

pub(super) fn initiate(ask: Ask<'_>) -> Result<Answer, Answer> {
    let device = ask.caller.claimed.clone();
    let fields = [&device.client, &device.device, &device.device_id, &device.version];
    if fields.iter().any(|field| field.is_empty()) {
        return Err(answer::error(StatusCode::BAD_REQUEST));
    }
    refuse_if_off(ask)?;
    let unlucky = |_| answer::error(StatusCode::INTERNAL_SERVER_ERROR);
    let code = random_code().map_err(unlucky)?;
    let secret = random_secret().map_err(unlucky)?;
    let now = ask.server.now();
    Ok(answer::json(ask.server.state().initiate(device, code, secret, now)))
}

pub(super) fn poll(ask: Ask<'_>) -> Result<Answer, Answer> {
    refuse_if_off(ask)?;
    let secret = ask.target.query.first("secret").unwrap_or_default();
    let now = ask.server.now();
    let found = ask.server.state().connect(secret, now);
    let unknown = || answer::json_status(StatusCode::NOT_FOUND, "Unknown secret".into());
    found.map(answer::json).ok_or_else(unknown)
}

/// Approves a code, for the caller or, with an administrator's rights, for anybody.
pub(super) fn approve(ask: Ask<'_>) -> Result<Answer, Answer> {
    refuse_if_off(ask)?;
    let named = ask.target.query.first("userId");
    let own = ask.caller.person();
    let person = match named.filter(|named| !named.is_empty()) {
        Some(named) => people::person_id(named)?,
        // A key without a person to stand for.
        None => own.cloned().ok_or_else(|| answer::error(StatusCode::BAD_REQUEST))?,
    };
    if own != Some(&person) && !ask.caller.is_elevated(ask.server) {
        return Err(answer::error(StatusCode::FORBIDDEN));
    }
    let code = ask.target.query.first("code").unwrap_or_default();
    let now = ask.server.now();
    let outcome = ask.server.state().approve(code, &person, now);
    let status = match outcome {
        Ok(()) => {
            ask.server.sessions_changed();
            return Ok(answer::json(true.into()));
        }
        Err(ConnectError::UnknownCode | ConnectError::UnknownPerson) => StatusCode::NOT_FOUND,
        Err(ConnectError::AlreadyApproved) => StatusCode::INTERNAL_SERVER_ERROR,
        Err(ConnectError::DeviceNotAllowed) => StatusCode::FORBIDDEN,
    };
    Err(answer::error(status))
}

/// Gives the token of an approved secret, as often as it is asked for. No header is needed.
pub(super) async fn exchange(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    refuse_if_off(ask)?;
    let now = ask.server.now();
    let mut state = ask.server.state();
    let not_found = || answer::error(StatusCode::NOT_FOUND);
    let (approved, device) =
        state.exchange(&text_field(&given, "Secret"), now).ok_or_else(not_found)?;
    let person = approved.person;
    if state.person(&person).is_none() {
        return Err(not_found());
    }
    let session = state.open_session(&person, &device, None, now);
    let result = people::authentication_result(ask, &state, &person, &session, &approved.token);
    Ok(answer::json(result))
}

/// Six digits, the first of them not zero, all 900 000 equally likely.
fn random_code() -> Result<String, aws_lc_rs::error::Unspecified> {
    const CODES: u32 = 900_000;
    // The largest multiple of CODES: what lies above would make low codes likelier.
    const FAIR: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let mut bytes = [0; 4];
        rand::fill(&mut bytes)?;
        let drawn = u32::from_le_bytes(bytes);
        if drawn < FAIR {
            return Ok((100_000 + drawn % CODES).to_string());
        }
    }
}

/// 32 bytes as upper-case hex.
fn random_secret() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
}
