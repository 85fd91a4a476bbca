//! GitHub speaks OAuth 2.0 and signs nothing: who somebody is stands in the answers of its API. Here
//! they become the claims that another provider would have sent.

use serde_json::{Map, Value, json};

/// What the API answered.
#[derive(Clone, Copy, Debug)]
pub struct GitHubAnswers<'a> {
    /// `/user`.
    pub user: &'a Map<String, Value>,
    /// `/user/emails`; empty where it was not to be had.
    pub emails: &'a [Value],
    /// `/user/orgs`; `None` where not all of them are known.
    pub organizations: Option<&'a [Value]>,
    /// `/user/teams`; the same.
    pub teams: Option<&'a [Value]>,
}

/// Claims as Pomerium has them: `sub` is the node id, which stays when a name is given to somebody
/// else, and `user` the name. Groups are organisations, and teams as `ORGANISATION:TEAM`.
pub fn claims_of_github(issuer: &str, answers: GitHubAnswers<'_>) -> Map<String, Value> {
    let GitHubAnswers { user, emails, organizations, teams } = answers;
    let text = |members: &Map<String, Value>, name: &str| {
        members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut claims = Map::new();
    claims.insert("iss".into(), issuer.into());
    for (claim, member) in [
        ("sub", "node_id"),
        ("user", "login"),
        ("preferred_username", "login"),
        ("name", "name"),
        ("picture", "avatar_url"),
    ] {
        claims.extend(text(user, member).map(|text| (claim.to_owned(), text.into())));
    }
    let says = |members: &Map<String, Value>, name: &str| {
        members.get(name).and_then(Value::as_bool) == Some(true)
    };
    // The public address of `/user` is not looked at: it may be one that nobody has proven.
    let primary = emails.iter().filter_map(Value::as_object).find(|one| says(one, "primary"));
    if let Some((primary, email)) = primary.and_then(|one| Some((one, text(one, "email")?))) {
        claims.insert("email".into(), email.into());
        claims.insert("email_verified".into(), says(primary, "verified").into());
    }
    let login = |one: &Value| text(one.as_object()?, "login");
    let team = |one: &Value| {
        let one = one.as_object()?;
        Some(format!("{}:{}", login(one.get("organization")?)?, text(one, "slug")?))
    };
    let of = |listed: Option<&[Value]>, name: &dyn Fn(&Value) -> Option<String>| {
        listed?.iter().map(name).collect::<Option<Vec<String>>>()
    };
    let groups = of(organizations, &login).zip(of(teams, &team));
    let (name, value) = match groups {
        Some((organizations, teams)) => ("groups", json!([organizations, teams].concat())),
        // Some may be missing: who is kept out by one of them stays out (OIDC Core §5.6.2).
        None => ("_claim_names", json!({"groups": "github"})),
    };
    claims.insert(name.into(), value);
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{GitHubAnswers, claims_of_github};

    #[test]
    fn what_github_says_becomes_claims() {
        let user =
            json!({"node_id": "U_1", "login": "ann", "id": 7, "email": "public@example.com"});
        let list = |value: Value| value.as_array().unwrap().clone();
        let emails = |verified: bool| {
            list(json!([
                {"email": "old@example.com", "primary": false, "verified": true},
                {"email": "ann@example.com", "primary": true, "verified": verified},
            ]))
        };
        let organizations = list(json!([{"login": "acme"}]));
        let teams = list(json!([{"slug": "tv", "organization": {"login": "acme"}}]));
        let said = |emails: &[Value], organizations, teams| {
            let user = user.as_object().unwrap();
            let answers = GitHubAnswers { user, emails, organizations, teams };
            Value::from(claims_of_github("https://github.com", answers))
        };
        let base = json!({
            "iss": "https://github.com", "sub": "U_1", "user": "ann", "preferred_username": "ann",
        });
        let with = |more: Value| {
            let mut all = base.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let (orgs, all) = (Some(&*organizations), Some(&*teams));
        assert_eq!(
            said(&emails(true), orgs, all),
            with(json!({
                "email": "ann@example.com", "email_verified": true, "groups": ["acme", "acme:tv"],
            }))
        );
        let unproven = said(&emails(false), orgs, all);
        assert_eq!(unproven["email_verified"], false, "the primary one is not proven");
        let none = said(&[], orgs, all);
        assert!(none.get("email").is_none(), "the public one proves nothing: {none}");
        let odd = list(json!([{"slug": "tv"}]));
        for (orgs, teams, why) in [
            (None, all, "organisations were not to be had"),
            (orgs, None, "nor teams"),
            (orgs, Some(&*odd), "a team of nobody"),
        ] {
            let said = said(&emails(true), orgs, teams);
            assert_eq!(said["_claim_names"]["groups"], "github", "{why}: {said}");
            assert!(said.get("groups").is_none(), "{why}");
        }
    }
}
