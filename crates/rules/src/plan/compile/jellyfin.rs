//! `jellyfin` of a route.

use std::{borrow::Cow, sync::Arc};

use super::Compiler;
use crate::{
    config::{
        Given, Section,
        keys::{Key, jellyfin::*, route},
    },
    jellyfin::{Door, TokenHash, is_token},
    names::{address_range, fold_case},
    plan::{
        Action, GroupLibraries, Jellyfin, JellyfinPeople, LegacyClients, PasswordSignIn, PathCase,
        Rewrite, Service, Tunnel,
    },
    policy::{LegacyAllow, Policy},
    problem::Problem,
    secret::Secret,
    yaml::{Kind, Node},
};

/// As what was let in knows them.
fn servers(action: Option<&Action>, base_path: &str) -> Vec<Box<str>> {
    let Some(Action::Forward(targets)) = action else { return Vec::new() };
    let server = |upstream: String| format!("{}{base_path}", upstream.trim_end_matches('/'));
    targets.all.iter().map(|target| server(target.upstream.to_string()).into()).collect()
}

impl Compiler<'_> {
    /// `None` where there is none, or one that can't be: an error was reported then.
    pub(super) fn jellyfin(
        &mut self,
        action: Option<&Action>,
        tunnel: Option<&Tunnel>,
    ) -> Option<Arc<Jellyfin>> {
        let (given, keys) = (self.keys.given(&route::JELLYFIN)?, self.keys.get(&route::JELLYFIN)?);
        let forwards = matches!(action, None | Some(Action::Forward(_))) && tunnel.is_none();
        if !forwards {
            let what = "`jellyfin` says what is behind a route, and nothing is behind this one";
            self.report(given.error("U574", what, "write `to`, or delete `jellyfin`"));
            return None;
        }
        let unasked = self.unasked();
        let mut inner = Compiler { keys, files: self.files, problems: self.problems };
        let api_key = inner.api_key();
        let admin_policy = inner.admin_policy();
        let open = keys.value(&JELLYFIN_OPEN).iter().filter_map(|name| {
            let door = Door::of_word(&name.text);
            if door.is_none() {
                let what = format!("`open: {}` names no door of a Jellyfin", name.text);
                let help = format!("write one of {}", Door::words().join(", "));
                inner.report(Problem::error("U573", name.at.clone(), what, help));
            }
            door
        });
        let open = open.collect();
        let services = keys.value(&JELLYFIN_SERVICES).iter();
        let services = services.filter_map(|one| service(one, inner.problems)).collect();
        let people = people(keys, api_key.as_ref(), inner.problems);
        let passwords = passwords(keys, api_key.as_ref(), inner.problems);
        let translates = keys.value(&JELLYFIN_LEGACY_CLIENTS) == "translate";
        let base_path = base_path(keys.value(&JELLYFIN_BASE_PATH));
        Some(Arc::new(Jellyfin {
            api_key,
            grants: keys.value(&JELLYFIN_GRANTS),
            user_claim: keys.get(&JELLYFIN_USER_CLAIM).map(Into::into),
            people,
            servers: servers(action, &base_path),
            small_base: base_path.to_ascii_lowercase().into(),
            folded_base: fold_case(&base_path).into(),
            base_path,
            open,
            admin_policy,
            services,
            passwords,
            legacy_clients: match translates {
                true => LegacyClients::Translate,
                false => LegacyClients::Keep,
            },
            unasked,
        }))
    }

    /// Keys with another default on a route like this (`config::upgrades`) that it leaves out.
    fn unasked(&self) -> Vec<&'static str> {
        let other: [&'static Key; 4] = [
            &route::ALLOW_WEBSOCKETS,
            &route::PRESERVE_HOST_HEADER,
            &route::TIMEOUT,
            &route::IDLE_TIMEOUT,
        ];
        let left_out = other.into_iter().filter(|key| self.keys.given(key).is_none());
        left_out.map(|key| key.name).collect()
    }

    /// Its server's, by what the route says of it: Kestrel's endpoints have no case.
    pub(super) fn path_case(&self) -> PathCase {
        match self.keys.given(&route::JELLYFIN) {
            Some(_) => PathCase::Folded,
            None => PathCase::Exact,
        }
    }

    /// `/emby` in front of a path, which servers of version 12 dropped, is taken off.
    pub(super) fn without_old_prefix(
        &self,
        jellyfin: Option<&Jellyfin>,
        rewrite: Rewrite,
    ) -> Rewrite {
        let translates = |it: &&Jellyfin| it.legacy_clients == LegacyClients::Translate;
        let (Some(jellyfin), Rewrite::None) = (jellyfin.filter(translates), &rewrite) else {
            return rewrite;
        };
        let base = regex::escape(&jellyfin.base_path);
        let pattern = format!("^(?<base>(?i:{base}))/(?i:emby|mediabrowser)(?:/|$)");
        match regex::Regex::new(&pattern) {
            Ok(pattern) => Rewrite::Regex(pattern, "${base}/".into()),
            Err(_) => rewrite,
        }
    }

    /// A line end at the end of the file is no part of it.
    fn api_key(&mut self) -> Option<Secret> {
        let (given, text) = match self.keys.given(&JELLYFIN_API_KEY_FILE) {
            Some(file) => {
                let read = self.read(file);
                (file, self.keep(read)?)
            }
            None => {
                let given = self.keys.given(&JELLYFIN_API_KEY)?;
                (given, Secret::new(given.text().as_bytes()))
            }
        };
        let key = text.expose_str().map(str::trim).filter(|key| is_token(key));
        if key.is_none() {
            let what = format!("`{}` holds no API key of a Jellyfin", given.key.name);
            let help = "an API key has 32 digits of 0-9 and a-f; its dashboard makes one";
            self.report(given.error("U576", what, help));
        }
        key.map(|key| Secret::new(key.as_bytes()))
    }

    fn admin_policy(&mut self) -> Option<Arc<Policy>> {
        let ppl = self.keys.given(&JELLYFIN_ADMIN_POLICY)?;
        let rules = PathCase::Folded.of_rules(&ppl.node);
        let policy = Policy::compile(&LegacyAllow::default(), Some(&rules), self.problems);
        Some(Arc::new(policy))
    }
}

