//! What an operator does by hand: revoke a certificate, give an account another key. Done beside a
//! server that runs, on the same files.

use instant_acme::RevocationRequest;
use usher_rules::plan::Plan;

use super::{AcmeError, AcmeTimeouts, CertificateStore, account, client::transport};

/// Revokes the certificate for `name` and asks for a new one. Until that is there, whoever runs
/// goes on to serve the old one, which most browsers do not check.
///
/// # Errors
///
/// [`AcmeError`], also when there is none.
pub async fn revoke(
    plan: &Plan,
    store: &CertificateStore,
    name: &str,
    acme_timeouts: AcmeTimeouts,
) -> Result<(), AcmeError> {
    let autocert = plan.autocert.as_ref().ok_or(AcmeError::Unusable("`autocert` is off"))?;
    let leaf = store.leaf(name)?.ok_or(AcmeError::Unusable("there is no certificate for it"))?;
    let directory = store.state(name)?.issued_by;
    if directory.is_empty() {
        return Err(AcmeError::Unusable("nothing says which authority it came from"));
    }
    let transport = transport(autocert, plan, &directory, acme_timeouts)?;
    let account = account::open(&transport, store, autocert, &directory).await?;
    let der = leaf.der().ok_or(AcmeError::Unusable("there is no certificate for it"))?;
    // Before it is revoked: what was asked for is not lost, whatever happens now.
    store.ask_renewal(name)?;
    // No reason: a CA takes `keyCompromise` from whoever holds the key only.
    let request = RevocationRequest { certificate: der, reason: None };
    account.revoke(&request).await.map_err(|error| transport.error(&directory, error))
}

/// Gives our account at the first directory another key (RFC 8555 §7.3.5).
///
/// # Errors
///
/// [`AcmeError`].
pub async fn rotate_account_key(
    plan: &Plan,
    store: &CertificateStore,
    acme_timeouts: AcmeTimeouts,
) -> Result<(), AcmeError> {
    let autocert = plan.autocert.as_ref().ok_or(AcmeError::Unusable("`autocert` is off"))?;
    let directory = autocert.directories().next().unwrap_or_default();
    let transport = transport(autocert, plan, directory, acme_timeouts)?;
    account::roll_over(&transport, store, autocert, directory).await
}
