//! Apps that wait without a code.

use std::{net::IpAddr, time::Instant};

use super::{AppNames, Code, PairingId, Pairings, TooMany};
use crate::secret::Secret;

impl<A> Pairings<A> {
    /// An app that knows no codes asks to be let in, under a name that somebody typed there: no code
    /// leads to it, it is seen in its own network alone.
    ///
    /// # Errors
    ///
    /// As [`Pairings::begin`].
    pub fn hold(
        &mut self,
        (name, app): (Box<str>, AppNames),
        from: IpAddr,
        (drawn, secret): (&[Code], Secret),
        now: Instant,
    ) -> Result<(), TooMany> {
        self.begin(app, from, (drawn, secret), now)?;
        if let Some(mut newest) = self.known.last_entry() {
            newest.get_mut().held = Some(name);
        }
        Ok(())
    }

    /// Does it wait without a code?
    pub fn is_held(&self, id: PairingId) -> bool {
        self.known.get(&id).is_some_and(|one| one.held.is_some())
    }

    /// Is an app of this secret under way?
    pub fn knows(&mut self, secret: &[u8], now: Instant) -> bool {
        self.of_secret(secret, now).is_some()
    }
}
