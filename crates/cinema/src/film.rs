//! The film: a small one that is built in, or a file.

use std::{
    io::{self, Read as _, SeekFrom},
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use hyper::body::Frame;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncSeekExt, ReadBuf},
};

use crate::{
    answer::{self, Answer, AnswerBody},
    range::Asked,
};

/// The built-in film: MP4, H.264 and AAC, 48 seconds, a key frame every two seconds.
///
/// The time runs in its lower left corner, so that a seek can be read off the picture.
pub const SMALL_FILM: &[u8] = include_bytes!("../assets/film.mp4");

/// Its poster, a JPEG of 400 by 600.
pub(crate) const POSTER: &[u8] = include_bytes!("../assets/poster.jpg");

/// Seconds from 1970 to when the built-in film and page were last changed: a fixed moment, so that
/// `Last-Modified` is the same at each start.
const BUILT_IN_CHANGED: u64 = 1_795_564_800;

/// Read at once from a file. Larger reads cost memory for each client that does not read.
const READ_BYTES: usize = 128 * 1024;

/// How much of a file is searched for its running time.
const START_BYTES: u64 = 64 * 1024;

/// What the stand-in shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Film {
    /// [`SMALL_FILM`].
    Small,
    /// A file, read as clients ask for it. Its container is taken from the name.
    File(PathBuf),
}

/// The film with what has to be known about it, found once at the start.
#[derive(Clone, Debug)]
pub(crate) struct OpenFilm {
    film: Film,
    /// In bytes.
    pub length: u64,
    pub changed: SystemTime,
    /// In ticks of 100 nanoseconds. Not known where a file does not begin as an MP4 does.
    pub run_time_ticks: Option<u64>,
}

impl OpenFilm {
    /// # Errors
    /// When the file cannot be looked at.
    pub(crate) fn open(film: Film) -> io::Result<Self> {
        let (length, changed, run_time_ticks) = match &film {
            Film::Small => (SMALL_FILM.len() as u64, built_in_changed(), run_time(SMALL_FILM)),
            Film::File(path) => {
                let metadata = std::fs::metadata(path)?;
                let mut start = Vec::new();
                std::fs::File::open(path)?.take(START_BYTES).read_to_end(&mut start)?;
                (metadata.len(), metadata.modified()?, run_time(&start))
            }
        };
        Ok(Self { film, length, changed, run_time_ticks })
    }

