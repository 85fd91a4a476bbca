//! Passkeys, and links by which people join or get in again.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use usher_rules::{
    accounts::{
        AccountLink, AccountRefusal, AccountStore, Accounts, Earlier, Invitation, Joining,
        KeptCredential, KeptPasskey, LinkPurpose, MOST_PASSKEYS, NewCredential, ShownPasskey,
        TypedWrong,
    },
    passkey::PasskeyFault,
    people::{BoxFuture, Member, PasswordRefusal, PeopleError},
    plan,
    secret::Secret,
    time::{Now, UnixTime},
    totp::CodeApp,
};

use super::{
    Directory, DirectoryError, NoRandomness,
    directory::{address, groups, name, still_let_in},
    generate::canonical,
    generated_password,
    throttle::By,
    ways::{digest_of, new_passkey, newcomer, no_randomness, typed_wrong},
};

/// Who tries passkeys and links is counted under these, which are nobody's address.
const PASSKEYS: &str = "passkey";
const LINKS: &str = "link";
const ASKED: &str = "asked for a link";
/// How many recovery codes somebody gets.
const RECOVERY_CODES: usize = 8;
/// Codes are short: whoever has somebody's password has so many tries, from wherever they are.
const ANYWHERE: By = By::Device([0; 16]);

/// Ways in beside passwords, of the same people.
pub struct WaysIn {
    pub(super) directory: Arc<Directory>,
    pub(super) kept: Arc<dyn AccountStore>,
    /// Held while an admin takes something away from somebody.
    pub(super) changing: tokio::sync::Mutex<()>,
}

impl WaysIn {
    /// Of the people of `directory`.
    pub fn new(directory: Arc<Directory>, kept: Arc<dyn AccountStore>) -> Self {
        Self { directory, kept, changing: tokio::sync::Mutex::default() }
    }

    /// The token of a link by which as many as `uses` people join.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; there is no link then.
    pub async fn invite(
        &self,
        mut invitation: Invitation,
        (life, uses): (Duration, u32),
        now: UnixTime,
    ) -> Result<Secret, DirectoryError> {
        if let Some(email) = &invitation.email {
            let email = address(email)?;
            if self.directory.find(&email).await?.is_some() {
                return Err(PeopleError::AlreadyHere(email).into());
            }
            invitation.email = Some(email);
        }
        invitation.name = name(&invitation.name)?;
        let given: Vec<String> = invitation.groups.iter().map(|group| (**group).into()).collect();
        invitation.groups = groups(&given)?;
        let terms = (life, uses, Earlier::End);
        self.link_for(LinkPurpose::Join(invitation), terms, now).await
    }

    /// The token of a link by which somebody gets in again who lost what signed them in.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; there is no link then.
    pub async fn recover(
        &self,
        email: &str,
        life: Duration,
        now: UnixTime,
    ) -> Result<(Member, Secret), DirectoryError> {
        self.recovery(email, (life, Earlier::End), now).await
    }

    async fn recovery(
        &self,
        email: &str,
        (life, earlier): (Duration, Earlier),
        now: UnixTime,
    ) -> Result<(Member, Secret), DirectoryError> {
        let email = address(email)?;
        let member = self.directory.find(&email).await?.ok_or(PeopleError::Unknown(email))?;
        let purpose = LinkPurpose::Recover { id: member.id.clone() };
        let token = self.link_for(purpose, (life, 1, earlier), now).await?;
        Ok((member, token))
    }

    /// Changes when somebody's access ends, and ends their sessions.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing was changed then.
    pub async fn set_until(
        &self,
        email: &str,
        until: Option<UnixTime>,
    ) -> Result<Member, DirectoryError> {
        let until = until.map(UnixTime::seconds);
        Ok(self.kept.set_until(&address(email)?, until).await?)
    }

    async fn link_for(
        &self,
        purpose: LinkPurpose,
        (life, uses_left, earlier): (Duration, u32, Earlier),
        now: UnixTime,
    ) -> Result<Secret, DirectoryError> {
        let mut random = [0; 24]; // 192 bits: nobody guesses one
        getrandom::fill(&mut random).map_err(|_none| NoRandomness)?;
        let token = BASE64_URL_SAFE_NO_PAD.encode(random);
        let link = AccountLink { purpose, over_at: now.plus(life).seconds(), uses_left };
        self.kept.add_link(digest_of(&token), link, earlier, now).await?;
        Ok(Secret::new(token.into_bytes()))
    }

