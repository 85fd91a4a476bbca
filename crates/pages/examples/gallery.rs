//! Writes every page into a folder, with the style sheet and icons beside them, to look at:
//! `cargo run -p usher-pages --example gallery -- FOLDER de`, then serve FOLDER.
#![expect(clippy::print_stdout, reason = "an example that says what it wrote")]

#[path = "gallery/identity.rs"]
mod identity;

use std::{env, error::Error, fs, path::Path};

use usher_pages::{
    Account, Apps, BadRequest, CertificateNeeded, ChooseProvider, ClosedHere, CodesOfApp, Contact,
    CookiesTooLarge, Devices, ErrorPage, Forgot, ForgotStep, GoingOn, HeadersTooLarge, Lack,
    Language, LeftSeat, LetIn, Link, LinkDoes, ListedDevice, ListedPerson, ListedSession, MadeLink,
    MayChange, Misdirected, NewApp, NewPasskeyQuestion, Newcomer, NoSession, NotFound, OwnApp,
    People, Portal, PortalRoute, PostForm, ProviderDown, Receipt, Refused, Seat, Sessions,
    ShownAppPassword, ShownPasskey, SignIn, SignInError, SignInFailed, SignOutConfirm, SignedOut,
    Starting, TooLarge, Trust, TypedInvitation, UpstreamDown, UpstreamSlow, UpstreamUnavailable,
    WaitingApp, Way, Welcome, Words, assets,
};

const HOST: &str = "tv.example.com";

fn receipt() -> Receipt<'static> {
    Receipt { request_id: "7f3a-19c4", at_seconds: 1_778_422_059, language: language() }
}

/// The one that is named after the folder, else English.
fn language() -> Language {
    env::args().nth(2).and_then(|tag| Language::of_tag(&tag)).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("which folder?")?;
    let folder = Path::new(&folder);
    for asset in assets() {
        let path = folder.join(asset.path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().ok_or("an asset without a folder")?)?;
        fs::write(path, asset.bytes)?;
    }
    for (name, document) in pages() {
        fs::write(folder.join(format!("{name}.html")), document)?;
        println!("{name}");
    }
    Ok(())
}

fn pages() -> Vec<(&'static str, String)> {
    let mut pages = forms();
    pages.extend(errors());
    pages.extend(apps());
    pages.extend(accounts());
    pages.push(("sessions", sessions()));
    pages.push(("devices", devices()));
    pages.push(("identity", identity::page()));
    pages.push(("trust", trust()));
    pages.push(("people", people()));
    pages
}

fn question() -> NewPasskeyQuestion<'static> {
    let called = "ann@example.com";
    NewPasskeyQuestion { challenge: "c", user: "u", called, site: HOST, known: String::new() }
}

fn apps() -> [(&'static str, String); 2] {
    let waiting = WaitingApp {
        id: "x",
        code: "814206",
        client: "Jellyfin Android TV",
        device: "the TV in the living room",
        address: "192.168.178.31",
        is_near: true,
        seconds: 14,
        held: None,
    };
    let own = OwnApp {
        id: "x",
        name: "Findroid on Pixel 8",
        since: 1_778_322_000,
        seen: Some((1_778_401_000, "2001:db8:3f0:11::7c2")),
        until: 1_781_014_059,
    };
    let said =
        "No app waits with this code. Codes last for ten minutes: have the app show a new one.";
    let form = PostForm::to("/link");
    let own = vec![own, OwnApp { name: "Swiftfin on Apple TV", seen: None, ..own }];
    let page = Apps {
        host: HOST,
        said: Some(Words::of(said)),
        asked: None,
        near: vec![waiting],
        own,
        form,
    };
    let asked =
        Apps { said: None, asked: Some(waiting), near: vec![], own: vec![], ..page.clone() };
    [("apps", page.render(language())), ("apps-asked", asked.render(language()))]
}

fn devices() -> String {
    let tv = ListedDevice {
        id: "x",
        person: "ann@example.com",
        name: "the TV in the living room",
        device: "SHIELD Android TV",
        client: "Jellyfin Android TV",
        host: HOST,
        by: LetIn::WithCode,
        since: 1_778_322_000,
        seen: Some((1_778_401_000, "2001:db8:3f0:11::7c2")),
        until: 1_781_014_059,
    };
    let phone = ListedDevice {
        name: "Pixel 8",
        device: "Pixel 8",
        client: "Findroid",
        by: LetIn::FromApp,
        seen: None,
        ..tv
    };
    let eve = ListedDevice { person: "eve@example.com", ..phone };
    let form = PostForm::to("/.pomerium/devices");
    Devices { own: vec![tv, phone], everybody: Some(vec![eve]), form }.render(language())
}

fn sessions() -> String {
    let session = |person, browser, is_this| ListedSession {
        id: "x",
        person,
        browser,
        address: "2001:db8:3f0:11::7c2",
        signed_in_at: 1_778_322_000,
        ends_at: 1_781_014_059,
        is_this,
    };
    let ann = |browser, is_this| session("ann@example.com", browser, is_this);
    Sessions {
        own: vec![ann("Firefox on Linux", true), ann("Safari on iPhone", false)],
        everybody: Some(vec![session("eve@example.com", "Chrome on Windows", false)]),
        end: PostForm::to("/.pomerium/sessions").with("csrf", "c"),
    }
    .render(language())
}

fn account() -> Account<'static> {
    let passkey = |label, used_at| ShownPasskey {
        label,
        added_at: 1_778_322_000,
        used_at,
        remove: PostForm::to("/.pomerium/account"),
    };
    let passkeys = vec![passkey("iPhone", Some(1_778_401_000)), passkey("Windows", None)];
    let (email, question) = ("ann@example.com", Some(question()));
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let new = NewApp { secret, address: format!("otpauth://totp/x?secret={secret}"), shown: "s" };
    let app = CodesOfApp::Unset(new);
    Account {
        email,
        note: None,
        passkeys,
        app,
        recovery: vec![],
        app_passwords: vec![ShownAppPassword {
            label: "rclone on my laptop",
            host: "files.example.com",
            over_at: Some(1_809_858_000),
            revoke: PostForm::to("/.pomerium/account"),
        }],
        new_app_password: Some("usher_8c1f0d2e4b6a8c1f0d2e4b6a8c1f0d2e"),
        hosts: vec!["files.example.com", "jellyfin.example.com"],
        passwords: true,
        question,
        flow: "f",
    }
}

