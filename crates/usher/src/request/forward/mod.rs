//! Room 7: the permitted request goes to its upstream, the answer comes back as a stream.
//!
//! | takes | [`Permitted`](super::authorize::Permitted) and nothing else |
//! |---|---|
//! | gives | [`Sent`]: a streaming answer or two sides to join; or a [`ForwardError`] |
//! | never | buffers a body whole, or ends one that makes progress |
//!
//! Takes only [`Permitted`](super::authorize::Permitted). Nothing is buffered whole: bodies stream
//! with back-pressure both ways, and what limits them is silence, not length or total time.

mod again;
mod attempt;
mod body;
mod breakers;
mod checking;
mod choose;
mod cut;
mod datagrams;
mod dial;
mod error;
mod exchange;
mod http1;
mod name_servers;
mod names;
mod own_client;
mod pool;
mod probe;
mod question;
mod race;
mod relay;
mod sending;
mod shared;
mod tls;
mod trailers;
mod trust;
mod upgraded;
mod upload;
mod websocket;

pub use body::{StreamLimits, UpstreamBody};
pub use checking::{TurnHeard, Turned};
pub(crate) use choose::Turn;
pub use choose::{Ejected, UnderWay};
pub use cut::Cut;
pub use datagrams::relay_datagrams;
pub use dial::UpstreamIo;
pub use error::{Broke, ForwardError, Unreadable};
pub use exchange::{Forwarder, Opened, RECHECK, Sent};
pub use http1::Http1Error;
pub use own_client::{OwnClient, UpstreamClients, own_client};
pub use probe::{Answered, AskedBody, How, Reading, Want, ask, probe, shown_chain, speaks_tls};
pub use relay::{Relayed, relay};
pub use sending::{Asking, Course};
pub use trailers::Trailers;
pub use trust::Trust;
pub use upgraded::Upgraded;
pub use upload::{RequestBody, Upload};
pub use websocket::{Handshake, Key, accept_key, upstream_fields};

use std::sync::Arc;

use tokio::time::Instant;

use super::authorize::{PermitEnd, Standing, Stream};

/// Closes connections that were idle for too long. Called by each core now and then.
pub fn sweep() {
    let now = Instant::now();
    pool::sweep(now);
    shared::sweep(now);
}

/// Says whether a permit that was given still holds; asked now and then while a stream lives.
pub trait Recheck: Send + Sync {
    /// Something that changes when the plan does, or what is known of the session, or when that is
    /// over; and once a minute.
    fn generation(&self, standing: &Standing) -> u64;
    /// Decides again, by what is in force now.
    ///
    /// # Errors
    ///
    /// [`PermitEnd`] says why it does not.
    fn still_holds(&self, standing: &Standing, stream: Stream) -> Result<(), PermitEnd>;
}

/// Shared with every stream.
pub type SharedRecheck = Arc<dyn Recheck>;