    async fn passkey_shown(&self, shown: ShownPasskey<'_>) -> Result<Member, PasswordRefusal> {
        let ShownPasskey { assertion, expected, from, now } = shown;
        let unavailable = |_failed: PeopleError| PasswordRefusal::Unavailable;
        let counted = self
            .directory
            .throttle
            .take(PASSKEYS, By::Stranger(from), now.monotonic)
            .map_err(|retry_after| PasswordRefusal::TooManyTries { retry_after })?;
        let kept = self.kept.passkey(assertion.id()).await.map_err(unavailable)?;
        let kept = kept.ok_or(PasswordRefusal::UnknownPasskey)?;
        let counter = assertion.verify(expected, &kept.key, &kept.owner)?;
        let owner = self.kept.member(&kept.owner).await.map_err(unavailable)?;
        let (owner, _hash) = owner.ok_or(PasswordRefusal::UnknownPasskey)?;
        // Two answers with one counter at once are two authenticators.
        let moved_on = self.kept.count_passkey(&kept.key, counter, now.wall).await;
        if !moved_on.map_err(unavailable)? {
            return Err(PasskeyFault::Counter.into());
        }
        self.directory.throttle.give_back(counted);
        still_let_in(owner, now.wall)
    }

    async fn code_taken(
        &self,
        owner: &str,
        typed: &str,
        now: Now,
    ) -> Result<Member, PasswordRefusal> {
        let unavailable = |_failed: PeopleError| PasswordRefusal::Unavailable;
        let counted = self
            .directory
            .throttle
            .take(owner, ANYWHERE, now.monotonic)
            .map_err(|retry_after| PasswordRefusal::TooManyTries { retry_after })?;
        let was = self.kept.code_app(owner).await.map_err(unavailable)?;
        let was = was.ok_or(PasswordRefusal::WrongCode)?;
        let recovery = || canonical(typed).and_then(|made| was.recover(&made));
        let then = was.take(typed, now.wall).or_else(recovery);
        let Some(then) = then else {
            self.count_missed(owner, was).await.map_err(unavailable)?;
            return Err(PasswordRefusal::WrongCode);
        };
        let swapped = self.kept.swap_code_app(owner, Some(was), Some(then)).await;
        if !swapped.map_err(unavailable)? {
            return Err(PasswordRefusal::WrongCode); // the same one at once, elsewhere
        }
        self.directory.throttle.give_back(counted);
        let (owner, _hash) = self.owner(owner).await.map_err(unavailable)?;
        still_let_in(owner, now.wall)
    }

    /// Counts a code that was wrong, also where another one is counted at once: tries that come
    /// together are no cheaper.
    async fn count_missed(&self, owner: &str, mut was: CodeApp) -> Result<(), PeopleError> {
        loop {
            let missed = was.missed();
            if self.kept.swap_code_app(owner, Some(was), Some(missed)).await? {
                return Ok(());
            }
            let Some(now) = self.kept.code_app(owner).await? else { return Ok(()) };
            was = now;
        }
    }

    async fn code_app_added(
        &self,
        owner: &str,
        secret: &Secret,
        typed: &str,
        now: UnixTime,
    ) -> Result<Vec<Secret>, AccountRefusal> {
        // A page that is loaded again sends its form again: the codes that were written down stay.
        if self.kept.code_app(owner).await?.is_some() {
            return Err(TypedWrong::HasCodeApp.into());
        }
        let codes: Result<Vec<Secret>, _> =
            (0..RECOVERY_CODES).map(|_| generated_password()).collect();
        let codes = codes.map_err(no_randomness)?;
        let made = codes.iter().filter_map(Secret::expose_str);
        let wrong = || AccountRefusal::from(TypedWrong::Code);
        let app = CodeApp::new(secret.expose(), made, typed, now).ok_or_else(wrong)?;
        match self.kept.swap_code_app(owner, None, Some(app)).await? {
            true => Ok(codes),
            false => Err(wrong()),
        }
    }

    async fn code_app_removed(&self, owner: &str) -> Result<(), AccountRefusal> {
        let was = self.kept.code_app(owner).await?;
        let _changed_meanwhile = self.kept.swap_code_app(owner, was, None).await?;
        Ok(())
    }

    async fn good_link(
        &self,
        token: &str,
        from: IpAddr,
        now: Now,
    ) -> Result<AccountLink, AccountRefusal> {
        let counted = self
            .directory
            .throttle
            .take(LINKS, By::Stranger(from), now.monotonic)
            .map_err(|_retry_after| AccountRefusal::TooManyTries)?;
        let link = self.kept.link(digest_of(token)).await?.ok_or(AccountRefusal::Link)?;
        self.directory.throttle.give_back(counted);
        if link.is_good(now.wall) { Ok(link) } else { Err(AccountRefusal::Link) }
    }

    async fn link_used(
        &self,
        token: &str,
        joining: Joining<'_>,
        from: IpAddr,
        now: Now,
    ) -> Result<Member, AccountRefusal> {
        let link = self.good_link(token, from, now).await?;
        // A good link is no leave to try out addresses, or to have passwords hashed all day.
        let counted = self
            .directory
            .throttle
            .take(token, By::Stranger(from), now.monotonic)
            .map_err(|_retry_after| AccountRefusal::TooManyTries)?;
        let member = match &link.purpose {
            LinkPurpose::Join(invitation) => newcomer(invitation, &joining, now.wall)?,
            LinkPurpose::Recover { id } => {
                let found = self.kept.member(id).await?;
                found.ok_or(AccountRefusal::Link)?.0
            }
        };
        let credential = self.kept_credential(&member, joining.credential, now.wall).await?;
        let used = self.kept.use_link(digest_of(token), link, member, credential).await?;
        let member = used.ok_or(AccountRefusal::Link)?;
        self.directory.throttle.give_back(counted);
        Ok(member)
    }

