//! A recorded route, compiled as a whole config is.

use usher_rules::{
    config::{self, Environment, Input, NoFiles},
    plan,
    policy::Policy,
    problem::Problem,
};

/// The recorded configs' own: what a config needs besides routes. With people of ours beside, who have
/// passkeys.
const BASE: &str = "\
authenticate_service_url: https://authenticate.example.com
shared_secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
cookie_secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
idp_providers:
- {idp_provider: oidc, idp_provider_url: https://idp.example.com, idp_client_id: client, idp_client_secret: secret}
- {idp_provider: builtin}
insecure_server: true
routes:
- from: https://app.example.com
  to: http://127.0.0.1:9
";

/// The whole config around a route's keys.
pub fn config(route: &str) -> String {
    let keys = route.lines().map(|line| format!("  {line}\n"));
    BASE.to_owned() + &keys.collect::<String>()
}

/// The only route's policy and all warnings, or everything that is wrong.
pub fn compile(config: &str) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    let input = Input { name: Some("config.yaml"), text: config };
    let draft = config::read(input, &Environment::new());
    let own = |problems: Vec<Problem>| -> Vec<Problem> {
        // the hosts around the policy are names of guides
        problems.into_iter().filter(|problem| problem.code != "U506").collect()
    };
    let (plan, warnings) =
        plan::compile(draft, &NoFiles).map(|(plan, it)| (plan, own(it))).map_err(own)?;
    Ok((plan.routes[0].policy.clone(), warnings))
}
