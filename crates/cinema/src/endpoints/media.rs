//! The film's bytes and its poster.

use http::{HeaderMap, HeaderName, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Ask, library};
use crate::{
    answer::{self, Answer},
    film::{POSTER, built_in_changed},
    options::JellyfinVersion,
};

/// What stands as it is in an extended parameter (RFC 8187 §3.2.1, `attr-char`).
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The film without a credential, as every release serves it.
pub(super) async fn stream(ask: Ask<'_>, headers: &HeaderMap) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    if ask.target.query.is_true("static") {
        return ask.server.film.original(headers).await.map_err(unreadable);
    }
    ask.server.film.transcoded().await.map_err(unreadable)
}

/// The film for those who are signed in.
pub(super) async fn file(ask: Ask<'_>, headers: &HeaderMap) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    ask.server.film.original(headers).await.map_err(unreadable)
}

/// The film with a name to save it under.
pub(super) async fn download(ask: Ask<'_>, headers: &HeaderMap) -> Result<Answer, Answer> {
    let mut answer = file(ask, headers).await?;
    let film = &ask.server.film;
    let name = format!("{}.{}", film.title(), film.container());
    let extended = utf8_percent_encode(&name, EXTENDED);
    let plain: String = name
        .chars()
        .map(|letter| if letter.is_ascii() && !"\"\\".contains(letter) { letter } else { '_' })
        .collect();
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}");
    answer::set(&mut answer, header::CONTENT_DISPOSITION, &value);
    Ok(answer)
}

/// The poster. With a `tag` in the query it may be kept for a year.
pub(super) fn image(ask: Ask<'_>) -> Result<Answer, Answer> {
    library::check_film(ask, 0)?;
    if !ask.captured(1).eq_ignore_ascii_case("Primary") {
        return Err(answer::problem(StatusCode::NOT_FOUND));
    }
    let mut answer = answer::text("image/jpeg", POSTER);
    let kept = match (ask.target.query.first("tag"), ask.server.version) {
        (Some(_), JellyfinVersion::V12) => "public, max-age=31536000, immutable",
        (Some(_), JellyfinVersion::V10_10 | JellyfinVersion::V10_11) => "public, max-age=31536000",
        (None, _) => "public",
    };
    let age = ask.server.now().duration_since(built_in_changed()).unwrap_or_default();
    for (name, value) in [
        (header::AGE, age.as_secs().to_string().as_str()),
        (header::CACHE_CONTROL, kept),
        (header::LAST_MODIFIED, &httpdate::fmt_http_date(built_in_changed())),
        (header::VARY, "Accept"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (HeaderName::from_static("transfermode.dlna.org"), "Interactive"),
        (HeaderName::from_static("realtimeinfo.dlna.org"), "DLNA.ORG_TLAG=*"),
    ] {
        answer::set(&mut answer, name, value);
    }
    Ok(answer)
}

fn unreadable(_: std::io::Error) -> Answer {
    answer::error(StatusCode::NOT_FOUND)
}
