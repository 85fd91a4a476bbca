//! Policies as a whole: readable cases, and laws.

#![allow(unreachable_pub)] // a test is a program of its own
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::wildcard_enum_match_arm)] // over serde_json's values, not over our own enums

mod cases;
mod certificates;
mod covered;
mod given;
mod laws;
mod naive;
mod never_met;
mod route;
mod way_in;

use usher_rules::{
    people::{Claims, Person},
    session::{Authentication, SessionId, SignIn, SignedIn},
    time::UnixTime,
};

/// Somebody with a session in which their provider said this.
fn signed_in(person: Person, claims: Claims) -> SignedIn {
    let told = Authentication { person, claims, sign_in: SignIn::default() };
    told.begin(SessionId::from_random([1; 16]), "idp", UnixTime::from_seconds(1000), UnixTime::MAX)
}
