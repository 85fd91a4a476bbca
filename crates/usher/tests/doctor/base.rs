//! A Jellyfin below a base path, and routes that do not know of one.

use usher_lab::upstream::{Exchange, Upstream};

use crate::setup::{GOOD, KEY, Setup, healthy};

/// A Jellyfin below `/jf`: what is asked of another path leads there, or is nobody's.
fn below() -> Upstream {
    const INFO: &[u8] = br#"{"ProductName":"Jellyfin Server","Version":"10.11.11","Id":"x","StartupWizardCompleted":true}"#;
    Upstream::start(async |exchange: &mut Exchange| {
        let target = exchange.head.split(' ').nth(1).unwrap_or_default().to_owned();
        match &*target {
            "/" => exchange.reply(302, "location: jf/web/\r\n", b"").await,
            "/jf/System/Info/Public" => exchange.reply(200, "", INFO).await,
            _ => exchange.reply(404, "", b"").await,
        }
    })
}

async fn told(says: &str) -> Vec<String> {
    let app = below();
    let setup = Setup::with(healthy(), &format!("{GOOD}{says}")).await;
    let text = std::fs::read_to_string(setup.config()).unwrap();
    let text = text.replace(&setup.cinema.addr.to_string(), &app.address.to_string());
    std::fs::write(setup.config(), text).unwrap();
    let all = setup.examined().await;
    let wanted = all.iter().filter(|one| ["D108", "D204"].contains(&one.code.id));
    wanted.map(|one| format!("{} {one}", one.code.id)).collect()
}

#[tokio::test]
async fn a_base_path_is_found_by_the_server_s_own_redirect() {
    let all = told(&format!("  jellyfin: {{api_key: {KEY}}}\n")).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("D204 error") && all[0].contains("base_path: /jf"), "{all:?}");
    let all = told(&format!("  jellyfin: {{api_key: {KEY}, base_path: /jf}}\n")).await;
    assert!(all[0].starts_with("D204 ok"), "{all:?}");
    let all = told("").await;
    assert_eq!(all.len(), 1, "{all:?}");
    let (code, base) = ("D108 warning", "{base_path: /jf, api_key_file: FILE}");
    assert!(all[0].starts_with(code) && all[0].contains(base), "{all:?}");
}

#[tokio::test]
async fn a_base_path_that_a_server_does_not_have_is_told() {
    let says = format!("{GOOD}  jellyfin: {{api_key: {KEY}, base_path: /other}}\n");
    let setup = Setup::with(healthy(), &says).await;
    let told = setup.told().await;
    assert!(told[0].contains("it has no base path"), "{told:?}");
    assert!(told[0].contains("delete `jellyfin.base_path`"), "{told:?}");
}
