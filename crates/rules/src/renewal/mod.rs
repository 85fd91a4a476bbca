//! When certificates are ordered, from whom, and how often at most. Whoever asks an authority does
//! what [`RenewalSchedule`] says and writes down what it hands out, in that order; then a crash at any
//! moment costs one attempt at most, and no storm of orders can come of it.
//!
//! | takes | names that are wanted, what is stored, the time, what became of an order |
//! |---|---|
//! | gives | the next order, or the moment until which there is none |
//! | never | orders for a name more often than authorities bear, whatever the clock does |

mod budget;
mod history;
mod schedule;
#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use history::{CurrentCertificate, History, Window};
pub use schedule::{NameState, Next, OrderOutcome, RenewalSchedule};
