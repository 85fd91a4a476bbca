//! For rooms in which no app has a code.

use usher_rules::{
    openid::{Grant, GrantRefusal, GrantStep, Grants},
    people::BoxFuture,
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