    async fn kept_credential(
        &self,
        owner: &Member,
        new: NewCredential,
        now: UnixTime,
    ) -> Result<KeptCredential, AccountRefusal> {
        Ok(match new {
            NewCredential::Password(typed) => {
                let hash = self.directory.hash(typed, &owner.email).await.map_err(typed_wrong)?;
                KeptCredential::Password(hash)
            }
            NewCredential::Passkey(key, label) => {
                KeptCredential::Passkey(new_passkey(owner, key, &label, now))
            }
        })
    }

    async fn added(
        &self,
        owner: &str,
        new: NewCredential,
        now: UnixTime,
    ) -> Result<(), AccountRefusal> {
        let (owner, _hash) = self.owner(owner).await?;
        match self.kept_credential(&owner, new, now).await? {
            KeptCredential::Passkey(new) => {
                if self.kept.passkeys(&owner.id).await?.len() >= MOST_PASSKEYS {
                    return Err(AccountRefusal::TooMany);
                }
                Ok(self.kept.add_passkey(new).await?)
            }
            KeptCredential::Password(hash) => {
                self.directory.people.set_password(&owner.email, hash).await?;
                Ok(())
            }
        }
    }

    async fn removed(
        &self,
        owner: &str,
        id: &str,
        passwords: plan::Passwords,
    ) -> Result<(), AccountRefusal> {
        let (owner, hash) = self.owner(owner).await?;
        let passkeys = self.kept.passkeys(&owner.id).await?;
        let has_password = passwords == plan::Passwords::Taken && !hash.expose().is_empty();
        if !has_password && passkeys.iter().all(|kept| *kept.key.id == *id) {
            return Err(AccountRefusal::Last);
        }
        Ok(self.kept.remove_passkey(&owner, id).await?)
    }

    async fn owner(&self, id: &str) -> Result<(Member, Secret), PeopleError> {
        self.kept.member(id).await?.ok_or_else(|| PeopleError::Unknown(id.into()))
    }
}

impl Accounts for WaysIn {
    fn by_passkey<'a>(
        &'a self,
        shown: ShownPasskey<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(self.passkey_shown(shown))
    }

    fn member<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Member>, PeopleError>> {
        Box::pin(async move { Ok(self.kept.member(id).await?.map(|(member, _hash)| member)) })
    }

    fn is_still<'a>(&'a self, member: &'a Member) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async move {
            let now = self.kept.member(&member.id).await?;
            Ok(now.is_some_and(|(now, _hash)| now == *member))
        })
    }

    fn passkeys<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeptPasskey>, PeopleError>> {
        self.kept.passkeys(owner)
    }

    fn add<'a>(
        &'a self,
        owner: &'a str,
        new: NewCredential,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(self.added(owner, new, now))
    }

    fn remove_passkey<'a>(
        &'a self,
        owner: &'a str,
        id: &'a str,
        passwords: plan::Passwords,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(self.removed(owner, id, passwords))
    }

    fn code_app<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Option<CodeApp>, PeopleError>> {
        self.kept.code_app(owner)
    }

    fn take_code<'a>(
        &'a self,
        owner: &'a str,
        typed: &'a str,
        now: Now,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(self.code_taken(owner, typed, now))
    }

    fn add_code_app<'a>(
        &'a self,
        owner: &'a str,
        secret: Secret,
        typed: &'a str,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Vec<Secret>, AccountRefusal>> {
        Box::pin(async move { self.code_app_added(owner, &secret, typed, now).await })
    }

    fn remove_code_app<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), AccountRefusal>> {
        Box::pin(self.code_app_removed(owner))
    }

    fn may_ask_for_link(&self, from: IpAddr, now: Now) -> Result<(), Duration> {
        let counted = self.directory.throttle.take(ASKED, By::Stranger(from), now.monotonic);
        counted.map(|_not_given_back| ())
    }

    fn mailed_link<'a>(
        &'a self,
        email: &'a str,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Secret, AccountRefusal>> {
        Box::pin(async move {
            let made = self.recovery(email, (life, Earlier::Stay), now).await;
            made.map(|(_owner, token)| token).map_err(typed_wrong)
        })
    }

    fn link<'a>(
        &'a self,
        token: &'a str,
        from: IpAddr,
        now: Now,
    ) -> BoxFuture<'a, Result<AccountLink, AccountRefusal>> {
        Box::pin(self.good_link(token, from, now))
    }

    fn use_link<'a>(
        &'a self,
        token: &'a str,
        joining: Joining<'a>,
        from: IpAddr,
        now: Now,
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>> {
        Box::pin(self.link_used(token, joining, from, now))
    }
}
