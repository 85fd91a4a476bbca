//! The library: one folder with one film in it.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Ask, transcoding};
use crate::{
    answer::{self, Answer},
    clock::timestamp,
    film::OpenFilm,
    media_server::{MediaServer, lay_over, random_id, stable_id},
    options::JellyfinVersion,
};

/// The folder's id.
fn folder_id() -> String {
    stable_id("folder/movies")
}

/// The film's id. The real server makes it from the path, so that it is the same on each start.
pub(super) fn film_id(film: &OpenFilm) -> String {
    stable_id(&format!("film/{}", film.title()))
}

pub(super) fn dashed(id: &str) -> String {
    uuid::Uuid::try_parse(id).map_or_else(|_| id.to_owned(), |id| id.hyphenated().to_string())
}

fn user_data(id: &str) -> Value {
    json!({
        "PlaybackPositionTicks": 0,
        "PlayCount": 0,
        "IsFavorite": false,
        "Played": false,
        "Key": dashed(id),
        "ItemId": id,
    })
}

/// How far somebody has come with the film, as `UserItemDataDto`.
pub(super) fn place_in_film(server: &MediaServer) -> Value {
    user_data(&film_id(&server.film))
}

fn path_on_disk(film: &OpenFilm) -> String {
    let (title, container) = (film.title(), film.container());
    format!("/media/movies/{title}/{title}.{container}")
}

/// The film as lists show it.
pub(super) fn short_item(server: &MediaServer) -> Value {
    let film = &server.film;
    let id = film_id(film);
    let container = match film.container().as_str() {
        "mp4" => "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
        other => other.to_owned(),
    };
    let mut item = json!({
        "Name": film.title(),
        "ServerId": server.server_id(),
        "Id": id,
        "Container": container,
        "ChannelId": null,
        "ProductionYear": 2026,
        "IsFolder": false,
        "Type": "Movie",
        "UserData": user_data(&id),
        "VideoType": "VideoFile",
        "ImageTags": { "Primary": stable_id("poster") },
        "BackdropImageTags": [],
        "ImageBlurHashes": {},
        "LocationType": "FileSystem",
        "MediaType": "Video",
    });
    if let Some(ticks) = film.run_time_ticks {
        lay_over(&mut item, &json!({ "RunTimeTicks": ticks }));
    }
    item
}

/// The film as its own page shows it.
fn long_item(server: &MediaServer) -> Value {
    let film = &server.film;
    let mut item = short_item(server);
    let more = json!({
        "Etag": stable_id("etag"),
        "DateCreated": timestamp(film.changed),
        "CanDelete": false,
        "CanDownload": true,
        "SortName": film.title().to_lowercase(),
        "ExternalUrls": [],
        "MediaSources": [media_source(server)],
        "ProductionLocations": [],
        "Path": path_on_disk(film),
        "EnableMediaSourceDisplay": true,
        "Taglines": [],
        "Genres": [],
        "PlayAccess": "Full",
        "RemoteTrailers": [],
        "ProviderIds": {},
        "ParentId": folder_id(),
        "People": [],
        "Studios": [],
        "GenreItems": [],
        "LocalTrailerCount": 0,
        "SpecialFeatureCount": 0,
        "DisplayPreferencesId": stable_id("display"),
        "Tags": [],
        "PrimaryImageAspectRatio": 0.666_666_666_666_666_6,
        "MediaStreams": media_streams(server),
        "Chapters": [],
        "Trickplay": {},
        "LockedFields": [],
        "LockData": false,
        "Width": 640,
        "Height": 360,
    });
    lay_over(&mut item, &more);
    item
}

fn media_source(server: &MediaServer) -> Value {
    let film = &server.film;
    let mut source = json!({
        "Protocol": "File",
        "Id": film_id(film),
        "Path": path_on_disk(film),
        "Type": "Default",
        "Container": film.container(),
        "Size": film.length,
        "Name": film.title(),
        "IsRemote": false,
        "ETag": stable_id("etag"),
        "ReadAtNativeFramerate": false,
        "IgnoreDts": false,
        "IgnoreIndex": false,
        "GenPtsInput": false,
        "SupportsTranscoding": true,
        "SupportsDirectStream": true,
        "SupportsDirectPlay": true,
        "IsInfiniteStream": false,
        "UseMostCompatibleTranscodingProfile": false,
        "RequiresOpening": false,
        "RequiresClosing": false,
        "RequiresLooping": false,
        "SupportsProbing": true,
        "VideoType": "VideoFile",
        "MediaStreams": media_streams(server),
        "MediaAttachments": [],
        "Formats": [],
        "Bitrate": 188_662,
        "RequiredHttpHeaders": {},
        "TranscodingSubProtocol": "http",
        "DefaultAudioStreamIndex": 1,
        "HasSegments": false,
    });
    if let Some(ticks) = film.run_time_ticks {
        lay_over(&mut source, &json!({ "RunTimeTicks": ticks }));
    }
    source
}

