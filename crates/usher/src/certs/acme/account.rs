use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use usher_rules::plan::Autocert;

use super::{AcmeError, CertificateStore, transport::Transport};

/// Our account at a directory: the one in the store, or a new one, which is in the store before
/// anything is ordered with it.
pub(super) async fn open(
    transport: &Transport,
    store: &CertificateStore,
    autocert: &Autocert,
    directory: &str,
) -> Result<Account, AcmeError> {
    let failed = |error| transport.error(directory, error);
    if let Some(json) = store.account(directory)? {
        let credentials: AccountCredentials =
            serde_json::from_slice(&json).map_err(|_| store.damaged_account(directory))?;
        let builder = Account::builder_with_http(Box::new(transport.clone()));
        return builder.from_credentials(credentials).await.map_err(failed);
    }
    let contact = autocert.email.as_deref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let external = autocert.external_account(directory).map(|account| {
        ExternalAccountKey::new(account.key_id.to_string(), account.mac_key.expose())
    });
    let account = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true, // `autocert: true` says so, as in Pomerium
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(transport.clone()));
    let (account, credentials) =
        builder.create(&account, directory.into(), external.as_ref()).await.map_err(failed)?;
    keep(store, directory, &credentials)?;
    Ok(account)
}

/// Gives our account another key (RFC 8555 §7.3.5).
pub(super) async fn roll_over(
    transport: &Transport,
    store: &CertificateStore,
    autocert: &Autocert,
    directory: &str,
) -> Result<(), AcmeError> {
    let mut account = open(transport, store, autocert, directory).await?;
    store.rolls(directory)?;
    let credentials =
        account.update_key().await.map_err(|error| transport.error(directory, error))?;
    keep(store, directory, &credentials)?;
    Ok(store.has_rolled(directory)?)
}

fn keep(
    store: &CertificateStore,
    directory: &str,
    credentials: &AccountCredentials,
) -> Result<(), AcmeError> {
    let json = serde_json::to_vec_pretty(credentials)
        .map_err(|_| AcmeError::Unusable("an account that can't be written down"))?;
    Ok(store.put_account(directory, &zeroize::Zeroizing::new(json))?)
}