fn accounts() -> [(&'static str, String); 3] {
    let new_app_password = None;
    let no_passwords = Account { passwords: false, new_app_password, ..account() };
    let (app, recovery) = (CodesOfApp::Set { recovery_left: 8 }, vec!["k7qd-3mzp"; 8]);
    let codes = Account { app, recovery, new_app_password, ..account() };
    [("account", account()), ("account-no-passwords", no_passwords), ("account-codes", codes)]
        .map(|(name, page)| (name, page.render(language())))
}

fn people() -> String {
    let person = |email, name, groups, passkeys, until| ListedPerson {
        email,
        name,
        groups,
        has_password: passkeys == 0,
        passkeys,
        has_codes: false,
        added_at: 1_778_322_000,
        until,
    };
    let guest = person("eve@example.com", "", vec![], 0, Some(1_778_472_459));
    let address = "https://login.example.com/.pomerium/welcome?invitation=4b6a8c1f0d2e4b6a8c1f";
    People {
        people: vec![person("ann@example.com", "Ann", vec!["admins", "family"], 2, None), guest],
        note: None,
        link: Some(MadeLink {
            does: LinkDoes::Invites { until: Some(1_778_472_459) },
            at: "https://login.example.com",
            over_at: 1_778_972_459,
            address,
            mailed_to: None,
        }),
        change: MayChange::Now { flow: "f" },
        typed: TypedInvitation::default(),
        mails: true,
    }
    .render(language())
}

fn welcome(who: Newcomer<'_>) -> String {
    let until = Some(1_778_472_459);
    Welcome {
        host: HOST,
        who,
        until,
        error: None,
        passwords: true,
        question: Some(question()),
        flow: "f",
    }
    .render(language())
}

fn forms() -> Vec<(&'static str, String)> {
    let way = |label| Way { label, to: Link::new("/.pomerium/sign_in/x") };
    let ways = [way("Google"), way("Microsoft"), way("id.example.com")];
    let sign_in = |email, error| {
        let (passwords, challenge) = (true, Some("c"));
        SignIn {
            host: HOST,
            email,
            error,
            flow: "f",
            passwords,
            challenge,
            account: None,
            forgot: Some(Link::new("/.pomerium/forgot")),
            ways: &[],
            contact: None,
        }
        .render(language())
    };
    let beside = SignIn {
        host: HOST,
        email: "",
        error: None,
        flow: "f",
        passwords: true,
        challenge: None,
        account: None,
        forgot: None,
        ways: &ways,
        contact: Some(Contact("ann@example.com")),
    };
    let passkey = SignIn {
        passwords: false,
        challenge: Some("c"),
        account: Some(Link::new("/.pomerium/account")),
        ways: &[],
        ..beside.clone()
    };
    let form = PostForm::to("/.pomerium/sign_out").with("csrf", "c");
    vec![
        ("welcome", welcome(Newcomer::Unnamed { email: "", name: "" })),
        ("welcome-again", welcome(Newcomer::Returning { email: "ann@example.com" })),
        ("sign-in", sign_in("", None)),
        ("sign-in-beside", beside.render(language())),
        ("sign-in-passkey", passkey.render(language())),
        ("forgot", {
            let step = ForgotStep::Asks { email: "", error: None, flow: "f" };
            Forgot { step, back: Link::new("/"), contact: None }.render(language())
        }),
        (
            "forgot-sent",
            Forgot { step: ForgotStep::Sent, back: Link::new("/"), contact: None }
                .render(language()),
        ),
        (
            "choose-provider",
            ChooseProvider { host: HOST, ways: &ways, contact: None }.render(language()),
        ),
        ("sign-in-wrong", sign_in("ann@example.com", Some(SignInError::Wrong))),
        (
            "sign-in-throttled",
            sign_in("ann@example.com", Some(SignInError::TooManyTries { minutes: 5 })),
        ),
        (
            "sign-out",
            SignOutConfirm {
                person: "ann@example.com",
                form,
                everywhere: true,
                stay: Link::new("/.pomerium/"),
            }
            .render(language()),
        ),
        (
            "seat",
            Seat { host: "tv.example.com", base: "", again: Link::new("/seat"), said: None }
                .render(language()),
        ),
        (
            "left-seat",
            LeftSeat {
                person: "ann@example.com",
                seat: Link::new("/seat"),
                sign_out: Link::new("/.pomerium/sign_out"),
            }
            .render(language()),
        ),
        (
            "starting",
            Starting { host: "tv.example.com", again: Link::new("/web/") }.render(language()),
        ),
        ("going-on", GoingOn { next: Link::new("/") }.render(language())),
        ("signed-out", SignedOut { sign_in_again: Some(Link::new("/")) }.render(language())),
        (
            "portal",
            Portal {
                routes: vec![PortalRoute {
                    name: "films",
                    description: "",
                    from: "https://tv.example.com",
                    link: Some(Link::new("https://tv.example.com/")),
                    command: None,
                }],
            }
            .render(language()),
        ),
        (
            "no-session",
            NoSession { host: HOST, sign_in: Link::new("/.pomerium/sign_in") }.render(language()),
        ),
    ]
}

fn errors() -> Vec<(&'static str, String)> {
    let (host, receipt) = (HOST, receipt());
    let switch_account = Some(PostForm::to("/.pomerium/sign_out").with("csrf", "c"));
    let reasons = &["email-unauthorized", "groups-unauthorized"];
    let person = Some("eve@example.com");
    let contact = Some(Contact("ann@example.com"));
    let try_again = || Link::new("/");
    let pages: [(&str, &dyn ErrorPage); 17] = [
        ("closed-here", &ClosedHere { why: "Nobody gets this from outside.", receipt }),
        (
            "refused",
            &Refused {
                person,
                host,
                switch_account: switch_account.clone(),
                reasons: &[],
                contact,
                receipt,
            },
        ),
        ("refused-why", &Refused { person, host, switch_account, reasons, contact, receipt }),
        (
            "refused-nobody",
            &Refused { person: None, host, switch_account: None, reasons: &[], contact, receipt },
        ),
        (
            "certificate-missing",
            &CertificateNeeded { lacks: Lack::Certificate, host, contact, receipt },
        ),
        ("not-found", &NotFound { host, receipt }),
        ("misdirected", &Misdirected { host, receipt }),
        (
            "bad-request",
            &BadRequest { why: Some("Its path holds an encoded slash.".into()), receipt },
        ),
        ("too-large", &TooLarge { receipt }),
        ("headers-too-large", &HeadersTooLarge { receipt }),
        ("cookies-too-large", &CookiesTooLarge { try_again: Some(try_again()), receipt }),
        ("upstream-down", &UpstreamDown { host, try_again: Some(try_again()), receipt }),
        (
            "upstream-unavailable",
            &UpstreamUnavailable { host, try_again: Some(try_again()), receipt },
        ),
        ("upstream-slow", &UpstreamSlow { host, try_again: Some(try_again()), receipt }),
        ("provider-down", &ProviderDown { host, try_again: try_again(), receipt }),
        (
            "sign-in-failed",
            &SignInFailed {
                why: "The sign-in took too long, or it was begun in another browser.",
                try_again: try_again(),
                receipt,
            },
        ),
        (
            "refused-long",
            &Refused {
                person: Some("maximiliana.featherstonehaugh-cholmondeley@cinema.example.org"),
                host: "the-living-room-television.on-the-first-floor.example.org",
                switch_account: None,
                reasons: &[],
                contact,
                receipt,
            },
        ),
    ];
    pages.map(|(name, page)| (name, page.render())).into()
}

fn trust() -> String {
    Trust {
        host: "jellyfin.local",
        address: "https://jellyfin.local/.pomerium/trust",
        fingerprint: "5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A:5F:0A",
        pem: Link::new("/.pomerium/trust/usher-ca.pem"),
        der: Link::new("/.pomerium/trust/usher-ca.crt"),
        profile: Link::new("/.pomerium/trust/usher.mobileconfig"),
    }
    .render(language())
}
