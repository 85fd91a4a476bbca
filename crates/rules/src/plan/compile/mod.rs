//! Draft to plan: what the values mean together.
//!
//! Everything is compiled before anything is returned, so that one run shows every problem. A
//! plan comes out only when none of them is an error; then nothing can fail later.

mod autocert;
mod bearer;
mod depends_on;
mod dns;
mod files;
mod flags;
mod from;
mod globals;
mod hardening;
pub use globals::{ACCESS_FIELDS, AUTHORIZE_FIELDS};
mod brand;
mod headers;
mod health_checks;
mod host_field;
mod jellyfin;
mod loops;
mod matcher;
mod mcp;
mod metrics;
mod mtls;
mod name;
mod openid_clients;
mod outbound;
mod own_client;
mod pairs;
mod passkeys;
mod placeholder;
mod policy_tests;
mod provider;
mod proxy_protocol;
mod re2;
mod rego;
mod resilience;
mod route;
mod secrets;
mod service;
mod session_life;
mod sign_in;
mod smtp;
mod socket_origins;
mod target;
mod tunnel;
mod twins;
mod upgrades;

use std::sync::Arc;

use self::{rego::Rego, tunnel::Carries};
use super::{HostPattern, HostTable, OpenIdClient, Plan, Route, SignIn};
use crate::{
    config::{Draft, Files, Section, keys::global},
    policy,
    problem::{Place, Problem, Severity},
    yaml::Extent,
};

/// Compiles a draft. What comes with the plan are warnings, in the order of the file.
///
/// # Errors
///
/// Every problem of the config, warnings among them, when at least one is an error.
pub fn compile(draft: Draft, files: &dyn Files) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    compile_with(draft, files, None)
}

/// The same with what compiles rules in Rego, where the build has it.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_with(
    draft: Draft,
    files: &dyn Files,
    rego: Option<&dyn policy::rego::Compiler>,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    if draft.extent == Extent::Beginning {
        return Err(sorted(draft.problems));
    }
    let Draft {
        globals, routes: sections, mut problems, is_empty, fingerprint, line_starts, ..
    } = draft;
    let mut compiler = Compiler { keys: &globals, files, problems: &mut problems };
    let listen = compiler.listen();
    let cookie = compiler.cookie();
    let timeouts = compiler.timeouts();
    let response_fields = headers::global_response_fields(&mut compiler);
    let claim_fields = headers::claim_fields(&mut compiler);
    let secrets = compiler.secrets();
    let extra_roots = compiler.extra_roots();
    let log = compiler.log();
    let outbound = compiler.outbound();
    let brand = compiler.brand();
    let additional_methods = compiler.additional_methods();
    let mtls = compiler.downstream_mtls(&sections);
    compiler.remarks();
    let modules = Rego { compiler: rego, line_starts: &line_starts };
    let defaults =
        route::Defaults::of((&globals, modules), &response_fields, &additional_methods, &mtls);

    let Compiled { routes: compiled, kept } =
        each_route(&sections, &line_starts, &defaults, files, &mut problems);
    of_hosts(&globals, (&sections, &compiled), &mut problems);
    let mtls = mtls.finish((&sections, &compiled), &mut problems);
    let routes: Vec<_> = compiled.iter().flatten().cloned().collect();
    let sign_in = Compiler { keys: &globals, files, problems: &mut problems }.sign_in(&routes);
    let openid_clients = Compiler { keys: &globals, files, problems: &mut problems }
        .openid_clients(sign_in.as_ref());
    let smtp = Compiler { keys: &globals, files, problems: &mut problems }.smtp(sign_in.as_ref());
    of_people(&globals, (&sections, &compiled), &openid_clients, sign_in.as_ref(), &mut problems);
    loops::find(&listen, sign_in.as_ref(), (&sections, &compiled), &mut problems);
    let routes = served(routes, sign_in.as_ref(), || no_routes(is_empty), &mut problems);
    let autocert = Compiler { keys: &globals, files, problems: &mut problems }
        .autocert(&routes, sign_in.as_ref());
    sort(&mut problems);

    let Some(sign_in) = sign_in.filter(|_| !holds_error(&problems)) else { return Err(problems) };
    let plan = Plan {
        id: fingerprint,
        listen,
        autocert,
        mtls,
        sign_in,
        openid_clients,
        smtp,
        cookie,
        sessions: session_life::session_life(&globals),
        admin_groups: session_life::admin_groups(&globals),
        timeouts,
        extra_roots,
        outbound,
        hot_reload: flags::hot_reload(&globals),
        brand,
        contact: globals.get(&global::CONTACT).map(Into::into),
        response_fields: response_fields.all(),
        claim_fields,
        skip_xff_append: globals.value(&global::SKIP_XFF_APPEND),
        xff_num_trusted_hops: trusted_hops(&globals),
        escaped_slashes: globals.value(&global::PATH_WITH_ESCAPED_SLASHES_ACTION),
        additional_methods,
        underscores: globals.value(&global::HEADERS_WITH_UNDERSCORES_ACTION),
        secrets,
        log,
        flags: flags::pages(&globals),
        kept_decisions: hardening::kept_decisions(&globals),
        refuses_unrecorded: globals.value(&global::UNRECORDED_REQUESTS) == "refused",
        hosts: hosts(&globals, &kept, &routes),
        routes,
    };
    Ok((plan, problems))
}

