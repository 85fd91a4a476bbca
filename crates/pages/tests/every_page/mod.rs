//! Every page of this crate, each of its texts set to one given text.

mod doctor;
mod forgot;

use usher_pages::{
    Account, Apps, BadRequest, CertificateNeeded, ChooseProvider, Claim, ClockUnset, ClosedHere,
    Code, CodesOfApp, Contact, CookiesTooLarge, DeviceRefused, Devices, Enrolments, ErrorPage,
    ForeignForm, GoingOn, HeadersTooLarge, Identity, InternalError, Lack, Language, LeftSeat,
    LetIn, Link, LinkDoes, ListedDevice, ListedEnrolment, ListedPerson, MadeLink, MayChange,
    Misdirected, NewApp, NewPasskeyQuestion, Newcomer, NoDevices, NoSession, NotFound,
    NotImplemented, NotKept, NotNow, OwnApp, People, Portal, PortalRoute, PostForm, ProgramConsent,
    ProviderDown, Receipt, Refused, RequestTimeout, Seat, SetUpWrong, ShownAppPassword,
    ShownPasskey, ShownSession, SignIn, SignInError, SignInFailed, SignOutConfirm, SignedOut,
    Starting, StoreTrouble, TooLarge, Trust, TypedInvitation, Unauthenticated, UpgradeRefused,
    UpstreamDown, UpstreamSlow, UpstreamUnavailable, WaitingApp, Way, Welcome, Words,
    WorkerBetween,
};

/// 2026-05-10T14:07:39Z
pub const AT_SECONDS: u64 = 1_778_422_059;

/// Name and document of every page.
pub fn documents(text: &str) -> Vec<(&'static str, String)> {
    documents_in(Language::English, text)
}

/// The same in a language.
pub fn documents_in(language: Language, text: &str) -> Vec<(&'static str, String)> {
    let mut documents = others(language, text);
    documents.extend(forgot::pages(language, text));
    documents.extend(doctor::pages(language, text));
    documents
        .extend(errors_in(language, text).into_iter().map(|(name, page)| (name, page.render())));
    documents
}

/// Name of every page that reports an error, and the page.
pub fn errors(text: &str) -> Vec<(&'static str, Box<dyn ErrorPage + '_>)> {
    errors_in(Language::English, text)
}

fn errors_in(language: Language, text: &str) -> Vec<(&'static str, Box<dyn ErrorPage + '_>)> {
    let receipt = Receipt { request_id: text, at_seconds: AT_SECONDS, language };
    let (host, try_again) = (text, || Link::new(text));
    let contact = Some(Contact(text));
    let refused = |person, switch_account| {
        Box::new(Refused { person, host, switch_account, reasons: &[], contact, receipt })
    };
    let certificate = |lacks| Box::new(CertificateNeeded { lacks, host, contact, receipt });
    let not_now = |trouble| {
        let heading = "You are still signed in.";
        NotNow { trouble, heading, try_again: Some(try_again()), receipt }
    };
    vec![
        ("refused", refused(Some(text), Some(form(text)))),
        ("refused-for-good", refused(Some(text), None)),
        ("refused-nobody", refused(None, None)),
        ("certificate-missing", certificate(Lack::Certificate)),
        ("certificate-invalid", certificate(Lack::Validity)),
        ("device-refused", Box::new(DeviceRefused { host, contact, receipt })),
        ("no-devices", Box::new(NoDevices { host, contact, receipt })),
        ("not-found", Box::new(NotFound { host, receipt })),
        ("misdirected", Box::new(Misdirected { host, receipt })),
        ("bad-request", Box::new(BadRequest { why: Some(text.into()), receipt })),
        ("bad-request-no-why", Box::new(BadRequest { why: None, receipt })),
        ("too-large", Box::new(TooLarge { receipt })),
        ("headers-too-large", Box::new(HeadersTooLarge { receipt })),
        ("cookies-too-large", Box::new(CookiesTooLarge { try_again: Some(try_again()), receipt })),
        ("closed-here", Box::new(ClosedHere { why: text, receipt })),
        ("upgrade-refused", Box::new(UpgradeRefused { why: text, receipt })),
        ("request-timeout", Box::new(RequestTimeout { receipt })),
        ("not-implemented", Box::new(NotImplemented { why: text, receipt })),
        ("unauthenticated", Box::new(Unauthenticated { sign_in: try_again(), contact, receipt })),
        ("clock-unset", Box::new(ClockUnset { try_again: Some(Link::new(text)), receipt })),
        ("internal-error", Box::new(InternalError { receipt })),
        ("upstream-down", Box::new(UpstreamDown { host, try_again: Some(try_again()), receipt })),
        (
            "upstream-unavailable",
            Box::new(UpstreamUnavailable { host, try_again: Some(try_again()), receipt }),
        ),
        ("upstream-slow", Box::new(UpstreamSlow { host, try_again: Some(try_again()), receipt })),
        ("upstream-slow-posted", Box::new(UpstreamSlow { host, try_again: None, receipt })),
        ("provider-down", Box::new(ProviderDown { host, try_again: try_again(), receipt })),
        ("set-up-wrong", Box::new(SetUpWrong { again: try_again(), receipt })),
        ("not-now", Box::new(not_now(StoreTrouble::Unavailable))),
        ("not-now-full", Box::new(not_now(StoreTrouble::Full))),
        ("not-now-damaged", Box::new(not_now(StoreTrouble::Damaged))),
        ("not-now-refused", Box::new(not_now(StoreTrouble::Refused))),
        ("foreign-form", Box::new(ForeignForm { receipt })),
        ("worker-between", Box::new(WorkerBetween { again: try_again(), receipt })),
        ("not-kept", Box::new(NotKept { receipt })),
        ("sign-in-failed", Box::new(SignInFailed { why: text, try_again: try_again(), receipt })),
    ]
}

