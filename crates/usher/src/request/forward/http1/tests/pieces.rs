use http::Method;
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::runtime::Builder;

use super::{Then, asked, heard};

/// What answers are made of, and what they must not be made of.
const WORDS: [&str; 28] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "content-length: 2\r\n",
    "content-length: 3, 3\r\n",
    "content-length: x\r\n",
    "transfer-encoding: chunked\r\n",
    "transfer-encoding: gzip\r\n",
    "connection: close\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    ": ",
    "0",
    "0\r\n\r\n",
    "2\r\n",
    "2;x=y\r\n",
    "ok",
    "ok\r\n",
    "ffffffffffffffff\r\n",
    "x-sum: 1\r\n",
    " ",
    "\t",
    "\0",
    "\u{e9}",
    "HTTP/1.1",
];

proptest! {
    /// Where the network cuts an answer says nothing of what it is. Whatever was said, it comes to the
    /// same at once, octet by octet, and in pieces.
    #[test]
    fn an_answer_is_the_same_in_all_pieces(
        begins in select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
        words in vec(select(&WORDS[..]), 0..12),
        piece in 2_usize..40,
    ) {
        let answer = begins.to_owned() + &words.concat();
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut met = Vec::new();
        for piece in [answer.len().max(1), 1, piece] {
            let request = asked(Method::GET);
            let (mut client, _, heard) = runtime.block_on(heard(request, answer.as_bytes(), piece, Then::End));
            prop_assert!(!(client.finish() && client.is_alive()), "the other end has left");
            prop_assert!(heard.is_ok() == client.is_end_stream(), "half of an answer looks whole");
            met.push(heard.ok().map(|heard| (heard.head.unwrap().status(), heard.body, heard.trailers)));
        }
        prop_assert!(met.windows(2).all(|two| two[0] == two[1]), "{:?}: {:?}", answer, met);
    }
}

#[test]
fn too_many_empty_lines_are_too_many_however_they_come() {
    for (lines, is_answer) in [("\r\n\n", true), ("\r\n\r\n\r\n", false), ("\n\r\n\n", false)] {
        let answer = format!("{lines}HTTP/1.1 204 No Content\r\n\r\n");
        for piece in [answer.len(), 1, 2, 3] {
            let runtime = Builder::new_current_thread().build().unwrap();
            let said = heard(asked(Method::GET), answer.as_bytes(), piece, Then::End);
            let (_, _, heard) = runtime.block_on(said);
            assert_eq!(heard.is_ok(), is_answer, "{lines:?} in pieces of {piece}");
        }
    }
}
