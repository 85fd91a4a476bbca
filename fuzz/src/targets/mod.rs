mod capsules;
mod config;
mod fields;
mod jellyfin;
mod machines;
mod names;
mod queries;

use crate::Target;

/// The text of an input; targets that read text pass over what is none.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

macro_rules! targets {
    ($($name:literal $run:path, $($seeds:literal)+;)+) => {
        &[$(Target { name: $name, run: $run, seeds: &[$($seeds),+] }),+]
    };
}

pub const ALL: &[Target] = targets! {
    "path" names::path, "crates/usher/tests/front_door/corpus/paths.txt";
    "host" names::host, "crates/rules/tests/corpus/hosts.txt";
    "return-to" names::return_to, "crates/rules/tests/corpus/open-redirects.txt";
    "proxy-header" names::proxy_header, "crates/rules/tests/corpus/proxy_headers.txt";
    "mailbox" names::mailbox, "crates/rules/tests/corpus/mailboxes.txt";
    "cookies" fields::cookies, "crates/rules/tests/corpus/cookies.txt";
    "forwarded" fields::forwarded, "crates/rules/tests/corpus/forwarded.txt";
    "negotiation" fields::negotiation, "crates/rules/tests/corpus/accept.txt";
    "hop-by-hop" fields::hop_by_hop, "crates/rules/tests/corpus/connection.txt";
    "capsules" capsules::capsules, "crates/rules/tests/corpus/capsules.txt";
    "trailers" fields::trailers, "crates/usher/tests/front_door/corpus/identity_fields.txt";
    "query" queries::query, "crates/rules/tests/corpus/queries.txt";
    "callback" queries::callback, "crates/rules/tests/corpus/queries.txt";
    "authorize" queries::authorize, "crates/rules/tests/corpus/authorize.txt";
    "sealed" queries::sealed, "crates/rules/tests/corpus/sealed.txt";
    "handle" queries::handle, "crates/rules/tests/corpus/handles.txt";
    "claims" queries::claims, "crates/rules/tests/corpus/claims.txt";
    "message" queries::message, "crates/rules/tests/corpus/messages.txt";
    "program" queries::program, "crates/rules/tests/corpus/open-redirects.txt";
    "jellyfin-fields" jellyfin::credential_fields, "crates/rules/tests/corpus/jellyfin_fields.txt";
    "jellyfin-query" jellyfin::credential_query, "crates/rules/tests/corpus/jellyfin_queries.txt";
    "jellyfin-path" jellyfin::endpoints, "crates/rules/tests/corpus/jellyfin_paths.txt" "crates/usher/tests/front_door/corpus/paths.txt";
    "yaml" config::yaml, "crates/rules/tests/compile" "crates/rules/tests/policy";
    "config" config::config, "crates/rules/tests/compile";
    "policy" config::policy, "crates/rules/tests/policy";
    "duration" config::duration, "crates/rules/tests/corpus/durations.txt";
    "renewal" machines::renewal, "crates/rules/tests/corpus/steps.txt";
};
