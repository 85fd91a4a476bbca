//! What a start would refuse, whatever machine and network are like: `check` and a reload ask.

use usher_rules::plan::Plan;

use super::{KeyFailure, StartError, install_cryptography, metrics::Guard};
use crate::request::shape::Signer;

/// Every reason in the plan itself for which [`fn@super::start`] would serve nothing.
pub fn refusals(plan: &Plan) -> Vec<StartError> {
    install_cryptography();
    let signing = plan.secrets.signing.as_ref();
    let signer = signing.and_then(|pem| Signer::from_pem(pem.expose()).err());
    let guard = plan.listen.metrics.as_ref().and_then(|metrics| Guard::check(metrics).err());
    let signer = signer.map(|error| StartError::Keys(KeyFailure::Signer(error)));
    signer.into_iter().chain(guard.map(StartError::Metrics)).collect()
}
