//! People: who they are, signing in with a password, and what an administrator may change.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Ask, field, json_body, text_field};
use crate::{
    answer::{self, Answer},
    clock::timestamp,
    media_server::{Person, PersonId, default_policy, lay_over, name_is_allowed, random_id},
    options::{CinemaUser, JellyfinVersion},
    target::guid,
};

/// How long the pin of a forgotten password would be good.
const PIN_LIFETIME: std::time::Duration = std::time::Duration::from_secs(1_800);

fn dto(ask: Ask<'_>, person: &Person) -> Value {
    person.dto(&ask.server.server_id(), ask.server.version)
}

pub(super) fn me(ask: Ask<'_>) -> Result<Answer, Answer> {
    let state = ask.server.state();
    let person = ask.caller.person().and_then(|id| state.person(id));
    // A key is nobody: 400, which tells a key from a person's token.
    let person = person.ok_or_else(|| answer::problem(StatusCode::BAD_REQUEST))?;
    Ok(answer::json(dto(ask, person)))
}

pub(super) fn list(ask: Ask<'_>) -> Answer {
    let state = ask.server.state();
    answer::json(state.people.iter().map(|person| dto(ask, person)).collect())
}

/// Those whom the sign-in page shows.
pub(super) fn public(ask: Ask<'_>) -> Answer {
    let state = ask.server.state();
    let from_afar = !ask.caller.origin.is_in_network();
    let shown = state.people.iter().filter(|person| {
        !person.is_hidden()
            && !person.is_disabled()
            && (!from_afar || person.may_connect_from_afar())
    });
    answer::json(shown.map(|person| dto(ask, person)).collect())
}

pub(super) fn one(ask: Ask<'_>) -> Result<Answer, Answer> {
    let id = PersonId(ask.id(0, "userId")?);
    let state = ask.server.state();
    let person = state.person(&id).ok_or_else(|| answer::problem(StatusCode::NOT_FOUND))?;
    Ok(answer::json(dto(ask, person)))
}

pub(super) async fn create(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    let (name, password) = (text_field(&given, "Name"), text_field(&given, "Password"));
    let mut state = ask.server.state();
    if !name_is_allowed(&name, ask.server.version) || state.person_named(&name).is_some() {
        return Err(answer::error(StatusCode::BAD_REQUEST));
    }
    // The answer is made before the password is set, and says that there is none.
    let mut person = Person::new(&CinemaUser::new(name, ""), ask.server.version);
    let created = dto(ask, &person);
    person.password = password;
    state.people.push(person);
    Ok(answer::json(created))
}

