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
    ("group", "claim/groups"),
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
            "email" => text(&name, data, report).map(AboutPerson::Email).map(Self::Person),
            "domain" => text(&name, data, report).map(AboutPerson::Domain).map(Self::Person),
            "user" => text(&name, data, report).map(AboutPerson::Id).map(Self::Person),
            "groups" => {
                ListMatch::read(&name, data, report).map(AboutPerson::Groups).map(Self::Person)
            }
            "http_method" => text(&name, data, report).map(AboutRequest::Method).map(Self::Request),
            "http_path" => text(&name, data, report).map(AboutRequest::Path).map(Self::Request),
            "source_ip" => {
                AddressMatch::read(&name, data, report).map(AboutRequest::Source).map(Self::Request)
            }
            _ => {
                unknown(written, &name, at, report);
                None
            }
        }
    }
}

fn text(name: &str, data: &Node, report: &mut Report<'_>) -> Option<TextMatch> {
    TextMatch::read(name, data, report)
}

fn claim(
    written: &str,
    rest: Option<&str>,
    at: &Span,
    data: &Node,
    report: &mut Report<'_>,
) -> Option<Criterion> {
    let want = ListMatch::read(written, data, report);
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
