//! What one kind of provider says otherwise than OpenID Connect has it, put as it would be there.

use serde_json::{Map, Value};

use super::{
    ClaimsFault,
    person::{person_from_claims, text},
};
use crate::{
    names::{folded, mailbox_domain},
    plan::{OidcProvider, ProviderKind},
    session::Authentication,
};

/// Who somebody is, as this provider says it: by claims whose signature was verified, and what
/// userinfo adds. For a sign-in, and whenever the provider is asked about them again.
///
/// # Errors
///
/// [`ClaimsFault`].
pub fn somebody_at(
    provider: &OidcProvider,
    id_token: &Map<String, Value>,
    userinfo: Option<&Map<String, Value>>,
) -> Result<Authentication, ClaimsFault> {
    let (mut signed, mut userinfo) = (id_token.clone(), userinfo.cloned());
    if provider.kind == ProviderKind::Cognito {
        name_groups(&mut signed);
    }
    if provider.doubts_addresses(id_token) {
        for document in [Some(&mut signed), userinfo.as_mut()].into_iter().flatten() {
            document.insert("email_verified".into(), false.into());
        }
    }
    in_hosted_domain(provider, id_token)?;
    let mut authentication = person_from_claims(&signed, userinfo.as_ref())?;
    let person = &mut authentication.person;
    in_domains(provider, &person.email)?;
    // Entra's `sub` is another one for each client; `oid` is the person, and Pomerium's id of them.
    let entra = Some("oid").filter(|_| provider.kind == ProviderKind::Azure);
    let subject = entra.and_then(|name| text(id_token, name)).unwrap_or(&person.id);
    person.id = provider.subjects.person_id(subject).ok_or(ClaimsFault::OfAnotherProvider)?;
    Ok(authentication)
}

/// Cognito has groups under a name of its own.
fn name_groups(claims: &mut Map<String, Value>) {
    if let Some(groups) = claims.get("cognito:groups").cloned() {
        claims.entry("groups").or_insert(groups);
    }
}

/// `hd` in Google's request only sorts the accounts that are offered: whoever signs in may take it
/// out of the address. What counts is the claim.
fn in_hosted_domain(
    provider: &OidcProvider,
    claims: &Map<String, Value>,
) -> Result<(), ClaimsFault> {
    let asked = provider.request_params.iter().find(|(name, _)| &**name == "hd");
    let asked = asked.filter(|_| provider.kind == ProviderKind::Google).map(|(_, domain)| domain);
    match (asked.map(|domain| &**domain), text(claims, "hd")) {
        (None | Some(""), _) | (Some("*"), Some(_)) => Ok(()),
        (Some(asked), Some(domain)) if asked.eq_ignore_ascii_case(domain) => Ok(()),
        (Some(_), _) => Err(ClaimsFault::OtherDomain),
    }
}

/// `domains` of an item of `idp_providers`. An address that does not count is in none of them.
fn in_domains(provider: &OidcProvider, email: &str) -> Result<(), ClaimsFault> {
    let domain = mailbox_domain(email);
    let domain = domain.map(folded);
    let all = provider.domains.is_empty();
    if all || domain.is_some_and(|domain| provider.domains.contains(&domain)) {
        Ok(())
    } else {
        Err(ClaimsFault::OtherDomain)
    }
}

#[cfg(test)]
mod tests;
