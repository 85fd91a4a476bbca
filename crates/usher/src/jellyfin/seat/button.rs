//! "Continue with …" on the sign-in page of the web client.

use bytes::Bytes;
use serde_json::Value;
use usher_pages::{Language, Words};
use usher_rules::{
    jellyfin::{Endpoint, Opening},
    plan::Jellyfin,
};

use super::{
    super::read::read,
    asked::{PAGE, says},
};
use crate::request::{AppRequest, reader_language};

/// What stands on the button.
pub(super) const CONTINUE: &str = "Continue with {name}";

/// The button, for the web client that asks how its sign-in page looks: other apps show the text
/// as it is, tags and all. The web client keeps forms and buttons of it, and no script.
pub(in super::super) fn button(settings: &Jellyfin, asked: AppRequest<'_>) -> Option<String> {
    let is_branding = read(asked).endpoint == Endpoint::Strangers(Opening::Branding)
        && asked.path.small().ends_with("/configuration");
    let is_web = says(&asked.head.headers, "sec-fetch-site", "same-origin");
    let seats = settings.people.sign_in && settings.api_key.is_some();
    (is_branding && is_web && seats)
        .then(|| form(&settings.base_path, reader_language(&asked.head.headers)))
}

/// A form of `GET`: it opens in the same tab, where a link would open another.
fn form(base: &str, language: Language) -> String {
    let words = Words::of(CONTINUE).with("name", "usher");
    let words = words.in_language(language);
    let base = base.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<form action=\"{base}{PAGE}\"><button type=\"submit\" class=\"raised button-submit block \
         emby-button\">{words}</button></form>"
    )
}

/// The server's `BrandingOptions` with the button behind what its operator says there.
pub(in super::super) fn with_button(body: Bytes, button: &str) -> Bytes {
    let Ok(Value::Object(mut branding)) = serde_json::from_slice::<Value>(&body) else {
        return body;
    };
    let said = branding.get("LoginDisclaimer").and_then(Value::as_str).unwrap_or_default();
    // A blank line ends what Markdown made of it.
    let said = if said.is_empty() { button.to_owned() } else { format!("{said}\n\n{button}") };
    branding.insert("LoginDisclaimer".into(), said.into());
    Value::Object(branding).to_string().into()
}
