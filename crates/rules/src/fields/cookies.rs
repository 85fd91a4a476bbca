use std::iter;

use http::{HeaderMap, HeaderValue, header};

use crate::names::cookie_pairs as pairs;

/// Removes our session cookie, and every cookie whose name begins with it and `_`, from all
/// `Cookie` lines. What remains of several lines is joined with `; ` (RFC 6265 §5.4).
pub fn remove_cookie(fields: &mut HeaderMap, name: &str) {
    let lines = fields.get_all(header::COOKIE);
    let is_ours = |pair: &[u8]| {
        let cookie_name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        is_ours(cookie_name.trim_ascii_end(), name)
    };
    if !lines.iter().flat_map(pairs).any(is_ours) {
        return;
    }
    let mut kept = Vec::with_capacity(lines.iter().map(HeaderValue::len).sum());
    for line in &lines {
        for pair in pairs(line) {
            if pair.is_empty() || is_ours(pair) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => fields.insert(header::COOKIE, value),
        Ok(_) | Err(_) => fields.remove(header::COOKIE),
    };
}

/// Makes one field of the pieces in which HTTP/2 sends `Cookie` (RFC 9113 §8.2.3: MUST before it is
/// passed to HTTP/1.1, and it counts as one).
pub fn join_cookies(fields: &mut HeaderMap) {
    let lines = fields.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    let is_secret = fields.get(header::COOKIE).is_some_and(HeaderValue::is_sensitive);
    if let Ok(mut joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        joined.set_sensitive(is_secret);
        fields.insert(header::COOKIE, joined);
    }
}

/// Takes `Set-Cookie` lines for our session cookie out of an app's response: an app must not
/// give its visitors a session of ours (fixation).
pub fn remove_set_cookie(fields: &mut HeaderMap, name: &str) {
    let is_forged = |value: &HeaderValue| {
        // A cookie without a name is sent back as its value alone: `=_pomerium=x` comes as ours.
        let pair = value.as_bytes().trim_ascii();
        let pair = pair.strip_prefix(b"=").unwrap_or(pair);
        let cookie_name = pair.split(|b| matches!(b, b'=' | b';')).next();
        is_ours(cookie_name.unwrap_or_default().trim_ascii(), name)
    };
    if !fields.get_all(header::SET_COOKIE).iter().any(is_forged) {
        return;
    }
    let kept: Vec<HeaderValue> = fields
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|value| !is_forged(value))
        .cloned()
        .collect();
    fields.remove(header::SET_COOKIE);
    for value in kept {
        fields.append(header::SET_COOKIE, value);
    }
}

/// `cookie_name` may have a prefix of its own, and ours get one.
fn is_ours(cookie_name: &[u8], name: &str) -> bool {
    written(cookie_name).any(|found| {
        written(name.as_bytes()).any(|name| match found.strip_prefix(name) {
            Some(rest) => rest.is_empty() || rest.first() == Some(&b'_'),
            None => false,
        })
    })
}

/// A name as it is, and without its prefix where it has one.
fn written(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bare = Some(bare(name)).filter(|bare| bare.len() != name.len());
    iter::once(name).chain(bare)
}

fn bare(name: &[u8]) -> &[u8] {
    let prefixes = [&b"__Host-"[..], b"__Secure-"];
    prefixes.iter().find_map(|prefix| name.strip_prefix(*prefix)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::{join_cookies, remove_cookie, remove_set_cookie};

    /// RFC 9113 §8.2.3.
    #[test]
    fn cookie_crumbs_become_one_field_and_stay_secret() {
        for (given, expected) in [(&["a=1"][..], "a=1"), (&["a=1", "b=2; c=3"], "a=1; b=2; c=3")] {
            let mut fields = HeaderMap::new();
            for line in given {
                let mut value: http::HeaderValue = line.parse().unwrap();
                value.set_sensitive(true);
                fields.append(header::COOKIE, value);
            }
            join_cookies(&mut fields);
            assert_eq!(fields.get_all(header::COOKIE).iter().count(), 1);
            assert_eq!(fields[header::COOKIE], expected);
            assert!(fields[header::COOKIE].is_sensitive());
        }
    }

    #[test]
    fn t8_our_cookies_do_not_reach_the_app() {
        for (given, expected, why) in [
            (&["a=1; _pomerium=x; b=2"][..], Some("a=1; b=2"), "ours goes, theirs stay"),
            (&["_pomerium=x"], None, "no empty field remains"),
            (&["a=1", "_pomerium=x; c=3"], Some("a=1; c=3"), "several lines are one list"),
            (
                &["_pomerium_csrf=x; __Host-_pomerium_flow=y; a=1"],
                Some("a=1"),
                "ours have suffixes",
            ),
            (&["my_pomerium=x"], Some("my_pomerium=x"), "another name"),
            (&["_pomeriumx=1"], Some("_pomeriumx=1"), "another name"),
            (&["a=_pomerium"], Some("a=_pomerium"), "a value"),
            (&["a=1;b=2"], Some("a=1;b=2"), "untouched when nothing is ours"),
        ] {
            let mut fields = HeaderMap::new();
            for line in given {
                fields.append(header::COOKIE, line.parse().unwrap());
            }
            remove_cookie(&mut fields, "_pomerium");
            let got = fields.get(header::COOKIE).map(|value| value.to_str().unwrap());
            assert_eq!(got, expected, "{given:?}: {why}");
            assert!(fields.get_all(header::COOKIE).iter().count() <= 1, "{given:?}");
        }
    }

    #[test]
    fn a_cookie_name_with_a_prefix_is_ours_too() {
        for name in ["__Host-x", "__Secure-x", "x"] {
            for found in ["__Host-x", "__Secure-x", "x", "__Host-x_flow_1", "x_authenticate"] {
                assert!(super::is_ours(found.as_bytes(), name), "{found} for {name}");
            }
            assert!(!super::is_ours(b"__Host-y", name) && !super::is_ours(b"xx", name));
        }
        assert!(super::is_ours(b"__Host-__Host-x_flow_1", "__Host-x"));
    }

    #[test]
    fn session_fixation_by_the_app() {
        let mut fields = HeaderMap::new();
        for line in [
            "a=1; Path=/",
            "_pomerium=evil; Path=/",
            "__Host-_pomerium=evil",
            "=_pomerium=evil",
            "__Host-_pomerium_flow_x=evil",
        ] {
            fields.append(header::SET_COOKIE, line.parse().unwrap());
        }
        remove_set_cookie(&mut fields, "_pomerium");
        let left: Vec<_> = fields.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/"]);
    }
}
