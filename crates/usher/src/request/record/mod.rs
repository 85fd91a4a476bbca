//! Room 8: one decision line and one access line for every request, and the operator's events.
//!
//! What happens is a record, and each record goes to every sink: a [`Log`], the [`Metrics`].
//! Written from the decision that was acted on (invariant 8). No query string and no token has a
//! way in: paths are canonical paths, and credentials are not fields of any record. JSON with
//! Pomerium's field names (`pomerium-protocols.md` §7), readable text on a terminal.

mod access;
mod closing;
mod decision;
mod end;
mod event;
mod format;
mod happening;
mod json;
mod kept;
mod metrics;
mod panics;
mod recorder;
mod records;
mod repeated;
mod selection;
mod sign_in;
mod sink;
mod stamp;
mod tally;
mod unread;

pub use access::Access;
pub use closing::Closing;
pub use decision::{By, Decided, Judgement};
pub use event::Event;
pub use format::Format;
pub use kept::KeptDecision;
pub use metrics::Metrics;
pub use recorder::{LeftOut, Recorder};
pub use sign_in::{Named, SignInJournal, SignInNote};
pub use sink::Log;
pub use stamp::moment;

use records::Record;
