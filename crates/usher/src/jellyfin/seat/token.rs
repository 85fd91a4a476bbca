//! What the script of the page is told: whose token this browser has from now on.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use usher_pages::{Scripts, Words, csp};
use usher_rules::{
    jellyfin::{TokenHash, is_token, pairing::AppNames},
    names::Origin,
    secret::Secret,
    session::{BoundApp, LetInBy},
    signin::{Params, same_origin},
    time::UnixTime,
};

use super::{
    super::{
        Whose,
        api::{Account, Api, NotDone, id_of, read, text},
        let_in::{random, session},
        not_let_in::{NotLetIn, owner},
        pairing::{Pairing, failed},
        place::{host_of, place_of},
    },
    asked::is_browser,
    page::{AGAIN, words},
    places::{Given, Place},
};
use crate::request::{
    AppRequest, Body, EventName,
    identify::{LiveSession, StoreError},
    own_page, reader_language,
};

/// The web client's own name, by which the server knows it.
const CLIENT: &str = "Jellyfin Web";
/// Octets of the longest id of a device: the web client makes it of its browser's name and the time.
const LONGEST_ID: usize = 1024;

/// A browser that asks to be seated.
struct Seating<'a> {
    asked: AppRequest<'a>,
    server: &'a str,
    live: &'a Arc<LiveSession>,
    api: Api<'a>,
    place: &'a Place,
    /// What the browser calls its device.
    device: &'a str,
    /// The token that it has.
    token: Option<Secret>,
}

/// The server, as the web client keeps it.
struct Server {
    id: String,
    name: String,
    version: String,
}

impl Pairing {
    /// Answers the script.
    pub(super) async fn seat(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        body: &Bytes,
    ) -> Response<Body> {
        let Some(live) = asked.identity.session().filter(|live| is_browser(live)) else {
            return failed(StatusCode::FORBIDDEN);
        };
        // A browser adds the cookie to what another site's page sends.
        if same_origin(&asked.head.headers, &Origin::of(asked.authority)).is_err() {
            return failed(StatusCode::FORBIDDEN);
        }
        let form = std::str::from_utf8(body).ok().and_then(|text| Params::parse(text).ok());
        let form = form.unwrap_or_default();
        let device = form.text("device").filter(|id| is_device(id));
        let Some(device) = device else { return failed(StatusCode::BAD_REQUEST) };
        let api = match self.api(asked.route, server) {
            Ok(api) => api,
            Err(error) => return not_seated(asked, &error.into()),
        };
        let place = self.seats.of(&live.session().id, server, asked.now.monotonic);
        if !place.comes(asked.now.monotonic) {
            return said(asked, StatusCode::TOO_MANY_REQUESTS, AGAIN, true);
        }
        let token = form.text("token").filter(|token| is_token(token));
        let token = token.map(|token| Secret::new(token.as_bytes()));
        let seating = Seating { asked, server, live, api, place: &place, device, token };
        match self.seated(&seating).await {
            Ok(answer) => {
                place.goes_on(asked.now.monotonic);
                own_page(200, JSON, answer, &csp(Scripts::No, &[]))
            }
            Err(error) => {
                let cause = format!("was not let into the library: {error}");
                self.note(asked, EventName::SignInFailed, cause);
                not_seated(asked, &error)
            }
        }
    }

    /// Several tabs ask at once: one after the other, and all are told of one token.
    async fn seated(&self, seating: &Seating<'_>) -> Result<String, NotLetIn> {
        let mut turn = seating.place.turn.lock().await;
        let server = seating.api.server().await?;
        let account = self.account(seating.asked, &seating.api, seating.live).await?;
        if self.keeps(seating, &account).await? {
            return Ok(told(&server, &account, seating.device, None));
        }
        let now = seating.asked.now.monotonic;
        let given = turn.as_ref().filter(|given| given.counts_for(seating.device, now));
        if let Some(given) = given
            && seating.token.is_none()
        {
            return Ok(String::from_utf8_lossy(&given.answer).into_owned());
        }
        if !seating.place.makes(now) {
            return Err(NotLetIn::Often);
        }
        let answer = self.given(seating, &server, &account).await?;
        let (device, kept) = (seating.device.into(), Bytes::from(answer.clone()));
        *turn = Some(Given { at: now, device, answer: kept });
        Ok(answer)
    }

    /// Is the token that the browser has theirs, and good? Then it goes on with this session.
    async fn keeps(&self, seating: &Seating<'_>, account: &Account) -> Result<bool, NotLetIn> {
        let Some(token) = &seating.token else { return Ok(false) };
        let (asked, hash) = (seating.asked, TokenHash::of(token.expose()));
        let whose = self.bound.whose(&hash, place_of(asked), asked.visitor, asked.now).await;
        let Whose::Bound(app) = whose else { return Ok(false) };
        let bound = app.session().app.as_deref().filter(|bound| {
            bound.seat.is_some() && bound.user == account.id && *bound.device_id == *seating.device
        });
        let Some(bound) = bound else { return Ok(false) };
        if owner(&app) != owner(seating.live) || app.is_over(asked.now) {
            return Ok(false);
        }
        if seating.api.user_of(token).await?.as_deref() != Some(&*account.id) {
            return Ok(false);
        }
        let own = &seating.live.session().id;
        if bound.seat.as_ref() != Some(own) {
            // Of a sign-in before this one, whose end would be its own.
            self.seated_by(seating, BoundApp { seat: Some(own.clone()), ..bound.clone() }).await?;
        }
        Ok(true)
    }

