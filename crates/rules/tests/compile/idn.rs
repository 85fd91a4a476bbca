//! Names in other letters, in every key that takes a host: compared and sent as A-labels (UTS 46).

use usher_rules::{config::Environment, plan::Plan};

use crate::{Shelf, compile};

const NAME: &str = "bücherei.test";
const A_LABELS: &str = "xn--bcherei-n2a.test";

fn plan(globals: &str, route: &str) -> Plan {
    let route = match route.contains("from:") {
        true => route.to_owned(),
        false => format!("- from: https://tv.test\n{route}"),
    };
    let text = format!("{globals}routes:\n{route}  allow_any_authenticated_user: true\n");
    match compile(None, &text, &Environment::new(), &Shelf::default()) {
        Ok((plan, _)) => plan,
        Err(problems) => panic!("{text}\n{problems:#?}"),
    }
}

#[test]
fn every_key_that_takes_a_host_reads_other_letters() {
    let to = "  to: http://127.0.0.1:9\n";
    let provider = |url: &str| {
        format!(
            "authenticate_service_url: https://auth.test\nidp_provider: oidc\n\
             idp_provider_url: {url}\nidp_client_id: i\nidp_client_secret: s3cret-s3cret\n"
        )
    };
    for (globals, route) in [
        (String::new(), format!("- from: https://{NAME}\n{to}")),
        (String::new(), format!("- from: https://{NAME}:8443\n{to}")),
        (
            "authenticate_service_url: https://a.test\n".into(),
            format!("- from: https://*.{NAME}\n{to}"),
        ),
        (
            "authenticate_service_url: https://a.test\n".into(),
            format!("- from: https://a*.{NAME}:8443\n{to}"),
        ),
        (String::new(), format!("  to: http://{NAME}:8096\n")),
        (String::new(), format!("  to: ['https://{NAME},2', 'https://b.test,1']\n")),
        (String::new(), format!("{to}  host_rewrite: {NAME}\n")),
        (String::new(), format!("{to}  host_rewrite: {NAME}:8443\n")),
        (String::new(), format!("{to}  tls_server_name: {NAME}\n")),
        (String::new(), format!("{to}  tls_upstream_server_name: {NAME}\n")),
        (String::new(), format!("{to}  allow_websocket_origins: ['https://{NAME}']\n")),
        (String::new(), format!("  redirect: {{host_redirect: {NAME}}}\n")),
        (format!("authenticate_service_url: https://{NAME}\n"), to.into()),
        (format!("cookie_domain: {NAME}\n"), to.into()),
        (format!("cookie_domain: .{NAME}\n"), to.into()),
        (format!("signout_redirect_url: https://{NAME}/out\n"), to.into()),
        (format!("programmatic_redirect_domain_whitelist: [{NAME}]\n"), to.into()),
        (provider(&format!("https://{NAME}")), to.into()),
    ] {
        let shown = format!("{:?}", plan(&globals, &route));
        let wrong = format!("{globals}{route}");
        assert!(shown.contains(A_LABELS), "{wrong}");
        assert!(!shown.contains('ü'), "it stands as it was written, too: {wrong}");
    }
}

#[test]
fn a_star_in_a_label_of_other_letters_is_refused() {
    for (from, is_read) in [
        (format!("https://*.{NAME}"), true),
        (format!("https://tv*.{NAME}"), true),
        ("https://*ü.test".to_owned(), false),
        ("https://bücher*.test".to_owned(), false),
    ] {
        let text = format!(
            "authenticate_service_url: https://a.test\nroutes:\n- from: '{from}'\n  \
             to: http://127.0.0.1:9\n  allow_any_authenticated_user: true\n"
        );
        let compiled = compile(None, &text, &Environment::new(), &Shelf::default());
        assert_eq!(compiled.is_ok(), is_read, "{from}");
    }
}
