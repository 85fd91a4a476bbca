//! Rules that ask for a passkey or a device, where nobody can have one.

use std::sync::Arc;

use crate::{
    config::Section,
    plan::{BUILTIN, OpenIdClient, Route, SignIn},
    policy::Policy,
    problem::{Problem, Severity},
};

/// Tells where nobody could ever pass: where the built-in provider is not asked, and where people
/// sign in at an address of a network, which no passkey is for.
pub(super) fn find(
    (sections, compiled): (&[Section], &[Option<Arc<Route>>]),
    clients: &[OpenIdClient],
    sign_in: Option<&SignIn>,
    problems: &mut Vec<Problem>,
) {
    let Some(sign_in) = sign_in else { return };
    let why = match sign_in.own() {
        Some(own) if own.host.is_address() => Why::Address,
        Some(_) | None => Why::OtherPeople,
    };
    let has_passkeys = |counts: bool| counts && why == Why::OtherPeople;
    for (section, route) in sections.iter().zip(compiled) {
        let Some(route) = route else { continue };
        if has_passkeys(sign_in.providers.counts_on(route.sign_in_by.as_ref(), BUILTIN)) {
            continue;
        }
        let policies = [Some(&route.policy), route.shadow.as_ref()].into_iter().flatten();
        let mut found: Vec<Problem> = policies.filter_map(|policy| problem(policy, why)).collect();
        section.source.relocate(&mut found);
        problems.append(&mut found);
    }
    if !has_passkeys(sign_in.providers.of(BUILTIN).is_some()) {
        problems.extend(clients.iter().filter_map(|client| problem(&client.policy, why)));
    }
}

/// Tells where a device is asked for and none can be enrolled, since an app shares the host of the page.
pub(super) fn find_devices(
    (sections, compiled): (&[Section], &[Option<Arc<Route>>]),
    sign_in: Option<&SignIn>,
    problems: &mut Vec<Problem>,
) {
    let is_shared = |sign_in: &SignIn| sign_in.own().is_some() && !sign_in.dedicated_host;
    if !sign_in.is_some_and(is_shared) {
        return;
    }
    for (section, route) in sections.iter().zip(compiled) {
        let asks = route.as_ref().and_then(|route| route.policy.first_of_devices());
        let Some((at, name)) = asks else { continue };
        let what = format!("`{name}`: nobody can enrol a device on the host of an app");
        let help =
            "give sign-in a host of its own: `authenticate_service_url: https://login.DOMAIN`";
        let mut found = vec![Problem::new(Severity::Warning, "U554", at, what, help)];
        section.source.relocate(&mut found);
        problems.append(&mut found);
    }
}

/// Why nobody has a passkey.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Whoever signs in does so by another provider.
    OtherPeople,
    /// People sign in at an address of a network.
    Address,
}

fn problem(policy: &Policy, why: Why) -> Option<Problem> {
    let (at, name) = policy.first_of_passkeys()?;
    let (because, help) = match why {
        Why::OtherPeople => (
            "people of the built-in provider alone have passkeys, and it signs nobody in here",
            "let the built-in provider sign people in here too, or ask for `signed_in_within`",
        ),
        Why::Address => (
            "people sign in at an address of a network, and no passkey is for one",
            "give sign-in a name: `authenticate_service_url: https://login.DOMAIN`",
        ),
    };
    let what = format!("`{name}` can be met by nobody: {because}");
    Some(Problem::new(Severity::Error, "U555", at, what, help))
}
