//! The page for who forgot what signs them in.

use usher_pages::{Contact, Forgot, ForgotError, ForgotStep, Language, Link};

pub fn pages(language: Language, text: &str) -> [(&'static str, String); 4] {
    let page = |step, contact| Forgot { step, back: Link::new(text), contact }.render(language);
    let asks = |error| page(ForgotStep::Asks { email: text, error, flow: text }, None);
    [
        ("forgot", asks(None)),
        ("forgot-late", asks(Some(ForgotError::Expired))),
        ("forgot-throttled", asks(Some(ForgotError::TooManyTries { minutes: 5 }))),
        ("forgot-sent", page(ForgotStep::Sent, Some(Contact(text)))),
    ]
}
