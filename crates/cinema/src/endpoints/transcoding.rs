//! What apps are given that can't play the film as it is: playlists (RFC 8216), their segments,
//! subtitles and the tiles of a time line. Nothing is transcoded: a segment is empty packets.

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{Ask, library};
use crate::{
    answer::{self, Answer},
    film::POSTER,
    media_server::stable_id,
    options::JellyfinVersion,
};

/// A segment's time, in ticks of 100 nanoseconds.
const SEGMENT_TICKS: u64 = 60_000_000;
/// The film's, where its file does not tell it.
const USUAL_TICKS: u64 = 480_000_000;
/// Packets of a segment.
const PACKETS: usize = 64;
/// One packet: the sync byte, the PID of padding, no adaptation field (ISO/IEC 13818-1 §2.4.3.2).
const PACKET: [u8; 188] = {
    let mut packet = [0xff; 188];
    [packet[0], packet[1], packet[2], packet[3]] = [0x47, 0x1f, 0xff, 0x10];
    packet
};

/// What becomes of the film's source for an app that says what it plays, and does not play the
/// film: where it finds it transcoded.
pub(super) fn instead(ask: Ask<'_>, body: &Value, play_session: &str) -> Option<Value> {
    let profile = super::field(body, "DeviceProfile")?;
    let container = ask.server.film.container();
    let plays = |one: &Value| {
        let containers = super::text_field(one, "Container");
        containers.split(',').any(|known| known.eq_ignore_ascii_case(&container))
    };
    let list = |name: &str| super::field(profile, name).and_then(Value::as_array).cloned();
    if list("DirectPlayProfiles").unwrap_or_default().iter().any(plays) {
        return None;
    }
    let to = list("TranscodingProfiles").unwrap_or_default().into_iter().next()?;
    Some(json!({
        "SupportsDirectPlay": false,
        "SupportsDirectStream": false,
        "TranscodingUrl": url(ask, play_session),
        "TranscodingSubProtocol": super::text_field(&to, "Protocol"),
        "TranscodingContainer": super::text_field(&to, "Container"),
    }))
}

/// Each release writes it in its own way.
fn url(ask: Ask<'_>, play_session: &str) -> String {
    let id = library::film_id(&ask.server.film);
    let (device, token) = (&ask.caller.claimed.device_id, &ask.caller.claimed.token);
    let (begin, key, more) = match ask.server.version {
        JellyfinVersion::V10_10 => ("", "api_key", "&BreakOnNonKeyFrames=True"),
        JellyfinVersion::V10_11 => ("&", "ApiKey", "&BreakOnNonKeyFrames=True"),
        JellyfinVersion::V12 => ("", "ApiKey", ""),
    };
    format!(
        "/videos/{}/master.m3u8?{begin}DeviceId={device}&MediaSourceId={id}&VideoCodec=h264\
         &AudioCodec=aac&AudioStreamIndex=1&SegmentContainer=ts&MinSegments=1{more}\
         &PlaySessionId={play_session}&{key}={token}&Tag={}\
         &TranscodeReasons=ContainerNotSupported",
        library::dashed(&id),
        stable_id("etag"),
    )
}

/// The list with one list in it. Its line has the whole query, and with it the token.
pub(super) fn master(ask: Ask<'_>, query: Option<&str>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    let body = format!(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=188662,AVERAGE-BANDWIDTH=188662,VIDEO-RANGE=SDR,\
         CODECS=\"avc1.64001E,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=24\nmain.m3u8?{}\n",
        query.unwrap_or_default()
    );
    let mut answer = answer::text("application/vnd.apple.mpegurl", body);
    answer::set(&mut answer, header::EXPIRES, "0");
    Ok(answer)
}

/// The list of the film's segments.
pub(super) fn playlist(ask: Ask<'_>, query: Option<&str>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    let query = query.unwrap_or_default();
    let mut body = "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-VERSION:3\n\
                    #EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n"
        .to_owned();
    let whole = ask.server.film.run_time_ticks.unwrap_or(USUAL_TICKS);
    for (number, at) in (0..whole).step_by(SEGMENT_TICKS as usize).enumerate() {
        let ticks = SEGMENT_TICKS.min(whole - at);
        body += &format!(
            "#EXTINF:{}.{:07}, nodesc\nhls1/main/{number}.ts?{query}&runtimeTicks={at}\
             &actualSegmentLengthTicks={ticks}\n",
            ticks / 10_000_000,
            ticks % 10_000_000
        );
    }
    body += "#EXT-X-ENDLIST\n";
    Ok(answer::text("application/vnd.apple.mpegurl", body))
}

/// One of them.
pub(super) fn segment(ask: Ask<'_>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    let mut answer = answer::text("video/mp2t", PACKET.repeat(PACKETS));
    answer::set(&mut answer, header::ACCEPT_RANGES, "bytes");
    let changed = httpdate::fmt_http_date(ask.server.film.changed);
    answer::set(&mut answer, header::LAST_MODIFIED, &changed);
    Ok(answer)
}

/// One line of text. Every release serves them without a credential.
pub(super) fn subtitles(ask: Ask<'_>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    let body = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nThis is not Jellyfin.\n";
    Ok(answer::text("text/vtt; charset=utf-8", body))
}

/// Pictures along the time line.
pub(super) fn tiles(ask: Ask<'_>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    match ask.captured(2).to_ascii_lowercase().strip_suffix(".jpg") {
        Some(_) => Ok(answer::text("image/jpeg", POSTER)),
        None => Err(answer::problem(StatusCode::NOT_FOUND)),
    }
}
