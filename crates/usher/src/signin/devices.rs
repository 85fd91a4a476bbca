//! `/.pomerium/webauthn`: where a policy sends people who have to show a device.
//!
//! Devices are not enrolled here yet: the page says so, and lets nobody in. The way to it is the
//! real server's, signed and with its parameters, so that enrolment has a place to come to.

use http::Response;
use usher_pages::{Contact, NoDevices};
use usher_rules::{
    fields::Reader,
    names::Origin,
    signin::{param, sign_url},
};

use super::{Ask, SignInRoom, answer};
use crate::request::{Body, SignInNeeded};

pub(super) const PAGE: &str = "/.pomerium/webauthn";
pub(super) const ENROLLED: &str = "/.pomerium/device-enrolled";

impl SignInRoom {
    /// To that page, with the kind that is asked for and the way back.
    pub(super) fn to_devices(&self, needed: &SignInNeeded<'_>, kind: &str) -> Response<Body> {
        let origin = Origin::of(needed.authority);
        let back = format!("{origin}{}", needed.target);
        let params = [(param::DEVICE_TYPE, kind), (param::REDIRECT_URI, &*back)];
        answer::found(&sign_url(&self.keys, &format!("{origin}{PAGE}"), &params, needed.now.wall))
    }

    /// Whoever is asked for a device signs in first.
    pub(super) async fn devices(&self, ask: &Ask) -> Response<Body> {
        if self.who(ask).is_none() && ask.reader() == Reader::Person && !ask.is_hosted() {
            return self.start_here(ask, ask.path()).await;
        }
        let contact = ask.plan().contact.as_deref().map(Contact);
        answer::error(ask, &NoDevices { host: ask.host(), contact, receipt: ask.receipt() })
    }
}
