use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use usher_rules::plan::Autocert;

use super::{AcmeError, Shelf, client::AcmeClient};

/// Our account at a directory: the one on the shelf, or a new one, which is on the shelf before
/// anything is ordered with it.
pub(super) async fn open(
    client: &AcmeClient,
    shelf: &Shelf,
    autocert: &Autocert,
    directory: &str,
) -> Result<Account, AcmeError> {
    let failed = |error| client.error(directory, error);
    if let Some(json) = shelf.account(directory)? {
        let credentials: AccountCredentials =
            serde_json::from_slice(&json).map_err(|_| shelf.damaged_account(directory))?;
        let builder = Account::builder_with_http(Box::new(client.clone()));
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
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let (account, credentials) =
        builder.create(&account, directory.into(), external.as_ref()).await.map_err(failed)?;
    keep(shelf, directory, &credentials)?;
    Ok(account)
}

/// Gives our account another key (RFC 8555 §7.3.5).
pub(super) async fn roll_over(
    client: &AcmeClient,
    shelf: &Shelf,
    autocert: &Autocert,
    directory: &str,
) -> Result<(), AcmeError> {
    let mut account = open(client, shelf, autocert, directory).await?;
    shelf.set_rolling(directory, true)?;
    let credentials = account.update_key().await.map_err(|error| client.error(directory, error))?;
    keep(shelf, directory, &credentials)?;
    Ok(shelf.set_rolling(directory, false)?)
}

fn keep(shelf: &Shelf, directory: &str, credentials: &AccountCredentials) -> Result<(), AcmeError> {
    let json = serde_json::to_vec_pretty(credentials)
        .map_err(|_| AcmeError::Unusable("an account that can't be written down"))?;
    Ok(shelf.put_account(directory, &zeroize::Zeroizing::new(json))?)
}
