//! Bytes as they stand on the wire, for tests of what a client library would not send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{browser::Browser, patience::within};

/// Says these bytes on a connection for `host` and reads until the server hangs up.
pub async fn say(browser: &Browser, host: &str, bytes: &[u8]) -> String {
    let mut stream = browser.connect(host).await;
    let _refused = stream.write_all(bytes).await;
    let _refused = stream.flush().await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _over = within("the server hangs up", reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer; 0 where there is none.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
