//! Several providers on one page: which of them is to say who somebody is.

use http::Response;
use usher_pages::{ChooseProvider, Link, NotFound, Scripts, Way};
use usher_rules::{
    plan::{Listed, Provider},
    signin::Goal,
};

use super::{Ask, SignInRoom, answer};
use crate::request::Body;

/// Where each of them begins, its name behind.
const BEGINS: &str = "/.pomerium/sign_in/";

/// The name of the provider that a person has chosen, where `path` says.
pub(super) fn chosen(path: &str) -> Option<&str> {
    path.strip_prefix(BEGINS).filter(|name| !name.is_empty())
}

/// The ways on to others, beside the form of the built-in provider or without one. They lead on with
/// the link that brought the person here: its signature says where it ends.
pub(super) fn ways(ask: &Ask) -> Vec<Way<'_>> {
    let way = |listed: &'_ Listed| ask.with_query(&format!("{BEGINS}{}", listed.name));
    let elsewhere = |listed: &&Listed| listed.provider.address().is_some();
    let all = ask.choices();
    let others = all.into_iter().filter(elsewhere);
    others.map(|listed| Way { label: &listed.label, to: Link::new(way(listed)) }).collect()
}

impl SignInRoom {
    /// Somebody who is not known: on to the one who is asked, or to the page to choose on.
    pub(super) async fn ask_who(
        &self,
        ask: &Ask,
        goal: Goal,
        wanted: &[&Provider],
    ) -> Response<Body> {
        let choices = ask.choices();
        if let Some(name) = chosen(ask.path()) {
            return match choices.iter().find(|listed| *listed.name == *name) {
                Some(listed) => self.with(&listed.provider).sign_in(ask, goal).await,
                None => answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() }),
            };
        }
        match (&*choices, wanted) {
            ([one], _) => self.with(&one.provider).sign_in(ask, goal).await,
            ([], [one, ..]) => self.with(one).sign_in(ask, goal).await,
            ([], []) => self.with_first(ask.plan()).sign_in(ask, goal).await,
            (several, _) => match built_in(several) {
                Some(own) => self.with(own).sign_in(ask, goal).await,
                None => choose(ask, &goal),
            },
        }
    }
}

/// The built-in provider, whose form has room for the ways to others.
pub(super) fn built_in<'a>(choices: &[&'a Listed]) -> Option<&'a Provider> {
    choices.iter().map(|listed| &listed.provider).find(|one| one.address().is_none())
}

fn choose(ask: &Ask, goal: &Goal) -> Response<Body> {
    let host = goal.host(ask.plan());
    let page = ChooseProvider { host: &host, ways: &ways(ask), contact: ask.contact() };
    answer::html(200, page.render(ask.language()), Scripts::No, &[])
}
