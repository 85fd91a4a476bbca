//! What each endpoint answers. One file per group of them.

#![expect(
    clippy::result_large_err,
    reason = "both sides are the same type, so that a box around one of them wins nothing"
)]

mod devices;
mod library;
mod media;
mod people;
mod quick_connect;
mod sessions;
mod system;
mod transcoding;
pub(crate) mod web;

use std::sync::Arc;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde_json::Value;

use crate::{
    answer::{self, Answer},
    caller::Caller,
    media_server::{MediaServer, PersonId},
    routes::Endpoint,
    target::{Target, guid},
};

/// Kestrel's limit for a request body, in bytes.
const BODY_LIMIT: usize = 30_000_000;

/// A request that has reached its endpoint. Refusals travel as `Err`, answers as `Ok`; both are
/// sent alike.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub server: &'a Arc<MediaServer>,
    pub caller: &'a Caller,
    pub target: &'a Target,
    pub captured: &'a [String],
}

/// Calls the endpoint.
pub(crate) async fn answer(
    endpoint: Endpoint,
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    match endpoint {
        Endpoint::AnonymousInfo => Ok(system::anonymous_info(ask)),
        Endpoint::ApproveCode => quick_connect::approve(ask),
        Endpoint::Authenticate => people::authenticate(ask, request).await,
        Endpoint::AuthenticateById => people::authenticate_by_id(ask),
        Endpoint::BitrateTest => Ok(system::bitrate_test(ask)),
        Endpoint::BrandingConfiguration => Ok(system::branding(ask)),
        Endpoint::BrandingCss => Ok(system::branding_css(ask)),
        Endpoint::Capabilities => sessions::capabilities(ask, request).await,
        Endpoint::ClientLog => system::client_log(request).await,
        Endpoint::ConnectPoll => quick_connect::poll(ask),
        Endpoint::CreateKey => devices::create_key(ask),
        Endpoint::DeleteDevice => devices::delete(ask),
        Endpoint::DeleteKey => devices::delete_key(ask),
        Endpoint::DeletePerson => people::delete(ask),
        Endpoint::Devices => Ok(devices::list(ask)),
        Endpoint::Download => media::download(ask, request.headers()).await,
        Endpoint::ElevatedNothing => Ok(answer::json(Value::Array(Vec::new()))),
        Endpoint::EmptyResult => Ok(library::result(Vec::new())),
        Endpoint::Exchange => quick_connect::exchange(ask, request).await,
        Endpoint::ForgotPassword => people::forgot_password(ask, request).await,
        Endpoint::ForgotPasswordPin => people::forgot_password_pin(request).await,
        Endpoint::Health => Ok(system::health(ask)),
        Endpoint::Image => media::image(ask),
        Endpoint::Info => Ok(system::info(ask)),
        Endpoint::InitiateCode => quick_connect::initiate(ask),
        Endpoint::Item => library::item(ask),
        Endpoint::Items => library::items(ask),
        Endpoint::Keys => Ok(devices::keys(ask)),
        Endpoint::LatestItems => library::latest(ask),
        Endpoint::Logout => Ok(sessions::logout(ask)),
        Endpoint::Me => people::me(ask),
        Endpoint::NetworkPosition => Ok(system::network_position(ask)),
        Endpoint::NewPerson => people::create(ask, request).await,
        Endpoint::NothingFound => Err(answer::problem(StatusCode::NOT_FOUND)),
        Endpoint::OpenApi => Ok(system::open_api(ask)),
        Endpoint::OriginalFile => media::file(ask, request.headers()).await,
        Endpoint::Password => people::password(ask, request).await,
        Endpoint::People => Ok(people::list(ask)),
        Endpoint::Person => people::one(ask),
        Endpoint::Ping => Ok(answer::json("Jellyfin Server".into())),
        Endpoint::PlaybackInfo => library::playback_info(ask, request).await,
        Endpoint::Playing => sessions::playing(ask, request).await,
        Endpoint::PlaybackStop => sessions::stopped(ask, request).await,
        Endpoint::Policy => people::policy(ask, request).await,
        Endpoint::PublicPeople => Ok(people::public(ask)),
        Endpoint::QuickConnectEnabled => Ok(quick_connect::enabled(ask)),
        Endpoint::Redirect(location) => {
            Ok(answer::redirect(StatusCode::MOVED_PERMANENTLY, location))
        }
        Endpoint::Restart => Ok(system::restart(ask)),
        Endpoint::ResumeItems => library::resume(ask),
        Endpoint::Playlist => transcoding::playlist(ask, request.uri().query()),
        Endpoint::PlaylistOfPlaylists => transcoding::master(ask, request.uri().query()),
        Endpoint::Segment => transcoding::segment(ask),
        Endpoint::SendCommand => sessions::send_command(ask, request).await,
        Endpoint::SendMessage => sessions::send_message(ask, request).await,
        Endpoint::SendPlay => sessions::send_play(ask),
        Endpoint::SendPlaystate => sessions::send_playstate(ask),
        Endpoint::Sessions => Ok(sessions::list(ask)),
        Endpoint::Settings => Ok(system::settings(ask)),
        Endpoint::SettingsNamed => system::settings_named(ask),
        Endpoint::StartupConfiguration => Ok(system::startup_configuration(ask)),
        Endpoint::StartupPerson => Ok(system::startup_person(ask)),
        Endpoint::Stream => media::stream(ask, request.headers()).await,
        Endpoint::StoreSettings => system::store_settings(ask, request).await,
        Endpoint::StoreSettingsNamed => system::store_settings_named(ask, request).await,
        Endpoint::Unchanged => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Endpoint::Subtitles => transcoding::subtitles(ask),
        Endpoint::Tiles => transcoding::tiles(ask),
        Endpoint::UtcTime => Ok(system::utc_time(ask)),
        Endpoint::Views => library::views(ask),
    }
}

