//! The page on which an admin has the server examined.

use usher_pages::{
    Doctor, Examination, Examined, Language, Link, ShownChange, ShownFinding, ShownMending,
    ShownOffer,
};

use super::AT_SECONDS;

const NAMES: [&str; 8] = [
    "doctor",
    "doctor-runs",
    "doctor-broke-off",
    "doctor-unasked",
    "doctor-offered",
    "doctor-mended",
    "doctor-put-back",
    "doctor-failed",
];

pub fn pages(language: Language, text: &str) -> Vec<(&'static str, String)> {
    let one = ShownFinding {
        code: text,
        title: text,
        subject: (text, text),
        what: text,
        means: text,
        help: text,
    };
    let examined = Examined {
        at: AT_SECONDS,
        errors: vec![one, one],
        warnings: vec![one],
        fine: vec![one, one],
        is_curable: true,
        mending: ShownMending::Unasked,
        can_put_back: true,
    };
    let change = ShownChange { server: text, key: text, was: text, becomes: text };
    let offer = ShownOffer { number: 7, changes: vec![change, change], restarts: vec![text] };
    let [offered, mended, put_back, failed] = [
        ShownMending::Offered(offer),
        ShownMending::Mended,
        ShownMending::PutBack,
        ShownMending::Failed(text),
    ]
    .map(|mending| Examination::Done(Examined { mending, ..examined.clone() }));
    let (runs, broke) = (Examination::Runs(AT_SECONDS), Examination::BrokeOff(AT_SECONDS));
    let examined = Examination::Done(examined);
    let all = [examined, runs, broke, Examination::None, offered, mended, put_back, failed];
    let page = |examination| {
        let here = Link::new(text);
        Doctor { note: Some(text), examination, flow: text, here }.render(language)
    };
    NAMES.into_iter().zip(all.map(page)).collect()
}
