//! A built-in provider's accounts, of which there are none.

use std::{net::IpAddr, time::Duration};

use usher_rules::{
    accounts::{
        AccountLink, AccountRefusal, Accounts, Invitation, Joining, KeptPasskey, NewCredential,
        ShownPasskey,
    },
    app_passwords::{AppOnDevice, AppPassword, AppPasswords},
    enrolment::{EnrolledDevice, EnrolledDevices, Ids},
    people::{BoxFuture, Member, PasswordRefusal, PeopleError},
    people_admin::{ListedMember, PeopleAdmin},
    plan::Passwords,
    secret::Secret,
    time::{Now, UnixTime},
    totp::CodeApp,
};

/// Knows no passkey and no link.
#[derive(Default)]
pub struct NoAccounts {
    /// Everybody is changed between being read and being signed in.
    pub always_changed: bool,
}

impl Accounts for NoAccounts {
    fn by_passkey<'a>(
        &'a self,
        _shown: ShownPasskey<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(async { Err(PasswordRefusal::UnknownPasskey) })
    }

    fn member<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Option<Member>, PeopleError>> {
        Box::pin(async { Ok(None) })
    }

    fn is_still<'a>(&'a self, _member: &'a Member) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async { Ok(!self.always_changed) })
    }

    fn passkeys<'a>(
        &'a self,
        _owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeptPasskey>, PeopleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add<'a>(
        &'a self,
        _owner: &'a str,
        _new: NewCredential,
        _now: UnixTime,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn remove_passkey<'a>(
        &'a self,
        _owner: &'a str,
        _id: &'a str,
        _passwords: Passwords,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn code_app<'a>(
        &'a self,
        _owner: &'a str,
    ) -> BoxFuture<'a, Result<Option<CodeApp>, PeopleError>> {
        Box::pin(async { Ok(None) })
    }

    fn take_code<'a>(
        &'a self,
        _owner: &'a str,
        _typed: &'a str,
        _now: Now,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(async { Err(PasswordRefusal::WrongCode) })
    }

    fn add_code_app<'a>(
        &'a self,
        _owner: &'a str,
        _secret: Secret,
        _typed: &'a str,
        _now: UnixTime,
    ) -> BoxFuture<'a, Result<Vec<Secret>, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn remove_code_app<'a>(&'a self, _owner: &'a str) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn may_ask_for_link(&self, _from: IpAddr, _now: Now) -> Result<(), Duration> {
        Ok(())
    }

    fn mailed_link<'a>(
        &'a self,
        _email: &'a str,
        _life: Duration,
        _now: UnixTime,
    ) -> BoxFuture<'a, Result<Secret, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn link<'a>(
        &'a self,
        _token: &'a str,
        _from: IpAddr,
        _now: Now,
    ) -> BoxFuture<'a, Result<AccountLink, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn use_link<'a>(
        &'a self,
        _token: &'a str,
        _joining: Joining<'a>,
        _from: IpAddr,
        _now: Now,
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }
}

impl PeopleAdmin for NoAccounts {
    fn everybody(&self) -> BoxFuture<'_, Result<Vec<ListedMember>, PeopleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn invitation_link(
        &self,
        _invitation: Invitation,
        _life: Duration,
        _now: UnixTime,
    ) -> BoxFuture<'_, Result<Secret, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn recovery_link<'a>(
        &'a self,
        _email: &'a str,
        _life: Duration,
        _now: UnixTime,
    ) -> BoxFuture<'a, Result<(Member, Secret), AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn end_at<'a>(
        &'a self,
        _email: &'a str,
        _until: Option<UnixTime>,
        _admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }

    fn remove<'a>(
        &'a self,
        _email: &'a str,
        _admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(async { Err(AccountRefusal::Link) })
    }
}

impl EnrolledDevices for NoAccounts {
    fn enrol(&self, _new: EnrolledDevice, _ids: Ids) -> BoxFuture<'_, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }

    fn enrolled_by<'a>(
        &'a self,
        _owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<EnrolledDevice>, PeopleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn all_enrolled(&self) -> BoxFuture<'_, Result<Vec<EnrolledDevice>, PeopleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn proven<'a>(
        &'a self,
        _before: &'a EnrolledDevice,
        _counter: u32,
        _at: u64,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }

    fn approve<'a>(&'a self, _id: &'a str, _at: u64) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }

    fn remove_enrolled<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }
}

impl AppPasswords for NoAccounts {
    fn add_app_password(
        &self,
        _digest: [u8; 32],
        _new: AppPassword,
    ) -> BoxFuture<'_, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }

    fn app_passwords<'a>(
        &'a self,
        _owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<AppPassword>, PeopleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn app_password(
        &self,
        _digest: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(AppPassword, Member)>, PeopleError>> {
        Box::pin(async { Ok(None) })
    }

    fn take_for_app(
        &self,
        _digest: [u8; 32],
        _app: AppOnDevice,
    ) -> BoxFuture<'_, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }

    fn end_app_password<'a>(
        &'a self,
        _owner: &'a str,
        _id: &'a str,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async { Ok(false) })
    }
}
