//! A client's connection on its core: it comes in, shakes hands, is served.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpStream;
use usher_rules::plan::Protocols;

use super::{
    each_core::{Arrived, Core},
    redirect::{self, FirstWord},
};
use crate::request::{
    accept::{Connection, Pieces, Protocol, Pulse, limits, serve},
    tls::{Accepted, ClientStream, Tls},
};

/// A connection whose requests can be answered.
struct Ready {
    stream: Stream,
    connection: Arc<Connection>,
    /// How long it may do nothing.
    idle: Option<Duration>,
}

enum Stream {
    Tls(Pieces<ClientStream>),
    Plain(TcpStream),
}

impl Core {
    /// A connection that came in from there, until it is over.
    ///
    /// Each part of its way is on the heap by itself: what a handshake needs is given back before
    /// the connection is served, which may last for days.
    pub(super) async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let ready = Box::pin(self.ready(stream, peer)).await; // no name: it is gone after this
        let Some(Ready { stream, connection, idle }) = ready else { return };
        let (door, tasks) = (Arc::clone(&self.door), &self.tasks);
        match stream {
            Stream::Tls(stream) => serve(stream, connection, door, tasks, idle).await,
            Stream::Plain(stream) => serve(stream, connection, door, tasks, idle).await,
        }
    }

    /// `None` where it is over before it can be served: among others where there is no place for it,
    /// since who is at work comes first, and where it does not speak what is spoken here.
    async fn ready(&self, stream: TcpStream, peer: SocketAddr) -> Option<Ready> {
        let arrived = self.arrive(stream, peer).await?;
        match &self.tls {
            Some(tls) => self.secured(tls, arrived).await,
            None => Some(self.plain(arrived).await),
        }
    }

    async fn secured(&self, tls: &Tls, arrived: Arrived) -> Option<Ready> {
        let Arrived { stream, peer, admitted } = arrived;
        let idle = self.door.plan().timeouts.idle;
        let first = tokio::select! {
            first = redirect::first_word(&stream) => first,
            () = self.tasks.draining() => return None,
            () = admitted.must_go() => return None,
        };
        match first {
            FirstWord::PlainHttp => {
                redirect::told_to_use_tls(stream, admitted, &self.door).await;
                return None;
            }
            FirstWord::None => return None,
            FirstWord::Other => {}
        }
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = self.tasks.draining() => return None,
            () = admitted.must_go() => return None,
        };
        let Accepted { stream, server_name, protocol, shown, presented } =
            accepted.inspect_err(|error| self.door.handshake_failed(peer, error)).ok()?;
        let plain = Connection::plain(peer.into(), Pulse::admitted(protocol, admitted));
        let presented = Arc::new(presented);
        let connection = Connection { server_name, shown, presented, ..plain };
        let stream = Stream::Tls(Pieces::new(stream));
        Some(Ready { stream, connection: Arc::new(connection), idle })
    }

    async fn plain(&self, arrived: Arrived) -> Ready {
        let Arrived { stream, peer, admitted } = arrived;
        let plan = self.door.plan();
        let protocol = spoken(&stream, plan.listen.protocols).await;
        let connection = Connection::plain(peer.into(), Pulse::admitted(protocol, admitted));
        let stream = Stream::Plain(stream);
        Ready { stream, connection: Arc::new(connection), idle: plan.timeouts.idle }
    }
}

/// Without TLS there is no ALPN: a terminator that speaks HTTP/2 begins with its preface
/// (RFC 9113 §3.3).
async fn spoken(stream: &TcpStream, protocols: Protocols) -> Protocol {
    match protocols {
        Protocols::Http1 => Protocol::Http1,
        Protocols::Http2 => Protocol::Http2,
        Protocols::Both => {
            let mut first = [0; 4];
            let looked = tokio::time::timeout(limits::FIRST_BYTE, stream.peek(&mut first)).await;
            match (looked, &first) {
                (Ok(Ok(4)), b"PRI ") => Protocol::Http2,
                (Ok(_) | Err(_), _) => Protocol::Http1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(_: impl Fn(Arc<Core>, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// It lasts as long as the connection, so that it has no room in it for an arrival, a handshake
    /// or what serves.
    #[test]
    fn what_goes_from_step_to_step_is_small() {
        let octets = size(Core::connection);
        println!("{octets}");
        assert!(octets <= 320, "{octets} octets");
    }
}