fn form(text: &str) -> PostForm<'_> {
    PostForm::to(text).with(text, text)
}

fn others(language: Language, text: &str) -> Vec<(&'static str, String)> {
    let ways = [(); 2].map(|()| Way { label: text, to: Link::new(text) });
    let (flow, challenge, ways) = (text, Some(text), &ways[..]);
    let contact = Some(Contact(text));
    let page = SignIn {
        host: text,
        email: "",
        error: None,
        flow,
        passwords: true,
        challenge,
        account: None,
        forgot: Some(Link::new(text)),
        ways,
        contact,
    };
    let sign_in = |email, error| SignIn { email, error, ..page.clone() }.render(language);
    let alone = SignIn { passwords: false, ..page.clone() };
    let again = SignIn { account: Some(Link::new(text)), ..alone.clone() };
    let choose = ChooseProvider { host: text, ways, contact };
    let session = ShownSession { id: text, signed_in_at: AT_SECONDS, ends_at: u64::MAX };
    let identity = Identity {
        host: text,
        name: text,
        email: text,
        id: text,
        groups: vec![text.into(), text.into()],
        claims: vec![Claim { name: text, values: vec![text.into(), text.into()] }],
        doubts: vec![text.into(), text.into()],
        session,
        others: vec![session, session],
        vouched_for: true,
        account: Some(Link::new(text)),
        devices: Some(Link::new(text)),
        people: Some(Link::new(text)),
        doctor: Some(Link::new(text)),
        portal: Some(Link::new(text)),
        sign_out: form(text),
        sign_out_everywhere: form(text),
    };
    let bare = Identity {
        name: "",
        email: "",
        groups: vec![],
        claims: vec![],
        doubts: vec![],
        others: vec![],
        vouched_for: false,
        account: None,
        devices: None,
        people: None,
        doctor: None,
        portal: None,
        ..identity.clone()
    };
    let confirm = |everywhere| {
        SignOutConfirm { person: text, form: form(text), everywhere, stay: Link::new(text) }
            .render(language)
    };
    let trust = Trust {
        host: text,
        address: text,
        fingerprint: text,
        pem: Link::new(text),
        der: Link::new(text),
        profile: Link::new(text),
    };
    vec![
        ("trust", trust.render(language)),
        ("sign-in", sign_in("", None)),
        ("passkeys-alone", alone.render(language)),
        ("passkey-again", again.render(language)),
        ("choose-provider", choose.render(language)),
        ("sign-in-prefilled", sign_in(text, None)),
        ("sign-in-wrong", sign_in(text, Some(SignInError::Wrong))),
        ("sign-in-throttled", sign_in(text, Some(SignInError::TooManyTries { minutes: 5 }))),
        ("sign-in-unavailable", sign_in(text, Some(SignInError::Unavailable))),
        ("sign-in-expired", sign_in(text, Some(SignInError::Expired))),
        ("sign-out", confirm(false)),
        ("sign-out-everywhere", confirm(true)),
        ("program", program(language, text)),
        ("going-on", GoingOn { next: Link::new(text) }.render(language)),
        (
            "seat",
            Seat { host: text, base: text, again: Link::new(text), said: None }.render(language),
        ),
        ("seat-refused", {
            let said = Some(Words::of("This takes a moment."));
            Seat { host: text, base: text, again: Link::new(text), said }.render(language)
        }),
        ("left-seat", {
            let (seat, sign_out) = (Link::new(text), Link::new(text));
            LeftSeat { person: text, seat, sign_out }.render(language)
        }),
        ("starting", Starting { host: text, again: Link::new(text) }.render(language)),
        ("apps", apps(language, text)[0].clone()),
        ("apps-asked", apps(language, text)[1].clone()),
        ("signed-out", SignedOut { sign_in_again: None }.render(language)),
        ("signed-out-again", SignedOut { sign_in_again: Some(Link::new(text)) }.render(language)),
        ("people", people(language, text)[0].clone()),
        ("people-later", people(language, text)[1].clone()),
        ("people-again", people(language, text)[2].clone()),
        ("devices", devices(language, text)[0].clone()),
        ("devices-none", devices(language, text)[1].clone()),
        ("portal", portal(language, text)),
        ("portal-empty", Portal { routes: vec![] }.render(language)),
        ("no-session", NoSession { host: text, sign_in: Link::new(text) }.render(language)),
        ("identity", identity.render(language)),
        ("identity-bare", bare.render(language)),
        ("account", account(language, text)[0].clone()),
        ("account-no-app", account(language, text)[1].clone()),
        ("enrolments", enrolments(language, text)[0].clone()),
        ("enrolments-left-open", enrolments(language, text)[1].clone()),
        ("code", Code { host: text, error: None, flow: text, shown: text }.render(language)),
        ("welcome", welcome(language, text, Newcomer::Invited { email: text, name: text })),
        ("welcome-unnamed", welcome(language, text, Newcomer::Unnamed { email: text, name: text })),
        ("welcome-again", welcome(language, text, Newcomer::Returning { email: text })),
    ]
}

