//! What is documented is what there is: problem codes and keys, in both directions.

use std::{collections::BTreeSet, fs, path::Path};

use usher_rules::{
    config::{
        duration,
        keys::{self, Fate, Key, Kind, nested, route},
    },
    problem::Class,
};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

/// Every `"U123"` in the sources of this crate.
pub fn codes_in_source() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let mut folders = vec![
        root().join("crates/rules/src"),
        root().join("crates/usher/src/cli"),
        root().join("crates/usher/src/reload"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let quoted = text.split('"').filter(|word| is_code(word));
                codes.extend(quoted.map(str::to_owned));
            }
        }
    }
    codes
}

fn is_code(word: &str) -> bool {
    word.len() == 4 && word.starts_with('U') && word.bytes().skip(1).all(|b| b.is_ascii_digit())
}

#[test]
fn every_code_is_documented_and_no_other() {
    let text = fs::read_to_string(root().join("docs/reference/problems.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let documented: Vec<String> = rows.filter(|word| is_code(word)).map(str::to_owned).collect();
    let unique: BTreeSet<String> = documented.iter().cloned().collect();
    assert_eq!(documented.len(), unique.len(), "a code is documented twice");
    for line in text.lines().filter(|line| {
        line.strip_prefix("| ").is_some_and(|rest| is_code(&rest[..4.min(rest.len())]))
    }) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let class = Class::of(cells[1]).word().replace('-', " ");
        assert_eq!(cells[3], class, "{line}");
    }
    let used = codes_in_source();
    let missing: Vec<_> = used.difference(&unique).collect();
    let orphans: Vec<_> = unique.difference(&used).collect();
    assert!(
        missing.is_empty() && orphans.is_empty(),
        "not documented: {missing:?}; documented, but gone: {orphans:?}"
    );
}

/// `docs/reference/config.md` from the tables. `UPDATE=1` writes it.
#[test]
fn the_reference_of_keys_is_fresh() {
    let path = root().join("docs/reference/config.md");
    let fresh = config_reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == fresh, "docs/reference/config.md is stale: run this test with UPDATE=1");
}

const HEAD: &str = "\
# Configuration keys

This page is made from the table of keys in `crates/rules/src/config/keys`; a test compares them.

Usher reads the `config.yaml` of Pomerium Core: the same keys, types and defaults, in YAML, JSON or
TOML, told by the file's ending; a `.env` file holds environment variables. `config/reference.yaml` has
every key with its default, `config.schema.json` beside this page tells editors; `usher check
--effective` prints what is in force.
Environment variables beat the file: `IDP_CLIENT_ID` is `idp_client_id`; `ROUTES` and `POLICY` are
lists of routes in base64, `HEADERS` is `set_response_headers`. `ROUTES` replaces the routes of the
file, `POLICY` stands before them. A variable that is empty is unset.

| what becomes of a key | |
|---|---|
| supported | it does what it does in Pomerium |
| usher's own | ours; Pomerium does not know it |
| one value | usher does one thing: other values are accepted with a warning that says what is lost |
| no effect | accepted with a warning: nothing is lost |
| not yet | accepted with a warning that says what is lost |
| refused | dropping it would let more people in, so the config is refused |
| removed | Pomerium refuses it too |

A key that nobody knows is left out, with a warning that names the one that was probably meant; it is
an error where it may have been meant to keep people out. Keys have no case, and `a.b: 1` at the top
level is `b` in `a`. Keys at the top level that begin with `x-` hold anchors and mean nothing.

What differs from Pomerium:

- `idp_provider: builtin` is ours: people in usher's own store. It is also what holds where no
  provider is named. Where `authenticate_service_url` is missing, people sign in on the first host
  that a route names in full; in Pomerium that would be its hosted service.
- `timeout_read` limits the silence between two pieces of a request, not the whole upload.
- Numbers out of range are refused, where Pomerium lets them wrap around; so is an unquoted number
  where text is meant that YAML reads as another text (`0123` is 83).
- Two routes with the same `from`, path and target are refused, whatever their names.
- The session cookie's name is `cookie_name` with `__Host-` in front (`__Host-_pomerium`), so that no
  other host of the domain can set it; where `cookie_domain` is set, one under the plain name goes to
  that domain beside it. `cookie_same_site` is `lax` where it is missing; Pomerium leaves the attribute
  out then.
- `contact` is ours: whom visitors ask who are not let in. Words, an e-mail address or an `https`
  link; everybody can read it, on refused pages and in the errors for who is not signed in.
- `health_checks` asks each address in `to`, on the route's own terms (TLS, `Host`), beside all
  requests. Where nothing is said: `timeout` 5 s, `interval` 10 s, `unhealthy_threshold` 3,
  `healthy_threshold` 2, status 200. As in Envoy, the first answer and an unexpected status count at
  once; thresholds count failures to answer, and answers until it is back. Who is out is left alone
  while another is well; where none is, all are asked. Each change is an `upstream` event in the log.
- A final line end in the file of `idp_client_secret_file` is left out, with a warning.
- Keys given twice, also in two cases, and a second YAML document are refused.
";

