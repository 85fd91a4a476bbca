//! What is open to whoever says that they are a window of an app.

use http::Method;
use usher_lab::{browser::NAVIGATION, upstream::Upstream};

use super::{android, webos};
use crate::jellyfin::{TV, heads, open};

const CHROME: &str = "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like \
                      Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";

#[tokio::test]
async fn a_window_of_an_app_gets_the_web_client_and_nothing_else() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    for agent in [android::MODEL.user_agent, webos::MODEL.user_agent, CHROME] {
        for (path, in_window, in_browser) in [
            ("/", 200, 302),
            ("/web/", 200, 302),
            ("/WEB/index.html", 200, 302),
            ("/web/ConfigurationPage?name=x", 403, 403),
            ("/Users/Me", 302, 302),
            ("/System/Info", 302, 302),
            ("/Items/0a/Images/Primary", 401, 401),
            ("/Startup/User", 403, 403),
            ("/web/../Users/Me", 302, 302),
            ("/link", 302, 302),
        ] {
            let before = heads(&upstream).len();
            let fields = [NAVIGATION, &[("user-agent", agent)]].concat();
            let url = format!("{TV}{path}");
            let seen = server.browser().send(Method::GET, &url, &fields, "").await;
            let expected = if agent == CHROME { in_browser } else { in_window };
            assert_eq!(seen.status, expected, "{path} for {agent}");
            let reached = heads(&upstream).len() - before;
            assert_eq!(reached, usize::from(expected == 200), "{path} for {agent}");
        }
    }
}
