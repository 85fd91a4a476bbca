use std::time::Duration;

use crate::request::Details;

/// Known at the end only.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// From the head's arrival to the last byte.
    pub duration: Duration,
    /// Body bytes sent to the client.
    pub sent: u64,
    /// Body bytes taken from the client.
    pub received: u64,
    /// Its word on the access line.
    pub details: Details,
}
