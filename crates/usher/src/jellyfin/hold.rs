//! Apps that know no Quick Connect: their sign-in is held while somebody says yes to it.
//!
//! What was typed there proves nothing and is asked of nobody. It is what the app is known by when it
//! comes back, since most give up before somebody has looked: the next try with the same name,
//! password, device and network gets what was made for it, once.

use std::time::Duration;

use http::{Response, StatusCode};
use tokio::time::{Instant, sleep};
use usher_rules::{
    jellyfin::{
        NameAndPassword,
        pairing::{AppNames, Network, TooMany},
    },
    secret::Secret,
};

use super::{
    pairing::{Pairing, failed, of_type, too_many},
    quick_connect::drawn,
};
use crate::request::{AppRequest, Body};

/// How long a request is held. Apps give up after twenty or thirty seconds.
const HELD_FOR: Duration = Duration::from_secs(45);
/// How often it is looked whether somebody has said yes.
const LOOK: Duration = Duration::from_secs(1);
/// Characters of the longest name that is shown.
const LONGEST_NAME: usize = 64;

impl Pairing {
    /// Answers once somebody has said yes, or that nobody has.
    pub(super) async fn hold(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (app, given): (AppNames, NameAndPassword),
    ) -> Response<Body> {
        let name = &*given.name;
        let password = given.password.expose_str().unwrap_or_default();
        let network = Network::of(asked.visitor);
        let from = format!("{network:?}");
        let AppNames { client, device_id, .. } = &app;
        let parts = [name, password, &**client, &**device_id, &*from];
        let Some(secret) = self.held.secret(&parts) else {
            return failed(StatusCode::INTERNAL_SERVER_ERROR);
        };
        if let Some(made) = self.with(server, |all| all.exchange(&secret, asked.now.monotonic)) {
            // Somebody said yes while it was away.
            return of_type(StatusCode::OK, self.handed_out(made).await);
        }
        let Some(_until_it_is_answered) = self.held.take(network) else {
            return too_many(HELD_FOR);
        };
        let shown: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        if let Err(TooMany { retry_after }) = self.comes(asked, server, (shown, app), &secret) {
            return too_many(retry_after);
        }
        let began = Instant::now();
        while began.elapsed() < HELD_FOR {
            let now = asked.now.monotonic + began.elapsed();
            if let Some(made) = self.with(server, |all| all.exchange(&secret, now)) {
                return of_type(StatusCode::OK, self.handed_out(made).await);
            }
            sleep(LOOK).await;
        }
        failed(StatusCode::UNAUTHORIZED)
    }

    /// It waits already, or does from now on.
    fn comes(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (name, app): (String, AppNames),
        secret: &[u8],
    ) -> Result<(), TooMany> {
        let (from, now) = (asked.visitor, asked.now.monotonic);
        let (codes, _) = drawn().ok_or(TooMany { retry_after: LOOK })?;
        self.with(server, |all| match all.knows(secret, now) {
            true => Ok(()),
            false => all.hold((name.into(), app), from, (&codes, Secret::new(secret)), now),
        })
    }
}
