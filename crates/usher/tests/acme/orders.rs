use std::os::unix::fs::PermissionsExt as _;

use http::StatusCode;

use crate::{
    house::House,
    street::{Street, files, issued, told},
};

const HOST: &str = "tv.example.com";
const PAGE: &str = "https://tv.example.com/";

/// The start is not held up, the local authority signs meanwhile, and then the real one does.
#[tokio::test]
async fn proof_by_tls_alone() {
    let street = Street::open(|_| {}).await;
    let house = House::open(&street.config(&[HOST], "")).await;
    issued(&house, HOST).await;
    let mut browser = street.browser(&house).await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    assert!(
        told(&house, HOST, "issuer")[0].contains("Pebble"),
        "{:?}",
        told(&house, HOST, "issuer")
    );
    assert!(told(&house, HOST, "cause").is_empty(), "nothing went wrong");

    let names = house.data_dir().join("acme/names");
    assert_eq!(files(&names), ["tv.example.com.json", "tv.example.com.pem"]);
    for file in files(&names) {
        let mode = std::fs::metadata(names.join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is its owner's alone");
    }
    assert!(!house.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn proof_by_http_where_a_plain_listener_is() {
    let street = Street::open(|settings| settings.tls = street_nobody()).await;
    let house = House::open(&street.config(&[HOST], &street.http_line())).await;
    issued(&house, HOST).await;
    assert_eq!(street.browser(&house).await.fetch(PAGE).await.status, StatusCode::OK);
}

fn street_nobody() -> std::net::SocketAddr {
    usher_lab::pebble::free_port()
}