/// The streams of the built-in film; a file is not looked into and shows the same ones.
fn media_streams(server: &MediaServer) -> Value {
    let (mut video, mut audio) = (video_stream(), audio_stream());
    let is_mp4 = server.film.container() == "mp4";
    if is_mp4 {
        // Matroska has neither: no language that is not set, and no tags of four letters.
        lay_over(&mut video, &json!({ "Language": "und" }));
        lay_over(&mut audio, &json!({ "Language": "und" }));
    }
    match server.version {
        JellyfinVersion::V10_10 | JellyfinVersion::V10_11 if is_mp4 => {
            lay_over(&mut video, &json!({ "CodecTag": "avc1" }));
            lay_over(&mut audio, &json!({ "CodecTag": "mp4a" }));
        }
        JellyfinVersion::V10_10 | JellyfinVersion::V10_11 => {}
        JellyfinVersion::V12 => {
            lay_over(&mut video, &json!({ "IsOriginal": false }));
            let more = json!({ "IsOriginal": false, "LocalizedOriginal": "Original" });
            lay_over(&mut audio, &more);
            if is_mp4 {
                lay_over(&mut audio, &json!({ "LocalizedLanguage": "Undetermined" }));
            }
        }
    }
    json!([video, audio])
}

fn video_stream() -> Value {
    json!({
        "Codec": "h264",
        "TimeBase": "1/12288",
        "VideoRange": "SDR",
        "VideoRangeType": "SDR",
        "AudioSpatialFormat": "None",
        "DisplayTitle": "360p H264 SDR",
        "NalLengthSize": "4",
        "IsInterlaced": false,
        "IsAVC": true,
        "BitRate": 141_862,
        "BitDepth": 8,
        "RefFrames": 1,
        "IsDefault": true,
        "IsForced": false,
        "IsHearingImpaired": false,
        "Height": 360,
        "Width": 640,
        "AverageFrameRate": 24,
        "RealFrameRate": 24,
        "ReferenceFrameRate": 24,
        "Profile": "High",
        "Type": "Video",
        "AspectRatio": "16:9",
        "Index": 0,
        "IsExternal": false,
        "IsTextSubtitleStream": false,
        "SupportsExternalStream": false,
        "PixelFormat": "yuv420p",
        "Level": 31,
        "IsAnamorphic": false,
    })
}

fn audio_stream() -> Value {
    json!({
        "Codec": "aac",
        "TimeBase": "1/44100",
        "VideoRange": "Unknown",
        "VideoRangeType": "Unknown",
        "AudioSpatialFormat": "None",
        "LocalizedDefault": "Default",
        "LocalizedExternal": "External",
        "DisplayTitle": "AAC - Mono - Default",
        "IsInterlaced": false,
        "IsAVC": false,
        "ChannelLayout": "mono",
        "BitRate": 40_397,
        "Channels": 1,
        "SampleRate": 44_100,
        "IsDefault": true,
        "IsForced": false,
        "IsHearingImpaired": false,
        "Profile": "LC",
        "Type": "Audio",
        "Index": 1,
        "IsExternal": false,
        "IsTextSubtitleStream": false,
        "SupportsExternalStream": false,
        "Level": 0,
    })
}