pub(super) fn delete(ask: Ask<'_>) -> Result<Answer, Answer> {
    let id = PersonId(ask.id(0, "userId")?);
    let mut state = ask.server.state();
    if state.person(&id).is_none() {
        return Err(answer::problem(StatusCode::NOT_FOUND));
    }
    state.people.retain(|person| person.id != id);
    state.end_grants(|grant| grant.person == id);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Replaces the policy. A field that is left out takes its default, not its former value.
pub(super) async fn policy(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let id = PersonId(ask.id(0, "userId")?);
    let given = json_body(request).await?;
    let required = ["AuthenticationProviderId", "PasswordResetProviderId"];
    if required.iter().any(|name| text_field(&given, name).is_empty()) {
        return Err(answer::problem(StatusCode::BAD_REQUEST));
    }
    let mut state = ask.server.state();
    let Some(person) = state.person_mut(&id) else {
        return Err(answer::problem(StatusCode::NOT_FOUND));
    };
    let mut policy = default_policy(ask.server.version);
    lay_over(&mut policy, &given);
    person.policy = policy;
    if person.is_disabled() {
        state.end_grants(|grant| grant.person == id);
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Changes a password. Other tokens of that person end.
pub(super) async fn password(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let in_path = (!ask.captured.is_empty()).then(|| ask.captured(0));
    let named = in_path.or_else(|| ask.target.query.first("userId"));
    let id = ask.subject(named)?.ok_or_else(|| answer::problem(StatusCode::BAD_REQUEST))?;
    let given = json_body(request).await?;
    let elevated = ask.caller.is_elevated(ask.server);
    let mut state = ask.server.state();
    let Some(person) = state.person_mut(&id) else {
        return Err(answer::problem(StatusCode::NOT_FOUND));
    };
    if !elevated && !person.password_is(&text_field(&given, "CurrentPw")) {
        let message = "Invalid user or password entered.";
        return Err(answer::json_status(StatusCode::FORBIDDEN, message.into()));
    }
    let reset = field(&given, "ResetPassword").and_then(Value::as_bool).unwrap_or(false);
    person.password = if reset { String::new() } else { text_field(&given, "NewPw") };
    let own = ask.caller.claimed.token.clone();
    state.end_grants(|grant| grant.person == id && grant.token != own);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn authenticate(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    let name = text_field(&given, "Username");
    let found = ask.server.state().person_named(&name).map(|person| person.id.clone());
    sign_in(ask, found, &text_field(&given, "Pw"))
}

/// The obsolete way in, with the password in the query. It still works.
pub(super) fn authenticate_by_id(ask: Ask<'_>) -> Result<Answer, Answer> {
    let id = PersonId(ask.id(0, "userId")?);
    let password = ask.target.query.first("pw").unwrap_or_default();
    sign_in(ask, Some(id), password)
}

fn sign_in(ask: Ask<'_>, found: Option<PersonId>, password: &str) -> Result<Answer, Answer> {
    let device = &ask.caller.claimed;
    let fields = [&device.client, &device.device, &device.device_id, &device.version];
    if fields.iter().any(|field| field.is_empty()) {
        return Err(answer::error(StatusCode::BAD_REQUEST));
    }
    let unknown = || answer::error(StatusCode::UNAUTHORIZED);
    let forbidden = || answer::error(StatusCode::FORBIDDEN);
    let mut state = ask.server.state();
    let person = found.and_then(|id| state.person(&id).cloned()).ok_or_else(unknown)?;
    if !person.password_is(password) {
        return Err(unknown());
    }
    let from_afar = !ask.caller.origin.is_in_network();
    let allowed = !person.is_disabled()
        && (!from_afar || person.may_connect_from_afar())
        && person.may_use_device(&device.device_id)
        && sessions_left(&state.grants, &person, device);
    if !allowed {
        return Err(forbidden());
    }
    let now = ask.server.now();
    let token = state.give(&person.id, device, now);
    let remote = ask.caller.origin.remote;
    let session = state.open_session(&person.id, device, Some(remote), now);
    let result = authentication_result(ask, &state, &person.id, &session, &token);
    drop(state);
    ask.server.sessions_changed();
    Ok(answer::json(result))
}

/// Whether `MaxActiveSessions` leaves room for one more device.
fn sessions_left(
    grants: &[crate::media_server::Grant],
    person: &Person,
    device: &crate::credential::Claimed,
) -> bool {
    let limit = person.policy.get("MaxActiveSessions").and_then(Value::as_u64).unwrap_or(0);
    let others = grants
        .iter()
        .filter(|grant| grant.person == person.id && grant.device_id != device.device_id);
    limit == 0 || (others.count() as u64) < limit
}

/// `AuthenticationResult`, which is how every way in ends.
pub(super) fn authentication_result(
    ask: Ask<'_>,
    state: &crate::media_server::State,
    person: &PersonId,
    session: &crate::media_server::SessionId,
    token: &str,
) -> Value {
    let server_id = ask.server.server_id();
    let session = state
        .session(session)
        .map(|session| state.session_dto(session, &server_id, ask.server.version));
    json!({
        "User": state.person(person).map(|person| dto(ask, person)),
        "SessionInfo": session,
        "AccessToken": token,
        "ServerId": server_id,
    })
}

/// Answers anybody, from anywhere, with a path on the server's disk.
pub(super) async fn forgot_password(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    let name = text_field(&given, "EnteredUsername");
    let known = ask.server.state().person_named(&name).is_some();
    let tells = match ask.server.version {
        JellyfinVersion::V10_10 => known && ask.caller.origin.is_in_network(),
        JellyfinVersion::V10_11 | JellyfinVersion::V12 => true,
    };
    Ok(answer::json(if tells {
        json!({
            "Action": "PinCode",
            "PinFile": format!("/data/passwordreset{}.json", random_id()),
            "PinExpirationDate": timestamp(ask.server.now() + PIN_LIFETIME),
        })
    } else {
        json!({ "Action": "InNetworkRequired" })
    }))
}

/// No pin is ever good here.
pub(super) async fn forgot_password_pin(request: &mut Request<Incoming>) -> Result<Answer, Answer> {
    json_body(request).await?;
    Ok(answer::json(json!({ "Success": false, "UsersReset": [] })))
}

/// A person's id from a path or query.
pub(super) fn person_id(text: &str) -> Result<PersonId, Answer> {
    guid(text).map(PersonId).ok_or_else(|| answer::not_valid("userId", text))
}
