use super::{About, Doubt, Nothing, Question, Written};
use crate::policy::report::Report;

criteria! { Constant: Accept, Reject; }

/// `accept`: yes.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Accept;

impl Question for Accept {
    const NAME: &'static str = "accept";
    const REASONS: [&'static str; 2] = ["accept", "accept"];
    type Of = Nothing;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, (): (), _: Doubt) -> bool {
        true
    }

    fn in_words(&self) -> String {
        "everybody".into()
    }

    fn found(&self, (): ()) -> String {
        "always so".into()
    }
}

/// `reject`: no; under `deny` it therefore denies nothing.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Reject;

impl Question for Reject {
    const NAME: &'static str = "reject";
    const REASONS: [&'static str; 2] = ["reject", "reject"];
    type Of = Nothing;
    const ABOUT: About = About::Nobody;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, (): (), _: Doubt) -> bool {
        false
    }

    fn in_words(&self) -> String {
        "nobody".into()
    }

    fn found(&self, (): ()) -> String {
        "always so".into()
    }
}
