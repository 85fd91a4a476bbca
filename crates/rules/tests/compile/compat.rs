//! The configs that people have: those of Pomerium's guides, and the options that they use.

use std::{fs, time::Duration};

use usher_rules::{
    config::Environment,
    plan::{Action, HostField, Plan, Provider, Route},
    problem::Severity,
};

use crate::{PLACEHOLDER, Shelf, compile, reference::root};

/// Files that these configs name.
fn shelf() -> Shelf {
    let case = fs::read_to_string(crate::cases::folder().join("client-pairs.case")).unwrap();
    let pairs = crate::cases::files(&case);
    let secret = crate::values::SECRET.as_bytes().to_vec();
    let files = [
        ("/run/secrets/signing_key", pairs["a.key"].clone()),
        ("/run/secrets/idp_client_secret", b"secret".to_vec()),
        ("/run/secrets/shared_secret", secret.clone()),
        ("/run/secrets/cookie_secret", secret),
        ("/etc/usher/tls/fullchain.pem", pairs["a.pem"].clone()),
        ("/etc/usher/tls/privkey.pem", pairs["a.key"].clone()),
        ("/etc/usher/tls/ca.pem", pairs["a.pem"].clone()),
    ];
    Shelf(files.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}

fn plan(name: &str) -> Plan {
    let text = fs::read_to_string(root().join(format!("config/compat/{name}.yaml"))).unwrap();
    match compile(Some("config.yaml"), &text, &Environment::new(), &shelf()) {
        Ok((plan, _)) => plan,
        Err(problems) => panic!("{name}: {problems:#?}"),
    }
}

fn first(name: &str) -> Route {
    plan(name).routes.first().unwrap().as_ref().clone()
}

/// Every file there loads, and what is said of it is no more than that its names are examples, that
/// passwords are typed elsewhere, or that a key does nothing here.
#[test]
fn every_config_that_people_have_loads() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("config/compat")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let found = compile(Some("config.yaml"), &text, &Environment::new(), &shelf());
        let (plan, warnings) = found.unwrap_or_else(|it| panic!("{}: {it:#?}", path.display()));
        let others: Vec<_> = warnings.iter().filter(|it| it.code != PLACEHOLDER).collect();
        assert!(others.iter().all(|it| it.severity == Severity::Warning), "{others:?}");
        assert!(others.is_empty(), "{}: {others:#?}", path.display());
        assert!(!plan.routes.is_empty());
        seen += 1;
    }
    assert!(seen >= 18, "only {seen}");
}

/// What the guides ask for: limits of time, sockets, hosts, and who says who somebody is.
#[test]
fn guides_get_what_they_ask_for() {
    let film = first("jellyfin");
    assert_eq!((film.timeout, film.idle_timeout), (None, Some(Duration::from_secs(600))));
    assert!(film.websockets && film.host_field == HostField::Preserve);
    let plain = first("transmission");
    assert_eq!(plain.timeout, Some(Duration::from_secs(30)));
    assert!(!plain.websockets && plain.host_field == HostField::Upstream && !plain.pass_identity);
    for name in ["jellyfin", "grafana"] {
        let plan = plan(name);
        assert!(matches!(plan.sign_in.providers.first(), Provider::Hosted(_)), "{name}");
        assert!(plan.autocert.is_some(), "{name}");
    }
    assert!(first("grafana").pass_identity && plan("grafana").secrets.signing.is_some());
    let own = plan("validation");
    assert!(own.sign_in.providers.first().oidc().is_some() && own.sign_in.own().is_some());
}

/// The old list is tried first, and each option of a route is there.
#[test]
fn options_of_routes_and_of_the_top_level_are_in_force() {
    let globals = plan("globals");
    let names: Vec<_> = globals.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["old", "new"]);
    assert!(globals.routes.iter().all(|route| route.pass_identity));
    assert_eq!((globals.xff_num_trusted_hops, globals.claim_fields.len()), (1, 2));
    let routes = plan("routes").routes;
    assert_eq!(routes.len(), 7);
    let Action::Forward(targets) = &routes[3].action else { panic!("{:?}", routes[3].action) };
    assert_eq!(targets.all.len(), 2);
    assert_eq!(routes[4].timeout, Some(Duration::from_secs(60)));
}