    /// The title, with the year as the real library shows it.
    pub(crate) fn title(&self) -> String {
        match &self.film {
            Film::Small => "The Stand-in (2026)".to_owned(),
            Film::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// The container's short name, which is also the extension: `mp4`.
    pub(crate) fn container(&self) -> String {
        match &self.film {
            Film::Small => "mp4".to_owned(),
            Film::File(path) => path
                .extension()
                .map_or_else(|| "mp4".to_owned(), |found| found.to_string_lossy().to_lowercase()),
        }
    }

    fn content_type(&self) -> &'static str {
        match self.container().as_str() {
            "mkv" => "video/x-matroska",
            "webm" => "video/webm",
            "ts" => "video/mp2t",
            _ => "video/mp4",
        }
    }

    /// The original bytes, with ranges.
    ///
    /// # Errors
    /// When the file is gone.
    pub(crate) async fn original(&self, request: &HeaderMap) -> io::Result<Answer> {
        let asked = match request.get(header::RANGE).and_then(|value| value.to_str().ok()) {
            Some(range) => Asked::parse(range, self.length),
            None => Asked::Everything,
        };
        let (status, first, count) = match asked {
            Asked::Everything => (StatusCode::OK, 0, self.length),
            Asked::Part { first, count } => (StatusCode::PARTIAL_CONTENT, first, count),
            Asked::PastTheEnd => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        };
        let mut answer = Answer::new(self.bytes(first, count).await?);
        *answer.status_mut() = status;
        answer::set(&mut answer, header::CONTENT_TYPE, self.content_type());
        answer::set(&mut answer, header::ACCEPT_RANGES, "bytes");
        let changed = httpdate::fmt_http_date(self.changed);
        answer::set(&mut answer, header::LAST_MODIFIED, &changed);
        let content_range = match asked {
            Asked::Everything => None,
            Asked::Part { .. } => {
                Some(format!("bytes {first}-{}/{}", first + count - 1, self.length))
            }
            Asked::PastTheEnd => Some(format!("bytes */{}", self.length)),
        };
        if let Some(content_range) = content_range {
            answer::set(&mut answer, header::CONTENT_RANGE, &content_range);
        }
        Ok(answer)
    }

    /// What a transcoder would send: chunks, no ranges. The bytes are the original's.
    ///
    /// # Errors
    /// When the file is gone.
    pub(crate) async fn transcoded(&self) -> io::Result<Answer> {
        let body = match self.bytes(0, self.length).await? {
            AnswerBody::Whole(bytes) | AnswerBody::Chunked(bytes) => AnswerBody::Chunked(bytes),
            AnswerBody::File(slice) | AnswerBody::ChunkedFile(slice) => {
                AnswerBody::ChunkedFile(slice)
            }
        };
        let mut answer = Answer::new(body);
        answer::set(&mut answer, header::CONTENT_TYPE, self.content_type());
        answer::set(&mut answer, header::ACCEPT_RANGES, "none");
        Ok(answer)
    }

    async fn bytes(&self, first: u64, count: u64) -> io::Result<AnswerBody> {
        match &self.film {
            Film::Small => {
                let start = usize::try_from(first).unwrap_or(usize::MAX);
                let end = usize::try_from(first + count).unwrap_or(usize::MAX);
                let part = SMALL_FILM.get(start..end).unwrap_or_default();
                Ok(AnswerBody::Whole(Bytes::from_static(part)))
            }
            Film::File(path) => {
                let mut file = File::open(path).await?;
                if first > 0 {
                    file.seek(SeekFrom::Start(first)).await?;
                }
                Ok(AnswerBody::File(Box::new(FileSlice { file, left: count })))
            }
        }
    }
}

/// When what is built in was last changed.
pub(crate) fn built_in_changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BUILT_IN_CHANGED)
}

/// The running time from an MP4's `mvhd` box (ISO/IEC 14496-12 §8.2.2), in ticks of 100 ns.
fn run_time(start: &[u8]) -> Option<u64> {
    let at = start.windows(4).position(|four| four == b"mvhd")?;
    let fields = start.get(at + 4..)?;
    let u32_at = |place: usize| {
        let four = fields.get(place..place + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_be_bytes(four)))
    };
    let (scale, duration) = match fields.first()? {
        0 => (u32_at(12)?, u32_at(16)?),
        _ => (u32_at(20)?, (u32_at(24)? << 32) | u32_at(28)?),
    };
    duration.checked_mul(10_000_000)?.checked_div(scale)
}

/// Part of an open file.
pub(crate) struct FileSlice {
    file: File,
    left: u64,
}

impl FileSlice {
    /// Bytes that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next frame. Reads nothing ahead of the client: hyper asks when the socket has room.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let size = usize::try_from(self.left).unwrap_or(READ_BYTES).min(READ_BYTES);
        if size == 0 {
            return Poll::Ready(None);
        }
        let mut memory = vec![0; size];
        let mut buffer = ReadBuf::new(&mut memory);
        if let Err(cause) = ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(cause)));
        }
        let count = buffer.filled().len();
        if count == 0 {
            let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the film became shorter");
            return Poll::Ready(Some(Err(cut)));
        }
        memory.truncate(count);
        self.left -= count as u64;
        Poll::Ready(Some(Ok(Frame::data(memory.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_time() {
        assert_eq!(run_time(SMALL_FILM), Some(480_000_000), "48 seconds");
        assert_eq!(run_time(b"not a film"), None);
        assert_eq!(run_time(b"mvhd\0\0"), None, "cut short");
    }
}
