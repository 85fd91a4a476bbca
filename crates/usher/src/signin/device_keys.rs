//! The keys of devices: what they are asked on `devices`' page, and what comes of their answers.

use std::{sync::Arc, time::Duration};

use usher_pages::{ACTION_FIELD, FLOW_FIELD, ListedEnrolment, PostForm};
use usher_rules::{
    enrolment::{EnrolledDevice, Ids},
    passkey::{Assertion, Expected, PasskeyFault},
    people::{PasswordRefusal, PeopleError},
    plan::{BUILTIN, Level},
    session::ShownDevice,
};

use super::{
    Ask, SignInRoom,
    account::device_of,
    session_list::{called, looks_after_people, provider_of},
};
use crate::request::{
    EventName, Named,
    identify::{Found, LiveSession, StoreError},
};

/// How long ago somebody may have signed in who enrols a device: a session that was left open, or
/// copied, enrols nothing.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// The hidden field of a form that removes one.
pub(super) const ID_FIELD: &str = "id";
pub(super) const REMOVE: &str = "remove";

/// What a device is asked.
pub(super) struct DeviceChallenges {
    /// To show that it is at hand.
    pub(super) show: String,
    /// To make a key.
    pub(super) make: String,
}

/// Whose devices are looked at.
pub(super) struct Owner<'a> {
    id: &'a str,
    provider: &'a str,
    ids: Ids,
}

impl<'a> Owner<'a> {
    /// Two providers may call two people by the same id. Those of ours are made here, and meet nobody's.
    pub(super) fn of(ask: &'a Ask, live: &'a LiveSession) -> Self {
        let (id, provider) = (&*live.person().id, provider_of(ask.plan(), live));
        let is_alone = ask.plan().sign_in.providers.listed().count() < 2;
        let ids = if is_alone || provider == BUILTIN { Ids::NeverMeet } else { Ids::MayMeet };
        Self { id, provider, ids }
    }

    /// Whom a challenge is for: nobody's passkey answers one of a device, and the other way round.
    fn shows(&self) -> String {
        format!("show-device:{} {}", self.provider, self.id)
    }

    fn makes(&self) -> String {
        format!("new-device:{} {}", self.provider, self.id)
    }
}

impl SignInRoom {
    /// `None` where this address can't have any.
    pub(super) fn device_challenges(
        &self,
        ask: &Ask,
        flow: &str,
        live: &LiveSession,
    ) -> Option<DeviceChallenges> {
        let owner = Owner::of(ask, live);
        let show = self.challenge(ask, flow, &owner.shows())?;
        Some(DeviceChallenges { show, make: self.challenge(ask, flow, &owner.makes())? })
    }

    /// Whoever asks has enrolled these.
    pub(super) async fn own_enrolled(
        &self,
        ask: &Ask,
        live: &LiveSession,
    ) -> Result<Vec<EnrolledDevice>, PeopleError> {
        let Owner { id, provider, ids } = Owner::of(ask, live);
        let mut own = self.enrolled.enrolled_by(id).await?;
        own.retain(|kept| kept.is_of(id, provider, ids));
        Ok(own)
    }

    /// Everybody else's, for who looks after people; none for others.
    pub(super) async fn others_enrolled(
        &self,
        ask: &Ask,
        live: Option<&LiveSession>,
    ) -> Result<Vec<EnrolledDevice>, PeopleError> {
        let Some(live) = live.filter(|live| looks_after_people(ask, live)) else {
            return Ok(Vec::new());
        };
        let Owner { id, provider, ids } = Owner::of(ask, live);
        let mut others = self.enrolled.all_enrolled().await?;
        others.retain(|kept| !kept.is_of(id, provider, ids));
        others.sort_by(|one, other| one.called.cmp(&other.called)); // the oldest of each first
        Ok(others)
    }

    /// A device that is enrolled was shown.
    pub(super) async fn shown_device(
        &self,
        ask: &Ask,
        live: &LiveSession,
        (flow, answer): (&str, &str),
    ) -> Result<ShownDevice, DeviceRefusal> {
        let owner = Owner::of(ask, live);
        let assertion = Assertion::parse(answer)?;
        let challenge = assertion.challenge().ok_or(PasskeyFault::Unreadable)?;
        let (whose, over_at) = self.opened_question(ask, flow, &challenge)?;
        if whose != owner.shows() {
            return Err(PasskeyFault::Challenge.into());
        }
        let all = self.own_enrolled(ask, live).await?;
        let kept = all.into_iter().find(|kept| *kept.key.id == *assertion.id());
        let kept = kept.ok_or(PasswordRefusal::UnknownPasskey)?;
        let origin = ask.origin();
        let expected = Expected { origin: &origin, challenge: &challenge };
        let handle = EnrolledDevice::handle(owner.id);
        let counter = assertion.verify_known(expected, &kept.key, &handle)?;
        self.used_up(ask, &challenge, over_at).await?;
        let kept = EnrolledDevice { provider: owner.provider.into(), ..kept };
        match self.enrolled.proven(&kept, counter, ask.wall().seconds()).await? {
            true => Ok(kept.shown()),
            false => Err(PasskeyFault::Counter.into()),
        }
    }