fn question(text: &str) -> NewPasskeyQuestion<'_> {
    let known = text.to_owned();
    NewPasskeyQuestion { challenge: text, user: text, called: text, site: text, known }
}

fn enrolments(language: Language, text: &str) -> [String; 2] {
    let device = |used_at, is_approved| ListedEnrolment {
        person: text,
        label: text,
        added_at: AT_SECONDS,
        used_at,
        is_approved,
        remove: form(text),
    };
    let page = Enrolments {
        host: Some(text),
        note: Some(text),
        devices: vec![device(None, false), device(Some(AT_SECONDS), true)],
        others: vec![device(Some(AT_SECONDS), false)],
        show: Some(text),
        make: Some(text),
        is_recent: true,
        user: text,
        called: text,
        site: text,
        allowed: text,
        flow: text,
    };
    let left_open = Enrolments {
        host: None,
        devices: vec![],
        others: vec![],
        make: None,
        is_recent: false,
        ..page.clone()
    };
    [page.render(language), left_open.render(language)]
}

fn account(language: Language, text: &str) -> [String; 2] {
    let passkey =
        |used_at| ShownPasskey { label: text, added_at: AT_SECONDS, used_at, remove: form(text) };
    let passkeys = vec![passkey(None), passkey(Some(AT_SECONDS))];
    let question = Some(question(text));
    let recovery = vec![text, text];
    let app = CodesOfApp::Set { recovery_left: 1 };
    let page = Account {
        email: text,
        note: Some(text),
        passkeys,
        app,
        recovery,
        app_passwords: vec![ShownAppPassword {
            label: text,
            host: text,
            over_at: Some(AT_SECONDS),
            revoke: form(text),
        }],
        new_app_password: Some(text),
        hosts: vec![text],
        passwords: true,
        question,
        flow: text,
    };
    let new = NewApp { secret: text, address: text.to_owned(), shown: text };
    let bare = Account { app: CodesOfApp::Unset(new), recovery: vec![], ..page.clone() };
    [page.render(language), bare.render(language)]
}

fn welcome(language: Language, text: &str, who: Newcomer<'_>) -> String {
    let (until, error) = (Some(AT_SECONDS), Some(text));
    Welcome {
        host: text,
        who,
        until,
        error,
        passwords: true,
        question: Some(question(text)),
        flow: text,
    }
    .render(language)
}

