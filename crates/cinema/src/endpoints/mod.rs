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
    use Endpoint as At;
    match endpoint {
        At::AnonymousInfo => Ok(system::anonymous_info(ask)),
        At::ApproveCode => quick_connect::approve(ask),
        At::Authenticate => people::authenticate(ask, request).await,
        At::AuthenticateById => people::authenticate_by_id(ask),
        At::BitrateTest => Ok(system::bitrate_test(ask)),
        At::BrandingConfiguration => Ok(system::branding(ask)),
        At::BrandingCss => Ok(system::branding_css(ask)),
        At::Capabilities => sessions::capabilities(ask, request).await,
        At::ClientLog => system::client_log(request).await,
        At::NothingFound => Err(answer::problem(StatusCode::NOT_FOUND)),
        At::ConnectPoll => quick_connect::poll(ask),
        At::CreateKey => devices::create_key(ask),
        At::DeleteDevice => devices::delete(ask),
        At::DeleteKey => devices::delete_key(ask),
        At::DeletePerson => people::delete(ask),
        At::Devices => Ok(devices::list(ask)),
        At::Download => media::download(ask, request.headers()).await,
        At::ElevatedNothing => Ok(answer::json(Value::Array(Vec::new()))),
        At::EmptyResult => Ok(library::result(Vec::new())),
        At::Exchange => quick_connect::exchange(ask, request).await,
        At::ForgotPassword => people::forgot_password(ask, request).await,
        At::ForgotPasswordPin => people::forgot_password_pin(request).await,
        At::Health => Ok(system::health(ask)),
        At::Image => media::image(ask),
        At::Info => Ok(system::info(ask)),
        At::InitiateCode => quick_connect::initiate(ask),
        At::Item => library::item(ask),
        At::Items => library::items(ask),
        At::Keys => Ok(devices::keys(ask)),
        At::LatestItems => library::latest(ask),
        At::Libraries => Ok(library::libraries()),
        At::Logout => Ok(sessions::logout(ask)),
        At::Me => people::me(ask),
        At::NetworkPosition => Ok(system::network_position(ask)),
        At::NewPerson => people::create(ask, request).await,
        At::OpenApi => Ok(system::open_api(ask)),
        At::OriginalFile => media::file(ask, request.headers()).await,
        At::Password => people::password(ask, request).await,
        At::People => Ok(people::list(ask)),
        At::Person => people::one(ask),
        At::Ping => Ok(answer::json("Jellyfin Server".into())),
        At::PlaybackInfo => library::playback_info(ask, request).await,
        At::Playing => sessions::playing(ask, request).await,
        At::PlaybackStop => sessions::stopped(ask, request).await,
        At::Policy => people::policy(ask, request).await,
        At::PublicPeople => Ok(people::public(ask)),
        At::QuickConnectEnabled => Ok(quick_connect::enabled(ask)),
        At::Redirect(location) => Ok(answer::redirect(StatusCode::MOVED_PERMANENTLY, location)),
        At::Restart => Ok(system::restart(ask)),
        At::ResumeItems => library::resume(ask),
        At::Playlist => transcoding::playlist(ask, request.uri().query()),
        At::PlaylistOfPlaylists => transcoding::master(ask, request.uri().query()),
        At::Segment => transcoding::segment(ask),
        At::SendCommand => sessions::send_command(ask, request).await,
        At::SendMessage => sessions::send_message(ask, request).await,
        At::SendPlay => sessions::send_play(ask),
        At::SendPlaystate => sessions::send_playstate(ask),
        At::Sessions => Ok(sessions::list(ask)),
        At::Settings => Ok(system::settings(ask)),
        At::SettingsNamed => system::settings_named(ask),
        At::StartupConfiguration => Ok(system::startup_configuration(ask)),
        At::StartupPerson => Ok(system::startup_person(ask)),
        At::Stream => media::stream(ask, request.headers()).await,
        At::StoreSettings => system::store_settings(ask, request).await,
        At::StoreSettingsNamed => system::store_settings_named(ask, request).await,
        At::Unchanged => Ok(answer::empty(StatusCode::NO_CONTENT)),
        At::Subtitles => transcoding::subtitles(ask),
        At::Tiles => transcoding::tiles(ask),
        At::UtcTime => Ok(system::utc_time(ask)),
        At::Views => library::views(ask),
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
