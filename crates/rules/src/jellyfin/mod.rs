//! What Jellyfin's apps and servers say, and what follows from it.

pub mod pairing;
