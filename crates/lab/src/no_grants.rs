//! For rooms in which no app has a code.

use usher_rules::{
    openid::{Grant, GrantRefusal, GrantStep, Grants, LogoutStep, Logouts, LogoutsDue},
    people::{BoxFuture, PeopleError},
    time::UnixTime,
};

/// Nothing was ever granted.
#[derive(Debug, Default)]
pub struct NoGrants;

impl Grants for NoGrants {
    fn take(&self, _: GrantStep, _: UnixTime) -> BoxFuture<'_, Result<Grant, GrantRefusal>> {
        Box::pin(async { Err(GrantRefusal::Over) })
    }
}

impl Logouts for NoGrants {
    fn due(&self, _: UnixTime) -> BoxFuture<'_, Result<LogoutsDue, PeopleError>> {
        Box::pin(async { Ok(LogoutsDue::default()) })
    }

    fn settle(&self, _: LogoutStep, _: UnixTime) -> BoxFuture<'_, Result<usize, PeopleError>> {
        Box::pin(async { Ok(0) })
    }
}
