//! The path of a request, in eight rooms, in this order:
//!
//! [`accept`] ▸ [`tls`] ▸ [`route`] ▸ [`identify`] ▸ [`authorize`] ▸ [`shape`] ▸ [`forward`] ▸ [`record`]
//!
//! A step never uses a later step; they meet in [`Door`]. Each takes what the one before it gives:
//!
//! `Seen` ▸ [`route::Routed`] ▸ [`identify::Identified`] ▸ [`authorize::Permitted`] ▸ [`forward::Sent`]

pub mod accept;
mod answer;
mod app;
pub mod authorize;
mod back;
mod beside;
mod body;
mod boxed;
mod brand;
mod by_route;
mod by_token;
mod caught;
mod challenge;
mod door;
pub mod forward;
pub mod identify;
pub mod inquiry;
mod journey;
mod language;
mod local;
mod message;
mod oversize;
mod own;
mod path;
mod read_once;
pub mod record;
mod refusal;
pub mod route;
mod seen;
pub mod shape;
pub mod tls;
mod tls_words;
mod trouble;
mod upgrade;
mod whole;
mod words;
mod workers;

pub(crate) use answer::CLEAR_SITE_DATA;
pub use answer::{error_page, own_page};
pub use app::{
    AnswerNeed, Answers, App, AppRequest, Apps, BodyNeed, Credential, Demand, Rewrite,
    TowardUpstream,
};
pub use body::Body;
pub use brand::{BrandAsset, brand_asset};
pub use caught::Panicked;
pub(crate) use caught::{catch, caught, note_panics};
pub(crate) use door::moment;
pub use door::{Door, DoorParts};
pub use language::reader_language;
pub use local::{Anchor, LocalAuthority};
pub use own::{Brought, BroughtSecret, OwnPages, OwnRequest, Prompt, Remembered, SignInNeeded};
pub use record::{Named, SignInJournal, SignInNote};
pub use refusal::{AppRefusal, Wrong};
pub use seen::Seen;
pub use shape::Assertions;
pub use tls_words::{tls_error, tls_words, untimely};
pub use words::{Chore, Details, EventField, EventName, Part, PathRule};
