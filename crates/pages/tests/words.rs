//! What visitors read is pinned: statuses and codes are an API, and words are chosen with care.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a test; each uses its part of the shared modules"
)]

mod every_page;

use std::{env, fs, path::Path};

use usher_pages::{
    ErrorPage as _, Language, Link, PostForm, Receipt, Refused, SignIn, SignInError, SignedOut,
    assets,
};

const RECEIPT: Receipt<'static> = Receipt {
    request_id: "7f3a-19c4",
    at_seconds: every_page::AT_SECONDS,
    language: Language::English,
};

fn refused() -> Refused<'static> {
    Refused {
        person: Some("eve@example.com"),
        host: "tv.example.com",
        switch_account: Some(PostForm::to("/.pomerium/sign_out").with("csrf", "c5f1")),
        reasons: &[],
        contact: None,
        receipt: RECEIPT,
    }
}

#[test]
fn status_code_and_title() {
    let found: Vec<_> = every_page::errors("tv.example.com")
        .iter()
        .map(|(_, page)| {
            let notice = page.notice();
            format!("{} {} · {}", notice.status, notice.code, notice.title)
        })
        .collect();
    assert_eq!(
        found,
        [
            "403 user-unauthorized · forbidden",
            "403 user-unauthorized · forbidden",
            "403 not-allowed · forbidden",
            "495 client-certificate-required · a certificate is needed",
            "495 invalid-client-certificate · a certificate is needed",
            "450 device-unauthorized · device not authorized",
            "403 device-unauthenticated · no device was shown",
            "404 route-not-found · nothing here",
            "421 misdirected · wrong connection",
            "400 bad-request · unreadable request",
            "400 bad-request · unreadable request",
            "413 content-too-large · too large",
            "431 headers-too-large · headers too large",
            "431 cookies-too-large · cookies too large",
            "403 closed-here · closed",
            "403 upgrade-refused · no socket here",
            "408 request-timeout · the request stopped",
            "501 not-implemented · not spoken here",
            "401 user-unauthenticated · sign in first",
            "503 clock-unset · what time is it?",
            "500 internal-error · a mistake of the door",
            "502 upstream-down · the app is not answering",
            "503 upstream-unavailable · not available now",
            "504 upstream-slow · the app is too slow",
            "504 upstream-slow · the app is too slow",
            "503 provider-down · sign-in is not available now",
            "503 provider-set-up-wrong · sign-in is not set up right",
            "503 store-down · not possible now",
            "503 store-full · no more sign-ins now",
            "500 store-damaged · not possible until it is mended",
            "403 session-refused · no session for this account",
            "403 cross-site · a form of another site",
            "403 worker-between · a part of an app stood between",
            "400 address-not-kept · the address was too long",
            "400 sign-in-failed · sign-in failed",
        ]
    );
}

#[test]
fn plain_text_of_every_error() {
    let found: String = every_page::errors("tv.example.com")
        .iter()
        .map(|(name, page)| format!("== {name}\n{}", page.plain_text()))
        .collect();
    golden("errors.txt", &found);
}

#[test]
fn problem_document() {
    assert_eq!(
        refused().problem_json(),
        "{\"type\":\"https://usher.example/problems/user-unauthorized\",\
         \"title\":\"forbidden\",\"status\":403,\
         \"detail\":\"You are signed in as eve@example.com, and that account can't open \
         tv.example.com.\",\"request_id\":\"7f3a-19c4\",\"error\":\"Forbidden\"}"
    );
    let reasons = &["email-unauthorized"];
    let with_reasons = Refused { reasons, ..refused() };
    assert!(with_reasons.problem_json().ends_with(",\"reasons\":[\"email-unauthorized\"]}"));
}

#[test]
fn sign_in_errors() {
    use SignInError::{Expired, TooManyTries, Unavailable, Wrong};
    for (error, status, words) in [
        (Wrong, 403, "That address and password don't go together. Check both and try again."),
        (TooManyTries { minutes: 0 }, 429, "Too many tries. Wait a minute, then try again."),
        (TooManyTries { minutes: 1 }, 429, "Too many tries. Wait a minute, then try again."),
        (TooManyTries { minutes: 5 }, 429, "Too many tries. Wait 5 minutes, then try again."),
        (Unavailable, 503, "Nobody can be looked up right now. Try again in a minute."),
        (Expired, 400, "This page was open for too long. Sign in once more."),
    ] {
        assert_eq!((error.status(), &*error.words().english()), (status, words));
    }
}

#[test]
fn whole_documents() {
    let sign_in = SignIn {
        host: "tv.example.com",
        email: "ann@example.com",
        error: Some(SignInError::Wrong),
        flow: "f10w",
        passwords: true,
        challenge: None,
        account: None,
        forgot: None,
        ways: &[],
        contact: None,
    };
    golden("sign_in_wrong.html", &without_hashes(sign_in.render(Language::English)));
    golden("refused.html", &without_hashes(refused().render()));
}

#[test]
fn signed_out_offers_no_way_back_where_there_is_none() {
    assert!(!SignedOut { sign_in_again: None }.render(Language::English).contains("Sign in again"));
    let link = Some(Link::new("/back"));
    assert!(SignedOut { sign_in_again: link }.render(Language::English).contains("href=\"/back\""));
}

/// A change of the style sheet alone is no change of a page.
fn without_hashes(mut document: String) -> String {
    for asset in assets() {
        let hash = asset.etag.trim_matches('"');
        document = document.replace(hash, "HASH");
    }
    document
}

/// Compares with a file in `tests/golden`; `UPDATE=1` rewrites it.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if update() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "{name} has changed; UPDATE=1 rewrites it. Now:\n{found}");
}

#[expect(clippy::disallowed_methods, reason = "a test's switch, not a setting")]
fn update() -> bool {
    env::var("UPDATE").is_ok()
}
