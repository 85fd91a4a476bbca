//! How long an app may take, by what its route is for.

use std::time::Duration;

use usher_rules::config::Environment;

use crate::{Shelf, compile};

/// A film or a socket of a route with sockets has no end of its own, unless somebody wrote one.
#[test]
fn a_route_with_sockets_has_the_times_that_it_names_and_no_other() {
    let named = "\n  timeout: 5s\n  idle_timeout: 6s";
    let five_and_six = (Some(Duration::from_secs(5)), Some(Duration::from_secs(6)));
    let sockets = "\n  allow_websockets: true";
    for (keys, expected) in [
        (sockets.to_owned(), (None, None)),
        (named.to_owned(), five_and_six),
        (format!("{sockets}{named}"), five_and_six),
    ] {
        let text = format!(
            "routes:\n- from: https://tv.example\n  to: http://tv:8096\n  \
             allow_any_authenticated_user: true{keys}\n"
        );
        let compiled = compile(Some("config.yaml"), &text, &Environment::new(), &Shelf::default());
        let (plan, _) = compiled.unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        let route = &plan.routes[0];
        assert_eq!((route.timeout, route.idle_timeout), expected, "{keys}");
    }
    let text = "routes:\n- from: https://tv.example\n  to: http://tv:8096\n  \
                allow_any_authenticated_user: true\n";
    let compiled = compile(Some("config.yaml"), text, &Environment::new(), &Shelf::default());
    let (plan, _) = compiled.unwrap_or_else(|problems| panic!("{problems:?}"));
    let route = &plan.routes[0];
    assert!(route.timeout.is_some() && route.idle_timeout.is_some(), "any other has some");
}
