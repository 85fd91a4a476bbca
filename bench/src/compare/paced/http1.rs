//! HTTP/1.1: the same octets each time, and one answer after the other.

use bytes::{Buf as _, BytesMut};
use http::StatusCode;

use super::{PATH, connection::Wire};
use crate::failure::Failure;

/// How many fields an answer has at most.
const FIELDS: usize = 64;

/// One connection, with one request under way at most.
#[derive(Debug)]
pub struct Http1 {
    request: Vec<u8>,
    asked: Option<u64>,
}

impl Http1 {
    /// Asks `host`.
    pub fn new(host: &str, fields: &[(&str, &str)]) -> Self {
        let mut request = format!("GET {PATH} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in fields {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        Self { request: request.into(), asked: None }
    }
}

impl Wire for Http1 {
    fn ask(&mut self, nth: u64, output: &mut Vec<u8>) {
        self.asked = Some(nth);
        output.extend_from_slice(&self.request);
    }

    fn read(
        &mut self,
        input: &mut BytesMut,
        _output: &mut Vec<u8>,
        answered: &mut Vec<u64>,
    ) -> Result<(), Failure> {
        let Some(end) = end(input)? else { return Ok(()) };
        if end > input.len() {
            return Ok(());
        }
        input.advance(end);
        let asked = self.asked.take().filter(|_| input.is_empty());
        answered.push(asked.ok_or_else(|| wrong("more than one answer"))?);
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.asked.is_some()
    }
}

/// Where the answer ends that is at the beginning, once its head is there.
fn end(input: &[u8]) -> Result<Option<usize>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(input).map_err(Failure::exchange(PATH))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let status = StatusCode::from_u16(answer.code.unwrap_or_default());
    match status.map_err(Failure::exchange(PATH))? {
        StatusCode::OK => {}
        status => return Err(Failure::Status { what: PATH.into(), status }),
    }
    let mut length = None;
    for field in &*answer.headers {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(wrong("an answer with Transfer-Encoding"));
        }
        if field.name.eq_ignore_ascii_case("content-length") {
            length = str::from_utf8(field.value).ok().and_then(|it| it.parse::<usize>().ok());
        }
    }
    let length = length.ok_or_else(|| wrong("an answer without Content-Length"))?;
    Ok(Some(head.saturating_add(length)))
}

fn wrong(what: &'static str) -> Failure {
    Failure::exchange(PATH)(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request() {
        let mut output = Vec::new();
        Http1::new("tv.test", &[("accept", "*/*"), ("cookie", "a=b")]).ask(1, &mut output);
        let expected = "GET /small HTTP/1.1\r\nhost: tv.test\r\naccept: */*\r\ncookie: a=b\r\n\r\n";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn answers() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Ok(vec![7])),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(vec![7])),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh", Ok(vec![])),
            ("HTTP/1.1 200 OK\r\ncontent-le", Ok(vec![])),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!", Err("more than one answer")),
            ("HTTP/1.1 200 OK\r\n\r\nhi", Err("without Content-Length")),
            ("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi", Err("without Content-Length")),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Err("Transfer-Encoding")),
            ("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", Err("status 302")),
            ("HTTP/1.1 100 Continue\r\n\r\n", Err("status 100")),
            ("HTTP/2 200\r\n\r\n", Err("invalid")),
        ] {
            let mut wire = Http1::new("tv.test", &[]);
            wire.ask(7, &mut Vec::new());
            let (mut input, mut answered) = (BytesMut::from(answer), Vec::new());
            let read = wire.read(&mut input, &mut Vec::new(), &mut answered);
            match expected {
                Ok(expected) => {
                    read.unwrap();
                    assert_eq!(answered, expected, "{answer}");
                    assert_eq!(wire.is_busy(), expected.is_empty(), "{answer}");
                }
                Err(expected) => {
                    let told = read.unwrap_err().to_string();
                    assert!(told.contains(expected), "{answer}: {told}");
                }
            }
        }
    }
}
