//! The room as a browser meets it: no server, no clock, no disk; the provider is real HTTP.

mod builtin;
mod callback;
mod forgetful;
mod machine;
mod pages;
mod provider;
mod recheck;
mod sign_out;
mod test_room;
