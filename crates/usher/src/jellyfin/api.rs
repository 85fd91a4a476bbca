//! What usher asks a Jellyfin by itself, with its API key: who has an account, and a token for one
//! of them.
//!
//! A token is made in three calls: a code of Jellyfin's own Quick Connect is asked for, approved
//! with the key and exchanged at once. Its secret leaves this file as little as the key does.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Value, json};
use usher_rules::{
    jellyfin::{Token, pairing::AppNames},
    secret::Secret,
};

use crate::request::forward::OwnClient;

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer that is read, in octets. Users come with all that they may do.
const LONGEST: usize = 4 << 20;

/// Why a server did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDone {
    /// The route has no `api_key`.
    #[error("`jellyfin.api_key` is not set, and without it no token can be made")]
    NoKey,
    /// It does not answer.
    #[error("the server does not answer")]
    NoAnswer,
    /// The key is not, or no longer, one of an administrator.
    #[error("the server does not take `jellyfin.api_key`")]
    WrongKey,
    /// It takes the key, and does not do it.
    #[error("the server refuses it (403), though it knows `jellyfin.api_key`")]
    Forbidden,
    /// Its administrator has switched Quick Connect off.
    #[error("Quick Connect is switched off at the server")]
    Off,
    /// It lets nobody of this name have an account.
    #[error("the server has no account for them, and makes none of this name")]
    NoAccount,
    /// The account is an administrator's, and they may not be one.
    #[error("the account of their name is an administrator's, and `admin_groups` names them not")]
    Administrator,
    /// Its administrator has disabled the account.
    #[error("their account at the server is disabled")]
    Disabled,
    /// It says something that it should not.
    #[error("the server gave an answer that can't be read: {0}")]
    Unreadable(&'static str),
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// Its id.
    pub id: Box<str>,
}

/// A token that was just made.
pub(super) struct Minted {
    /// The token.
    pub token: Secret,
    /// What its app gets, as the server wrote it.
    pub answer: Bytes,
}

/// Is it an API key?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsKey {
    /// It is nobody's.
    Yes,
    /// Somebody's, or it counts for nothing.
    No,
}

/// Is a token an API key? Somebody's is none, whoever that is; what counts for nothing is none, too.
///
/// # Errors
///
/// [`NotDone::NoAnswer`]: it may be one.
pub(super) async fn is_key(
    client: &OwnClient,
    base: &str,
    token: &Token,
) -> Result<IsKey, NotDone> {
    let authorization = format!("MediaBrowser Token=\"{}\"", escaped(token.expose()));
    let asked = (Method::GET, "/Users/Me");
    let (status, _) = ask((client, base), asked, &authorization, None).await?;
    match status {
        // It is let in, and has no user.
        StatusCode::BAD_REQUEST => Ok(IsKey::Yes),
        // Somebody's, nobody's any more, or somebody's who may not now: a key may always.
        StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(IsKey::No),
        _ => Err(NotDone::NoAnswer), // a wrong `base_path`, say, where nothing was asked of a Jellyfin
    }
}

/// One server, as usher speaks with it.
pub(super) struct Api<'a> {
    /// The client, which keeps no connection.
    pub client: OwnClient,
    /// Its address and what is in front of all paths, without a slash at the end.
    pub base: &'a str,
    /// `jellyfin.api_key`.
    pub key: &'a Secret,
}

type Answer = (StatusCode, Bytes);

