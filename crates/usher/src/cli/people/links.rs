//! Links that are sent to people: to join, and to get in again.

use std::path::Path;

use usher_rules::{names::Origin, plan::BUILTIN};

use crate::{
    reload::{Source, environment, load},
    server::sign_in_origin,
};

/// The address of the page where people of ours sign in; `None` where that can't be said.
pub(super) fn sign_in_page(dir: &Path, config: &Path) -> Option<Origin> {
    let environment = environment();
    let loaded = load(Source::File { path: config, environment: &environment }).ok()?;
    loaded.plan.sign_in.providers.of(BUILTIN)?;
    Some(sign_in_origin(&loaded.plan, dir))
}