    /// A device was enrolled. Its key was made just now, with its owner's consent.
    pub(super) async fn made_device(
        &self,
        ask: &Ask,
        live: &LiveSession,
        (flow, answer): (&str, &str),
    ) -> Result<ShownDevice, DeviceRefusal> {
        let person = live.person();
        let (key, whose) = self.made_passkey(ask, flow, answer).await?;
        let owner = Owner::of(ask, live);
        if whose != owner.makes() {
            return Err(PasskeyFault::Challenge.into());
        }
        let called = if person.email.is_empty() { &person.id } else { &person.email };
        let new = EnrolledDevice {
            key,
            owner: person.id.clone(),
            provider: owner.provider.into(),
            called: called.clone(),
            site: ask.authority().host.as_str().into(),
            label: device_of(ask).into(),
            added_at: ask.wall().seconds(),
            used_at: None,
            approved_at: None,
        };
        let shown = new.shown();
        if !self.enrolled.enrol(new, owner.ids).await? {
            return Err(DeviceRefusal::TooMany);
        }
        let cause = Some("a device was enrolled by its owner; it waits for approval".to_owned());
        self.note(ask, Level::Info, EventName::Account, Some(person.into()), cause);
        Ok(shown)
    }

    /// One of their own, or of those whom they look after, is removed, and counts for no session any
    /// more.
    pub(super) async fn removed_device(
        &self,
        ask: &Ask,
        live: &LiveSession,
        id: &str,
    ) -> Result<(), DeviceRefusal> {
        let own = self.own_enrolled(ask, live).await?;
        let others = self.others_enrolled(ask, Some(live)).await?;
        let meant = |kept: &&EnrolledDevice| *kept.key.id == *id;
        let (whose, by) = match (own.iter().find(meant), others.iter().find(meant)) {
            (Some(_), _) => (Named::from(live.person()), "its owner"),
            (None, Some(kept)) => {
                (Named { id: &kept.owner, email: &kept.called }, called(live.person()))
            }
            (None, None) => return Ok(()),
        };
        if self.enrolled.remove_enrolled(id).await? {
            let cause = Some(format!("a device was removed by {by}"));
            self.note(ask, Level::Info, EventName::Account, Some(whose), cause);
        }
        Ok(())
    }

    /// The session was proven on it: on this one and no other of its kind.
    pub(super) async fn note_device(
        &self,
        live: &LiveSession,
        shown: ShownDevice,
    ) -> Result<(), StoreError> {
        self.change_session(live, |known| {
            let before = std::mem::take(&mut known.session.devices);
            let others = before.into_iter().filter(|other| other.kind != shown.kind);
            known.session.devices = others.chain([shown.clone()]).collect();
        })
        .await
    }

    /// The session as it is now.
    pub(super) fn in_memory(&self, live: &LiveSession) -> Option<Arc<LiveSession>> {
        match self.sessions.find(&live.session().id) {
            Found::Live(live) => Some(live),
            Found::Ended | Found::Elsewhere => None,
        }
    }
}

/// Why no device was shown.
pub(super) enum DeviceRefusal {
    Answer(PasswordRefusal),
    TooMany,
    Unavailable(PeopleError),
}

impl From<PasswordRefusal> for DeviceRefusal {
    fn from(refusal: PasswordRefusal) -> Self {
        Self::Answer(refusal)
    }
}

impl From<PasskeyFault> for DeviceRefusal {
    fn from(fault: PasskeyFault) -> Self {
        Self::Answer(fault.into())
    }
}

impl From<PeopleError> for DeviceRefusal {
    fn from(error: PeopleError) -> Self {
        Self::Unavailable(error)
    }
}

/// Did they sign in lately enough to enrol something?
pub(super) fn is_recent(ask: &Ask, live: &LiveSession) -> bool {
    let at = live.session().sign_in.moment(ask.wall());
    at.is_some_and(|at| ask.wall().is_within(RECENT, at))
}

/// Those that this host can ask for, with blanks between their ids.
pub(super) fn allowed(ask: &Ask, kept: &[EnrolledDevice]) -> String {
    let site = ask.authority().host.as_str();
    let here = kept.iter().filter(|kept| *kept.site == *site);
    here.map(|kept| &*kept.key.id).collect::<Vec<_>>().join(" ")
}

pub(super) fn listed<'a>(
    kept: &'a EnrolledDevice,
    (page, flow): (&str, &'a str),
) -> ListedEnrolment<'a> {
    let EnrolledDevice { key, called, label, added_at, used_at, approved_at, .. } = kept;
    let remove = PostForm::to(page.to_owned()).with(FLOW_FIELD, flow);
    let remove = remove.with(ACTION_FIELD, REMOVE).with(ID_FIELD, &*key.id);
    let is_approved = approved_at.is_some();
    ListedEnrolment {
        person: called,
        label,
        added_at: *added_at,
        used_at: *used_at,
        is_approved,
        remove,
    }
}
