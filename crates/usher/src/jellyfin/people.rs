//! Which of a server's users somebody is: the one of their name, or one that is made for them.
//!
//! A name is no proof. An administrator's user is given to those alone whom the config names, and
//! one that somebody uses already to nobody else. What usher changes of a user is one that it made:
//! no password opens those, and by that they are known.

use serde_json::{Value, json};
use usher_rules::{
    people::Person,
    plan::{BUILTIN, Jellyfin, Plan},
    secret::Secret,
};

use super::{
    api::{Account, Api, NotDone, id_of, read},
    let_in::random,
    not_let_in::NotLetIn,
    pairing::Pairing,
    users::is_one,
};
use crate::request::{
    AppRequest,
    identify::{LiveSession, StoreError},
};

/// A name that no provider of passwords has: with it no password signs in.
const NO_PASSWORDS: &str = "Usher.SignInOnly";

/// What the config says of somebody.
struct Rights {
    /// May they have an administrator's user?
    administrator: bool,
    /// Does the config say so of anybody?
    tells_administrators: bool,
    /// The libraries that they see, by name; `None`: the server says.
    libraries: Option<Vec<Box<str>>>,
}

impl Pairing {
    /// Their user. Nothing of it is changed where it is not theirs.
    pub(super) async fn account(
        &self,
        asked: AppRequest<'_>,
        api: &Api<'_>,
        live: &LiveSession,
    ) -> Result<Account, NotLetIn> {
        let settings = asked.route.jellyfin.as_deref().ok_or(NotDone::NoKey)?;
        let name = name_of(live, settings).ok_or(NotLetIn::NoName)?;
        let rights = Rights::of(live, settings, asked.plan);
        let Some(mut user) = api.user_named(&name).await? else {
            if !settings.people.create {
                return Err(NotDone::NoAccount.into());
            }
            let account = api.make_user(&name, &rights).await?;
            self.users.take(settings, &account, live).await?;
            return Ok(account);
        };
        let account = Account { id: id_of(&user)? };
        if self.is_taken(settings, &account, live) {
            return Err(NotLetIn::Taken);
        }
        if user.pointer("/Policy/IsDisabled") != Some(&Value::Bool(false)) {
            return Err(NotDone::Disabled.into());
        }
        if !is_made_here(&user) && !rights.administrator && is_administrator(&user) {
            return Err(NotDone::Administrator.into());
        }
        self.users.take(settings, &account, live).await?;
        if is_made_here(&user) {
            api.give_rights(&mut user, &account, &rights).await?;
        }
        Ok(account)
    }

    /// Does somebody else use it now?
    fn is_taken(&self, settings: &Jellyfin, account: &Account, live: &LiveSession) -> bool {
        let is_theirs = |other: &LiveSession| {
            let person = other.person();
            is_one(settings, (&other.session().idp_id, &person.id, &person.email), live)
        };
        let is_meant = |app: &usher_rules::session::BoundApp| app.user == account.id;
        self.bound.is_of_another(is_meant, is_theirs)
    }
}

impl Rights {
    fn of(live: &LiveSession, settings: &Jellyfin, plan: &Plan) -> Self {
        let groups = groups(live, plan);
        let is_in = |group: &str| groups.iter().any(|own| own == group);
        let people = &settings.people;
        let seen = people.libraries.iter().filter(|one| is_in(&one.group));
        Self {
            administrator: people.admin_groups.iter().any(|group| is_in(group)),
            tells_administrators: !people.admin_groups.is_empty(),
            libraries: (!people.libraries.is_empty())
                .then(|| seen.flat_map(|one| one.names.iter().cloned()).collect()),
        }
    }
}

/// Those of our own store; where it has no people, what the first provider says. At others anybody
/// may be able to make a group and give it that name.
fn groups(live: &LiveSession, plan: &Plan) -> Vec<String> {
    let known = live.newest();
    let providers = &plan.sign_in.providers;
    let counts =
        providers.of(BUILTIN).is_none() && providers.first().id() == &*live.session().idp_id;
    let claimed = known.claim("groups").iter().filter(|_| counts);
    let claimed = claimed.filter_map(|group| group.as_str().map(str::to_owned));
    let kept = known.person.directory_groups.iter().flatten().map(|group| group.id.to_string());
    claimed.chain(kept).collect()
}

/// What their user at the server is called. Only what is proven counts: who may choose their
/// address would choose somebody's user.
pub(super) fn name_of(live: &LiveSession, settings: &Jellyfin) -> Option<String> {
    let known = live.newest();
    let Person { email, unproven, .. } = &*known.person;
    let claim = settings.user_claim.as_deref().unwrap_or("email");
    if unproven.iter().any(|doubted| *doubted.claim == *claim) {
        return None;
    }
    let name = match claim {
        "email" => &**email,
        claim => known.claim(claim).first()?.as_str()?,
    };
    let name = name.trim();
    (!name.is_empty() && name.len() <= 200).then(|| name.to_owned())
}

