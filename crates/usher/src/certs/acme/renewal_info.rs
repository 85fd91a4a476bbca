//! When authorities want certificates to be renewed (RFC 9773).

use std::{collections::HashSet, sync::Arc, time::Duration};

use instant_acme::{Account, CertificateIdentifier};
use usher_rules::{
    plan::Autocert,
    renewal::{RenewalSchedule, Window},
};

use super::{AcmeClient, AcmeError, SignedCertificate, account};

/// How often an authority is asked for renewal information where it does not say.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// How often at most.
const ASK_SOONEST: Duration = Duration::from_secs(60);

impl AcmeClient {
    /// Asks authorities when they want certificates to be renewed (RFC 9773), each when it wants to
    /// be asked again. One that does not answer is left alone until it is its turn again.
    pub(super) async fn ask_renewal_info(
        &self,
        schedule: &mut RenewalSchedule,
        autocert: &Autocert,
    ) {
        let now = self.now();
        let names: Vec<Box<str>> = schedule.names(now).map(|(name, ..)| name.into()).collect();
        let mut silent = HashSet::new();
        for name in names {
            let again_at = self.common().ask_again_at.get(&name).copied();
            let Some(leaf) = self.provisioned.issued.get(&name) else { continue };
            // One that is further away was noted by a clock that has been set back since.
            if again_at.is_some_and(|at| now < at && at.since(now) <= ASK_AGAIN) {
                continue;
            }
            let directory = self.state(&name).issued_by;
            let info = match silent.contains(&directory) {
                true => None,
                false => self.renewal_info(autocert, &directory, &leaf).await,
            };
            let again = match &info {
                Some((_, again)) => *again,
                None => {
                    silent.insert(directory);
                    ASK_AGAIN
                }
            };
            let again_at = now.plus(again.clamp(ASK_SOONEST, ASK_AGAIN));
            self.common().ask_again_at.insert(name.clone(), again_at);
            if let Some((window, _)) = info {
                self.note_window(schedule, &name, window);
            }
        }
    }

    fn note_window(&self, schedule: &mut RenewalSchedule, name: &str, window: Window) {
        let mut state = self.state(name);
        if state.window == Some(window) {
            return;
        }
        state.window = Some(window);
        schedule.set_window(name, state.window);
        let due = schedule.names(self.now()).find(|(known, ..)| *known == name);
        state.next_at = due.map_or(0, |(.., due)| due.seconds());
        if let Err(error) = self.store.put_state(name, &state) {
            self.events.damaged(&error);
        }
    }

    /// The window, and when to ask again; `None` where nobody can be asked.
    async fn renewal_info(
        &self,
        autocert: &Autocert,
        directory: &str,
        leaf: &SignedCertificate,
    ) -> Option<(Window, Duration)> {
        let plan = self.work.borrow().as_ref().map(|work| Arc::clone(&work.plan))?;
        let id = CertificateIdentifier::try_from(leaf.der()?).ok()?;
        let transport = self.transport(autocert, &plan, directory).ok()?;
        let account = account::open(&transport, &self.store, autocert, directory).await;
        if let Err(AcmeError::Disk(error)) = &account {
            self.events.damaged(error); // it was set aside, so the next order would not find it
        }
        let account: Account = account.ok()?;
        let (info, again) = account.renewal_info(&id).await.ok()?;
        let second = |at: i64| u64::try_from(at).unwrap_or_default();
        let window = info.suggested_window;
        let window = Window {
            start: second(window.start.unix_timestamp()),
            end: second(window.end.unix_timestamp()),
        };
        Some((window, again))
    }

    /// Did a crash leave an order for the name? One that is damaged was set aside, which is told.
    pub(super) fn is_under_way(&self, name: &str) -> bool {
        let pending = self.store.pending(name).inspect_err(|error| self.events.damaged(error));
        matches!(pending, Ok(Some(_)))
    }
}
