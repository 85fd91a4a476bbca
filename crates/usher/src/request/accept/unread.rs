use std::error::Error as _;

use http::StatusCode;

/// What came was no request that could be read. The library has answered it, or has ended the
/// connection, so no room behind this one knows of it: whoever serves is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Of the answer; `None` where the connection ended without one.
    pub status: Option<StatusCode>,
    /// In fixed words: nothing of a client stands in them.
    pub problem: &'static str,
    /// How much of the connection went with it.
    pub ended: Ended,
}

/// How much of a connection goes with something that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The connection.
    Connection,
    /// One HTTP/2 stream (RFC 9113 §5.4.2).
    Stream,
}

impl Unread {
    /// `None` where a connection ended for another reason, such as a client that left.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) {
            return Self::of_http2(cause);
        }
        if error.is_parse_version_h2() {
            let problem = "HTTP/2 on a connection that agreed on HTTP/1.1";
            return Some(Self { status: None, problem, ended: Ended::Connection });
        }
        // What hyper knows stands in its words alone.
        let (status, problem) = match &*error.to_string() {
            "URI too long" => (StatusCode::URI_TOO_LONG, "the target is too long"),
            "invalid HTTP method parsed" => (StatusCode::BAD_REQUEST, "the method is no token"),
            "invalid HTTP version parsed" => (StatusCode::BAD_REQUEST, "the version is none"),
            "invalid URI" => (StatusCode::BAD_REQUEST, "the target is none"),
            "invalid content-length parsed" => {
                (StatusCode::BAD_REQUEST, "the Content-Length is no length")
            }
            "invalid transfer-encoding parsed" | "unexpected transfer-encoding parsed" => {
                (StatusCode::BAD_REQUEST, "the Transfer-Encoding can't be used")
            }
            _ if error.is_parse_too_large() => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "more fields than can be read, or longer ones",
            ),
            _ if error.is_parse() => {
                (StatusCode::BAD_REQUEST, "a field's name or value is none, or a line has no end")
            }
            _ => return None,
        };
        Some(Self { status: Some(status), problem, ended: Ended::Connection })
    }

    /// Where the client broke HTTP/2 so that the connection had to end (RFC 9113 §5.4.1).
    fn of_http2(error: &h2::Error) -> Option<Self> {
        use h2::Reason;
        let problem = match error.reason().filter(|_| error.is_go_away() && error.is_library())? {
            Reason::NO_ERROR | Reason::INTERNAL_ERROR => return None,
            Reason::FLOW_CONTROL_ERROR => "it sent more than it may (FLOW_CONTROL_ERROR)",
            Reason::FRAME_SIZE_ERROR => "a frame has a wrong size (FRAME_SIZE_ERROR)",
            Reason::COMPRESSION_ERROR => "its fields can't be unpacked (COMPRESSION_ERROR)",
            Reason::ENHANCE_YOUR_CALM => "it floods the connection (ENHANCE_YOUR_CALM)",
            _ => "it breaks the rules of HTTP/2 (PROTOCOL_ERROR)",
        };
        Some(Self { status: None, problem, ended: Ended::Connection })
    }
}
