//! Every limit on a connection, in one place.

use std::time::Duration;

use socket2::TcpKeepalive;

/// From the connection to the end of its PROXY header (`use_proxy_protocol`).
pub const PROXY_HEADER: Duration = Duration::from_secs(5);
/// From the first packet to the end of the TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// From the handshake to the first byte of a request.
pub const FIRST_BYTE: Duration = Duration::from_secs(15);
/// From the first byte of a request's head to its last; over HTTP/2 any frame but DATA, too.
pub const HEAD: Duration = Duration::from_secs(30);
/// Request head and each header list, in bytes (`pomerium-protocols.md` §6.3).
pub const HEAD_BYTES: usize = 128 * 1024;
/// What is read of a head that is too long, to answer it. A sibling site, or an app, can set cookies
/// until each request is (cookie bomb): who sent it shall learn why, and how it ends. Browsers keep
/// 180 cookies of 4 KiB for a domain, which is 720 KiB; with what HTTP/2 counts beside each, 730.
pub const READ_HEAD_BYTES: usize = 6 * HEAD_BYTES;
/// What of a head that is being read counts nothing in its client's share: most are shorter.
pub const SHORT_HEAD: usize = 8 * 1024;
/// Fields in a request's head, as the real server limits them (`pomerium-measured.md` §1.2).
pub const FIELDS: usize = 100;
/// What an HTTP/1.1 connection may buffer while reading a head.
pub const READ_BUFFER: usize = READ_HEAD_BYTES + 32 * 1024;
/// Streams at a time on one HTTP/2 connection.
pub const STREAMS: u32 = 100;
/// Streams that the client reset before we accepted them (rapid reset, CVE-2023-44487). A page
/// may take back all that it was offered, and at once ask for as many others.
pub const PENDING_RESETS: usize = 2 * STREAMS as usize;
/// Requests that the client took back while we worked on them, at once.
pub const CANCELS: u64 = 10 * STREAMS as u64;
/// How many of them are forgiven each second.
pub const CANCELS_PER_SECOND: u64 = STREAMS as u64;
/// The same over all connections of one client, which would else have as much for each.
pub const CLIENT_CANCELS: u64 = 2 * CANCELS;
/// How many of them are forgiven each second.
pub const CLIENT_CANCELS_PER_SECOND: u64 = 2 * CANCELS_PER_SECOND;
/// Streams that we reset for the client's errors (MadeYouReset, CVE-2025-8671).
pub const LOCAL_RESETS: usize = 256;
/// HTTP/2 receive window of a stream: what an upload may have in flight.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// HTTP/2 receive window of a connection.
pub const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// What one HTTP/2 stream may buffer towards the client.
pub const SEND_BUFFER: usize = 256 * 1024;
/// What TLS seals for one write: four full records (RFC 8446 §5.1), few enough to be in the cache
/// still when the system copies them. An octet more would be a record of its own behind each four.
pub const PLAINTEXT_LIMIT: usize = 4 * 16_384;
/// What one turn of an HTTP/2 connection writes is sent in pieces of this.
pub const GATHERED: usize = PLAINTEXT_LIMIT;
/// What is read of a client at once, however much room there is: TLS fills all of it, HTTP/1.1 has room
/// for the longest head, and an upload would hold twice that, out of the cache, before any is sent on.
pub const READ_AHEAD: u64 = 128 * 1024;
/// Where so much of an answer waits for its client, no more of it is read from the upstream.
pub const ANSWER_AHEAD: usize = 128 * 1024;
/// A PING goes out when an HTTP/2 connection was silent for so long.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// And is answered within this, or the connection is gone.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Files that are kept back for accepting, reloading, the store and the log.
pub const FILES_KEPT_BACK: usize = 128;
/// Client connections and requests at a time, however few files there are.
pub const SOCKETS_AT_LEAST: usize = 64;
/// Connections of one client at a time: a house or an office behind one address has fewer.
pub const CLIENT_CONNECTIONS: usize = 512;
/// How long a connection waits for a place in its client's share.
pub const PLACE: Duration = Duration::from_secs(10);
/// How long the place of a connection stays empty that was ended for what it took.
pub const PLACE_CLOSED: Duration = Duration::from_secs(5);
/// At most one place in so many of a client's stays empty so.
pub const CLOSED_PART: usize = 4;
/// One client may have one part in so many of the process's budget.
pub const CLIENT_PART: usize = 4;
/// What a request under way counts beside the bytes that wait: buffers on both sides.
pub const STREAM_COST: usize = 64 * 1024;
/// Bytes that may wait for all clients together; beyond, slow connections are ended.
pub const WAITING_BYTES: usize = 256 * 1024 * 1024;
/// Bytes that may wait on a connection before its answers take turns, a piece each.
pub const CONNECTION_WAITING: usize = 2 * 1024 * 1024;
/// Connections at a time, over all cores (`pomerium-protocols.md` §6.3).
pub const CONNECTIONS: usize = 50_000;
/// After our side has ended a connection: what a client still sends is read and dropped for so
/// long, that it may read the answer (RFC 9112 §9.6).
pub const LINGER: Duration = Duration::from_secs(2);
/// Reads in a row that drop it; then others have their turn.
pub const LINGER_READS: usize = 16;
/// A peer that says nothing is asked after a minute whether it is there, and given up after another.
pub const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);
/// Body of a request for one of our own pages.
pub const OWN_BODY: usize = 64 * 1024;
