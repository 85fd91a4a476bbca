//! What of a config's line is not shown: problems end up in logs, tickets and screenshots.
//!
//! A value is shown where the table of keys knows its key and knows that it holds no secret. What
//! stands behind an unknown key may be a secret whose key has a typo.

use super::credentials::{HIDDEN, is_key_like, is_secret_name, without_passwords_anywhere};
use crate::config::keys::{self, Fate, Key, Kind, Table, route};

/// What a key says about the values behind and below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// It is a secret, or might be.
    Hidden,
    /// It is none.
    Shown,
    /// Nor is anything below it, whatever it is called: a policy's words, names of claims.
    AllShown,
    /// Nobody knows the key.
    Unknown,
    /// Nor this one, and a secret's is called nearly so: a policy's word all the same.
    NearlyHidden,
}

fn view(name: &str) -> View {
    let name = name.to_ascii_lowercase();
    if is_secret_name(&name) {
        return View::Hidden;
    }
    let tables = [keys::ROUTE, keys::GLOBAL, route::REDIRECT_KEYS, route::RESPONSE_KEYS];
    let meant = || tables.iter().find_map(|table| keys::meant(table, &name));
    let known = || tables.iter().find_map(|table| find(table, &name));
    // of several keys of one name one may hold a secret
    let secret = || tables.iter().find_map(|table| find_secret(table, &name));
    let of_key = |key: &Key| match (key.kind, key.fate) {
        (Kind::Secret | Kind::Map, _) => View::Hidden,
        (Kind::MapOrList, _) | (Kind::Any, Fate::Supported | Fate::Own) => View::AllShown,
        (Kind::Any, _) => View::Hidden,
        (_, _) => View::Shown,
    };
    match secret().or_else(known) {
        Some(key) => of_key(key),
        None => match meant().map(of_key) {
            Some(View::Hidden) => View::NearlyHidden,
            near => near.unwrap_or(View::Unknown),
        },
    }
}

/// The key of that name in a table, or in one of the tables of its values.
fn find(table: Table, name: &str) -> Option<&'static Key> {
    keys::find(table, name).or_else(|| tables_in(table).find_map(|inner| find(inner, name)))
}

/// The same of keys that hold a secret.
fn find_secret(table: Table, name: &str) -> Option<&'static Key> {
    let here = keys::find(table, name).filter(|key| matches!(key.kind, Kind::Secret));
    here.or_else(|| tables_in(table).find_map(|inner| find_secret(inner, name)))
}

fn tables_in(table: Table) -> impl Iterator<Item = Table> {
    table.iter().filter_map(|key| match key.kind {
        Kind::Object(table) | Kind::Objects(table) => Some(table),
        Kind::Text | Kind::Secret | Kind::Bool | Kind::Duration | Kind::Int(..) => None,
        Kind::List | Kind::FullList | Kind::Map | Kind::MapOrList | Kind::Word(..) => None,
        Kind::Routes | Kind::Any => None,
    })
}

/// The line without secrets; `before` is the text up to it.
pub(super) fn line_without_secrets(before: &str, line: &str) -> String {
    if is_key_like(line.trim()) {
        return HIDDEN.to_owned();
    }
    // before anything is cut off: a password may hold what a key ends with
    let line = &*without_passwords_anywhere(line);
    if above(before, line) == View::Hidden || continues_a_secret(before, line) {
        return hidden_but_its_key(line);
    }
    let mut open_until = (above(before, line) == View::AllShown).then_some(0);
    let mut depth = 0_usize;
    for (at, mark) in line.char_indices() {
        match mark {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' | '=' => {
                let name = name_before(line, at);
                let behind = line.get(at + 1..).unwrap_or_default();
                let is_key = mark == ':'
                    && (behind.is_empty() || behind.starts_with([' ', '\t', '[', '{', '"']));
                open_until = open_until.filter(|outside| *outside == 0 || depth >= *outside);
                match view(name) {
                    _ if behind.trim().is_empty() || name.is_empty() => {}
                    View::Hidden => return cut(line, at),
                    View::NearlyHidden if open_until.is_none() => return cut(line, at),
                    View::Unknown if is_key && open_until.is_none() && !opens(behind) => {
                        return cut(line, at);
                    }
                    View::AllShown if is_key => open_until = open_until.or(Some(depth + 1)),
                    View::Shown | View::AllShown | View::Unknown | View::NearlyHidden => {}
                }
            }
            _ => {}
        }
    }
    line.to_owned()
}

