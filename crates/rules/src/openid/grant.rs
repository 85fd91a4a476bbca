use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    people::{BoxFuture, UnixTimeSeconds},
    plan::Scopes,
    session::SessionId,
    time::UnixTime,
};

/// How many grants one session has at most: a new one takes the place of the oldest that is
/// [spent](SPENT_AFTER), of one without refresh tokens first, and is refused where there is none.
pub const MOST_GRANTS: usize = 32;

/// After so long neither its code nor its first access token is worth anything, so that nothing is
/// lost by forgetting that they were given; a refresh token of it counts no more then.
pub const SPENT_AFTER: Duration =
    Duration::from_secs(CODE_LIFETIME.as_secs() + ACCESS_TOKEN_LIFETIME.as_secs());

pub(super) const CODE_LIFETIME: Duration = Duration::from_secs(60);
pub(super) const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Names a grant, and says nothing about it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(Box<str>);

impl GrantId {
    /// From fresh random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantId(..)")
    }
}

/// What became of one code: all tokens that came of it stand and fall together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The code's.
    pub id: GrantId,
    /// With which it ends.
    pub session: SessionId,
    /// To whom.
    pub client: Box<str>,
    /// For what.
    pub scopes: Scopes,
    /// From where the person asked.
    pub source: Box<str>,
    /// Which refresh token counts: older ones were used.
    pub generation: u32,
    /// Was it taken back? It is kept all the same, so that its code does not count again.
    pub is_revoked: bool,
    /// When the code was redeemed.
    pub begun_at: UnixTimeSeconds,
    /// With its session, at the latest.
    pub over_at: UnixTimeSeconds,
}

/// What is done with a grant.
#[derive(Clone, Debug)]
pub enum GrantStep {
    /// Its code is redeemed.
    Redeem(Box<Grant>),
    /// A refresh token of it is used.
    Refresh {
        /// Which grant.
        id: GrantId,
        /// The token's.
        generation: u32,
    },
    /// It is asked whether it stands.
    Look(GrantId),
    /// It is taken back.
    Revoke(GrantId),
}

/// Why a grant gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// RFC 6749 §4.1.2: somebody stole it, so what came of it is taken back.
    #[error("the code was redeemed before; what came of it is taken back")]
    Replayed,
    /// RFC 9700 §4.14.2: of two who have it one stole it.
    #[error("the refresh token was used before; all of its family are taken back")]
    Reused,
    /// Taken back, at an end, or never given.
    #[error("it was taken back, or is over")]
    Over,
    /// See [`MOST_GRANTS`].
    #[error("this session has given too many apps tokens within minutes")]
    TooMany,
    /// Nothing can be said now.
    #[error("the store failed: {0}")]
    Store(Box<str>),
}

impl GrantStep {
    /// Which one it is about.
    pub fn id(&self) -> &GrantId {
        match self {
            Self::Redeem(grant) => &grant.id,
            Self::Refresh { id, .. } | Self::Look(id) | Self::Revoke(id) => id,
        }
    }
}

/// One step. `known` is replaced by what is in its place afterwards, whatever the answer is.
///
/// # Errors
///
/// [`GrantRefusal`]; nothing is given then.
pub fn step(
    known: &mut Option<Grant>,
    step: &GrantStep,
    now: UnixTime,
) -> Result<Grant, GrantRefusal> {
    let over = |grant: &Grant| grant.is_revoked || now.seconds() >= grant.over_at;
    match (step, known) {
        (GrantStep::Redeem(new), known @ None) => Ok(known.insert(Grant::clone(new)).clone()),
        (GrantStep::Redeem(_), Some(grant)) => {
            grant.is_revoked = true;
            Err(GrantRefusal::Replayed)
        }
        (_, None) => Err(GrantRefusal::Over),
        (GrantStep::Revoke(_), Some(grant)) => {
            grant.is_revoked = true;
            Ok(grant.clone())
        }
        (_, Some(grant)) if over(grant) => Err(GrantRefusal::Over),
        (GrantStep::Look(_), Some(grant)) => Ok(grant.clone()),
        (GrantStep::Refresh { generation, .. }, Some(grant)) => {
            let next = grant.generation.checked_add(1).filter(|_| *generation == grant.generation);
            let Some(next) = next else {
                grant.is_revoked = true;
                return Err(GrantRefusal::Reused);
            };
            grant.generation = next;
            Ok(grant.clone())
        }
    }
}