fn trusted_hops(globals: &Section) -> u32 {
    globals.value(&global::XFF_NUM_TRUSTED_HOPS).try_into().unwrap_or_default()
}

fn holds_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// What of the routes can be told by their hosts alone.
fn of_hosts(
    globals: &Section,
    (sections, compiled): (&[Section], &[Option<Arc<Route>>]),
    problems: &mut Vec<Problem>,
) {
    twins::find(sections, compiled, problems);
    placeholder::find(globals, sections, problems);
}

/// What of the routes and clients rests on who signs in, and where.
fn of_people(
    globals: &Section,
    (sections, compiled): (&[Section], &[Option<Arc<Route>>]),
    clients: &[OpenIdClient],
    sign_in: Option<&SignIn>,
    problems: &mut Vec<Problem>,
) {
    bearer::find(globals, (sections, compiled), sign_in, problems);
    passkeys::find((sections, compiled), clients, sign_in, problems);
    passkeys::find_devices((sections, compiled), sign_in, problems);
}

/// Which routes a host has.
fn hosts(globals: &Section, kept: &[HostPattern], routes: &[Arc<Route>]) -> HostTable {
    let mut hosts = HostTable::new(flags::ports(globals));
    kept.iter().for_each(|from| hosts.keep(from));
    for (index, route) in routes.iter().enumerate() {
        match &route.tunnel {
            None => hosts.add(index, &route.from),
            Some(tunnel) => {
                hosts.keep(&route.from);
                hosts.add_tunnel(index, &tunnel.ends);
            }
        }
    }
    hosts
}

/// What became of the routes.
struct Compiled {
    /// One for each section in order; `None` where it has an error, or is not served.
    routes: Vec<Option<Arc<Route>>>,
    /// Of routes that are not served, whose requests belong to no other.
    kept: Vec<HostPattern>,
}

fn each_route(
    sections: &[Section],
    line_starts: &[usize],
    defaults: &route::Defaults<'_>,
    files: &dyn Files,
    problems: &mut Vec<Problem>,
) -> Compiled {
    let mut compiled = Compiled { routes: Vec::with_capacity(sections.len()), kept: Vec::new() };
    for section in sections {
        let mut found = Vec::new();
        let line = line_of(line_starts, section);
        let mut compiler = Compiler { keys: section, files, problems: &mut found };
        let takes = match compiler.carries(defaults.rego) {
            Carries::Http => Some(compiler.requests()),
            Carries::Tunnel(from, tunnel) => Some(route::Takes::tunnel(from, tunnel)),
            Carries::Unserved(from) => {
                compiled.kept.extend(from);
                None
            }
        };
        let route = takes.and_then(|takes| route::compile(&mut compiler, defaults, takes, line));
        compiled.routes.push(route.map(Arc::new));
        section.source.relocate(&mut found);
        problems.append(&mut found);
    }
    compiled
}

/// What a compiler of some keys stands on: one section, the files it names, and where to put
/// problems.
struct Compiler<'a> {
    /// The keys: the top level, or a route.
    keys: &'a Section,
    files: &'a dyn Files,
    problems: &'a mut Vec<Problem>,
}

impl Compiler<'_> {
    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Takes the value, or reports the problem.
    fn keep<T>(&mut self, outcome: Result<T, Problem>) -> Option<T> {
        outcome.map_err(|problem| self.problems.push(problem)).ok()
    }
}

fn line_of(line_starts: &[usize], section: &Section) -> u32 {
    let line = line_starts.partition_point(|start| *start <= section.at.start);
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// A hosted sign-in serves none of its routes.
fn served(
    routes: Vec<Arc<Route>>,
    sign_in: Option<&SignIn>,
    none: impl FnOnce() -> Problem,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Route>> {
    if sign_in.is_some_and(|sign_in| sign_in.service.is_some()) {
        return Vec::new();
    }
    let has_none = routes.is_empty() && !holds_error(problems);
    problems.extend(has_none.then(none));
    routes
}

fn no_routes(is_empty: bool) -> Problem {
    let what = if is_empty {
        "the config is empty: nothing is served"
    } else {
        "there are no routes: nothing is served"
    };
    let help = "write `routes:`, then `- from: https://HOST`, `to: http://APP:PORT` and a `policy`";
    Problem::new(Severity::Warning, "U130", Place::Whole, what, help)
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    sort(&mut problems);
    problems
}

/// In the order of the file; what belongs to no place comes last.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| match &problem.at {
        Place::File(span) => (0, span.start),
        Place::Environment(_) => (1, 0),
        Place::Whole => (2, 0),
    });
}
