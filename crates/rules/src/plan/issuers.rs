//! The issuers that a provider's answers may name: one, but at those that write it in several ways.

use serde_json::{Map, Value};

use super::{OidcProvider, ProviderKind};

/// Entra's tenant of everybody's own Microsoft account.
const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Whose people an issuer of Entra is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenants {
    /// Of every tenant, and everybody with an account of their own.
    Common,
    /// Of every tenant.
    Organizations,
    /// Everybody with an account of their own.
    Consumers,
}

impl OidcProvider {
    /// Which part of the address stands for the tenant, where it is for more than one.
    fn tenants(&self) -> Option<(&'static str, Tenants)> {
        if self.kind != ProviderKind::Azure {
            return None;
        }
        let named = [
            ("/common", Tenants::Common),
            ("/organizations", Tenants::Organizations),
            ("/consumers", Tenants::Consumers),
        ];
        named.into_iter().find(|(segment, _)| {
            let after = self.issuer.split_once(segment).map(|(_, after)| after);
            after.is_some_and(|after| after.is_empty() || after.starts_with('/'))
        })
    }

    fn in_tenant(&self, segment: &str, tenant: &str) -> String {
        self.issuer.replacen(segment, &format!("/{tenant}"), 1)
    }

    /// Are people of more than one organisation let in, each of which says of its own people what
    /// it likes?
    pub fn is_of_many_tenants(&self) -> bool {
        matches!(self.tenants(), Some((_, Tenants::Common | Tenants::Organizations)))
    }

    /// Is this the issuer that its discovery document has to name (OIDC Discovery §4.3)? Entra's
    /// for many tenants names a template.
    pub fn publishes(&self, issuer: &str) -> bool {
        match self.tenants() {
            None => issuer == &*self.issuer,
            Some((segment, Tenants::Consumers)) => {
                issuer == self.in_tenant(segment, PERSONAL_TENANT)
            }
            Some((segment, Tenants::Common | Tenants::Organizations)) => {
                issuer == self.in_tenant(segment, "{tenantid}")
            }
        }
    }

    /// The issuer that an ID token with these claims has to name; `None` where none would do.
    pub fn issuer_of(&self, claims: &Map<String, Value>) -> Option<Box<str>> {
        let Some((segment, tenants)) = self.tenants() else {
            // Google writes it in both ways (its OpenID Connect pages, "An ID token's payload").
            let bare = self.issuer.strip_prefix("https://");
            let says = claims.get("iss").and_then(Value::as_str);
            let is_bare = self.kind == ProviderKind::Google && says.is_some() && says == bare;
            return Some(if is_bare { bare?.into() } else { self.issuer.clone() });
        };
        let tenant = claims.get("tid").and_then(Value::as_str).filter(|tenant| is_guid(tenant))?;
        let counts = match tenants {
            Tenants::Common => true,
            Tenants::Organizations => tenant != PERSONAL_TENANT,
            Tenants::Consumers => tenant == PERSONAL_TENANT,
        };
        counts.then(|| self.in_tenant(segment, tenant).into())
    }

    /// May an authorization response name this issuer (RFC 9207 §2.4)?
    pub fn may_answer_as(&self, issuer: &str) -> bool {
        issuer == &*self.issuer || (self.tenants().is_some() && self.publishes(issuer))
    }

    /// Does the tenant that these claims are of vouch for no address?
    pub fn doubts_addresses(&self, claims: &Map<String, Value>) -> bool {
        // Whoever runs a tenant writes any address into it; `xms_edov` says that the domain is
        // theirs. Everybody's own accounts are Microsoft's, which asks.
        let proven = |value: &Value| match value {
            Value::Bool(says) => *says,
            Value::Number(number) => number.as_u64() == Some(1),
            Value::String(text) => text == "1" || text.eq_ignore_ascii_case("true"),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        let tenant = claims.get("tid").and_then(Value::as_str);
        self.is_of_many_tenants()
            && tenant != Some(PERSONAL_TENANT)
            && !claims.get("xms_edov").is_some_and(proven)
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(|part| part.bytes().all(|octet| octet.is_ascii_hexdigit()))
}