fn people(language: Language, text: &str) -> [String; 3] {
    let guest = ListedPerson {
        email: text,
        name: text,
        groups: vec![text, text],
        has_password: true,
        passkeys: 2,
        has_codes: true,
        added_at: AT_SECONDS,
        until: Some(AT_SECONDS),
    };
    let bare = ListedPerson {
        name: "",
        groups: vec![],
        has_password: false,
        passkeys: 0,
        has_codes: false,
        until: None,
        ..guest.clone()
    };
    let typed = TypedInvitation {
        email: text,
        name: text,
        groups: text,
        until: text,
        days: text,
        mail: text,
    };
    let invites = MadeLink {
        does: LinkDoes::Invites { until: Some(AT_SECONDS) },
        at: text,
        over_at: AT_SECONDS,
        address: text,
        mailed_to: Some(text),
    };
    let recovers = MadeLink { does: LinkDoes::Recovers { email: text }, ..invites.clone() };
    let page = People {
        people: vec![guest, bare],
        note: Some(text),
        link: Some(invites),
        change: MayChange::Now { flow: text },
        typed,
        mails: true,
    };
    let change = MayChange::AfterSignIn(Link::new(text));
    let later = People { note: None, link: None, change, ..page.clone() };
    let again = People { note: None, link: Some(recovers), ..page.clone() };
    [page.render(language), later.render(language), again.render(language)]
}

fn portal(language: Language, text: &str) -> String {
    let route = |link| PortalRoute {
        name: text,
        description: text,
        from: text,
        link,
        command: Some(text.to_owned()),
    };
    let bare = PortalRoute { description: "", command: None, ..route(None) };
    Portal { routes: vec![route(Some(Link::new(text))), bare] }.render(language)
}

fn apps(language: Language, text: &str) -> [String; 2] {
    let app = WaitingApp {
        id: text,
        code: text,
        client: text,
        device: text,
        address: text,
        is_near: true,
        seconds: 14,
        held: None,
    };
    let own = OwnApp { id: text, name: text, since: AT_SECONDS, seen: None, until: u64::MAX };
    let seen = OwnApp { seen: Some((AT_SECONDS, text)), ..own };
    let far = WaitingApp { is_near: false, seconds: 300, ..app };
    let held = WaitingApp { held: Some(text), ..app };
    let page = Apps {
        host: text,
        said: Some(text.into()),
        asked: None,
        near: vec![app, held],
        own: vec![own, seen],
        form: form(text),
    };
    let asked = Apps { said: None, asked: Some(far), ..page.clone() };
    [page.render(language), asked.render(language)]
}

fn devices(language: Language, text: &str) -> [String; 2] {
    let one = ListedDevice {
        id: text,
        person: text,
        name: text,
        device: "x",
        client: text,
        host: text,
        by: LetIn::WithCode,
        since: AT_SECONDS,
        seen: Some((AT_SECONDS, text)),
        until: u64::MAX,
    };
    let other = ListedDevice { seen: None, device: text, by: LetIn::FromApp, ..one };
    let page = Devices { own: vec![one, other], everybody: Some(vec![one]), form: form(text) };
    let none = Devices { own: vec![], everybody: Some(vec![]), form: form(text) };
    let page = Devices {
        everybody: Some(vec![
            ListedDevice { by: LetIn::WhileItWaited, ..one },
            ListedDevice { by: LetIn::ByPassword, ..one },
        ]),
        ..page
    };
    [page.render(language), none.render(language)]
}

/// The page on which an app waits for so many seconds.
pub fn waiting(language: Language, seconds: u64) -> String {
    let (id, code, client, device, address) = ("x", "x", "x", "x", "x");
    let app = WaitingApp { id, code, client, device, address, is_near: true, seconds, held: None };
    let (asked, near, own) = (Some(app), vec![], vec![]);
    Apps { host: "x", said: None, asked, near, own, form: form("x") }.render(language)
}

fn program(language: Language, text: &str) -> String {
    let stay = Link::new(text);
    ProgramConsent { program: text, host: text, person: text, form: form(text), stay }
        .render(language)
}

/// The reasons borrow a slice that lives longer than a page made here could; so apart.
pub fn refused_with_reasons(text: &str, see: impl Fn(&Refused<'_>)) {
    let receipt = Receipt { request_id: text, at_seconds: AT_SECONDS, language: Language::English };
    let reasons = &[text, text];
    see(&Refused {
        person: Some(text),
        host: text,
        switch_account: Some(form(text)),
        reasons,
        contact: Some(Contact(text)),
        receipt,
    });
}
