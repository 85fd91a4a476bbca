//! What an admin's page does to people: the same as `usher people`, and never the last admin away.

use std::time::Duration;

use usher_rules::{
    accounts::{AccountRefusal, Invitation},
    people::{BoxFuture, Member, PeopleError},
    people_admin::{ListedMember, PeopleAdmin},
    secret::Secret,
    time::UnixTime,
};

use super::{WaysIn, directory::address, ways::typed_wrong};

impl WaysIn {
    async fn listed(&self) -> Result<Vec<ListedMember>, PeopleError> {
        let mut listed = Vec::new();
        for member in self.directory.people.list().await? {
            let Some((member, hash)) = self.kept.member(&member.id).await? else { continue };
            listed.push(ListedMember {
                has_password: !hash.expose().is_empty(),
                passkeys: self.kept.passkeys(&member.id).await?.len(),
                has_codes: self.kept.code_app(&member.id).await?.is_some(),
                member,
            });
        }
        Ok(listed)
    }

    /// Is somebody left who looks after people, for as long as now, when this one's access ends
    /// then? An admin until tomorrow is none that is left for good.
    async fn one_is_left(
        &self,
        email: &str,
        end: Option<UnixTime>,
        admin_groups: &[Box<str>],
    ) -> Result<(), AccountRefusal> {
        let email = address(email).map_err(typed_wrong)?; // `ANN@` is no other person than `ann@`
        let people = self.directory.people.list().await?;
        let looked_after = people.iter().filter(|one| one.is_in_any(admin_groups));
        let ends = |one: &Member| if one.email == email { end } else { Some(one.ends()) };
        let after = looked_after.clone().filter_map(ends).max();
        match after < looked_after.map(Member::ends).max() {
            false => Ok(()),
            true => Err(AccountRefusal::LastAdmin),
        }
    }
}

impl PeopleAdmin for WaysIn {
    fn everybody(&self) -> BoxFuture<'_, Result<Vec<ListedMember>, PeopleError>> {
        Box::pin(self.listed())
    }

    fn invitation_link(
        &self,
        invitation: Invitation,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<Secret, AccountRefusal>> {
        Box::pin(async move { self.invite(invitation, (life, 1), now).await.map_err(typed_wrong) })
    }

    fn recovery_link<'a>(
        &'a self,
        email: &'a str,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<(Member, Secret), AccountRefusal>> {
        Box::pin(async move { self.recover(email, life, now).await.map_err(typed_wrong) })
    }

    fn end_at<'a>(
        &'a self,
        email: &'a str,
        until: Option<UnixTime>,
        admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(async move {
            let _alone = self.changing.lock().await; // two admins may end each other at once
            self.one_is_left(email, Some(until.unwrap_or(UnixTime::MAX)), admin_groups).await?;
            self.set_until(email, until).await.map_err(typed_wrong)
        })
    }

    fn remove<'a>(
        &'a self,
        email: &'a str,
        admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(async move {
            let _alone = self.changing.lock().await;
            self.one_is_left(email, None, admin_groups).await?;
            self.directory.remove(email).await.map_err(typed_wrong)
        })
    }
}