fn folder(server: &MediaServer) -> Value {
    let id = folder_id();
    let mut folder = json!({
        "Name": "Movies",
        "ServerId": server.server_id(),
        "Id": id,
        "Etag": stable_id("folder etag"),
        "DateCreated": timestamp(server.film.changed),
        "DateLastMediaAdded": "0001-01-01T00:00:00.0000000Z",
        "CanDelete": false,
        "CanDownload": false,
        "SortName": "movies",
        "ExternalUrls": [],
        "Path": "/data/root/default/Movies",
        "EnableMediaSourceDisplay": true,
        "ChannelId": null,
        "Taglines": [],
        "Genres": [],
        "PlayAccess": "Full",
        "RemoteTrailers": [],
        "ProviderIds": {},
        "IsFolder": true,
        "ParentId": stable_id("root"),
        "Type": "CollectionFolder",
        "People": [],
        "Studios": [],
        "GenreItems": [],
        "LocalTrailerCount": 0,
        "UserData": user_data(&id),
        "ChildCount": 1,
        "SpecialFeatureCount": 0,
        "DisplayPreferencesId": id,
        "Tags": [],
        "CollectionType": "movies",
        "ImageTags": {},
        "BackdropImageTags": [],
        "ImageBlurHashes": {},
        "LocationType": "FileSystem",
        "MediaType": "Unknown",
        "LockedFields": [],
        "LockData": false,
    });
    if server.version == JellyfinVersion::V12 {
        lay_over(&mut folder, &json!({ "Chapters": [] }));
    }
    folder
}

pub(super) fn result(items: Vec<Value>) -> Answer {
    answer::json(json!({ "TotalRecordCount": items.len(), "Items": items, "StartIndex": 0 }))
}

/// The person named in the path or the query must be the caller, or the caller an administrator.
fn check_subject(ask: Ask<'_>) -> Result<(), Answer> {
    let in_path = ask.captured.first().map(String::as_str);
    ask.subject(in_path.or_else(|| ask.target.query.first("userId"))).map(drop)
}

/// What an administrator sees of them: `VirtualFolderInfo`, as far as names and ids go.
pub(super) fn libraries() -> Answer {
    answer::json(json!([{
        "Name": "Movies",
        "Locations": ["/data/movies"],
        "CollectionType": "movies",
        "ItemId": folder_id(),
    }]))
}

pub(super) fn views(ask: Ask<'_>) -> Result<Answer, Answer> {
    check_subject(ask)?;
    Ok(result(vec![folder(ask.server)]))
}

/// Which kinds a query wants: the film, the folder, or both where it names none.
pub(super) fn items(ask: Ask<'_>) -> Result<Answer, Answer> {
    check_subject(ask)?;
    let query = &ask.target.query;
    let ids = query.joined("ids");
    let kinds = query.joined("includeItemTypes").map(|kinds| kinds.to_ascii_lowercase());
    let film = film_id(&ask.server.film);
    let wanted = ids
        .is_none_or(|ids| ids.split(',').filter_map(crate::target::guid).any(|id| id == film))
        && kinds.is_none_or(|kinds| kinds.split(',').any(|kind| kind == "movie"));
    // Without `recursive` the root is listed, which holds the folder.
    let at_root = query.first("parentId").is_none() && !query.is_true("recursive");
    Ok(result(match (wanted, at_root && query.first("ids").is_none()) {
        (true, true) => vec![folder(ask.server), short_item(ask.server)],
        (true, false) => vec![short_item(ask.server)],
        (false, _) => Vec::new(),
    }))
}

pub(super) fn latest(ask: Ask<'_>) -> Result<Answer, Answer> {
    check_subject(ask)?;
    Ok(answer::json(json!([short_item(ask.server)])))
}

pub(super) fn resume(ask: Ask<'_>) -> Result<Answer, Answer> {
    check_subject(ask)?;
    Ok(result(Vec::new()))
}

pub(super) fn item(ask: Ask<'_>) -> Result<Answer, Answer> {
    let place = match ask.captured {
        [_, _] => {
            check_subject(ask)?;
            1
        }
        _ => {
            ask.subject(ask.target.query.first("userId"))?;
            0
        }
    };
    let id = ask.id(place, "itemId")?;
    if id == folder_id() {
        return Ok(answer::json(folder(ask.server)));
    }
    check_film(ask, place)?;
    Ok(answer::json(long_item(ask.server)))
}

pub(super) async fn playback_info(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    ask.subject(ask.target.query.first("userId"))?;
    check_film(ask, 0)?;
    let body = super::body(request).await?;
    let plays: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (mut source, play_session) = (media_source(ask.server), random_id());
    if let Some(over) = transcoding::instead(ask, &plays, &play_session) {
        lay_over(&mut source, &over);
    }
    Ok(answer::json(json!({ "MediaSources": [source], "PlaySessionId": play_session })))
}

/// The captured id must be the film's.
pub(super) fn check_film(ask: Ask<'_>, place: usize) -> Result<(), Answer> {
    if ask.id(place, "itemId")? == film_id(&ask.server.film) {
        return Ok(());
    }
    Err(answer::problem(StatusCode::NOT_FOUND))
}
