//! From a config to a plan, and the word that there is another config.
//!
//! | takes | a [`Source`]: a file with its environment, or a text |
//! |---|---|
//! | gives | [`fn@load`]: a plan with what there is to say about it; [`Watch::changed`] |
//! | never | puts anything in force: that is the server's, which takes a whole plan or none |
//!
//! `check`, `run`, a signal and the watcher all come through [`fn@load`], so that what was checked is
//! what runs; a test holds that nobody else compiles.

mod findings;
mod load;
mod policy_tests;
mod watch;

pub use findings::Findings;
pub use load::{LoadFailure, Loaded, Source, environment, load};
pub use watch::Watch;