    /// A token is made, and ends with the session of the browser.
    async fn given(
        &self,
        seating: &Seating<'_>,
        server: &Server,
        account: &Account,
    ) -> Result<String, NotLetIn> {
        let Seating { asked, live, api, .. } = seating;
        let device_id = self.device_of(seating)?;
        let device = live.session().browser.as_deref().unwrap_or("Browser");
        let app = AppNames {
            client: CLIENT.into(),
            device: device.into(),
            device_id: device_id.clone(),
            version: server.version.as_str().into(),
        };
        let (minted, _until_it_is_bound) =
            self.minted((*asked, seating.server), api, (&app, account)).await?;
        let hash = TokenHash::of(minted.token.expose());
        let bound = BoundApp {
            token: data_encoding::HEXLOWER.encode(&hash.0).into(),
            server: seating.server.into(),
            host: host_of(*asked),
            user: account.id.clone(),
            client: app.client,
            device: app.device,
            device_id,
            by: LetInBy::Page,
            seat: Some(live.session().id.clone()),
            label: None,
            language: Some(reader_language(&asked.head.headers).tag().into()),
            seen: None,
            unfetched_until: None,
        };
        let device_id = bound.device_id.clone();
        if let Err(error) = self.seated_by(seating, bound).await {
            let _what_nobody_knows = api.log_out(&minted.token).await;
            return Err(error.into());
        }
        self.note(*asked, EventName::SignIn, format!("opened the library in {device:?}"));
        let token = minted.token.expose_str().unwrap_or_default();
        Ok(told(server, account, &device_id, Some(token)))
    }

    /// The web client is theirs for as long as the session of its browser.
    async fn seated_by(&self, seating: &Seating<'_>, app: BoundApp) -> Result<(), StoreError> {
        let Seating { asked, live, .. } = seating;
        let until = UnixTime::from_seconds(live.session().expires_at);
        self.bound.bind(session(*asked, live, app, until)?, live).await.map(drop)
    }

    /// The browser's own device, unless somebody else is known by it: a device is ended whole, and
    /// two people of one browser must not end each other.
    fn device_of(&self, seating: &Seating<'_>) -> Result<Box<str>, StoreError> {
        let is_meant =
            |app: &BoundApp| *app.server == *seating.server && *app.device_id == *seating.device;
        let own = owner(seating.live);
        let is_other = self.bound.is_of_another(is_meant, |other| owner(other) == own);
        if !is_other {
            return Ok(seating.device.into());
        }
        let fresh: [u8; 16] = random()?;
        Ok(data_encoding::HEXLOWER.encode(&fresh).into())
    }
}

const JSON: &str = "application/json";

/// What a field of a request can hold, and a row of a table.
fn is_device(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn told(server: &Server, account: &Account, device: &str, token: Option<&str>) -> String {
    let Server { id, name, .. } = server;
    let answer = json!({
        "server": id, "name": name, "user": account.id, "device": device, "token": token,
    });
    answer.to_string()
}

fn not_seated(asked: AppRequest<'_>, error: &NotLetIn) -> Response<Body> {
    let is_final = !matches!(error, NotLetIn::NotDone(NotDone::NoAnswer));
    said(asked, StatusCode::OK, words(error), is_final)
}

fn said(
    asked: AppRequest<'_>,
    status: StatusCode,
    words: &'static str,
    is_final: impl Into<Value>,
) -> Response<Body> {
    let language = reader_language(&asked.head.headers);
    let words = Words::of(words);
    let answer = json!({ "words": words.in_language(language), "final": is_final.into() });
    own_page(status.as_u16(), JSON, answer.to_string(), &csp(Scripts::No, &[]))
}

impl Api<'_> {
    /// Which server it is. One that starts says it otherwise, or not at all.
    async fn server(&self) -> Result<Server, NotDone> {
        let (_, info) = self.administer(Method::GET, "/System/Info/Public", None).await?;
        let info = read(&info).map_err(|_| NotDone::NoAnswer)?;
        let said = |name| info.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = text(&info, "Id").map_err(|_| NotDone::NoAnswer)?.to_owned();
        Ok(Server { id, name: said("ServerName"), version: said("Version") })
    }

    /// Whose a token is there; `None` where it counts for nothing.
    async fn user_of(&self, token: &Secret) -> Result<Option<Box<str>>, NotDone> {
        let token = token.expose_str().unwrap_or_default();
        let authorization = format!("MediaBrowser Token=\"{token}\"");
        let (status, user) = self.ask(Method::GET, "/Users/Me", &authorization, None).await?;
        match status {
            StatusCode::OK => Ok(Some(id_of(&read(&user)?)?)),
            status if status.is_server_error() => Err(NotDone::NoAnswer),
            _ => Ok(None),
        }
    }
}
