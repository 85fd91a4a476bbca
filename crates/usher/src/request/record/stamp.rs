use std::cell::RefCell;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use usher_rules::time::{Now, UnixTime};

thread_local! {
    static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// RFC 3339 in whole seconds, UTC; made once a second.
pub(super) fn rfc3339(at: UnixTime, write: impl FnOnce(&str)) {
    LAST.with_borrow_mut(|(second, text)| {
        if *second != at.seconds() {
            *text = moment(at);
            *second = at.seconds();
        }
        write(text);
    });
}

/// A moment of its own, RFC 3339 in whole seconds, UTC.
pub fn moment(at: UnixTime) -> String {
    let moment = i64::try_from(at.seconds())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| "never".into())
}

/// `14:02:11.204` UTC, for a terminal.
pub(super) fn clock(out: &mut Vec<u8>, now: Now) {
    use std::io::Write as _;
    let second = now.wall.seconds() % 86_400;
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let _ = write!(out, "{h:02}:{m:02}:{s:02}.{:03}", now.wall_millis); // a Vec takes everything
}
