use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

/// How a head begins that hands its connection over.
const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

/// The 101 that is written next is a 200 to who reads it: what Pomerium's clients take for an open
/// tunnel (decision 0094). The HTTP library hands a connection over after a 101 alone.
///
/// It is looked for in the next write and in no later one: those are the tunnel's. Who has sent
/// requests in a row and has not read the answers may find the 101 in the middle of that write, and
/// reads it.
#[derive(Debug, Default)]
pub(super) struct AsOk(AtomicBool);

impl AsOk {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// What to write in the place of `head`.
    pub(super) fn head(&self, head: &[u8]) -> Option<Vec<u8>> {
        if !self.is_due() {
            return None;
        }
        let rest = head.strip_prefix(SWITCHING);
        if rest.is_none() {
            self.0.store(false, Ordering::Relaxed);
        }
        Some([b"HTTP/1.1 200 ", rest?].concat())
    }

    /// That much of it went out.
    pub(super) fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_pending() {
            return polled;
        }
        self.0.store(false, Ordering::Relaxed);
        match polled {
            // What follows would be the other status: no answer is better than half of each.
            Poll::Ready(Ok(octets)) if octets < SWITCHING.len() => {
                Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
            }
            polled @ (Poll::Ready(_) | Poll::Pending) => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, task::Poll};

    use super::AsOk;

    #[test]
    fn a_101_is_told_as_200_once_and_nothing_of_a_tunnel_is_changed() {
        let (as_ok, head) = (AsOk::default(), b"HTTP/1.1 101 OK\r\n\r\n");
        assert_eq!(as_ok.head(head), None, "nobody asked");
        as_ok.begin();
        for _ in 0..2 {
            assert_eq!(as_ok.head(head).unwrap(), b"HTTP/1.1 200 OK\r\n\r\n");
            assert!(as_ok.wrote(Poll::Pending).is_pending());
        }
        assert!(matches!(as_ok.wrote(Poll::Ready(Ok(19))), Poll::Ready(Ok(19))));
        assert_eq!(as_ok.head(head), None, "it is the tunnel's");
        as_ok.begin();
        assert_eq!(as_ok.head(b"an answer before it"), None);
        assert!(!as_ok.is_due());
    }

    #[test]
    fn half_a_status_line_is_an_error() {
        for (octets, is_whole) in [(9, false), (12, false), (13, true)] {
            let as_ok = AsOk::default();
            as_ok.begin();
            let Poll::Ready(wrote) = as_ok.wrote(Poll::Ready(Ok(octets))) else { panic!() };
            assert_eq!(wrote.is_ok(), is_whole, "{octets}");
            assert!(wrote.is_ok_and(|it| it == octets) || !is_whole);
        }
        let failed = AsOk::default().wrote(Poll::Ready(Err(ErrorKind::BrokenPipe.into())));
        assert!(matches!(failed, Poll::Ready(Err(_))));
    }
}
