//! No second sign-in: whoever is signed in here opens the web client as their user of the server.
//!
//! | asked | by | answer |
//! |---|---|---|
//! | `/`, `/web/` | a browser in which somebody is signed in | first to `/seat`, once for each tab |
//! | `GET /seat` | somebody | a page whose script asks here, and keeps what it is told |
//! | `POST /seat` | that script | their token, or that the one they have is good |
//! | `POST /Sessions/Logout` | an app of theirs | it ends, and its browser's session with it |
//!
//! The page stands beside `/web`: what is written while the web client runs it writes over.

mod answer;
mod asked;
mod button;
mod left;
mod page;
mod places;
mod token;

pub(super) use asked::{Asked, is_library};
pub(super) use button::{button, with_button};
pub(super) use places::Seats;