impl Ask<'_> {
    /// The value of the pattern's `{…}` at this place.
    fn captured(&self, place: usize) -> &str {
        self.captured.get(place).map_or("", String::as_str)
    }

    /// A captured GUID, or the 400 that the framework gives for anything else.
    fn id(&self, place: usize, name: &str) -> Result<String, Answer> {
        let text = self.captured(place);
        guid(text).ok_or_else(|| answer::not_valid(name, text))
    }

    /// The person whom a request is about: `?userId=`, else the caller. Somebody else only for an
    /// administrator or a key.
    fn subject(&self, named: Option<&str>) -> Result<Option<PersonId>, Answer> {
        let own = self.caller.person();
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Ok(own.cloned());
        };
        let id = guid(named).map(PersonId).ok_or_else(|| answer::not_valid("userId", named))?;
        if own != Some(&id) && !self.caller.is_elevated(self.server) {
            return Err(answer::error(StatusCode::FORBIDDEN));
        }
        match self.server.state().person(&id) {
            Some(_) => Ok(Some(id)),
            None => Err(answer::problem(StatusCode::NOT_FOUND)),
        }
    }
}

/// Reads a body whole, up to the limit that the server has.
async fn body(request: &mut Request<Incoming>) -> Result<bytes::Bytes, Answer> {
    let too_large = || {
        let mut refusal = answer::empty(StatusCode::PAYLOAD_TOO_LARGE);
        answer::set(&mut refusal, header::CONNECTION, "close");
        refusal
    };
    if request.body().size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    match Limited::new(request.body_mut(), BODY_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(cause) if cause.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(answer::empty(StatusCode::BAD_REQUEST)),
    }
}

/// Reads a JSON body: another type is 415, what does not parse 400.
async fn json_body(request: &mut Request<Incoming>) -> Result<Value, Answer> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(kind.as_str(), "application/json" | "text/json") || kind.ends_with("+json")
    });
    if !is_json {
        return Err(answer::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let bytes = body(request).await?;
    serde_json::from_slice(&bytes).map_err(|_| answer::problem(StatusCode::BAD_REQUEST))
}

/// A field of a JSON body, whose name's case does not count.
fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = body.as_object()?;
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A text field; absent and `null` are empty.
fn text_field(body: &Value, name: &str) -> String {
    field(body, name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
