//! In which language somebody reads our pages.

use http::{HeaderMap, header};
use usher_pages::{LANGUAGE_COOKIE, Language};
use usher_rules::session::cookies;

/// The one that they chose on a page of ours, else the one that their browser asks for.
pub fn reader_language(fields: &HeaderMap) -> Language {
    let chosen = cookies(fields, LANGUAGE_COOKIE).find_map(|tag| Language::of_tag(&tag));
    chosen.unwrap_or_else(|| {
        // several lines are one list (RFC 9110 §5.2)
        let lines = fields.get_all(header::ACCEPT_LANGUAGE).iter();
        let wanted: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        Language::accepted(&wanted.join(","))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_counts_before_what_the_browser_asks_for() {
        for (cookie, accepted, language, why) in [
            ("", &["de"][..], Language::German, "the browser's"),
            ("usher_language=ja", &["de"], Language::Japanese, "chosen"),
            ("usher_language=xx", &["de"], Language::German, "none of ours was chosen"),
            ("a=b; usher_language=fr; c=d", &[], Language::French, "among others"),
            ("", &["sv;q=0.9", "nl;q=0.8"], Language::Dutch, "two lines are one list"),
            ("", &[], Language::English, "nothing"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::COOKIE, cookie.parse().unwrap());
            for line in accepted {
                fields.append(header::ACCEPT_LANGUAGE, line.parse().unwrap());
            }
            assert_eq!(reader_language(&fields), language, "{why}");
        }
    }
}
