//! Can people sign in: does the provider answer?

use std::net::IpAddr;

use http::HeaderValue;
use usher_rules::{
    names::{Scheme, Upstream},
    plan::{Plan, Provider, Target, UpstreamTls, UpstreamVerify},
    problem::Severity,
    time::Now,
};

use super::{PATIENCE, Tried};
use crate::{
    request::forward::{Trust, Want, probe},
    signin::try_provider,
};

const ABOUT: &str = "provider";

/// Where a hosted service shows its key.
const HOSTED_KEY: &str = "/.well-known/pomerium/hpke-public-key";

/// The provider of the plan; the built-in one needs nobody.
pub(super) async fn tried(plan: &Plan, now: Now) -> Option<Tried> {
    match &plan.sign_in.provider {
        Provider::Builtin => None,
        Provider::Oidc(provider) => {
            let tried = try_provider(plan, provider, PATIENCE, now).await;
            Some(match tried {
                Ok(()) => Tried::good(ABOUT, &*provider.issuer, "discovery and keys are there"),
                Err(error) => {
                    let what = (error.to_string(), error.hint());
                    Tried::bad(Severity::Error, ABOUT, &*provider.issuer, what)
                }
            })
        }
        Provider::Hosted(_) => Some(hosted(plan).await),
    }
}

/// A service of somebody else's shows its key before it can be spoken with.
async fn hosted(plan: &Plan) -> Tried {
    let origin = &plan.sign_in.authenticate;
    let name = origin.host.as_str();
    let host = name.trim_start_matches('[').trim_end_matches(']');
    let field = match origin.port {
        443 => HeaderValue::from_str(name),
        port => HeaderValue::from_str(&format!("{name}:{port}")),
    };
    let subject = origin.to_string();
    let Ok(field) = field else {
        let what = ("its name can't be asked for", "correct `authenticate_service_url`");
        return Tried::bad(Severity::Error, ABOUT, subject, what);
    };
    let target = Target {
        upstream: Upstream {
            scheme: Scheme::Https,
            host: host.into(),
            port: origin.port,
            path: HOSTED_KEY.into(),
        },
        weight: 1,
        host: field.clone(),
    };
    let server_name = host.parse::<IpAddr>().is_err().then(|| host.into());
    let tls = UpstreamTls { verify: UpstreamVerify::System, server_name, client: None };
    let trust = Trust::system(&plan.extra_roots);
    let reach = "check `authenticate_service_url`, and that this machine reaches it";
    match probe(&trust, (&target, &tls), &field, Want::Status, PATIENCE).await {
        Ok((status, _)) if status.is_success() => Tried::good(ABOUT, subject, "its key is there"),
        Ok((status, _)) => Tried::bad(
            Severity::Error,
            ABOUT,
            subject,
            (format!("its key is answered with {status}"), reach),
        ),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
            let what = format!("{error}{}", cause.unwrap_or_default());
            Tried::bad(Severity::Error, ABOUT, subject, (what, reach))
        }
    }
}
