//! Answers in the shapes that the real server gives: chunked JSON, empty 401s, problem documents.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

use crate::film::FileSlice;

/// An answer before the pipeline adds what every answer carries.
pub(crate) type Answer = http::Response<AnswerBody>;

/// The bytes of an answer.
pub(crate) enum AnswerBody {
    /// Sent with a `Content-Length`.
    Whole(Bytes),
    /// Sent in chunks although its length is known, as the real server sends JSON.
    Chunked(Bytes),
    /// Part of a film on disk, read as the client takes it.
    File(Box<FileSlice>),
    /// A film on disk of which no length is told.
    ChunkedFile(Box<FileSlice>),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) | Self::Chunked(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::File(slice) | Self::ChunkedFile(slice) => slice.poll_read(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            // Never early: hyper would turn it into `Content-Length: 0`.
            Self::Chunked(_) => false,
            Self::File(slice) => slice.left() == 0,
            Self::ChunkedFile(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(slice) => SizeHint::with_exact(slice.left()),
            Self::Chunked(_) | Self::ChunkedFile(_) => SizeHint::default(),
        }
    }
}

/// `status` and nothing else: what the real server says to strangers.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::new(AnswerBody::Whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// 200 with JSON.
pub(crate) fn json(value: Value) -> Answer {
    json_status(StatusCode::OK, value)
}

/// JSON with another status.
pub(crate) fn json_status(status: StatusCode, value: Value) -> Answer {
    let mut answer = Answer::new(AnswerBody::Chunked(value.to_string().into()));
    *answer.status_mut() = status;
    set(&mut answer, header::CONTENT_TYPE, "application/json; charset=utf-8");
    // Kept for the renaming that `profile="CamelCase"` asks for.
    answer.extensions_mut().insert(JsonBody(value));
    answer
}

/// The JSON that an answer was made from.
#[derive(Clone)]
struct JsonBody(Value);

/// Renames every key to camel case, as `Accept: application/json; profile="CamelCase"` asks.
pub(crate) fn into_camel_case(answer: &mut Answer) {
    if let Some(JsonBody(value)) = answer.extensions_mut().remove::<JsonBody>() {
        *answer.body_mut() = AnswerBody::Chunked(camel_case(value).to_string().into());
        let content_type = "application/json; charset=utf-8; profile=\"CamelCase\"";
        set(answer, header::CONTENT_TYPE, content_type);
    }
}

fn camel_case(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect(), camel_case(value))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// What the exception page says: the status, and one sentence for everything.
pub(crate) fn error(status: StatusCode) -> Answer {
    let mut answer = Answer::new(AnswerBody::Chunked("Error processing request.".into()));
    *answer.status_mut() = status;
    set(&mut answer, header::CONTENT_TYPE, "text/plain");
    answer
}

/// A problem document (RFC 9457) of the framework below.
pub(crate) fn problem(status: StatusCode) -> Answer {
    json_status(status, problem_fields(status, status.canonical_reason().unwrap_or_default()))
}

/// 400 for a value in the path that does not parse.
pub(crate) fn not_valid(name: &str, value: &str) -> Answer {
    let status = StatusCode::BAD_REQUEST;
    let mut fields = problem_fields(status, "One or more validation errors occurred.");
    let message = format!("The value '{value}' is not valid.");
    fields.as_object_mut().map(|map| map.insert("errors".to_owned(), json!({ name: [message] })));
    json_status(status, fields)
}

fn problem_fields(status: StatusCode, title: &str) -> Value {
    let section = match status {
        StatusCode::NOT_FOUND => "15.5.5",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "15.5.16",
        _ => "15.5.1",
    };
    let trace = uuid::Uuid::new_v4().simple().to_string();
    let span = trace.get(..16).unwrap_or_default();
    json!({
        "type": format!("https://tools.ietf.org/html/rfc9110#section-{section}"),
        "title": title,
        "status": status.as_u16(),
        "traceId": format!("00-{trace}-{span}-00"),
    })
}

/// Text with a content type, with its length.
pub(crate) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(AnswerBody::Whole(body.into()));
    set(&mut answer, header::CONTENT_TYPE, content_type);
    answer
}

/// A redirect.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Answer {
    let mut answer = empty(status);
    set(&mut answer, header::LOCATION, location);
    answer
}

/// Sets a header. A value that no header can hold is left out: it came from the request.
pub(crate) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
