//! `downstream_mtls` from file and environment together.

use usher_rules::{config::Environment, plan::Enforcement};

use crate::{Shelf, compile};

/// A variable that was checked and then dropped would leave the door open that it closes; one that
/// is a map of its own would drop the keys of the file.
#[test]
fn variables_of_downstream_mtls_stand_beside_the_file_s_keys() {
    let case = std::fs::read_to_string(crate::cases::folder().join("mtls.case")).unwrap();
    let shelf = Shelf(crate::cases::files(&case));
    let routes =
        "routes:\n- from: https://a.test\n  to: http://x\n  allow_any_authenticated_user: true\n";
    let plan = |file: &str, variables: &[(&str, &str)]| {
        let set = variables
            .iter()
            .map(|(name, value)| (format!("DOWNSTREAM_MTLS_{name}"), (*value).to_owned()));
        let env: Environment = set.collect();
        let text = format!("{file}{routes}");
        compile(Some("config.yaml"), &text, &env, &shelf).unwrap().0.mtls
    };
    let alone = plan("", &[("CA_FILE", "/ca.pem")]);
    assert!(alone.trust.is_some() && alone.asked.is_some(), "a variable alone");

    let file = "downstream_mtls: {ca_file: /ca.pem, max_verify_depth: 3}\n";
    let beside = plan(file, &[("ENFORCEMENT", "reject_connection"), ("CRL_FILE", "/clients.crl")]);
    assert_eq!(beside.enforcement, Enforcement::RejectConnection);
    assert_eq!(beside.constraints.max_verify_depth, 3, "what the file says stays");
    assert_eq!(beside.constraints.revoked.len(), 1);
    assert!(beside.asked.is_some_and(|asked| asked.refuses()));

    let over = plan(file, &[("MAX_VERIFY_DEPTH", "2")]);
    assert_eq!(over.constraints.max_verify_depth, 2, "a variable beats the file");
    assert!(over.trust.is_some());
}
