use std::cell::RefCell;

use usher_rules::policy::{Finding, Verdict};

use super::json::Object;

/// So many parts each core remembers for either line.
const KEPT: usize = 64;

thread_local! {
    static PARTS: RefCell<Vec<Option<Part>>> = const { RefCell::new(Vec::new()) };
}

/// Which line a part is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Decision,
    Access,
}

/// All that a part of a line is written from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub line: Line,
    /// The session's id, under the name that it has there.
    pub session: (&'static str, &'a str),
    pub user: &'a str,
    pub email: &'a str,
    /// The route's id and name.
    pub route: [&'a str; 2],
    pub verdict: Verdict,
    pub rule: &'a str,
    /// Of the decision line.
    pub sides: [Finding; 2],
}

/// A part of a line, as it was written.
struct Part {
    line: Line,
    session: (&'static str, Box<str>),
    user: Box<str>,
    email: Box<str>,
    route: [Box<str>; 2],
    verdict: Verdict,
    rule: Box<str>,
    sides: [Finding; 2],
    members: Box<[u8]>,
}

/// Members that depend on `of` and nothing else: a page is a hundred requests of one person to one
/// route, whose lines differ in little. They are written once, and stand on the next line as they are.
///
/// What is compared is what they are written from, so no line is about somebody else; and only those
/// who have a session are remembered, so that strangers push nobody out.
pub(super) fn repeated(o: &mut Object<'_>, of: Of<'_>, write: impl FnOnce(&mut Object<'_>)) {
    PARTS.with_borrow_mut(|parts| {
        if parts.is_empty() {
            parts.resize_with(2 * KEPT, || None);
        }
        match parts.get_mut(of.place()) {
            Some(Some(part)) if part.is(of) => o.again(&part.members),
            Some(place) => {
                let before = o.written();
                write(o);
                *place = Some(Part::new(of, o.since(before)));
            }
            None => write(o),
        }
    });
}

impl Of<'_> {
    fn place(self) -> usize {
        let octets = self.session.1.bytes().rev().take(4); // they are random
        let mixed = octets.fold(0_usize, |mixed, octet| mixed * 31 + usize::from(octet));
        mixed % KEPT + if self.line == Line::Access { KEPT } else { 0 }
    }
}

impl Part {
    fn new(of: Of<'_>, members: &[u8]) -> Self {
        let Of { line, session, user, email, route, verdict, rule, sides } = of;
        Self {
            line,
            session: (session.0, session.1.into()),
            user: user.into(),
            email: email.into(),
            route: route.map(Into::into),
            verdict,
            rule: rule.into(),
            sides,
            members: members.into(),
        }
    }

    fn is(&self, of: Of<'_>) -> bool {
        let Of { line, session, user, email, route, verdict, rule, sides } = of;
        self.line == line
            && self.verdict == verdict
            && self.sides == sides
            && self.session.0 == session.0
            && *self.session.1 == *session.1
            && *self.user == *user
            && *self.email == *email
            && *self.rule == *rule
            && self.route.iter().zip(route).all(|(own, other)| **own == *other)
    }
}

#[cfg(test)]
mod tests {
    use usher_rules::policy::{Finding, Reason, Reasons, Verdict};

    use super::{KEPT, Line, Of, repeated};
    use crate::request::record::json::Object;

    fn line(of: Of<'_>, members: &str) -> String {
        let mut out = Vec::new();
        let mut o = Object::begin(&mut out);
        repeated(&mut o, of, |o| {
            o.put("\"a\":", members.as_bytes());
        });
        o.end();
        String::from_utf8(out).unwrap()
    }

    const ANN: Of<'_> = Of {
        line: Line::Decision,
        session: ("session-id", "s1"),
        user: "ann",
        email: "ann@example.com",
        route: ["1", "tv"],
        verdict: Verdict::Allow,
        rule: "family",
        sides: [Finding { holds: true, reasons: Reasons::only(Reason::named("pomerium-route")) };
            2],
    };

    #[test]
    fn what_is_the_same_is_written_once_and_everything_that_differs_anew() {
        assert_eq!(line(ANN, "first"), line(ANN, "second"));
        let holds_not = Finding { holds: false, ..ANN.sides[0] };
        for other in [
            Of { line: Line::Access, ..ANN },
            Of { session: ("service-account-id", "s1"), ..ANN },
            Of { session: ("session-id", "s2"), ..ANN },
            Of { user: "bob", ..ANN },
            Of { email: "bob@example.com", ..ANN },
            Of { route: ["2", "tv"], ..ANN },
            Of { route: ["1", "music"], ..ANN },
            Of { verdict: Verdict::Deny, ..ANN },
            Of { rule: "kids", ..ANN },
            Of { sides: [holds_not, ANN.sides[1]], ..ANN },
            Of { sides: [ANN.sides[0], holds_not], ..ANN },
        ] {
            assert_eq!(line(ANN, "ann's"), line(ANN, "again"));
            assert!(line(other, "other").contains("other"), "{other:?}");
        }
    }

    #[test]
    fn many_people_have_a_bounded_number_of_parts() {
        for n in 0..10 * KEPT {
            let id = format!("session {n}");
            let of = Of { session: ("session-id", &id), ..ANN };
            assert!(line(of, &id).contains(&id));
        }
        super::PARTS.with_borrow(|parts| assert_eq!(parts.len(), 2 * KEPT));
    }
}
