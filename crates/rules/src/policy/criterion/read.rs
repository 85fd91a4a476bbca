use super::{AboutPerson, AboutRequest, Criterion, person::Claim};
use crate::policy::{
    matcher::{AddressMatch, ListMatch, TextMatch},
    report::{Report, nearest},
};
use crate::{
    problem::Span,
    yaml::{Kind, Node, Style},
};

/// Every name that can be written, without what follows a `/`.
const KNOWN: [&str; 12] = [
    "accept",
    "authenticated_user",
    "claim",
    "cors_preflight",
    "domain",
    "email",
    "groups",
    "http_method",
    "http_path",
    "reject",
    "source_ip",
    "user",
];

/// Names that Pomerium or its documentation knows, and that nothing here answers yet.
const NOT_YET: [&str; 14] = [
    "client_certificate",
    "date",
    "day_of_week",
    "device",
    "invalid_client_certificate",
    "mcp_tool",
    "pomerium_routes",
    "record",
    "ssh_ca",
    "ssh_publickey",
    "ssh_username",
    "ssh_username_matches_claim",
    "ssh_username_matches_email",
    "time_of_day",
];

/// What people write when they mean something else.
const MEANT: [(&str, &str); 7] = [
    ("claims", "claim/NAME"),
    ("group", "groups"),
    ("ip", "source_ip"),
    ("method", "http_method"),
    ("path", "http_path"),
    ("role", "claim/role"),
    ("roles", "claim/roles"),
];

impl Criterion {
    /// Reads `name: data` as it stands in a rule. `None` when something is wrong with it.
    pub(in crate::policy) fn read(
        written: &str,
        at: &Span,
        data: &Node,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let (name, rest) = match written.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (written, None),
        };
        let name = name.to_ascii_lowercase();
        if name == "claim" {
            return claim(written, rest, at, data, report);
        }
        if rest.is_some() && KNOWN.contains(&name.as_str()) {
            report.error(
                "U316",
                at,
                format!("`{written}`: only `claim` has a name after the `/`"),
                format!("write `{name}`"),
            );
            return None;
        }
        match name.as_str() {
            "accept" => Some(Self::Accept).inspect(|_| warn_unread(&name, data, report)),
            "reject" => Some(Self::Reject).inspect(|_| warn_unread(&name, data, report)),
            "cors_preflight" => Some(Self::Request(AboutRequest::Preflight))
                .inspect(|_| warn_unread(&name, data, report)),
            "authenticated_user" => Some(Self::Person(AboutPerson::SignedIn))
                .inspect(|_| warn_unread(&name, data, report)),
            "email" => person_text(&name, data, AboutPerson::Email, report),
            "domain" => person_text(&name, data, AboutPerson::Domain, report),
            "user" => person_text(&name, data, AboutPerson::Id, report),
            "groups" => {
                let want = person_list(&name, data, report)?;
                if !want.compares_text() {
                    report.not_text(&name, data); // our own groups are words, so it is met by none
                    return None;
                }
                Some(Self::Person(AboutPerson::Groups(want)))
            }
            "http_method" => request_text(&name, data, AboutRequest::Method, report),
            "http_path" => request_text(&name, data, AboutRequest::Path, report),
            "source_ip" => {
                let want = AddressMatch::read(&name, data, report)?;
                Some(Self::Request(AboutRequest::Source(want)))
            }
            _ => {
                unknown(written, &name, at, report);
                None
            }
        }
    }
}

fn person_text(
    name: &str,
    data: &Node,
    question: fn(TextMatch) -> AboutPerson,
    report: &mut Report<'_>,
) -> Option<Criterion> {
    if is_empty_map(data) {
        report.anybody_signed_in(name, data);
    }
    TextMatch::read(name, data, report).map(question).map(Criterion::Person)
}

fn person_list(name: &str, data: &Node, report: &mut Report<'_>) -> Option<ListMatch> {
    if is_empty_map(data) {
        report.anybody_signed_in(name, data);
    }
    ListMatch::read(name, data, report)
}

fn request_text(
    name: &str,
    data: &Node,
    question: fn(TextMatch) -> AboutRequest,
    report: &mut Report<'_>,
) -> Option<Criterion> {
    if is_empty_map(data) {
        report.anything_at_all(name, data);
        return None;
    }
    TextMatch::read(name, data, report).map(question).map(Criterion::Request)
}

fn is_empty_map(data: &Node) -> bool {
    matches!(&data.kind, Kind::Map(entries) if entries.is_empty())
}

fn claim(
    written: &str,
    rest: Option<&str>,
    at: &Span,
    data: &Node,
    report: &mut Report<'_>,
) -> Option<Criterion> {
    let want = person_list(written, data, report);
    let Some(name) = rest.filter(|name| !name.is_empty()) else {
        report.error(
            "U315",
            at,
            format!("`{written}` names no claim"),
            "write the claim's name after a `/`: `claim/groups`",
        );
        return None;
    };
    Some(Criterion::Person(AboutPerson::Claim(Claim::new(name, want?))))
}

/// `accept: false` accepts: the value has no meaning (`pomerium-policy-measured.md` 25).
fn warn_unread(name: &str, data: &Node, report: &mut Report<'_>) {
    let says_no = matches!(&data.kind, Kind::Scalar { text, style: Style::Plain }
        if text.eq_ignore_ascii_case("false"));
    if says_no {
        report.warning(
            "U319",
            &data.span,
            format!("`{name}: false` means the same as `{name}: true`"),
            "to take it back, delete the line",
        );
    }
}

fn unknown(written: &str, name: &str, at: &Span, report: &mut Report<'_>) {
    if NOT_YET.contains(&name) {
        report.error(
            "U305",
            at,
            format!("`{written}` is not supported yet, and dropping it would let more people in"),
            "say it with other criteria, or remove the route",
        );
        return;
    }
    let what = format!("there is no criterion `{written}`");
    if matches!(name, "and" | "or" | "not" | "nor" | "allow" | "deny") {
        report.error("U308", at, what, "operators do not nest: write a second rule in the list");
        return;
    }
    let meant = MEANT.iter().find(|(wrong, _)| *wrong == name).map(|(_, right)| *right);
    let help = match meant.or_else(|| nearest(name, &KNOWN)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", KNOWN.join("`, `")),
    };
    report.error("U308", at, what, help);
}
