/// `Content-Type` of [`render`](crate::ErrorPage::render).
pub const HTML: &str = "text/html; charset=utf-8";

/// `Content-Type` of [`problem_json`](crate::ErrorPage::problem_json) (RFC 9457 §6.1).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// `Content-Type` of [`plain_text`](crate::ErrorPage::plain_text).
pub const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The fields that every page is sent with, beside its [`csp`].
///
/// `strict-origin`: the app that somebody goes on to must not read the address of the sign-in page,
/// signature and all, in its `Referer`; and under `no-referrer` a browser would post a form with
/// `Origin: null`, and the check of where a form came from has nothing to look at (Fetch §3.2).
pub const HEADERS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    // in whose language, and in which form: for whatever keeps it in spite of the above
    ("vary", "accept, accept-language, cookie"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// What a page runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// Nothing.
    No,
    /// The script among our [`assets`](crate::assets()): pages with a password field or a time.
    Own,
    /// One that asks its own host for something.
    Asking,
}

/// The `Content-Security-Policy` of our own pages: one style sheet, own images, and a script where
/// a page has one.
///
/// `form_action` lists the origins, beside our own, that a form's redirects lead through:
/// Chromium applies `form-action` to every hop after the post, so a sign-in that ends on
/// `https://tv.example.com` needs that origin here. What is no plain origin is left out, since
/// a stray `;` would begin a directive of its own.
pub fn csp(scripts: Scripts, form_action: &[&str]) -> String {
    let scripts = match scripts {
        Scripts::No => "",
        Scripts::Own => " script-src 'self';",
        Scripts::Asking => " script-src 'self'; connect-src 'self';",
    };
    let mut policy = format!(
        "default-src 'none'; style-src 'self';{scripts} img-src 'self' data:; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'"
    );
    for origin in form_action.iter().filter(|origin| is_origin(origin)) {
        policy.push(' ');
        policy.push_str(origin);
    }
    policy
}

/// `http` or `https`, then host and port only: LDH, dots, colons and the brackets of IPv6.
fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        !authority.is_empty()
            && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::{Scripts, csp};

    #[test]
    fn form_action_takes_origins_only() {
        let own = "form-action 'self'";
        for (given, expected, why) in [
            (vec![], String::from(own), "our own origin is always there"),
            (
                vec!["https://tv.example.com", "http://[::1]:8443"],
                format!("{own} https://tv.example.com http://[::1]:8443"),
                "others follow",
            ),
            (vec!["https://x; script-src *"], own.into(), "no directive by the back door"),
            (vec!["https://x, default-src *"], own.into(), "no second policy either"),
            (vec!["https://*"], own.into(), "no wildcard"),
            (vec!["'unsafe-inline'", "*", "https:", "https://"], own.into(), "no keyword"),
            (vec!["https://tv.example.com/path"], own.into(), "an origin has no path"),
        ] {
            let policy = csp(Scripts::No, &given);
            let (head, tail) = policy.split_at(policy.find("form-action").unwrap());
            assert_eq!(tail, expected, "{given:?}: {why}");
            assert!(head.starts_with("default-src 'none'; style-src 'self';"), "{head}");
            assert!(!head.contains("unsafe") && !head.contains("script-src"), "{head}");
        }
        let with = csp(Scripts::Own, &[]);
        assert!(with.contains(" script-src 'self'; ") && !with.contains("unsafe"), "{with}");
        assert_eq!(with.replace(" script-src 'self';", ""), csp(Scripts::No, &[]));
        let asking = csp(Scripts::Asking, &[]);
        assert_eq!(asking.replace(" connect-src 'self';", ""), with);
    }
}