/// A secret that broke into two lines, in an editor or by `base64`: the second one has no key.
fn continues_a_secret(before: &str, line: &str) -> bool {
    let is_bare = |line: &str| !line.contains([':', '#']) && !place(line).1;
    if !is_bare(line) {
        return false;
    }
    let key = before.lines().rev().find(|upper| !is_bare(upper) && !upper.trim().is_empty());
    key.and_then(|upper| upper.find(':').map(|colon| name_before(upper, colon))).is_some_and(
        |name| !name.is_empty() && matches!(view(name), View::Hidden | View::NearlyHidden),
    )
}

/// A map or list begins here: its own keys are looked at.
fn opens(behind: &str) -> bool {
    behind.trim_start().starts_with(['{', '['])
}

fn cut(line: &str, mark: usize) -> String {
    format!("{} {HIDDEN}", line.get(..=mark).unwrap_or_default())
}

fn name_before(line: &str, mark: usize) -> &str {
    let before = line.get(..mark).unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    before.rsplit(|c: char| !is_name(c)).next().unwrap_or_default()
}

/// A field's name may be shown, its value not.
fn hidden_but_its_key(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let key = line.find(": ").filter(|at| !name_before(line, *at).is_empty());
    match key.filter(|at| line.get(indent..*at).is_some_and(|name| !name.contains([' ', '{', ','])))
    {
        Some(at) => cut(line, at),
        None => format!("{}{HIDDEN}", line.get(..indent).unwrap_or_default()),
    }
}

/// What the keys above a line, of which it is a part, say about it.
fn above(before: &str, line: &str) -> View {
    let (mut at, mut in_list) = place(line);
    let mut nearest = View::Shown;
    for upper in before.lines().rev() {
        let text = upper.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (indent, is_item) = place(upper);
        let key_at = if is_item { indent + 2 } else { indent };
        let is_parent = key_at < at || (in_list && key_at == at);
        if !is_parent {
            continue;
        }
        let name = upper.find(':').map(|colon| name_before(upper, colon)).unwrap_or_default();
        match view(name) {
            _ if name.is_empty() => {}
            View::Hidden => return View::Hidden,
            View::AllShown => return View::AllShown,
            View::Unknown | View::NearlyHidden => nearest = View::Unknown,
            View::Shown => {}
        }
        (at, in_list) = (indent, is_item);
    }
    match nearest {
        // a scalar or a map below a key that nobody knows
        View::Unknown | View::NearlyHidden | View::Hidden => View::Hidden,
        View::Shown => View::Shown,
        View::AllShown => View::AllShown,
    }
}

/// The indent of a line, and whether it is an item of a list.
fn place(line: &str) -> (usize, bool) {
    let text = line.trim_start_matches([' ', '\u{feff}']);
    (line.len() - text.len(), text.starts_with("- ") || text == "-")
}

#[cfg(test)]
mod tests {
    use super::line_without_secrets;

    /// What stands behind a key that nobody knows may be a secret, and only what is known to hold
    /// none is shown below such a key, beside one and behind one.
    #[test]
    fn an_unknown_key_is_hidden_below_beside_and_behind_what_is_shown() {
        for (before, line, expected) in [
            ("wxyzwxyz:\n", "  hunter2", "  (not shown)"),
            ("wxyzwxyz:\n  - a\n", "  - hunter2", "  (not shown)"),
            ("routes:\n-\n", "  from: https://tv.test", "  from: https://tv.test"),
            ("routes:\n  ?\n", "    from: https://tv.test", "    from: https://tv.test"),
            ("routes:\n- policy:\n", "    wxyz: {a: [b: c]}", "    wxyz: {a: [b: c]}"),
            ("", "policy: {wxyz: {a: b}}", "policy: {wxyz: {a: b}}"),
            ("", "policy: {or: [{ssh_username: ann}]}", "policy: {or: [{ssh_username: ann}]}"),
            ("policy:\n  or:\n", "  - ssh_username: ann", "  - ssh_username: ann"),
            ("policy:\n  - ssh_username:\n", "      is: ann", "      is: ann"),
            ("", "ssh_username: ann", "ssh_username: (not shown)"),
            ("", "{policy: {a: b}, wxyz: hunter2}", "{policy: {a: b}, wxyz: (not shown)"),
            ("", "{policy: [a], wxyz: hunter2}", "{policy: [a], wxyz: (not shown)"),
            ("", "[{policy: {a: b}}, {wxyz: hunter2}]", "[{policy: {a: b}}, {wxyz: (not shown)"),
            ("", "prefix: /?policy=1 {wxyz: hunter2}", "prefix: /?policy=1 {wxyz: (not shown)"),
        ] {
            assert_eq!(line_without_secrets(before, line), expected, "{before}{line}");
        }
    }
}