impl Api<'_> {
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        authorization: &str,
        body: Option<Value>,
    ) -> Result<Answer, NotDone> {
        ask((&self.client, self.base), (method, target), authorization, body).await
    }

    /// With the key.
    pub(super) async fn administer(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<Answer, NotDone> {
        let key = self.key.expose_str().ok_or(NotDone::WrongKey)?;
        let authorization = format!("MediaBrowser Token=\"{key}\"");
        let (status, body) = self.ask(method, target, &authorization, body).await?;
        match status {
            StatusCode::UNAUTHORIZED => Err(NotDone::WrongKey),
            StatusCode::FORBIDDEN => Err(NotDone::Forbidden),
            status if status.is_server_error() => Err(NotDone::NoAnswer),
            status => Ok((status, body)),
        }
    }

    /// A token for an account, which the server has for this app on this device.
    pub(super) async fn mint(&self, app: &AppNames, account: &Account) -> Result<Minted, NotDone> {
        let names = names(app);
        let (status, begun) =
            self.ask(Method::POST, "/QuickConnect/Initiate", &names, None).await?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(NotDone::Off);
        }
        let begun = read(&begun)?;
        let (secret, code) = (text(&begun, "Secret")?, text(&begun, "Code")?);
        // Another app may have drawn the same code since: approved would be the other.
        let still = format!("/QuickConnect/Connect?secret={secret}");
        let (status, now) = self.ask(Method::GET, &still, &names, None).await?;
        if status != StatusCode::OK || text(&read(&now)?, "Code")? != code {
            return Err(NotDone::NoAnswer);
        }
        let approve = format!("/QuickConnect/Authorize?code={code}&userId={}", account.id);
        let (status, _) = self.administer(Method::POST, &approve, None).await?;
        if status != StatusCode::OK {
            return Err(NotDone::Unreadable("a code that it does not know"));
        }
        let body = json!({ "Secret": secret });
        let target = "/Users/AuthenticateWithQuickConnect";
        let (_, answer) = self.ask(Method::POST, target, &names, Some(body)).await?;
        let told = read(&answer)?;
        let token = text(&told, "AccessToken")?;
        let user = told.get("User").ok_or(NotDone::Unreadable("a token without a user"))?;
        if id_of(user)? != account.id {
            return Err(NotDone::Unreadable("a token of another user"));
        }
        Ok(Minted { token: Secret::new(token.as_bytes()), answer })
    }

    /// Ends one token, of which nobody knows but us.
    pub(super) async fn log_out(&self, token: &Secret) -> Result<(), NotDone> {
        let token = token.expose_str().unwrap_or_default();
        let authorization = format!("MediaBrowser Token=\"{token}\"");
        self.ask(Method::POST, "/Sessions/Logout", &authorization, None).await.map(drop)
    }

    /// Ends every token of a device.
    pub(super) async fn end_device(&self, device_id: &str) -> Result<(), NotDone> {
        let target = format!("/Devices?id={}", escaped(device_id));
        self.administer(Method::DELETE, &target, None).await.map(drop)
    }
}

async fn ask(
    (client, base): (&OwnClient, &str),
    (method, target): (Method, &str),
    authorization: &str,
    body: Option<Value>,
) -> Result<Answer, NotDone> {
    let json = body.map_or_else(String::new, |body| body.to_string());
    let mut value = HeaderValue::try_from(authorization)
        .map_err(|_| NotDone::Unreadable("what an app says of itself"))?;
    value.set_sensitive(true);
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{target}", base))
        .header(header::AUTHORIZATION, value)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "usher")
        .body(Full::new(Bytes::from(json)))
        .map_err(|_| NotDone::Unreadable("its address"))?;
    let exchange = async {
        let answer = client.request(request).await.map_err(|_| NotDone::NoAnswer)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        Ok((head.status, body.map_err(|_| NotDone::NoAnswer)?.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(NotDone::NoAnswer))
}

/// `Authorization` of an app that has no token yet.
fn names(app: &AppNames) -> String {
    let AppNames { client, device, device_id, version } = app;
    let [client, device, id, version] = [client, device, device_id, version].map(|it| escaped(it));
    format!(
        "MediaBrowser Client=\"{client}\", Device=\"{device}\", DeviceId=\"{id}\", \
         Version=\"{version}\""
    )
}

/// Everything but letters and digits as `%XX`, as the server reads it in fields and queries alike.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        match byte.is_ascii_alphanumeric() {
            true => all.push(char::from(byte)),
            false => drop(write!(all, "%{byte:02X}")),
        }
        all
    })
}

pub(super) fn read(body: &[u8]) -> Result<Value, NotDone> {
    serde_json::from_slice(body).map_err(|_| NotDone::Unreadable("no JSON"))
}

/// A member that goes into addresses and fields: letters and digits, as the server writes them.
pub(super) fn text<'a>(from: &'a Value, name: &'static str) -> Result<&'a str, NotDone> {
    let text = from.get(name).and_then(Value::as_str);
    let is_plain = |text: &&str| {
        !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    text.filter(is_plain).ok_or(NotDone::Unreadable(name))
}

/// Ids come with dashes or without them, and mean the same.
pub(super) fn id_of(user: &Value) -> Result<Box<str>, NotDone> {
    let id = user.get("Id").and_then(Value::as_str).unwrap_or_default();
    let id: String = id.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    match id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(id.into()),
        false => Err(NotDone::Unreadable("the id of a user")),
    }
}
