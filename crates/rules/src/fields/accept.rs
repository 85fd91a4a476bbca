use http::{HeaderMap, header};

/// What kind of answer a client would rather have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// A page: `text/html`, nothing, or only what we don't know.
    Html,
    /// JSON.
    Json,
    /// Plain text.
    Text,
}

/// Reads `Accept` (RFC 9110 §12.5.1): the best match among HTML, JSON and plain text.
///
/// As measured on the real server (`pomerium-measured.md` §1.1), with two repairs: a media-type
/// parameter (`; charset=utf-8`, `; profile=…`) doesn't turn JSON into HTML, and `q=0` excludes.
pub fn preference(fields: &HeaderMap) -> Preference {
    let mut best: Option<(u16, Preference)> = None;
    for line in fields.get_all(header::ACCEPT) {
        for range in line.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "text/html" | "text/*" | "application/xhtml+xml" | "*/*" => Preference::Html,
                "application/json" | "application/*" | "application/problem+json" => {
                    Preference::Json
                }
                "text/plain" => Preference::Text,
                _ => continue,
            };
            let q = parts.find_map(quality).unwrap_or(1000);
            if q > 0 && best.is_none_or(|(so_far, _)| q > so_far) {
                best = Some((q, kind)); // equal q: the first that was named
            }
        }
    }
    best.map_or(Preference::Html, |(_, kind)| kind)
}

/// `q=0.5` in thousandths.
fn quality(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole: u16 = whole.parse().ok()?;
    let fraction: u16 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(whole.saturating_mul(1000).saturating_add(fraction).min(1000)) // a client may write q=1001
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::{Preference::*, preference};

    #[test]
    fn best_match() {
        for (given, expected) in [
            (None, Html),
            (Some("*/*"), Html),
            (Some("text/html;q=66, application/json;q=1001"), Html),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Html),
            (Some("application/json"), Json),
            (Some("application/json;q=0.9, */*"), Html),
            (Some("application/json, text/plain, */*"), Json),
            (Some("application/*"), Json),
            (Some("application/json; charset=utf-8"), Json),
            (Some("application/json; profile=\"CamelCase\""), Json),
            (Some("application/json;q=0, text/html"), Html),
            (Some("application/json;q=0"), Html),
            (Some("text/html;q=0.5, application/json;q=0.7"), Json),
            (Some("text/plain"), Text),
            (Some("text/plain;q=1, text/html;q=0.9"), Text),
            (Some("text/html;q=0.9, text/plain;q=1.0"), Text),
            (Some("text/plain, text/html, application/json"), Text),
            (Some("text/html;q=0, text/plain;q=0.001"), Text),
            (Some("image/avif,image/webp"), Html),
        ] {
            let mut fields = HeaderMap::new();
            if let Some(given) = given {
                fields.insert(header::ACCEPT, given.parse().unwrap());
            }
            assert_eq!(preference(&fields), expected, "{given:?}");
        }
    }
}
