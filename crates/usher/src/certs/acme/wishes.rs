//! When authorities want certificates to be renewed (RFC 9773).

use std::{collections::HashSet, sync::Arc, time::Duration};

use instant_acme::{Account, CertificateIdentifier};
use usher_rules::{
    plan::Autocert,
    renewal::{Keeper, Window},
};

use super::{Leaf, Office, account};

/// How often an authority is asked for its wishes where it does not say.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// How often at most.
const ASK_SOONEST: Duration = Duration::from_secs(60);

impl Office {
    /// Asks authorities when they want certificates to be renewed (RFC 9773), each when it wants to
    /// be asked again. One that does not answer is left alone until it is its turn again.
    pub(super) async fn ask_wishes(&self, keeper: &mut Keeper, autocert: &Autocert) {
        let now = self.now();
        let names: Vec<Box<str>> = keeper.names(now).map(|(name, ..)| name.into()).collect();
        let mut silent = HashSet::new();
        for name in names {
            let again_at = self.common().wishes.get(&name).copied();
            let Some(leaf) = self.supply.issued.get(&name) else { continue };
            // One that is further away was noted by a clock that has been set back since.
            if again_at.is_some_and(|at| now < at && at.since(now) <= ASK_AGAIN) {
                continue;
            }
            let directory = self.state(&name).issued_by;
            let wished = match silent.contains(&directory) {
                true => None,
                false => self.wish(autocert, &directory, &leaf).await,
            };
            let again = match &wished {
                Some((_, again)) => *again,
                None => {
                    silent.insert(directory);
                    ASK_AGAIN
                }
            };
            let again_at = now.plus(again.clamp(ASK_SOONEST, ASK_AGAIN));
            self.common().wishes.insert(name.clone(), again_at);
            if let Some((window, _)) = wished {
                self.note_wish(keeper, &name, window);
            }
        }
    }

    fn note_wish(&self, keeper: &mut Keeper, name: &str, window: Window) {
        let mut state = self.state(name);
        if state.window == Some(window) {
            return;
        }
        state.window = Some(window);
        keeper.wish(name, state.window);
        let due = keeper.names(self.now()).find(|(known, ..)| *known == name);
        state.next_at = due.map_or(0, |(.., due)| due.seconds());
        if let Err(error) = self.shelf.put_state(name, &state) {
            self.orders.damaged(&error);
        }
    }

    /// The window, and when to ask again; `None` where nobody can be asked.
    async fn wish(
        &self,
        autocert: &Autocert,
        directory: &str,
        leaf: &Leaf,
    ) -> Option<(Window, Duration)> {
        let plan = self.work.borrow().as_ref().map(|work| Arc::clone(&work.plan))?;
        let id = CertificateIdentifier::try_from(leaf.der()?).ok()?;
        let client = self.client(autocert, &plan, directory).ok()?;
        let account: Account =
            account::open(&client, &self.shelf, autocert, directory).await.ok()?;
        let (info, again) = account.renewal_info(&id).await.ok()?;
        let second = |at: i64| u64::try_from(at).unwrap_or_default();
        let window = info.suggested_window;
        let window = Window {
            start: second(window.start.unix_timestamp()),
            end: second(window.end.unix_timestamp()),
        };
        Some((window, again))
    }
}
