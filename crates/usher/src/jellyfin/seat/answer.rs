//! What becomes of what is asked of us.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::{
    super::{
        pairing::{Pairing, empty},
        place::server_of,
    },
    asked::{Asked, is_browser, is_library},
    left::has_left,
};
use crate::request::{Answers, AppRequest, Body};

impl Pairing {
    /// Whether the web client waits until its reader is seated.
    pub(in super::super) fn answers_in_front(&self, asked: AppRequest<'_>) -> Answers {
        let Some(settings) = asked.route.jellyfin.as_deref() else { return Answers::Upstream };
        let live = asked.identity.session().filter(|live| is_browser(live));
        let seats = settings.people.sign_in && settings.api_key.is_some() && is_library(asked);
        let (Some(live), Some(server), true) = (live, server_of(asked.route), seats) else {
            return Answers::Upstream;
        };
        let is_on_its_way =
            self.seats.is_on_its_way(&live.session().id, server, asked.now.monotonic);
        match is_on_its_way && !has_left(asked) {
            true => Answers::Upstream,
            false => Answers::Own { at_most: 0 },
        }
    }

    pub(in super::super) async fn answer_at_seat(
        &self,
        asked: AppRequest<'_>,
        what: Asked,
        body: &Bytes,
    ) -> Response<Body> {
        let Some(server) = server_of(asked.route) else { return empty(StatusCode::NOT_FOUND) };
        match what {
            Asked::Library => self.in_front(asked),
            Asked::Seat if asked.head.method == Method::POST => {
                self.seat(asked, server, body).await
            }
            Asked::Seat => self.seat_page(asked),
            Asked::SignOut => self.sign_out(asked, server).await,
        }
    }
}
