//! What an upstream may say, and what is made of it: at once and octet by octet.

use http::Method;

use super::{Heard, Then, asked, heard};
use crate::request::forward::http1::Http1Error;

/// What a case says of an answer.
enum Is {
    /// Status and body, after which the connection may be used again.
    Kept(u16, &'static str),
    /// The same, and it may not.
    Over(u16, &'static str),
    /// Not HTTP.
    Wrong,
    /// Less than all of it.
    Cut,
}
use Is::{Cut, Kept, Over, Wrong};

async fn check(method: &Method, answer: &[u8], then: Then, is: &Is, why: &str) {
    for piece in [answer.len().max(1), 1, 7] {
        let (mut client, _far, heard) = heard(asked(method.clone()), answer, piece, then).await;
        let told = format!("{:?} in pieces of {piece}: {why}", String::from_utf8_lossy(answer));
        let is_kept = client.finish() && client.is_alive();
        match (is, heard) {
            (
                Kept(status, body) | Over(status, body),
                Ok(Heard { head, body: got, is_whole, .. }),
            ) => {
                assert!(is_whole, "{told}");
                assert_eq!(head.unwrap().status().as_u16(), *status, "{told}");
                assert_eq!(String::from_utf8_lossy(&got), *body, "{told}");
                assert_eq!(is_kept, matches!(is, Kept(..)), "{told}");
            }
            (Wrong, Err(error)) => assert!(error.is_protocol() && !is_kept, "{told}: {error:?}"),
            (Cut, Err(error)) => {
                assert!(matches!(error, Http1Error::Ended) && !is_kept, "{told}: {error:?}");
                assert!(!client.is_end_stream(), "{told}: an error stays one");
            }
            (_, heard) => panic!("{told}: {heard:?}"),
        }
    }
}

/// RFC 9112 §6.3, in its order.
#[tokio::test]
async fn the_end_of_an_answer_is_where_its_framing_says() {
    let (get, head) = (&Method::GET, &Method::HEAD);
    for (method, answer, then, is, why) in [
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "a length",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Then::Silence,
            Kept(200, ""),
            "of nothing",
        ),
        (
            get,
            "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "no reason",
        ),
        (
            get,
            "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "an empty line",
        ),
        (
            get,
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            Then::Silence,
            Kept(200, "ok"),
            "bare line feeds",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "a blank before the colon",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "twice the same",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
            Then::Silence,
            Kept(200, "ok"),
            "as a list",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
            Then::Silence,
            Wrong,
            "two lengths",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok!",
            Then::Silence,
            Wrong,
            "in one line",
        ),
        (get, "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", Then::Silence, Wrong, "a sign"),
        (get, "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nok", Then::Silence, Wrong, "no digits"),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
            Then::Silence,
            Wrong,
            "too many",
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            Then::Silence,
            Kept(200, ""),
            "HEAD has none",
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            Then::Silence,
            Kept(200, ""),
            "nor chunks",
        ),
        (
            get,
            "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n",
            Then::Silence,
            Kept(204, ""),
            "204 has none",
        ),
        (
            get,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n",
            Then::Silence,
            Kept(304, ""),
            "304 has none",
        ),
        (
            get,
            "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            Then::Silence,
            Kept(304, ""),
            "nor chunks",
        ),
        (get, "HTTP/1.1 200 OK\r\n\r\nall", Then::End, Over(200, "all"), "up to the end"),
        (get, "HTTP/1.0 200 OK\r\n\r\nall", Then::End, Over(200, "all"), "up to the end"),
        (
            get,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nall",
            Then::End,
            Over(200, "all"),
            "refused by who reads the head",
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 1\r\n\r\nall",
            Then::End,
            Over(200, "all"),
            "a length beside a coding is none",
        ),
        (get, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Then::End, Cut, "one is missing"),
        (get, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n", Then::End, Cut, "in the head"),
        (get, "", Then::End, Cut, "nothing at all"),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Then::End,
            Over(200, "ok"),
            "closed behind it",
        ),
    ] {
        check(method, answer.as_bytes(), then, &is, why).await;
    }
}