impl PathCase {
    /// Rules as they are compared: with what they say of paths in small letters.
    pub(super) fn of_rules(self, rules: &Node) -> Cow<'_, Node> {
        match self {
            Self::Exact => Cow::Borrowed(rules),
            Self::Folded => {
                let mut folded = rules.clone();
                fold_paths(&mut folded);
                Cow::Owned(folded)
            }
        }
    }
}

fn fold_paths(node: &mut Node) {
    match &mut node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter_mut().for_each(fold_paths),
        Kind::Map(entries) => {
            for entry in entries {
                let fold = if entry.is("http_path") { fold_texts } else { fold_paths };
                fold(&mut entry.value);
            }
        }
    }
}

fn fold_texts(node: &mut Node) {
    match &mut node.kind {
        Kind::Scalar { text, .. } => *text = fold_case(text).into(),
        Kind::List(items) => items.iter_mut().for_each(fold_texts),
        Kind::Map(entries) => entries.iter_mut().for_each(|entry| fold_texts(&mut entry.value)),
    }
}

fn base_path(written: &str) -> Box<str> {
    match written.trim_matches('/') {
        "" => Box::default(),
        path => format!("/{path}").into(),
    }
}

/// What waits is let in with the server's key.
fn passwords(
    keys: &Section,
    api_key: Option<&Secret>,
    problems: &mut Vec<Problem>,
) -> PasswordSignIn {
    let holds = keys.given(&JELLYFIN_PAIRING).filter(|_| keys.value(&JELLYFIN_PAIRING) == "hold");
    let Some(given) = holds else { return PasswordSignIn::Shut };
    let names_key = keys.given(&JELLYFIN_API_KEY).or(keys.given(&JELLYFIN_API_KEY_FILE));
    if api_key.is_none() && names_key.is_none() {
        let what = "`pairing: hold` does nothing without `api_key`";
        let help = "write `api_key` or `api_key_file`: usher makes tokens for apps with it";
        problems.push(given.error("U577", what, help));
    }
    PasswordSignIn::Held
}

