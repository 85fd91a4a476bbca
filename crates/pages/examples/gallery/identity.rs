//! The page that shows somebody who they are.

use usher_pages::{Claim, Identity, Link, PostForm, ShownSession};

use super::{HOST, language};

pub(super) fn page() -> String {
    let claim = |name, values: &[&'static str]| Claim {
        name,
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let session = |id, signed_in_at| ShownSession { id, signed_in_at, ends_at: 1_778_472_459 };
    Identity {
        host: HOST,
        name: "Ann Lumière",
        email: "ann@example.com",
        id: "6e7c1f0e-4c1e-4f5e-9a53-0d6b2f6d1b11",
        groups: vec!["family".into(), "film-club".into(), "admins".into()],
        claims: vec![
            claim("email", &["ann@example.com"]),
            claim("email_verified", &["true"]),
            claim("family_name", &["Lumière"]),
            claim("given_name", &["Ann"]),
            claim("groups", &["family", "film-club", "admins"]),
            claim("iss", &["https://authenticate.example.com"]),
            claim("name", &["Ann Lumière"]),
            claim("sub", &["6e7c1f0e-4c1e-4f5e-9a53-0d6b2f6d1b11"]),
        ],
        doubts: vec![],
        session: session("0b0f5a3c-9f0e-4b7e-8a52-6f3c1c9f1d10", 1_778_422_059),
        others: vec![
            session("d41d8cd9-8f00-4204-a980-0998ecf8427e", 1_778_401_000),
            session("9e107d9d-372b-46bc-8bd8-1d7d34d0c5a1", 1_778_322_000),
        ],
        vouched_for: true,
        account: Some(Link::new("/.pomerium/account")),
        devices: Some(Link::new("/.pomerium/devices")),
        people: None,
        doctor: Some(Link::new("/.pomerium/doctor")),
        portal: None,
        sign_out: PostForm::to("/.pomerium/sign_out").with("csrf", "c"),
        sign_out_everywhere: PostForm::to("/.pomerium/sign_out").with("csrf", "c"),
    }
    .render(language())
}