/// For a user that is made: nobody ever hears of it.
fn password() -> Result<Secret, StoreError> {
    let random: [u8; 32] = random()?;
    Ok(Secret::new(data_encoding::HEXLOWER.encode(&random).into_bytes()))
}

fn is_made_here(user: &Value) -> bool {
    user.pointer("/Policy/AuthenticationProviderId").is_some_and(|it| it == NO_PASSWORDS)
}

fn is_administrator(user: &Value) -> bool {
    user.pointer("/Policy/IsAdministrator") != Some(&Value::Bool(false))
}

/// Letters beyond ASCII that fold into others' would make two people one.
fn is_called(user: &Value, name: &str) -> bool {
    let other = user.get("Name").and_then(Value::as_str).unwrap_or_default();
    other.eq_ignore_ascii_case(name)
}

impl Api<'_> {
    /// The user of this name, which has no case there.
    async fn user_named(&self, name: &str) -> Result<Option<Value>, NotDone> {
        let (_, users) = self.administer(http::Method::GET, "/Users", None).await?;
        let Value::Array(users) = read(&users)? else {
            return Err(NotDone::Unreadable("its users"));
        };
        Ok(users.into_iter().find(|user| is_called(user, name)))
    }

    /// Nobody knows its password, and none would do.
    async fn make_user(&self, name: &str, rights: &Rights) -> Result<Account, NotLetIn> {
        let password = password()?;
        let body = json!({ "Name": name, "Password": password.expose_str() });
        let (status, user) = self.administer(http::Method::POST, "/Users/New", Some(body)).await?;
        if status != http::StatusCode::OK {
            return Err(NotDone::NoAccount.into());
        }
        let mut user = read(&user)?;
        let account = Account { id: id_of(&user)? };
        self.give_rights(&mut user, &account, rights).await?;
        Ok(account)
    }

    /// What the config says of them is so, and no password opens their user.
    async fn give_rights(
        &self,
        user: &mut Value,
        account: &Account,
        rights: &Rights,
    ) -> Result<(), NotDone> {
        let policy = user.get_mut("Policy").map(Value::take);
        let Some(Value::Object(mut policy)) = policy else {
            return Err(NotDone::Unreadable("a policy"));
        };
        let before = policy.clone();
        policy.insert("AuthenticationProviderId".into(), NO_PASSWORDS.into());
        if rights.tells_administrators {
            policy.insert("IsAdministrator".into(), rights.administrator.into());
        }
        if let Some(names) = &rights.libraries {
            let sees_all = rights.administrator;
            let ids = if sees_all { Vec::new() } else { self.libraries(names).await? };
            policy.insert("EnableAllFolders".into(), sees_all.into());
            policy.insert("EnabledFolders".into(), ids.into());
        }
        if policy == before {
            return Ok(());
        }
        let target = format!("/Users/{}/Policy", account.id);
        // All of it as it was: what is left out would take its default.
        let policy = Some(Value::Object(policy));
        let (status, _) = self.administer(http::Method::POST, &target, policy).await?;
        match status.is_success() {
            true => Ok(()),
            false => Err(NotDone::Unreadable("a policy that it does not take")),
        }
    }

    /// The ids of libraries, in the server's order. One that is not there is nobody's to see.
    async fn libraries(&self, names: &[Box<str>]) -> Result<Vec<Value>, NotDone> {
        let target = "/Library/VirtualFolders";
        let (_, all) = self.administer(http::Method::GET, target, None).await?;
        let Value::Array(all) = read(&all)? else {
            return Err(NotDone::Unreadable("its libraries"));
        };
        let is_named = |one: &&Value| {
            let name = one.get("Name").and_then(Value::as_str).unwrap_or_default();
            names.iter().any(|wanted| **wanted == *name)
        };
        Ok(all.iter().filter(is_named).filter_map(|one| one.get("ItemId").cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_called;

    /// The Kelvin sign and the long s are small letters of k and s; an account is not taken by them.
    #[test]
    fn only_letters_of_ascii_have_no_case_in_the_name_of_an_account() {
        for (there, name, expected) in [
            ("Kris@example.com", "kris@EXAMPLE.com", true),
            ("\u{212a}ris@example.com", "kris@example.com", false),
            ("kri\u{17f}@example.com", "kris@example.com", false),
            ("KRIS@example.com", "\u{212a}ris@example.com", false),
            ("\u{c9}va", "\u{e9}va", false),
            ("\u{e9}va", "\u{e9}va", true),
            ("", "kris", false),
        ] {
            assert_eq!(is_called(&json!({ "Name": there }), name), expected, "{there} {name}");
        }
    }
}