/// Which of its users somebody is. All of it is asked of the server with its key.
fn people(keys: &Section, api_key: Option<&Secret>, problems: &mut Vec<Problem>) -> JellyfinPeople {
    let asked = [
        keys.given(&JELLYFIN_ADMIN_GROUPS),
        keys.given(&JELLYFIN_LIBRARIES),
        keys.given(&JELLYFIN_CREATE_USERS).filter(|_| !keys.value(&JELLYFIN_CREATE_USERS)),
    ];
    // A key that was given and is none was told of already.
    let lacks_key = api_key.is_none()
        && keys.given(&JELLYFIN_API_KEY).is_none()
        && keys.given(&JELLYFIN_API_KEY_FILE).is_none();
    for given in asked.into_iter().flatten().filter(|_| lacks_key) {
        let what = format!("`{}` does nothing without `api_key`", given.key.name);
        let help = "write `api_key` or `api_key_file`: usher asks the server for its users with it";
        problems.push(given.error("U568", what, help));
    }
    let library = |one: &Section, problems: &mut Vec<Problem>| {
        let group = one.get(&LIBRARY_GROUP).filter(|group| !group.is_empty());
        let names = one.value(&LIBRARY_NAMES).iter().map(|name| name.text.clone());
        let names: Vec<Box<str>> = names.collect();
        if group.is_none() || names.is_empty() {
            let what = "an item of `libraries` without a group, or without a library";
            let help =
                "write `{group: kids, names: [Cartoons]}`, as the server calls its libraries";
            problems.push(Problem::error("U569", one.at.clone(), what, help));
        }
        Some(GroupLibraries { group: group?.into(), names })
    };
    let libraries = keys.value(&JELLYFIN_LIBRARIES).iter();
    let groups = keys.value(&JELLYFIN_ADMIN_GROUPS).iter();
    JellyfinPeople {
        sign_in: keys.value(&JELLYFIN_SIGN_IN),
        create: keys.value(&JELLYFIN_CREATE_USERS),
        admin_groups: groups.map(|group| group.text.clone()).collect(),
        libraries: libraries.filter_map(|one| library(one, problems)).collect(),
    }
}

/// A key without paths or addresses would open everything, from everywhere.
fn service(keys: &Section, problems: &mut Vec<Problem>) -> Option<Service> {
    let mut lacks = |key: &Key, given: Option<&Given>, help: &str| {
        let at = given.map_or_else(|| keys.at.clone(), |given| given.node.span.clone());
        let what = format!("this service of `jellyfin` has no good `{}`", key.name);
        problems.push(Problem::error("U575", at, what, help));
    };
    let hash = keys.get(&SERVICE_KEY_SHA256).and_then(TokenHash::of_hex);
    if hash.is_none() {
        let help = "write what `printf %s KEY | sha256sum` says";
        lacks(&SERVICE_KEY_SHA256, keys.given(&SERVICE_KEY_SHA256), help);
    }
    let paths: Vec<Box<str>> = keys
        .value(&SERVICE_PATHS)
        .iter()
        .map(|path| path.text.to_ascii_lowercase().into())
        .collect();
    if paths.is_empty() || !paths.iter().all(|path| path.starts_with('/')) {
        let help = "name each path that it asks, such as `/Items/*`";
        lacks(&SERVICE_PATHS, keys.given(&SERVICE_PATHS), help);
    }
    let written = keys.value(&SERVICE_ADDRESSES);
    let addresses: Vec<_> = written.iter().filter_map(|one| address_range(&one.text)).collect();
    if addresses.is_empty() || addresses.len() != written.len() {
        let help = "name the addresses that it asks from, such as `192.0.2.7` or `10.0.0.0/8`";
        lacks(&SERVICE_ADDRESSES, keys.given(&SERVICE_ADDRESSES), help);
    }
    Some(Service { key: hash?, paths, addresses })
}
