//! What visitors of usher read: typed pages, one style sheet, one script, a few icons. No I/O.
//!
//! Each page is a struct with public fields and a `render` that gives the whole HTML document.
//! Every text is escaped by the template engine, every address is a [`Link`], so nothing that a
//! stranger wrote can become markup or script. A page that reports an error implements
//! [`ErrorPage`], which also gives it as a problem document (RFC 9457) and as plain text.
//!
//! Pages speak the reader's [`Language`]: the words stand in English in the templates and the code, and in
//! the others in `messages/`, one file for each. What a file lacks stays English.
//!
//! Pages have nothing inline and are whole without the script, which shows a password that is being
//! typed, asks the browser for passkeys, and puts times into the reader's zone. Whoever sends a page adds [`HEADERS`] and a policy from [`csp`], and serves [`assets()`].
//!
//! | page | status | when |
//! |---|---|---|
//! | [`SignIn`] | 200, 400, 403, 429, 503 | the built-in provider asks for address and password |
//! | [`Forgot`] | 200, 400, 429, 503 | a link by e-mail, for who forgot what signs them in |
//! | [`ChooseProvider`] | 200 | several providers sign people in |
//! | [`Welcome`] | 200, 400 | an invitation was opened |
//! | [`Account`] | 200 | somebody's own passkeys and password |
//! | [`Code`] | 200, 403, 429, 503 | after a password, the code of an app |
//! | [`GoingOn`] | 200 | after a sign-in for an app that asks by OpenID Connect |
//! | [`SignOutConfirm`], [`SignedOut`] | 200 | before and after signing out |
//! | [`Identity`], [`NoSession`] | 200 | `/.pomerium/` |
//! | [`Portal`] | 200 | `/.pomerium/routes` |
//! | [`People`] | 200, 400 | `/.pomerium/people` |
//! | [`Doctor`] | 200, 400 | `/.pomerium/doctor` |
//! | [`Sessions`] | 200 | `/.pomerium/sessions` |
//! | [`Devices`] | 200 | `/.pomerium/devices`: the apps that somebody let in |
//! | [`Apps`] | 200 | `/link` of a library: lets apps in |
//! | [`Seat`], [`LeftSeat`] | 200 | `/seat` of a library: opens it as its reader; after they signed out there |
//! | [`Starting`] | 503 | a library starts |
//! | [`ProgramConsent`] | 200 | asks before a program gets in |
//! | [`Trust`] | 200 | how to trust the local authority |
//! | [`Refused`] | 403 | the policy says no |
//! | [`Devices`] | 200 | `/.pomerium/webauthn` |
//! | [`DeviceRefused`], [`NoDevices`] | 450, 403 | the policy says no to a device, or wants one |
//! | [`NotFound`], [`Misdirected`] | 404, 421 | no route for this address |
//! | [`UpstreamDown`], [`UpstreamUnavailable`], [`UpstreamSlow`] | 502, 503, 504 | the app is away |
//! | [`BadRequest`], [`TooLarge`], [`HeadersTooLarge`], [`CookiesTooLarge`] | 400, 413, 431, 431 | the request itself |
//! | [`UpgradeRefused`], [`RequestTimeout`], [`NotImplemented`] | 403, 408, 501 | the same |
//! | [`ClosedHere`] | 403 | the app has it, and nobody gets it from outside |
//! | [`Unauthenticated`], [`InternalError`] | 401, 500 | nobody is signed in; a mistake of ours |
//! | [`CertificateNeeded`] | 495 | a client certificate is missing, or does not count |
//! | [`ClockUnset`] | 503 | this machine's clock is not set |
//! | [`ProviderDown`], [`SetUpWrong`] | 503 | nobody can sign in now, or until it is mended |
//! | [`NotNow`] | 503, 500, 403 | the store of sessions failed |
//! | [`ForeignForm`], [`NotKept`] | 403, 400 | another site's form; a link that was too long |
//! | [`WorkerBetween`] | 403 | an app's service worker would read a password |
//! | [`SignInFailed`] | 400 | a sign-in that began and did not end well |
#![cfg_attr(
    test,
    allow(
        unreachable_pub,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod account;
mod apps;
mod assets;
mod brand;
mod certificate;
mod choose;
mod contact;
mod device;
mod devices;
mod doctor;
mod filters;
mod forgot;
mod going_on;
mod headers;
mod identity;
mod language;
mod letter;
mod link;
mod notice;
mod people;
mod portal;
mod program;
mod qr;
mod receipt;
mod refused;
mod requests;
mod seat;
mod sessions;
mod sign_in;
mod sign_out;
mod trouble;
mod trust;
mod upstream;
mod words;

pub use account::{
    ACTION_FIELD, Account, CodesOfApp, HOST_FIELD, LABEL_FIELD, NAME_FIELD, NewApp,
    NewPasskeyQuestion, Newcomer, PASSKEY_FIELD, ShownAppPassword, ShownPasskey, Welcome,
};
pub use apps::{APP_CODE_FIELD, APP_FIELD, Apps, OwnApp, WaitingApp};
pub use assets::{ASSETS_PREFIX, Asset, asset, asset_path, assets};
pub use brand::{Branding, Colours, branded, colours};
pub use certificate::{CertificateNeeded, Lack};
pub use choose::{ChooseProvider, Way};
pub use contact::Contact;
pub use device::{DeviceRefused, Enrolments, ListedEnrolment, NoDevices};
pub use devices::{Devices, LetIn, ListedDevice, RENAME_FIELD};
pub use doctor::{
    Doctor, Examination, Examined, OFFER_FIELD, ShownChange, ShownFinding, ShownMending, ShownOffer,
};
pub use forgot::{Forgot, ForgotError, ForgotStep};
pub use going_on::GoingOn;
pub use headers::{HEADERS, HTML, PLAIN_TEXT, PROBLEM_JSON, Scripts, csp};
pub use identity::{Claim, Identity, NoSession, ShownSession};
pub use language::{Direction, LANGUAGE_COOKIE, Language};
pub use letter::{Letter, LetterAbout};
pub use link::{Link, PostForm};
pub use notice::{Action, Advice, ErrorPage, Notice, PROBLEM_TYPES};
pub use people::{
    DAYS_FIELD, GROUPS_FIELD, LinkDoes, ListedPerson, MAIL_FIELD, MAILED, MadeLink, MayChange,
    People, TypedInvitation, UNTIL_FIELD,
};
pub use portal::{Portal, PortalRoute};
pub use program::{PROGRAM_ALLOW, PROGRAM_FIELD, ProgramConsent};
pub use qr::qr_text;
pub use receipt::Receipt;
pub use refused::Refused;
pub use requests::{
    BadRequest, ClosedHere, CookiesTooLarge, ForeignForm, HeadersTooLarge, Misdirected, NotFound,
    NotImplemented, NotKept, RequestTimeout, TooLarge, UpgradeRefused, WorkerBetween,
};
pub use seat::{LeftSeat, Seat, Starting};
pub use sessions::{END_FIELD, END_OTHERS, ListedSession, Sessions};
pub use sign_in::{
    CODE_FIELD, Code, EMAIL_FIELD, FLOW_FIELD, PASSWORD_FIELD, SHOWN_FIELD, SignIn, SignInError,
};
pub use sign_out::{SCOPE_EVERYWHERE, SCOPE_FIELD, SCOPE_HERE, SignOutConfirm, SignedOut};
pub use trouble::{
    ClockUnset, InternalError, NotNow, ProviderDown, SetUpWrong, SignInFailed, StoreTrouble,
    Unauthenticated,
};
pub use trust::Trust;
pub use upstream::{UpstreamDown, UpstreamSlow, UpstreamUnavailable};
pub use words::Words;

/// The document of a template, in a language.
fn rendered(page: &impl askama::Template, language: Language) -> String {
    // Writing to a `String` does not fail, and no template here has a filter that could.
    page.render_with_values(&filters::Reader(language)).unwrap_or_default()
}