/// Where grants are kept. Implemented in `store/`.
pub trait Grants: Send + Sync {
    /// Takes one [`step`], alone: nobody else's comes between. What it changed is durable when it
    /// resolves, a refusal that takes something back too.
    fn take(&self, step: GrantStep, now: UnixTime) -> BoxFuture<'_, Result<Grant, GrantRefusal>>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Grant, GrantId, GrantRefusal, GrantStep, step};
    use crate::{plan::Scopes, session::SessionId, time::UnixTime};

    const OVER_AT: u64 = 1000;

    fn grant() -> Grant {
        Grant {
            id: GrantId::from_random([1; 16]),
            session: SessionId::from_random([2; 16]),
            client: "app".into(),
            scopes: Scopes::parse("openid offline_access"),
            source: "127.0.0.1".into(),
            generation: 0,
            is_revoked: false,
            begun_at: 0,
            over_at: OVER_AT,
        }
    }

    fn id() -> GrantId {
        grant().id
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    #[test]
    fn a_replayed_code_takes_back_what_it_gave() {
        let mut known = None;
        let redeem = GrantStep::Redeem(Box::new(grant()));
        step(&mut known, &redeem, at(1)).unwrap();
        assert_eq!(step(&mut known, &redeem, at(2)), Err(GrantRefusal::Replayed));
        for next in [GrantStep::Refresh { id: id(), generation: 0 }, GrantStep::Look(id())] {
            assert_eq!(step(&mut known, &next, at(3)), Err(GrantRefusal::Over));
        }
        assert_eq!(step(&mut known, &redeem, at(4)), Err(GrantRefusal::Replayed), "for good");
    }

    #[test]
    fn a_refresh_token_counts_once_and_a_second_use_ends_all() {
        let mut known = Some(grant());
        let refresh = |generation| GrantStep::Refresh { id: id(), generation };
        assert_eq!(step(&mut known, &refresh(0), at(1)).unwrap().generation, 1);
        assert_eq!(step(&mut known, &refresh(1), at(2)).unwrap().generation, 2);
        assert_eq!(step(&mut known, &refresh(0), at(3)), Err(GrantRefusal::Reused));
        assert_eq!(step(&mut known, &refresh(2), at(4)), Err(GrantRefusal::Over), "the newest too");
        let mut fresh = Some(grant());
        assert_eq!(step(&mut fresh, &refresh(0), at(OVER_AT)), Err(GrantRefusal::Over));
        assert_eq!(step(&mut None, &refresh(0), at(1)), Err(GrantRefusal::Over));
    }

    proptest! {
        /// Whatever is done with it in whatever order: nothing comes of a grant after it was taken
        /// back or is over, and no generation is given twice.
        #[test]
        fn what_was_taken_back_gives_nothing(steps in prop::collection::vec((0_u8..4, 0_u32..6, 0_u64..3), 0..60)) {
            let (mut known, mut now, mut given, mut dead) = (None, 0, Vec::new(), false);
            for (kind, generation, later) in steps {
                now += later * 20;
                let next = match kind {
                    0 => GrantStep::Redeem(Box::new(grant())),
                    1 => GrantStep::Look(id()),
                    2 => GrantStep::Refresh { id: id(), generation },
                    _ if generation == 0 => GrantStep::Revoke(id()),
                    _ => continue,
                };
                let answer = step(&mut known, &next, at(now));
                match (&next, &answer) {
                    (GrantStep::Revoke(_), Ok(_))
                    | (_, Err(GrantRefusal::Replayed | GrantRefusal::Reused)) => dead = true,
                    (_, Ok(grant)) => {
                        prop_assert!(!dead && !grant.is_revoked);
                        if !matches!(next, GrantStep::Look(_)) {
                            prop_assert!(!given.contains(&grant.generation));
                            given.push(grant.generation);
                        }
                    }
                    (_, Err(_)) => {}
                }
                if now >= OVER_AT && !matches!(next, GrantStep::Redeem(_) | GrantStep::Revoke(_)) {
                    prop_assert!(answer.is_err());
                }
            }
        }
    }
}
