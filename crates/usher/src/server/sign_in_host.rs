//! Where sign-in lives when the config does not say: it stays where it was.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use usher_rules::plan::{HostPattern, Plan};

/// One line in the data directory.
const FILE: &str = "sign-in-host";

/// Puts sign-in on the host that it had before (in this data directory), as long as a route still
/// names it; and remembers where it is. A route on top of the file moves nothing.
pub(super) fn settle(plan: &mut Plan, dir: &Path) {
    if plan.sign_in.dedicated_host || plan.sign_in.own().is_none() {
        return;
    }
    let file = dir.join(FILE);
    let before = fs::read_to_string(&file).ok();
    keep(plan, before.as_deref().map(str::trim));
    let now = plan.sign_in.authenticate.host.as_str();
    if before.as_deref().map(str::trim) != Some(now) {
        // A disk that is full is told by others; the first route's host holds until then.
        let draft = file.with_extension("new");
        let _not_kept = write(&draft, now).and_then(|()| fs::rename(&draft, &file));
    }
}

/// For its owner only, as everything in the data directory.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(text.as_bytes())
}

/// The same across a reload.
pub(super) fn keep(plan: &mut Plan, host: Option<&str>) {
    if plan.sign_in.dedicated_host || plan.sign_in.own().is_none() {
        return;
    }
    let kept = plan.routes.iter().find_map(|route| match &route.from {
        HostPattern::Exact { host: here, port } if Some(here.as_str()) == host => {
            Some((here.clone(), port.unwrap_or(443)))
        }
        HostPattern::Exact { .. } | HostPattern::Wildcard { .. } => None,
    });
    if let Some((host, port)) = kept {
        plan.sign_in.authenticate.host = host;
        plan.sign_in.authenticate.port = port;
    }
}
