//! Groups of somebody who is in more than a token of Entra holds (200): it says that there are some,
//! and Microsoft Graph says which.

use serde_json::{Map, Value};
use url::Url;

use super::{ProviderError, documents, known::ProviderState};

/// How often Graph is asked for the next of them, at most: 999 each.
const MOST_PAGES: usize = 20;

/// Adds them where they were left out. Where Graph does not give them (`User.Read` is not among the
/// scopes) they stay in doubt: an allow by a group does not hold, and a deny does.
pub(super) async fn add_groups(
    known: &ProviderState,
    token: &str,
    claims: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    let left_out = claims.get("_claim_names").is_some_and(|names| names.get("groups").is_some())
        || claims.contains_key("hasgroups");
    let host = known.metadata.additional_metadata().msgraph_host.as_deref();
    let Some(host) = host.filter(|_| left_out && !claims.contains_key("groups")) else {
        return Ok(());
    };
    let scheme = known.metadata.issuer().url().scheme();
    let first = format!(
        "{scheme}://{host}/v1.0/me/transitiveMemberOf/microsoft.graph.group?$select=id&$top=999"
    );
    let Ok(mut url) = Url::parse(&first) else { return Ok(()) };
    let graph = url.origin();
    let mut groups = Vec::new();
    for _ in 0..MOST_PAGES {
        let answer = match known.http.get("Microsoft Graph", url.as_str(), Some(token)).await {
            Ok(answer) => documents::userinfo(&answer)?,
            Err(error) if error.is_down() => return Err(error),
            Err(_) => return Ok(()),
        };
        let some = answer.get("value").and_then(Value::as_array);
        let Some(some) = some else { return Ok(()) };
        let ids = some.iter().map(|one| one.get("id").filter(|id| id.is_string()).cloned());
        let Some(ids) = ids.collect::<Option<Vec<Value>>>() else { return Ok(()) };
        groups.extend(ids);
        let Some(next) = answer.get("@odata.nextLink").and_then(Value::as_str) else {
            claims.insert("groups".into(), groups.into());
            return Ok(());
        };
        // The token goes to Graph alone.
        match Url::parse(next) {
            Ok(next) if next.origin() == graph => url = next,
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    Ok(())
}
