//! Links that are sent to people: to join, and to get in again.

use std::path::Path;

use usher_pages::Letter;
use usher_rules::{names::Origin, plan::BUILTIN, time::UnixTime};

use crate::{
    reload::{Source, environment, load},
    server::sign_in_origin,
    signin::send_letter,
};

/// The address of the page where people of ours sign in; `None` where that can't be said.
pub(super) fn sign_in_page(dir: &Path, config: &Path) -> Option<Origin> {
    let environment = environment();
    let loaded = load(Source::File { path: config, environment: &environment }).ok()?;
    loaded.plan.sign_in.providers.of(BUILTIN)?;
    Some(sign_in_origin(&loaded.plan, dir))
}

/// Sends a letter by the server of the config.
///
/// # Errors
///
/// Why it was not sent.
pub(super) async fn mailed(
    config: &Path,
    to: &str,
    letter: Letter<'_>,
    now: UnixTime,
) -> Result<(), String> {
    let environment = environment();
    let loaded = load(Source::File { path: config, environment: &environment });
    let loaded = loaded.map_err(|_| "the config has errors: usher check".to_owned())?;
    send_letter(&loaded.plan, to, letter, now).await
}