/// RFC 9112 §7.1.
#[tokio::test]
async fn chunks_are_read_in_one_way_only() {
    let chunked =
        |body: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    for (body, then, is, why) in [
        ("2\r\nok\r\n0\r\n\r\n", Then::Silence, Kept(200, "ok"), "one"),
        ("1\r\no\r\n1\r\nk\r\n0\r\n\r\n", Then::Silence, Kept(200, "ok"), "two"),
        ("0\r\n\r\n", Then::Silence, Kept(200, ""), "none"),
        (
            "00a\r\n0123456789\r\n000\r\n\r\n",
            Then::Silence,
            Kept(200, "0123456789"),
            "zeros in front",
        ),
        (
            "A \t\r\n0123456789\r\n0\r\n\r\n",
            Then::Silence,
            Kept(200, "0123456789"),
            "blanks behind",
        ),
        ("2;a=b;c=\"d\"\r\nok\r\n0;e\r\n\r\n", Then::Silence, Kept(200, "ok"), "extensions"),
        ("2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", Then::Silence, Kept(200, "ok"), "trailers"),
        ("2\r\nok\r\n0\r\n\r\nx", Then::Silence, Over(200, "ok"), "more than all"),
        ("2\r\nok\r\n", Then::End, Cut, "no last chunk"),
        ("2\r\nok\r\n0\r\n", Then::End, Cut, "nor its end"),
        ("2\r\no", Then::End, Cut, "half of one"),
        ("2", Then::End, Cut, "half of a size"),
        ("0\r\nx-sum: 1\r\n", Then::End, Cut, "half of the trailers"),
        ("\r\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "no size"),
        ("2\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "a bare line feed"),
        ("2\r\nok\n0\r\n\r\n", Then::Silence, Wrong, "behind the data"),
        ("2\r\nokk\r\n0\r\n\r\n", Then::Silence, Wrong, "longer than said"),
        ("2;a\nb\r\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "an extension of two lines"),
        ("-2\r\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "a sign"),
        ("0x2\r\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "a prefix"),
        ("2 2\r\nok\r\n0\r\n\r\n", Then::Silence, Wrong, "a blank inside"),
        (
            "10000000000000002\r\nok\r\n0\r\n\r\n",
            Then::Silence,
            Wrong,
            "longer than can be counted",
        ),
        ("0\r\n\rx", Then::Silence, Wrong, "half of an end"),
        ("2\r\nok\rx0\r\n\r\n", Then::Silence, Wrong, "half of the end of a chunk"),
        ("10000000000000000\r\n\r\n", Then::Silence, Wrong, "nothing, for who counts to 64 bits"),
        ("0\r\nno field\r\n\r\n", Then::Silence, Wrong, "trailers that are none"),
        ("0\r\na: b\n\nHTTP/1.1 200 OK\r\n\r\n", Then::Silence, Wrong, "an answer inside trailers"),
    ] {
        check(&Method::GET, chunked(body).as_bytes(), then, &is, why).await;
    }
    let old = b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(&Method::GET, old, Then::Silence, &Wrong, "HTTP/1.0 has no chunks").await;
    let both = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    check(&Method::GET, both, Then::Silence, &Over(200, "ok"), "the length does not count").await;
    let twice =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0";
    check(&Method::GET, twice, Then::End, &Over(200, "0"), "refused by who reads the head").await;
}

#[tokio::test]
async fn trailers_come_as_fields() {
    let answer =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\nb: 2\r\n\r\n";
    let (_, _, heard) = heard(asked(Method::GET), answer, answer.len(), Then::Silence).await;
    let trailers = heard.unwrap().trailers;
    assert_eq!(
        (&trailers["x-sum"], &trailers["b"], trailers.len()),
        (&"1".parse().unwrap(), &"2".parse().unwrap(), 2)
    );
}

#[tokio::test]
async fn what_is_no_head_is_no_answer() {
    let get = &Method::GET;
    for (answer, why) in [
        ("SSH-2.0-OpenSSH\r\n", "another protocol"),
        ("HTTP/2.0 200 OK\r\n\r\n", "another version"),
        ("HTTP/1.1 20 OK\r\n\r\n", "half of a status"),
        ("HTTP/1.1 099 OK\r\n\r\n", "a status that is none"),
        ("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "a line that goes on"),
        ("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", "a value that goes on"),
        ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "a blank in a name"),
        ("HTTP/1.1 200 OK\r\n: c\r\n\r\n", "no name"),
        ("HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n", "a zero in a value"),
        ("HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", "a bare carriage return"),
        ("\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "empty lines without end"),
    ] {
        let (_, _, heard) =
            heard(asked(get.clone()), answer.as_bytes(), answer.len(), Then::Silence).await;
        assert!(heard.is_err_and(|error| error.is_protocol()), "{answer:?}: {why}");
    }
}

#[tokio::test]
async fn heads_chunks_and_interim_answers_have_limits() {
    let ok = |fields: String| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let get = &Method::GET;
    for (answer, is, why) in [
        (ok("a: b\r\n".repeat(99)), Kept(200, ""), "100 fields"),
        (ok("a: b\r\n".repeat(100)), Wrong, "101 fields"),
        (ok(format!("a: {}\r\n", "b".repeat(120 * 1024))), Kept(200, ""), "a long head"),
        (ok(format!("a: {}\r\n", "b".repeat(128 * 1024))), Wrong, "too long a head"),
        (format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(129 * 1024)), Wrong, "that never ends"),
        (
            format!("{chunked}0;{}\r\n\r\n", "x".repeat(16 * 1024)),
            Kept(200, ""),
            "a long extension",
        ),
        (format!("{chunked}0;{}\r\n\r\n", "x".repeat(17 * 1024)), Wrong, "too long an extension"),
        (format!("{chunked}{}", "1;xxxx\r\na\r\n".repeat(5000)), Wrong, "and many of them"),
        (format!("{chunked}{}", "0".repeat(34)), Wrong, "a size without end"),
        (format!("{chunked}1{}", " ".repeat(33)), Wrong, "blanks without end"),
        (
            format!("{chunked}{}0\r\n\r\n", "0001  \r\nx\r\n".repeat(10_000)),
            Kept(200, ""),
            "sizes of one width",
        ),
        (format!("{chunked}0\r\na: {}\r\n\r\n", "x".repeat(16 * 1024)), Wrong, "too long trailers"),
        (format!("{chunked}0\r\n{}\r\n", "a: b\r\n".repeat(101)), Wrong, "too many trailers"),
        (format!("{}{}", interim.repeat(16), ok(String::new())), Kept(200, ""), "early hints"),
        (format!("{}{}", interim.repeat(17), ok(String::new())), Wrong, "and nothing else"),
    ] {
        let (mut client, _far, heard) =
            heard(asked(get.clone()), answer.as_bytes(), 4096, Then::Silence).await;
        match is {
            Kept(..) => assert!(heard.unwrap().is_whole && client.finish(), "{why}"),
            Over(..) | Wrong | Cut => {
                assert!(heard.is_err_and(|error| error.is_protocol()), "{why}")
            }
        }
    }
}

/// RFC 9112 §9.3: what one answer leaves behind is never part of another.
#[tokio::test]
async fn what_comes_after_an_answer_ends_the_connection() {
    let get = &Method::GET;
    for (answer, is, why) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            Over(200, "ok"),
            "a second answer",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n", Over(200, "ok"), "an empty line"),
        ("HTTP/1.1 204 No Content\r\n\r\nbody", Over(204, ""), "a body that can't be"),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nbody",
            Over(304, ""),
            "a body that can't be",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            Over(200, "ok"),
            "it says so",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: Close, x\r\nconnection: keep-alive\r\n\r\nok",
            Over(200, "ok"),
            "close goes first",
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Over(200, "ok"), "HTTP/1.0 closes"),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok",
            Kept(200, "ok"),
            "unless it says otherwise",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, close\r\n\r\nok",
            Over(200, "ok"),
            "once",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", Over(101, ""), "nobody asked"),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Kept(200, "ok"),
            "only that another comes",
        ),
    ] {
        check(get, answer.as_bytes(), Then::Silence, &is, why).await;
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";
    check(&Method::HEAD, head.as_bytes(), Then::Silence, &Over(200, ""), "a body for HEAD").await;
}
