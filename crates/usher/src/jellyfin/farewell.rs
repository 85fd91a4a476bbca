//! What a device reads on its screen when its app was ended. The server tells it, by its socket, which
//! stays open for that long (see `request/forward/relay.rs`): nothing waits for it but the server's
//! own part of the end.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use usher_pages::Words;
use usher_rules::jellyfin::DeviceAt;

use super::{
    api::{Api, NotDone, escaped, id_of, read, text},
    bound::Reader,
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long it is to be read, in milliseconds.
const SHOWN_FOR: u32 = 15_000;

const ENDED: &str = "Access ended";
const WHY: &str = "This app may not open {host} any more. To go on, let it in again.";

/// Has a server tell a device, as far as it can in time.
pub(super) async fn tell(api: &Api<'_>, at: &DeviceAt, reader: &Reader) {
    let why = Words::of(WHY).with("host", &*at.host);
    let message = json!({
        "Header": Words::of(ENDED).in_language(reader.language),
        "Text": why.in_language(reader.language),
        "TimeoutMs": SHOWN_FOR,
    });
    let told = api.show(&at.device_id, &reader.user, &message);
    let _whoever_looks_sees_it = tokio::time::timeout(PATIENCE, told).await;
}

impl Api<'_> {
    /// Shows a message on a device, to that user and nobody else.
    async fn show(&self, device_id: &str, user: &str, message: &Value) -> Result<(), NotDone> {
        let target = format!("/Sessions?deviceId={}", escaped(device_id));
        let (_, sessions) = self.administer(Method::GET, &target, None).await?;
        let sessions = read(&sessions)?;
        for session in sessions.as_array().into_iter().flatten() {
            let of = json!({ "Id": session.get("UserId") });
            let is_theirs = id_of(&of).is_ok_and(|id| *id == *user);
            let is_there = session.get("DeviceId").is_some_and(|id| *id == *device_id);
            if is_theirs && is_there {
                let target = format!("/Sessions/{}/Message", text(session, "Id")?);
                self.administer(Method::POST, &target, Some(message.clone())).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use usher_pages::Language;

    use super::{ENDED, WHY};

    #[test]
    fn what_a_device_reads_is_said_in_every_language() {
        for english in [ENDED, WHY] {
            for messages in Language::ALL.into_iter().filter_map(Language::messages) {
                assert!(messages.contains_key(english), "{english}");
            }
        }
    }
}
