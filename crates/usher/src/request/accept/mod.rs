//! Room 1: connections come in here. Owns [`Tasks`], listeners and every limit on a connection.
//!
//! | takes | a bound address |
//! |---|---|
//! | gives | [`Connection`] and its requests, to whoever can [`Serve`] |
//! | never | looks at a request: that is for the rooms behind it |
//!
//! A listener per core (`SO_REUSEPORT`), so that a connection lives and dies on one thread. The
//! limits are in [`limits`]: PROXY header, handshake, first byte, head, idle, streams, resets.

mod as_ok;
mod aside;
mod asked_for;
mod cancelled;
mod connection;
mod deadline;
mod duplex;
mod frames;
mod gathered;
pub mod limits;
mod listener;
mod peer;
mod pieces;
mod presented;
mod proxied;
mod refused;
mod shares;
mod shown;
mod tasks;
mod unread;
mod waiting;

pub use asked_for::AskedFor;
pub use connection::{Connection, Serve, Transport, serve};
pub use deadline::{InFlight, Pulse, Watched};
pub use duplex::Duplex;
pub use listener::{ListenError, Listener, parse_address};
pub use peer::{Peer, Protocol};
pub use pieces::Pieces;
pub use presented::Presented;
pub use proxied::{Unproxied, proxied};
pub use shares::{Admitted, Bounds, RefusedSoFar, Shares, Whose};
pub use shown::Shown;
pub use tasks::{Exchange, Streams, TaskOwner, Tasks};
pub use unread::{Ended, Unread};
pub use waiting::Waiting;