fn config_reference() -> String {
    let mut out = HEAD.to_owned();
    for (title, table) in [
        ("At the top level", keys::GLOBAL),
        ("In a route", keys::ROUTE),
        ("In an item of `certificates`", nested::PAIR),
        ("In an item of `autocert_fallback_cas`", nested::FALLBACK_CA),
        ("In an item of `idp_providers`", nested::IDP_ENTRY),
        ("In `smtp`", keys::smtp::SMTP_KEYS),
        ("In an item of `tests`", nested::POLICY_TEST),
        ("In `redirect`", route::REDIRECT_KEYS),
        ("In `response`", route::RESPONSE_KEYS),
        ("In an item of `rewrite_response_headers`", route::RESPONSE_REWRITE),
        ("In `runtime_flags`", nested::RUNTIME_FLAGS),
        ("In an item of `health_checks`", nested::HEALTH_CHECK),
        ("In `http_health_check`", nested::HTTP_HEALTH_CHECK),
        ("In `tcp_health_check`", nested::TCP_HEALTH_CHECK),
        ("In `send` and an item of `receive`", nested::PAYLOAD),
        ("In an item of `expected_statuses`", nested::STATUS_RANGE),
    ] {
        out += &format!("\n## {title}\n\n| key | value | default | |\n|---|---|---|---|\n");
        for key in table {
            out += &row(key);
        }
    }
    out
}

fn row(key: &Key) -> String {
    let kind = match key.kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Duration => "duration, such as `30s`".to_owned(),
        Kind::Int(least, most) if most < 1_000_000 => format!("number from {least} to {most}"),
        Kind::Int(..) => "number".to_owned(),
        Kind::List | Kind::FullList => "list".to_owned(),
        Kind::Map => "map".to_owned(),
        Kind::MapOrList => "map or list".to_owned(),
        Kind::Word(words, _) => {
            let words: Vec<String> = words
                .iter()
                .filter(|word| !word.is_empty())
                .map(|word| format!("`{word}`"))
                .collect();
            words.join(", ")
        }
        Kind::Object(table) | Kind::Objects(table) => {
            let keys: Vec<String> = table.iter().map(|key| format!("`{}`", key.name)).collect();
            format!("map of {}", keys.join(", "))
        }
        Kind::Routes => "list of routes".to_owned(),
        Kind::Any => "see Pomerium's reference".to_owned(),
    };
    let kind = if matches!(key.fate, Fate::Supported | Fate::Own) {
        kind.replace("see Pomerium's reference", "see the examples")
    } else {
        kind
    };
    let why = match key.fate {
        Fate::Supported | Fate::Own if key.about.is_empty() => String::new(),
        Fate::Supported | Fate::Own => format!(". {}", key.about.trim()),
        Fate::NoEffect(why)
        | Fate::Fixed(_, why)
        | Fate::NotYet(why)
        | Fate::Refused(why)
        | Fate::Removed(why) => {
            format!(": {why}")
        }
    };
    let default = match key.default {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    format!("| `{}` | {kind} | {default} | {}{why} |\n", key.name, key.fate.word())
}

/// What is called supported is read by somebody: the constant of a key is the only way to its value,
/// and what a constant says in one sentence is what the reference says.
#[test]
fn every_supported_key_has_a_constant_and_its_default_is_a_value() {
    let tables = [keys::GLOBAL, keys::ROUTE, route::REDIRECT_KEYS, route::RESPONSE_KEYS]
        .into_iter()
        .chain([nested::HEALTH_CHECK, nested::HTTP_HEALTH_CHECK, nested::TCP_HEALTH_CHECK])
        .chain([nested::RUNTIME_FLAGS, route::RESPONSE_REWRITE, nested::POLICY_TEST])
        .chain([
            nested::PAIR,
            nested::FALLBACK_CA,
            nested::IDP_LISTED,
            nested::PAYLOAD,
            nested::STATUS_RANGE,
        ]);
    for key in tables.flatten() {
        let is_read = matches!(key.fate, Fate::Supported | Fate::Own);
        assert!(!is_read || !key.about.is_empty(), "{}", key.name);
        let is_value = match key.kind {
            _ if key.default.is_empty() => true,
            Kind::Bool => key.default.parse::<bool>().is_ok(),
            Kind::Duration => duration::parse(key.default).is_ok(),
            Kind::Int(least, most) => {
                key.default.parse().is_ok_and(|n| (least..=most).contains(&n))
            }
            Kind::Word(words, _) => words.contains(&key.default),
            Kind::Text | Kind::Secret => true,
            _ => false,
        };
        assert!(is_value, "{}: {}", key.name, key.default);
    }
}

/// A key that does nothing here, or less than in Pomerium, says why in its row.
#[test]
fn every_key_without_effect_says_why() {
    let (mut tables, mut seen) = (vec![keys::GLOBAL, keys::ROUTE], 0);
    while let Some(table) = tables.pop() {
        for key in table {
            match key.kind {
                Kind::Object(below) | Kind::Objects(below) => tables.push(below),
                _ => {}
            }
            let (Fate::NoEffect(why)
            | Fate::Fixed(_, why)
            | Fate::NotYet(why)
            | Fate::Refused(why)
            | Fate::Removed(why)) = key.fate
            else {
                continue;
            };
            seen += 1;
            assert!(why.split(' ').count() >= 3 && !why.ends_with('.'), "{}: {why:?}", key.name);
        }
    }
    assert!(seen > 80, "only {seen}");
}
